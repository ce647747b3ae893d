"""Pictures of activations: function and derivative side by side, with an inset where there is most to see."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..catalog import Row
from ..measure.curves import Curve, bend, curves, family, input_words

STYLES = (
    ("#000000", "-"),
    ("#d55e00", "--"),
    ("#0072b2", "-."),
    ("#009e73", ":"),
    ("#cc79a7", (0, (7, 2))),
    ("#e69f00", (0, (3, 1, 1, 1, 1, 1))),
    ("#56b4e9", (0, (1, 1))),
    ("#666666", (0, (9, 2, 2, 2))),
)
"""Colours that differ for colour-blind eyes too (Okabe and Ito), and lines that differ without colour."""

SIZE, LETTERS = (7.6, 3.8), 86
"""Inches of a picture, as wide as the text of a page, and letters of its title in a line."""
LINE = 8
"""As many letters is the line before a name in the legend wide."""
LOW, HIGH = -6.0, 6.0
"""Of x, where nothing else is asked for."""
VISIBLE = {"function": (-6.5, 6.5), "derivative": (-2.0, 3.0)}
"""Where a function leaves these, the picture ends."""
AROUND = 1.0
"""What the inset shows on both sides of the middle."""
INSETS = ((0.40, 0.36), (0.34, 0.30), (0.28, 0.25))
"""Its width and height, as parts of the axes: the first that leaves the curves free."""
LABELS = 0.16
"""What the labels of its scale take on the left."""


def draw_family(row: Row, settings: Sequence[Any], path: Path, low: float = LOW, high: float = HIGH) -> None:
    """Write the picture of one activation, with a curve for each of the settings."""
    drawn = curves(row, settings, low, high)
    labels = [curve.label for curve in drawn]
    title = f"{row.name} = {row.formula}"
    _draw(drawn, labels, title, input_words(row), path)


def draw_together(activations: Sequence[Any], path: Path, low: float, high: float) -> None:
    """Write the picture of several activations at their defaults, or at what is bound in them."""
    rows = [activation.row for activation in activations]
    drawn = [curves(a.row, [getattr(a, "bound", {})], low, high)[0] for a in activations]
    names = [f"{row.name} {curve.label}".strip() for row, curve in zip(rows, drawn, strict=True)]
    words = dict.fromkeys(map(input_words, rows))
    _draw(drawn, names, ", ".join(names), "x" if len(words) > 1 else next(iter(words)), path)


def draw_alone(row: Row, path: Path) -> None:
    """Write the picture of one activation with the parameters that show what they do."""
    draw_family(row, family(row), path)


def _draw(drawn: Sequence[Curve], labels: Sequence[str], title: str, words: str, path: Path) -> None:
    figure = Figure(figsize=SIZE, layout="constrained")
    figure.suptitle("\n".join(textwrap.wrap(title, LETTERS)), fontsize=10, family="monospace")
    axes = figure.subplots(1, 2)
    for axis, name in zip(axes, VISIBLE, strict=True):
        values = [_broken(curve.y if name == "function" else curve.slope) for curve in drawn]
        _draw_panel(axis, drawn, values, *VISIBLE[name])
        axis.set_title(name, fontsize=10)
        axis.set_xlabel(words, fontsize=9)
        if name == "function":
            _add_inset(axis, drawn, values)
    if any(labels):
        handles = axes[0].get_lines()[: len(labels)]
        columns = max(1, min(4, len(labels), LETTERS // (max(map(len, labels)) + LINE)))
        figure.legend(
            handles, labels, loc="outside lower center", ncols=columns, fontsize=9,
            frameon=False, handlelength=3.5,
        )  # fmt: skip
    figure.savefig(path, dpi=150)


def _draw_panel(
    axis: Any, drawn: Sequence[Curve], values: Sequence[np.ndarray], low: float, high: float
) -> None:
    _draw_curves(axis, drawn, values)
    finite = np.concatenate([value[np.isfinite(value)] for value in values]).clip(low, high)
    least, most = min(0.0, finite.min()), max(0.0, finite.max())
    margin = 0.06 * (most - least or 1.0)
    axis.set_ylim(least - margin, most + margin)
    axis.set_xlim(drawn[0].x[0], drawn[0].x[-1])
    for line in (axis.axhline, axis.axvline):
        line(0, color="#888888", linewidth=0.8, zorder=0)
    axis.grid(linewidth=0.4, alpha=0.5)
    axis.tick_params(labelsize=8)


def _draw_curves(axis: Any, drawn: Sequence[Curve], values: Sequence[np.ndarray]) -> None:
    # The first is a whole line below the others, so that all are seen where they agree.
    for i, (curve, value) in enumerate(zip(drawn, values, strict=True)):
        colour, line = STYLES[i]
        axis.plot(curve.x, value, color=colour, linestyle=line, linewidth=1.8, zorder=3 + (i > 0))


def _broken(values: np.ndarray) -> np.ndarray:
    """With a gap where they jump: a line there would be values that are none."""
    steps = np.abs(np.diff(values))
    around = np.maximum(np.r_[steps[1:], 0.0], np.r_[0.0, steps[:-1]])
    # A kink that a point lies on is half a jump on both sides of it.
    around[1:-1] = np.minimum(around[1:-1], np.minimum(np.r_[steps[3:], 0.0], np.r_[0.0, steps[:-3]]) + 1e-3)
    broken = values.copy()
    broken[1:][(steps > 0.01) & (steps > 8 * around)] = np.nan
    return broken


def _add_inset(axis: Any, drawn: Sequence[Curve], values: Sequence[np.ndarray]) -> None:
    """A part of the panel, larger: where the first curve turns or bends most, if there is room."""
    middle, box = bend(drawn[0]), _free_box(axis, drawn[0].x, values)
    if middle is None or box is None:
        return
    near = np.abs(drawn[0].x - middle) <= AROUND
    low, high = axis.get_ylim()
    seen = np.concatenate([value[near & (value >= low) & (value <= high)] for value in values])
    if not seen.size:
        return
    margin = 0.1 * (np.ptp(seen) or 0.1)
    inset = axis.inset_axes(box)
    _draw_curves(inset, drawn, values)
    inset.set_xlim(middle - AROUND, middle + AROUND)
    inset.set_ylim(max(seen.min() - margin, low), min(seen.max() + margin, high))
    inset.tick_params(labelsize=8, length=2)
    for ticks in (inset.xaxis, inset.yaxis):
        ticks.set_major_locator(MaxNLocator(3))
    inset.grid(linewidth=0.3, alpha=0.5)
    axis.indicate_inset_zoom(inset, edgecolor="#555555")


def _free_box(axis: Any, x: np.ndarray, values: Sequence[np.ndarray]) -> list[float] | None:
    """A corner where an inset and its labels cover no curve; None where there is none."""
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    across = np.tile((x - left) / (right - left), len(values))
    up = (np.concatenate(values) - low) / (high - low)
    for width, height in INSETS:
        for i, j in ((i, j) for i in (LABELS, 0.97 - width) for j in (0.96 - height, 0.12)):
            within = (across > i - LABELS) & (across < i + width + 0.02) & (up > j - 0.1) & (up < j + height)
            if not within.any():
                return [i, j, width, height]
    return None
