"""In place, out of place or partly overlapping: the same bits, the very `out`, and no hidden copy."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from cases import SAME_SHAPE_BACKWARD, same_bits

import fastact as fa

MILLION = 1 << 20


def _copies(arrays):
    return [array.copy() for array in arrays]


def test_out_may_be_each_argument(same_shape_case, dtype):
    arrays = same_shape_case.draw((40, 129), dtype)
    expected = same_shape_case(*arrays)
    for position in range(len(arrays)):
        fresh = _copies(arrays)
        assert same_shape_case(*fresh, out=fresh[position]) is fresh[position]
        assert same_bits(fresh[position], expected), f"out= argument {position}"
        for other, array in enumerate(fresh):
            assert other == position or same_bits(array, arrays[other]), "an argument was overwritten"


def test_a_third_out_is_filled_and_returned(case, dtype):
    arrays = case.draw((40, 129), dtype)
    expected = case(*arrays)
    fresh = _copies(arrays)
    out = np.full_like(expected, np.nan)
    assert case(*fresh, out=out) is out
    assert same_bits(out, expected)
    assert all(same_bits(array, before) for array, before in zip(fresh, arrays, strict=True))


def test_in_place_on_many_threads(same_shape_case, dtype, threads):
    arrays = same_shape_case.draw((300, 1001), dtype)
    expected = same_shape_case(*arrays)
    for position in range(len(arrays)):
        fresh = _copies(arrays)
        same_shape_case(*fresh, out=fresh[position])
        assert same_bits(fresh[position], expected)


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::2, ::3],
        lambda a: a[::-1, ::-1],
        lambda a: a.T,
        lambda a: a[:, 5],
        lambda a: a[3:4, 1:],
    ],
    ids=["sliced", "reversed", "transposed", "column", "row"],
)
def test_in_place_on_a_view_leaves_the_rest_alone(same_shape_case, dtype, view):
    bases = same_shape_case.draw((48, 66), dtype)
    views = [view(base) for base in bases]
    expected = same_shape_case(*[v.copy() for v in views])
    rest = np.ones(bases[0].shape, bool)
    view(rest)[...] = False
    for position in range(len(bases)):
        fresh = _copies(bases)
        targets = [view(base) for base in fresh]
        assert same_shape_case(*targets, out=targets[position]) is targets[position]
        assert same_bits(targets[position], expected)
        assert same_bits(fresh[position][rest], bases[position][rest])


@pytest.mark.parametrize("shift", [-1000, -64, -3, -1, 1, 3, 64, 1000])
@pytest.mark.parametrize("length", [2000, 200_000])
def test_partial_overlap_gives_the_disjoint_result(same_shape_case, dtype, shift, length):
    arrays = same_shape_case.draw((length,), dtype)
    expected = same_shape_case(*arrays)
    for position in range(len(arrays)):
        buffer = np.zeros(length + 2 * abs(shift), dtype)
        fresh = _copies(arrays)
        fresh[position] = buffer[abs(shift) : abs(shift) + length]
        fresh[position][...] = arrays[position]
        out = buffer[abs(shift) + shift : abs(shift) + shift + length]
        assert same_shape_case(*fresh, out=out) is out
        assert same_bits(out, expected), f"out overlaps argument {position}"


def test_overlap_in_another_order_gives_the_disjoint_result(same_shape_case, dtype):
    arrays = same_shape_case.draw((96, 96), dtype)
    expected = same_shape_case(*arrays)
    for position in range(len(arrays)):
        for turned in (lambda a: a.T, lambda a: a[::-1], lambda a: a[:, ::-1]):
            fresh = _copies(arrays)
            out = turned(fresh[position])
            same_shape_case(*fresh, out=out)
            assert same_bits(out, expected)


@pytest.mark.parametrize("case", SAME_SHAPE_BACKWARD, ids=str)
def test_backward_when_gradient_and_saved_array_overlap_out(case, dtype):
    dy, saved = case.draw((3000,), dtype)
    expected = case(dy, saved)
    buffer = np.zeros((2, 3001), dtype)
    buffer[0, :-1], buffer[1, 1:] = dy, saved
    flat = buffer.reshape(-1)
    out = flat[1500:4500]
    case(buffer[0, :-1], buffer[1, 1:], out=out)
    assert same_bits(out, expected)


@pytest.mark.parametrize("case", SAME_SHAPE_BACKWARD, ids=str)
def test_one_array_as_gradient_and_saved(case, dtype):
    """`backward(a, x=a, out=a)`: odd, but every element is read before it is written."""
    array = case.draw((3000,), dtype)[1]
    expected = case(array.copy(), array.copy())
    case(array, array, out=array)
    assert same_bits(array, expected)


def _peak(call) -> int:
    call()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_in_place_allocates_nothing_of_the_arrays_size(same_shape_case, dtype, threads):
    arrays = same_shape_case.draw((1024, MILLION // 1024), dtype)
    for position in range(len(arrays)):
        assert _peak(lambda p=position: same_shape_case(*arrays, out=arrays[p])) < 16_384


def test_a_given_out_allocates_nothing_of_the_arrays_size(case, dtype):
    arrays = case.draw((1024, MILLION // 1024), dtype)
    out = np.empty_like(case(*arrays))
    assert _peak(lambda: case(*arrays, out=out)) < 16_384


@pytest.mark.parametrize(
    "view",
    [lambda a: a[:, ::2], lambda a: a.T[::2], lambda a: a[::-1]],
    ids=["columns", "turned", "reversed"],
)
def test_a_strided_array_costs_a_buffer_that_does_not_grow_with_it(same_shape_case, dtype, view):
    peaks = []
    for length in (512, 1024):
        views = [view(base) for base in same_shape_case.draw((length, 512), dtype)]
        peaks.append(max(_peak(lambda v=views, out=out: same_shape_case(*v, out=out)) for out in views))
    assert max(peaks) < 4 << 20
    assert peaks[1] < 1.2 * peaks[0] + 16_384


def test_softmax_in_place_over_the_first_axis_allocates_nothing_of_the_arrays_size(dtype, threads):
    x = np.random.default_rng(0).standard_normal((1024, 1024)).astype(dtype)
    assert _peak(lambda: fa.softmax(x, axis=0, out=x)) < 16_384
    assert _peak(lambda: fa.softmax.backward(x, y=x, axis=0, out=x)) < 16_384
