"""Quantities of pint: what is dimensionless is computed, everything else is pint's own error."""

from __future__ import annotations

from typing import Any

import pint

from ..core.foreign import Operation


def compute(operation: Operation, inputs: tuple[Any, ...], out: Any) -> Any:
    """The result of dimensionless magnitudes; a gradient has the unit of `dy`."""
    quantities = [a for a in (*inputs, out) if isinstance(a, pint.Quantity)]
    if not quantities:
        return NotImplemented
    dy, unit = inputs[0], "dimensionless"
    if not operation.forward and isinstance(dy, pint.Quantity):
        inputs, unit = (dy.magnitude, *inputs[1:]), dy.units
    magnitudes = [_magnitude(a) for a in inputs]
    if out is not None:
        plain = out
        if isinstance(out, pint.Quantity):
            out.to(unit)  # its error comes before the work
            plain = out.magnitude
        operation(*magnitudes, out=plain)
        return out
    result = operation(*magnitudes)
    if operation.gives_pair:
        return quantities[0]._REGISTRY.Quantity(result[0], unit), result[1]
    return quantities[0]._REGISTRY.Quantity(result, unit)


def _magnitude(array: Any) -> Any:
    return array.to("dimensionless").magnitude if isinstance(array, pint.Quantity) else array
