"""fastact beside other libraries: each in a process of its own, timed in turn.

Two OpenMP runtimes in one process disturb each other, so every library, fastact too, has a worker process
that is told over a pipe what to prepare and when to run. One works while the others wait. In a round each
library has one turn; a speed-up is the median over the rounds of the quotient within a round, so that what
disturbs the machine for longer than a round disturbs both sides alike.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from statistics import geometric_mean, median
from time import perf_counter
from typing import Any

import fastact as fa

from .. import speed, work
from ..work import Cell, Measured
from ..worker import Worker
from .libraries import LIBRARIES
from .session import Session

SIZES = (2**4, 2**10, 2**14, 2**18, 2**23, 2**25)
QUICK_SIZES = (2**10, 2**18)

CHOSEN = (
    "sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "silu", "gelu", "gelu_tanh", "mish",
    "hardswish", "softmax", "log_softmax",
)  # fmt: skip
CHOSEN_SIZES = (2**10, 2**18, 2**23)
"""What stands for everything where nothing is named: one size for each place that an array may lie in."""

WITHIN = 600.0
"""Seconds after which a run over what was chosen begins no further cell."""

PEERS_AT = {"v3": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}}
"""Variables by which peers keep to a level, as they would on a processor that has no higher one: of these
torch alone can be told, and oneDNN inside it, which computes torch's gelu of large arrays."""

SECONDS, ROUNDS = 0.005, 7
"""What the repetitions of one turn may take, and the turns of each library."""
QUICK_SECONDS, QUICK_ROUNDS = 0.003, 5

FAR_BEHIND, ROUNDS_FOR_ALL = 3.0, 2
"""A library that takes this many times fastact's time has no more than those turns: the ratio is clear."""

LONG, LONG_ROUNDS = 3.0, 3
"""Seconds after which a cell, of a large array, has no further round than those."""

NOISE = 0.95
"""What a ratio of 1 may be measured as."""


def cells(
    activations: Sequence[str] = (), dtypes: Sequence[str] = work.DTYPES, sizes: Sequence[int] = SIZES
) -> list[Cell]:
    """The cells of a run: those of `work`, each in place and into another array."""
    return [
        Cell(cell.row, cell.direction, cell.dtype, cell.size, in_place)
        for cell in work.cells(activations, dtypes, sizes)
        for in_place in (True, False)
        if not in_place or cell.has_place
    ]


@dataclass(frozen=True)
class Run:
    """What is measured, and how long."""

    cells: list[Cell]
    threads: Sequence[int]
    seconds: float = SECONDS
    rounds: int = ROUNDS
    within: float | None = None
    """Seconds that the whole run may take; what is not begun by then is left out."""
    levels: Sequence[str] = ()
    """CPU levels, each in processes of its own; where none is named, the one at hand."""

    @classmethod
    def chosen(
        cls,
        activations: Sequence[str] = (),
        dtypes: Sequence[str] = work.DTYPES,
        sizes: Sequence[int] | None = None,
        threads: Sequence[int] | None = None,
        quick: bool = False,
        full: bool = False,
    ) -> Run:
        """A run over what is named; what is not is a part that stands for everything, or with `full` that."""
        everything = sorted({1, fa.get_num_threads()})
        if quick:
            few = cells(activations, dtypes, sizes or QUICK_SIZES)
            return cls(few, threads or everything[-1:], QUICK_SECONDS, QUICK_ROUNDS)
        if full:
            whole = cells(activations, dtypes, sizes or SIZES)
            return cls(whole, threads or everything, levels=levels_at_hand())
        chosen = cells(activations or CHOSEN, dtypes, sizes or CHOSEN_SIZES)
        within = None if activations or sizes else WITHIN
        return cls(chosen, threads or everything[-1:], QUICK_SECONDS, QUICK_ROUNDS, within, levels_at_hand())

    def steps(self) -> Iterator[tuple[Cell, int]]:
        return ((cell, threads) for cell in self.cells for threads in self.threads)


def levels_at_hand() -> list[str]:
    """The level in use, and v3 where that is a lower one."""
    built = fa.config()
    return [built["level"], *(["v3"] if built["level"] == "v4" and "v3" in built["levels"] else [])]


def limits(run: Run) -> list[dict[str, Any]]:
    """GB/s of a plain scale in place, for each dtype, size and thread count of a run."""
    scale = speed.Comparison(run.threads, run.seconds).scale
    kinds = dict.fromkeys((cell.dtype, cell.size, threads) for cell, threads in run.steps())
    return [
        {"dtype": dtype, "size": size, "threads": threads, "gb_per_s": scale(dtype, size, threads)}
        for dtype, size, threads in kinds
    ]


def versions(peers: Sequence[str]) -> dict[str, str]:
    return {peer: metadata.version(peer) for peer in peers}


def missing(peers: Sequence[str]) -> list[str]:
    """The packages that these peers need and that are not installed."""
    needed = dict.fromkeys(package for peer in peers for package in LIBRARIES[peer].packages)
    return [package for package in needed if importlib.util.find_spec(package) is None]


@dataclass(frozen=True)
class Measurement(Measured):
    """One cell on one number of threads: every library that took part in it."""

    in_place: bool
    ns_per_element: dict[str, float]
    form: dict[str, str]
    speedup: dict[str, float]
    """Of fastact over each peer."""
    disagrees: dict[str, str] = field(default_factory=dict)
    """Peers whose result is another; they were not timed."""
    absent: dict[str, str] = field(default_factory=dict)
    """Peers that do not have it, and why."""
    level: str = ""
    error: dict[str, float] = field(default_factory=dict)
    """The largest error of each library, in the contract's units, over a sample of its own."""

    @property
    def best_peer(self) -> str:
        return min(self.speedup, key=self.speedup.__getitem__, default="")

    def __str__(self) -> str:
        place = "in place" if self.in_place else "out"
        return f"{self.activation} {self.call} {place} {self.dtype}"


class Comparison:
    """A run over cells."""

    def __init__(
        self, workers: Sequence[Worker], seconds: float = SECONDS, rounds: int = ROUNDS, level: str = ""
    ) -> None:
        self.workers, self.seconds, self.rounds, self.level = workers, seconds, rounds, level

    def measure(self, cell: Cell, threads: int) -> Measurement:
        # fastact alone: its first calls find out what threads and ways through memory are worth here.
        first, *peers = self.workers
        for worker in peers:
            worker.tell("prepare", cell, threads)
        answers = {worker: worker.answer() for worker in peers}
        prepared = {first: first.ask("prepare", cell, threads), **answers}
        able = [worker for worker, answer in prepared.items() if answer.able]
        out = {worker: answer for worker, answer in prepared.items() if not answer.able}
        form = {worker.name: worker.ask("choose", self.seconds) for worker in able}
        taken = self._rounds(able)
        # Behind the turns, which it must not disturb.
        error = {worker.name: worker.ask("error") for worker in able}
        own = taken["fastact"]
        return Measurement.of(
            cell,
            threads,
            in_place=cell.in_place,
            ns_per_element={name: median(times) / cell.size * 1e9 for name, times in taken.items()},
            form=form,
            speedup={name: speedup(own, times) for name, times in taken.items() if name != "fastact"},
            disagrees={worker.name: why.reason for worker, why in out.items() if why.disagrees},
            absent={worker.name: why.reason for worker, why in out.items() if not why.disagrees},
            level=self.level,
            error={name: found for name, found in error.items() if found is not None},
        )

    def _rounds(self, able: Sequence[Worker]) -> dict[str, list[float]]:
        """Seconds of a call in each turn; a library far behind has only the first turns."""
        taken: dict[str, list[float]] = {worker.name: [] for worker in able}
        begin = perf_counter()
        for turn in range(self.rounds):
            if turn == ROUNDS_FOR_ALL:
                own = taken["fastact"]
                able = [w for w in able if speedup(own, taken[w.name]) < FAR_BEHIND]
            if turn >= LONG_ROUNDS and perf_counter() - begin > LONG:
                break
            for worker in able:
                taken[worker.name].append(worker.ask("turn", self.seconds))
        return taken


def speedup(own: Sequence[float], other: Sequence[float]) -> float:
    """Median quotient of turns in the same round."""
    return median(theirs / ours for ours, theirs in zip(own, other, strict=False))


@contextmanager
def compared(
    peers: Sequence[str], seconds: float = SECONDS, rounds: int = ROUNDS, level: str = ""
) -> Iterator[Comparison]:
    """A comparison whose processes last for the ``with`` block, at a CPU level or the one at hand."""
    variables = {"FASTACT_CPU": level, **PEERS_AT.get(level, {})} if level else {}
    workers: list[Worker] = []
    try:
        workers += (Worker(library, Session, library, variables=variables) for library in ("fastact", *peers))
        yield Comparison(workers, seconds, rounds, level or fa.config()["level"])
    finally:
        for worker in workers:
            worker.close()


@dataclass(frozen=True)
class Summary:
    """What a run says as a whole."""

    cells: int
    """Those in which a peer took part."""
    over_best: float
    """Geometric mean of the speed-up over the best peer of each cell."""
    over: dict[str, float]
    """Geometric mean of the speed-up over each peer, where it took part."""
    below_one: int
    below_noise: int
    worst: list[Measurement]
    """Those below 1, and in any case a few."""


def summary(measured: Sequence[Measurement], worst: int = 5) -> Summary | None:
    """The summary of a run; None where no peer took part in any cell."""
    compared = sorted((m for m in measured if m.speedup), key=lambda m: m.speedup[m.best_peer])
    if not compared:
        return None
    best = [m.speedup[m.best_peer] for m in compared]
    below_one = sum(value < 1 for value in best)
    names = dict.fromkeys(name for m in compared for name in m.speedup)
    return Summary(
        cells=len(compared),
        over_best=geometric_mean(best),
        over={n: geometric_mean([m.speedup[n] for m in compared if n in m.speedup]) for n in names},
        below_one=below_one,
        below_noise=sum(value < NOISE for value in best),
        worst=compared[: max(worst, below_one)],
    )
