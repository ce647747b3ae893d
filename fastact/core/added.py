"""What goes with an activation in one pass: a bias and a residual that are added to x first, dropout behind.

The short path is in ``src/runtime/added.pxi``; here are arrays of any layout and dtype, and all errors.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from .. import _dispatch
from ..catalog import Row
from . import arrays, foreign, seeds

WORDS = ("bias", "bias_axis", "residual", "dropout", "bias_grad")
"""What a call says of it, in the order of the short path; the last one backward alone."""


class Weights(NamedTuple):
    """The weights of a kernel that takes some, and their axis: (outer, length, inner)."""

    values: np.ndarray
    axis: tuple[int, int, int]


class Added(NamedTuple):
    """What goes with one call, read and checked."""

    bias: np.ndarray | None
    """Of one dimension, in the dtype that is computed in."""
    axis: tuple[int, int, int]
    """The arrays seen along the axis of the bias: (outer, length, inner)."""
    residual: np.ndarray | None
    shape: tuple[int, ...]
    """Of the bias, and of its gradient."""
    dropout: tuple[float, ...] = ()
    """Probability and seed, as kernels take them."""
    weights: tuple[()] | Weights = ()

    def behind(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """The inputs of a kernel, with the residual as the last."""
        return inputs if self.residual is None else [*inputs, self.residual]

    @property
    def beside(self) -> tuple[Any, ...]:
        """What `_run_with_added` is given between parameters and the position."""
        return self.bias, self.axis, self.dropout, tuple(self.weights)


def read(
    name: str,
    x: np.ndarray,
    dtype: np.dtype,
    bias: Any,
    bias_axis: Any,
    residual: np.ndarray | None = None,
    dropout: Any = None,
    sums: bool = False,
) -> Added:
    """What goes with x, whose result has this dtype; `sums` asks for the gradient of the bias.

    Raises
    ------
    TypeError
        If a dtype is not supported, `bias_axis` is no integer or `dropout` no pair.
    ValueError
        If a shape does not fit, or what dropout is given is out of its range.
    numpy.exceptions.AxisError
        If x has no such axis.
    """
    if residual is not None and residual.shape != x.shape:
        raise ValueError(f"{name}: residual has shape {residual.shape}; allowed is that of x, {x.shape}")
    left_out = seeds.dropout(name, dropout)
    whole = (1, 1, x.size)
    if bias is None:
        axis = arrays.split_axis(x.shape, arrays.axis_index(bias_axis, x.ndim)) if sums else whole
        return Added(None, axis, residual, axis[1:2], left_out)
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
    return Added(np.ascontiguousarray(flat), axis, residual, values.shape, left_out)


def read_pair(
    name: str, x: np.ndarray, dtype: np.dtype, bias: Any, bias_axis: Any, dropout: Any, sums: bool = False
) -> tuple[Added, Added]:
    """What goes with x and with the array of its gate, each along the axis of a bias of several numbers."""
    if bias is not None and (not isinstance(bias, tuple | list) or len(bias) != 2):
        raise TypeError(
            f"{name}: {arrays.given('bias', bias)}; beside gate= allowed is a pair, the bias of x and that "
            "of the gate, each of which may be None"
        )
    first, second = (
        read(name, x, dtype, one, bias_axis, None, dropout, sums) for one in bias or (None, None)
    )
    if not x.ndim or (first.axis[1] == second.axis[1] == 1):
        return first, second
    axis = arrays.split_axis(x.shape, arrays.axis_index(bias_axis, x.ndim))
    return tuple(  # type: ignore[return-value]
        one._replace(
            axis=axis,
            bias=None if one.bias is None else np.ascontiguousarray(np.broadcast_to(one.bias, axis[1:2])),
        )
        for one in (first, second)
    )


def forward(
    kernels: _dispatch.Kernels,
    row: Row,
    x: Any,
    out: Any,
    parameters: tuple[float, ...],
    words: tuple[Any, ...],
) -> Any:
    """An activation of x with what goes with it."""
    bias, bias_axis, residual, dropout = words
    elsewhere = foreign.on_memory(
        row.name,
        {"x": x, "out": out, "bias": bias, "residual": residual},
        lambda x, out, bias, residual: forward(
            kernels, row, x, out, parameters, (bias, bias_axis, residual, dropout)
        ),
    )
    if elsewhere is not NotImplemented:
        return elsewhere
    source = arrays.as_input(x, "x")
    other = None if residual is None else arrays.as_input(residual, "residual")
    dtype = arrays.result_dtype(*[a for a in (source, other) if a is not None])
    added = read(row.name, source, dtype, bias, bias_axis, other, dropout)
    return elementwise(kernels, "forward", [source], out, parameters, added, dtype)


def backward(
    kernels: _dispatch.Kernels,
    row: Row,
    arrays_given: tuple[Any, str, Any, Any],
    parameters: tuple[float, ...],
    words: tuple[Any, ...],
    learnt: bool = False,
) -> Any:
    """The gradient of x from `dy`, a direction, what was saved, and `out`; behind it those asked for.

    `learnt` asks for that of the parameter that has one.
    """
    dy, direction, kept, out = arrays_given
    bias, bias_axis, residual, dropout, bias_grad = words
    elsewhere = foreign.on_memory(
        f"{row.name}.backward",
        {"dy": dy, direction: kept, "out": out, "bias": bias, "residual": residual},
        lambda dy, out, bias, residual, **saved: backward(
            kernels,
            row,
            (dy, direction, saved[direction], out),
            parameters,
            (bias, bias_axis, residual, dropout, bias_grad),
            learnt,
        ),
    )
    if elsewhere is not NotImplemented:
        return elsewhere
    if direction == "y" and dropout is not None and not row.sign_will_do:
        raise TypeError(
            f"{row.name}.backward with dropout= takes x=: what is left of y was divided by 1 - p, and does "
            "not tell the derivative to the last place"
        )
    gradient, saved = arrays.as_gradient(dy, kept, direction)
    other = None if residual is None else arrays.as_input(residual, "residual")
    dtype = arrays.result_dtype(*[a for a in (gradient, saved, other) if a is not None])
    added = read(row.name, saved, dtype, bias, bias_axis, other, dropout, bias_grad)
    if direction == "y":
        # The output holds them already.
        added = added._replace(bias=None, residual=None)
    arrays.as_output(out, saved.shape, dtype)  # its errors come before the work
    more = []
    if learnt:
        total = parameter_gradient(kernels, gradient, saved, parameters, (1, 1, saved.size), added, dtype)
        more.append(arrays.cast(total, dtype)[0])
    if bias_grad:
        more.append(sum_of_bias(kernels, direction, [gradient, saved], parameters, added, dtype))
    dx = elementwise(kernels, direction, [gradient, saved], out, parameters, added, dtype)
    return (dx, *more) if more else dx


def elementwise(
    kernels: _dispatch.Kernels,
    direction: str,
    inputs: list[np.ndarray],
    out: Any,
    parameters: tuple[float, ...],
    added: Added,
    dtype: np.dtype,
) -> Any:
    """Run kernels that look at each element for itself on arrays of one shape, with what goes with them."""
    result = arrays.as_output(out, inputs[0].shape, dtype, like=inputs[0])
    bias, weights = added.bias, added.weights
    if bias is not None and np.may_share_memory(bias, result):
        bias = bias.copy()
    if weights and np.may_share_memory(weights.values, result):
        weights = weights._replace(values=weights.values.copy())
    read = added.behind(inputs)
    beside = added._replace(bias=bias, weights=weights).beside
    arrays.write(arrays.each_chunk(kernels, direction, read, result, parameters, True, beside))
    return arrays.finish(result, out)


def sum_of_bias(
    kernels: _dispatch.Kernels,
    direction: str,
    inputs: list[np.ndarray],
    parameters: tuple[float, ...],
    added: Added,
    dtype: np.dtype,
) -> Any:
    """The gradient of a bias, summed in float64 in an order that the shape alone decides."""
    sums = _dispatch.Sums()
    span = _dispatch.range_length(added.axis)
    computing = arrays.computing_dtype(dtype)
    for parts, index in arrays.blocks_in_c_order(added.behind(inputs), computing, span):
        kernels._run_with_added(direction, parts, None, parameters, *added.beside, index, sums, span)
    totals = sums.totals() if inputs[-1].size else np.zeros(added.axis[1])
    return of_bias(totals, added.shape, dtype)


def parameter_gradient(
    kernels: _dispatch.Kernels,
    dy: np.ndarray,
    x: np.ndarray,
    parameters: tuple[float, ...],
    axis: tuple[int, int, int],
    added: Added,
    dtype: np.dtype,
) -> np.ndarray:
    """As `layouts.parameter_gradient`, at x with what is added to it, block after block."""
    total, computing = np.zeros(axis[1]), arrays.computing_dtype(dtype)
    span = max(_dispatch.WEIGHT_SPAN, total.size)
    for (gradient, *sources), index in arrays.blocks_in_c_order(
        added.behind([dy, x]), computing, span, total.size
    ):
        summed = np.empty_like(sources[0])
        beside = added._replace(dropout=(), weights=()).beside
        _kernels_of("identity")._run_with_added("forward", sources, summed, (), *beside, index)
        if added.dropout:
            left = np.empty_like(gradient)
            _kernels_of("dropout")._run_kernel("forward", [gradient], [left], added.dropout, None, (index, 1))
            gradient = left
        kernels._add_gradient(gradient, summed, total, parameters, axis, index, span)
    return total


@cache
def _kernels_of(name: str) -> _dispatch.Kernels:
    return _dispatch.Kernels(name)


def of_bias(totals: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """The gradient of a bias of this shape: a scalar, where it is one number."""
    return arrays.cast(totals, dtype, copy=False).reshape(shape)[()]


def of_pair(sums: _dispatch.Sums, one: Added, which: int, dtype: np.dtype) -> Any:
    """That of one of two biases, of which a number is summed along the axis of the other one."""
    totals = sums.totals(which)
    if len(totals) > 1 and np.prod(one.shape, dtype=int) == 1:
        parts = sums.parts(which) if np.isfinite(totals).all() else totals
        totals = np.array([_sum(parts)])
    return of_bias(totals, one.shape, dtype)


def _sum(terms: np.ndarray) -> float:
    """Their sum, rounded once; as a plain one where it is not finite."""
    try:
        return math.fsum(terms)
    except (OverflowError, ValueError):
        with np.errstate(all="ignore"):
            return float(terms.sum())


def some(words: tuple[Any, ...]) -> bool:
    """Whether anything goes with the activation, or its gradient is asked for."""
    bias, _, *others = words
    return bias is not None or any(other is not None and other is not False for other in others)


def is_number(words: tuple[Any, ...]) -> bool:
    """Whether what goes with an element is the same, wherever it is."""
    bias, _, *others = words
    return arrays.is_number(bias) and all(other is None or other is False for other in others)
