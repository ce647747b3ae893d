"""prelu: one weight or one per channel of any axis, and the gradient of each, summed over the others."""

from __future__ import annotations

import mpmath_reference as reference
import numpy as np
import pytest
from cases import same_bits
from mpmath_reference import mp

import fastact as fa

SHAPES_AND_AXES = [
    ((6,), 0),
    ((9, 5), 1),
    ((9, 5), 0),
    ((4, 6, 7), 0),
    ((4, 6, 7), 1),
    ((4, 6, 7), -1),
    ((3, 4, 5, 6), 2),
]


def _draw(shape, axis, dtype, seed=0):
    random = np.random.default_rng(seed)
    x, dy = random.standard_normal((2, *shape)).astype(dtype)
    return x, dy, random.uniform(-0.5, 0.5, shape[axis]).astype(dtype)


def _along(weight, axis, ndim):
    shape = [1] * ndim
    shape[axis] = -1
    return weight.reshape(shape)


def _sums(dy, x, axis):
    """Per channel the exact gradient, and the sum of its terms' magnitudes."""
    terms = np.where(x > 0, 0, reference.exact(dy) * reference.exact(x))
    others = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
    return np.sum(terms, axis=others), np.sum(np.abs(terms), axis=others)


@pytest.mark.parametrize(("shape", "axis"), SHAPES_AND_AXES)
def test_each_channel_has_its_weight(dtype, shape, axis):
    x, dy, weight = _draw(shape, axis, dtype)
    channel = _along(weight, axis, x.ndim)
    np.testing.assert_array_equal(fa.prelu(x, weight, axis=axis), np.where(x > 0, x, channel * x))
    dx, _ = fa.prelu.backward(dy, x=x, weight=weight, axis=axis)
    np.testing.assert_array_equal(dx, np.where(x > 0, dy, channel * dy))


@pytest.mark.parametrize("channels", [1, 2, 3, 16, 65, 100, 1000, 1025])
@pytest.mark.parametrize("start", [0, 1, 5])
def test_a_last_axis_of_any_length_has_its_weights_row_after_row(dtype, threads, channels, start):
    shape = (66_000 // channels, channels)
    x, dy, weight = _draw(shape, 1, dtype)
    size = x.size
    out = np.zeros(start + size + 1, dtype)[start : start + size].reshape(shape)
    fa.prelu(x, weight, out=out)
    np.testing.assert_array_equal(out, np.where(x > 0, x, weight * x))
    out[...] = dy
    fa.prelu.backward(out, x=x, weight=weight, out=out)
    np.testing.assert_array_equal(out, np.where(x > 0, dy, weight * dy))


@pytest.mark.parametrize("channels", [2, 3, 16])
def test_half_precision_along_a_short_last_axis_is_float32_rounded(threads, channels):
    x, dy, weight = (a.astype(np.float16) for a in _draw((66_000 // channels, channels), 1, np.float32))
    single = {name: a.astype(np.float32) for name, a in (("x", x), ("dy", dy), ("weight", weight))}
    assert same_bits(fa.prelu(x, weight), fa.prelu(single["x"], single["weight"]).astype(np.float16))
    dx, _ = fa.prelu.backward(dy, x=x, weight=weight)
    expected, _ = fa.prelu.backward(single["dy"], x=single["x"], weight=single["weight"])
    assert same_bits(dx, expected.astype(np.float16))


@pytest.mark.parametrize(("shape", "axis"), SHAPES_AND_AXES)
@pytest.mark.parametrize(
    "layout", [np.ascontiguousarray, np.asfortranarray, lambda a: np.flip(np.flip(a).copy())]
)
def test_the_weights_gradient_is_summed_over_the_other_axes(dtype, shape, axis, layout):
    """Elsewhere over the wrong ones: pytorch 68760."""
    x, dy, weight = _draw(shape, axis, dtype)
    _, dweight = fa.prelu.backward(layout(dy), x=layout(x), weight=weight, axis=axis)
    assert dweight.shape == weight.shape
    assert dweight.dtype == dtype
    exact, magnitude = _sums(dy, x, axis)
    for computed, value, terms in zip(dweight, exact, magnitude, strict=True):
        assert abs(mp.mpf(float(computed)) - value) <= 4 * float(np.finfo(dtype).eps) * terms


def test_the_gradient_of_one_weight_is_summed_over_everything(dtype, threads):
    x, dy, _ = _draw((40, 60), 1, dtype)
    exact, magnitude = _sums(dy.reshape(1, -1), x.reshape(1, -1), 0)
    for weight in (0.25, np.float64(0.25), np.array(0.25, dtype)):
        dx, dweight = fa.prelu.backward(dy, x=x, weight=weight)
        np.testing.assert_array_equal(dx, np.where(x > 0, dy, dtype(0.25) * dy))
        assert np.shape(dweight) == ()
        assert abs(mp.mpf(float(dweight)) - exact[0]) <= 4 * float(np.finfo(dtype).eps) * magnitude[0]


def test_a_weight_of_one_element_serves_every_channel(dtype):
    x, dy, _ = _draw((40, 60), 1, dtype)
    weight = np.array([0.25], dtype)
    assert same_bits(fa.prelu(x, weight), fa.prelu(x, 0.25))
    dx, dweight = fa.prelu.backward(dy, x=x, weight=weight)
    dx_of_scalar, dweight_of_scalar = fa.prelu.backward(dy, x=x, weight=0.25)
    assert same_bits(dx, dx_of_scalar)
    assert dweight.shape == (1,)
    assert dweight[0] == dweight_of_scalar


def test_a_single_weight_needs_no_axis(dtype):
    for shape in ((), (7,), (3, 4)):
        x = -np.ones(shape, dtype)
        np.testing.assert_array_equal(fa.prelu(x, 0.5), x / 2)
        dx, dweight = fa.prelu.backward(x, x=x, weight=0.5)
        np.testing.assert_array_equal(dx, x / 2)
        assert dweight == x.size


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((1000, 300), 1),
        ((300, 1000), 0),
        ((2, 3, 70_001), 1),
        ((70_001, 3, 2), 1),
        ((600_007,), None),
        ((5, 90_001), None),
    ],
)
def test_the_weights_gradient_has_the_same_bits_on_any_thread_count(dtype, shape, axis):
    x, dy, weight = _draw(shape, axis or 0, dtype)
    parameters = {"weight": 0.25} if axis is None else {"weight": weight, "axis": axis}
    results = []
    for threads in (1, 2, 3):
        with fa.num_threads(threads):
            results.append(fa.prelu.backward(dy, x=x, **parameters))
    for dx, dweight in results[1:]:
        assert same_bits(dx, results[0][0])
        assert same_bits(dweight, results[0][1])


@pytest.mark.parametrize("axis", [0, 1, 2, None])
def test_the_weights_gradient_has_the_same_bits_in_any_layout(dtype, threads, axis):
    x, dy, weight = _draw((31, 40, 65), axis or 0, dtype)
    parameters = {"weight": 0.25} if axis is None else {"weight": weight, "axis": axis}
    _, expected = fa.prelu.backward(dy, x=x, **parameters)
    wide_dy, wide_x = np.repeat(dy, 2, axis=1), np.repeat(x, 2, axis=1)
    for moved_dy, moved_x in (
        (np.asfortranarray(dy), np.asfortranarray(x)),
        (wide_dy[:, ::2], wide_x[:, ::2]),
        (dy, np.flip(np.flip(x).copy())),
    ):
        assert same_bits(fa.prelu.backward(moved_dy, x=moved_x, **parameters)[1], expected)


@pytest.mark.parametrize("overwritten", ["dy", "x"])
def test_in_place_backward_gives_both_gradients(dtype, threads, overwritten):
    x, dy, weight = _draw((200, 301), 1, dtype)
    expected, expected_dweight = fa.prelu.backward(dy, x=x, weight=weight)
    arrays = {"dy": dy.copy(), "x": x.copy()}
    out = arrays[overwritten]
    dx, dweight = fa.prelu.backward(arrays["dy"], x=arrays["x"], weight=weight, out=out)
    assert dx is out
    assert same_bits(dx, expected)
    assert same_bits(dweight, expected_dweight)


def test_a_weight_array_in_any_layout_and_dtype(dtype):
    x, dy, weight = _draw((20, 30), 1, dtype)
    expected = fa.prelu(x, weight)
    expected_pair = fa.prelu.backward(dy, x=x, weight=weight)
    frozen = weight.copy()
    frozen.flags.writeable = False
    for other in (np.repeat(weight, 2)[::2], np.flip(np.flip(weight).copy()), frozen, weight.tolist()):
        assert same_bits(fa.prelu(x, other), expected)
        dx, dweight = fa.prelu.backward(dy, x=x, weight=other)
        assert same_bits(dx, expected_pair[0])
        assert same_bits(np.asarray(dweight, dtype), expected_pair[1])


def test_weights_of_another_dtype_leave_the_results_dtype_alone():
    """A float64 weight is a parameter like any other: float32 in, float32 out."""
    x, dy, weight = _draw((20, 30), 1, np.float32)
    y = fa.prelu(x, weight.astype(np.float64))
    dx, _ = fa.prelu.backward(dy, x=x, weight=weight.astype(np.float64))
    assert y.dtype == dx.dtype == np.float32


def test_the_gradient_by_central_differences():
    x, dy, weight = _draw((6, 7, 8), 1, np.float64)
    _, dweight = fa.prelu.backward(dy, x=x, weight=weight)
    step = 1e-6
    for channel in range(7):
        up, down = weight.copy(), weight.copy()
        up[channel] += step
        down[channel] -= step
        slope = np.sum(dy * (fa.prelu(x, up) - fa.prelu(x, down))) / (2 * step)
        np.testing.assert_allclose(dweight[channel], slope, rtol=1e-7)


def test_an_empty_array_has_a_gradient_of_zeros(dtype):
    empty = np.empty((0, 5), dtype)
    dx, dweight = fa.prelu.backward(empty, x=empty, weight=np.ones(5, dtype))
    assert dx.shape == (0, 5)
    np.testing.assert_array_equal(dweight, np.zeros(5))


def test_a_weight_in_the_memory_of_the_output_is_read_before_it_is_written(dtype):
    x = np.linspace(-3, 3, 40).astype(dtype).reshape(4, 10)
    out = np.full((4, 10), 0.25, dtype)
    expected = fa.prelu(x, out[0].copy())
    assert same_bits(fa.prelu(x, out[0], out=out), expected)
