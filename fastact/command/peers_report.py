"""``fastact bench --peers``: the summary, each cell where it is asked for, and the pictures."""

from __future__ import annotations

import argparse
import datetime
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from time import perf_counter
from typing import Any

import fastact as fa

from ..measure import machine, record, work
from ..measure.machine import threads_text
from ..measure.peers import errors, turns
from ..measure.peers.turns import Measurement
from ..measure.work import Cell
from ..measure.worker import WorkerEnded
from . import ending, peers_picture
from .arguments import size_text
from .screen import Screen, progress, styled
from .table import FEW, Column, Table


def run(arguments: argparse.Namespace) -> int:
    """A progress bar, the summary and the figures, and the pictures."""
    packages = [*turns.missing(arguments.peers), *(peers_picture.missing() if arguments.plot else ())]
    if packages:
        raise ending.Missing(", ".join(packages), "'fastact[peers]'")
    busy = machine.busy_note()
    dtypes = arguments.dtype or work.DTYPES
    planned = turns.Run.chosen(
        arguments.activation, dtypes, arguments.size, arguments.threads, arguments.quick, arguments.full
    )
    measured: list[Measurement] = []
    with ending.until_interrupted() as watch:
        with_progress(planned, arguments.peers, measured)
    screen, name = Screen(), machine.processor()
    # The pictures and the record have the limits of all that was planned.
    limits = [] if watch.interrupted else turns.limits(planned)
    try:
        show(screen, measured, name, arguments.details)
        if busy:
            screen.note(busy)
        if watch.interrupted:
            screen.line(ending.partial_line(len(measured), _figures(planned)), "bold")
        elif len(measured) < _figures(planned):
            left = _figures(planned) - len(measured)
            screen.note(f"{left} cells were not begun within {planned.within:g} seconds.")
    finally:
        today = datetime.date.today().isoformat()
        file = arguments.json or (arguments.record and arguments.record / file_name(name, today))
        with ending.writing(file):
            about = {"machine": name, **fa.config(), "peers": turns.versions(arguments.peers)}
            about |= {"date": today, "commit": machine.commit(), "limits": limits}
            record.write(file, measured, watch.interrupted, **about)
    if arguments.plot and not watch.interrupted:
        with ending.writing(arguments.plot):
            for path in peers_picture.draw(measured, limits, name, arguments.plot):
                screen.line(f"wrote {path}")
    return watch.status


def with_progress(run: turns.Run, names: Sequence[str], measured: list[Measurement]) -> None:
    """Measure a run, each cell into the list as soon as it is; the bar counts about the time it takes."""
    steps, levels = list(run.steps()), run.levels or [""]
    begin = perf_counter()
    try:
        with progress(len(levels) * sum(_weight(cell) for cell, _ in steps)) as advance:
            for number, level in enumerate(levels, 1):
                # Each level has its share of the time.
                ends = None if run.within is None else begin + run.within * number / len(levels)
                with turns.compared(names, run.seconds, run.rounds, level) as comparison:
                    for cell, threads in steps:
                        if ends is None or perf_counter() < ends:
                            measured.append(comparison.measure(cell, threads))
                        advance(f"{level} {cell.row.name} {size_text(cell.size)}", _weight(cell))
    except WorkerEnded as error:
        raise ending.Failure(str(error)) from error


def _figures(run: turns.Run) -> int:
    return len(run.cells) * len(run.threads) * max(1, len(run.levels))


def file_name(processor: str, date: str) -> str:
    """One for each machine and day."""
    words = re.sub(r"\((?:R|TM)\)", "", processor, flags=re.IGNORECASE)
    return f"{'-'.join(re.findall('[a-z0-9]+', words.lower()))}-{date}.json"


def _weight(cell: Cell) -> int:
    """About the time of a cell: what is the same for all sizes, and a part for each 2^19 elements."""
    return 1 + cell.size // 2**19


def show(screen: Screen, measured: Sequence[Measurement], processor: str, details: bool = False) -> None:
    """The summary, what was left out, and where the cells are few or asked for, their tables."""
    screen.title(f"fastact {fa.__version__}, {processor}, level {fa.config()['level']}")
    for line in (*summary_lines(measured), *_disagreements(measured)):
        screen.line(line)
    if not details and len(measured) > FEW:
        screen.note("--details prints each cell, --json FILE keeps them.")
        return
    for kind in dict.fromkeys((m.level, m.dtype, m.threads) for m in measured):
        level, dtype, threads = kind
        screen.line()
        screen.title(f"{dtype}, {threads_text(threads)}, level {level}")
        screen.table(_table([m for m in measured if (m.level, m.dtype, m.threads) == kind]))
    if measured:
        screen.note("× best: how many times as fast as the best peer, and which; ! where a peer disagrees.")


def _table(measured: Sequence[Measurement]) -> Table:
    table = Table([
        Column("activation"), Column("direction"), Column("result"), Column("size", right=True),
        Column("× best", right=True), Column("peer"),
    ])  # fmt: skip
    for activation, own in groupby(measured, key=lambda m: m.activation):
        table.section()
        for m in sorted(own, key=_row):
            table.add(activation, m.call, "in place" if m.in_place else "out", size_text(m.size), *_cells(m))
    return table


def _row(m: Measurement) -> tuple[bool, bool, int]:
    return m.direction == "backward", not m.in_place, m.size


def _cells(m: Measurement) -> tuple[Any, str]:
    """How many times as fast as the best peer, and which that is."""
    mark = "!" if m.disagrees else ""
    if not m.speedup:
        return "alone", mark
    ratio = m.speedup[m.best_peer]
    style = "bold red" if ratio < turns.NOISE else "yellow" if ratio < 1 else ""
    return styled(f"{ratio:.2f}", style), f"{m.best_peer}{mark}"


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
        f"{whole.below_one} cells below 1, {whole.below_noise} of them below {turns.NOISE}. "
        "The worst, with the largest errors in ULP of the peer and of fastact:",
    ]
    for m in whole.worst:
        place = f"{m} {size_text(m.size)}, {threads_text(m.threads)}"
        place += f", {m.level}" if len({other.level for other in measured}) > 1 else ""
        peer, own = (errors.text(m.error.get(name), m.dtype) for name in (m.best_peer, "fastact"))
        lines.append(f"  {m.speedup[m.best_peer]:.2f} of {m.best_peer} ({peer}; fastact {own}): {place}")
    return lines
