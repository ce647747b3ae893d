"""Sparse matrices and arrays of SciPy: computed where there are numbers, if the rest stays 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from ..core.foreign import Operation


def compute(operation: Operation, inputs: tuple[Any, ...], out: Any) -> Any:
    """By element on what is stored, in the format that it has; a gradient is 0 where `dy` is."""
    given = [a for a in inputs if scipy.sparse.issparse(a)]
    if not given:
        return NotImplemented
    if not operation.by_element:
        raise TypeError(f"{operation.__name__} takes no sparse array; x.toarray() makes an ndarray")
    if len(given) < len(inputs) or out is not None:
        raise TypeError(f"{operation.__name__} takes sparse arrays together, and no out")
    zeros = [np.zeros(1, a.dtype) for a in given]
    rest = operation(*zeros)[0]
    if rest != 0:
        raise TypeError(
            f"{operation.__name__}(0) is {rest}, so the result is not sparse; x.toarray() makes an ndarray"
        )
    x = given[-1]
    if operation.forward:
        return _like(x, x, operation)
    dy = given[0]
    if dy.shape != x.shape:
        raise ValueError(
            f"dy has shape {dy.shape} and {operation.names[1]} has shape {x.shape}; they must be equal"
        )
    stored = dy.tocsr().tocoo()
    stored.sum_duplicates()
    saved = np.asarray(x.tocsr()[stored.coords]).reshape(-1)
    values = operation(stored.data, saved)
    return type(stored)((values, stored.coords), shape=dy.shape).asformat(dy.format)


def _like(x: Any, stored: Any, operation: Operation) -> Any:
    """The same places with other values, each place once: a sum of parts is not one of their results."""
    if x.format in ("csr", "csc", "coo", "bsr"):
        stored = x.copy()
        stored.sum_duplicates()
    elif x.format == "dia":
        stored = x.copy()
    else:
        return operation(x.tocsr()).asformat(x.format)
    return stored._with_data(operation(stored.data))
