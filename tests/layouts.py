"""How an array of three axes may lie in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def _every_other(array: np.ndarray) -> np.ndarray:
    return array[tuple(slice(None, None, 2) for _ in array.shape)]


def _unaligned(array: np.ndarray) -> np.ndarray:
    memory = np.empty(array.nbytes + 1, np.uint8)[1:]
    moved = memory.view(array.dtype).reshape(array.shape)
    moved[...] = array
    assert not moved.flags.aligned
    return moved


def _strided(array: np.ndarray, wide=lambda array: array) -> np.ndarray:
    view = _every_other(wide(np.zeros([2 * length for length in array.shape], array.dtype)))
    view[...] = array
    return view


def _swapped(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder())


def _read_only(array: np.ndarray) -> np.ndarray:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "fortran": np.asfortranarray,
    "strided": _strided,
    "reversed": lambda a: np.flip(np.flip(a).copy()),
    "transposed": lambda a: a.transpose(1, 2, 0).copy().transpose(2, 0, 1),
    "unaligned": _unaligned,
    "byte-swapped": _swapped,
    "read-only": _read_only,
    "unaligned, byte-swapped, strided": lambda a: _strided(_swapped(a), _unaligned),
}


def layouts(dtype) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Those that a dtype has: bfloat16 knows one byte order."""
    swappable = np.dtype(dtype).name != "bfloat16"
    return {name: layout for name, layout in LAYOUTS.items() if swappable or "swapped" not in name}
