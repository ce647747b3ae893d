"""A formula of the catalog as mathematics, in LaTeX."""

from __future__ import annotations

import ast
import math
from collections import Counter
from collections.abc import Callable, Iterator

from fastact.catalog import Row

SUM, PRODUCT, MINUS, POWER, ATOM = range(5)
"""How tightly a text binds: what binds less than its place asks for is put in parentheses."""

Term = tuple[str, int]

GREEK = {"alpha": r"\alpha", "beta": r"\beta", "lambd": r"\lambda", "tau": r"\tau", "pi": r"\pi"}

NAMES = {
    "dy": r"\bar y",
    "temperature": "T",
    "threshold": r"\theta",
    "noise": "g",
    "value": "v",
    "weight": "w",
}
"""What a parameter with a long name is called, where that would make a formula unreadable."""

RELATIONS: dict[type, str] = {
    ast.Gt: ">", ast.GtE: r"\geq", ast.Lt: "<", ast.LtE: r"\leq", ast.Eq: "=",
}  # fmt: skip

FUNCTIONS = {
    "tanh": r"\tanh", "log": r"\ln", "erf": r"\operatorname{erf}", "erfc": r"\operatorname{erfc}",
    "sigmoid": r"\sigma", "sign": r"\operatorname{sgn}",
}  # fmt: skip

DIGITS = 6


def formula(row: Row) -> str:
    """The activation: ``y = ...``."""
    left = "y_i" if row.shape.by_row else "y"
    return f"{left} = {_Writer(row).text(row.formula)}"


def derivative(row: Row, saved: str) -> str:
    """The derivative from what backward saves; where the row says the whole gradient, that."""
    text = row.derivatives[saved]
    whole = row.text(saved) == text
    index = "_i" if row.shape.by_row else ""
    left = rf"\bar x{index}" if whole else r"\frac{dy}{dx}"
    if row.shape.shrinks and not whole:
        left = r"\frac{\partial y}{\partial x_i}"
    return f"{left} = {_Writer(row).text(text)}"


def legend(row: Row, *texts: str) -> list[tuple[str, str]]:
    """What letters of some of the row's texts stand for: the letter, and its meaning in words."""
    nodes = (node for text in texts for node in ast.walk(ast.parse(text)))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    meanings = {p.name: f"`{p.name}`, {p.meaning}" for p in row.parameters}
    for name, words in (("weight", "`weight`, the slope"), ("slope", "the slope that is drawn")):
        if name not in meanings and not (name == "slope" and "slope" in row.numbers):
            meanings[name] = words
    meanings["noise"] = "noise that is drawn, -log(-log(u)) of uniform u"
    meanings["sigmoid"] = "the logistic function, 1 / (1 + exp(-z))"
    meanings["dy"] = "the gradient of the output"
    meanings["sparse_threshold"] = "the threshold for which the outputs sum to 1"
    return [(_letter(name), meanings[name]) for name in sorted(used & set(meanings))]


def _letter(name: str) -> str:
    if name == "sigmoid":
        return r"\sigma(z)"
    if name == "sparse_threshold":
        return r"\tau(z)"
    return _name(name)


def _name(name: str) -> str:
    if name in GREEK:
        return GREEK[name]
    return NAMES.get(name) or (name if len(name) == 1 else rf"\text{{{name}}}")


class _Writer:
    """Writes the texts of one row: in rows, names of arrays have an index, i outside of sums and j within."""

    def __init__(self, row: Row) -> None:
        self.indexed = {"x", "y", "dy", "noise"} if row.shape.by_row or row.kind == "pieces" else set()
        self.index = "i"

    def text(self, text: str) -> str:
        return self.write(ast.parse(text, mode="eval").body)[0]

    def at_least(self, node: ast.expr, strength: int) -> str:
        """The text of a node, in parentheses where it binds less than that."""
        text, own = self.write(node)
        return text if own >= strength else rf"\left({text}\right)"

    def write(self, node: ast.expr) -> Term:
        match node:
            case ast.Constant(value=value):
                return _number(value), ATOM
            case ast.Name(id=name):
                letter = _name(name)
                return (f"{{{letter}}}_{self.index}" if name in self.indexed else letter), ATOM
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.negative(operand)
            case ast.BinOp(op=ast.Add() | ast.Sub() as op, left=left, right=right):
                minus = isinstance(op, ast.Sub)
                after = self.at_least(right, PRODUCT if minus else SUM)
                if not minus and after.startswith("-"):
                    after = rf"\left({after}\right)"
                return f"{self.at_least(left, SUM)} {'-' if minus else '+'} {after}", SUM
            case ast.BinOp(op=ast.Mult()):
                return self.product(node)
            case ast.BinOp(op=ast.Div(), left=left, right=right):
                above, below = self.write(left)[0], self.write(right)[0]
                if above.startswith("-") and self.write(left)[1] == SUM and " " not in above:
                    return rf"-\frac{{{above[1:]}}}{{{below}}}", SUM
                return rf"\frac{{{above}}}{{{below}}}", POWER
            case ast.Compare(ops=[op], left=left, comparators=[right]):
                return f"{self.write(left)[0]} {RELATIONS[type(op)]} {self.write(right)[0]}", SUM
            case ast.Call(func=ast.Name(id=name), args=args):
                return self.call(name, args)
        raise ValueError(f"{ast.unparse(node)!r} has no form in mathematics")

    def negative(self, node: ast.expr) -> Term:
        match node:
            case ast.Call(func=ast.Name(id="expm1"), args=[argument]):
                return f"1 - {self.call('exp', [argument])[0]}", SUM
        return f"-{self.at_least(node, PRODUCT)}", SUM

    def product(self, node: ast.expr) -> Term:
        """Factors in their order, equal ones as a power, the sign of the first in front of them all."""
        factors = list(_factors(node))
        sign = ""
        while isinstance(factors[0], ast.UnaryOp):
            sign, factors[0] = "" if sign else "-", factors[0].operand
        counts = Counter(map(ast.dump, factors))
        distinct = {ast.dump(factor): factor for factor in factors}
        text = sign
        for form, factor in distinct.items():
            written = self.power(factor, counts[form]) if counts[form] > 1 else self.at_least(factor, PRODUCT)
            dot = written[0].isdigit() or (written.startswith(r"\frac") and text[-1:].isdigit())
            text += (r" \cdot " if dot else r"\,") * (text not in ("", "-")) + written
        return text, SUM if sign else PRODUCT

    def power(self, base: ast.expr, exponent: int) -> str:
        text, strength = self.write(base)
        function = next((name for name in FUNCTIONS.values() if text.startswith(name + r"\left(")), None)
        if function:
            return text.replace(function, f"{function}^{exponent}", 1)
        return f"{text if strength == ATOM else rf'{chr(92)}left({text}{chr(92)}right)'}^{exponent}"

    def call(self, name: str, args: list[ast.expr]) -> Term:
        if name in ("max", "sum"):
            return self.reduction(name, args[0])
        if name in ("exp", "expm1"):
            argument = self.write(args[0])[0]
            # What is tall is unreadable as an exponent.
            tall = r"\frac" in argument
            power = rf"\exp\left({argument}\right)" if tall else f"e^{{{argument}}}"
            return (power, POWER) if name == "exp" else (f"{power} - 1", SUM)
        if name in FUNCTIONS:
            return rf"{FUNCTIONS[name]}\left({self.write(args[0])[0]}\right)", POWER
        return OTHERS[name](self, *args)

    def reduction(self, name: str, argument: ast.expr) -> Term:
        outer, self.index = self.index, "j"
        try:
            if name == "max":
                return rf"\max_j\,{self.at_least(argument, PRODUCT)}", PRODUCT
            return rf"\sum_j {self.at_least(argument, PRODUCT)}", PRODUCT
        finally:
            self.index = outer

    def where(self, condition: ast.expr, chosen: ast.expr, other: ast.expr) -> Term:
        test, then, otherwise = (self.write(node)[0] for node in (condition, chosen, other))
        if (then, otherwise) == ("1", "0"):
            return rf"\left[{test}\right]", ATOM
        cases = rf"{then} & \text{{if }} {test} \\ {otherwise} & \text{{otherwise}}"
        return rf"\begin{{cases}} {cases} \end{{cases}}", SUM

    def several(self, function: str, *args: ast.expr) -> Term:
        listed = r",\; ".join(self.write(argument)[0] for argument in args)
        return rf"{function}\left({listed}\right)", POWER

    def minus_tanh(self, node: ast.expr) -> Term:
        return rf"{self.at_least(node, PRODUCT)} - \tanh\left({self.write(node)[0]}\right)", SUM


def _factors(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(op=ast.Mult(), left=left, right=right):
            yield from _factors(left)
            yield from _factors(right)
        case _:
            yield node


def _number(value: float) -> str:
    if isinstance(value, int) or len(repr(value)) <= DIGITS + 2:
        return str(value)
    # Cut, not rounded: the dots say that digits follow.
    factor = 10 ** (DIGITS - 1 - math.floor(math.log10(abs(value))))
    return rf"{math.trunc(value * factor) / factor}\ldots"


OTHERS: dict[str, Callable[..., Term]] = {
    "where": _Writer.where,
    "maximum": lambda writer, a, b: writer.several(r"\max", a, b),
    "minimum": lambda writer, a, b: writer.several(r"\min", a, b),
    "join": lambda writer, a, b: writer.several("", a, b),
    "sqrt": lambda writer, a: (rf"\sqrt{{{writer.write(a)[0]}}}", ATOM),
    "abs": lambda writer, a: (rf"\left|{writer.write(a)[0]}\right|", ATOM),
    "log1p": lambda writer, a: (rf"\ln\left(1 + {writer.at_least(a, SUM)}\right)", POWER),
    "float64": lambda writer, a: writer.write(a),
    "sparse_threshold": lambda writer, a: (rf"\tau\left({writer.write(a)[0]}\right)", POWER),
    "x_minus_tanh": _Writer.minus_tanh,
}
