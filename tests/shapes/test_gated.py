"""Gated activations: one half along an axis times a gate of the other half, forward and backward."""

from __future__ import annotations

import mpmath_reference as reference
import numpy as np
import pytest
from cases import same_bits

import fastact as fa

GATED = [activation for activation in fa.activations.values() if activation.row.shape.halves]
LAYOUTS = {
    "fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "reversed": lambda a: np.flip(np.flip(a).copy()),
}


@pytest.fixture(params=GATED, ids=lambda activation: activation.name)
def gated(request):
    return request.param


def _draw(shape, dtype, seed=0):
    return np.random.default_rng(seed).normal(0, 3, shape).astype(dtype)


def _pair(a, b, dtype):
    """An x whose halves are these, one pair per row."""
    return np.stack(np.broadcast_arrays(a, b), axis=-1).astype(dtype)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_the_halves_lie_along_any_axis(gated, dtype, axis):
    x, dy = _draw((6, 8, 10), dtype), _draw((6, 8, 10), dtype, 1)
    dy = np.split(dy, 2, axis)[0]
    last = np.ascontiguousarray(np.moveaxis(x, axis, -1))
    y = gated(x, axis=axis)
    assert y.shape == dy.shape
    assert same_bits(np.moveaxis(y, axis, -1), gated(last))
    dx = gated.backward(dy, x=x, axis=axis)
    assert dx.shape == x.shape
    assert same_bits(np.moveaxis(dx, axis, -1), gated.backward(np.moveaxis(dy, axis, -1), x=last))


@pytest.mark.parametrize("half", [1, 2, 3, 7, 8, 9, 33, 255, 256, 257, 1000])
def test_forward_and_backward_are_the_formulas(gated, dtype, half):
    x, dy = _draw((2, 2 * half), dtype), _draw((2, half), dtype, 1)
    exact = reference.rounded(reference.forward(gated.row, x), dtype)
    np.testing.assert_allclose(gated(x), exact, rtol=4 * np.finfo(dtype).eps)
    exact = reference.rounded(reference.backward(gated.row, dy, "x", x), dtype)
    tolerance = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(gated.backward(dy, x=x), exact, rtol=tolerance, atol=100 * tolerance)


def test_a_large_value_finds_a_gate_that_has_underflown_by_itself(dtype):
    """sigma(-110) is 0 in float32, but not 1e30 times it; likewise -750 in float64."""
    a, b = {np.float32: (1e27, -110.0), np.float64: (1e280, -750.0)}[dtype]
    for name in ("glu", "swiglu"):
        activation = fa.get(name)
        x = _pair(np.full(40, a), b, dtype)
        exact = reference.rounded(reference.forward(activation.row, x), dtype)
        assert (exact != 0).all()
        assert reference.ulps_between(activation(x), exact).max() <= 3


def test_a_small_value_keeps_its_bits_behind_an_open_gate(dtype):
    tiny = np.finfo(dtype).tiny
    x = _pair(np.linspace(1, 2, 40) * tiny, 30.0, dtype)
    for name in ("glu", "swiglu"):
        activation = fa.get(name)
        exact = reference.rounded(reference.forward(activation.row, x), dtype)
        assert reference.ulps_between(activation(x), exact).max() <= 3


def test_a_closed_gate_gives_zero_for_every_finite_value(dtype, gated):
    largest = np.finfo(dtype).max
    x = _pair([largest, 1, 0, -1, -largest] * 8, -np.inf, dtype)
    np.testing.assert_array_equal(gated(x), np.zeros((40, 1)))


def test_an_open_gate_is_no_bound(dtype, gated):
    y = gated(_pair([1.0, -1.0] * 20, np.inf, dtype)).ravel()
    np.testing.assert_array_equal(y, [1, -1] * 20 if gated.name == "glu" else [np.inf, -np.inf] * 20)


@pytest.mark.parametrize("half", [0, 1])
def test_nan_in_either_half_gives_nan(dtype, gated, half):
    x = _pair(np.ones(40), -2.0, dtype)
    x[7, half] = np.nan
    y = gated(x).ravel()
    assert np.flatnonzero(np.isnan(y)).tolist() == [7]


def test_backward_may_overwrite_the_saved_input(gated, dtype, threads):
    for axis in (0, 1):
        x = _draw((200, 400), dtype)
        dy = _draw(gated(x, axis=axis).shape, dtype, seed=1)
        expected = gated.backward(dy, x=x.copy(), axis=axis)
        assert gated.backward(dy, x=x, axis=axis, out=x) is x
        assert same_bits(x, expected)


@pytest.mark.parametrize("half", [0, 1], ids=["first half", "second half"])
@pytest.mark.parametrize("axis", [0, 1])
def test_out_may_be_a_half_of_the_input(gated, dtype, threads, axis, half):
    x = _draw((400, 600), dtype)
    expected = gated(x.copy(), axis=axis)
    out = np.split(x, 2, axis)[half]
    assert gated(x, axis=axis, out=out) is out
    assert same_bits(out, expected)


@pytest.mark.parametrize("shift", [0, 1, 63, 1000, 39_000])
def test_out_that_overlaps_the_input_gives_the_disjoint_result(gated, dtype, shift):
    x = _draw((200, 400), dtype)
    expected = gated(x.copy())
    out = x.reshape(-1)[shift : shift + 40_000].reshape(200, 200)
    gated(x, out=out)
    assert same_bits(out, expected)
    buffer = _draw(130_000, dtype)
    x, dy = buffer[shift : shift + 80_000].reshape(200, 400), buffer[80_000:120_000].reshape(200, 200)
    expected = gated.backward(dy.copy(), x=x.copy())
    gated.backward(dy, x=x, out=x)
    assert same_bits(x, expected)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_in_any_layout(gated, dtype, layout, axis):
    x = _draw((12, 30, 40), dtype)
    y = gated(x, axis=axis)
    dx = gated.backward(y, x=x, axis=axis)
    out = layout(np.empty_like(y))
    assert gated(layout(x), axis=axis, out=out) is out
    assert same_bits(np.ascontiguousarray(out), y)
    assert same_bits(np.ascontiguousarray(gated.backward(layout(y), x=layout(x), axis=axis)), dx)


@pytest.mark.parametrize("extent", [1, 7, 201])
def test_an_odd_extent_has_no_halves(gated, dtype, extent):
    x, out = np.ones((4, extent), dtype), np.full((4, extent), 9, dtype)
    with pytest.raises(ValueError, match=rf"{gated.name}.*extent {extent} along axis 1.*even"):
        gated(x)
    with pytest.raises(ValueError, match=rf"extent {extent} along axis 1"):
        gated.backward(np.ones((4, extent // 2), dtype), x=x, out=out)
    assert (out == 9).all()


def test_out_has_half_the_extent(gated, dtype):
    x = np.ones((4, 8), dtype)
    with pytest.raises(ValueError, match=r"\(4, 8\).*\(4, 4\)"):
        gated(x, out=x)


@pytest.mark.parametrize("shape", [(3, 0), (0, 4), (0, 0)])
def test_an_empty_axis_gives_an_empty_result(gated, dtype, shape):
    x = np.empty(shape, dtype)
    y = gated(x)
    assert y.shape == (shape[0], shape[1] // 2)
    assert gated.backward(y, x=x).shape == shape
