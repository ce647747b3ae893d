"""float16 and bfloat16: computed in float32 and rounded once, to nearest even.

That layout, length, position and threads change no bit of them is among the statements of tests/core.
"""

from __future__ import annotations

import numpy as np
import pytest
from cases import CASES, ELEMENTWISE, Case, ml_dtypes

import fastact as fa
from fastact.measure.accuracy import errors as accuracy
from fastact.measure.accuracy import reference

LIMITS = {"float16": (10, -14, 16), "bfloat16": (7, -126, 128)}
"""Bits of the significand after its first, and the exponents of the smallest and after the largest number."""

BACKWARD_ALONE = [case for case in ELEMENTWISE if case.saved]
FORMULAS = [case for case in CASES if case.row.kind == "elementwise"]
ROWS = [case for case in CASES if case.row.shape.by_row]


@pytest.fixture(scope="module", params=LIMITS)
def half(request) -> np.dtype:
    if request.param == "float16":
        return np.dtype(np.float16)
    if ml_dtypes is None:
        pytest.skip("bfloat16 needs ml_dtypes")
    return np.dtype(ml_dtypes.bfloat16)


def _cast(array: np.ndarray, dtype) -> np.ndarray:
    with np.errstate(all="ignore"):
        return array.astype(dtype)


def _every_value(half) -> np.ndarray:
    return np.arange(2**16, dtype=np.uint16).view(half)


def _is_nan(values: np.ndarray) -> np.ndarray:
    return np.isnan(_cast(values, np.float32))


def _in_float32(case: Case, arrays) -> np.ndarray:
    """What the float32 kernels give for the same numbers, rounded by NumPy or ml_dtypes."""
    return _cast(case(*[_cast(array, np.float32) for array in arrays]), arrays[0].dtype)


def _assert_same(computed: np.ndarray, expected: np.ndarray, of: str = "") -> None:
    """Equal to the bit, but for what is in a NaN."""
    assert computed.dtype == expected.dtype
    nan = _is_nan(expected)
    np.testing.assert_array_equal(_is_nan(computed), nan, of)
    np.testing.assert_array_equal(computed[~nan].view(np.uint16), expected[~nan].view(np.uint16), of)


def _gradients(half) -> list[np.ndarray]:
    """1, another number, and every pattern in an order of its own."""
    shuffled = np.random.default_rng(0).permutation(_every_value(half))
    return [np.ones(2**16, half), np.full(2**16, -2.75, half), shuffled]


@pytest.mark.parametrize("case", [case for case in ELEMENTWISE if not case.saved], ids=str)
def test_forward_of_every_bit_pattern(case, half):
    x = _every_value(half)
    y = case(x)
    _assert_same(y, _in_float32(case, [x]))
    assert _is_nan(y[_is_nan(x)]).all()


@pytest.mark.parametrize("case", [case for case in FORMULAS if not case.saved], ids=str)
def test_nan_comes_out_quiet(case, half):
    x = _every_value(half)
    quiet = 1 << (LIMITS[half.name][0] - 1)
    assert (case(x[_is_nan(x)]).view(np.uint16) & quiet).all()


@pytest.mark.parametrize("case", BACKWARD_ALONE, ids=str)
def test_backward_of_every_bit_pattern(case, half):
    saved = _every_value(half)
    for dy in _gradients(half):
        _assert_same(case(dy, saved), _in_float32(case, [dy, saved]))


def _unit(exact: np.ndarray, half) -> np.ndarray:
    """The last place of a value."""
    bits, smallest, after_largest = LIMITS[half.name]
    return np.ldexp(1.0, np.clip(np.frexp(exact)[1] - 1, smallest, after_largest - 1) - bits)


def _defaults(case: Case) -> tuple[tuple[str, float], ...]:
    return tuple(case.row.numbers.items())


@pytest.mark.parametrize("case", FORMULAS, ids=str)
def test_every_result_is_correctly_rounded_but_near_ties(case, half):
    """Half a unit, and the float32 kernel's error: 4 of its units, or near an inner zero 2^-23 |dy|."""
    values = _every_value(half)
    wide = _cast(values, np.float32)
    low, high = accuracy.Case(case.row, case.saved, np.dtype(np.float32)).interval
    values = values[np.isfinite(wide) & (wide >= low) & (wide <= high)]
    arrays = [np.full(values.shape, -2.75, half), values] if case.saved else [values]
    names = dict(_defaults(case))
    names |= dict(zip(("dy", case.saved) if case.saved else ("x",), arrays, strict=True))
    text = case.row.text(case.saved)
    with np.errstate(all="ignore"):
        exact = reference.evaluate(text, np.dtype(np.float32), **names)
    # Infinity counts as the number after the largest.
    beyond = 2.0 ** LIMITS[half.name][2]
    exact = np.broadcast_to(np.clip(exact, -beyond, beyond), values.shape)
    reached = np.clip(_cast(case(*arrays), np.float64), -beyond, beyond)
    allowed = _unit(exact, half) / 2 + np.maximum(4 * 2.0**-23 * np.abs(exact), 2.0**-149)
    if case.saved == "x":
        for zero in reference.inner_zeros(case.row.derivatives["x"], _defaults(case)):
            allowed += (np.abs(values.astype(np.float64) - zero) <= 1) * 2.75 * 2.0**-23
    far = np.abs(reached - exact) > allowed
    assert not far.any(), f"{far.sum()} values, {values[far][:5]} among them"


def test_ties_go_to_even_and_overflow_to_infinity(half):
    """relu changes no positive number, so a product of two is rounded: leaky_relu's slope times x."""
    bits, _, after_largest = LIMITS[half.name]
    unit = 2.0**-bits
    for slope, expected in [
        (1 + unit / 2, 1.0),
        (1 + 3 * unit / 2, 1 + 2 * unit),
        (1 + unit / 2 + unit / 256, 1 + unit),
        (2.0**after_largest * (1 - unit / 4), np.inf),
        (2.0**after_largest * (1 - unit / 4) * (1 - unit / 256), 2.0**after_largest * (1 - unit / 2)),
    ]:
        result = fa.leaky_relu(np.array([-1.0], half), negative_slope=slope)
        assert _cast(result, np.float64)[0] == -expected, slope


def test_the_whole_catalog_is_float32_rounded_once(case, half):
    arrays = case.draw((70, 96), half)
    _assert_same(case(*arrays), _in_float32(case, arrays))


@pytest.mark.parametrize("case", ROWS, ids=str)
def test_rows_around_the_sizes_of_the_buffers(case, half):
    for length in (3, 4096, 4097, 16_384, 16_385):
        drawn = case.draw((9, length), half)
        for axis, arrays in ((-1, drawn), (0, [np.ascontiguousarray(array.T) for array in drawn])):
            wide = case(*[_cast(array, np.float32) for array in arrays], axis=axis)
            _assert_same(case(*arrays, axis=axis), _cast(wide, half), f"{length} along axis {axis}")


@pytest.mark.skipif(ml_dtypes is None, reason="bfloat16 needs ml_dtypes")
def test_the_first_bfloat16_array_and_the_next(fresh_python):
    """bfloat16's type number is learnt from the first array of it, in either direction."""
    code = """if True:
        import ml_dtypes, numpy as np, fastact as fa
        x = np.linspace(-3, 3, 9).astype(ml_dtypes.bfloat16)
        for _ in range(2):
            print(fa.sigmoid.backward(x, x=x).tobytes(), fa.sigmoid(x, out=x.copy()).dtype)"""
    first, second = fresh_python(code).stdout.splitlines()
    assert first == second
    assert first.endswith("bfloat16")


def test_no_other_dtype_is_taken_for_bfloat16(fresh_python):
    """Neither one that is met before it, nor one of that name that is not ml_dtypes' own."""
    pytest.importorskip("ml_dtypes")
    code = """if True:
        import ml_dtypes, numpy as np
        import fastact as fa
        x, own = np.ones(8, ml_dtypes.bfloat16), ml_dtypes.bfloat16
        def refused(array):
            try:
                fa.relu(array)
            except TypeError as error:
                return str(array.dtype) in str(error)
        ml_dtypes.bfloat16 = type("bfloat16", (), {})
        print(refused(np.ones(8, ml_dtypes.float8_e4m3fn)), refused(x))
        ml_dtypes.bfloat16 = own
        print(fa.relu(x).dtype, refused(np.ones(8, ml_dtypes.float8_e4m3fn)))"""
    run = fresh_python(code)
    assert run.stdout.split() == ["True", "True", "bfloat16", "True"], run.stderr
