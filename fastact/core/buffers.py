"""Memory that others hold, seen as NumPy arrays without a copy: tensors of torch, DLPack, buffers."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

IN_MEMORY = (1, 3, 11, 13)
"""Devices of DLPack that the CPU reads: its own, memory pinned for CUDA or ROCm, memory managed by CUDA."""


class OfTensor(np.ndarray):
    """The memory of a tensor: what is computed from it becomes a tensor again."""


def read(value: Any, name: str) -> Any:
    """What `np.asarray` sees as the memory of `value`.

    Raises
    ------
    TypeError
        If that memory is on a device, or belongs to a tensor that requires grad or has none.
    """
    if _is_tensor(value):
        return of_tensor(value, name).view(OfTensor)
    if hasattr(type(value), "__dlpack_device__"):
        seen = _by_dlpack(value, name)
        return value if seen is None else seen
    return value


def written(out: Any) -> np.ndarray:
    """The memory of `out`, where the result of a call goes.

    Raises
    ------
    TypeError
        If it has no memory that the CPU can see, or as in `read`.
    ValueError
        If several elements of a tensor lie in one place.
    """
    if isinstance(out, np.ndarray):
        return out
    if _is_tensor(out):
        seen = of_tensor(out, "out")
        if any(n > 1 and step == 0 for n, step in zip(seen.shape, seen.strides, strict=True)):
            raise ValueError("out is an expanded tensor; allowed is one with a place for each element")
        return seen
    seen = None
    if hasattr(type(out), "__dlpack_device__"):
        seen = _by_dlpack(out, "out")
    elif not isinstance(out, np.generic):
        seen = _by_buffer(out)
    if seen is None:
        raise TypeError(
            f"out is a {type(out).__name__}; allowed is a numpy.ndarray, or what lends its memory "
            "by the buffer protocol or DLPack"
        )
    return seen


def as_tensor(result: np.ndarray) -> Any:
    """A new array as the tensor that has its memory."""
    torch = sys.modules["torch"]
    array = np.asarray(result)
    if array.dtype.kind == "V":  # bfloat16, which torch does not take from NumPy
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _is_tensor(value: Any) -> bool:
    # Where nobody has imported torch, nobody has a tensor.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, getattr(torch, "Tensor", ()))


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
    torch = sys.modules["torch"]
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


def _by_dlpack(value: Any, name: str) -> np.ndarray | None:
    """The memory of an array of another library; None where it has no dtype that DLPack gives NumPy."""
    kind, index = value.__dlpack_device__()
    if kind not in IN_MEMORY:
        raise TypeError(
            f"{name} is a {type(value).__name__} on device {index} of DLPack's type {int(kind)}; "
            "allowed is memory of the CPU"
        )
    try:
        return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError, ValueError):
        return None


def _by_buffer(value: Any) -> np.ndarray | None:
    try:
        return np.asarray(memoryview(value))
    except (TypeError, ValueError):
        return None
