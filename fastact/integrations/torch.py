"""Tensors of torch on the CPU: read and written where they lie, and tensors again.

Nothing is recorded for a gradient: that is `fastact.torch`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..core.foreign import Operation


def compute(operation: Operation, inputs: tuple[Any, ...], out: Any) -> Any:
    """The result of the arrays that have the tensors' memory."""
    lent = [_lent(a, name) for a, name in zip(inputs, operation.names, strict=True)]
    others = {name: _lent(value, name) for name, value in operation.parameters.items()}
    result = operation.with_parameters(**others)(*lent, out=_place(out))
    first, *second = result if operation.gives_pair else (result,)
    first = as_tensor(first) if out is None else out
    return (first, *map(as_tensor, second)) if second else first


def on_memory(given: dict[str, Any], call: Callable[..., Any]) -> Any:
    """The result of a call on the arrays that have the tensors' memory; see `core.foreign.on_memory`."""
    owners: dict[int, Any] = {}  # what was given, by the array that stands for it

    def lent(value: Any, name: str) -> Any:
        if type(value) is tuple:
            return tuple(lent(one, name) for one in value)
        if not isinstance(value, torch.Tensor):
            owners[id(value)] = value
            return value
        # A view of its own, which is found again among the results.
        array = of_tensor(value, name)[...]
        array.flags.writeable &= not _is_expanded(value)
        owners[id(array)] = value
        return array

    def back(result: Any) -> Any:
        if isinstance(result, tuple):
            return tuple(map(back, result))
        if result is None or id(result) in owners:
            return owners.get(id(result))
        return as_tensor(np.asarray(result))

    arrays = {name: lent(value, name) for name, value in given.items()}
    return back(call(**arrays))


def _is_expanded(tensor: Any) -> bool:
    """Whether elements share a place."""
    return any(n > 1 and step == 0 for n, step in zip(tensor.shape, tensor.stride(), strict=True))


def _lent(value: Any, name: str) -> Any:
    return of_tensor(value, name) if isinstance(value, torch.Tensor) else value


def _place(out: Any) -> Any:
    array = _lent(out, "out")
    if isinstance(out, torch.Tensor) and _is_expanded(out):
        raise ValueError("out is an expanded tensor; allowed is one with a place for each element")
    return array


def as_tensor(result: np.ndarray) -> Any:
    """A new array as the tensor that has its memory."""
    array = np.asarray(result)
    if array.dtype.kind == "V":  # bfloat16, which torch does not take from NumPy
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def of_tensor(tensor: Any, name: str) -> np.ndarray:
    """The memory of a tensor, bfloat16 as `ml_dtypes` has it."""
    if tensor.device.type != "cpu":
        raise TypeError(
            f"{name} is a tensor on {tensor.device}; allowed are tensors on the CPU, "
            "here and in fastact.torch: pass its .cpu()"
        )
    if tensor.requires_grad:
        raise TypeError(
            f"{name} is a tensor that requires grad; allowed are others, since NumPy records no gradients: "
            "use fastact.torch, or pass its .detach()"
        )
    as_integers = tensor.dtype is torch.bfloat16
    dtype = _bfloat16(name) if as_integers else None
    try:
        return tensor.view(torch.int16).numpy().view(dtype) if as_integers else tensor.numpy()
    except (RuntimeError, TypeError) as error:
        raise TypeError(
            f"{name} is a tensor of layout {tensor.layout} and dtype {tensor.dtype} whose memory "
            f"NumPy cannot see: {error}"
        ) from None


def _bfloat16(name: str) -> Any:
    try:
        import ml_dtypes  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise TypeError(
            f"{name} is a tensor of dtype torch.bfloat16; allowed is that only where ml_dtypes is installed, "
            "which has the dtype for NumPy"
        ) from None
    return ml_dtypes.bfloat16
