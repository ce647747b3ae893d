"""How an array of three axes may lie in memory."""

from __future__ import annotations

import numpy as np


def _unaligned(array: np.ndarray) -> np.ndarray:
    memory = np.empty(array.nbytes + 1, np.uint8)[1:]
    moved = memory.view(array.dtype).reshape(array.shape)
    moved[...] = array
    assert not moved.flags.aligned
    return moved


def _strided(array: np.ndarray) -> np.ndarray:
    wide = np.zeros([2 * length for length in array.shape], array.dtype)
    wide[tuple(slice(None, None, 2) for _ in array.shape)] = array
    return wide[tuple(slice(None, None, 2) for _ in array.shape)]


def _read_only(array: np.ndarray) -> np.ndarray:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


LAYOUTS = {
    "fortran": np.asfortranarray,
    "strided": _strided,
    "reversed": lambda a: np.flip(np.flip(a).copy()),
    "transposed": lambda a: a.transpose(1, 2, 0).copy().transpose(2, 0, 1),
    "unaligned": _unaligned,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "read-only": _read_only,
    "unaligned, byte-swapped, strided": lambda a: _strided(_unaligned(a.astype(a.dtype.newbyteorder()))),
}
