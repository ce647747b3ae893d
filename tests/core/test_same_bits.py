"""The same input gives the same bits, wherever it lies in memory and however many threads compute it."""

from __future__ import annotations

import numpy as np
import pytest
from cases import ALONE, BACKWARD, IN_GROUPS, SAME_SHAPE, same_bits
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from layouts import LAYOUTS

import fastact as fa

AROUND_VECTOR_WIDTHS = sorted(
    {0, 1, 2, 3} | {width + step for width in (4, 8, 16, 32, 64) for step in (-1, 0, 1)}
)
AROUND_THREADING_THRESHOLDS = [2**power + step for power in (12, 14, 16, 18) for step in (-1, 1)] + [500_003]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_any_memory_layout(case, dtype, layout):
    arrays = case.draw((5, 7, 36), dtype)
    moved = [layout(array) for array in arrays]
    assert all(np.array_equal(a, b) for a, b in zip(arrays, moved, strict=True))
    result = case(*moved)
    assert result.dtype == dtype
    assert result.dtype.isnative
    assert same_bits(result, case(*arrays))


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "read-only"])
def test_any_memory_layout_of_out(case, dtype, layout):
    arrays = case.draw((5, 7, 36), dtype)
    expected = case(*arrays)
    out = LAYOUTS[layout](np.zeros_like(expected))
    assert case(*arrays, out=out) is out
    assert same_bits(out.astype(dtype), expected)


@pytest.mark.parametrize("shape", [(300, 400), (2, 3, 20_001), (70_000, 4)])
def test_large_arrays_in_any_layout(case, dtype, threads, shape):
    arrays = case.draw(shape, dtype)
    expected = case(*arrays)
    for layout in ("fortran", "strided", "reversed"):
        assert same_bits(case(*[LAYOUTS[layout](array) for array in arrays]), expected), layout


@pytest.mark.parametrize("moved", [0, 1], ids=["aligned", "moved by one element"])
@pytest.mark.parametrize("case", SAME_SHAPE, ids=str)
def test_beyond_the_caches_in_place_or_not(case, dtype, moved):
    """From 8 MB a thread on, elementwise results that go elsewhere are streamed past the caches."""
    size = moved + (2**23 + 2**12) // np.dtype(dtype).itemsize
    arrays = [array[moved:] for array in case.draw((size,), dtype)]
    out = np.zeros(size, dtype)[moved:]
    with fa.num_threads(1):
        case(*arrays, out=out)
        assert same_bits(case(*arrays, out=arrays[0]), out)


def test_broadcast_views(case, dtype):
    arrays = [np.broadcast_to(array, (6, *array.shape)) for array in case.draw((9, 20), dtype)]
    assert same_bits(case(*arrays), case(*[array.copy() for array in arrays]))
    assert all(not array.flags.writeable for array in arrays)


@pytest.mark.parametrize("case", ALONE, ids=str)
@pytest.mark.parametrize("length", AROUND_VECTOR_WIDTHS)
def test_every_length_and_offset(case, dtype, length):
    """The last few elements are computed like the others, wherever the array starts."""
    arrays = case.draw((length + 40,), dtype)
    whole = case(*arrays)
    for offset in range(0, 40, 3):
        part = slice(offset, offset + length)
        assert same_bits(case(*[array[part] for array in arrays]), whole[part])


@pytest.mark.parametrize("case", IN_GROUPS, ids=str)
@pytest.mark.parametrize("length", AROUND_VECTOR_WIDTHS[1:])
def test_every_row_length_and_position(case, dtype, length):
    """A row's or group's result is the same alone as among others."""
    arrays = case.draw((11, length), dtype)
    whole = case(*arrays)
    for i in range(11):
        assert same_bits(case(*[array[i] for array in arrays]), whole[i])


@pytest.mark.parametrize("length", AROUND_THREADING_THRESHOLDS)
def test_any_thread_count(case, dtype, length):
    arrays = case.draw((length,), dtype)
    results = []
    for threads in (1, 2, 3):
        with fa.num_threads(threads):
            results.append(case(*arrays))
    assert same_bits(results[0], results[1])
    assert same_bits(results[0], results[2])


@pytest.mark.parametrize("case", IN_GROUPS, ids=str)
@pytest.mark.parametrize("shape", [(3, 100_001), (100_001, 3), (1, 400_000), (400, 1000), (17, 13, 1001)])
def test_any_thread_count_over_rows(case, dtype, shape):
    arrays = case.draw(shape, dtype)
    with fa.num_threads(1):
        expected = case(*arrays)
    for threads in (2, 3):
        with fa.num_threads(threads):
            assert same_bits(case(*arrays), expected)


@given(data=st.data())
def test_any_shape_and_strides(case, dtype, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=9))
    if not case.keeps_shape:
        shape = (*shape[:-1], 4 * shape[-1])
    order = data.draw(st.permutations(range(len(shape))))
    index = data.draw(hnp.basic_indices(shape, min_dims=1, allow_newaxis=True, allow_ellipsis=False))
    bases = case.draw(shape, dtype)
    views = [
        base[index].transpose(np.argsort(order) if base[index].ndim == len(order) else None) for base in bases
    ]
    if not case.keeps_shape:
        views = bases
    expected = case(*[view.copy() for view in views])
    assert same_bits(case(*views), expected)
    if case.keeps_shape:
        case(*views, out=views[0])
        assert same_bits(views[0], expected)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0, 3), (3, 0)])
def test_an_empty_array_gives_an_empty_array(same_shape_case, dtype, shape):
    arrays = [np.empty(shape, dtype) for _ in same_shape_case.draw((1,), dtype)]
    result = same_shape_case(*arrays)
    assert result.shape == shape
    assert result.dtype == dtype
    assert same_shape_case(*arrays, out=arrays[0]) is arrays[0]


def test_scalars_give_numpy_scalars(elementwise_case, dtype):
    arrays = elementwise_case.draw((1,), dtype)
    expected = elementwise_case(*arrays)
    for scalars in ([array[0] for array in arrays], [array.reshape(()) for array in arrays]):
        result = elementwise_case(*scalars)
        assert type(result) is dtype
        assert same_bits(result, expected[0])


def test_a_0d_out_is_filled_and_returned(elementwise_case, dtype):
    arrays = [array.reshape(()) for array in elementwise_case.draw((1,), dtype)]
    expected = elementwise_case(*arrays)
    out = np.empty((), dtype)
    assert elementwise_case(*arrays, out=out) is out
    assert same_bits(out, expected)
    assert elementwise_case(*arrays, out=arrays[0]) is arrays[0]


def test_lists_and_python_numbers(case):
    arrays = case.draw((3, 8), np.float64)
    assert same_bits(case(*[array.tolist() for array in arrays]), case(*arrays))


@pytest.mark.parametrize(
    "dtype", [bool, np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64]
)
def test_integers_and_bools_give_float64(case, dtype):
    arrays = [np.abs(array).astype(dtype) for array in case.draw((3, 8), np.float64)]
    result = case(*arrays)
    assert result.dtype == np.float64
    assert same_bits(result, case(*[array.astype(np.float64) for array in arrays]))
    out = np.empty_like(result)
    assert case(*arrays, out=out) is out
    assert same_bits(out, result)


@pytest.mark.parametrize("case", BACKWARD, ids=str)
def test_backward_promotes_dtypes_that_differ(case):
    dy, saved = case.draw((6, 20), np.float32)
    for mixed in ((dy.astype(np.float64), saved), (dy, saved.astype(np.float64))):
        expected = case(*[array.astype(np.float64) for array in mixed])
        assert expected.dtype == np.float64
        assert same_bits(case(*mixed), expected)
        wide = next(array for array in mixed if array.dtype == np.float64)
        if wide.shape == expected.shape:
            assert case(*mixed, out=wide) is wide
            assert same_bits(wide, expected)


def test_subclasses_and_keywords_are_as_in_numpy(same_shape_case, dtype):
    """An ndarray given by name or position, with out=None, is the same call."""
    arrays = same_shape_case.draw((4, 9), dtype)
    assert same_bits(same_shape_case(*arrays, out=None), same_shape_case(*arrays))


def test_levels_v3_and_v4_give_the_same_bits(fresh_python):
    levels = fa.config()["levels"]
    if not {"v3", "v4"} <= set(levels):
        pytest.skip(f"this processor runs {', '.join(levels)} only")
    code = """if True:
        import hashlib, numpy as np
        from cases import CASES
        digest = hashlib.sha256()
        for case in CASES:
            for dtype in (np.float32, np.float64):
                digest.update(case(*case.draw((37, 1013), dtype)).tobytes())
        print(digest.hexdigest())"""
    runs = [fresh_python(code, FASTACT_CPU=level) for level in ("v3", "v4")]
    digests = {run.stdout for run in runs}
    assert len(digests) == 1, "".join(run.stderr for run in runs)
    assert "" not in digests, "".join(run.stderr for run in runs)
