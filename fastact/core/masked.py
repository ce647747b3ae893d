"""Rows with a scale and masks: what calls say of what a row sees, and any layout of it brought to kernels.

Kernels take rows along the last axis. What a causal query sees follows from a row's place, and a mask is
broadcast to the scores as a view, so neither is made for each head or batch.
"""

from __future__ import annotations

import math
import operator
import sys
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import _dispatch
from . import arrays, buffers, foreign, layouts

WORDS = ("scale", "causal", "mask", "where")
"""What says it in a call."""

UNSEEN = {"scale": 1.0, "causal": False, "mask": None, "where": None}

_LARGEST = sys.float_info.max


class Seen(NamedTuple):
    """What a call says, checked for an x of some shape."""

    scale: float
    causal: int | None
    """How far beyond its own place a query sees; None where it sees all."""
    mask: np.ndarray | None
    """Of bools, or of numbers to be added; it broadcasts to x."""
    axes: tuple[int, ...]
    """Of a row."""


def taken(kwargs: dict[str, Any], where: bool) -> dict[str, Any]:
    """The words of a call that say something, taken from it."""
    words = {}
    for name in WORDS if where else WORDS[:3]:
        value = kwargs.pop(name, UNSEEN[name])
        if value is not UNSEEN[name] and not (name == "scale" and type(value) is float and value == 1.0):
            words[name] = value
    return words


def read(name: str, words: dict[str, Any], x: np.ndarray, axis: Any) -> Seen:
    """What the words say of x, whose rows are along `axis`.

    Raises
    ------
    TypeError, ValueError
        If one of them is not what is allowed.
    """
    axes = arrays.row_axes(axis, x.ndim)
    scale = arrays.number(name, "scale", words.get("scale", 1.0))
    if not math.isfinite(scale):
        raise ValueError(f"{name}: scale={scale!r}; allowed is a finite number")
    causal = _offset(name, words.get("causal", False), x.shape, axes)
    where, mask = words.get("where"), words.get("mask")
    kept = None if where is None else _boolean(name, where)
    added = None if mask is None else _mask(name, mask, arrays.result_dtype(x))
    for word, array in (("where", kept), ("mask", added)):
        if array is not None:
            _check_broadcasts(name, word, array, x.shape)
    if kept is not None and added is not None:
        both = added.dtype == np.bool_
        added = kept & added if both else np.where(kept, added, added.dtype.type(-np.inf))
    return Seen(scale, causal, kept if added is None else added, axes)


def _offset(name: str, causal: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> int | None:
    if causal is None or causal is False or (isinstance(causal, np.bool_) and not causal):
        return None
    if causal is not True and not isinstance(causal, np.bool_) and not arrays.is_whole(causal):
        raise TypeError(f"{name}: {arrays.given('causal', causal)}; allowed is a bool or a whole number")
    if len(axes) != 1 or axes[0] == 0:
        raise ValueError(
            f"{name}: causal needs an axis of queries before the one of a row; x has shape {shape}, "
            f"and rows are along {axes}"
        )
    offset = 0 if causal is True or isinstance(causal, np.bool_) else operator.index(causal)
    # Beyond both ends it says no more.
    return max(-shape[axes[0] - 1], min(offset, shape[axes[0]]))


def _boolean(name: str, where: Any) -> np.ndarray:
    kept = np.asarray(where)
    if kept.dtype != np.bool_:
        raise TypeError(f"{name}: where has dtype {kept.dtype}; allowed is bool")
    return kept


def _mask(name: str, mask: Any, dtype: np.dtype) -> np.ndarray:
    foreign.refuse(name, mask=mask)
    array = np.asarray(buffers.read(mask, "mask"))
    if array.dtype == np.bool_:
        return array
    if arrays.native(array.dtype) != dtype:
        raise TypeError(f"{name}: mask has dtype {array.dtype}; allowed are bool and the result's {dtype}")
    return array


def _check_broadcasts(name: str, word: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    # Not NumPy's broadcast_shapes, which knows 32 axes.
    behind = shape[len(shape) - array.ndim :] if array.ndim <= len(shape) else ()
    if len(behind) < array.ndim or any(n not in (1, m) for n, m in zip(array.shape, behind, strict=True)):
        raise ValueError(f"{name}: {word} has shape {array.shape}; allowed is what broadcasts to x's {shape}")


def factor(scale: float, temperature: float = 1.0) -> tuple[float, float]:
    """scale / temperature in two parts, of which the second is what the first lost."""
    high = scale / temperature if abs(scale) < temperature * _LARGEST else math.copysign(_LARGEST, scale)
    if temperature == 1 or high in (0.0, _LARGEST, -_LARGEST) or math.isinf(temperature):
        return high, 0.0
    # Few calls come here, and with decimal it takes milliseconds to import.
    from fractions import Fraction

    return high, float(Fraction(scale) / Fraction(temperature) - Fraction(high))


def rows(
    kernels: _dispatch.MaskedKernels,
    direction: str,
    inputs: list[np.ndarray],
    out: Any,
    parameters: tuple[float, ...],
    seen: Seen,
) -> Any:
    """Run kernels that give rows of x's length: on x, or on dy and y."""
    x, saved = inputs[0], inputs[1] if len(inputs) > 1 else None
    last = seen.axes == (x.ndim - 1,)
    if last and x.flags.c_contiguous:
        mask = plain_mask(seen, x, out)
        result = kernels._run_seen(x, saved, x.ndim - 1, parameters, seen.causal, mask, out)
        if result is not None:
            return result
    result = arrays.as_output(out, x.shape, arrays.result_dtype(*inputs))
    kind = layouts.dtype_along(_length(x.shape, seen.axes), arrays.native(result.dtype))
    arrays.write(step(kernels, direction, x, saved, [result], [kind] * 3, parameters, seen))
    return arrays.finish(result, out)


def plain_mask(seen: Seen, x: np.ndarray, result: Any) -> np.ndarray | None:
    """The mask as the short path knows it, with whole rows; a copy where `result` may lie in it."""
    mask = seen.mask
    if mask is None:
        return None
    # What is broadcast already is taken as it was before.
    mask = mask[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in mask.strides)]
    if mask.ndim == 0 or mask.shape[-1] != x.shape[-1]:
        mask = np.broadcast_to(mask, (*mask.shape[:-1], x.shape[-1]))
    mask = np.ascontiguousarray(mask, arrays.native(mask.dtype))
    shared = isinstance(result, np.ndarray) and np.may_share_memory(mask, result)
    return mask.copy() if shared else mask


def step(
    kernels: _dispatch.Kernels,
    direction: str,
    x: np.ndarray,
    second: np.ndarray | None,
    outputs: list[np.ndarray],
    dtypes: list[np.dtype],
    parameters: tuple[float, ...],
    seen: Seen,
    group: int = 0,
) -> partial[object]:
    """A step that computes rows of any layout; arrays of one number for each row have the extent 1 along it.

    `dtypes` are those that x, the second input and the outputs are brought as.
    """
    axes, mask = seen.axes, seen.mask
    length = _length(x.shape, axes)
    queries, between, kind = 1, 1, ""
    if seen.causal is not None:
        queries, between = x.shape[axes[0] - 1], math.prod(x.shape[axes[0] + 1 :])
    if mask is not None:
        kind = "boolean" if mask.dtype == np.bool_ else "added"
        mask = np.broadcast_to(mask, x.shape)
    told = _dispatch.visible(queries, between, seen.causal, kind, length)
    inputs = [None if a is None else rows_last(a, axes) for a in (x, second, mask)]
    brought = [*dtypes[:2], np.dtype(np.bool_) if kind == "boolean" else dtypes[0], *dtypes[2:]]
    return arrays.along_axis(
        *(kernels, direction, inputs, [rows_last(a, axes) for a in outputs]),
        *(x.ndim - len(axes), brought, parameters),
        weight=told,
        group=group,
        in_c_order=True,
        span=max(len(axes), 1),
    )  # fmt: skip


def rows_last(array: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """A view in which the axes of a row are the last ones."""
    if not axes:
        return arrays.rows_of_one(array)
    return np.moveaxis(np.asarray(array), axes, range(-len(axes), 0))


def _length(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    return math.prod(shape[axis] for axis in axes)
