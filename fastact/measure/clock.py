"""The clock: the fastest of repetitions, the one that other processes disturbed least.

What memory allows meanwhile is timed in the same way: a plain scale of an array.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np

REPETITIONS = 5
"""Of a figure, if the time that it may take suffices."""


def repeated(measure: Callable[[], float], seconds: float) -> Iterator[float]:
    """Figures until both time and number suffice; a slow one is taken twice at least."""
    begin = perf_counter()
    for repetition in itertools.count(1):
        yield measure()
        spent = perf_counter() - begin
        enough = REPETITIONS if spent < 5 * seconds else 2
        if spent > seconds and repetition >= enough:
            return


def fastest(calls: Sequence[Callable[[], Any]], restore: Callable[[], None], seconds: float) -> float:
    """Seconds per call in the fastest repetition; the first one also warms up."""

    def once() -> float:
        restore()
        start = perf_counter()
        for call in calls:
            call()
        return perf_counter() - start

    return min(repeated(once, seconds)) / len(calls)


def scale_gb_per_s(dtype: str, size: int, threads: int, seconds: float) -> float:
    """Bandwidth of a plain scale in place, each thread on its own part of the array.

    NumPy runs on one thread and lets go of the GIL, so Python threads share the work. The factor
    is 1, which NumPy does not treat specially: the values stay.
    """
    parts = np.array_split(np.ones(size, dtype), min(threads, size))
    rounds = max(1, 2**20 // size)
    gate = threading.Barrier(len(parts))

    def scale(part: np.ndarray) -> tuple[float, float]:
        gate.wait()
        start = perf_counter()
        for _ in range(rounds):
            np.multiply(part, 1.0, out=part)
        return start, perf_counter()

    def once(pool: ThreadPoolExecutor) -> float:
        starts, ends = zip(*pool.map(scale, parts), strict=True)
        return (max(ends) - min(starts)) / rounds

    with ThreadPoolExecutor(len(parts)) as pool:
        best = min(repeated(lambda: once(pool), seconds))
    return 2 * size * np.dtype(dtype).itemsize / best / 1e9
