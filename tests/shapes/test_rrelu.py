"""rrelu: an element's slope follows from the seed and its index in C order, and from nothing else."""

from __future__ import annotations

import mpmath_reference as reference
import numpy as np
import pytest
from cases import same_bits

import fastact as fa


def _slopes(count: int, dtype=np.float64, **parameters) -> np.ndarray:
    return -fa.rrelu(-np.ones(count, dtype), **parameters)


def test_slopes_are_the_same_for_every_value(dtype):
    x = -np.exp2(np.random.default_rng(0).integers(-20, 20, 1000)).astype(dtype)
    np.testing.assert_array_equal(fa.rrelu(x, seed=3) / x, _slopes(1000, dtype, seed=3))


def test_a_slope_depends_on_the_index_not_on_the_length(dtype, threads):
    many = _slopes(300_001, dtype, seed=11)
    for count in (1, 2, 7, 16, 33, 1000, 70_001):
        assert same_bits(_slopes(count, dtype, seed=11), many[:count])


def test_the_index_is_that_of_c_order_in_any_layout(dtype, threads):
    x = -np.ones((3, 5, 7), dtype)
    expected = _slopes(105, dtype, seed=5).reshape(3, 5, 7)
    views = [
        x,
        np.asfortranarray(x),
        x[::-1, ::-1, ::-1],
        np.moveaxis(np.moveaxis(x, 0, 2).copy(), 2, 0),
        -np.ones((6, 5, 14), dtype)[::2, :, ::2],
        np.broadcast_to(dtype(-1), (3, 5, 7)),
    ]
    for view in views:
        assert same_bits(-fa.rrelu(view, seed=5), expected)
    in_place = np.asfortranarray(x)
    fa.rrelu(in_place, seed=5, out=in_place)
    assert same_bits(-in_place, expected)


def test_large_strided_arrays_have_the_slopes_of_contiguous_ones(dtype, threads):
    expected = _slopes(600 * 700, dtype, seed=5).reshape(600, 700)
    assert same_bits(-fa.rrelu(np.asfortranarray(-np.ones((600, 700), dtype)), seed=5), expected)
    assert same_bits(-fa.rrelu(-np.ones((600, 1400), dtype)[:, ::2], seed=5), expected)


@pytest.mark.parametrize("saved", ["x", "y"])
def test_backward_takes_the_same_slopes_from_the_seed(dtype, threads, saved):
    x = np.random.default_rng(1).standard_normal((300, 501)).astype(dtype)
    slopes = _slopes(x.size, dtype, seed=9).reshape(x.shape)
    dy = np.ones_like(x)
    arrays = {"x": x, "y": fa.rrelu(x, seed=9)}
    dx = fa.rrelu.backward(dy, **{saved: arrays[saved]}, seed=9)
    assert same_bits(dx, np.where(x > 0, dtype(1), slopes))
    turned = np.asfortranarray(arrays[saved])
    assert same_bits(fa.rrelu.backward(np.asfortranarray(dy), **{saved: turned}, seed=9, out=turned), dx)


@pytest.mark.parametrize("bounds", [(1 / 8, 1 / 3), (0.0, 1.0), (-0.5, 0.25), (0.1, 0.9)])
def test_slopes_are_uniform_between_lower_and_upper(dtype, bounds):
    """Kolmogorov-Smirnov distance, mean and lag-1 correlation of 2^18 slopes."""
    lower, upper = bounds
    count = 1 << 18
    slopes = _slopes(count, dtype, lower=lower, upper=upper, seed=1234).astype(np.float64)
    rounding = float(np.finfo(dtype).eps)
    assert lower - rounding <= slopes.min()
    assert slopes.max() <= upper + rounding
    uniform = (slopes - lower) / (upper - lower)
    distance = np.abs(np.sort(uniform) - (np.arange(count) + 0.5) / count).max()
    assert distance < 1.95 / np.sqrt(count)
    assert abs(uniform.mean() - 0.5) < 4 * np.sqrt(1 / 12 / count)
    assert abs(np.corrcoef(uniform[:-1], uniform[1:])[0, 1]) < 4 / np.sqrt(count)


def test_neighbouring_seeds_are_unrelated():
    count = 1 << 16
    first, second = _slopes(count, seed=1), _slopes(count, seed=2)
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(count)
    for shift in range(1, 9):
        assert not np.array_equal(first[shift:], second[:-shift])
        assert not np.array_equal(second[shift:], first[:-shift])


def test_slopes_of_both_dtypes_agree():
    narrow, wide = _slopes(5000, np.float32, seed=3), _slopes(5000, np.float64, seed=3)
    np.testing.assert_allclose(narrow, wide, rtol=0, atol=2**-23)


def test_seeds_are_any_64_bit_integer():
    drawn = {
        _slopes(8, seed=seed).tobytes() for seed in (0, 1, 2**31, 2**32 + 1, 2**63, 2**64 - 1, np.int64(77))
    }
    assert len(drawn) == 7


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_that_does_not_fit_64_bits_is_refused(seed, dtype):
    with pytest.raises(ValueError, match=f"seed.*{seed}"):
        fa.rrelu(np.ones(4, dtype), seed=seed)


@pytest.mark.parametrize("bounds", [{}, {"lower": 0.2, "upper": 0.7}, {"lower": -1.0, "upper": 1.0}])
def test_without_a_seed_the_slope_is_the_mean(dtype, bounds):
    x = reference.samples(dtype)
    lower, upper = bounds.get("lower", 1 / 8), bounds.get("upper", 1 / 3)
    exact = reference.rounded(
        reference.forward(reference.row_of("rrelu"), x, slope=(lower + upper) / 2), dtype
    )
    assert reference.ulps_between(fa.rrelu(x, **bounds), exact).max() <= 1
    np.testing.assert_array_equal(fa.rrelu(x, **bounds), fa.rrelu(x, **bounds, seed=None))


def test_equal_bounds_are_leaky_relu(dtype):
    x = np.linspace(-4, 4, 1001).astype(dtype)
    np.testing.assert_array_equal(fa.rrelu(x, 0.25, 0.25, seed=4), fa.leaky_relu(x, 0.25))


def test_seed_by_position_and_by_name_are_the_same_call(dtype):
    x = np.linspace(-4, 4, 99).astype(dtype)
    assert same_bits(fa.rrelu(x, 0.1, 0.2, 8), fa.rrelu(x, lower=0.1, upper=0.2, seed=8))
