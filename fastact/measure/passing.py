"""How arrays beyond the caches are gone through: each way in turns, and which one a process chose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import fastact as fa

from .. import _dispatch
from ..core import passing
from . import work
from .peers import turns
from .work import Cell, Measured

ACTIVATIONS = ("relu", "sigmoid", "silu", "gelu", "softmax")
SIZES = (2**20, 2**24)
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
    return turns.cells(names or ACTIVATIONS, dtypes, sizes)


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
        timed(passing.WAYS[0])
        for _ in range(_dispatch.TRIALS):
            timed(None)
        found = _found(cell)
        ways = passing.WAYS[: len(found["loss"])] if found else passing.WAYS[:1]
        rounds = [[timed(way) for way in ways] for _ in range(turns)]
    chosen = passing.WAYS[found["way"]] if found and found["way"] >= 0 else ""
    times = [median(each) / cell.size * 1e9 for each in zip(*rounds, strict=True)]
    figures = dict(zip(ways, times, strict=True))
    return Measurement.of(cell, threads, in_place=cell.in_place, nanoseconds=figures, chosen=chosen)


def _found(cell: Cell) -> dict[str, Any] | None:
    """What the trials found of the cell's kernel."""
    dtype = (*work.DTYPES, *work.HALVES).index(cell.dtype)
    size = cell.size * np.dtype(cell.dtype).itemsize
    result = passing.IN_PLACE if cell.in_place else passing.WRITTEN
    return _dispatch.passing_of(cell.row.name, cell.saves or "forward", dtype, size, result)
