"""No call warns or raises for what values do in it: that belongs to computing, also around the kernels.

The caller's `np.errstate` and filters of warnings are set as strictly as they can be.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from cases import CASES, DTYPES, FLOATS, Case
from layouts import layouts

import fastact as fa


@contextlib.contextmanager
def _strictly() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        yield


def _extremes(shape, dtype) -> np.ndarray:
    """Zeros, ends and NaN of both kinds, of which the signalling one is invalid wherever it goes."""
    if np.dtype(dtype).kind in "bi":
        return np.resize(np.array([0, 1, -1, 2**62]).astype(dtype), shape)
    values = np.array(
        [0, -0.0, 1, -1, np.inf, -np.inf, np.nan, np.nan, 3.3, -100, 1e4, 0, 0, 0, 0], np.float64
    )
    with np.errstate(all="ignore"):
        numbers = values.astype(dtype)
    bits = numbers.view(f"u{numbers.itemsize}")
    infinite = bits[4]
    bits[7] = infinite + 1
    # The largest, the smallest and the smallest normal-sized, negative too.
    sign = infinite.dtype.type(1 << (8 * numbers.itemsize - 1))
    bits[11:] = [infinite - 1, (infinite - 1) | sign, 1, 1 | sign]
    return np.resize(numbers, shape)


@pytest.mark.parametrize("dtype", [*DTYPES, np.int64, np.bool_], ids=lambda dtype: dtype.__name__)
def test_extreme_inputs(case, dtype):
    x = _extremes((4, 6, 8), dtype)
    arrays = [x] if not case.saved else [_extremes(np.shape(Case(case.row)(x)), dtype), x]
    ways = {"plain": np.asarray, **(layouts(dtype) if dtype in DTYPES else {})}
    for lay in ways.values():
        with np.errstate(all="ignore"):
            given = [lay(array) for array in arrays]
        with _strictly():
            case(*given)


@pytest.mark.parametrize("case", [case for case in CASES if case.saved], ids=str)
def test_gradients_of_another_dtype(case):
    for of_saved in FLOATS:
        x = _extremes((4, 6, 8), of_saved)
        for of_gradient in (*DTYPES, np.int64):
            dy = _extremes(np.shape(Case(case.row)(x)), of_gradient)
            for lay in (np.asarray, np.asfortranarray):
                with _strictly():
                    case(lay(dy), lay(x))


@pytest.mark.parametrize("weight", [1e300, -1e300, 5e-324, np.nan, np.inf], ids=str)
def test_weights_beyond_the_dtype(weight, any_dtype):
    x = _extremes((4, 6, 8), any_dtype)
    for given in (weight, [weight] * 6, np.full(6, weight), np.full(6, weight, ">f8")):
        for lay in (np.asarray, np.asfortranarray):
            with _strictly():
                fa.prelu(lay(x), given)
                fa.prelu.backward(lay(x), x=lay(x), weight=given)


@pytest.mark.parametrize("value", [1e300, 1e-300, 5e-324, 3e38, 1e-44, 7e4, 1e-7], ids=str)
def test_sums_beyond_the_dtype(value, any_dtype):
    """Whether too large or too small for it."""
    with np.errstate(all="ignore"):
        x = np.full((2, 40), value).astype(any_dtype)
    for lay in (np.asarray, np.asfortranarray):
        for beta in (1.0, 1e300, 1e-300):
            with _strictly():
                fa.swish.backward(lay(x), x=lay(x), beta=beta, beta_grad=True)
        for weight in (0.25, np.full(40, 0.25), np.full(1, 0.25)):
            with _strictly():
                fa.prelu.backward(lay(x), x=-lay(x), weight=weight)


@pytest.mark.parametrize("row", [row for row in fa.catalog.rows if row.numbers], ids=lambda row: row.name)
@pytest.mark.parametrize("value", [1e300, 1e-300, 5e-324, np.longdouble("1e4000")], ids=str)
def test_extreme_parameters(row, value, any_dtype):
    x = _extremes((4, 8), any_dtype)
    for name in row.numbers:
        for saved in ("", *row.saves):
            case = Case(row, saved)
            with _strictly(), contextlib.suppress(ValueError):
                case(*[x] * (2 if saved else 1), **{name: value})


@pytest.mark.parametrize(
    "row", [row for row in fa.catalog.rows if row.shape.by_row], ids=lambda row: row.name
)
def test_rows_over_axes_and_masks(row, any_dtype):
    ways = [{"axis": axis} for axis in (None, (0, 2), ())]
    ways += [{"where": np.arange(8) % 3 > 0}] * row.takes_where
    ways += [{"hard": True}, {"hard": True, "axis": (0, 2)}] * (row.kind == "random_rows")
    for lay in layouts(any_dtype).values():
        with np.errstate(all="ignore"):
            x = lay(_extremes((4, 6, 8), any_dtype))
        for given in ways:
            with _strictly():
                Case(row)(x, **given)
