"""maxout: the largest of each group of consecutive values; ties go to the first; NaN wins."""

from __future__ import annotations

import numpy as np
import pytest
from cases import same_bits

import fastact as fa


def _groups(x, pieces, axis):
    """`x` with the axis last and its groups as one further axis."""
    moved = np.moveaxis(x, axis, -1)
    return moved.reshape(*moved.shape[:-1], moved.shape[-1] // pieces, pieces)


def _draw(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("pieces", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_the_largest_of_each_group_on_any_axis(dtype, pieces, axis):
    x = _draw((12, 24, 36), dtype)
    y, which = fa.maxout(x, pieces, axis=axis, return_which=True)
    groups = _groups(x, pieces, axis)
    np.testing.assert_array_equal(np.moveaxis(y, axis, -1), groups.max(-1))
    np.testing.assert_array_equal(np.moveaxis(which, axis, -1), groups.argmax(-1))
    assert y.dtype == dtype
    assert y.shape == which.shape
    assert np.issubdtype(which.dtype, np.integer)
    assert same_bits(fa.maxout(x, pieces, axis=axis), y)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("saved", ["x", "which"])
def test_backward_gives_the_gradient_to_the_largest(dtype, threads, axis, saved):
    x = _draw((12, 24, 36), dtype)
    y, which = fa.maxout(x, 4, axis=axis, return_which=True)
    dy = _draw(y.shape, dtype, seed=1)
    dx = fa.maxout.backward(dy, **{saved: {"x": x, "which": which}[saved]}, pieces=4, axis=axis)
    assert dx.shape == x.shape
    assert dx.dtype == dtype
    chosen = np.arange(4) == _groups(x, 4, axis).argmax(-1)[..., None]
    expected = np.where(chosen, np.moveaxis(dy, axis, -1)[..., None], 0)
    np.testing.assert_array_equal(_groups(dx, 4, axis), expected)


def test_ties_go_to_the_first(dtype):
    x = np.array([[1, 1, 1], [0, 2, 2], [3, 0, 3], [-0.0, 0.0, -1], [0.0, -0.0, -1], [-np.inf] * 3], dtype)
    y, which = fa.maxout(x, 3, return_which=True)
    np.testing.assert_array_equal(which.ravel(), [0, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(y.ravel(), [1, 2, 3, 0, 0, -np.inf])
    for saved in ({"x": x}, {"which": which}):
        dx = fa.maxout.backward(np.ones((6, 1), dtype), **saved, pieces=3)
        np.testing.assert_array_equal(dx.sum(-1), np.ones(6))
        np.testing.assert_array_equal(dx.argmax(-1), which.ravel())


@pytest.mark.parametrize("position", [0, 1, 2, 3])
def test_nan_wins_and_takes_the_gradient(dtype, position):
    x = np.tile(np.array([5, 1, np.inf, 2], dtype), (9, 1))
    x[4, position] = np.nan
    y, which = fa.maxout(x, 4, return_which=True)
    assert np.isnan(y[4, 0])
    assert which[4, 0] == position
    assert np.count_nonzero(np.isnan(y)) == 1
    for saved in ({"x": x}, {"which": which}):
        dx = fa.maxout.backward(np.ones((9, 1), dtype), **saved, pieces=4)
        assert np.flatnonzero(dx[4]).tolist() == [position]


def test_the_first_of_several_nans_takes_the_gradient(dtype):
    x = np.array([[1, np.nan, np.nan, 4]], dtype)
    assert fa.maxout(x, 4, return_which=True)[1][0, 0] == 1
    assert np.flatnonzero(fa.maxout.backward(np.ones((1, 1), dtype), x=x, pieces=4)).tolist() == [1]


def test_infinities(dtype):
    x = np.array([[-np.inf, -np.inf], [np.inf, -np.inf], [-np.inf, np.inf]], dtype)
    np.testing.assert_array_equal(fa.maxout(x, 2).ravel(), [-np.inf, np.inf, np.inf])


@pytest.mark.parametrize("shape", [(3, 400_000), (400_000, 4), (100, 100, 40)])
@pytest.mark.parametrize("axis", [0, -1])
def test_any_thread_count_gives_the_same_bits(dtype, shape, axis):
    x = _draw(shape, dtype)
    pieces = shape[axis] if shape[axis] < 5 else 4
    results = []
    for threads in (1, 2, 3):
        with fa.num_threads(threads):
            y, which = fa.maxout(x, pieces, axis=axis, return_which=True)
            results.append((y, which, fa.maxout.backward(y, x=x, pieces=pieces, axis=axis)))
    for other in results[1:]:
        assert all(same_bits(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("axis", [0, 1])
def test_in_any_layout(dtype, axis):
    x = _draw((24, 36), dtype)
    y, which = fa.maxout(x, 4, axis=axis, return_which=True)
    dx = fa.maxout.backward(y, x=x, pieces=4, axis=axis)
    for moved in (np.asfortranarray(x), np.repeat(x, 2, 1)[:, ::2], np.flip(np.flip(x).copy())):
        out = np.asfortranarray(np.empty_like(y))
        result, which_again = fa.maxout(moved, 4, axis=axis, out=out, return_which=True)
        assert result is out
        assert same_bits(out, y)
        assert same_bits(which_again, which)
        turned = np.asfortranarray(np.empty_like(x))
        assert fa.maxout.backward(np.asfortranarray(y), x=moved, pieces=4, axis=axis, out=turned) is turned
        assert same_bits(turned, dx)
        assert same_bits(fa.maxout.backward(y, which=np.asfortranarray(which), pieces=4, axis=axis), dx)


def test_backward_may_overwrite_the_saved_input(dtype, threads):
    x = _draw((200, 400), dtype)
    dy = _draw((200, 100), dtype, seed=1)
    expected = fa.maxout.backward(dy, x=x.copy(), pieces=4)
    assert fa.maxout.backward(dy, x=x, pieces=4, out=x) is x
    assert same_bits(x, expected)


def test_out_that_overlaps_the_input_gives_the_disjoint_result(dtype):
    x = _draw((200, 400), dtype)
    expected = fa.maxout(x.copy(), 4)
    out = x.reshape(-1)[1000:21_000].reshape(200, 100)
    fa.maxout(x, 4, out=out)
    assert same_bits(out, expected)
    buffer = _draw(90_000, dtype)
    x, dy = buffer[:80_000].reshape(200, 400), buffer[70_000:].reshape(200, 100)
    expected = fa.maxout.backward(dy.copy(), x=x.copy(), pieces=4)
    fa.maxout.backward(dy, x=x, pieces=4, out=x)
    assert same_bits(x, expected)


def test_which_out_of_range_is_refused(dtype):
    dy, out = np.ones((2, 2), dtype), np.full((2, 8), 9, dtype)
    for bad in (4, -1):
        which = np.array([[0, 1], [2, bad]])
        with pytest.raises(ValueError, match=f"which.*{bad}"):
            fa.maxout.backward(dy, which=which, pieces=4, out=out)
        np.testing.assert_array_equal(out, np.full((2, 8), 9))


def test_which_that_is_no_integer_array_is_refused(dtype):
    with pytest.raises(TypeError, match="which"):
        fa.maxout.backward(np.ones((2, 2), dtype), which=np.zeros((2, 2), dtype), pieces=4)


def test_which_of_another_shape_is_refused(dtype):
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(2, 2\)|\(2, 2\).*\(2, 3\)"):
        fa.maxout.backward(np.ones((2, 2), dtype), which=np.zeros((2, 3), np.int64), pieces=4)


@pytest.mark.parametrize("given", [{}, {"x": 1, "which": 1}, {"y": 1}, {"y": 1, "which": 1}], ids=str)
def test_exactly_one_of_x_and_which_is_needed(dtype, given):
    saved = {name: np.zeros((2, 2 if name != "x" else 8), np.int64) for name in given}
    with pytest.raises(TypeError, match=r"x=.*which=|which=.*x="):
        fa.maxout.backward(np.ones((2, 2), dtype), **saved, pieces=4)


@pytest.mark.parametrize("integer", [np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64])
def test_which_may_be_of_any_integer_dtype(dtype, integer):
    x = _draw((6, 8), dtype)
    y, which = fa.maxout(x, 4, return_which=True)
    expected = fa.maxout.backward(y, x=x, pieces=4)
    assert same_bits(fa.maxout.backward(y, which=which.astype(integer), pieces=4), expected)


def test_many_pieces(dtype):
    x = _draw((3, 2000), dtype)
    y, which = fa.maxout(x, 1000, return_which=True)
    np.testing.assert_array_equal(which, x.reshape(3, 2, 1000).argmax(-1))
    assert same_bits(fa.maxout.backward(y, which=which, pieces=1000), fa.maxout.backward(y, x=x, pieces=1000))


def test_an_empty_axis_gives_no_group(dtype):
    assert fa.maxout(np.empty((3, 0), dtype), 2).shape == (3, 0)
    assert fa.maxout(np.empty((0, 4), dtype), 2).shape == (0, 2)
    assert fa.maxout.backward(np.empty((0, 2), dtype), x=np.empty((0, 4), dtype), pieces=2).shape == (0, 4)


def test_integers_give_float64():
    y, which = fa.maxout(np.arange(8).reshape(2, 4), 2, return_which=True)
    assert y.dtype == np.float64
    assert y.tolist() == [[1, 3], [5, 7]]
    assert which.tolist() == [[1, 1], [1, 1]]
