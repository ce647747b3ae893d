"""How arrays beyond the caches are gone through: each way in turns, and which one a process chose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter

import fastact as fa

from .. import _dispatch
from ..core import passing
from . import work
from .work import Cell, Measured

ACTIVATIONS = ("relu", "sigmoid", "silu", "gelu", "softmax")
SIZES = (2**24,)
TURNS = 7
FASTEST = 0.97
"""A way is as good as the fastest from so much of its speed on."""


@dataclass(frozen=True)
class Measurement(Measured):
    in_place: bool
    nanoseconds: dict[str, float]
    """Per element, of each way."""
    chosen: str
    """What the trials chose; empty where there were none."""

    @property
    def best(self) -> str:
        return min(self.nanoseconds, key=self.nanoseconds.__getitem__)

    @property
    def kept(self) -> float:
        """The speed of the chosen way beside that of the fastest; of the plain one where none was chosen."""
        return self.nanoseconds[self.best] / self.nanoseconds[self.chosen or passing.WAYS[0]]


def cells(names: Sequence[str], dtypes: Sequence[str], sizes: Sequence[int]) -> list[Cell]:
    """Each in place, where there is a place, and into another array."""
    found = work.cells(names or ACTIVATIONS, dtypes, sizes)
    return [
        replace(cell, in_place=place)
        for cell in found
        for place in (True, False)
        if cell.has_place or not place
    ]


@contextmanager
def _as_before() -> Iterator[None]:
    before = passing.fixed
    try:
        yield
    finally:
        passing.fix(before)


def measure(cell: Cell, threads: int, turns: int = TURNS) -> Measurement:
    """One cell: as many calls as a trial takes, then all ways in turns."""
    load = work.workload(cell)
    call = load.fastact()[0]

    def timed(way: str | None) -> float:
        passing.fix(way)
        load.restore()
        start = perf_counter()
        call()
        return perf_counter() - start

    with _as_before(), fa.num_threads(threads):
        for _ in range(_dispatch.TRIALS):
            timed(None)
        chosen = _chosen(cell)
        ways = passing.WAYS[:2] if cell.in_place else passing.WAYS
        rounds = [[timed(way) for way in ways] for _ in range(turns)]
    times = [median(each) / cell.size * 1e9 for each in zip(*rounds, strict=True)]
    figures = dict(zip(ways, times, strict=True))
    return Measurement.of(cell, threads, in_place=cell.in_place, nanoseconds=figures, chosen=chosen)


def _chosen(cell: Cell) -> str:
    direction = cell.saves or "forward"
    dtype = (*work.DTYPES, *work.HALVES).index(cell.dtype)
    found = _dispatch.passing_of(cell.row.name, direction, dtype, cell.in_place)
    return passing.WAYS[found["way"]] if found and found["way"] >= 0 else ""
