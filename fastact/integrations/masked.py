"""Masked arrays of NumPy: what is masked takes no part, and stays masked."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ..core.foreign import Operation


def compute(operation: Operation, inputs: tuple[Any, ...], out: Any) -> Any:
    """The result with the mask of what it is made of.

    An element that is made of one masked element is masked. Along an axis, a masked element takes no part in
    a distribution (as with ``where=``) or in the largest of its group; a gated element is masked where either
    of its halves is.
    """
    if not any(isinstance(a, np.ma.MaskedArray) for a in (*inputs, out)):
        return NotImplemented  # among the parameters, of which no result has the mask
    if operation.row.shape.by_element:
        mask = _union(inputs)
        # What is summed over is 0 there.
        data = [_filled(a, mask, 0.0) if operation.gives_pair else np.ma.getdata(a) for a in inputs]
    elif operation.row.shape.by_row:
        mask = _union(inputs)
        data = [_filled(a, mask, value) for a, value in zip(inputs, _left_out(operation), strict=True)]
    else:
        data, mask = _of_groups(operation, inputs)
    if out is not None and not isinstance(out, np.ma.MaskedArray) and np.any(mask):
        raise TypeError(f"{operation.__name__}: out is no masked array, and the result has a mask")
    result = operation(*data, out=None if out is None else np.ma.getdata(out))
    first, *second = result if operation.gives_pair else (result,)
    masked = _with_mask(first, mask, inputs, out)
    return (masked, *second) if second else masked


def _with_mask(data: Any, mask: Any, inputs: tuple[Any, ...], out: Any) -> Any:
    if out is not None:
        if isinstance(out, np.ma.MaskedArray):
            out.mask = mask
        return out
    like = next(a for a in inputs if isinstance(a, np.ma.MaskedArray))
    if np.ndim(data) == 0:
        return np.ma.masked if mask else data
    fill_value = like.fill_value if like.dtype == data.dtype else None
    return type(like)(data, mask=mask, hard_mask=like.hardmask, fill_value=fill_value)


def _union(inputs: tuple[Any, ...]) -> Any:
    """Where any of them is masked; `nomask` where none is."""
    mask = np.ma.nomask
    for array in inputs:
        mask = np.ma.mask_or(mask, np.ma.getmask(array), shrink=False)
    return mask


def _filled(array: Any, mask: Any, value: float) -> np.ndarray:
    data = np.ma.getdata(array)
    if mask is np.ma.nomask:
        return data
    floats = data.dtype if data.dtype.kind not in "biu" else np.dtype(np.float64)
    return np.where(mask, floats.type(value), data)


def _left_out(operation: Operation) -> tuple[float, ...]:
    """What stands for an element of a row that takes no part: as x, or as dy and the array that was saved."""
    x, y = _of_no_part(operation.activation)
    x = -x if operation.parameters.get("scale", 1) < 0 else x
    return (x,) if operation.forward else (0.0, x if operation.names[1] == "x" else y)


@cache
def _of_no_part(activation: Any) -> tuple[float, float]:
    """The infinity that takes no part in a row, and what a row's result is there."""
    needs = activation.row.needs
    least, greatest = activation(np.array([[-np.inf, 0.0], [np.inf, 0.0]]), **needs)
    return (-np.inf, float(least[0])) if least[1] >= least[0] else (np.inf, float(greatest[0]))


def _of_groups(operation: Operation, inputs: tuple[Any, ...]) -> tuple[list[np.ndarray], Any]:
    """Arrays and mask where a result is made of some elements along an axis, or their gradient of one."""
    x = inputs[-1]
    given = [np.ma.getdata(a) for a in inputs]
    masks = [np.ma.getmaskarray(a) for a in inputs]
    parts = operation.parameters.get("pieces", operation.row.shape.inputs)
    axis = operation.parameters["axis"]
    if "which" in operation.names:
        return given, np.repeat(masks[0] | masks[1], parts, axis)
    if operation.row.shape.halves:
        halves = np.split(masks[-1], 2, axis)
        either = halves[0] | halves[1]
        if operation.forward:
            return given, either
        return given, np.concatenate([masks[0] | either] * 2, axis)
    given[-1] = _filled(x, masks[-1], -np.inf)
    if operation.forward:
        moved = np.moveaxis(masks[-1], axis, -1)
        all_masked = moved.reshape(*moved.shape[:-1], -1, parts).all(axis=-1)
        return given, np.moveaxis(all_masked, -1, axis)
    return given, masks[-1] | np.repeat(masks[0], parts, axis)
