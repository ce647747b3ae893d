"""``fastact bench`` beside NumPy: a progress bar, then the table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import groupby
from math import nan
from statistics import geometric_mean

from rich.progress import TimeElapsedColumn
from rich.table import Table

import fastact as fa

from ..measure import machine, record, speed, work
from ..measure.machine import threads_text
from ..measure.speed import Measurement
from . import screen
from .arguments import size_text


def run(arguments: argparse.Namespace) -> int:
    sizes = arguments.size or (work.QUICK_SIZES if arguments.quick else work.SIZES)
    cells = work.cells(arguments.activation, arguments.dtype or work.DTYPES, sizes)
    threads = arguments.threads or sorted({1, fa.get_num_threads()})
    seconds = speed.seconds_per_figure(arguments.quick, len(cells) * (len(threads) + 1))
    comparison = speed.Comparison(threads, seconds)
    results: list[Measurement] = []
    busy = machine.busy_note()
    with screen.progress(TimeElapsedColumn()) as progress:
        task = progress.add_task("", total=len(cells))
        for cell in cells:
            described = f"{cell.row.name} {cell.direction} {cell.dtype} {size_text(cell.size)}"
            progress.update(task, description=described)
            results += comparison.measure(cell)
            progress.advance(task)
    show(results, threads)
    if busy:
        print(busy)
    record.write(arguments.json, results, machine=machine.processor(), **fa.config())
    return 0


def show(results: Sequence[Measurement], threads: Sequence[int]) -> None:
    """The table, and the means over all cells."""
    console = screen.console(60 + 34 * len(threads))
    table = Table(
        title=f"fastact {fa.__version__} in place, {machine.processor()}, level {fa.config()['level']}",
        caption="× NumPy: how many times faster than the best NumPy calls in place, on one thread. "
        "% scale: GB/s as a share of a plain scale in place of the same array.",
    )
    for name in ("activation", "direction", "dtype"):
        table.add_column(name, no_wrap=True)
    table.add_column("size", justify="right")
    for count in threads:
        for name in (f"{threads_text(count)}: ns/element", "GB/s", "× NumPy", "% scale"):
            table.add_column(name, justify="right")
    for activation, group in groupby(results, key=lambda m: m.activation):
        for (call, dtype, size), figures in groupby(group, key=lambda m: (m.call, m.dtype, m.size)):
            cells = [text for m in figures for text in _figures(m)]
            table.add_row(activation, call, dtype, size_text(size), *cells)
        table.add_section()
    console.print(table)
    for count in threads:
        ratios = [m.speedup_over_numpy for m in results if m.threads == count and m.speedup_over_numpy]
        mean = geometric_mean(ratios) if ratios else nan
        console.print(f"{threads_text(count)}: {mean:.1f} times NumPy's speed in the geometric mean")


def _figures(m: Measurement) -> tuple[str, ...]:
    return (
        f"{m.ns_per_element:.3f}",
        f"{m.gb_per_s:.1f}",
        "–" if m.speedup_over_numpy is None else f"{m.speedup_over_numpy:.1f}",
        f"{100 * m.bandwidth_share:.0f}",
    )
