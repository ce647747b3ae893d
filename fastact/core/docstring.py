"""Docstrings in numpydoc form: of the activations, made from their rows of the catalog, and of `backward`."""

from __future__ import annotations

import inspect

from ..catalog import Parameter, Row

_SHAPE_PARAMETERS = {
    "axis": "Axis along which a row or both halves lie, counted from the end where negative.",
    "weight": "One slope, or one per position along `axis`.",
    "pieces": "Size of a group of consecutive values; divides the extent along `axis`.",
    "seed": "None for evaluation (the mean slope); an integer for training (each its own slope).",
    "hard": "Whether to give 1 to the largest value of a row and 0 to the others.",
    "where": "Boolean mask that broadcasts to `x`: what it leaves out gets 0 and does not count.",
    "return_which": "Whether to return the position of the largest value in its group too.",
}
_TYPES = {
    "axis": "int",
    "weight": "float or array_like",
    "pieces": "int",
    "seed": "int or None",
    "hard": "bool",
    "where": "array_like of bool, optional",
    "return_which": "bool",
}


def forward(row: Row, signature: inspect.Signature) -> str:
    """The docstring of one activation."""
    sections = [
        f"{row.name}{signature}\n\n{row.name}: ``{row.formula}``, {row.shape.of_what}.",
        _section("Parameters", _parameters(row, signature)),
        _section("Returns", _returns(row, signature)),
        _section("Raises", _RAISES),
        _section("Notes", _notes(row)),
        _section("References", f".. [1] {row.reference}."),
        _section("Examples", _example(row)),
    ]
    return "\n\n".join(sections) + "\n"


_RAISES = """\
TypeError
    If a dtype is not supported, or `out` has another dtype than the result.
ValueError
    If a parameter is out of its range, or `out` has another shape or is read-only."""


def _section(title: str, body: str) -> str:
    return f"{title}\n{'-' * len(title)}\n{body}"


def _parameters(row: Row, signature: inspect.Signature) -> str:
    own = {p.name: p for p in row.parameters}
    lines = [
        "x : array_like\n"
        "    Input of any shape and memory order; float16, bfloat16, float32 and float64 keep their dtype,\n"
        "    integers and bools give float64."
    ]
    for name, parameter in signature.parameters.items():
        if name in {"x", "out"}:
            continue
        default = "" if parameter.default is inspect.Parameter.empty else f", default {parameter.default!r}"
        if name == "seed" and not default:
            lines.append(
                "seed : int\n    What the noise is made of, with each element's position in C order."
            )
            continue
        if name == "where":
            default = ""
        kind = _TYPES.get(name, "float") if name not in own else _type(own[name])
        meaning = f"{own[name].meaning.capitalize()}." if name in own else _SHAPE_PARAMETERS[name]
        allowed = f" Allowed: ``{own[name].constraint}``." if name in own and own[name].constraint else ""
        lines.append(f"{name} : {kind}{default}\n    {meaning}{allowed}")
    in_place = "" if row.shape.shrinks else "; may be `x`, then nothing is allocated"
    lines.append(
        f"out : numpy.ndarray, optional\n    Where the result goes, of its shape and dtype{in_place}."
    )
    return "\n".join(lines)


def _type(parameter: Parameter) -> str:
    if parameter.choices:
        return f"{{{', '.join(map(repr, parameter.choices))}}}"
    return "float" if parameter.none is None else "float or None"


def _returns(row: Row, signature: inspect.Signature) -> str:
    which = (
        "\nwhich : numpy.ndarray\n    With ``return_which=True``: int32 positions of the largest values."
        if "return_which" in signature.parameters
        else ""
    )
    result = f"The result, in {row.range}; `out` itself where it was given."
    return f"y : numpy.ndarray or scalar\n    {result}{which}"


def _notes(row: Row) -> str:
    derivatives = "\n".join(
        f"Derivative from ``{saved}``: ``{text}``." for saved, text in row.derivatives.items()
    )
    condition = (
        f"\n``backward`` accepts ``y=`` where ``{row.output_determines}``." if row.output_determines else ""
    )
    facts = ", ".join(
        text if holds else f"not {text}"
        for text, holds in (
            ("monotonic", row.monotonic),
            ("saturating", row.saturates),
            ("zero-centred", row.zero_centered),
        )
    )
    return f"{derivatives}{condition}\nRange ``{row.range}``; {facts}. Source: [1]_."


def _example(row: Row) -> str:
    given = row.needs | ({"pieces": 2} if "pieces" in row.needs else {})
    arguments = "".join(f", {name}={value}" for name, value in given.items())
    lines = [
        ">>> import numpy as np",
        ">>> import fastact as fa",
        ">>> x = np.array([-2.0, -0.5, 0.5, 2.0], dtype=np.float32)",
        f">>> y = fa.{row.name}(x{arguments})",
    ]
    if "pieces" in given:
        lines += [">>> y.tolist()", "[-0.5, 2.0]"]
    elif row.shape.halves:
        lines += [
            f">>> dx = fa.{row.name}.backward(np.ones_like(y), x=x)",
            ">>> y.shape, dx.shape",
            "((2,), (4,))",
        ]
    elif "weight" in given:
        lines += [
            ">>> dx, dweight = fa.prelu.backward(np.ones_like(x), x=x, weight=0.25)",
            ">>> dx.tolist(), float(dweight)",
            "([0.25, 0.25, 1.0, 1.0], -2.5)",
        ]
    else:
        saved = "y=y" if row.saves[0] == "y" else "x=x.copy()"
        lines += [
            f">>> dx = fa.{row.name}.backward(np.ones_like(x), {saved}{arguments})",
            f">>> fa.{row.name}(x{arguments}, out=x) is x  # in place",
            "True",
            ">>> bool((x == y).all()), dx.shape",
            "(True, (4,))",
        ]
    return "\n".join(lines)


GRADIENT = """\
numpy.ndarray
    Gradient with respect to the input; `out` itself where it was given."""
AXIS = """\
axis : int, default -1
    Axis of the forward call."""


def backward(summary: str, parameters: str, returns: str = GRADIENT, raises: str = "") -> str:
    """The docstring of `backward` for one shape of work."""
    sections = [summary, _section("Parameters", parameters), _section("Returns", returns)]
    return "\n\n".join(sections + ([_section("Raises", raises)] if raises else [])) + "\n"
