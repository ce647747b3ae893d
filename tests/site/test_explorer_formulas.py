"""What the explorer computes in a browser is what fastact computes: in float64, float16 and bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import mpmath
import numpy as np
import pytest
from website import explorer_formulas

import fastact as fa
from fastact import catalog
from fastact.measure import curves

DOCS = Path(__file__).parents[2] / "docs"

HALVES = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(ml_dtypes.bfloat16)}
POINTS = np.r_[np.linspace(-9.7, 9.3, 17), 0.0, -1.0, 1e-7]
"""Twenty, with kinks and equal pieces of maxout among them."""

OTHERS: dict[str, list[dict[str, Any]]] = {
    "hardsigmoid": [{"slope": 0.2, "offset": 0.4}],
    "softplus": [{"beta": 2.5, "threshold": 1.0}],
    "swish": [{"beta": -0.7}],
    "celu": [{"alpha": -0.5}],
    "rrelu": [{"lower": -0.5, "upper": 0.75}],
}
"""Parameters beside those of pictures, which change one only."""


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory) -> Iterator[Any]:
    """A page with the explorer's arithmetic and nothing else."""
    folder = tmp_path_factory.mktemp("explorer")
    explorer_formulas.write(folder)
    numbers = (DOCS / "_static" / "explorer-numbers.js").read_text(encoding="utf-8")
    (folder / "_static" / "explorer-numbers.js").write_text(numbers, encoding="utf-8")
    scripts = [f'<script src="_static/explorer-{name}.js"></script>' for name in ("formulas", "numbers")]
    (folder / "page.html").write_text(f'<meta charset="utf-8">{"".join(scripts)}', encoding="utf-8")
    opened = browser.new_page()
    opened.goto((folder / "page.html").as_uri())
    yield opened
    opened.close()


def _settings(row: catalog.Row) -> list[dict[str, Any]]:
    return [*map(dict, curves.family(row)), *OTHERS.get(row.name, [])]


def _evaluate(page, row: catalog.Row, settings: dict[str, Any], x: np.ndarray) -> list[dict[str, Any]]:
    code = "([name, x, given]) => x.map((one) => fastactExplorer.evaluate(name, one, given))"
    return page.evaluate(code, [row.name, x.tolist(), settings])


def test_every_activation_of_the_catalog_is_there(page):
    assert page.evaluate("fastactExplorer.names") == [row.name for row in catalog.rows]


def test_values_and_derivatives_are_those_of_fastact(page, row):
    """To 1e-12 of them, or 1e-15 where terms cancel."""
    for settings in _settings(row):
        expected = curves.curve(row, settings, POINTS)
        found = _evaluate(page, row, settings, POINTS)
        for name in ("y", "slope"):
            np.testing.assert_allclose(
                [one[name] for one in found],
                getattr(expected, name),
                1e-12,
                1e-15,
                err_msg=f"{name} {settings}",
            )


def test_without_parameters_they_are_those_that_pictures_begin_with(page, row):
    first = curves.family(row)[0]
    assert _evaluate(page, row, {}, POINTS) == _evaluate(page, row, dict(first), POINTS)


def _in_half(row: catalog.Row, settings: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """Values and derivatives by the kernels of x's dtype, as pictures draw them in float64."""
    activation, arguments = fa.activations[row.name], {**row.needs, **settings}
    if row.shape.by_element:
        y, slope = _pass(activation, arguments, x, np.ones_like(x))
        return np.array([y, slope], np.float64)
    if row.shape.halves:
        lines = [(0.0, 1.0), (1.0, 0.0)]
    elif row.shape.shrinks:
        lines, arguments["pieces"] = list(curves.LINES), len(curves.LINES)
    else:
        lines = [(1.0, 0.0), (0.0, 0.0), (0.0, 0.0)]
    slopes, offsets = np.array(lines).T
    found = []
    # Row by row, since noise is drawn by the position in an array.
    for inputs in (x.astype(np.float64)[:, None] * slopes + offsets).astype(x.dtype):
        first = np.zeros((1, len(lines) // row.shape.inputs), x.dtype)
        first[0, 0] = 1
        y, slope = _pass(activation, arguments, inputs[None], first)
        found.append((float(y[0, 0]), float(slope[0].astype(np.float64) @ slopes)))
    return np.array(found).T


def _pass(activation, arguments: dict[str, Any], x: np.ndarray, dy: np.ndarray) -> tuple[np.ndarray, ...]:
    y = activation(x, **arguments)
    saved = {"x": x} if "x" in activation.row.saves else {"y": y}
    back = {name: value for name, value in arguments.items() if name != "seed"}
    slope = activation.backward(dy, **saved, **back)
    return y, slope[0] if isinstance(slope, tuple) else slope


@pytest.mark.parametrize("half", HALVES)
def test_halves_are_those_of_the_kernels(page, row, half):
    """The same numbers of the format: but for the sign of a zero the same bits."""
    for settings in _settings(row):
        expected = _in_half(row, settings, POINTS.astype(HALVES[half]))
        found = [(one[half]["y"], one[half]["slope"]) for one in _evaluate(page, row, settings, POINTS)]
        np.testing.assert_array_equal(np.array(found).T, expected, str(settings))


@pytest.mark.parametrize("half", HALVES)
def test_few_halves_are_the_other_neighbour(page, row, half):
    """Where float32's last place decides the rounding: fewer than one in 500, and by one unit."""
    dtype = HALVES[half]
    patterns = np.arange(0, 2**16, 41 if row.kind != "random_rows" else 411, dtype=np.uint16)
    with np.errstate(invalid="ignore"):
        x = patterns.view(dtype)
        x = x[np.abs(x.astype(np.float64)) <= 10]
    found = _evaluate(page, row, {}, x.astype(np.float64))
    numbers = np.array([(one[half]["y"], one[half]["slope"]) for one in found]).T
    expected = _in_half(row, dict(curves.family(row)[0]), x)
    for computed, kernel in zip(numbers, expected, strict=True):
        assert np.mean(computed != kernel) < 1 / 500
        steps = [np.abs(values).astype(dtype).view(np.uint16).astype(int) for values in (computed, kernel)]
        assert (np.abs(steps[0] - steps[1]) <= 1).all()


@pytest.mark.parametrize("half", HALVES)
def test_ties_subnormals_and_overflow_are_those_of_the_kernels(page, half):
    """leaky_relu's slope is what is rounded where x is -1; float32 makes some of them ties."""
    dtype = HALVES[half]
    places, smallest, beyond = {"float16": (10, -14, 16), "bfloat16": (7, -126, 128)}[half]
    unit = 2.0**-places
    near_one = [
        1 + unit / 2,
        1 + 3 * unit / 2,
        1 + unit / 2 + 2.0**-30,
        1 + unit / 2 + unit / 256,
        1 - unit / 4,
    ]
    tiny = [share * unit * 2.0**smallest for share in (0.25, 0.5, 0.75, 1.5, 2.5)]
    largest = [2.0**beyond * (1 - share * unit) for share in (0.5, 0.25, 0.26)]
    for slope in [*near_one, *tiny, *largest]:
        expected = fa.leaky_relu(np.array([-1.0], dtype), negative_slope=slope).astype(np.float64)
        found = page.evaluate(
            "(p) => fastactExplorer.evaluate('leaky_relu', -1, p)", {"negative_slope": slope}
        )
        assert found[half]["y"] == expected[0], slope


@pytest.mark.parametrize(
    ("word", "exact", "low", "high"),
    [
        ("erf", mpmath.erf, -6.0, 6.0),
        ("erfc", mpmath.erfc, -6.0, 26.0),
        ("x_minus_tanh", lambda x: x - mpmath.tanh(x), -3.0, 3.0),
    ],
)
def test_words_that_javascript_lacks(page, word, exact, low, high):
    x = [*np.linspace(low, high, 641).tolist(), 1e-9, -1e-5, 0.4999999, 0.5]
    with mpmath.workdps(50):
        expected = [float(exact(mpmath.mpf(one))) for one in x]
    np.testing.assert_allclose(
        page.evaluate(f"(x) => x.map(fastactExplorer.words.{word})", x), expected, 1e-14
    )


def test_the_arithmetic_knows_the_whole_vocabulary(page):
    beside = {"where", "join", "pi"}
    words = page.evaluate("Object.keys(fastactExplorer.words)")
    assert sorted(words) == sorted(set(catalog.VOCABULARY) - beside)


def test_a_word_that_is_not_in_the_vocabulary_is_refused():
    with pytest.raises(ValueError, match=r"'gamma\(x\)' in 'x \* gamma\(x\)'"):
        explorer_formulas.javascript("x * gamma(x)", {"x": "v.x[i]"})


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("softmax", {"temperature": -1}, "temperature = -1 is not allowed: temperature > 0 must hold"),
        ("hardtanh", {"min_val": 2}, "min_val = 2, max_val = 1 is not allowed: min_val <= max_val must hold"),
        ("celu", {"alpha": 0}, "alpha = 0 is not allowed: alpha != 0 must hold"),
        ("swish", {"beta": float("nan")}, "beta needs a number"),
    ],
)
def test_what_fastact_refuses_is_refused(page, name, given, said):
    assert page.evaluate("([name, given]) => fastactExplorer.problem(name, given)", [name, given]) == said


def test_every_constraint_of_the_catalog_is_asked(page):
    count = "fastactExplorer.names.flatMap((name) => fastactExplorer.activations[name].constraints).length"
    assert page.evaluate(count) == sum(bool(p.constraint) for row in catalog.rows for p in row.parameters)
