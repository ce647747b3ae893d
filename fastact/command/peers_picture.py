"""The picture of ``fastact bench --peers``: throughput over size, beside the limit that memory sets.

One picture per dtype, on the most threads that were measured. At its head is what a user asks first, how
many times as fast fastact is as each library; then each activation and direction has a panel with a line
per library.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from ..catalog import rows
from ..measure.machine import threads_text
from ..measure.passes.forms import FORMS
from ..measure.peers.turns import Measurement
from ..measure.work import Cell
from .arguments import size_text

ENDINGS = (".svg", ".png")

STYLES = {
    "fastact": ("#000000", "o"),
    "torch": ("#d55e00", "s"),
    "onnxruntime": ("#0072b2", "D"),
    "scipy": ("#009e73", "^"),
    "numexpr": ("#cc79a7", "v"),
    "numpy": ("#e69f00", "P"),
}
"""Colours that differ for colour-blind eyes too (Okabe and Ito), and markers that differ without colour."""

COLUMNS, WIDTH, HEIGHT = 6, 2.3, 1.7
"""Panels in a row, and inches of each."""

LIMIT_FROM = 2**22
"""Smaller arrays may lie in a cache: a plain scale of them says nothing of memory."""


def missing() -> list[str]:
    return [] if importlib.util.find_spec("matplotlib") else ["matplotlib"]


def draw(
    measured: Sequence[Measurement], limits: Sequence[Mapping[str, Any]], machine: str, path: Path
) -> list[Path]:
    """Write a picture for each dtype; `path` names them, with the dtype before its ending."""
    from matplotlib.figure import Figure

    threads = max(m.threads for m in measured)
    written = []
    for dtype in dict.fromkeys(m.dtype for m in measured):
        chosen = [m for m in measured if m.dtype == dtype and m.threads == threads]
        scale = {n["size"]: n["gb_per_s"] for n in limits if (n["dtype"], n["threads"]) == (dtype, threads)}
        figure = Figure(layout="constrained")
        _fill(figure, chosen, scale)
        title = f"fastact beside other libraries: {dtype}, {threads_text(threads)}, {machine}"
        figure.suptitle(title, fontsize=12)
        written.append(path.with_stem(f"{path.stem}-{dtype}"))
        figure.savefig(written[-1], dpi=150)
    return written


def _fill(figure: Any, measured: Sequence[Measurement], scale: Mapping[int, float]) -> None:
    panels = list(_panels(measured))
    lines = -(-len(panels) // COLUMNS)
    figure.set_size_inches(COLUMNS * WIDTH, 3.6 + lines * HEIGHT)
    head, body = figure.subfigures(2, 1, height_ratios=[3.0, max(lines, 1) * HEIGHT])
    _draw_means(head, measured)
    axes = list(body.subplots(lines, COLUMNS, squeeze=False, sharex=True, sharey=True).flat)
    for i, (axis, (title, series)) in enumerate(zip(axes, panels, strict=False)):
        _draw_panel(axis, title, series, scale)
        axis.tick_params(labelbottom=i + COLUMNS >= len(panels))
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    body.supylabel("G elements/s", fontsize=9)
    body.supxlabel("elements", fontsize=9)


def _panels(measured: Sequence[Measurement]) -> Iterator[tuple[str, list[Measurement]]]:
    """Title and measurements, by size, of each activation and direction.

    They are those in place, or those into another array where more libraries have that.
    """
    for activation, direction in dict.fromkeys((m.activation, m.direction) for m in measured):
        own = sorted(
            (m for m in measured if (m.activation, m.direction) == (activation, direction)),
            key=lambda m: m.size,
        )
        places = [[m for m in own if m.in_place], [m for m in own if not m.in_place]]
        series = max(places, key=lambda place: len({name for m in place for name in m.ns_per_element}))
        yield f"{activation} {direction}{'' if series[0].in_place else ', out'}", series


def _draw_means(figure: Any, measured: Sequence[Measurement]) -> None:
    """Geometric mean of the speed-up over each library, over size."""
    axes = figure.subplots(1, 2, sharey=True)
    sizes = sorted({m.size for m in measured})
    for axis, direction in zip(axes, ("forward", "backward"), strict=True):
        axis.axhline(1, color="black", linewidth=1)
        for library in STYLES:
            own = [m for m in measured if m.direction == direction and library in m.speedup]
            ratios = {n: [m.speedup[library] for m in own if m.size == n] for n in sizes}
            means = {size: geometric_mean(found) for size, found in ratios.items() if found}
            _draw_line(axis, library, means, width=1.8)
        axis.set_title(f"{direction}, all activations, geometric mean", fontsize=10)
        axis.set_yscale("log", base=2)
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        _set_sizes(axis, sizes)
    axes[0].set_ylabel("times as fast as", fontsize=9)
    used = [name for name in STYLES if any(name in m.ns_per_element for m in measured)]
    handles = [_draw_line(axes[0], name, {}, width=1.8) for name in used]
    limit = axes[0].plot([], [], color="grey", linestyle="--", linewidth=1)[0]
    figure.legend(
        [*handles, limit], [*used, "memory limit (plain scale of the largest array)"],
        loc="outside lower center", ncols=len(used) + 1, fontsize=9, frameon=False,
    )  # fmt: skip


def _draw_panel(axis: Any, title: str, series: Sequence[Measurement], scale: Mapping[int, float]) -> None:
    for library in reversed(STYLES):
        speeds = {m.size: 1 / m.ns_per_element[library] for m in series if library in m.ns_per_element}
        _draw_line(axis, library, speeds, width=1.6 if library == "fastact" else 1.0)
    if series[-1].size >= LIMIT_FROM:
        limit = _limit(series[-1], scale[series[-1].size])
        axis.axhline(limit, color="grey", linestyle="--", linewidth=1, zorder=0)
    axis.set_title(title, fontsize=8)
    axis.set_yscale("log")
    axis.tick_params(labelsize=7)
    _set_sizes(axis, sorted({m.size for m in series}))
    axis.grid(axis="y", linewidth=0.4, alpha=0.5)


def _limit(m: Measurement, gb_per_s: float) -> float:
    """G elements/s that memory allows this call."""
    row = FORMS.get(m.activation) or next(row for row in rows if row.name == m.activation)
    return gb_per_s / Cell(row, m.direction, m.dtype, m.size).bytes_per_element


def _draw_line(axis: Any, library: str, values: Mapping[int, float], width: float) -> Any:
    colour, marker = STYLES[library]
    (line,) = axis.plot(
        list(values), list(values.values()), color=colour, marker=marker, markersize=3.5, linewidth=width
    )
    return line


def _set_sizes(axis: Any, sizes: Sequence[int]) -> None:
    axis.set_xscale("log", base=2)
    axis.set_xticks(sizes, [size_text(size) for size in sizes], fontsize=7)
    axis.set_xticks([], minor=True)
    if len(sizes) == 1:
        axis.set_xlim(sizes[0] / 2, sizes[0] * 2)
