"""``fastact bench`` beside NumPy: how fast on the whole, and each figure where it is asked for."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from statistics import geometric_mean

import fastact as fa

from ..measure import machine, record, scaling, speed, work
from ..measure.machine import threads_text
from ..measure.speed import Measurement
from . import ending
from .arguments import size_text
from .screen import Screen, progress
from .table import FEW, Column, Table

BAR = 24
"""Letters of the fastest bar."""
EXTREMES = 5
"""Calls that the summary names: the slowest beside NumPy."""


def run(arguments: argparse.Namespace) -> int:
    sizes = arguments.size or (work.QUICK_SIZES if arguments.quick else work.SIZES)
    cells = work.cells(arguments.activation, arguments.dtype or work.DTYPES, sizes)
    threads = arguments.threads or sorted({1, fa.get_num_threads()})
    seconds = speed.seconds_per_figure(arguments.quick, len(cells) * (len(threads) + 1))
    comparison = speed.Comparison(threads, seconds)
    results: list[Measurement] = []
    busy = machine.busy_note()
    with ending.until_interrupted() as watch, progress(len(cells)) as advance:
        for cell in cells:
            advance(f"{cell.row.name} {cell.direction} {cell.dtype} {size_text(cell.size)}")
            results += comparison.measure(cell)
            advance(weight=1)
    try:
        screen = Screen()
        show(screen, results, arguments.details)
        if busy:
            screen.note(busy)
        if watch.interrupted:
            screen.line(ending.partial_line(len(results), len(cells) * len(threads)), "bold")
    finally:
        # Whatever became of the output.
        with ending.writing(arguments.json):
            about = {"machine": machine.processor(), **fa.config()}
            record.write(arguments.json, results, watch.interrupted, **about)
    return watch.status


def show(screen: Screen, results: Sequence[Measurement], details: bool = False) -> None:
    """What was measured where, the summary, and where they are few or asked for, the figures."""
    screen.title(
        f"fastact {fa.__version__} in place, {machine.processor()}, level {fa.config()['level']}: "
        f"{len(results)} figures"
    )
    if not results:
        return
    whole = details or len(results) <= FEW
    compared = [m for m in results if m.speedup_over_numpy]
    if compared and len(results) > FEW:
        _show_summary(screen, compared)
    if whole:
        _show_figures(screen, results)
    for threads in dict.fromkeys(m.threads for m in compared):
        mean = geometric_mean([_ratio(m) for m in compared if m.threads == threads])
        screen.line(f"{threads_text(threads)}: {mean:.1f} times NumPy's speed in the geometric mean")
    _show_curve(screen, results)
    if not whole:
        screen.note("--details prints each figure, --json FILE keeps them.")


def _show_summary(screen: Screen, compared: Sequence[Measurement]) -> None:
    """How many times NumPy's speed, by what a call is, and where that is least."""
    threads = list(dict.fromkeys(m.threads for m in compared))
    table = Table([Column("times NumPy's speed"), *(Column(threads_text(n), right=True) for n in threads)])
    for name, chosen in _parts(compared):
        means = (geometric_mean(map(_ratio, chosen(n))) for n in threads)
        table.add(name, *(f"{mean:.1f}" for mean in means))
    screen.table(table)
    screen.line()
    least = Table([Column("slowest", right=True), Column("call"), Column("dtype"), Column("size", right=True),
                   Column("threads", right=True)])  # fmt: skip
    for m in sorted(compared, key=_ratio)[:EXTREMES]:
        least.add(f"{_ratio(m):.1f}", f"{m.activation} {m.call}", m.dtype, size_text(m.size), str(m.threads))
    screen.table(least)
    screen.line()


def _ratio(m: Measurement) -> float:
    return m.speedup_over_numpy or 0.0


def _parts(
    compared: Sequence[Measurement],
) -> Iterator[tuple[str, Callable[[int], list[Measurement]]]]:
    """Parts of a run by the name of what they have in common, each as a function of the thread count."""
    for of, name in (
        (lambda m: m.direction, str),
        (lambda m: m.dtype, str),
        (lambda m: m.size, lambda size: f"{size_text(size)} elements"),
    ):
        for value in dict.fromkeys(map(of, compared)):
            yield (
                name(value),
                lambda n, of=of, value=value: [m for m in compared if m.threads == n and of(m) == value],
            )


def _show_figures(screen: Screen, results: Sequence[Measurement]) -> None:
    table = Table([
        Column("activation"), Column("direction"), Column("dtype"), Column("size", right=True),
        Column("thr.", right=True), Column("ns", right=True), Column("GB/s", right=True, spare=2),
        Column("× NumPy", right=True), Column("% scale", right=True, spare=1),
    ])  # fmt: skip
    for _, group in groupby(results, key=lambda m: m.activation):
        table.section()
        for m in group:
            table.add(m.activation, m.call, m.dtype, size_text(m.size), str(m.threads), *_figures(m))
    screen.table(table)
    screen.note(
        "ns: per element. × NumPy: how many times faster than the best NumPy calls in place, on one thread. "
        "% scale: GB/s as a share of a plain scale in place of the same array."
    )


def _show_curve(screen: Screen, results: Sequence[Measurement]) -> None:
    """How many times as fast as one thread each number of threads is, beside what the model says."""
    found = list(scaling.curve(results))
    if not found:
        return
    table = Table([
        Column("size", right=True), Column("threads", right=True), Column("measured", right=True),
        Column("model", right=True), Column("measured = and model |"),
    ])  # fmt: skip
    most = max(max(point.measured, point.predicted) for point in found)
    for _, group in groupby(found, key=lambda point: point.size):
        table.section()
        for point in group:
            bar = "=" * round(BAR * point.measured / most)
            mark = max(1, round(BAR * point.predicted / most))
            bar = f"{bar[: mark - 1]:{mark - 1}}|{bar[mark:]}"
            figures = (f"{point.measured:.2f}", f"{point.predicted:.2f}")
            table.add(size_text(point.size), str(point.threads), *figures, bar)
    screen.table(table)
    screen.note(
        "Times the speed of the fewest threads, geometric means over calls. The model knows what one thread "
        "computes, and the memory's bandwidth with the two fewest numbers of threads."
    )


def _figures(m: Measurement) -> tuple[str, ...]:
    return (
        f"{m.ns_per_element:.{3 if m.ns_per_element < 100 else 0}f}",
        f"{m.gb_per_s:.1f}",
        "–" if m.speedup_over_numpy is None else f"{m.speedup_over_numpy:.1f}",
        f"{100 * m.bandwidth_share:.0f}",
    )
