"""``fastact bench --busy``: the summary, and each cell where it is asked for."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import fastact as fa

from ..measure import busy, machine, record, work
from ..measure.busy import PROMISE, Measurement, Spread, processes_text
from ..measure.machine import threads_text
from ..measure.worker import WorkerEnded
from . import ending
from .arguments import size_text
from .screen import Screen, progress, styled
from .table import FEW, Column, Table


def run(arguments: argparse.Namespace) -> int:
    cells = work.cells(
        arguments.activation or busy.ACTIVATIONS,
        arguments.dtype or busy.DTYPES,
        arguments.size or busy.SIZES,
    )
    note = machine.busy_note()
    measured: list[Measurement] = []
    with ending.until_interrupted() as watch:
        with_progress(cells, arguments.busy, busy.QUICK if arguments.quick else busy.WHOLE, measured)
    try:
        screen = Screen()
        show(screen, measured, arguments.busy, arguments.details)
        if note:
            screen.note(note)
        if watch.interrupted:
            screen.line(ending.partial_line(len(measured), len(cells)), "bold")
    finally:
        with ending.writing(arguments.json):
            about = {"machine": machine.processor(), **fa.config(), "busy": arguments.busy}
            record.write(arguments.json, measured, watch.interrupted, **about)
    return watch.status


def with_progress(
    cells: Sequence[work.Cell], count: int, effort: busy.Effort, measured: list[Measurement]
) -> None:
    """Measure every cell, each into the list as soon as it is; the bar counts them."""
    try:
        with progress(len(cells)) as advance, busy.compared(count, effort) as comparison:
            for cell in cells:
                advance(f"{cell.row.name} {cell.direction} {cell.dtype} {size_text(cell.size)}")
                measured.append(comparison.measure(cell))
                advance(weight=1)
    except WorkerEnded as error:
        raise ending.Failure(str(error)) from error


def show(screen: Screen, measured: Sequence[Measurement], count: int, details: bool = False) -> None:
    """The summary, and where the cells are few or asked for, a table for each dtype."""
    screen.title(
        f"fastact {fa.__version__}, {machine.processor()}, level {fa.config()['level']}, "
        f"beside {processes_text(count)}"
    )
    if not measured:
        return
    for line in summary_lines(measured, count):
        screen.line(line)
    if not details and len(measured) > FEW:
        screen.note("--details prints each cell, --json FILE keeps them.")
        return
    for dtype in dict.fromkeys(m.dtype for m in measured):
        screen.line()
        screen.title(dtype)
        screen.table(_table([m for m in measured if m.dtype == dtype]))
    screen.note(
        "µs of a call in place: mean, median and 95th percentile on one thread and on the default threads. "
        "ratio: the means, default over one."
    )


def _table(measured: Sequence[Measurement]) -> Table:
    columns = [Column("activation"), Column("direction"), Column("size", right=True)]
    for threads in (1, measured[0].threads):
        for spare, name in enumerate(("mean", "median", "95 %")):
            columns.append(Column(f"{threads}: {name}", right=True, spare=spare))
    table = Table([*columns, Column("ratio", right=True)])
    for activation, group in groupby(measured, key=lambda m: m.activation):
        table.section()
        for m in group:
            figures = *_figures(m.one), *_figures(m.default), _ratio(m)
            table.add(activation, m.direction, size_text(m.size), *figures)
    return table


def _figures(spread: Spread) -> Iterator[str]:
    for seconds in (spread.mean, spread.median, spread.high):
        micro = 1e6 * seconds
        yield f"{micro:.{1 if micro < 1000 else 0}f}"


def _ratio(m: Measurement) -> Any:
    text = f"{m.ratio:.{2 if m.ratio < 100 else 0}f}"
    return styled(text, "bold red" if m.ratio > PROMISE else "yellow" if m.ratio > 1 else "")


def summary_lines(measured: Sequence[Measurement], count: int) -> list[str]:
    """The run in a few lines."""
    whole = busy.summary(measured)
    beside, threads = processes_text(count), threads_text(measured[0].threads)
    return [
        f"{whole.cells} cells beside {beside}: {threads} take {whole.mean:.2f} times as long as one",
        f"in the geometric mean, more than {PROMISE} times in {whole.beyond} cells. The worst:",
        *(f"  {m.ratio:.2f}: {m.activation} {m.call} {m.dtype} {size_text(m.size)}" for m in whole.worst),
    ]
