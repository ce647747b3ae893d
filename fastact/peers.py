"""fastact beside other libraries: each in a process of its own, timed in turn.

Two OpenMP runtimes in one process disturb each other, so every library, fastact too, has a worker process
that is told over a pipe what to prepare and when to run. One works while the others wait. In a round each
library has one turn; a speed-up is the median over the rounds of the quotient within a round, so that what
disturbs the machine for longer than a round disturbs both sides alike.
"""

from __future__ import annotations

import importlib.util
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter, process_time, sleep
from typing import Any

import numpy as np

import fastact as fa

from . import bench
from .bench import Cell, geometric_mean
from .libraries import LIBRARIES, NEW_ARRAY, as_array

SIZES = (2**4, 2**10, 2**14, 2**18, 2**23, 2**25)
QUICK_SIZES = (2**10, 2**18)

SECONDS, ROUNDS = 0.005, 7
"""What the repetitions of one turn may take, and the turns of each library."""
QUICK_SECONDS, QUICK_ROUNDS = 0.003, 5

FAR_BEHIND, ROUNDS_FOR_ALL = 3.0, 2
"""A library that takes this many times fastact's time has no more than those turns: the ratio is clear."""

LONG, LONG_ROUNDS = 3.0, 3
"""Seconds after which a cell, of a large array, has no further round than those."""

SETTLE, SETTLE_MOST = 0.002, 0.1
"""Seconds without work after which a library's threads are asked whether they still spin; how often at most.

They do so for milliseconds after a call, and would disturb the next turn. To forbid it (OMP_WAIT_POLICY)
would measure what nobody runs.
"""

WAKING = 0.03
"""Seconds that a library of several threads runs before it is timed.

Threads that slept may be woken on one processor, and the scheduler takes some milliseconds to part them:
until then every call takes as long as its turns do, 15 ms for what takes 0.05.
"""

CHECKED = 2**20
"""Elements compared with fastact's at a time."""

SAME = 3e-4
"""Relative difference up to which two results are of the same function.

It tells gelu from its tanh form, but not a parameter in float64 from one in float32, as ONNX has them.
"""

NOISE = 0.95
"""What a ratio of 1 may be measured as."""


def cells(
    activations: Sequence[str] = (), dtypes: Sequence[str] = bench.DTYPES, sizes: Sequence[int] = SIZES
) -> list[Cell]:
    """The cells of a run: those of `bench`, each in place and into another array."""
    return [
        Cell(cell.row, cell.direction, cell.dtype, cell.size, in_place)
        for cell in bench.cells(activations, dtypes, sizes)
        for in_place in (True, False)
        if not in_place or cell.direction == "backward" or not cell.row.shape.shrinks
    ]


@dataclass(frozen=True)
class Run:
    """What is measured, and how long."""

    cells: list[Cell]
    threads: Sequence[int]
    seconds: float = SECONDS
    rounds: int = ROUNDS

    @classmethod
    def chosen(
        cls,
        activations: Sequence[str] = (),
        dtypes: Sequence[str] = bench.DTYPES,
        sizes: Sequence[int] | None = None,
        threads: Sequence[int] | None = None,
        quick: bool = False,
    ) -> Run:
        """A run over what is named; what is not is everything, or with `quick` a part that stands for it."""
        everything = sorted({1, fa.get_num_threads()})
        if quick:
            few = cells(activations, dtypes, sizes or QUICK_SIZES)
            return cls(few, threads or everything[-1:], QUICK_SECONDS, QUICK_ROUNDS)
        return cls(cells(activations, dtypes, sizes or SIZES), threads or everything)

    def steps(self) -> Iterator[tuple[Cell, int]]:
        return ((cell, threads) for cell in self.cells for threads in self.threads)


def limits(run: Run) -> list[dict[str, Any]]:
    """GB/s of a plain scale in place, for each dtype, size and thread count of a run."""
    scale = bench.Comparison(run.threads, run.seconds).scale
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
class Prepared:
    """What a library answers to a cell."""

    able: bool
    reason: str = ""
    """Why it takes no part: it has no such form, or disagrees."""
    disagrees: bool = False


@dataclass(frozen=True)
class Measurement:
    """One cell on one number of threads: every library that took part in it."""

    activation: str
    direction: str
    saves: str
    dtype: str
    size: int
    threads: int
    in_place: bool
    ns_per_element: dict[str, float]
    form: dict[str, str]
    speedup: dict[str, float]
    """Of fastact over each peer."""
    disagrees: dict[str, str] = field(default_factory=dict)
    """Peers whose result is another; they were not timed."""
    absent: dict[str, str] = field(default_factory=dict)
    """Peers that do not have it, and why."""

    @property
    def best_peer(self) -> str:
        return min(self.speedup, key=self.speedup.__getitem__, default="")

    def __str__(self) -> str:
        place = "in place" if self.in_place else "out"
        direction = f"{self.direction} {self.saves}=" if self.saves else self.direction
        return f"{self.activation} {direction} {place} {self.dtype}"


class Session:
    """The work of one library in its own process."""

    def __init__(self, library: str) -> None:
        self.library = LIBRARIES[library]()
        self.name = library
        self.cell: Cell | None = None
        self.forms: list[Any] = []

    def prepare(self, cell: Cell, threads: int) -> Prepared:
        """Make the arrays and keep the forms that run and agree with fastact."""
        # fastact's share in a peer's process, making and checking arrays, starts no threads.
        fa.set_num_threads(threads if self.name == "fastact" else 1)
        self.threads = threads
        self.library.set_threads(threads)
        bench.name_to_numpy(cell.dtype)
        if cell != self.cell:
            self.forms.clear()
            self.cell, self.work = cell, bench.Workload(cell)
            self.expected = self.work.expected()
        self.forms, wrong, reason = [], "", "it has no such form"
        try:
            for form, calls in self.library.forms(self.work):
                if cell.in_place and form == NEW_ARRAY:
                    continue
                try:
                    difference = self._difference(form, calls)
                # Whatever a library raises where it does not have something.
                except Exception as error:
                    reason = _first_line(error)
                    continue
                wrong = wrong or difference
                if not difference:
                    self.forms.append((form, calls))
        except Exception as error:
            reason = _first_line(error)
        if self.forms:
            return Prepared(True)
        if wrong and cell.in_place:
            # An output that is an input too may be more than a library allows; what it computes is
            # judged by the cell that has another output.
            return Prepared(False, f"not in place: {wrong}")
        return Prepared(False, wrong or reason, disagrees=bool(wrong))

    def _difference(self, form: str, calls: Sequence[Any]) -> str:
        """In what the first call's result differs from fastact's, nothing where it does not."""
        self.work.restore()
        returned = calls[0]()
        _, out = next(self.work.calls_on())
        if form == NEW_ARRAY:
            out = as_array(returned, self.expected.dtype)
        if (out.shape, out.dtype) != (self.expected.shape, self.expected.dtype):
            return f"{out.dtype}{list(out.shape)} is not {self.expected.dtype}{list(self.expected.shape)}"
        eps = float(np.spacing(out.dtype.type(1)))
        got, expected = out.reshape(-1), self.expected.reshape(-1)
        for part in (slice(i, i + CHECKED) for i in range(0, out.size, CHECKED)):
            wide = got[part].astype(np.float64), expected[part].astype(np.float64)
            close = np.isclose(*wide, rtol=max(SAME, 4 * eps), atol=64 * eps)
            if not close.all():
                k = int(np.argmin(close))
                return f"{got[part][k]} instead of {expected[part][k]}"
        return ""

    def choose(self, seconds: float) -> str:
        """Run every form, keep the fastest, and say which it is."""
        self._wake()
        taken = [bench.fastest(calls, self.work.restore, seconds) for _, calls in self.forms]
        self.forms = [self.forms[int(np.argmin(taken))]]
        self._settle()
        return self.forms[0][0]

    def turn(self, seconds: float) -> float:
        """Seconds of a call."""
        self._wake()
        taken = bench.fastest(self.forms[0][1], self.work.restore, seconds)
        self._settle()
        return taken

    def _wake(self) -> None:
        """Keep the library's threads busy until each has a processor."""
        begin = perf_counter()
        while self.threads > 1 and perf_counter() - begin < WAKING:
            bench.fastest(self.forms[0][1], self.work.restore, 0.0)

    def _settle(self) -> None:
        """Wait until the library's threads sleep."""
        for _ in range(int(SETTLE_MOST / SETTLE) if self.threads > 1 else 0):
            before = process_time()
            sleep(SETTLE)
            if process_time() - before < SETTLE / 4:
                return


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def serve(library: str, connection: Connection) -> None:
    """What a worker's process runs: methods of its session, as they are asked for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    session = Session(library)
    while True:
        try:
            method, *arguments = connection.recv()
        except EOFError:
            return
        connection.send(getattr(session, method)(*arguments))


class Worker:
    """A library's process, seen from the one that compares."""

    def __init__(self, library: str) -> None:
        context = get_context("spawn")
        self.library, (self.connection, end) = library, context.Pipe()
        self.process = context.Process(target=serve, args=(library, end), daemon=True)
        self.process.start()
        end.close()

    def tell(self, method: str, *arguments: Any) -> None:
        self.connection.send((method, *arguments))

    def answer(self) -> Any:
        try:
            return self.connection.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            raise WorkerEnded(
                f"the process of {self.library} ended with exit code {self.process.exitcode}"
            ) from None

    def ask(self, method: str, *arguments: Any) -> Any:
        self.tell(method, *arguments)
        return self.answer()

    def close(self) -> None:
        self.connection.close()
        self.process.join(timeout=10)
        self.process.kill()


class WorkerEnded(RuntimeError):
    """A library's process ended before it answered: it crashed, or memory did not suffice."""


class Comparison:
    """A run over cells."""

    def __init__(self, workers: Sequence[Worker], seconds: float = SECONDS, rounds: int = ROUNDS) -> None:
        self.workers, self.seconds, self.rounds = workers, seconds, rounds

    def measure(self, cell: Cell, threads: int) -> Measurement:
        for worker in self.workers:
            worker.tell("prepare", cell, threads)
        prepared = {worker: worker.answer() for worker in self.workers}
        able = [worker for worker, answer in prepared.items() if answer.able]
        form = {worker.library: worker.ask("choose", self.seconds) for worker in able}
        taken = self._rounds(able)
        own = taken["fastact"]
        return Measurement(
            activation=cell.row.name,
            direction=cell.direction,
            saves=cell.saves if cell.direction == "backward" else "",
            dtype=cell.dtype,
            size=cell.size,
            threads=threads,
            in_place=cell.in_place,
            ns_per_element={name: median(times) / cell.size * 1e9 for name, times in taken.items()},
            form=form,
            speedup={name: speedup(own, times) for name, times in taken.items() if name != "fastact"},
            disagrees={w.library: answer.reason for w, answer in prepared.items() if answer.disagrees},
            absent={
                w.library: answer.reason
                for w, answer in prepared.items()
                if not answer.able and not answer.disagrees
            },
        )

    def _rounds(self, able: Sequence[Worker]) -> dict[str, list[float]]:
        """Seconds of a call in each turn; a library far behind has only the first turns."""
        taken: dict[str, list[float]] = {worker.library: [] for worker in able}
        begin = perf_counter()
        for turn in range(self.rounds):
            if turn == ROUNDS_FOR_ALL:
                own = taken["fastact"]
                able = [w for w in able if speedup(own, taken[w.library]) < FAR_BEHIND]
            if turn >= LONG_ROUNDS and perf_counter() - begin > LONG:
                break
            for worker in able:
                taken[worker.library].append(worker.ask("turn", self.seconds))
        return taken


def speedup(own: Sequence[float], other: Sequence[float]) -> float:
    """Median quotient of turns in the same round."""
    return median(theirs / ours for ours, theirs in zip(own, other, strict=False))


@contextmanager
def compared(peers: Sequence[str], seconds: float = SECONDS, rounds: int = ROUNDS) -> Iterator[Comparison]:
    """A comparison whose processes last for the ``with`` block."""
    workers: list[Worker] = []
    try:
        workers += (Worker(library) for library in ("fastact", *peers))
        yield Comparison(workers, seconds, rounds)
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


def summary(measured: Sequence[Measurement], worst: int = 5) -> Summary | None:
    """The summary of a run; None where no peer took part in any cell."""
    compared = sorted((m for m in measured if m.speedup), key=lambda m: m.speedup[m.best_peer])
    if not compared:
        return None
    best = [m.speedup[m.best_peer] for m in compared]
    names = dict.fromkeys(name for m in compared for name in m.speedup)
    return Summary(
        cells=len(compared),
        over_best=geometric_mean(best),
        over={
            name: geometric_mean([m.speedup[name] for m in compared if name in m.speedup]) for name in names
        },
        below_one=sum(value < 1 for value in best),
        below_noise=sum(value < NOISE for value in best),
        worst=compared[:worst],
    )
