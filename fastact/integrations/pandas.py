"""pandas: labels, missing values and the family of dtypes (NumPy's, nullable, pyarrow's) stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..core.foreign import Operation, through_protocol


def compute(operation: Operation, inputs: tuple[Any, ...], out: Any) -> Any:
    """By element as pandas calls a ufunc: aligned by label, each dtype for itself.

    Along an axis by hand, since pandas would hand over transposed blocks: all columns of a DataFrame at once,
    along each row unless `axis` says otherwise. Missing values take no part. An axis that a gate or maxout
    makes shorter has positions for labels.
    """
    if operation.by_element:
        return _by_element(operation, inputs, out)
    frames = [a for a in inputs if isinstance(a, pd.Series | pd.DataFrame)]
    if not frames:
        return NotImplemented
    like = frames[-1]
    axis = _axis(operation, like)
    _check_labels(operation, frames, axis)
    weight = operation.parameters.get("weight")
    if axis is not None:
        operation = operation.with_parameters(axis=axis)
    for name in ("where", "mask"):
        where = operation.parameters.get(name)
        if isinstance(where, pd.Series | pd.DataFrame):
            _check_labels(operation, [where, like], axis)
            operation = operation.with_parameters(**{name: where.to_numpy()})
    if isinstance(weight, pd.Series):
        operation = operation.with_parameters(weight=_ordered(operation, weight, like.axes[axis]))
    result = operation(*(_masked(a) if isinstance(a, pd.Series | pd.DataFrame) else a for a in inputs))
    first, *second = result if operation.gives_pair else (result,)
    labelled = _written(_labelled(first, like, frames[0], axis), out)
    if second and isinstance(weight, pd.Series):
        second = [pd.Series(second[0], index=like.axes[axis], name=weight.name).loc[weight.index]]
    return (labelled, *second) if second else labelled


def _by_element(operation: Operation, inputs: tuple[Any, ...], out: Any) -> Any:
    arrow = [a for a in inputs if isinstance(a, pd.arrays.ArrowExtensionArray)]
    if arrow:
        return _of_family(operation(*map(_masked, inputs)), arrow[0].dtype)
    frames = [a for a in inputs if isinstance(a, pd.DataFrame)]
    dtypes = {dtype for frame in frames for dtype in frame.dtypes}
    if operation.nin == 1 or not frames or (len(dtypes) == 1 and isinstance(*dtypes, np.dtype)):
        return through_protocol(operation, inputs, out)
    # pandas would bring two of them to one array, of objects where dtypes are of its own.
    return _written(_by_column(operation, inputs, frames), out)


def _by_column(operation: Operation, inputs: tuple[Any, ...], frames: list[Any]) -> Any:
    """The result of two arrays, of which one at least is a DataFrame, column by column."""
    if len(frames) == len(inputs):
        frames = list(frames[0].align(frames[1]))
        inputs = tuple(frames)
    like = frames[-1]
    others = [a if isinstance(a, pd.DataFrame) else pd.DataFrame(a, *like.axes) for a in inputs]
    columns = {k: operation(*(a.iloc[:, k] for a in others)) for k in range(like.shape[1])}
    return pd.DataFrame(columns, index=like.index).set_axis(like.columns, axis=1).__finalize__(like)


def _axis(operation: Operation, like: Any) -> Any:
    """The axis of a call as a number; pandas' own names are taken too."""
    axis = operation.axis
    return like._get_axis_number(axis) if isinstance(axis, str) else axis


def _check_labels(operation: Operation, frames: list[Any], axis: Any) -> None:
    """Whatever is not shortened has the same labels; rows that pandas would align are another computation."""
    shortened = axis % frames[0].ndim if operation.row.shape.shrinks else None
    for other in frames[:-1]:
        same = other.ndim == frames[-1].ndim and all(
            a.equals(b)
            for k, (a, b) in enumerate(zip(other.axes, frames[-1].axes, strict=True))
            if k != shortened
        )
        if not same:
            raise ValueError(
                f"{operation.__name__}: the arrays have different labels; allowed are equal ones"
            )


def _ordered(operation: Operation, weight: Any, labels: Any) -> np.ndarray:
    """Weights in the order of the labels that they are for."""
    if not weight.index.is_unique or set(weight.index) != set(labels):
        raise ValueError(
            f"{operation.__name__}: weight has labels {weight.index.tolist()}; "
            f"allowed are those of the axis, {labels.tolist()}"
        )
    return weight.loc[labels].to_numpy()


def _masked(array: Any) -> Any:
    """The numbers of an array, as a masked one where some are missing that NaN does not stand for."""
    if isinstance(array, np.ndarray):
        return array
    dtypes = array.dtypes if isinstance(array, pd.DataFrame) else [array.dtype]
    if len(set(dtypes)) <= 1 and not any(isinstance(d, pd.api.extensions.ExtensionDtype) for d in dtypes):
        return array.to_numpy()
    known = [d.numpy_dtype if hasattr(d, "numpy_dtype") else getattr(d, "subtype", d) for d in dtypes]
    if not all(isinstance(d, np.dtype) and d.kind in "biuf" for d in known):
        raise TypeError(f"dtypes are {', '.join(map(str, dtypes))}; allowed are numbers and bools")
    dtype = np.result_type(*(d if d.kind == "f" else np.float64 for d in known))
    if not isinstance(array, pd.DataFrame):
        return np.ma.MaskedArray(array.to_numpy(dtype=dtype, na_value=0), mask=np.asarray(pd.isna(array)))
    values, mask = np.empty(array.shape, dtype), np.zeros(array.shape, bool)
    for k, column in enumerate(array.iloc[:, k] for k in range(array.shape[1])):
        if isinstance(column.dtype, pd.api.extensions.ExtensionDtype):
            values[:, k], mask[:, k] = column.to_numpy(dtype=dtype, na_value=0), column.isna()
        else:  # NaN of NumPy's dtypes is a number like others
            values[:, k] = column
    return np.ma.MaskedArray(values, mask) if mask.any() else values


def _labelled(result: Any, like: Any, first: Any, axis: Any) -> Any:
    labels = list(like.axes)
    if like.shape != result.shape:
        # What is gone along an axis: dy of a gate has its labels, x those of the result.
        found = first.axes[axis]
        labels[axis] = found if found.size == result.shape[axis] else pd.RangeIndex(result.shape[axis])
    dtypes = like.dtypes if isinstance(like, pd.DataFrame) else [like.dtype]
    family = next((d for d in dtypes if isinstance(d, pd.api.extensions.ExtensionDtype)), None)
    if isinstance(like, pd.Series):
        values = _of_family(result, family)
        return pd.Series(values, index=labels[0], name=like.name, copy=False).__finalize__(like)
    if family is None:
        made = pd.DataFrame(np.ma.getdata(result), *labels, copy=False)
    else:
        columns = {k: _of_family(result[:, k], family) for k in range(result.shape[1])}
        made = pd.DataFrame(columns, index=labels[0]).set_axis(labels[1], axis=1)
    return made.__finalize__(like)


def _of_family(result: Any, family: Any) -> Any:
    """Numbers as pandas holds them beside a dtype: nullable or pyarrow's, as that is."""
    data, mask = np.ma.getdata(result), np.ma.getmaskarray(result)
    if family is None:
        return data
    if data.dtype == np.float16:
        data = data.astype(np.float32)
    if isinstance(family, pd.ArrowDtype):
        import pyarrow as pa

        return pd.arrays.ArrowExtensionArray(pa.array(data, mask=mask))
    return pd.arrays.FloatingArray(np.array(data), mask.copy())


def _written(result: Any, out: Any) -> Any:
    if out is None:
        return result
    if out.shape != result.shape:
        raise ValueError(f"out has shape {out.shape}; the result has shape {result.shape}")
    out[:] = result
    return out
