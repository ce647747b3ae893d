"""Writes docs/_static/explorer-formulas.js: every activation of the catalog as functions of JavaScript.

The explorer's page computes what the rows of ``fastact/catalog`` say, each formula translated word by word
with its parameters left open. What it does not know of an activation is not in a row, so one that is added
there is in the explorer too.

All of them work on a row of numbers, ``v.x``, that lies along straight lines over the x that is drawn, as in
`fastact.measure.curves`: of an elementwise one the row is x itself; of a softmax x beside two zeros; of a
gated one both halves. What is drawn is the first result and its derivative along those lines.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastact as fa
from fastact.catalog import VOCABULARY, Parameter, Row, rows
from fastact.measure.curves import LINES, family, input_words

FILE = "explorer-formulas.js"

OPERATORS: dict[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<",
    ast.LtE: "<=", ast.Eq: "===", ast.NotEq: "!==",
}  # fmt: skip
REDUCTIONS = ("max", "sum", "sparse_threshold")
"""Words that the page's own arithmetic is given a length for, and a function of the position."""

HEAD = """\
// Written by docs/website/explorer_formulas.py from fastact's catalog, not by hand.
"use strict";

// Of `v.x`, `v.y`, `v.dy` and `v.noise`, rows of `v.length` numbers, and of the parameters `p`: result i, and
// its derivative by v.x[i]. `words` is the arithmetic of explorer-numbers.js.
"""


def write(docs: Path) -> None:
    """Write the file below the documentation's folder."""
    folder = docs / "_static"
    folder.mkdir(exist_ok=True)
    (folder / FILE).write_text(script(), encoding="utf-8")


def script() -> str:
    """All activations as one object, by their names."""
    entries = "".join(f"  {json.dumps(row.name)}: {_activation(row)},\n" for row in rows)
    return f"{HEAD}window.fastactFormulas = (words) => ({{\n{entries}}});\n"


def javascript(text: str, names: Mapping[str, str]) -> str:
    """A formula of the catalog in JavaScript; `names` has what the page calls x and the parameters."""

    def write_out(node: ast.expr) -> str:
        match node:
            case ast.Constant(value=int() | float() as value):
                return repr(value)
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.Name(id="pi"):
                return "Math.PI"
            case ast.Name(id="inf"):
                return "Infinity"
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"(-{write_out(operand)})"
            case ast.BinOp(op=op, left=left, right=right) if type(op) in OPERATORS:
                return f"({write_out(left)} {OPERATORS[type(op)]} {write_out(right)})"
            case ast.Compare(ops=[op], left=left, comparators=[right]) if type(op) in OPERATORS:
                return f"({write_out(left)} {OPERATORS[type(op)]} {write_out(right)})"
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in VOCABULARY:
                return _call(name, [write_out(argument) for argument in args])
        raise ValueError(f"{ast.unparse(node)!r} in {text!r} is not in the catalog's vocabulary")

    return write_out(ast.parse(text, mode="eval").body)


def _call(name: str, args: list[str]) -> str:
    match name, args:
        case "where", [condition, chosen, other]:
            return f"({condition} ? {chosen} : {other})"
        case "join", [first, second]:
            return f"[{first}, {second}][i]"
        case _ if name in REDUCTIONS:
            return f"words.{name}(v.length, (i) => {args[0]})"
    return f"words.{name}({', '.join(args)})"


def _activation(row: Row) -> str:
    saved = "x" if "x" in row.saves else row.saves[0]
    names = _names(row)
    facts = {
        "formula": row.formula,
        "derivative": row.derivatives[saved],
        "range": row.range,
        "drawn": input_words(row),
        "lines": _lines(row),
        "noise": _noise(row),
        "parameters": _parameters(row),
    }
    constraints = ", ".join(
        f"{{ text: {json.dumps(p.constraint)}, holds: (p) => {javascript(p.constraint, names)} }}"
        for p in row.parameters
        if p.constraint
    )
    members = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in facts.items()]
    members += [
        f"constraints: [{constraints}]",
        f"y: (v, p, i) => {javascript(row.formula, names)}",
        f"slope: (v, p, i) => {_slope(row, saved, names)}",
    ]
    return "{\n" + "".join(f"    {member},\n" for member in members) + "  }"


def _slope(row: Row, saved: str, names: Mapping[str, str]) -> str:
    text = javascript(row.derivatives[saved], names)
    # Of equal pieces the first alone is passed the gradient, which the catalog's formula leaves open.
    return f"(v.x.indexOf(v.x[i]) === i ? {text} : 0)" if "pieces" in row.needs else text


def _names(row: Row) -> dict[str, str]:
    arrays = {name: f"v.{name}[i]" for name in ("x", "y", "dy", "noise")}
    if row.shape.halves:
        arrays |= {"a": "v.x[0]", "b": "v.x[1]", "dy": "v.dy[0]"}
    numbers = {p["name"]: f"p.{p['name']}" for p in _parameters(row)}
    if row.shape.draws_slopes:
        # Without a seed every slope is the mean, as in Row.names.
        numbers["slope"] = "((p.lower + p.upper) / 2)"
    return arrays | numbers


def _lines(row: Row) -> list[tuple[float, float]]:
    """Slopes and offsets of what the row of inputs is, over the x that is drawn."""
    if row.shape.halves:
        return [(0, 1), (1, 0)]
    if row.shape.shrinks:
        return list(LINES)
    return [(1, 0), (0, 0), (0, 0)] if row.shape.by_row else [(1, 0)]


def _noise(row: Row) -> list[float]:
    if "noise" not in row.shape.names:
        return []
    noise = fa.activations[row.name].noise((1, len(_lines(row))), seed=int(row.needs["seed"]))
    return noise[0].tolist()


def _parameters(row: Row) -> list[dict[str, Any]]:
    """The parameters with what their sliders need; their first values are those of pictures."""
    first = {**row.needs, **family(row)[0]}
    found = [_parameter(p, first.get(p.name, p.number)) for p in row.parameters]
    # A weight is no parameter of a kernel, since a call may give one for each channel.
    own = [argument for argument in row.shape.arguments if argument.name == "weight"]
    return found + [_parameter(Parameter(a.name, a.default, a.meaning), first[a.name]) for a in own]


def _parameter(parameter: Parameter, value: Any) -> dict[str, Any]:
    said = {"name": parameter.name, "meaning": parameter.meaning.rstrip("."), "value": value}
    if parameter.choices:
        return {**said, "value": parameter.default, "choices": dict(parameter.choices)}
    if parameter.none is not None:
        said["none"] = parameter.none
    usual = abs(value) if value and math.isfinite(value) else 1.0
    high = math.ceil(4 * usual)
    positive = parameter.constraint in (f"{parameter.name} > 0", f"{parameter.name} >= 0")
    return {**said, "low": 0 if positive else -high, "high": high, "step": 0.01 if high <= 4 else 0.1}
