"""``fastact bench --peers``: the progress of a run, its table, its summary and its pictures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.progress import TimeRemainingColumn
from rich.table import Table

import fastact as fa

from ..measure import machine, record, work
from ..measure.machine import threads_text
from ..measure.peers import turns
from ..measure.peers.turns import Measurement
from ..measure.work import Cell
from ..measure.worker import WorkerEnded
from . import plot, screen
from .arguments import size_text


def run(arguments: argparse.Namespace) -> int:
    """A progress bar, the table and the summary, and the pictures."""
    packages = [*turns.missing(arguments.peers), *(plot.missing() if arguments.plot else ())]
    if packages:
        print(
            f"fastact bench needs {', '.join(packages)}; install it with: pip install 'fastact[peers]'",
            file=sys.stderr,
        )
        return 1
    busy = machine.busy_note()
    dtypes = arguments.dtype or work.DTYPES
    planned = turns.Run.chosen(
        arguments.activation, dtypes, arguments.size, arguments.threads, quick=arguments.quick
    )
    try:
        measured = with_progress(planned, arguments.peers)
    except WorkerEnded as error:
        print(f"fastact bench: {error}", file=sys.stderr)
        return 1
    name = machine.processor()
    show(measured, name)
    if busy:
        print(busy)
    limits = turns.limits(planned)
    about = {"machine": name, **fa.config(), "peers": turns.versions(arguments.peers), "limits": limits}
    record.write(arguments.json, measured, **about)
    if arguments.plot:
        for path in plot.draw(measured, limits, name, arguments.plot):
            print(f"wrote {path}")
    return 0


def with_progress(run: turns.Run, names: Sequence[str]) -> list[Measurement]:
    """Measure a run; the bar counts each step by about the time it takes."""
    steps, measured = list(run.steps()), []
    left = TimeRemainingColumn(elapsed_when_finished=True)
    with (
        screen.progress(left, width=45, speed_estimate_period=3600) as progress,
        turns.compared(names, run.seconds, run.rounds) as comparison,
    ):
        task = progress.add_task("", total=sum(_weight(cell) for cell, _ in steps))
        for cell, threads in steps:
            measured.append(comparison.measure(cell, threads))
            progress.update(task, advance=_weight(cell), description=f"{measured[-1]} {size_text(cell.size)}")
    return measured


def _weight(cell: Cell) -> int:
    """About the time of a cell: what is the same for all sizes, and a part for each 2^19 elements."""
    return 1 + cell.size // 2**19


def show(measured: Sequence[Measurement], processor: str) -> None:
    """A table for each thread count, what was left out, and the summary."""
    console = screen.console(160)
    for threads in dict.fromkeys(m.threads for m in measured):
        console.print(_table([m for m in measured if m.threads == threads], threads, processor))
    for line in _disagreements(measured):
        console.print(line)
    for line in summary_lines(measured):
        console.print(line, highlight=False)


def _table(measured: Sequence[Measurement], threads: int, processor: str) -> Table:
    sizes = sorted({m.size for m in measured})
    table = Table(
        title=f"fastact {fa.__version__}, {processor}, level {fa.config()['level']}, {threads_text(threads)}",
        caption="How many times as fast as the best peer, and which that is; ! where a peer disagrees.",
    )
    for name in ("activation", "direction", "result", "dtype"):
        table.add_column(name, no_wrap=True)
    for size in sizes:
        table.add_column(size_text(size), justify="right", no_wrap=True)
    for _, of_activation in groupby(measured, key=lambda m: m.activation):
        for _, of_row in groupby(sorted(of_activation, key=_row), key=_row):
            cells = {m.size: m for m in of_row}
            first = next(iter(cells.values()))
            place = "in place" if first.in_place else "out"
            texts = [_cell(cells[size]) if size in cells else "" for size in sizes]
            table.add_row(first.activation, first.call, place, first.dtype, *texts)
        table.add_section()
    return table


def _row(m: Measurement) -> tuple[bool, str, bool]:
    return m.direction == "backward", m.dtype, not m.in_place


def _cell(m: Measurement) -> str:
    mark = "!" if m.disagrees else ""
    if not m.speedup:
        return f"alone{mark}"
    ratio = m.speedup[m.best_peer]
    text = f"{ratio:.2f} {m.best_peer}{mark}"
    return f"[bold red]{text}[/]" if ratio < turns.NOISE else f"[yellow]{text}[/]" if ratio < 1 else text


def _disagreements(measured: Sequence[Measurement]) -> Iterator[str]:
    """A line for each peer and function with another result than fastact's, however many sizes have it."""
    seen = {
        (peer, m.activation, m.direction, m.dtype): why for m in measured for peer, why in m.disagrees.items()
    }
    for (peer, activation, direction, dtype), why in seen.items():
        yield f"{peer} computes something else, and was not timed: {activation} {direction} {dtype}, {why}"


def summary_lines(measured: Sequence[Measurement]) -> list[str]:
    """The run in a few lines."""
    whole = turns.summary(measured)
    if whole is None:
        return ["No peer has any of these."]
    over = ", ".join(f"{value:.2f} over {name}" for name, value in whole.over.items())
    mean = f"{whole.over_best:.2f} times as fast as the best peer in the geometric mean"
    lines = [
        f"{whole.cells} cells: {mean} ({over});",
        f"{whole.below_one} cells below 1, {whole.below_noise} of them below {turns.NOISE}. The worst:",
    ]
    for m in whole.worst:
        place = f"{m} {size_text(m.size)}, {threads_text(m.threads)}"
        lines.append(f"  {m.speedup[m.best_peer]:.2f} of {m.best_peer}: {place}")
    return lines
