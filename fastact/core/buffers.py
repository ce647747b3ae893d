"""Memory that others hold, seen as NumPy arrays without a copy: by DLPack or the buffer protocol."""

from __future__ import annotations

from typing import Any

import numpy as np

IN_MEMORY = (1, 3, 11, 13)
"""Devices of DLPack that the CPU reads: its own, memory pinned for CUDA or ROCm, memory managed by CUDA."""


def read(value: Any, name: str) -> Any:
    """What `np.asarray` sees as the memory of `value`.

    Raises
    ------
    TypeError
        If that memory is on a device.
    """
    if isinstance(value, np.ndarray):
        return value
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
    """
    if isinstance(out, np.ndarray):
        return out
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
