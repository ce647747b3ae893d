"""Array manners: what is accepted, what comes back, and how any layout reaches a kernel."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import _dispatch
from . import buffers

SUPPORTED = "float16, bfloat16, float32, float64, integers and bools"

SUMS_AT_ONCE = 1 << 17
"""So many sums of ranges are in memory at a time, but for those of one range a thread."""

CHUNK = 8192
"""Elements per buffer where an array is not contiguous: a few of them fit into the L2 cache."""


MOST_AXES = 64
"""NumPy's limit."""

FLOATS = (np.float32, np.float64)
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


def is_half(dtype: np.dtype) -> bool:
    """Whether values are stored in 16 bits."""
    return dtype.type not in FLOATS and (dtype.type is np.float16 or _is_bfloat16(dtype))


def _is_bfloat16(dtype: np.dtype) -> bool:
    """Whether the dtype is that of ml_dtypes, which nobody has an array of without having imported it.

    Others may call a dtype of their own by that name; the kernels are told the number of this one.
    """
    if dtype.kind != "V" or dtype.type.__name__ != "bfloat16":
        return False
    package = sys.modules.get("ml_dtypes")
    if package is None or dtype.type is not package.bfloat16:
        return False
    _dispatch.take_bfloat16(dtype)
    return True


def as_input(value: Any, name: str) -> np.ndarray:
    """`value` as a plain array of a supported dtype.

    Raises
    ------
    TypeError
        If its dtype is complex, object, text, a date or any other that is not computed with, or its memory
        is not to be had (see `buffers.read`).
    """
    array = np.asarray(buffers.read(value, name))
    dtype = array.dtype
    if dtype.type not in FLOATS and dtype.kind not in "biu" and not is_half(dtype):
        raise TypeError(f"{name} has dtype {dtype}; supported are {SUPPORTED}")
    return array


def result_dtype(*arrays: np.ndarray) -> np.dtype:
    """Dtype of the result: float64 for integers, else as NumPy promotes, in native byte order."""
    dtypes = [native(array.dtype) if array.dtype.kind not in "biu" else FLOAT64 for array in arrays]
    return dtypes[0] if dtypes.count(dtypes[0]) == len(dtypes) else np.result_type(*dtypes)


def native(dtype: np.dtype) -> np.dtype:
    return dtype if dtype.isnative else dtype.newbyteorder("=")


def computing_dtype(dtype: np.dtype) -> np.dtype:
    """Dtype of the kernels that know no half precision, which is computed in float32 and rounded once."""
    return FLOAT32 if is_half(dtype) else dtype


def as_output(
    out: Any, shape: tuple[int, ...], dtype: np.dtype, like: np.ndarray | None = None
) -> np.ndarray:
    """`out`, checked, or a new array in the memory order of `like`.

    Raises
    ------
    TypeError
        If `out` has no memory to write (see `buffers.written`) or is not of the result's dtype.
    ValueError
        If its shape differs or it is read-only.
    """
    if out is None:
        return np.empty(shape, dtype) if like is None else np.empty_like(like, dtype=dtype, subok=False)
    array = buffers.written(out)
    if native(array.dtype) != dtype:
        raise TypeError(f"out has dtype {array.dtype}; the result has dtype {dtype}")
    if array.shape != shape:
        raise ValueError(f"out has shape {array.shape}; the result has shape {shape}")
    if not array.flags.writeable:
        raise ValueError("out is read-only; allowed is a writeable array")
    return array


def given(name: str, value: Any) -> str:
    """An argument in the message that refuses it."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"{name} is an array of shape {value.shape}, and one for the result is given as out="
    try:
        text = repr(value)
    except ValueError:  # thousands of digits
        text = hex(value)
    return f"{name}={text if len(text) <= 100 else f'{text[:48]}...{text[-48:]}'}"


def cast(array: np.ndarray, dtype: np.dtype, copy: bool = True) -> np.ndarray:
    """`array` in another dtype: what is beyond it is infinite, 0 or NaN without a word, as in a kernel."""
    with np.errstate(all="ignore"):
        return array.astype(dtype, copy=copy)


def is_number(value: Any) -> bool:
    """Whether `float` of it is what it says: text is no number, and a complex one has another part."""
    if isinstance(value, np.ndarray | np.generic):
        return value.ndim == 0 and (value.dtype.kind in "biuf" or is_half(value.dtype))
    if getattr(value, "shape", ()):  # an array of another library, which has a float if it is of one number
        return False
    return hasattr(type(value), "__float__") or hasattr(type(value), "__index__")


def number(called: str, name: str, value: Any) -> float:
    """A parameter as a number; what is allowed of it is for the call to say."""
    if not is_number(value):
        raise TypeError(f"{called}: {given(name, value)}; allowed is a number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{called}: {given(name, value)}; allowed is a number in float64's range") from None


def is_whole(value: Any) -> bool:
    """Whether it is an integer, which no array of several is, nor a bool where a count is asked for."""
    if type(value) is int:
        return True
    one = not isinstance(value, np.ndarray) or value.ndim == 0
    # np.bool is an index before NumPy 2.3.
    return one and hasattr(value, "__index__") and not isinstance(value, bool | np.bool)


def as_gradient(dy: Any, saved: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of an output and the array that was saved, `name`, of one shape."""
    gradient, kept = as_input(dy, "dy"), as_input(saved, name)
    if gradient.shape != kept.shape:
        raise ValueError(
            f"dy has shape {gradient.shape} and {name} has shape {kept.shape}; they must be equal"
        )
    return gradient, kept


def finish(result: np.ndarray, out: Any) -> Any:
    """What a call returns: `out` itself where it was given, a scalar for a new 0-d result."""
    if out is not None:
        return out
    return result[()] if result.ndim == 0 else result


def write(*steps: partial[object]) -> None:
    """Take the steps of a call that write; each is compiled.

    The handler of a signal runs before them all or after them all, whatever it raises.
    """
    casts = {_dispatch.run_slabs, _dispatch.run_long_rows, _dispatch.run_chunks_in_float64}
    if not casts & {step.func for step in steps}:
        _dispatch.in_turn(steps)
        return
    # A kernel says nothing of NaN or of results beyond the dtype's range; nor do the copies around it.
    with np.errstate(all="ignore"):
        _dispatch.in_turn(steps)


def with_axes(array: np.ndarray) -> np.ndarray:
    """The array, or a view with an axis of one without: before 2.3 NumPy's iterator brings it unread."""
    return array if array.ndim else array.reshape(1)


def each_chunk(
    kernels: _dispatch.Kernels,
    direction: str,
    inputs: list[np.ndarray],
    output: np.ndarray,
    parameters: tuple[float, ...],
    in_c_order: bool,
    beside: tuple[Any, ...] = (),
    in_float64: bool = False,
) -> partial[object]:
    """A step that runs kernels which look at each element for itself on arrays of one shape.

    With `beside` (`added.Added.beside`) x is brought with that, and with the residual that may be the last
    input.

    NumPy's iterator casts and copies through buffers of a fixed size where an
    array needs it, hands out dense arrays whole in whatever order they lie in
    memory, and makes a copy where the output partly overlaps an input.
    """
    layout = ["overlap_assume_elementwise", "contig", "aligned", "nbo"]
    options = {
        "flags": ["external_loop", "buffered", "grow_inner", "copy_if_overlap", "zerosize_ok"],
        "op_flags": [["readonly", *layout]] * len(inputs) + [["writeonly", *layout]],
        "op_dtypes": [FLOAT64 if in_float64 else native(output.dtype)] * (len(inputs) + 1),
        "order": "C" if in_c_order else "K",
        "casting": "unsafe" if in_float64 else "safe",
        "buffersize": CHUNK,
    }
    given = [with_axes(a) for a in (*inputs, output)]
    run = _dispatch.run_chunks_in_float64 if in_float64 else _dispatch.run_chunks
    return partial(run, kernels, direction, given, parameters, options, beside)


def axis_index(axis: Any, ndim: int, allowed: str = "an integer") -> int:
    """The axis counted from the front.

    Raises
    ------
    TypeError
        If it is no integer.
    numpy.exceptions.AxisError
        If there is no such axis.
    """
    if not is_whole(axis):
        raise TypeError(f"{given('axis', axis)}; allowed is {allowed}")
    index = operator.index(axis)
    if not -ndim <= index < ndim:
        raise np.exceptions.AxisError(index, ndim)
    return index % ndim


def row_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes that lie in one row, as they follow each other in C order.

    Raises
    ------
    ValueError
        If one is named twice.
    """
    if axis is None:
        return tuple(range(ndim))
    named = axis if isinstance(axis, tuple) else (axis,)
    axes = sorted(axis_index(one, ndim, "an integer, None or a tuple of integers") for one in named)
    if len(set(axes)) < len(axes):
        raise ValueError(f"duplicate value in 'axis': {axis}")
    return tuple(axes)


def rows_together(arrays: list[np.ndarray], axes: tuple[int, ...]) -> tuple[list[np.ndarray], int, int]:
    """Views in which the axes of a row follow each other; the first of these, and how many they are."""
    if not axes:
        seen = [rows_of_one(a) for a in arrays]
        return seen, seen[0].ndim - 1, 1
    first = axes[-1] - len(axes) + 1
    if first != axes[0]:
        others = [i for i in range(arrays[0].ndim) if i not in axes]
        order = *others[:first], *axes, *others[first:]
        arrays = [np.asarray(a).transpose(order) for a in arrays]
    return arrays, first, len(axes)


def rows_of_one(array: np.ndarray, spare: int | None = None) -> np.ndarray:
    """A view in which each element is a row of its own, along a last axis.

    No array has more than 64 axes; one that has so many has an axis of extent 1 to spare, or no element.
    """
    view = np.asarray(array)
    if view.ndim == MOST_AXES:
        view = view.squeeze(view.shape.index(1) if spare is None else spare) if view.size else view.reshape(0)
    return view[..., np.newaxis]


def split_axis(shape: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    """A C-contiguous array seen along one axis: (outer, length, inner)."""
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def split_groups(
    inputs: list[np.ndarray | None], outputs: list[np.ndarray | None], axis: int, groups: int
) -> tuple[list[np.ndarray | None], list[np.ndarray | None], int]:
    """Views in which a group of consecutive values lies along an axis of its own, and that axis.

    So a slab of a long axis is some of its groups.
    """
    first = outputs[0]
    if first is None or not first.size or first.ndim == MOST_AXES:
        return inputs, outputs, axis

    def split(array: np.ndarray | None) -> np.ndarray | None:
        if array is None:
            return None
        shape = array.shape
        return np.asarray(array).reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])

    return [split(a) for a in inputs], [split(a) for a in outputs], axis + 1


def is_ready(array: np.ndarray, dtype: np.dtype) -> bool:
    """Whether a kernel can run on the array as it is."""
    flags = array.flags
    return array.dtype == dtype and array.dtype.isnative and flags.c_contiguous and flags.aligned


class Part(NamedTuple):
    """Where an array lies in a larger one, for what is computed from an element's place there."""

    whole: tuple[int, ...]
    start: tuple[int, ...]


Slab = tuple[tuple[slice, ...], int]
"""An index, and the flat position of its first element."""


def _slabs(
    shape: tuple[int, ...],
    axis: int,
    limit: int,
    in_c_order: bool = False,
    span: int = 1,
    part: Part | None = None,
) -> Iterator[Slab]:
    """Cut an array into slabs of about `limit` elements, whole along `axis` however long that is.

    So they are along the next `span` - 1 axes. In C order, what is before these and what is behind them are
    each a range of flat positions: of those in the array of which this one is a part, where it is.
    """
    behind = axis + span
    whole, start = part or Part(shape, (0,) * len(shape))
    pending = [tuple(slice(0, n) for n in shape)]
    while pending:
        slab = pending.pop()
        sizes = [part.stop - part.start for part in slab]
        dims = [i for i, n in enumerate(sizes) if not axis <= i < behind and n > 1]
        scattered = in_c_order and not (_in_one(sizes, whole, 0, axis) and _in_one(sizes, whole, behind))
        if (math.prod(sizes) <= limit and not scattered) or not dims:
            first = 0
            for within, at, n in zip(slab, start, whole, strict=True):
                first = first * n + at + within.start
            yield (*slab[:axis], *[slice(None)] * span, *slab[behind:]), first
            continue
        dim = dims[0] if in_c_order else max(dims, key=lambda i: sizes[i])
        middle = slab[dim].start + sizes[dim] // 2
        for half in (slice(middle, slab[dim].stop), slice(slab[dim].start, middle)):
            pending.append((*slab[:dim], half, *slab[dim + 1 :]))


def _in_one(sizes: list[int], whole: tuple[int, ...], first: int, last: int | None = None) -> bool:
    """Whether, of the dimensions from `first` to `last`, those behind the outermost are taken whole."""
    pairs = list(zip(sizes, whole, strict=True))[first:last]
    outermost = next((k for k, (n, _) in enumerate(pairs) if n > 1), len(pairs))
    return all(n == length for n, length in pairs[outermost + 1 :])


def along_axis(
    kernels: _dispatch.Kernels,
    direction: str,
    inputs: Sequence[np.ndarray | None],
    outputs: Sequence[np.ndarray | None],
    axis: int,
    dtypes: Sequence[np.dtype | None],
    parameters: tuple[float, ...] = (),
    weight: np.ndarray | tuple[np.ndarray | None, ...] | None = None,
    group: int = 0,
    in_c_order: bool = False,
    part: Part | None = None,
    span: int = 1,
) -> partial[object]:
    """A step that runs kernels which look at the whole of `axis` on arrays, brought to them as `dtypes`.

    Arrays that are ready go as they are. Others go through slabs of a fixed size
    (or of one column, where a column is longer), copied in and out. The axis may
    have another length in some arrays; every other extent is shared. `span` axes from this one on are seen as
    one; `part` is where the arrays lie in larger ones.
    """
    written = [None if out is None else np.asarray(out) for out in outputs]
    read = list(inputs)
    for k, a in enumerate(read):
        for out in written:
            if overlap_partly(a, out):
                read[k] = a.copy()
    call = kernels, direction, read, written, axis, span, parameters, weight, group
    row = slice(axis, axis + span)
    step = math.prod((part.whole if part else read[0].shape)[axis + span :])
    length = math.prod(read[0].shape[row])
    dtype: np.dtype = dtypes[0]  # type: ignore[assignment]
    one_by_one = length > _dispatch.LONGEST_HALF_ROW and is_half(dtype)
    ready = part is None and (step == 1 or not one_by_one)
    for a, kind in zip(read + written, dtypes, strict=True):
        ready = ready and (a is None or is_ready(a, kind))
    if ready:
        return partial(_dispatch.run_along, *call)
    # The largest array has so many elements in a slab.
    widest = max(a.size for a in read + written if a is not None)
    limit = 1 if one_by_one else max(8 * CHUNK * read[0].size // max(widest, 1), 1)
    slabs = list(_slabs(read[0].shape, axis, limit, in_c_order, span, part))
    long = one_by_one or length > 8 * CHUNK
    if long and weight is None and not group and kernels._shares_rows(direction):
        return partial(
            _dispatch.run_long_rows, kernels, direction, read, written, length, parameters, slabs, dtype, step
        )
    columns = max([read[0][slab].size for slab, _ in slabs]) // max(math.prod(read[0].shape[row]), 1)
    buffers = [
        None if a is None else np.empty(columns * math.prod(a.shape[row]), dtype)
        for a, dtype in zip(read + written, dtypes, strict=True)
    ]
    return partial(_dispatch.run_slabs, *call, slabs, buffers, step)


def blocks_in_c_order(
    arrays: list[np.ndarray], dtype: np.dtype, span: int, sums: int = 1
) -> Iterator[tuple[list[np.ndarray], int]]:
    """Flat contiguous blocks of all arrays with the position of their first element.

    Ready arrays come in views of many whole spans, as many as may have so many sums each in memory, others in
    copies of one span, in memory that the next ones take (the last may be shorter either way).
    """
    size = arrays[0].size
    if all(is_ready(a, dtype) for a in arrays):
        flat = [a.reshape(-1) for a in arrays]
        many = min(_dispatch.RANGES_AT_ONCE, max(_dispatch.threads(), SUMS_AT_ONCE // sums)) * span
        for start in range(0, size, many):
            yield [a[start : start + many] for a in flat], start
        return
    if not size:
        return
    ordered = [_dispatch.InOrder(with_axes(a), dtype, span) for a in arrays]
    for start in range(0, size, span):
        yield [a.taken(start, min(start + span, size)) for a in ordered], start


def overlap_partly(a: np.ndarray | None, out: np.ndarray | None) -> bool:
    """Whether writing `out` could change elements of `a` that are read later."""
    if a is out or a is None or out is None or not np.may_share_memory(a, out):
        return False
    return not (
        a.__array_interface__["data"] == out.__array_interface__["data"]
        and a.shape == out.shape
        and a.strides == out.strides
        and a.dtype == out.dtype
    )
