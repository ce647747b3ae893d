"""Exact anchors, bounds that rounding does not cross, and outputs that rise where the function does."""

from __future__ import annotations

import numpy as np
import pytest

import fastact as fa
from fastact import catalog
from fastact.measure.accuracy import errors as accuracy
from fastact.measure.accuracy import samples

RISING = [row for row in catalog.rows if row.monotonic and row.shape.by_element]
BOUNDED = [row for row in RISING if row.saturates]
# Whole batches of both signs: the smallest numbers, those from 1/8 to 128, the largest, infinity.
SAMPLE = [sign + batch for sign in (0, 512) for batch in (0, *range(248, 268, 2), 510)]
EVERY = range(samples.FLOAT32_BATCHES)
BLOCK = 1 << 16
"""Neighbours compared at a time: temporaries of this size stay in the cache."""


def _forward(row: catalog.Row) -> accuracy.Case:
    return accuracy.Case(row, "forward", np.dtype(np.float32))


def _rising(batch: int) -> np.ndarray:
    """The numbers of one batch in rising order, and the neighbour at which the next batch starts."""
    x = samples.every_float32(batch)
    x = x[~np.isnan(x)]
    if x.size and np.signbit(x[0]):
        x = x[::-1]
    with np.errstate(over="ignore"):
        return np.append(x, np.nextafter(x[-1:], np.float32(np.inf)))


def _ordinals(values: np.ndarray) -> np.ndarray:
    bits = values.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(2**31) - bits, bits)


def _assert_never_falls(row: catalog.Row, batches) -> None:
    """Nor by rounding, but for 1 ULP; and no output leaves the range of a bounded function."""
    case = _forward(row)
    low, high = case.output_range
    for batch in batches:
        x = _rising(batch)
        y = case.compute({"x": x})
        for start in range(0, x.size - 1, BLOCK):
            part = y[start : start + BLOCK + 1]
            if (part[1:] < part[:-1]).any():
                fall = -np.diff(_ordinals(part))
                worst = int(fall.argmax())
                assert fall[worst] <= 1, f"falls by {fall[worst]} ULP after {row.name}({x[start + worst]!r})"
        if row in BOUNDED and y.size:
            assert low <= y.min()
            assert y.max() <= high


@pytest.mark.parametrize("row", RISING, ids=lambda row: row.name)
def test_it_never_falls_by_more_than_one_ulp(row):
    _assert_never_falls(row, SAMPLE)


@pytest.mark.exhaustive
@pytest.mark.parametrize("row", RISING, ids=lambda row: row.name)
def test_it_never_falls_by_more_than_one_ulp_anywhere(row):
    _assert_never_falls(row, EVERY)


@pytest.mark.parametrize("dtype", accuracy.DTYPES, ids=str)
def test_exact_anchors(dtype):
    zeros = np.array([0.0, -0.0], dtype)
    assert fa.sigmoid(zeros).tolist() == [0.5, 0.5]
    assert fa.tanh(zeros).tobytes() == zeros.tobytes()


@pytest.mark.parametrize("dtype", accuracy.DTYPES, ids=str)
@pytest.mark.parametrize("row", BOUNDED, ids=lambda row: row.name)
def test_a_bounded_function_reaches_its_bounds_and_stays_there(row, dtype):
    """Rounded outputs are its ends once the inputs are far enough, and never beyond."""
    x = np.sort(samples.stratified(dtype, 0))
    x = x[~np.isnan(x)]
    y = fa.activations[row.name](x)
    low, high = _forward(row).output_range
    assert (y[0], y[-1]) == (low, high)
    assert (y.min(), y.max()) == (low, high)
