"""The default threads against one, beside processes that keep the processors busy.

A call waits for the last of its threads, which other work may have pushed aside. What that costs is in the
mean over many calls, not in the fastest one. One process calls on the threads that fastact chooses, another
on one thread; both live all the time, since what fastact learns of a machine it keeps in a process, and take
turns, so that what else the machine does disturbs both alike. Calls are in place, and their input is restored
before each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import geometric_mean
from threading import Thread
from time import perf_counter

import numpy as np

import fastact as fa

from . import work
from .work import Cell, Measured
from .worker import Worker, settle

ACTIVATIONS = ("relu", "sigmoid", "tanh", "silu", "gelu", "softmax")
"""From the lightest kernel to one whose threads meet twice in a call."""
DTYPES = ("float32",)
SIZES = (2**14, 2**16, 2**18, 2**20, 2**23)

PROMISE = 1.15
"""What the default threads may take at most, in the time of one."""

WARM = 0.03
"""Seconds of calls before those that are timed.

Threads that slept through the other side's turn are parted by the scheduler after some milliseconds only;
calls without turns do not meet that.
"""

MOST = 20.0
"""Seconds after which a side is measured no more, however few its calls were."""


@dataclass(frozen=True)
class Effort:
    """How long each side of a cell is measured: until its calls and the seconds in them both suffice."""

    seconds: float = 1.0
    """A process pushed aside waits for milliseconds; a mean of many such waits is good to a twentieth."""
    calls: int = 200
    turn: float = 0.1
    """Seconds of a turn, in which there is always one call."""


WHOLE, QUICK = Effort(), Effort(seconds=0.1, calls=30, turn=0.04)


@dataclass(frozen=True)
class Spread:
    """What the calls of one side took, in seconds."""

    calls: int
    mean: float
    median: float
    high: float
    """The 95th percentile."""

    @classmethod
    def of(cls, taken: np.ndarray) -> Spread:
        median, high = np.percentile(taken, [50, 95])
        return cls(taken.size, float(taken.mean()), float(median), float(high))


@dataclass(frozen=True)
class Measurement(Measured):
    """One cell on one thread and on the default number of them, which is `threads`."""

    one: Spread
    default: Spread
    ratio: float
    """Of the means: above 1 the threads have lost."""


class Session:
    """One side in its own process."""

    def __init__(self, threads: int | None) -> None:
        if threads:
            fa.set_num_threads(threads)

    def prepare(self, cell: Cell) -> int:
        """Make the arrays, and say on how many threads they will be computed at most."""
        work.name_to_numpy(cell.dtype)
        self.work = work.workload(cell)
        self.calls = self.work.fastact()
        return fa.get_num_threads()

    def turn(self, seconds: float) -> np.ndarray:
        """What each call took in a turn of so many seconds."""
        self._calls(WARM)
        taken = self._calls(seconds)
        settle()
        return np.array(taken)

    def _calls(self, seconds: float) -> list[float]:
        taken, end = [], perf_counter() + seconds
        while not taken or perf_counter() < end:
            self.work.restore()
            for call in self.calls:
                begin = perf_counter()
                call()
                taken.append(perf_counter() - begin)
        return taken


class Busy:
    """What keeps a processor busy, never asleep, as long as its process lives."""

    def compute(self) -> None:
        # The process's own thread waits for the end of its pipe meanwhile, and ends them both.
        Thread(target=self._forever, daemon=True).start()

    @staticmethod
    def _forever() -> None:
        x = np.ones(2**12)
        while True:
            np.multiply(x, 1.0, out=x)


@contextmanager
def processes(count: int) -> Iterator[list[Worker]]:
    """So many busy processes, each of them at work, until the ``with`` block ends."""
    with ExitStack() as stack:
        found = [_entered(stack, Worker(f"busy process {i}", Busy)) for i in range(1, count + 1)]
        for worker in found:
            worker.ask("compute")
        yield found


def processes_text(count: int) -> str:
    return f"{count} busy process{'' if count == 1 else 'es'}"


class Comparison:
    """A run over cells."""

    def __init__(self, one: Worker, default: Worker, effort: Effort = WHOLE) -> None:
        self.one, self.default, self.effort = one, default, effort

    def measure(self, cell: Cell) -> Measurement:
        sides = self.one, self.default
        for worker in sides:
            worker.tell("prepare", cell)
        _, threads = (worker.answer() for worker in sides)
        taken: dict[Worker, list[np.ndarray]] = {worker: [] for worker in sides}
        for worker in sides:
            worker.ask("turn", 0.0)
        while not all(self._enough(turns) for turns in taken.values()):
            for worker, turns in taken.items():
                turns.append(worker.ask("turn", self.effort.turn))
        one, default = (Spread.of(np.concatenate(turns)) for turns in taken.values())
        return Measurement.of(cell, threads, one=one, default=default, ratio=default.mean / one.mean)

    def _enough(self, turns: Sequence[np.ndarray]) -> bool:
        seconds = sum(float(turn.sum()) for turn in turns)
        calls = sum(turn.size for turn in turns)
        return seconds > MOST or (seconds >= self.effort.seconds and calls >= self.effort.calls)


@contextmanager
def compared(busy: int, effort: Effort = WHOLE) -> Iterator[Comparison]:
    """A comparison beside so many busy processes, which last for the ``with`` block, as its own two do."""
    with ExitStack() as stack:
        one = _entered(stack, Worker("one thread", Session, 1))
        default = _entered(stack, Worker("the default threads", Session, None))
        stack.enter_context(processes(busy))
        yield Comparison(one, default, effort)


def _entered(stack: ExitStack, worker: Worker) -> Worker:
    stack.callback(worker.close)
    return worker


@dataclass(frozen=True)
class Summary:
    """What a run says as a whole."""

    cells: int
    mean: float
    """Geometric mean of the ratios."""
    beyond: int
    """Cells above what is promised."""
    worst: list[Measurement]


def summary(measured: Sequence[Measurement], worst: int = 3) -> Summary:
    """The summary of a run."""
    ratios = [m.ratio for m in measured]
    beyond = sum(ratio > PROMISE for ratio in ratios)
    found = sorted(measured, key=lambda m: m.ratio, reverse=True)[:worst]
    return Summary(len(measured), geometric_mean(ratios), beyond, found)
