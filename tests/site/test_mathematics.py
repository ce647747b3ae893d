"""What the pages show as mathematics is what the kernels compute."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from website import mathematics

import fastact as fa
from fastact import catalog

SHOWN = [row for row in catalog.rows if row.kind == "elementwise"]

WORDS = {
    **{r"\left(": "(", r"\right)": ")", r"\left|": "abs(", r"\right|": ")"},
    **{r"\left[": "float(", r"\right]": ")", r"\cdot": "*", r"\,": "*", r"\;": "", r"\ldots": ""},
    **{r"\geq": ">=", r"\leq": "<=", r"\tanh": "tanh", r"\ln": "log", r"\sigma": "sigma"},
    **{r"\max": "max", r"\min": "min", r"\exp": "exp", r"\pi": "pi"},
}


def _group(text: str, start: int) -> tuple[str, int]:
    """What the braces that open at `start` hold, and where they end."""
    depth = 0
    for i in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return text[start + 1 : i], i + 1
    raise AssertionError(text)


def _braces(text: str, command: str, form: str, groups: int) -> str:
    while command in text:
        at = text.index(command)
        end, inner = at + len(command), []
        for _ in range(groups):
            held, end = _group(text, end)
            inner.append(held)
        text = text[:at] + form.format(*inner) + text[end:]
    return text


def as_python(latex: str, letters: dict[str, str]) -> str:
    """The right side of an equation, by the rules that mathematicians read it by."""
    text = latex.partition(" = ")[2]
    cases = re.fullmatch(r"\\begin\{cases\} (.*) & \\text\{if \} (.*) \\\\ (.*) & .* \\end\{cases\}", text)
    if cases:
        parts = (f"({_expression(part, letters)})" for part in cases.groups())
        return "{} if {} else {}".format(*parts)
    return _expression(text, letters)


def _expression(text: str, letters: dict[str, str]) -> str:
    for letter, name in letters.items():
        text = text.replace(letter, name)
    text = _braces(text, r"\frac", "(({})/({}))", 2)
    text = _braces(text, r"\sqrt", "sqrt({})", 1)
    text = _braces(text, r"\operatorname", "{}", 1)
    text = _braces(text, "e^", "exp({})", 1)
    for word, meaning in WORDS.items():
        text = text.replace(word, meaning)
    text = re.sub(r"(tanh)\^2(\()", r"square_of_\1\2", text)
    return text.replace("^", "**")


NAMES = {
    **{name: getattr(math, name) for name in ("tanh", "log", "exp", "sqrt", "pi", "erf", "erfc")},
    "sigma": lambda z: 1 / (1 + math.exp(-z)),
    "square_of_tanh": lambda z: math.tanh(z) ** 2,
    "sgn": lambda z: (z > 0) - (z < 0),
}


BUILTINS = {"__builtins__": {"abs": abs, "max": max, "min": min, "float": float}}


def _compute(row: catalog.Row, latex: str, **arrays: float) -> float:
    legend = mathematics.legend(row, row.formula, *row.derivatives.values())
    letters = {letter: words.split("`")[1] for letter, words in legend if "`" in words}
    return float(eval(as_python(latex, letters), BUILTINS, {**NAMES, **row.numbers, **arrays}))


@pytest.mark.parametrize("row", SHOWN, ids=lambda row: row.name)
def test_the_formula_and_its_derivatives_are_those_of_the_kernels(row):
    activation = fa.activations[row.name]
    for x in (-4.5, -2.75, -0.6, -0.2, 0.3, 0.7, 1.9, 3.4, 7.5):
        given = np.array([x])
        y = activation(given, **row.needs)
        # Constants of selu and gelu_tanh are shown to six digits.
        assert _compute(row, mathematics.formula(row), x=x) == pytest.approx(y[0], rel=2e-5, abs=2e-5)
        for saved in row.saves:
            array = {"x": given, "y": y}[saved]
            slope = activation.backward(np.ones(1), **{saved: array}, **row.needs)[0]
            shown = _compute(row, mathematics.derivative(row, saved), **{saved: float(array[0])})
            assert shown == pytest.approx(slope, rel=2e-5, abs=2e-5), (x, saved)
