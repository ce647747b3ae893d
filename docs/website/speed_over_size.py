"""Speed over size: fastact, NumPy and torch, in turns, as `fastact bench --peers` times them.

Results go into another array, since that is what all of them can do; NumPy's is the best of its lines
(fastact/measure/formulas/numpy_calls.py). On one thread all three take their turns; on all threads fastact
and torch, as NumPy computes on one. A library whose result is another is not timed. docs/benchmarks.md says
the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import fastact as fa
from fastact.measure import work
from fastact.measure.peers import turns

from . import records

PACKAGES = ("numpy", "scipy", "torch")
SIZES = tuple(2**n for n in (10, 13, 16, 18, 20, 24))
QUICK_SIZES = (2**10, 2**16)
DTYPES = ("float32",)

SECONDS, ROUNDS = 0.003, 5
"""What the repetitions of one turn may take, and the turns of each: ten minutes for everything."""
QUICK_ROUNDS = 2

SHARED, TRIES = 2**18, 3
"""Where an array of that size takes several threads no less time than one, they had no processor each.

It is measured anew then, for all alike, and the fastest counts.
"""


def head(sizes: Sequence[int], quick: bool) -> records.Record:
    """What the record says of all activations."""
    return {
        "about": records.about(PACKAGES),
        "rounds": QUICK_ROUNDS if quick else ROUNDS,
        "sizes": list(sizes),
    }


def measure(
    names: Sequence[str], dtypes: Sequence[str], sizes: Sequence[int], rounds: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the record says of each of these, by `rounds` turns of each library."""
    with turns.compared(("torch", "numpy"), SECONDS, rounds) as comparison:
        for name in names:
            yield name, {"date": records.today(), **_of(name, dtypes, sizes, comparison)}


def _of(
    name: str, dtypes: Sequence[str], sizes: Sequence[int], comparison: turns.Comparison
) -> dict[str, Any]:
    """Nanoseconds per element by dtype, direction, library and threads, one for each size."""
    found: dict[str, Any] = {}
    for cell in work.cells([name], dtypes, sizes):
        lines = found.setdefault(cell.dtype, {}).setdefault(cell.direction, {})
        for who, ns in _times(replace(cell, in_place=False), comparison).items():
            line = lines.setdefault(who, [None] * len(sizes))
            line[sizes.index(cell.size)] = records.rounded([ns])[0]
    return found


def _times(cell: work.Cell, comparison: turns.Comparison) -> dict[str, float]:
    """Nanoseconds per element of each library, on one thread and on all."""
    alone = comparison.measure(cell, 1).ns_per_element
    times = {f"{library} 1": ns for library, ns in alone.items()}
    threads = fa.get_num_threads()
    if threads == 1:
        return times
    others = [worker for worker in comparison.workers if worker.name != "numpy"]
    together = turns.Comparison(others, comparison.seconds, comparison.rounds)
    for _ in range(TRIES):
        for library, ns in together.measure(cell, threads).ns_per_element.items():
            times[f"{library} all"] = min(ns, times.get(f"{library} all", ns))
        if cell.size < SHARED or all(
            times[f"{w.name} all"] < times[f"{w.name} 1"] for w in others if w.name in alone
        ):
            break
    return times
