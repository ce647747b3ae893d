"""Docstrings in numpydoc form: of the activations, made from their rows of the catalog, and of `backward`."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterable, Iterator

from ..catalog import OUT, REQUIRED, Argument, Pass, Row

KEYWORD, EITHER = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD


def signature(first: list[str], arguments: Iterable[Argument], by_name: bool = False) -> inspect.Signature:
    """What a call takes: its arrays by position, and then what the catalog says."""
    return inspect.Signature(
        [
            *(inspect.Parameter(name, EITHER) for name in first),
            *(
                inspect.Parameter(a.name, KEYWORD if by_name or a.by_name else EITHER, default=a.default)
                for a in arguments
            ),
        ]
    )


def forward(row: Row, signature: inspect.Signature) -> str:
    """The docstring of one activation."""
    sections = [
        f"{row.name}{signature}\n\n{row.name}: ``{row.formula}``, {row.shape.of_what}.",
        _section("Parameters", _parameters(row)),
        _section("Returns", _returns(row)),
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


def _parameters(row: Row) -> str:
    in_place = "" if row.shape.shrinks else "; may be `x`, then nothing is allocated"
    out = f"out : {OUT.kind}\n    Where the result goes, of its shape and dtype{in_place}."
    lines = [
        "x : array_like\n"
        "    Input of any shape and memory order; float16, bfloat16, float32 and float64 keep their dtype,\n"
        "    integers and bools give float64.",
        *(out if argument is OUT else _entry(argument) for argument in row.arguments),
    ]
    return "\n".join(lines)


def _entry(argument: Argument) -> str:
    says_no_more = argument.default is REQUIRED or "optional" in argument.kind
    default = "" if says_no_more else f", default {argument.default!r}"
    return f"{argument.name} : {argument.kind}{default}\n    {argument.meaning}"


def _returns(row: Row) -> str:
    which = (
        "\nwhich : numpy.ndarray\n    With ``return_which=True``: int32 positions of the largest values."
        if any(argument.name == "return_which" for argument in row.arguments)
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
    facts = "\n".join(f"* {name}: {text}" for name, text in row.properties.facts().items())
    at = f" at {row.held_at}" if row.held_at else ""
    range_and_source = f"Range ``{row.range}``. Source: [1]_."
    return "\n\n".join(
        [
            f"{derivatives}{condition}\n{range_and_source}",
            *_strengths_and_weaknesses(row),
            *(f"Properties{at}:", facts),
        ]
    )


def _strengths_and_weaknesses(row: Row | Pass) -> Iterator[str]:
    for title, text in (("Strengths", row.strengths), ("Weaknesses", row.weaknesses)):
        yield textwrap.fill(f"{title}: {text}", 100, break_on_hyphens=False)


def of_pass(row: Pass, signature: inspect.Signature, text: str | None) -> str:
    """The docstring of a pass: the text of its call, and in it what the catalog says."""
    before, title, behind = inspect.cleandoc(text or "").partition("References\n")
    derivatives = [f"Derivative with respect to ``{of}``: ``{d}``." for of, d in row.derivatives.items()]
    notes = [f"``{row.formula}``", "\n".join(derivatives), *_strengths_and_weaknesses(row)]
    sections = [f"{row.name}{signature}", before.rstrip(), _section("Notes", "\n\n".join(notes))]
    return "\n\n".join([*sections, f"{title}{behind}"]) + "\n"


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


class Gradients:
    """What the docstring of `backward` says for one shape of work, beside what the catalog knows.

    `of_saved` says when which of the arrays is given, `returns_also` what comes beside the input's gradient.
    """

    def __init__(self, summary: str, of_saved: str = "", returns_also: str = "") -> None:
        self.summary, self.of_saved, self.returns_also = summary, of_saved, returns_also


def backward(row: Row, gradients: Gradients) -> str:
    """The docstring of one activation's `backward`."""
    arguments = row.backward_arguments
    saved = [a for a in arguments if a.kind == "array_like"]
    others = [a for a in arguments if a not in saved and a.name != "out"]
    where = f" (`y` where ``{row.output_determines}``)" if row.output_determines else ""
    which = gradients.of_saved or (
        f"Exactly one{where}: "
        + ", or ".join(f"{a.meaning[0].lower()}{a.meaning[1:-1]}" for a in saved)
        + "."
    )
    in_place = "`x`" if row.shape.shrinks else "`dy` or the saved array"
    parameters = [
        "dy : array_like\n    Gradient with respect to the output.",
        _entry(saved[0])
        if len(saved) == 1
        else f"{', '.join(a.name for a in saved)} : array_like\n    {which}",
        *map(_entry, others),
        f"out : {OUT.kind}\n    Where the gradient of the input goes; may be {in_place}.",
    ]
    gives_more = any(p.gradient for p in row.parameters) or any(a.name == "weight" for a in others)
    returns = [_GRADIENT, gradients.returns_also] if gives_more else [_GRADIENT]
    returns += [_BIAS_GRADIENT] if any(a.name == "bias_grad" for a in others) else []
    sections = [
        gradients.summary,
        _section("Parameters", "\n".join(parameters)),
        _section("Returns", "\n".join(returns)),
        _section("Raises", _BACKWARD_RAISES),
    ]
    return "\n\n".join(sections) + "\n"


_GRADIENT = """\
dx : numpy.ndarray or scalar
    Gradient with respect to the input; `out` itself where it was given."""
_BIAS_GRADIENT = """\
dbias : numpy.ndarray or scalar
    With ``bias_grad=True``: gradient with respect to the bias, in its shape; without ``bias=`` one number
    per position along `bias_axis`, for an `x` or `y` that holds the bias already."""
_BACKWARD_RAISES = """\
TypeError
    If what was saved is missing, is not accepted or is given twice, or a dtype is not supported.
ValueError
    If shapes do not fit, `out` cannot take the result or a parameter is out of its range."""
