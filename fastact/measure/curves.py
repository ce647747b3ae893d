"""An activation and its derivative over x, by fastact's own kernels: what pictures draw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastact as fa

from ..catalog import Row

Settings = Mapping[str, Any]

FAMILIES: dict[str, tuple[Settings, ...]] = {
    "gelu": ({}, {"approximate": "tanh"}),
    "hardtanh": ({}, {"min_val": 0.0, "max_val": 2.0}, {"min_val": -2.0, "max_val": 3.0}),
    "leaky_relu": ({}, {"negative_slope": 0.1}, {"negative_slope": 0.3}),
    "prelu": ({}, {"weight": 0.5}, {"weight": -0.25}),
    "threshold": (
        {"threshold": 1.0, "value": 0.0},
        {"threshold": 0.0, "value": -1.0},
        {"threshold": -2.0, "value": 3.0},
    ),
    "rrelu": ({}, {"lower": 1 / 8, "upper": 1 / 8}, {"lower": 1 / 3, "upper": 1 / 3}),
}
"""Parameters that show what they do, where a half and the double of the first one do not."""

FACTORS = (0.5, 2.0)

LINES = ((-1.0, -1.0), (-0.25, 0.0), (0.25, 0.5), (1.0, -1.0))
"""Slopes and offsets of the pieces that maxout is shown of."""

POINTS = 1201


@dataclass(frozen=True)
class Curve:
    """What is drawn of an activation with some settings."""

    settings: Settings
    x: np.ndarray
    y: np.ndarray
    slope: np.ndarray
    """dy/dx."""

    @property
    def label(self) -> str:
        """The settings as a legend names them; nothing where they are the defaults."""
        return ", ".join(
            f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value!r}"
            for name, value in self.settings.items()
        )


def input_words(row: Row) -> str:
    """What x is in the curve of an activation that works on more than one number."""
    if row.shape.halves:
        return "b, where a is 1"
    if row.shape.by_row:
        return "x, in a row beside two zeros"
    if row.shape.shrinks:
        return f"x, of which the {len(LINES)} pieces are straight lines"
    return "x"


def family(row: Row) -> list[Settings]:
    """The defaults, and other parameters that show what they do."""
    if row.name in FAMILIES:
        return [_named(row, settings) for settings in FAMILIES[row.name]]
    first = next((p for p in row.parameters if p.number is not None and math.isfinite(p.number)), None)
    if first is None or not first.number:
        return [{}]
    values = [first.number, *(factor * first.number for factor in FACTORS)]
    return [settings for value in values if allowed(row, settings := {first.name: float(value)})]


def _named(row: Row, settings: Settings) -> Settings:
    """With the values of the defaults that others of the family change, so that the legend names them."""
    others = {name: value for one in FAMILIES[row.name] for name, value in one.items()}
    defaults = {p.name: p.default for p in row.parameters} | dict(row.shape.needs)
    return settings or {name: defaults[name] for name in others}


def allowed(row: Row, settings: Settings) -> bool:
    """Whether the activation takes them."""
    try:
        curve(row, settings, np.zeros(1))
    except (TypeError, ValueError):
        return False
    return True


def curve(row: Row, settings: Settings, x: np.ndarray) -> Curve:
    """The activation over x, in float64."""
    shape, arguments = row.shape, {**row.needs, **settings}
    if shape.shrinks and shape.halves:
        y, slope = _along(row, arguments, np.stack([np.ones_like(x), x], axis=1), np.array([0.0, 1.0]))
    elif shape.shrinks:
        slopes, offsets = np.array(LINES).T
        arguments["pieces"] = len(LINES)
        y, slope = _along(row, arguments, x[:, None] * slopes + offsets, slopes)
    elif shape.by_row or "seed" in row.needs:
        rows = [_row(row, arguments, value) for value in x.tolist()]
        y, slope = (np.array(column) for column in zip(*rows, strict=True))
    else:
        y, slope = _elements(row, arguments, x)
    return Curve(settings, x, y, slope)


def _elements(row: Row, arguments: dict[str, Any], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    activation = fa.activations[row.name]
    # Weights lie along the second axis by default; one for all is none's.
    y = activation(x, **arguments)
    saved = {"x": x} if "x" in row.saves else {"y": y}
    slope = activation.backward(np.ones_like(x), **saved, **arguments)
    return y, slope[0] if isinstance(slope, tuple) else slope


def _along(
    row: Row, arguments: dict[str, Any], x: np.ndarray, by: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of halves or pieces, a result for each row of `x`; `by` is how its numbers rise with x as drawn."""
    activation = fa.activations[row.name]
    y = activation(x, **arguments)
    return y[:, 0], activation.backward(np.ones_like(y), x=x, **arguments) @ by


def _row(row: Row, arguments: dict[str, Any], value: float) -> tuple[float, float]:
    """The first of three logits: rows one by one, since noise is drawn by the position in an array."""
    activation = fa.activations[row.name]
    y = activation(np.array([[value, 0.0, 0.0]]), **arguments)
    back = {name: given for name, given in arguments.items() if name != "seed"}
    slope = activation.backward(np.array([[1.0, 0.0, 0.0]]), y=y, **back)
    return float(y[0, 0]), float(slope[0, 0])


def curves(row: Row, family: Sequence[Settings], low: float, high: float) -> list[Curve]:
    """A curve for each of the settings, from `low` to `high`."""
    x = np.linspace(low, high, POINTS)
    return [curve(row, settings, x) for settings in family]


def bend(drawn: Curve) -> float | None:
    """Where there is most to see: where it turns, or else where it bends most; None where it is straight."""
    inner = slice(POINTS // 20, -POINTS // 20)
    x, slope = drawn.x[inner], drawn.slope[inner]
    turns = np.flatnonzero(np.diff(np.sign(slope)) * (slope[1:] != 0) * (slope[:-1] != 0))
    if turns.size:
        return float(x[min(turns, key=lambda i: abs(x[i]))])
    change = np.abs(np.diff(slope))
    if not change.size or change.max() < 1e-9:
        return None
    most = np.flatnonzero(change >= 0.99 * change.max())
    return float(x[min(most, key=lambda i: abs(x[i]))])
