"""What streaming a result costs whoever reads it next: a table of ARCHITECTURE.md.

relu into another array and then a reader of that array, each timed, for each way to go through arrays, in
turns; the medians. A trial of the kernel alone would stream results of any size beyond a core's cache. Run as
a script, on a machine that does nothing else:

    python bench/read_next.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from between_markers import heading, line, write
from threadpoolctl import threadpool_limits

import fastact as fa
from fastact.core import passing
from fastact.measure.machine import processor

DOCUMENT = Path(__file__).parents[1] / "ARCHITECTURE.md"
SIZES = tuple(2**k for k in range(20, 25))
TURNS = 15
COMPARED = ("plain", "ahead", "ahead+streamed")


def readers(y: np.ndarray) -> dict[str, Callable[[], object]]:
    """What reads y: a sum, a pass into a third array, a product with a narrow matrix."""
    z, rows = np.empty_like(y), y.reshape(-1, 1024)
    weight, product = np.ones((1024, 64), np.float32), np.empty((len(rows), 64), np.float32)
    return {
        "sum": y.sum,
        "multiply": lambda: np.multiply(y, 2, out=z),
        "matmul": lambda: np.matmul(rows, weight, out=product),
    }


def microseconds(size: int) -> dict[str, dict[str, tuple[float, float]]]:
    """Of relu and of each reader, by reader and way."""
    x = np.random.default_rng(0).standard_normal(size, dtype=np.float32)
    y = np.empty_like(x)
    found = {}
    for name, read in readers(y).items():
        times: dict[str, list[tuple[float, float]]] = {way: [] for way in COMPARED}
        for _ in range(TURNS):
            for way, taken in times.items():
                passing.fix(way)
                fa.relu(x, out=y)
                read()
                start = perf_counter()
                fa.relu(x, out=y)
                middle = perf_counter()
                read()
                taken.append((middle - start, perf_counter() - middle))
        found[name] = {
            way: tuple(median(part) * 1e6 for part in zip(*taken, strict=True))
            for way, taken in times.items()
        }
    return found


def table() -> str:
    """One line for each size and reader."""
    lines = [f"Measured on {processor()} at level {fa.config()['level']}, float32, one thread:", ""]
    lines += heading(["result", "reader"], [f"{way}, us" for way in COMPARED])
    for size in SIZES:
        for name, ways in microseconds(size).items():
            figures = [f"{own:,.0f} + {next_:,.0f} = {own + next_:,.0f}" for own, next_ in ways.values()]
            lines.append(line(f"{size * 4 >> 20} MB", name, *figures))
    return "\n".join(lines)


if __name__ == "__main__":
    with fa.num_threads(1), threadpool_limits(1):
        write(DOCUMENT, "read next", table())
