"""Whole programs beside BLAS, by fastact on one thread, on its default threads, and without: a table of docs.

A call alone does not show what its threads do to the matrix product that follows, whose own threads want the
same processors. So steps of a training are timed (programs.py), in three processes that are all alive and
take turns of as many steps each, from the same weights; their losses must agree. ``--write`` puts the table
into docs/threads.md:

    python bench/networks.py --write
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from between_markers import heading, line, write
from programs import NumpyNetwork, ScikitLearn, Thinc

import fastact as fa
from fastact.command.arguments import new_file, whole
from fastact.measure import busy, machine, record
from fastact.measure.busy import Spread
from fastact.measure.worker import Worker, settle

DOCUMENT = Path(__file__).parents[1] / "docs" / "threads.md"
WITHOUT, ONE, DEFAULT = SIDES = ("without", "one", "default")
SHAPES = ((32, 128), (64, 256), (256, 512), (2048, 512))
"""Batch and width of the NumPy network."""
ACTIVATIONS = ("sigmoid", "tanh", "relu", "silu", "gelu")


@dataclass(frozen=True)
class Effort:
    """How long a program is measured."""

    seconds: float = 0.3
    """Of a turn, by the steps without fastact; a tenth more are not timed."""
    rounds: int = 9


WHOLE, QUICK = Effort(), Effort(seconds=0.05, rounds=3)


@dataclass(frozen=True)
class Case:
    """A program with one activation."""

    program: Any
    activation: str
    shape: tuple[int, ...] = ()

    def __str__(self) -> str:
        return described(self.program.name, self.activation, self.shape)

    @property
    def lacks(self) -> list[str]:
        """The packages that it needs and that are not installed; NumPy's gelu asks SciPy for erf."""
        needed = (*self.program.packages, *(["scipy"] if self.activation == "gelu" else []))
        return [package for package in needed if importlib.util.find_spec(package) is None]


def described(program: str, activation: str, shape: tuple[int, ...]) -> str:
    return f"{program} {activation} {by(shape)}".strip()


def by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def cases() -> Iterator[Case]:
    for activation in ACTIVATIONS:
        yield from (Case(NumpyNetwork, activation, shape) for shape in SHAPES)
    yield from (Case(ScikitLearn, activation) for activation in ScikitLearn.NAMES)
    yield from (Case(Thinc, activation) for activation in Thinc.LAYERS)


@dataclass(frozen=True)
class Measurement:
    """A program's steps on all three sides."""

    program: str
    activation: str
    shape: tuple[int, ...]
    step: dict[str, Spread]
    one_over_without: float
    default_over_without: float
    default_over_one: float

    def __str__(self) -> str:
        return described(self.program, self.activation, self.shape)


class Session:
    """A program on one side, in its own process."""

    def __init__(self, side: str, case: Case) -> None:
        if side == ONE:
            fa.set_num_threads(1)
        self.program = case.program(side != WITHOUT, case.activation, *case.shape)

    def turn(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """What each step took from the first weights on, and its losses."""
        for _ in range(1 + steps // 10):
            self.program.step()
        self.program.restart()
        taken, losses = np.empty(steps), []
        for i in range(steps):
            begin = perf_counter()
            losses.append(self.program.step())
            taken[i] = perf_counter() - begin
        settle()
        return taken, np.array(losses)


def measured(case: Case, effort: Effort) -> Measurement:
    """The three sides of a program in turns."""
    with ExitStack() as stack:
        sides = {s: stack.enter_context(closing(Worker(f"{case}, {s}", Session, s, case))) for s in SIDES}
        first, _ = sides[WITHOUT].ask("turn", 2)
        steps = max(1, round(effort.seconds / first.min()))
        taken: dict[str, list[np.ndarray]] = {side: [] for side in SIDES}
        for _ in range(effort.rounds):
            losses = {}
            for side, worker in sides.items():
                seconds, losses[side] = worker.ask("turn", steps)
                taken[side].append(seconds)
            must_agree(case, losses)
    step = {side: Spread.of(np.concatenate(turns)) for side, turns in taken.items()}
    without, one, default = (step[side].mean for side in SIDES)
    ratios = one / without, default / without, default / one
    return Measurement(case.program.name, case.activation, case.shape, step, *ratios)


def must_agree(case: Case, losses: dict[str, np.ndarray]) -> None:
    """End the run where a program has learned something else by fastact than without."""
    for side in (ONE, DEFAULT):
        if not np.allclose(losses[side], losses[WITHOUT], rtol=case.program.tolerance, atol=0):
            worst = np.abs(losses[side] / losses[WITHOUT] - 1).max()
            raise SystemExit(f"{case}, {side}: the losses differ by {worst:.2g}, relatively")


def row(m: Measurement) -> str:
    times = (f"{1e3 * m.step[side].mean:.3g} ({1e3 * m.step[side].median:.3g})" for side in SIDES)
    ratios = (f"{ratio:.2f}" for ratio in (m.one_over_without, m.default_over_without, m.default_over_one))
    return line(m.program, m.activation, by(m.shape), *times, *ratios)


def head(processes: int) -> list[str]:
    beside = f", beside {busy.processes_text(processes)}" if processes else ""
    threads = machine.threads_text(fa.get_num_threads())
    about = (
        f"Milliseconds of a step, means (medians in brackets){beside}; ratios are of the means. Measured on "
        f"{machine.processor()} at level {fa.config()['level']} with {threads}, NumPy {np.__version__} and "
        "its BLAS."
    )
    ratios = "1 thread / without", "default / without", "default / 1 thread"
    figures = ["without", "1 thread", "default", *ratios]
    return [about, "", *heading(["program", "activation", "batch × width"], figures)]


def summary(found: list[Measurement]) -> str:
    without = max(found, key=attrgetter("default_over_without"))
    one = max(found, key=attrgetter("default_over_one"))
    return (
        f"Of {len(found)} programs the slowest takes {without.default_over_without:.2f} "
        f"times as long on the default threads as without fastact ({without}), "
        f"and {one.default_over_one:.2f} times as long as on one thread ({one})."
    )


@dataclass(frozen=True)
class Table:
    """A table of a page, and how it is made of what was measured."""

    about: str
    document: Path
    name: str
    head: Callable[[int], list[str]]
    row: Callable[[Measurement], str]
    summary: Callable[[list[Measurement]], str]


def run(table: Table, cases: Iterable[Case], arguments: list[str] | None) -> None:
    """Measure the cases that the command line asks for, and print and write the table of them."""
    parser = argparse.ArgumentParser(description=table.about.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter turns")
    parser.add_argument("--busy", type=whole(0, 1024), default=0, metavar="N", help="beside N busy processes")
    parser.add_argument("--only", default="", metavar="WORDS", help="only cases that have these words")
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write what was measured to this file")
    parser.add_argument("--write", action="store_true", help=f"put the table into {table.document.name}")
    chosen = parser.parse_args(arguments)
    lines, found = table.head(chosen.busy), []
    print("\n".join(lines), flush=True)
    with busy.processes(chosen.busy):
        for case in cases:
            if chosen.only not in str(case):
                continue
            if case.lacks:
                print(f"{case} is left out: it needs {', '.join(case.lacks)}", file=sys.stderr)
                continue
            found.append(measured(case, QUICK if chosen.quick else WHOLE))
            lines.append(table.row(found[-1]))
            print(lines[-1], flush=True)
    if not found:
        raise SystemExit("nothing was measured")
    lines += ["", table.summary(found)]
    print("\n".join(lines[-2:]))
    record.write(chosen.json, found, machine=machine.processor(), **fa.config(), busy=chosen.busy)
    if chosen.write:
        write(table.document, table.name, "\n".join(lines))


def main(arguments: list[str] | None = None) -> None:
    run(Table(__doc__, DOCUMENT, "networks", head, row, summary), cases(), arguments)


if __name__ == "__main__":
    main()
