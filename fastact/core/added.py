"""What is added to x before an activation sees it: a bias along an axis, a residual; and the bias's gradient.

The short path is in ``src/runtime/added.pxi``; here are arrays of any layout and dtype, and all errors.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import _dispatch
from . import arrays, foreign, layouts

WORDS = ("bias", "bias_axis", "residual")
"""What a call says of it, in the order of the short path."""


class Added(NamedTuple):
    """A bias and a residual of one call, read and checked."""

    bias: np.ndarray | None
    """Of one dimension, in the dtype that is computed in."""
    axis: tuple[int, int, int]
    """The arrays seen along the axis of the bias: (outer, length, inner)."""
    residual: np.ndarray | None
    shape: tuple[int, ...]
    """Of the bias, and of its gradient."""

    def behind(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """The inputs of a kernel, with the residual as the last."""
        return inputs if self.residual is None else [*inputs, self.residual]

    def sum_with(self, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """A new array of x with what is added, each sum rounded to this dtype."""
        with np.errstate(all="ignore"):
            total = x.astype(dtype, order="C")
            if self.bias is not None:
                _, length, inner = self.axis
                rows = total.reshape(-1, length, inner)
                rows += self.bias[:, np.newaxis]
            if self.residual is not None:
                total += self.residual.astype(dtype)
        return total


def read(
    name: str,
    x: np.ndarray,
    dtype: np.dtype,
    bias: Any,
    bias_axis: Any,
    residual: np.ndarray | None = None,
    sums: bool = False,
) -> Added:
    """What a call adds to x, whose result has this dtype; `sums` asks for the gradient of the bias.

    Raises
    ------
    TypeError
        If a dtype is not supported, or `bias_axis` is no integer.
    ValueError
        If a shape does not fit.
    numpy.exceptions.AxisError
        If x has no such axis.
    """
    if residual is not None and residual.shape != x.shape:
        raise ValueError(f"{name}: residual has shape {residual.shape}; allowed is that of x, {x.shape}")
    whole = (1, 1, x.size)
    if bias is None:
        axis = arrays.split_axis(x.shape, arrays.axis_index(bias_axis, x.ndim)) if sums else whole
        return Added(None, axis, residual, axis[1:2])
    values = arrays.as_input(bias, "bias")
    index = arrays.axis_index(bias_axis, x.ndim) if x.ndim or values.ndim else 0
    extent = x.shape[index : index + 1]
    if values.ndim > 1 or (values.size != 1 and values.shape != extent):
        raise ValueError(
            f"{name}: bias has shape {values.shape}; allowed are one number and {extent}, "
            f"x's extent along axis {index}"
        )
    flat = arrays.cast(values.reshape(-1), arrays.computing_dtype(dtype), copy=False)
    axis = whole if values.size == 1 else arrays.split_axis(x.shape, index)
    return Added(np.ascontiguousarray(flat), axis, residual, values.shape)


def forward(
    kernels: _dispatch.Kernels,
    name: str,
    x: Any,
    out: Any,
    parameters: tuple[float, ...],
    bias: Any,
    bias_axis: Any,
    residual: Any,
) -> Any:
    """An activation of x with what is added to it."""
    elsewhere = foreign.on_memory(
        name,
        {"x": x, "out": out, "bias": bias, "residual": residual},
        partial(forward, kernels, name, parameters=parameters, bias_axis=bias_axis),
    )
    if elsewhere is not NotImplemented:
        return elsewhere
    source = arrays.as_input(x, "x")
    other = None if residual is None else arrays.as_input(residual, "residual")
    dtype = arrays.result_dtype(*[a for a in (source, other) if a is not None])
    added = read(name, source, dtype, bias, bias_axis, other)
    return _elementwise(kernels, "forward", [source], out, parameters, added, dtype)


def backward(
    kernels: _dispatch.Kernels,
    name: str,
    arrays_given: tuple[Any, str, Any, Any],
    parameters: tuple[float, ...],
    bias: Any,
    bias_axis: Any,
    residual: Any,
    bias_grad: bool,
    learnt: bool = False,
) -> Any:
    """The gradient of x from `dy`, a direction, what was saved, and `out`; behind it those asked for.

    `learnt` asks for that of the parameter that has one.
    """
    dy, direction, kept, out = arrays_given
    elsewhere = foreign.on_memory(
        f"{name}.backward",
        {"dy": dy, direction: kept, "out": out, "bias": bias, "residual": residual},
        lambda dy, out, bias, residual, **saved: backward(
            kernels,
            name,
            (dy, direction, saved[direction], out),
            parameters,
            bias,
            bias_axis,
            residual,
            bias_grad,
            learnt,
        ),
    )
    if elsewhere is not NotImplemented:
        return elsewhere
    gradient, saved = arrays.as_gradient(dy, kept, direction)
    other = None if residual is None else arrays.as_input(residual, "residual")
    dtype = arrays.result_dtype(*[a for a in (gradient, saved, other) if a is not None])
    added = read(name, saved, dtype, bias, bias_axis, other, bias_grad)
    if direction == "y":
        # The output holds them already.
        added = added._replace(bias=None, residual=None)
    arrays.as_output(out, saved.shape, dtype)  # its errors come before the work
    more = []
    if learnt:
        computing = arrays.computing_dtype(dtype)
        kept = added.sum_with(saved, computing)
        total = layouts.parameter_gradient(kernels, gradient, kept, parameters, (1, 1, kept.size), computing)
        more.append(arrays.cast(total, dtype)[0])
    if bias_grad:
        more.append(_of_bias(kernels, direction, gradient, saved, parameters, added, dtype))
    dx = _elementwise(kernels, direction, [gradient, saved], out, parameters, added, dtype)
    return (dx, *more) if more else dx


def _elementwise(
    kernels: _dispatch.Kernels,
    direction: str,
    inputs: list[np.ndarray],
    out: Any,
    parameters: tuple[float, ...],
    added: Added,
    dtype: np.dtype,
) -> Any:
    result = arrays.as_output(out, inputs[0].shape, dtype, like=inputs[0])
    bias = added.bias
    if bias is not None and np.may_share_memory(bias, result):
        bias = bias.copy()
    read = added.behind(inputs)
    arrays.write(arrays.each_chunk(kernels, direction, read, result, parameters, True, (bias, added.axis)))
    return arrays.finish(result, out)


def _of_bias(
    kernels: _dispatch.Kernels,
    direction: str,
    dy: np.ndarray,
    saved: np.ndarray,
    parameters: tuple[float, ...],
    added: Added,
    dtype: np.dtype,
) -> Any:
    """The gradient of a bias, summed in float64 in an order that the shape alone decides."""
    sums = _dispatch.Sums()
    span = _dispatch.range_length(added.axis)
    for parts, index in arrays.blocks_in_c_order(
        added.behind([dy, saved]), arrays.computing_dtype(dtype), span
    ):
        kernels.run_added(direction, parts, None, parameters, added.bias, added.axis, index, sums, span)
    totals = sums.totals() if saved.size else np.zeros(added.axis[1])
    return of_bias(totals, added.shape, dtype)


def of_bias(totals: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """The gradient of a bias of this shape: a scalar, where it is one number."""
    return arrays.cast(totals, dtype, copy=False).reshape(shape)[()]


def is_number(bias: Any, residual: Any, sums: bool = False) -> bool:
    """Whether what is added is the same for each element, wherever it is."""
    return residual is None and not sums and arrays.is_number(bias)
