"""The NumPy calls of the benchmark compute the catalog's formulas, in place and without new memory."""

from __future__ import annotations

import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy import special

import fastact as fa
from fastact import catalog
from fastact.measure.formulas import numpy_calls
from fastact.measure.work import DIRECTIONS, DTYPES, Cell, Workload

WORK = [(row, direction) for row in catalog.rows for direction in DIRECTIONS]

PARAMETERS = {
    "leaky_relu": [{"negative_slope": slope} for slope in (-0.5, 0.0, 0.2, 1.0, 3.0)],
    "elu": [{"alpha": alpha} for alpha in (-1.0, 0.0, 0.5, 2.0)],
    "swish": [{"beta": beta} for beta in (-2.0, 0.0, 0.5, 1.702)],
    "softplus": [{"beta": 2.5}, {"beta": 0.5, "threshold": 1.0}],
    "rrelu": [{"lower": 0.5, "upper": 2.0}],
    "celu": [{"alpha": alpha} for alpha in (-1.0, 0.5, 2.0)],
    "hardtanh": [{"min_val": -0.3, "max_val": 2.0}],
    "hardsigmoid": [{"slope": 0.2, "offset": 0.4}],
    "hardshrink": [{"lambd": 0.0}, {"lambd": 2.0}],
    "softshrink": [{"lambd": 0.0}, {"lambd": 2.0}],
    "squareplus": [{"b": 0.01}],
}

SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-30, -1e-30, 80.0, -80.0])

ELEMENTWISE = [
    (row, given)
    for row in catalog.rows
    if row.kind in ("elementwise", "random")
    for given in [{}, *PARAMETERS.get(row.name, [])]
]


def _cells(row: catalog.Row, direction: str, size: int = 2**12) -> list[Cell]:
    return [Cell(row, direction, dtype, size, in_place) for dtype in DTYPES for in_place in (True, False)]


def name_of(work: tuple[catalog.Row, str]) -> str:
    return f"{work[0].name}-{work[1]}"


@pytest.fixture(scope="module", params=WORK, ids=name_of)
def cells(request) -> list[Cell]:
    """An activation in a direction: both dtypes, in place and not."""
    return _cells(*request.param)


def as_written(text: str, **names: object) -> np.ndarray:
    """A formula evaluated literally, temporaries and masks included."""
    vocabulary = {
        **{name: getattr(np, name) for name in catalog.VOCABULARY if hasattr(np, name)},
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "erfc": special.erfc,
        "x_minus_tanh": lambda x: x - np.tanh(x),
    }
    with np.errstate(all="ignore"):
        return eval(text, vocabulary, names)


def parameters_of(row: catalog.Row, given: dict[str, float]) -> dict[str, float]:
    return {"inf": np.inf, **row.names(**given)}


def ignoring_overflow(calls: numpy_calls.Calls) -> np.ndarray:
    with np.errstate(all="ignore"):
        return calls()


def test_numpy_and_fastact_compute_the_same(cells):
    for cell in cells:
        work = Workload(cell)
        expected = [np.array(_first(call())) for call in work.fastact()]
        for form in work.forms:
            work.restore()
            for call, other in zip(work.numpy(form), expected, strict=True):
                tolerance = 40 * np.finfo(other.dtype).eps
                np.testing.assert_allclose(call(), other, rtol=tolerance, atol=tolerance, err_msg=str(cell))


def _first(result):
    return result[0] if isinstance(result, tuple) else result


def test_the_weight_gradient_is_that_of_fastact(dtype):
    random = np.random.default_rng(0)
    x, dy = random.normal(0, 2, (2, 5, 3, 4)).astype(dtype)
    weight = np.array([-1.0, 0.25, 2.0], dtype)
    calls = numpy_calls.backward(fa.prelu.row, "x", dy.copy(), x, weight=weight, axis=1)
    dx, dweight = fa.prelu.backward(dy, x=x, weight=weight, axis=1)
    np.testing.assert_allclose(calls(), dx, rtol=1e-6)
    np.testing.assert_allclose(calls.weight_gradient, dweight, rtol=1e-5)


def test_the_result_is_in_the_array_that_was_given_and_no_other_is_written(cells):
    for cell in cells:
        work = Workload(cell)
        kept = [a for a in (*work.arrays.values(), *work.settings.values()) if isinstance(a, np.ndarray)]
        before = [a.copy() for a in kept]
        for call, copy in zip(work.numpy("expm1"), work.copies, strict=True):
            assert call() is (copy if work.out is None else work.out), cell
        for array, old in zip(kept, before, strict=True):
            np.testing.assert_array_equal(array, old, err_msg=str(cell))


SORTS = ("sparsemax",)
"""What NumPy computes by sorting, for which it needs memory."""


@pytest.mark.parametrize(
    "work", [w for w in WORK if w[0].name not in SORTS or w[1] == "backward"], ids=name_of
)
def test_a_call_allocates_nothing_of_the_array_size(work):
    for cell in _cells(*work, size=2**18):
        whole = Workload(cell)
        calls = whole.numpy("expm1")[0]
        calls()
        whole.restore()
        tracemalloc.start()
        try:
            calls()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # NumPy casts bools to floats in a buffer of 8,192 elements, whatever the array's size.
        assert peak < whole.original.nbytes / 8, cell


def test_calls_that_share_scratch_use_the_same_memory():
    scratch: list[np.ndarray] = []
    for seed in range(3):
        x = np.random.default_rng(seed).normal(0, 2, 100)
        expected = fa.silu(x)
        np.testing.assert_allclose(numpy_calls.forward(fa.silu.row, x, scratch=scratch)(), expected)
    assert len(scratch) == 1


@pytest.mark.parametrize(
    ("row", "given"),
    ELEMENTWISE,
    ids=lambda value: value.name if isinstance(value, catalog.Row) else str(value),
)
def test_every_form_equals_the_formula_as_written(row, given):
    values = parameters_of(row, given)
    x = np.concatenate([SPECIAL, np.random.default_rng(0).normal(0, 3, 200)])
    y = as_written(row.formula, x=x, **values)
    for form in numpy_calls.forms(row.formula):
        if form == "tanh" and values.get("alpha", 1) < 0:
            continue  # the form is for expm1 of what is not positive
        calls = numpy_calls.forward(row, x.copy(), parameters=given, form=form)
        np.testing.assert_allclose(ignoring_overflow(calls), y, rtol=1e-14, atol=1e-300)
    for saves, derivative in row.derivatives.items():
        saved = {"x": x, "y": y}[saves]
        dy = np.linspace(-1, 1, x.size)
        expected = dy * as_written(derivative, **{saves: saved}, **values)
        calls = numpy_calls.backward(row, saves, dy, saved, parameters=given)
        np.testing.assert_allclose(ignoring_overflow(calls), expected, rtol=1e-13, atol=1e-15)


def calls_of(formula: str, **parameters: float) -> str:
    """The calls for an elementwise formula of `x`, as text."""
    row = replace(fa.sigmoid.row, formula=formula)
    return str(numpy_calls.forward(row, np.ones(3), parameters=parameters))


def test_a_common_subexpression_is_computed_once():
    x = np.ones((2, 3))
    assert str(numpy_calls.forward(fa.softmax.row, x)).count("np.exp") == 1
    assert calls_of("exp(x) / (1 + exp(x))").count("np.exp") == 1


def test_constants_are_folded():
    assert calls_of("a * (x * (1 / 2)) * 4", a=3.0) == "np.multiply(6.0, x, out=x)"
    assert calls_of("1 * x + 0") == "np.copyto(x, x)"


def test_no_default_formula_needs_a_masked_copy(cells):
    for cell in cells:
        masked = any("where=" in str(calls) for calls in Workload(cell).numpy("expm1"))
        # threshold's replacement has nothing to do with what it replaces.
        assert masked == (cell.row.name == "threshold" and cell.direction == "forward"), cell


@pytest.mark.parametrize(
    "formula", ["where(x > threshold, x, value)", "where(x <= threshold, value, x)", "where(x < 1, 2 * x, x)"]
)
def test_a_choice_without_a_faster_form_is_a_masked_copy(formula):
    x = np.array([-2.0, 0.0, 0.5, 1.0, 3.0, np.nan])
    names = {"threshold": 0.5, "value": -7.0}
    calls = numpy_calls.forward(replace(fa.sigmoid.row, formula=formula), x.copy(), parameters=names)
    assert "where=" in str(calls)
    np.testing.assert_array_equal(calls(), as_written(formula, x=x, **names))


def test_the_error_function_comes_from_scipy():
    special = pytest.importorskip("scipy.special")
    x = np.linspace(-2, 2, 9)
    calls = numpy_calls.forward(replace(fa.sigmoid.row, formula="erf(x)"), x.copy())
    np.testing.assert_array_equal(calls(), special.erf(x))


def test_a_missing_scipy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"NumPy has no erf; .* pip install scipy"):
        calls_of("erf(x)")


@pytest.mark.parametrize("formula", ["x ** 2", "arctan(x)", "x + unknown", "max(x, axis=1)"])
def test_what_is_not_in_the_vocabulary_is_named(formula):
    with pytest.raises(ValueError, match="is not in the catalog's vocabulary"):
        calls_of(formula)
