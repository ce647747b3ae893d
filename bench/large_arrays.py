"""Throughput far beyond the caches, as a share of what kernel and memory allow: a table of ARCHITECTURE.md.

A kernel cannot be faster there than from the L2 cache, nor than memory is for a plain scale of the same array
(NumPy's ``multiply``, a part of it on each thread). The three are timed in turns, so that a clock or a memory
that changes meanwhile changes all of them, and the median of the turns' ratios is kept. Run as a script, on a
machine that does nothing else; it takes some minutes:

    python bench/large_arrays.py
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter_ns

import numpy as np
from between_markers import heading, line, write

import fastact as fa
from fastact import catalog
from fastact.core.activation import Elementwise
from fastact.measure.machine import processor

DOCUMENT = Path(__file__).parents[1] / "ARCHITECTURE.md"
LARGE = 2**25
RESIDENT = 2**18
"""Bytes that every thread's L2 cache holds."""
TURNS = 6
GOAL = 0.9


def timed(call: Callable[[], object], calls: int = 1) -> float:
    """Nanoseconds of a call."""
    start = perf_counter_ns()
    for _ in range(calls):
        call()
    return (perf_counter_ns() - start) / calls


def share(activation: Elementwise, large: np.ndarray, threads: int, pool: ThreadPoolExecutor) -> float:
    """Throughput in place on the large array over the least that bounds it."""
    large[:] = 0
    small = np.zeros(RESIDENT // large.itemsize * threads, large.dtype)
    parts = np.array_split(large, threads)

    def scale() -> None:
        list(pool.map(lambda part: np.multiply(part, 1.0, out=part), parts))

    def turn() -> float:
        resident = min(timed(lambda: activation(small, out=small), 50) for _ in range(2)) / small.size
        beyond = timed(lambda: activation(large, out=large)) / large.size
        return max(resident, timed(scale) / large.size) / beyond

    turn()
    return median(turn() for _ in range(TURNS))


def table(threads: int) -> str:
    kernels = {row.name: fa.activations[row.name] for row in catalog.rows if not row.required}
    rows: dict[str, list[float]] = {n: [] for n, kernel in kernels.items() if isinstance(kernel, Elementwise)}
    columns = [(dtype, t) for dtype in ("float32", "float64") for t in (1, threads)]
    for dtype, t in columns:
        fa.set_num_threads(t)
        large = np.empty(LARGE, dtype)
        with ThreadPoolExecutor(t) as pool:
            for name, shares in rows.items():
                shares.append(share(kernels[name], large, t, pool))
    shares = [value for row in rows.values() for value in row]
    reached = sum(value >= GOAL for value in shares)
    lines = [
        f"Measured on {processor()} at level {fa.config()['level']}, {LARGE:,} elements: {reached} of "
        f"{len(shares)} shares are {GOAL} or above; their median is {median(shares):.2f}, "
        f"the least {min(shares):.2f}.",
        "",
        *heading(["in place"], [f"{dtype}, {t} thr." for dtype, t in columns]),
        *(line(name, *(f"{value:.2f}" for value in row)) for name, row in rows.items()),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    write(DOCUMENT, "large", table(fa.get_num_threads()))
