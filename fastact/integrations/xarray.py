"""xarray: dimensions, coordinates, names and attributes stay, and so does what holds the numbers."""

from __future__ import annotations

from typing import Any

import xarray as xr

from ..core.foreign import Operation, through_protocol


def compute(operation: Operation, inputs: tuple[Any, ...], out: Any) -> Any:
    """By element as xarray calls a ufunc, along an axis on the arrays inside.

    `axis` may be a dimension's name; a Dataset's variables are computed each for itself. A dimension that a
    gate or maxout makes shorter loses its coordinates. What is inside (NumPy, dask, pint, …) is computed as
    it would be alone.
    """
    if out is not None:
        raise TypeError(f"{operation.__name__}: out={type(out).__name__}; arrays of xarray allow None alone")
    if operation.by_element:
        return through_protocol(operation, inputs, out)
    if any(isinstance(a, xr.Dataset) for a in inputs):
        return _of_datasets(operation, inputs)
    if any(isinstance(a, xr.Variable) for a in inputs):
        arrays = [xr.DataArray(a) if isinstance(a, xr.Variable) else a for a in inputs]
        result = operation(*arrays)
        return (result[0].variable, *result[1:]) if operation.gives_pair else result.variable
    named = [a for a in inputs if isinstance(a, xr.DataArray)]
    return _of_arrays(operation, inputs, named) if named else NotImplemented


def _of_arrays(operation: Operation, inputs: tuple[Any, ...], named: list[Any]) -> Any:
    like = named[-1]
    axis = _numbers(operation, like)
    shortened = {like.dims[axis]} if operation.row.shape.shrinks else set()
    xr.align(*named, join="exact", exclude=shortened)  # its error where they are of different places
    weight = operation.parameters.get("weight")
    changed = {} if operation.axis is None else {"axis": axis}
    if isinstance(weight, xr.DataArray):
        changed["weight"] = weight.data
    for name in ("where", "mask"):
        where = operation.parameters.get(name)
        if isinstance(where, xr.DataArray):
            changed[name] = where.broadcast_like(like).transpose(*like.dims).data
    operation = operation.with_parameters(**changed)
    data = [a.transpose(*like.dims).data if isinstance(a, xr.DataArray) else a for a in inputs]
    first, *second = operation(*data) if operation.gives_pair else (operation(*data),)
    if second and operation.row.shape.shrinks:
        second = [_labelled(second[0], like)]
    elif second and isinstance(weight, xr.DataArray):
        second = [weight.copy(data=second[0])]
    return (_labelled(first, like), *second) if second else _labelled(first, like)


def _of_datasets(operation: Operation, inputs: tuple[Any, ...]) -> Any:
    if operation.gives_pair:
        raise TypeError(f"{operation.__name__} with two results takes no Dataset; allowed is a DataArray")
    first = next(a for a in inputs if isinstance(a, xr.Dataset))
    for other in inputs:
        if not isinstance(other, xr.Dataset) or set(other.data_vars) != set(first.data_vars):
            raise TypeError(
                f"{operation.__name__} takes Datasets of the same variables, {sorted(first.data_vars)}"
            )
    results = {name: operation(*(a[name] for a in inputs)) for name in inputs[-1].data_vars}
    return xr.Dataset(results, attrs=inputs[-1].attrs)


def _numbers(operation: Operation, like: Any) -> Any:
    """The axis of a call by number, or several."""
    axis = operation.axis
    if isinstance(axis, tuple | list):
        return tuple(a if isinstance(a, int) else _number(operation, a, like) for a in axis)
    return axis if axis is None or hasattr(axis, "__index__") else _number(operation, axis, like)


def _number(operation: Operation, name: Any, like: Any) -> int:
    if name not in like.dims:
        raise ValueError(
            f"{operation.__name__}: axis={name!r}; allowed are numbers and the dimensions {like.dims}"
        )
    return like.dims.index(name)


def _labelled(data: Any, like: Any) -> Any:
    if data.shape == like.shape:
        return like.copy(data=data)
    changed = {dim for dim, n, length in zip(like.dims, data.shape, like.shape, strict=True) if n != length}
    coords = {name: c for name, c in like.coords.items() if not changed & set(c.dims)}
    return xr.DataArray(data, coords, like.dims, like.name, like.attrs)
