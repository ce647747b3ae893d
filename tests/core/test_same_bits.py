"""The same input gives the same bits, wherever it lies in memory and however many threads compute it.

A test is one activation in one direction; what fails says for which dtype, layout, length or thread count.
"""

from __future__ import annotations

import numpy as np
import pytest
from cases import ALONE, BACKWARD, DTYPES, FLOATS, HALVES, IN_GROUPS, SAME_SHAPE, same_bits
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from layouts import LAYOUTS, layouts

import fastact as fa

AROUND_VECTOR_WIDTHS = sorted(
    {0, 1, 2, 3} | {width + step for width in (4, 8, 16, 32, 64) for step in (-1, 0, 1)}
)
AROUND_THREADING_THRESHOLDS = [2**power + step for power in (12, 14, 16, 18) for step in (-1, 1)] + [500_003]
SHAPES_FOR_HALVES = [(2**12 - 1,), (2**14 + 1,), (2**16 + 1,), (500_003,), (300, 1001)]


def test_any_memory_layout_of_the_arrays_and_of_out(case, any_dtype):
    """Read-only arrays are inputs like others; elsewhere const memoryviews refused them: cython 1605."""
    arrays = case.draw((5, 7, 36), any_dtype)
    expected = case(*arrays)
    for name, layout in layouts(any_dtype).items():
        moved = [layout(array) for array in arrays]
        assert all(np.array_equal(a, b) for a, b in zip(arrays, moved, strict=True))
        result = case(*moved)
        assert result.dtype == any_dtype
        assert result.dtype.isnative
        assert same_bits(result, expected), name
        if name == "read-only":
            continue
        for passed in (arrays, moved):
            out = layout(np.zeros_like(expected))
            assert case(*passed, out=out) is out
            assert same_bits(out.astype(any_dtype), expected), f"out {name}"


def test_large_arrays_in_any_layout(case, dtype):
    for shape in ((300, 400), (2, 3, 20_001), (70_000, 4)):
        arrays = case.draw(shape, dtype)
        with fa.num_threads(1):
            expected = case(*arrays)
        for layout in ("fortran", "strided", "reversed"):
            moved = [LAYOUTS[layout](array) for array in arrays]
            for threads in (1, 2, 3):
                with fa.num_threads(threads):
                    assert same_bits(case(*moved), expected), f"{shape}, {layout}, {threads} threads"


STREAMED_HALVES = ("relu", "rrelu")
"""One loop streams the halves of every formula: a fast one, and the one that counts its elements."""


@pytest.mark.parametrize("case", SAME_SHAPE, ids=str)
def test_beyond_the_caches_in_place_or_not(case):
    """From 8 MB a thread on, elementwise results that go elsewhere are streamed past the caches."""
    for dtype in DTYPES if case.row.name in STREAMED_HALVES else FLOATS:
        size = (2**23 + 2**12) // np.dtype(dtype).itemsize
        drawn = case.draw((4099,), dtype)  # a prime, so that a piece which lands elsewhere is seen
        for moved in (0, 1, 5) if dtype in HALVES else (0, 1):
            arrays = [np.resize(array, moved + size)[moved:] for array in drawn]
            out = np.zeros(moved + size, dtype)[moved:]
            with fa.num_threads(1):
                case(*arrays, out=out)
                in_place = case(*arrays, out=arrays[0])
            assert same_bits(in_place, out), f"{dtype.__name__}, moved by {moved}"


def test_broadcast_views(case):
    for dtype in DTYPES:
        arrays = [np.broadcast_to(array, (6, *array.shape)) for array in case.draw((9, 20), dtype)]
        assert same_bits(case(*arrays), case(*[array.copy() for array in arrays])), dtype.__name__
        assert all(not array.flags.writeable for array in arrays)


@pytest.mark.parametrize("case", ALONE, ids=str)
def test_every_length_and_offset(case, any_dtype):
    """The last few elements are computed like the others, wherever the array starts."""
    for length in (*AROUND_VECTOR_WIDTHS, 255, 256, 257, 271):
        arrays = case.draw((length + 40,), any_dtype)
        whole = case(*arrays)
        for offset in range(0, 40, 3):
            part = slice(offset, offset + length)
            assert same_bits(case(*[array[part] for array in arrays]), whole[part]), (length, offset)


@pytest.mark.parametrize("case", IN_GROUPS, ids=str)
def test_every_row_length_and_position(case, any_dtype):
    """A row's or group's result is the same alone as among others."""
    for length in AROUND_VECTOR_WIDTHS[1:]:
        arrays = case.draw((11, length), any_dtype)
        whole = case(*arrays)
        for i in range(11):
            assert same_bits(case(*[array[i] for array in arrays]), whole[i]), (length, i)


@pytest.mark.parametrize("shape", [*((n,) for n in AROUND_THREADING_THRESHOLDS), (300, 1001)], ids=str)
def test_any_thread_count_in_place_or_not(case, shape):
    """Nor does it matter where in a long array an element is: elsewhere its end was rounded otherwise.

    pytorch 197018 and 196999, numpy 23523.
    """
    for dtype in DTYPES if shape in SHAPES_FOR_HALVES else FLOATS:
        arrays = case.draw(shape, dtype)
        with fa.num_threads(1):
            expected = case(*arrays)
        for threads in (1, 2, 3):
            with fa.num_threads(threads):
                if threads > 1:
                    assert same_bits(case(*arrays), expected), f"{dtype.__name__}, {threads} threads"
                for position in range(len(arrays) if case.keeps_shape else 0):
                    fresh = [array.copy() for array in arrays]
                    assert case(*fresh, out=fresh[position]) is fresh[position]
                    place = f"{dtype.__name__}, {threads} threads, out= argument {position}"
                    assert same_bits(fresh[position], expected), place
        if case in ALONE and len(shape) == 1:
            for start, stop in ((0, 1), (1, 8), (3, 70), (shape[0] - 13, shape[0])):
                part = case(*[array[start:stop] for array in arrays])
                assert same_bits(part, expected[start:stop]), f"{dtype.__name__}, {start} to {stop}"


@pytest.mark.parametrize("case", IN_GROUPS, ids=str)
def test_any_thread_count_over_rows(case, dtype):
    for shape in ((3, 100_001), (100_001, 3), (1, 400_000), (400, 1000), (17, 13, 1001)):
        along_last = case.draw(shape, dtype)
        along_first = [np.moveaxis(array, -1, 0).copy() for array in along_last]
        with fa.num_threads(1):
            expected = case(*along_last)
        for threads in (1, 2, 3):
            with fa.num_threads(threads):
                assert same_bits(case(*along_last), expected), f"{shape}, {threads} threads"
                columns = case(*along_first, axis=0)
                assert same_bits(np.moveaxis(columns, 0, -1), expected), f"{shape} turned, {threads} threads"


@given(data=st.data())
def test_any_shape_and_strides(case, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=9))
    if not case.keeps_shape:
        shape = (*shape[:-1], 4 * shape[-1])
    order = data.draw(st.permutations(range(len(shape))))
    index = data.draw(hnp.basic_indices(shape, min_dims=1, allow_newaxis=True, allow_ellipsis=False))
    for dtype in DTYPES:
        views = case.draw(shape, dtype)
        if case.keeps_shape:
            views = [base[index] for base in views]
            if views[0].ndim == len(order):
                views = [view.transpose(np.argsort(order)) for view in views]
        expected = case(*[view.copy() for view in views])
        assert same_bits(case(*views), expected), dtype.__name__
        if case.keeps_shape:
            case(*views, out=views[0])
            assert same_bits(views[0], expected), dtype.__name__


def test_an_empty_array_gives_an_empty_array(same_shape_case):
    for dtype in DTYPES:
        for shape in ((0,), (0, 5), (5, 0, 3), (3, 0)):
            arrays = [np.empty(shape, dtype) for _ in same_shape_case.draw((1,), dtype)]
            result = same_shape_case(*arrays)
            assert result.shape == shape
            assert result.dtype == dtype, shape
            assert same_shape_case(*arrays, out=arrays[0]) is arrays[0]


def test_scalars_give_numpy_scalars_and_a_0d_out_is_filled(elementwise_case):
    for dtype in DTYPES:
        arrays = elementwise_case.draw((1,), dtype)
        expected = elementwise_case(*arrays)
        of_0d = [array.reshape(()) for array in arrays]
        for scalars in ([array[0] for array in arrays], of_0d):
            result = elementwise_case(*scalars)
            assert type(result) is dtype
            assert same_bits(result, expected[0]), dtype.__name__
        for out in (np.zeros((), dtype), of_0d[0]):
            assert elementwise_case(*of_0d, out=out) is out
            assert same_bits(out, expected[0]), dtype.__name__


def test_lists_and_python_numbers(case):
    arrays = case.draw((3, 8), np.float64)
    assert same_bits(case(*[array.tolist() for array in arrays]), case(*arrays))


def test_integers_and_bools_give_float64(case):
    for dtype in (bool, np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64):
        arrays = [np.abs(array).astype(dtype) for array in case.draw((3, 8), np.float64)]
        result = case(*arrays)
        assert result.dtype == np.float64, dtype
        assert same_bits(result, case(*[array.astype(np.float64) for array in arrays])), dtype
        out = np.empty_like(result)
        assert case(*arrays, out=out) is out
        assert same_bits(out, result), dtype


@pytest.mark.parametrize("case", BACKWARD, ids=str)
def test_backward_promotes_dtypes_that_differ_as_numpy_does(case):
    for narrow, wide in ((np.float32, np.float64), *((half, wide) for half in HALVES for wide in FLOATS)):
        dy, saved = case.draw((6, 20), narrow)
        for mixed in ((dy.astype(wide), saved), (dy, saved.astype(wide))):
            expected = case(*[array.astype(wide) for array in mixed])
            assert expected.dtype == wide
            assert same_bits(case(*mixed), expected), (narrow, wide)
            out = next(array for array in mixed if array.dtype == wide)
            if out.shape == expected.shape:
                assert case(*mixed, out=out) is out
                assert same_bits(out, expected), (narrow, wide)


def test_an_out_that_is_none_is_no_out(same_shape_case, dtype):
    arrays = same_shape_case.draw((4, 9), dtype)
    assert same_bits(same_shape_case(*arrays, out=None), same_shape_case(*arrays))
