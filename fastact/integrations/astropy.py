"""Quantities of astropy: what is dimensionless is computed, everything else is astropy's own error."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.units import Quantity, dimensionless_unscaled

from ..core.foreign import Operation


def compute(operation: Operation, inputs: tuple[Any, ...], out: Any) -> Any:
    """The result of dimensionless values; a gradient has the unit of `dy`."""
    if not any(isinstance(a, Quantity) for a in (*inputs, out)):
        return NotImplemented
    dy, unit = inputs[0], dimensionless_unscaled
    if not operation.forward and isinstance(dy, Quantity):
        inputs, unit = (dy.value, *inputs[1:]), dy.unit
    values = [_value(a) for a in inputs]
    if out is not None:
        if isinstance(out, Quantity):
            out.unit.to(unit)
        operation(*values, out=np.asarray(out))
        return out
    result = operation(*values)
    if operation.gives_pair:
        return Quantity(result[0], unit, copy=False), result[1]
    return Quantity(result, unit, copy=False)


def _value(array: Any) -> Any:
    return array.to_value(dimensionless_unscaled) if isinstance(array, Quantity) else array
