"""What accuracy is judged by is itself exact: against mpmath, and at errors known beforehand.

Where mpmath has said what is right, the kernels are held against it too.
"""

from __future__ import annotations

import mpmath_reference as exactly
import numpy as np
import pytest
from mpmath_reference import mp

import fastact as fa
from fastact.measure.accuracy import errors as accuracy
from fastact.measure.accuracy import reference, samples

CASES = accuracy.cases(list(fa.activations), list(accuracy.DTYPES))
CLOSE_ENOUGH = 0.02
"""ULP of the judged type."""


def _few(case):
    """A thousand of the inputs that accuracy is measured at, or one short row of each sort."""
    shape = case.row.shape
    if shape.by_element or shape.halves:
        (inputs, _), *_ = accuracy.Batch(case, 1, False).inputs()
        every = max(1, next(iter(inputs.values())).size // 1000)
        halves = shape.inputs
        return [
            {
                name: array.reshape(halves if name == "x" else 1, -1)[:, ::every].ravel()
                for name, array in inputs.items()
            }
        ]
    batches = range(36, 42) if shape.by_row else [1]
    found = [next(accuracy.Batch(case, number, False).inputs(), None) for number in batches]
    return [{name: array[:2] for name, array in one[0].items()} for one in found if one]


def _as_mpmath(wide: np.ndarray) -> np.ndarray:
    """The very numbers: a long double's mantissa is the sum of two float64; `BEYOND` for infinity."""
    infinite = np.isinf(wide)
    if infinite.any():
        finite = _as_mpmath(np.where(infinite, 0, wide))
        return np.where(infinite, np.sign(wide).astype(int) * exactly.BEYOND, finite)
    mantissa, exponent = np.frexp(wide)
    high = mantissa.astype(np.float64)
    low = (mantissa - high).astype(np.float64)
    sums = exactly.exact(high) + exactly.exact(low)
    return np.frompyfunc(lambda m, e: mp.ldexp(m, int(e)), 2, 1)(sums, exponent)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_formulas_are_evaluated_as_mpmath_does(case):
    for inputs in _few(case):
        names = {name: exactly.exact(value) for name, value in {**case.names, **case.arrays(inputs)}.items()}
        exact = exactly.evaluate(case.text, **names)
        scale = exactly.evaluate(
            reference.largest_term_text(case.text),
            largest=lambda a, b: np.maximum(np.abs(a), np.abs(b)),
            **names,
        )
        with np.errstate(all="ignore"):
            wide = case.exact(inputs)
        largest = np.nextafter(np.finfo(case.dtype).max, case.dtype.type(0))
        unit = np.spacing(np.minimum(exactly.rounded(np.abs(scale), case.dtype), largest))
        missed = np.abs(_as_mpmath(wide) - exact)
        # Noise makes the judge's own type round once more, and the exponential magnifies that.
        allowed = CLOSE_ENOUGH * (10 if "noise" in inputs else 1) * exactly.exact(unit)
        # Whatever stands for infinity is as good as another.
        beyond = float(np.finfo(case.dtype).max)
        far = (missed > allowed) & ~((np.abs(wide) > beyond) & (np.abs(exact) > beyond))
        assert not far.any(), (inputs, np.flatnonzero(far))
        if case.row.kind in ("elementwise", "channels", "random"):
            _assert_computed_well(case, inputs, exact)


def _assert_computed_well(case, inputs, exact) -> None:
    """What test_accuracy.py says of many more inputs by the judge, said without it."""
    computed = case.compute(inputs)
    expected = exactly.rounded(np.broadcast_to(exact, computed.shape), case.dtype)
    far = exactly.ulps_between(computed, expected) > case.limit
    if case.direction == "x":
        for zero in exactly.inner_zeros(case.row.name, tuple(case.names.items())):
            near = np.abs(inputs["x"].astype(np.float64) - zero) <= 1
            allowed = float(np.finfo(case.dtype).eps) * exactly.exact(np.abs(inputs["dy"]))
            far &= ~(near & (np.abs(exactly.exact(computed) - exact) <= allowed))
    at = np.flatnonzero(far)[:5]
    shown = {name: array[at] for name, array in inputs.items()}
    assert not far.any(), f"{far.sum()} of {far.size}: {computed[at]}, not {expected[at]}, at {shown}"


@pytest.mark.parametrize("dtype", accuracy.DTYPES, ids=str)
def test_errors_are_counted_in_ulps_of_the_rounded_result(dtype):
    wide = reference.WIDER[dtype]
    limits = np.finfo(dtype)
    exact = np.array([1, 1, 2, -1, limits.smallest_subnormal, 0, limits.tiny], wide)
    step = np.array([3, -1, -1, 2, 1, 1, -5]) * np.spacing(np.ones(7, dtype))
    step[4:] = np.array([1, 1, -5]) * limits.smallest_subnormal
    computed = (exact.astype(dtype) + step).astype(dtype)
    errors = reference.ulp_errors(computed, exact)
    np.testing.assert_array_equal(errors, [3, 1, 0.5, 2, 1, 1, 5])
    between = np.array([1.5], wide) * np.spacing(dtype.type(1)) + 1
    np.testing.assert_array_equal(reference.ulp_errors(np.ones(1, dtype), between), [1.5])


@pytest.mark.parametrize("dtype", accuracy.DTYPES, ids=str)
def test_infinity_counts_as_the_number_after_the_largest(dtype):
    wide = reference.WIDER[dtype]
    largest = np.finfo(dtype).max
    computed = np.array([np.inf, largest, -np.inf, np.inf, np.inf, largest], dtype)
    exact = np.array([largest, largest, -1, 1, 1, 1], wide)
    exact[2:] = np.ldexp(exact[2:], int(np.finfo(dtype).maxexp) + 9)
    exact[4] = -exact[4]
    with np.errstate(all="ignore"):
        errors = reference.ulp_errors(computed, exact)
    assert errors[:4].tolist() == [1, 0, 0, 0]
    assert errors[4] > 2.0**20
    assert errors[5] == np.inf


def test_nan_is_only_right_where_it_is_due():
    computed = np.array([np.nan, np.nan, 1], np.float32)
    errors = reference.ulp_errors(computed, np.array([np.nan, 1, np.nan]))
    assert errors.tolist() == [0, np.inf, np.inf]


def test_inner_zeros_are_where_the_derivative_crosses_zero():
    (zero,) = reference.inner_zeros("sigmoid(x) * (1 + x * sigmoid(-x))")
    assert zero == pytest.approx(-1.278464542761074, rel=1e-12)
    assert reference.inner_zeros("where(x > 0, 1, -1)") == ()
    assert reference.inner_zeros("sigmoid(x) * sigmoid(-x)") == ()


def test_the_largest_term_stands_for_a_sum():
    text = reference.largest_term_text("y * (dy - sum(dy * y))")
    value = reference.evaluate(text, np.dtype(np.float32), y=[0.5, 0.5], dy=[-1.0, 1.0])
    assert value.tolist() == [0.5, 0.5]


def test_rows_come_in_every_length_and_sort():
    names = {samples.rows(np.dtype(np.float32), batch)[0] for batch in range(samples.ROW_BATCHES)}
    assert len(names) == samples.ROW_BATCHES
    assert any(name.endswith(" 65536") for name in names)
