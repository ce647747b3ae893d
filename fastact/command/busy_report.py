"""``fastact bench --busy``: a progress bar, then the table and its summary."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich import box
from rich.progress import TimeRemainingColumn
from rich.table import Table

import fastact as fa

from ..measure import busy, machine, record, work
from ..measure.busy import PROMISE, Measurement, Spread, processes_text
from ..measure.machine import threads_text
from ..measure.worker import WorkerEnded
from . import screen
from .arguments import size_text


def run(arguments: argparse.Namespace) -> int:
    cells = work.cells(
        arguments.activation or busy.ACTIVATIONS,
        arguments.dtype or busy.DTYPES,
        arguments.size or busy.SIZES,
    )
    note = machine.busy_note()
    try:
        measured = with_progress(cells, arguments.busy, busy.QUICK if arguments.quick else busy.WHOLE)
    except WorkerEnded as error:
        print(f"fastact bench: {error}", file=sys.stderr)
        return 1
    show(measured, arguments.busy)
    if note:
        print(note)
    about = {"machine": machine.processor(), **fa.config(), "busy": arguments.busy}
    record.write(arguments.json, measured, **about)
    return 0


def with_progress(cells: Sequence[work.Cell], count: int, effort: busy.Effort) -> list[Measurement]:
    """Measure every cell; the bar counts them."""
    measured = []
    left = TimeRemainingColumn(elapsed_when_finished=True)
    with screen.progress(left, speed_estimate_period=3600) as progress:
        task = progress.add_task("", total=len(cells))
        with busy.compared(count, effort) as comparison:
            for cell in cells:
                described = f"{cell.row.name} {cell.direction} {cell.dtype} {size_text(cell.size)}"
                progress.update(task, description=described)
                measured.append(comparison.measure(cell))
                progress.advance(task)
    return measured


def show(measured: Sequence[Measurement], count: int) -> None:
    """A table for each dtype, and the summary."""
    console = screen.console(80)
    for dtype in dict.fromkeys(m.dtype for m in measured):
        console.print(_table([m for m in measured if m.dtype == dtype], dtype, count))
    for line in summary_lines(measured, count):
        console.print(line, highlight=False)


def _table(measured: Sequence[Measurement], dtype: str, count: int) -> Table:
    table = Table(
        title=f"fastact {fa.__version__}, {machine.processor()}, level {fa.config()['level']}, {dtype}, "
        f"beside {processes_text(count)}",
        caption="µs of a call in place: mean, median and 95th percentile on one thread and on the default "
        "threads. ratio: the means, default over one.",
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    table.add_column("activation", no_wrap=True)
    table.add_column("direction", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    for threads in (1, measured[0].threads):
        for name in (f"{threads} thr.\nmean", "\nmedian", "\n95 %"):
            table.add_column(name, justify="right", no_wrap=True)
    table.add_column("ratio", justify="right", no_wrap=True)
    for activation, group in groupby(measured, key=lambda m: m.activation):
        for m in group:
            figures = *_figures(m.one), *_figures(m.default), _ratio(m)
            table.add_row(activation, m.direction, size_text(m.size), *figures)
        table.add_section()
    return table


def _figures(spread: Spread) -> Iterator[str]:
    for seconds in (spread.mean, spread.median, spread.high):
        micro = 1e6 * seconds
        yield f"{micro:.{1 if micro < 1000 else 0}f}"


def _ratio(m: Measurement) -> str:
    text = f"{m.ratio:.{2 if m.ratio < 100 else 0}f}"
    return f"[bold red]{text}[/]" if m.ratio > PROMISE else f"[yellow]{text}[/]" if m.ratio > 1 else text


def summary_lines(measured: Sequence[Measurement], count: int) -> list[str]:
    """The run in a few lines."""
    whole = busy.summary(measured)
    beside, threads = processes_text(count), threads_text(measured[0].threads)
    return [
        f"{whole.cells} cells beside {beside}: {threads} take {whole.mean:.2f} times as long as one",
        f"in the geometric mean, more than {PROMISE} times in {whole.beyond} cells. The worst:",
        *(f"  {m.ratio:.2f}: {m.activation} {m.call} {m.dtype} {size_text(m.size)}" for m in whole.worst),
    ]
