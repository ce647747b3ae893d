"""dask: nothing is computed before it is asked for, and chunks stay as they are."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
from dask.array.utils import meta_from_array
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..core.arrays import Part
from ..core.foreign import Operation, through_protocol


def compute(operation: Operation, inputs: tuple[Any, ...], out: Any) -> Any:
    """By element as dask calls a ufunc, along an axis on blocks in each of which that axis is whole.

    What draws by an element's place is told where a block lies, so that it has the bits of an ndarray.
    """
    given = [a for a in (*inputs, out, *operation.parameters.values()) if hasattr(a, "dtype")]
    if not any(isinstance(a, da.Array) for a in given):
        kinds = ", ".join(f"{type(a).__module__}.{type(a).__name__}" for a in given)
        raise TypeError(
            f"{operation.__name__} takes arrays of dask, not {kinds}; map_partitions can compute it"
        )
    if operation.by_element:
        if all(isinstance(a, da.Array | np.ndarray) for a in inputs):
            _tried(operation, inputs)
        return through_protocol(operation, inputs, out)
    if out is not None:
        raise TypeError(f"{operation.__name__}: out={type(out).__name__}; arrays of dask allow None alone")
    for word in ("causal", "mask"):
        if word in operation.parameters:
            raise TypeError(f"{operation.__name__}: {word}= is for arrays in memory, x is one of dask")
    arrays = [da.asarray(a) for a in inputs]
    operation, axes = _normalised(operation, arrays[-1].ndim)
    for name, array in zip(operation.names, arrays, strict=True):
        _check_whole(operation, name, array, axes)
    return _on_blocks(operation, arrays, axes)


def _normalised(operation: Operation, ndim: int) -> tuple[Operation, tuple[int, ...]]:
    """The operation with its axis counted from the front, and the axes that it sees whole."""
    if "axis" not in operation.parameters:
        return operation, ()
    axis = operation.axis
    if operation.row.shape.by_element:
        if _size(operation.parameters["weight"]) == 1:
            return operation.with_parameters(axis=0), ()
        return operation.with_parameters(axis=normalize_axis_index(axis, ndim)), ()
    if axis is None or isinstance(axis, tuple | list):
        axes = tuple(range(ndim)) if axis is None else normalize_axis_tuple(axis, ndim, "axis")
        return operation.with_parameters(axis=axes), axes
    axis = normalize_axis_index(operator.index(axis), ndim)
    return operation.with_parameters(axis=axis), (axis,)


def _check_whole(operation: Operation, name: str, array: Any, axes: tuple[int, ...]) -> None:
    for axis in axes:
        if array.numblocks[axis] > 1:
            raise ValueError(
                f"{operation.__name__}: {name} is split into {array.numblocks[axis]} chunks along axis "
                f"{axis}, which must lie in one: {name}.rechunk({{{axis}: -1}})"
            )


def _on_blocks(operation: Operation, arrays: list[Any], axes: tuple[int, ...]) -> Any:
    tried = _tried(operation, arrays)
    first = tried[0] if operation.gives_pair else tried
    like, names, extra = arrays[-1], [], []
    dims = tuple(range(like.ndim))
    for name, array, index in _with_blocks(operation, like, dims):
        names.append(name)
        extra += [array, index]
    # An axis that is whole may have another length in the result; the others are cut as they were.
    resized = {axis: first.shape[axis] for axis in axes if not np.isnan(like.shape[axis])}
    alike = [a.rechunk({k: like.chunks[k] for k in dims if k not in axes}) for a in arrays]
    if operation.draws:
        return da.map_blocks(
            _drawn,
            *alike,
            operation=operation,
            dtype=first.dtype,
            meta=_meta(like, first.dtype),
            token=operation.__name__,
        )
    blocks = partial(da.blockwise, align_arrays=False, adjust_chunks=resized, token=operation.__name__)
    # What comes in blocks is not sent whole with every task.
    call = partial(_on_block, operation.with_parameters(**dict.fromkeys(names)), tuple(names))
    pairs = [argument for array in alike for argument in (array, dims)]
    if not operation.gives_pair:
        return blocks(call, dims, *pairs, *extra, dtype=first.dtype, meta=_meta(like, first.dtype))
    both = blocks(call, dims, *pairs, *extra, dtype=object, meta=_meta(like, np.dtype(object)))
    result = da.blockwise(
        operator.itemgetter(0), dims, both, dims, dtype=first.dtype, meta=_meta(like, first.dtype)
    )
    return result, _second(operation, both, tried[1], like)


def _with_blocks(operation: Operation, like: Any, dims: tuple[int, ...]) -> Any:
    """The parameters that are arrays, as blocks that go with those of x: name, array and its dimensions."""
    where, weight = operation.parameters.get("where"), operation.parameters.get("weight")
    if where is not None:
        yield "where", da.broadcast_to(da.asarray(where), like.shape).rechunk(like.chunks), dims
    if weight is not None and _size(weight) > 1:
        axis = operation.axis
        yield "weight", da.asarray(weight).rechunk((like.chunks[axis],)), (axis,)


def _size(weight: Any) -> int:
    return int(weight.size) if isinstance(weight, da.Array) else np.size(weight)


def _on_block(operation: Operation, names: tuple[str, ...], *blocks: Any) -> Any:
    given = dict(zip(names, blocks[operation.nin :], strict=True))
    return operation.with_parameters(**given)(*blocks[: operation.nin])


def _drawn(*blocks: Any, operation: Operation, block_info: Any = None) -> Any:
    place = block_info[0]
    part = Part(tuple(place["shape"]), tuple(start for start, _ in place["array-location"]))
    return operation._on_part(part, *blocks)


def _tried(operation: Operation, arrays: Sequence[Any]) -> Any:
    """The result of arrays that have one more dimension, of no extent: its errors, shape and dtype."""
    if any(np.isnan(n) for a in arrays for n in a.shape) and operation.draws:
        raise ValueError(
            f"{operation.__name__}: chunks of unknown size; x.compute_chunk_sizes() makes them known"
        )
    empty = [np.empty((*(0 if np.isnan(n) else n for n in a.shape), 0), a.dtype) for a in arrays]
    known: dict[str, Any] = {"where": True} if "where" in operation.parameters else {}
    if isinstance(operation.parameters.get("weight"), da.Array):
        known["weight"] = np.zeros(operation.parameters["weight"].shape)
    try:
        return operation.with_parameters(**known)(*empty)
    except ValueError as error:
        raise type(error)(str(error).replace(", 0)", ")")) from None


def _meta(like: Any, dtype: np.dtype) -> Any:
    return meta_from_array(like._meta, like.ndim, dtype)


def _second(operation: Operation, both: Any, tried: Any, like: Any) -> Any:
    """The second of two results: whole where each block has its part of it, else the sum over blocks."""
    dims = tuple(range(like.ndim))
    if operation.row.shape.shrinks:
        return da.blockwise(
            operator.itemgetter(1), dims, both, dims, dtype=tried.dtype, meta=_meta(like, tried.dtype)
        )
    kept = operation.axis if np.ndim(tried) and np.size(tried) > 1 else None
    others = tuple(k for k in dims if k != kept)
    parts = da.blockwise(
        partial(_summand, kept),
        *(dims, both, dims),
        adjust_chunks=dict.fromkeys(others, 1),
        dtype=np.float64,
        meta=np.empty((0,) * like.ndim),
    )
    return parts.sum(axis=others).astype(tried.dtype).reshape(np.shape(tried))


def _summand(kept: int | None, both: tuple[Any, Any]) -> np.ndarray:
    """A block's part of a sum, in as many dimensions as the block has."""
    shape = [1] * np.ndim(both[0])
    if kept is not None:
        shape[kept] = -1
    return np.asarray(both[1], np.float64).reshape(shape)
