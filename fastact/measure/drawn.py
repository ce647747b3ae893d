"""Normal values as a network has them, the same in every run; large arrays repeat a million."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

BLOCK = 2**20


def normal(shape: tuple[int, ...], dtype: str, scale: float = 1.0) -> np.ndarray:
    """An array that is read-only, as others are given the same."""
    return _flat(math.prod(shape), dtype, scale).reshape(shape)


def drawn(shape: tuple[int, ...], dtype: str, scale: float, seed: int) -> np.ndarray:
    """An array that has nothing to do with that of another seed."""
    size = math.prod(shape)
    return np.resize(_block(min(size, BLOCK), dtype, scale, seed), size).reshape(shape)


@lru_cache(maxsize=16)
def _flat(size: int, dtype: str, scale: float) -> np.ndarray:
    values = np.resize(_block(min(size, BLOCK), dtype, scale, 0), size)
    values.flags.writeable = False
    return values


@lru_cache(maxsize=16)
def _block(size: int, dtype: str, scale: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, size).astype(dtype)
