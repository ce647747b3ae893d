"""What the size of a chunk costs: fastact on dask's arrays, over sizes and schedulers; a table of docs.

An array of 2^25 float32 lies in memory, in chunks. The mean of its gelu is asked for, with each scheduler in
turn, so that a busy moment of the machine touches all; beside them the same chunks in a plain loop of calls,
and what dask takes for a task that does nothing. ``--write`` puts the table into docs/dask.md:

    python bench/chunks.py --write
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import dask
import dask.array as da
import distributed
import numpy as np
from between_markers import heading, line, write

import fastact as fa
from fastact.measure import machine

DOCUMENT = Path(__file__).parents[1] / "docs" / "dask.md"
SIZE = 2**25
CHUNKS = tuple(2**k for k in range(14, 25, 2))
HUNDRED = 100


class Sizes(NamedTuple):
    """How much is measured."""

    size: int
    chunks: tuple[int, ...]
    rounds: int


WHOLE, QUICK = Sizes(SIZE, CHUNKS, 9), Sizes(2**20, (2**14, 2**18), 2)


class Loop:
    """The chunks in a loop of calls, without dask."""

    name = "a loop"

    def asked(self, size: int, chunk: int) -> Callable[[], Any]:
        x = np.full(size, 0.5, np.float32)

        def run() -> float:
            # What dask does for a mean: new arrays, and sums in float64.
            parts = (x[first : first + chunk] for first in range(0, size, chunk))
            return sum(fa.gelu(part).sum(dtype=np.float64) for part in parts) / size

        return run


class Threads:
    """dask's threads, of which there are as many as processors."""

    name = "threads"

    def asked(self, size: int, chunk: int) -> Callable[[], Any]:
        x = da.full(size, 0.5, np.float32, chunks=chunk).persist(scheduler="threads")
        mean = fa.gelu(x).mean()
        return lambda: mean.compute(scheduler="threads")

    def idle(self, tasks: int) -> Callable[[], Any]:
        nothing = [dask.delayed(_nothing)(k, pure=False) for k in range(tasks)]
        return lambda: dask.compute(*nothing, scheduler="threads")


class Cluster:
    """Processes of one thread each, as they would be on other machines."""

    def __init__(self, processes: int, stack: ExitStack) -> None:
        self.name = f"{processes} processes"
        cluster = distributed.LocalCluster(n_workers=processes, threads_per_worker=1, dashboard_address=":0")
        self.client = stack.enter_context(distributed.Client(stack.enter_context(cluster)))

    def asked(self, size: int, chunk: int) -> Callable[[], Any]:
        x = self.client.persist(da.full(size, 0.5, np.float32, chunks=chunk))
        distributed.wait(x)
        mean = fa.gelu(x).mean()
        return lambda: self.client.compute(mean).result()

    def idle(self, tasks: int) -> Callable[[], Any]:
        nothing = [dask.delayed(_nothing)(k, pure=False) for k in range(tasks)]
        return lambda: self.client.gather(self.client.compute(nothing))


def _nothing(k: int) -> int:
    return k


def in_turns(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each, after one of each that is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            begin = perf_counter()
            run()
            if turn:
                taken[name].append(perf_counter() - begin)
    return taken


def table(sizes: Sizes, sides: list[Any]) -> list[str]:
    """The lines of the table, and below it what a task costs."""
    threads = machine.threads_text(fa.get_num_threads())
    lines = [
        f"Milliseconds for the mean of gelu of {sizes.size:,} float32 in memory, medians (means in brackets) "
        f"of {sizes.rounds} turns. Measured on {machine.processor()} at level {fa.config()['level']} with "
        f"{threads}, NumPy {np.__version__} and dask {dask.__version__}.",
        "",
        *heading([], ["elements of a chunk", "bytes", "chunks", *(side.name for side in sides)]),
    ]
    for chunk in sizes.chunks:
        runs = {side.name: side.asked(sizes.size, chunk) for side in sides}
        taken = in_turns(runs, sizes.rounds)
        cells = (
            f"{1e3 * statistics.median(t):.3g} ({1e3 * statistics.fmean(t):.3g})" for t in taken.values()
        )
        lines.append(line(f"{chunk:,}", _bytes(4 * chunk), sizes.size // chunk, *cells))
        print(lines[-1], flush=True)
    return [*lines, "", *costs(sizes, sides)]


def costs(sizes: Sizes, sides: list[Any]) -> list[str]:
    """What dask takes for a task that does nothing, and what follows for many workers."""
    tasks = sizes.size // sizes.chunks[0]
    dasks = [side for side in sides if hasattr(side, "idle")]
    taken = in_turns({side.name: side.idle(tasks) for side in dasks}, sizes.rounds)
    each = {name: statistics.median(seconds) / tasks for name, seconds in taken.items()}
    x, y = np.full(2**20, 0.5, np.float32), np.empty(2**20, np.float32)
    with fa.num_threads(1):
        (alone,) = in_turns({"gelu": lambda: fa.gelu(x, out=y)}, 9 * sizes.rounds).values()
    element = statistics.median(alone) / x.size
    scheduler = max(each.values())
    needed = HUNDRED * scheduler / element
    return [
        "A task that does nothing takes "
        + " and ".join(f"{1e6 * seconds:.0f} µs with {name}" for name, seconds in each.items())
        + f", and gelu {1e9 * element:.2f} ns an element on one thread.",
        "",
        f"One scheduler that hands out a task every {1e6 * scheduler:.0f} µs keeps {HUNDRED} threads of "
        f"workers busy where a task takes at least {1e3 * HUNDRED * scheduler:.0f} ms: {needed:.1e} elements "
        f"of one gelu, {_bytes(4 * needed)} of float32; a tenth of that where ten such steps are one task.",
    ]


def _bytes(number: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a smaller array, fewer turns")
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT.name}")
    chosen = parser.parse_args(arguments)
    with ExitStack() as stack:
        sides = [Loop(), Threads(), Cluster(max(2, fa.get_num_threads()), stack)]
        lines = table(QUICK if chosen.quick else WHOLE, sides)
    print("\n".join(lines))
    if chosen.write:
        write(DOCUMENT, "chunks", "\n".join(lines))


if __name__ == "__main__":
    main()
