"""``fastact tune``: how this processor likes to go through arrays that are beyond its caches."""

from __future__ import annotations

import argparse
from statistics import geometric_mean
from typing import Any

import fastact as fa

from ..core import passing as ways
from ..core.threads import MOST
from ..measure import machine, passing, record, work
from ..measure.machine import threads_text
from ..measure.passing import FASTEST, Measurement
from . import arguments as read
from . import ending
from .screen import Screen, progress, styled
from .table import Column, Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``fastact tune``."""
    parser.description = (
        "Measure each way to go through large arrays: plainly, with lines asked for ahead, with results that "
        "go past the caches, with both; and show which one the first large calls of a kernel choose. Nothing "
        f"has to be tuned: every process chooses anew. FASTACT_LARGE fixes a way ({', '.join(ways.WAYS)})."
    )
    read.add_names(parser, ())
    parser.add_argument(
        "--dtype", type=read.list_of(read.dtype), metavar="DTYPE[,DTYPE]", default=work.DTYPES,
        help=f"default: {','.join(work.DTYPES)}",
    )  # fmt: skip
    parser.add_argument(
        "--size", type=read.list_of(read.size), metavar="N[,N]", default=passing.SIZES,
        help="numbers of elements, K and M for 2^10 and 2^20 (default: 16M)",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=read.list_of(read.whole(1, MOST)),
        metavar="N[,N]", help=f"numbers of threads (default: 1 and all, here {fa.get_num_threads()})",
    )  # fmt: skip
    parser.add_argument(
        "--json", type=read.new_file, metavar="FILE", help="write what was measured to this file"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, show, write."""
    cells = passing.cells(arguments.activation or (), arguments.dtype, arguments.size)
    counts = arguments.threads or sorted({1, fa.get_num_threads()})
    measured: list[Measurement] = []
    note = machine.busy_note()
    with ending.until_interrupted() as watch, progress(len(cells) * len(counts)) as advance:
        for cell in cells:
            for threads in counts:
                advance(f"{cell.row.name} {cell.direction} {cell.dtype} {threads_text(threads)}", 1)
                measured.append(passing.measure(cell, threads))
    try:
        show(Screen(), measured, note)
    finally:
        with ending.writing(arguments.json):
            about = {"machine": machine.processor(), **fa.config()}
            record.write(arguments.json, measured, watch.interrupted, **about)
    return watch.status


def show(screen: Screen, measured: list[Measurement], note: str) -> None:
    """Every figure, and in how many cells the choice is as good as the fastest."""
    screen.title(f"fastact {fa.__version__}, {machine.processor()}, level {fa.config()['level']}")
    if not measured:
        return
    screen.table(_table(measured))
    good = sum(m.kept >= FASTEST for m in measured)
    screen.line(
        f"In {good} of {len(measured)} cells the choice is as fast as the best way; it has "
        f"{geometric_mean(m.kept for m in measured):.2f} of its speed in the geometric mean."
    )
    screen.note("G elements/s of each way, medians in turns; * is what the first large calls chose.")
    if note:
        screen.note(note)


def _table(measured: list[Measurement]) -> Table:
    table = Table([
        Column("activation"),
        Column("direction"),
        Column("result"),
        Column("dtype"),
        Column("size", right=True, spare=1),
        Column("threads", right=True),
        *(Column(way, right=True) for way in ways.WAYS),
    ])  # fmt: skip
    for m in measured:
        place = "in place" if m.in_place else "out"
        figures = [_figure(m, way) for way in ways.WAYS]
        table.add(m.activation, m.direction, place, m.dtype, read.size_text(m.size), str(m.threads), *figures)
    return table


def _figure(m: Measurement, way: str) -> Any:
    if way not in m.nanoseconds:
        return ""
    text = f"{1 / m.nanoseconds[way]:.2f}{'*' if way == m.chosen else ' '}"
    return styled(text, "bold" if way == m.best else "")
