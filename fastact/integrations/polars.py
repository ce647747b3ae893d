"""polars: the name of a Series and its nulls stay; its own way of calling ufuncs would compute with nulls."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from ..core.foreign import Operation


def compute(operation: Operation, inputs: tuple[Any, ...], out: Any) -> Any:
    """A Series as the array of its values, in which nulls are masked and take no part."""
    series = [a for a in inputs if isinstance(a, pl.Series)]
    if not series:
        kinds = ", ".join(f"polars.{type(a).__name__}" for a in inputs if not isinstance(a, np.ndarray))
        raise TypeError(f"{operation.__name__} takes a polars.Series, not {kinds}; map_batches computes them")
    if out is not None:
        raise TypeError(f"{operation.__name__}: out={type(out).__name__}; a polars.Series allows None alone")
    result = operation(*(_masked(a) if isinstance(a, pl.Series) else a for a in inputs))
    first, *second = result if operation.gives_pair else (result,)
    named = _series(series[-1].name, first)
    return (named, *second) if second else named


def _masked(series: Any) -> np.ndarray:
    if not (series.dtype.is_numeric() or series.dtype == pl.Boolean) or series.dtype.is_decimal():
        raise TypeError(
            f"{series.name or 'x'} has dtype {series.dtype}; supported are floats, integers and bools"
        )
    if not series.null_count():
        return series.to_numpy()
    return np.ma.MaskedArray(series.fill_null(0).to_numpy(), mask=series.is_null().to_numpy())


def _series(name: str, values: Any) -> Any:
    series = pl.Series(name, np.ascontiguousarray(np.ma.getdata(values)))
    mask = np.ma.getmask(values)
    if mask is np.ma.nomask or not mask.any():
        return series
    return series.scatter(np.flatnonzero(mask), None)
