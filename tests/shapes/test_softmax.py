"""softmax: every row sums to 1, over any axis, in place, and for any finite input."""

from __future__ import annotations

import mpmath_reference as reference
import numpy as np
import pytest
from cases import same_bits
from mpmath_reference import mp

import fastact as fa

ROW = reference.row_of("softmax")


def _draw(shape, dtype, scale=3.0, seed=0):
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def _assert_correct(computed, x):
    exact = reference.rounded(reference.forward(ROW, x), computed.dtype)
    assert reference.ulps_between(computed, exact).max() <= 4


def _assert_gradient_correct(computed, dy, y):
    """Within 4 ULP, counted in ULP of the largest term where the sum cancels."""
    exact = reference.backward(ROW, dy, "y", y)
    dy, y = reference.exact(dy), reference.exact(y)
    terms = y * (np.abs(dy) + np.sum(np.abs(dy * y), axis=-1, keepdims=True))
    unit = np.spacing(reference.rounded(terms, computed.dtype)).astype(np.float64)
    missed = np.abs(reference.exact(computed) - exact)
    assert (missed <= 4 * unit).all(), f"{max((missed / unit).ravel())} ULP of the largest term"


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 9, 16, 17, 100, 511])
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0, 1000.0])
def test_forward_is_the_formula(dtype, length, scale):
    x = _draw((max(2, 120 // length), length), dtype, scale)
    _assert_correct(fa.softmax(x), x)


def test_forward_of_long_rows_is_the_formula(dtype):
    x = _draw((2, 4096), dtype)
    _assert_correct(fa.softmax(x), x)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 9, 16, 17, 100, 511])
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_backward_is_the_derivative_of_what_is_passed(dtype, length, scale):
    shape = (max(2, 120 // length), length)
    y = reference.rounded(reference.forward(ROW, _draw(shape, dtype, scale)), dtype)
    dy = _draw(shape, dtype, seed=1)
    _assert_gradient_correct(fa.softmax.backward(dy, y=y), dy, y)


def test_the_catalogs_derivative_is_that_of_its_formula():
    x = [mp.mpf(text) for text in ("-1.3", "0.2", "0.9", "2.5")]
    dy = np.array([mp.mpf(text) for text in ("0.7", "-1.1", "0.4", "2.0")], object)

    def loss(*logits):
        y = reference.evaluate(ROW.formula, x=np.array(logits, object), temperature=mp.mpf(2))
        return mp.mpf((dy * y).sum())

    y = reference.evaluate(ROW.formula, x=np.array(x, object), temperature=mp.mpf(2))
    gradient = reference.evaluate(ROW.derivatives["y"], dy=dy, y=y, temperature=mp.mpf(2))
    for i in range(4):
        slope = mp.diff(loss, tuple(x), tuple(int(i == j) for j in range(4)))
        assert mp.almosteq(mp.mpf(gradient[i]), slope, 1e-15, 1e-15)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_any_axis_is_the_last_one_moved(dtype, threads, axis):
    x, dy = _draw((13, 17, 70), dtype), _draw((13, 17, 70), dtype, seed=1)
    y = fa.softmax(x, axis=axis)
    expected = fa.softmax(np.ascontiguousarray(np.moveaxis(x, axis, -1)))
    assert same_bits(np.moveaxis(y, axis, -1), expected)
    moved_dy, moved_y = (np.ascontiguousarray(np.moveaxis(a, axis, -1)) for a in (dy, y))
    gradient = fa.softmax.backward(dy, y=y, axis=axis)
    assert same_bits(np.moveaxis(gradient, axis, -1), fa.softmax.backward(moved_dy, y=moved_y))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(
    "layout", [np.ascontiguousarray, np.asfortranarray, lambda a: np.flip(np.flip(a).copy())]
)
def test_in_place_over_any_axis(dtype, axis, layout):
    x, dy = _draw((13, 17, 70), dtype), _draw((13, 17, 70), dtype, seed=1)
    y = fa.softmax(x, axis=axis)
    target = layout(x)
    assert fa.softmax(target, axis=axis, out=target) is target
    assert same_bits(target, y)
    gradient = fa.softmax.backward(dy, y=y, axis=axis)
    for overwritten in (0, 1):
        arrays = [layout(dy), layout(y)]
        arrays = [a.copy(order="K") for a in arrays]
        out = arrays[overwritten]
        assert fa.softmax.backward(arrays[0], y=arrays[1], axis=axis, out=out) is out
        assert same_bits(out, gradient)


def test_axis_by_position(dtype):
    x = _draw((5, 6), dtype)
    assert same_bits(fa.softmax(x, 0), fa.softmax(x, axis=0))


def test_rows_sum_to_one(dtype, threads):
    x = _draw((40, 5000), dtype, 10.0)
    np.testing.assert_allclose(
        fa.softmax(x).astype(np.float64).sum(-1), 1, rtol=4 * float(np.finfo(dtype).eps)
    )


def test_huge_inputs_neither_overflow_nor_lose_their_differences(dtype):
    largest = np.finfo(dtype).max
    x = np.array([[largest, largest, -largest], [largest, 0, -largest], [-largest] * 3], dtype)
    np.testing.assert_array_equal(
        fa.softmax(x), np.array([[0.5, 0.5, 0], [1, 0, 0], [1 / 3] * 3]).astype(dtype)
    )
    shifted = np.array([[1e6, 1e6 + 1, 1e6 + 2]], dtype)
    _assert_correct(fa.softmax(shifted), shifted)


def test_one_dominating_value_leaves_the_others_their_digits(dtype):
    x = np.array([[0, -20, -50, -85], [80, 0, 1, 2]], dtype)
    y = fa.softmax(x)
    _assert_correct(y, x)
    assert (y > 0).all()


def test_subnormal_results_are_results(dtype):
    lowest = np.log(float(np.finfo(dtype).tiny))
    x = np.array([[0, lowest - 1, lowest - 5, lowest - 12]], dtype)
    y = fa.softmax(x)
    assert (y > 0).all()
    _assert_correct(y, x)


def test_minus_infinity_gets_nothing(dtype):
    x = np.array([[-np.inf, 1, 1, -np.inf], [0, -np.inf, -np.inf, -np.inf]], dtype)
    np.testing.assert_array_equal(fa.softmax(x), [[0, 0.5, 0.5, 0], [1, 0, 0, 0]])


def test_equal_values_share_equally(dtype):
    for length in (1, 2, 4, 8, 64, 1024):
        np.testing.assert_array_equal(
            fa.softmax(np.full((3, length), 7, dtype)), np.full((3, length), 1 / length)
        )


def test_an_empty_axis_gives_an_empty_array(dtype):
    for shape in ((3, 0), (0, 3), (0, 0)):
        for axis in (0, 1):
            empty = np.empty(shape, dtype)
            assert fa.softmax(empty, axis=axis).shape == shape
            assert fa.softmax.backward(empty, y=empty, axis=axis).shape == shape
