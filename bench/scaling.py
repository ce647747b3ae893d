"""Throughput over threads and array size: the model of ``fastact.measure.scaling``, checked on this machine.

A kernel's cost per element from the L1 cache, the memory's bandwidth for one thread and for all, and what a
parallel region costs are each measured by themselves, on something else than what the model then predicts;
and then it is asked about a server with more. The tables of docs/threads.md. Run as a script, on a machine
that does nothing else:

    python bench/scaling.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from between_markers import heading, line, write

import fastact as fa
from fastact.measure.clock import fastest
from fastact.measure.machine import processor
from fastact.measure.scaling import Memory, nanoseconds

DOCUMENT = Path(__file__).parents[1] / "docs" / "threads.md"
SMALL, MIDDLE, LARGE = 2**12, 2**18, 2**24
KERNELS = ("relu", "tanh", "silu", "swish")
SUPPOSED = (1, 2, 4, 8, 16, 32, 64, 128)
"""Threads for which the model is asked."""
NODE = 200.0
"""GB/s of each node of the server that the model is asked about: eight channels of DDR4-3200."""
NODES = 2
BYTES = 8
"""In place a float32 is read and written."""


def timed(name: str, size: int, threads: int) -> float:
    """Nanoseconds of the fastest of many calls in place; 0 stays 0 in every kernel above."""
    x = np.zeros(size, np.float32)
    activation = fa.activations[name]
    fa.set_num_threads(threads)
    return 1e9 * fastest([lambda: activation(x, out=x)], lambda: None, seconds=1.0)


def cost(name: str) -> float:
    """Nanoseconds per element from the L1 cache; the call itself drops out of the difference."""
    return (timed(name, SMALL, 1) - timed(name, SMALL // 4, 1)) / (SMALL - SMALL // 4)


def bandwidth(threads: int) -> float:
    """Bytes per nanosecond of the lightest kernel in place, far beyond the caches."""
    return LARGE * BYTES / timed("relu", LARGE, threads)


def region(costs: dict[str, float], threads: int) -> float:
    """What sharing adds to a call: the time of one with threads that is not its share of the work."""
    size, name = 2**16, "swish"
    return max(0.0, timed(name, size, threads) - size * costs[name] / threads)


def predicted(size: int, threads: int, c: float, bytes_per_ns: float, r: float) -> float:
    """Nanoseconds of a call; only an array beyond the caches waits for the memory."""
    memory = Memory(bytes_per_ns, bytes_per_ns)
    return nanoseconds(size, threads, c, BYTES if size == LARGE else 0, memory, region=r)


def measured_tables(threads: int) -> str:
    costs = {name: cost(name) for name in KERNELS}
    bandwidths = {t: bandwidth(t) for t in (1, threads)}
    r = region(costs, threads)
    lines = [
        f"Measured on {processor()} at level {fa.config()['level']} with {threads} threads: a parallel "
        f"region costs {r / 1000:.1f} µs; memory gives one thread {bandwidths[1]:.1f} GB/s and all of them "
        f"{bandwidths[threads]:.1f} GB/s.",
        "",
        *heading(
            ["float32, in place"],
            ["elements", "threads", "predicted, G/s", "measured, G/s", "measured / predicted"],
        ),
    ]
    for name in KERNELS:
        for size in (MIDDLE, LARGE):
            for t in (1, threads):
                model = size / predicted(size, t, costs[name], bandwidths[t], r)
                actual = size / timed(name, size, t)
                figures = (f"{figure:.2f}" for figure in (model, actual, actual / model))
                lines.append(line(name, f"{size:,}", t, *figures))
    memory = Memory(bandwidths[1], NODE, NODES)
    lines += [
        "",
        f"With these costs, what the model says of a server of {NODES} nodes with {NODE:.0f} GB/s of memory "
        f"each (one thread {bandwidths[1]:.1f} of them), {LARGE:,} elements, G/s:",
        "",
        *heading(["float32, in place", "pages touched first"], [f"{t} thr." for t in SUPPOSED]),
    ]
    for name in KERNELS:
        for by, own in (("by one thread", False), ("by those that compute", True)):
            times = (nanoseconds(LARGE, t, costs[name], BYTES, memory, own, region=r) for t in SUPPOSED)
            lines.append(line(name, by, *(f"{LARGE / time:.1f}" for time in times)))
    return "\n".join(lines)


if __name__ == "__main__":
    write(DOCUMENT, "scaling", measured_tables(fa.get_num_threads()))
