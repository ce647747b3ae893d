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


LETTERS_OF_PASSES = {
    **{r"\bar{c}'": "dc", r"\bar{h}'": "dh", r"\bar{h}": "dh", r"\bar y": "dy", r"\hat x": "y0"},
    **{r"\varepsilon": "eps", r"\rho": "rstd", r"\delta": "total", "c'": "c_next", "h'": "h_next"},
    r"\sum ": "+",
}
"""The longer ones first; a sum is taken where the whole is one."""


def _solved(equations: list[str], given: dict[str, np.ndarray], axis: int = -1) -> dict[str, np.ndarray]:
    """What equations give, one after the other; mean and var along an axis, sums along the first one."""
    names = {
        **{name: getattr(np, name) for name in ("tanh", "sqrt")},
        "sigma": lambda z: 1 / (1 + np.exp(-z)),
        "square_of_tanh": lambda z: np.tanh(z) ** 2,
        "mean": lambda x: np.mean(x, axis, keepdims=True),
        "var": lambda x: np.var(x, axis, keepdims=True),
    }
    found = {}
    for latex in equations:
        left, right = latex.split(" = ", 1)
        name = LETTERS_OF_PASSES.get(left, left)
        value = eval(_expression(right, LETTERS_OF_PASSES), BUILTINS, {**names, **given})
        found[left] = value.sum(axis=0) if right.startswith(r"\sum ") else value
        # A gradient has a bar, and no name that others could use.
        given = given if left.startswith(r"\bar") else {**given, name: value}
    return found


@pytest.mark.parametrize(("name", "axis"), [("layer_norm", -1), ("rms_norm", -1), ("batch_norm", 0)])
def test_the_equations_of_a_norm_are_those_of_its_kernels(name, axis):
    norm, random = getattr(fa, name), np.random.default_rng(0)
    x, dy = random.standard_normal((2, 5, 7)) + 1
    training = {"training": True} if name == "batch_norm" else {}
    given = {"weight": random.standard_normal(7)}
    if name != "rms_norm":
        given["bias"] = random.standard_normal(7)
    y, *_, rstd = norm(x, **given, **training, eps=1e-3, return_stats=True)
    gradients = norm.backward(dy, x=x, **given, **training, eps=1e-3)
    letters = {"x": x, "dy": dy, "eps": 1e-3, "w": given["weight"], "b": given.get("bias"), "rstd": rstd}
    letters["y0"] = norm(x, **training, eps=1e-3)
    found = _solved(mathematics.equations(norm.row) + mathematics.gradients(norm.row), letters, axis)
    for value, expected in zip(found.values(), (y, *gradients), strict=False):
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)
    assert list(found) == ["y", *(rf"\bar{{{letter}}}" for letter in ("x", "w", "b")[: len(found) - 1])]


def test_the_equations_of_an_lstm_are_those_of_its_kernels():
    random = np.random.default_rng(1)
    z, (c, dh, dc) = random.standard_normal((2, 12)), random.standard_normal((3, 2, 3))
    gates = np.empty_like(z)
    h, c_next = fa.lstm_cell(z, c, gates_out=gates)
    dgates, dc_prev = fa.lstm_cell.backward(dh, dc, gates=gates, c=c, c_next=c_next)
    row = fa.lstm_cell.row
    found = _solved(mathematics.equations(row), {"c": c, **dict(zip("ifgo", np.split(z, 4, 1), strict=True))})
    np.testing.assert_allclose([found["c'"], found["h"]], [c_next, h], rtol=1e-12)
    activated = dict(zip("ifgo", np.split(gates, 4, axis=1), strict=True))
    given = {"c": c, "c_next": c_next, "dh": dh, "dc": dc, **activated}
    found = _solved(mathematics.gradients(row), given)
    np.testing.assert_allclose(np.hstack([found[rf"\bar{{{gate}}}"] for gate in "ifgo"]), dgates, rtol=1e-12)
    np.testing.assert_allclose(found[r"\bar{c}"], dc_prev, rtol=1e-12)


def test_the_equations_of_a_gru_are_those_of_its_kernels():
    random = np.random.default_rng(2)
    (x, hidden), (h, dh) = random.standard_normal((2, 2, 9)), random.standard_normal((2, 2, 3))
    kept = np.empty((2, 9)), np.empty((2, 3))
    h_next = fa.gru_cell(x, hidden, h, gates_out=kept)
    dx, dhidden, dh_prev = fa.gru_cell.backward(dh, gates=kept, h=h)
    row = fa.gru_cell.row
    parts = {f"x_{gate}": part for gate, part in zip("rzn", np.split(x, 3, 1), strict=True)}
    parts |= {f"h_{gate}": part for gate, part in zip("rzn", np.split(hidden, 3, 1), strict=True)}
    found = _solved(mathematics.equations(row), {"h": h, **parts})
    np.testing.assert_allclose(found["h'"], h_next, rtol=1e-12)
    activated = dict(zip("rzn", np.split(kept[0], 3, axis=1), strict=True))
    found = _solved(mathematics.gradients(row), {"h": h, "dh": dh, "h_n": kept[1], **activated})
    shown = [found[name] for name in (r"\bar{r}", r"\bar{z}", r"\bar{x}_n")]
    np.testing.assert_allclose(np.hstack(shown), dx, rtol=1e-12)
    np.testing.assert_allclose(np.hstack([*shown[:2], found[r"\bar{h}_n"]]), dhidden, rtol=1e-12)
    np.testing.assert_allclose(found[r"\bar{h}"], dh_prev, rtol=1e-12)


def test_sums_over_a_row_have_indices():
    assert mathematics.equations(fa.logsumexp.row) == [
        r"y = \max_j\, \left(s\,{x}_j + {m}_j\right) + "
        r"\ln\left(\sum_j e^{s\,{x}_j + {m}_j - \max_k\, \left(s\,{x}_k + {m}_k\right)}\right)"
    ]
    assert mathematics.equations(fa.cross_entropy.row) == [
        r"y = w\,\left(\ln\left(\sum_j e^{{x}_j}\right) - {x}_t\right)"
    ]
    assert mathematics.gradients(fa.cross_entropy.row) == [
        r"\bar{x}_i = \bar y\,w\,\left(\operatorname{softmax}\left(x\right)_i - \left[i = t\right]\right)"
    ]


@pytest.mark.parametrize("row", catalog.passes, ids=lambda row: row.name)
def test_every_letter_of_a_pass_is_explained(row):
    letters = " ".join(mathematics.words(row))
    for latex in mathematics.equations(row) + mathematics.gradients(row):
        for letter in (r"\varepsilon", r"\rho", r"\delta", r"\hat x", r"\sigma", "c'", "h'"):
            # A bar is explained by the page, for all of them.
            assert letter not in re.sub(r"\\bar\{.*?\}'?", "", latex) or letter in letters, (latex, letter)


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
