"""The figures of an activation's page, as SVG for light and for dark pages.

Each is drawn once, in the colours of a light page; the dark one is the same file with other colours.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

import fastact as fa
from fastact.catalog import Row
from fastact.command import picture
from fastact.command.arguments import size_text
from fastact.measure.curves import curves, family, input_words

from . import records, tables
from .records import MIDDLE, NO_DIGIT

FOLDER = Path("generated", "figures")
THEMES = ("light", "dark")

INK, PAGE, EDGE, GRID = "#1c1c1c", "#ffffff", "#5f5f5f", "#b0b0b0"
FASTACT = "#080808"
"""Not quite black, which an SVG leaves unsaid where it fills with it."""
DARK = {
    INK: "#e8e8e8", PAGE: "#14181e", EDGE: "#9a9a9a", GRID: "#565c66",
    "#000000": "#ffffff", FASTACT: "#ffffff",
    "#0072b2": "#4fb0ea", "#d55e00": "#ff8a3d", "#009e73": "#1fc594",
    "#666666": "#b4b4b4", "#555555": "#a8a8a8", "#888888": "#7d838c",
}  # fmt: skip
"""What stands for the colours of a light page on a dark one, as far from its ground."""

STYLE = {
    "svg.hashsalt": "fastact",
    "figure.facecolor": "none",
    "axes.facecolor": PAGE,
    "axes.edgecolor": EDGE,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": EDGE,
    "ytick.color": EDGE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
}
WIDTH, HEIGHT = 7.6, 3.5
"""Inches: at the width of a page's text, letters have the size that is said here."""
TITLE, TEXT = 10, 9

Line = tuple[str, Any, str, float]
ERROR_LINES: dict[str, Line] = {
    "fastact": (FASTACT, "-", "", 1.8),
    "numpy": ("#e69f00", (0, (1, 1)), "", 1.4),
    "torch": ("#d55e00", (0, (4, 1.5)), "", 1.2),
    "fastact from y": ("#0072b2", (0, (5, 1.5, 1, 1.5)), "", 1.2),
}
"""The whole line lies below the others, so that all are seen where they agree."""
BOUND = ("#009e73", "-", "", 1.2)
SPEED_LINES: dict[str, Line] = {
    "numpy 1": ("#e69f00", "-", "P", 1.4),
    "torch 1": ("#d55e00", "-", "s", 1.4),
    "torch all": ("#d55e00", (0, (4, 1.5)), "s", 1.4),
    "fastact 1": (FASTACT, "-", "o", 1.8),
    "fastact all": (FASTACT, (0, (4, 1.5)), "o", 1.8),
}
"""Colour, dashes, marker and width, from what lies below to what lies above."""


def write(docs: Path) -> None:
    """Draw all that are older than the records, the package or this into `docs/generated/figures`."""
    write_old(docs, [(name, kind) for name in fa.activations for kind in KINDS], write_one, sources())


def write_old(
    docs: Path,
    every: Sequence[tuple[str, str]],
    write_one: Callable[[str, str, Path], None],
    sources: Sequence[Path],
) -> None:
    """Write those of the figures, by name and kind, that are older than what they come from."""
    folder = docs / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    newest = max(path.stat().st_mtime for path in sources)
    work = [(*figure, folder) for figure in every if _is_old(*figure, folder, newest)]
    # A fork of a process whose libraries have threads may stand still.
    if work:
        with get_context("spawn").Pool(min(len(work), len(_processors()))) as pool:
            pool.starmap(write_one, work, chunksize=4)


def _processors() -> Sequence[int]:
    return list(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


def sources() -> list[Path]:
    """What the figures of activations come from."""
    package = Path(fa.__file__).parent
    compiled = [path for ending in (".so", ".pyd") for path in package.glob(f"*{ending}")]
    own = [Path(module.__file__) for module in (records, tables)] + [Path(__file__)]
    measured = map(records.path_of, (records.SPEED, records.ERRORS))
    return [*compiled, *package.rglob("*.py"), *own, *measured]


def _is_old(name: str, kind: str, folder: Path, newest: float) -> bool:
    paths = [folder / file for file in files(name, kind)]
    return not all(path.exists() and path.stat().st_mtime > newest for path in paths)


def files(name: str, kind: str) -> tuple[str, str]:
    """The names of a figure's files: for light pages, and for dark ones."""
    light, dark = (f"{name}-{kind}-{theme}.svg" for theme in THEMES)
    return light, dark


def write_one(name: str, kind: str, folder: Path) -> None:
    """Draw one figure of an activation into a folder, for light and for dark pages."""
    write_both(name, kind, folder, partial(KINDS[kind], fa.activations[name].row))


def write_both(name: str, kind: str, folder: Path, drawing: Callable[[Path], None]) -> None:
    """Draw a figure once, and write it in the colours of both pages."""
    with mpl.rc_context(STYLE), tempfile.TemporaryDirectory() as place:
        path = Path(place, "figure.svg")
        drawing(path)
        # When and with what it was drawn would differ from build to build.
        drawn = re.sub(r"\s*<metadata>.*?</metadata>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    dark = re.sub("#[0-9a-f]{6}", lambda found: DARK.get(found[0], found[0]), drawn)
    for file, text in zip(files(name, kind), (drawn, dark), strict=True):
        (folder / file).write_text(text, encoding="utf-8")


def draw_curves(row: Row, path: Path) -> None:
    """The function and its derivative over x, as `fastact plot` draws them."""
    picture.draw_alone(row, path)


def draw_errors(row: Row, path: Path) -> None:
    """Errors of fastact, torch and NumPy over x, beside what the contract allows."""
    record = records.load(records.ERRORS)
    edges, entry = np.array(record["edges"]), record["activations"][row.name]
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, (panel, words) in zip(axes, tables.PANELS.items(), strict=True):
        _fill_errors(axis, edges, entry[panel])
        axis.set_title(words, fontsize=TITLE)
        axis.set_xlabel(input_words(row), fontsize=TEXT)
    axes[0].set_ylabel("largest error, ULP", fontsize=TEXT)
    shown = [who for who in tables.WHO if any(who in entry[panel] for panel in tables.PANELS)]
    handles = [_handle(axes[0], ERROR_LINES[who]) for who in shown] + [_handle(axes[0], BOUND)]
    add_legend(figure, handles, [*(tables.WHO[who] for who in shown), "allowed"], 5)
    figure.savefig(path)


def _fill_errors(axis: Any, edges: np.ndarray, entry: dict[str, Any]) -> None:
    middles = (edges[1:] + edges[:-1]) / 2
    lines = {who: entry[who] for who in ERROR_LINES if who in entry}
    for who, line in lines.items():
        draw(axis, middles, line, ERROR_LINES[who])
    axis.stairs(allowed(edges, entry), edges, baseline=None, color=BOUND[0], linewidth=BOUND[3], zorder=2)
    axis.set_xscale("symlog", linthresh=MIDDLE, linscale=3.0)
    axis.set_xticks([-100, -10, -5, 0, 5, 10, 100], labels=["−100", "−10", "−5", "0", "5", "10", "100"])
    axis.set_xticks([], minor=True)
    axis.set_xlim(edges[0], edges[-1])
    _scale_errors(axis, max(entry["bound"], *(max(line) for line in lines.values())))


def _scale_errors(axis: Any, most: float) -> None:
    """Linear up to 1 ULP, and then logarithmic."""
    axis.set_yscale("symlog", linthresh=1.0, linscale=0.6)
    ticks = {0.0: "0", 1.0: "1", 10.0: "10", 100.0: "100", **{10.0**k: f"$10^{k}$" for k in range(3, 7)}}
    if most < 10:
        ticks |= {2.0: "2", 5.0: "5"}
    ticks[NO_DIGIT] = "no digit\nright"
    shown = [tick for tick in ticks if tick <= max(most, 10)]
    axis.set_yticks(shown, labels=[ticks[tick] for tick in shown])
    axis.set_yticks([], minor=True)
    axis.set_ylim(-0.15, max(10.0, 1.7 * most))
    finish(axis)


def allowed(edges: np.ndarray, entry: dict[str, Any]) -> np.ndarray:
    """What the contract allows in each interval: 1 within 1 of a zero inside the derivative."""
    allowed = np.full(edges.size - 1, float(entry["bound"]))
    for zero in entry["zeros"]:
        allowed[(edges[:-1] >= zero - 1) & (edges[1:] <= zero + 1)] = 1
    return allowed


def draw_speed(row: Row, path: Path) -> None:
    """Nanoseconds per element over size of fastact and torch, on one thread and on all, and of NumPy."""
    record = records.load(records.SPEED)
    entry, sizes = record["activations"][row.name]["float32"], record["sizes"]
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, (direction, lines) in zip(axes, entry.items(), strict=True):
        for who in (who for who in SPEED_LINES if who in lines):
            draw(axis, sizes, lines[who], SPEED_LINES[who])
        axis.set_title(direction, fontsize=TITLE)
        axis.set_xlabel("float32 elements", fontsize=TEXT)
        axis.set_xscale("log", base=2)
        axis.set_xticks(sizes, labels=[size_text(size) for size in sizes])
        axis.set_xticks([], minor=True)
        axis.set_yscale("log")
        finish(axis)
    _label_times(axes[0])
    shown = [who for who in reversed(SPEED_LINES) if any(who in lines for lines in entry.values())]
    handles = [_handle(axes[0], SPEED_LINES[who]) for who in shown]
    add_legend(figure, handles, [_speed_label(who) for who in shown], 3)
    figure.savefig(path)


def _label_times(axis: Any) -> None:
    low, high = axis.get_ylim()
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 300 else (1.0,)))
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_yticks([], minor=True)
    axis.set_ylim(low, high)
    axis.set_ylabel("ns per element", fontsize=TEXT)


def _speed_label(who: str) -> str:
    library, kind = who.split()
    return f"{ {'numpy': 'NumPy'}.get(library, library) }, {tables.threads_words(kind)}"


def draw(axis: Any, x: Any, y: Any, style: Line) -> Any:
    colour, dashes, marker, width = style
    # A line of an open marker would be dashed around it too.
    face = PAGE if dashes != "-" else colour
    (line,) = axis.plot(
        x, y, color=colour, linestyle=dashes, linewidth=width, marker=marker or None, markersize=4.5,
        markerfacecolor=face, zorder=3,
    )  # fmt: skip
    return line


def _handle(axis: Any, style: Line) -> Any:
    return draw(axis, [], [], style)


def finish(axis: Any) -> None:
    axis.grid(linewidth=0.4, alpha=0.6)
    axis.tick_params(labelsize=TEXT)


def add_legend(figure: Any, handles: Sequence[Any], labels: Sequence[str], columns: int) -> None:
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=columns,
        fontsize=TEXT,
        frameon=False,
        handlelength=3.0,
    )


def alt(row: Row, kind: str) -> str:
    """The facts of a figure in words, for who does not see it."""
    return ALT[kind](row)


def _alt_curves(row: Row) -> str:
    drawn = curves(row, family(row), picture.LOW, picture.HIGH)
    first = drawn[0]
    y, slope = _extremes(first.x, first.y), _extremes(first.x, first.slope)
    others = [curve.label for curve in drawn if curve.label]
    shown = f", with {'; '.join(others)}" if others else ""
    of_first = f" with {first.label}" if len(drawn) > 1 else ""
    return (
        f"{row.name} and its derivative for x from {picture.LOW:g} to {picture.HIGH:g}{shown}: the function"
        f"{of_first} goes {y}, the derivative {slope}."
    )


def _extremes(x: np.ndarray, values: np.ndarray) -> str:
    low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
    if values[low] == values[high]:
        return f"nowhere from {values[low]:.3g}"
    return f"from {values[low]:.3g} at {x[low]:.3g} to {values[high]:.3g} at {x[high]:.3g}"


def _alt_errors(row: Row) -> str:
    entry = records.load(records.ERRORS)["activations"][row.name]
    parts = []
    for panel, words in tables.PANELS.items():
        found = entry[panel]
        said = [f"{tables.WHO[who]} {tables.largest(found[who])}" for who in tables.WHO if who in found]
        parts.append(f"of the {words} {'; '.join(said)}, where {found['bound']:g} is allowed")
    return f"Largest errors of {row.name} in float32, in ULP: {' — '.join(parts)}."


def _alt_speed(row: Row) -> str:
    size = size_text(tables.page_size())
    parts = [
        f"{words}: fastact {own:.3g}"
        + (f", torch {torch:.3g}" if torch else "")
        + (f", NumPy {numpy:.3g}" if numpy else "")
        for words, own, numpy, torch in tables.times(row)
    ]
    return f"Nanoseconds per element of {row.name} over size; at {size} float32 elements {'; '.join(parts)}."


KINDS: dict[str, Callable[[Row, Path], None]] = {
    "curves": draw_curves,
    "errors": draw_errors,
    "speed": draw_speed,
}
"""The figures of a page, in its order."""
ALT: dict[str, Callable[[Row], str]] = {"curves": _alt_curves, "errors": _alt_errors, "speed": _alt_speed}
