"""Arrays of pydata/sparse: computed where there are numbers, if the rest stays what it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import sparse

from ..core.foreign import Operation, through_protocol


def compute(operation: Operation, inputs: tuple[Any, ...], out: Any) -> Any:
    """By element as sparse calls a ufunc, where what it does not store has the value that it had."""
    given = [a for a in inputs if isinstance(a, sparse.SparseArray)]
    if not operation.by_element:
        raise TypeError(f"{operation.__name__} takes no sparse array; x.todense() makes an ndarray")
    if len(given) < len(inputs):
        raise TypeError(f"{operation.__name__} takes sparse arrays together; allowed are all sparse or none")
    fill = np.array([given[0].fill_value])
    rest = operation(*(np.array([a.fill_value]) for a in given))
    if rest[0] != fill[0]:
        raise TypeError(
            f"{operation.__name__}({fill[0]}) is {rest[0]}, so the result is not sparse; "
            "x.todense() makes an ndarray"
        )
    return through_protocol(operation, inputs, out)
