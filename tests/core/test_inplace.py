"""In place, out of place or partly overlapping: the same bits, the very `out`, and no hidden copy.

A test is one activation in one direction; what fails says for which dtype, view, shift or thread count.
"""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from cases import DTYPES, HALVES, SAME_SHAPE_BACKWARD, same_bits

import fastact as fa

SMALL = 16_384
"""Bytes that a call may allocate: its result's object, a few views."""
SLAB = 4 << 20
"""Halves in groups go through float32 in slabs of this size at most, however many there are."""


def _copies(arrays):
    return [array.copy() for array in arrays]


def test_out_may_be_each_argument_and_nothing_else_is_written(same_shape_case):
    """Elsewhere `inplace` was ignored, or the saved array written: thinc's ops.py and numpy_ops.pyx."""
    for dtype in DTYPES:
        arrays = same_shape_case.draw((40, 129), dtype)
        expected = same_shape_case(*arrays)
        for position in range(len(arrays)):
            fresh = _copies(arrays)
            place = f"{dtype.__name__}, out= argument {position}"
            assert same_shape_case(*fresh, out=fresh[position]) is fresh[position]
            assert same_bits(fresh[position], expected), place
            for other, array in enumerate(fresh):
                assert other == position or same_bits(array, arrays[other]), f"{place}: {other} overwritten"


def test_a_third_out_is_filled_and_returned(case):
    for dtype in DTYPES:
        arrays = case.draw((40, 129), dtype)
        expected = case(*_copies(arrays))
        fresh = _copies(arrays)
        out = np.full_like(expected, np.nan)
        assert case(*fresh, out=out) is out
        assert same_bits(out, expected), dtype.__name__
        assert same_bits(case(*fresh), expected), dtype.__name__
        assert all(same_bits(array, before) for array, before in zip(fresh, arrays, strict=True))


VIEWS = {
    "sliced": lambda a: a[::2, ::3],
    "reversed": lambda a: a[::-1, ::-1],
    "transposed": lambda a: a.T,
    "column": lambda a: a[:, 5],
    "row": lambda a: a[3:4, 1:],
}


def test_in_place_on_a_view_leaves_the_rest_alone(same_shape_case, dtype):
    bases = same_shape_case.draw((48, 66), dtype)
    for name, view in VIEWS.items():
        expected = same_shape_case(*[view(base).copy() for base in bases])
        rest = np.ones(bases[0].shape, bool)
        view(rest)[...] = False
        for position in range(len(bases)):
            fresh = _copies(bases)
            targets = [view(base) for base in fresh]
            assert same_shape_case(*targets, out=targets[position]) is targets[position]
            assert same_bits(targets[position], expected), (name, position)
            assert same_bits(fresh[position][rest], bases[position][rest]), (name, position)


def test_partial_overlap_gives_the_disjoint_result(same_shape_case, any_dtype):
    half = any_dtype in HALVES
    for length in (3000,) if half else (2000, 200_000):
        arrays = same_shape_case.draw((length,), any_dtype)
        expected = same_shape_case(*arrays)
        for shift in (-1000, -64, -3, -1, 1, 3, 64, 1000):
            for position in range(len(arrays)):
                buffer = np.zeros(length + 2 * abs(shift), any_dtype)
                given = list(arrays)
                given[position] = buffer[abs(shift) : abs(shift) + length]
                given[position][...] = arrays[position]
                out = buffer[abs(shift) + shift : abs(shift) + shift + length]
                assert same_shape_case(*given, out=out) is out
                assert same_bits(out, expected), f"{length}, argument {position} moved by {shift}"


def test_overlap_in_another_order_gives_the_disjoint_result(same_shape_case, dtype):
    arrays = same_shape_case.draw((96, 96), dtype)
    expected = same_shape_case(*arrays)
    for position in range(len(arrays)):
        for turned in (lambda a: a.T, lambda a: a[::-1], lambda a: a[:, ::-1]):
            fresh = _copies(arrays)
            out = turned(fresh[position])
            same_shape_case(*fresh, out=out)
            assert same_bits(out, expected), f"argument {position}, strides {out.strides}"


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
    """The least of two, since what else the process does (the test runner's messages) is counted too."""
    call()
    return min(_traced(call), _traced(call))


def _traced(call) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_given_out_allocates_nothing_of_the_arrays_size(case, any_dtype):
    """In any dtype, in place too, on any number of threads."""
    in_slabs = case.row.kind == "pieces" and any_dtype in HALVES
    allowed = SLAB if in_slabs else SMALL
    arrays = case.draw((1024, 1024 if in_slabs else 256), any_dtype)
    third = np.empty_like(case(*arrays))
    for threads in (1, 2, 3):
        with fa.num_threads(threads):
            for out in (third, *(arrays if case.keeps_shape else ())):
                assert _peak(lambda out=out: case(*arrays, out=out)) < allowed, f"{threads} threads"


STRIDED = {
    "columns": lambda a: a[:, ::2],
    "turned": lambda a: a.T[::2],
    "reversed": lambda a: a[::-1],
}


def test_a_strided_array_costs_a_buffer_that_does_not_grow_with_it(same_shape_case, dtype):
    for name, view in STRIDED.items():
        peaks = []
        for length in (512, 1024):
            views = [view(base) for base in same_shape_case.draw((length, 512), dtype)]
            peaks.append(max(_peak(lambda v=views, out=out: same_shape_case(*v, out=out)) for out in views))
        assert max(peaks) < 4 << 20, name
        assert peaks[1] < 1.2 * peaks[0] + SMALL, name


ROWS = [row.name for row in fa.catalog.rows if row.kind in ("rows", "random_rows")]


@pytest.mark.parametrize("name", ROWS)
def test_rows_along_the_first_axis_are_computed_where_they_lie(name, any_dtype, threads):
    """No copy is turned round, in place or not; elsewhere 10 to 50 times slower: pytorch 34728."""
    activation = fa.get(name)
    seed = {"seed": 7} if activation.row.kind == "random_rows" else {}
    x = np.random.default_rng(0).standard_normal((1024, 1024)).astype(any_dtype)
    y = np.empty_like(x)
    assert _peak(lambda: activation(x, axis=0, out=y, **seed)) < SMALL
    assert _peak(lambda: activation(x, axis=0, out=x, **seed)) < SMALL
    assert _peak(lambda: activation.backward(x, y=y, axis=0, out=x)) < SMALL


@pytest.mark.parametrize("name", ROWS)
def test_axes_of_a_row_are_brought_together_without_a_copy(name, dtype):
    """Those that follow each other are computed where they lie, others in slabs, or row by row."""
    activation = fa.get(name)
    random = activation.row.kind == "random_rows"
    seed = {"seed": 7} if random else {}
    x = np.random.default_rng(0).standard_normal((64, 512, 64)).astype(dtype)
    y = np.empty_like(x)
    for axis, allowed in ((None, SMALL), ((0, 1), SMALL), ((1, 2), SMALL), ((0, 2), SLAB)):
        if not (random and axis == (0, 2)):  # its noise counts elements in C order
            assert _peak(lambda a=axis: activation(x, axis=a, out=y, **seed)) < allowed, axis
            assert _peak(lambda a=axis: activation(x, axis=a, out=x, **seed)) < allowed, axis
        assert _peak(lambda a=axis: activation.backward(x, y=y, axis=a, out=x)) < allowed, axis


LONG = 1 << 19
LONG_ROW = 3 << 19
"""Bytes: a segment of each array in float64, of two rows at a time, whatever their length."""
LONG_ROWS = {
    "softmax": {},
    "log_softmax": {},
    "softmin": {},
    "gumbel_softmax": {"seed": 3},
}
LAYOUTS = {
    "whole": lambda a: a,
    "every second": lambda a: a[:, ::2],
    "turned": lambda a: a.T,
    "backwards": lambda a: a[:, ::-1],
}


@pytest.mark.parametrize("name", LONG_ROWS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_long_row_of_any_layout_costs_a_buffer_and_has_the_same_bits(name, layout, any_dtype):
    """One of 2^22 halves took 4 times its memory, its gradient 6."""
    activation, words = fa.get(name), LONG_ROWS[name]
    axis = 0 if layout == "turned" else 1
    base = np.random.default_rng(0).standard_normal((2, 2, LONG)).astype(any_dtype)
    x, dy = (LAYOUTS[layout](one) for one in base)
    computed = np.float32 if any_dtype in HALVES else any_dtype
    plain, gradient = (np.array(one, computed, order="C") for one in (x, dy))
    y = activation(plain, axis=axis, **words).astype(any_dtype)
    dx = activation.backward(gradient, y=y.astype(computed), axis=axis).astype(any_dtype)
    assert same_bits(activation(x, axis=axis, **words), y)
    assert same_bits(activation.backward(dy, y=y, axis=axis, out=dy), dx)
    assert same_bits(activation(x, axis=axis, out=x, **words), y)
    assert _peak(lambda: activation(x, axis=axis, out=x, **words)) < LONG_ROW
    assert _peak(lambda: activation.backward(dy, y=x, axis=axis, out=dy)) < LONG_ROW


def test_hard_samples_projections_and_groups_of_one_long_row_of_halves_cost_a_buffer():
    """In place, or into half the row; each was copied whole to float32."""
    x = np.random.default_rng(0).standard_normal((1, 2 * LONG)).astype(np.float16)
    soft = fa.gumbel_softmax(x, seed=3)
    hard = np.zeros_like(x)
    hard[0, np.argmax(soft)] = 1
    assert same_bits(fa.gumbel_softmax(x, hard=True, seed=3), hard)
    assert same_bits(fa.sparsemax(x), fa.sparsemax(x.astype(np.float32)).astype(np.float16))
    assert same_bits(fa.maxout(x, 2), x.reshape(1, LONG, 2).max(axis=-1))
    groups = np.empty((1, LONG), np.float16)
    assert _peak(lambda: fa.maxout(x, 2, out=groups)) < SLAB
    assert _peak(lambda: fa.gumbel_softmax(x, hard=True, seed=3, out=x)) < SMALL
    assert _peak(lambda: fa.sparsemax(x, out=x)) < SMALL


def test_many_weights_cost_memory_of_theirs_and_not_of_the_arrays(any_dtype):
    """Ranges of 65,536 weights had 16 sums of all of them in memory, and their slabs were as long as they."""
    rows, channels = 32, 1 << 16
    base = np.random.default_rng(0).standard_normal((2, rows, 2 * channels)).astype(any_dtype)
    weight = np.linspace(-1, 1, channels).astype(any_dtype)
    allowed = (fa.get_num_threads() + 5) * channels * 8
    for x, dy in (base[:, :, ::2], np.ascontiguousarray(base[:, :, ::2])):
        expected = fa.prelu(np.ascontiguousarray(x), weight)
        gradients = fa.prelu.backward(np.ascontiguousarray(dy), x=np.ascontiguousarray(x), weight=weight)
        assert same_bits(fa.prelu(x, weight), expected)
        for found, one in zip(fa.prelu.backward(dy, x=x, weight=weight), gradients, strict=True):
            assert same_bits(found, one)
        assert _peak(lambda x=x: fa.prelu(x, weight, out=x)) < channels * 8
        assert _peak(lambda x=x, dy=dy: fa.prelu.backward(dy, x=x, weight=weight, out=dy)) < allowed
