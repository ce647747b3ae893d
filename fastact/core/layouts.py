"""Arrays of any layout brought to kernels, by what the kernels need to see whole: nothing, or an axis."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from .. import _dispatch
from . import arrays


def elementwise(
    kernels: _dispatch.Kernels,
    direction: str,
    inputs: list[np.ndarray],
    out: Any,
    parameters: tuple[float, ...],
    in_c_order: bool = False,
    in_float64: bool = False,
) -> Any:
    """Run kernels that look at each element for itself on arrays of one shape."""
    dtype = arrays.result_dtype(*inputs)
    result = arrays.as_output(out, inputs[0].shape, dtype, like=inputs[0])
    in_float64 = in_float64 and dtype != arrays.FLOAT64
    arrays.write(
        arrays.each_chunk(kernels, direction, inputs, result, parameters, in_c_order, in_float64=in_float64)
    )
    return arrays.finish(result, out)


def elements_of_part(
    kernels: _dispatch.Kernels,
    direction: str,
    inputs: list[np.ndarray],
    parameters: tuple[float, ...],
    part: arrays.Part,
    in_float64: bool = False,
) -> np.ndarray:
    """The same where an element's value comes from its place too, in an array of which these are a part."""
    result = np.empty(inputs[0].shape, arrays.result_dtype(*inputs))
    # Rows of one element each: an axis to run along, which no part is cut at.
    spare = None
    if result.ndim == arrays.MOST_AXES and result.size:
        spare = part.whole.index(1)
        part = arrays.Part(*(one[:spare] + one[spare + 1 :] for one in part))
    *read, written = [arrays.rows_of_one(array, spare) for array in (*inputs, result)]
    dtypes = [arrays.FLOAT64 if in_float64 else result.dtype] * (len(inputs) + 1)
    within = arrays.Part((*part.whole, 1), (*part.start, 0))
    arrays.write(
        arrays.along_axis(
            *(kernels, direction, read, [written], written.ndim - 1, dtypes, parameters),
            in_c_order=True, part=within,
        )
    )  # fmt: skip
    return result


def along_rows(
    kernels: _dispatch.Kernels,
    direction: str,
    inputs: list[np.ndarray],
    out: Any,
    parameters: tuple[float, ...],
    axis: Any,
    in_float64: bool = False,
) -> Any:
    """Run kernels that look at the whole of a row, along one axis or several, on arrays of one shape."""
    if type(axis) is int and not in_float64:
        saved = inputs[1] if len(inputs) > 1 else None
        plain = kernels._run_plain(direction, inputs[0], saved, out, parameters, axis)
        if plain is not None:
            return plain
    result = arrays.as_output(out, inputs[0].shape, arrays.result_dtype(*inputs))
    arrays.write(rows_step(kernels, direction, inputs, result, parameters, axis, in_float64=in_float64))
    return arrays.finish(result, out)


def rows_step(
    kernels: _dispatch.Kernels,
    direction: str,
    inputs: list[np.ndarray],
    result: np.ndarray,
    parameters: tuple[float, ...],
    axis: Any,
    in_c_order: bool = False,
    part: arrays.Part | None = None,
    in_float64: bool = False,
) -> partial[object]:
    """A step that does the same with a result which is there already."""
    axes = arrays.row_axes(axis, result.ndim)
    (*read, written), first, span = arrays.rows_together([*inputs, result], axes)
    length = math.prod(written.shape[first : first + span])
    dtype = arrays.FLOAT64 if in_float64 else arrays.native(result.dtype)
    if not kernels._takes_long_halves(direction):
        dtype = dtype_along(length, dtype)
    dtypes = [dtype] * (len(inputs) + 1)
    return arrays.along_axis(
        kernels,
        direction,
        read,
        [written],
        first,
        dtypes,
        parameters,
        in_c_order=in_c_order,
        span=span,
        part=part,
    )


def dtype_along(length: int, dtype: np.dtype) -> np.dtype:
    """What arrays are brought to a kernel as, along an axis of this length: float32 where a buffer ends."""
    return dtype if length <= _dispatch.LONGEST_HALF_ROW else arrays.computing_dtype(dtype)


def parameter_gradient(
    kernels: _dispatch.Kernels,
    dy: np.ndarray,
    x: np.ndarray,
    parameters: tuple[float, ...],
    axis: tuple[int, int, int],
    dtype: np.dtype,
) -> np.ndarray:
    """The gradient of a parameter or of each weight in float64, in an order that the shape alone decides."""
    total = np.zeros(axis[1])
    span = max(_dispatch.WEIGHT_SPAN, total.size)
    for (gradient, source), index in arrays.blocks_in_c_order([dy, x], dtype, span, total.size):
        kernels._add_gradient(gradient, source, total, parameters, axis, index, span)
    return total
