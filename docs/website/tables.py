"""What a page says in numbers of an activation: special values, largest errors, times."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

import fastact as fa
from fastact.catalog import Row
from fastact.command.arguments import size_text
from fastact.measure.curves import input_words

from . import records
from .records import NO_DIGIT

Rows = list[tuple[str, ...]]

SPECIAL = (0.0, -0.0, math.inf, -math.inf, math.nan)
SPECIAL_HEADINGS = ("value", "derivative")
NONE = "–"
"""In place of what nobody has."""

WHO = {
    "fastact": "fastact",
    "fastact from y": "fastact, from y",
    "torch": "torch",
    "numpy": "NumPy, plain formula",
}
"""The names of an error record's lines."""
PANELS = {"forward": "function", "derivative": "derivative"}

PAGE_SIZE = 2**20
"""Elements of the arrays that a page's table of times is about, or the closest that was measured."""


def special_inputs(row: Row) -> str:
    """What x is in the table of special values."""
    if row.shape.shrinks and not row.shape.halves:
        return "x, in a group beside two zeros"
    return input_words(row)


def special_values(row: Row) -> Rows:
    """x, the value there and the derivative, by fastact in float32."""
    return [tuple(map(_number, (x, *_value_and_slope(row, x)))) for x in SPECIAL]


def _value_and_slope(row: Row, x: float) -> tuple[float, float]:
    activation, arguments = fa.activations[row.name], dict(row.needs)
    if "pieces" in arguments:
        arguments["pieces"] = 3
    many = row.shape.by_row or row.shape.shrinks
    given = [1.0, x] if row.shape.halves else [x, 0.0, 0.0] if many else [x]
    array = np.array([given], np.float32)
    y = activation(array, **arguments)
    dy = np.zeros_like(y)
    dy[0, 0] = 1
    saves = "x" if "x" in row.saves else "y"
    back = {name: value for name, value in arguments.items() if name != "seed"}
    dx = activation.backward(dy, **{saves: array if saves == "x" else y}, **back)
    dx = dx[0] if isinstance(dx, tuple) else dx
    return float(y[0, 0]), float(dx[0, -1 if row.shape.halves else 0])


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.7g}"


ERROR_HEADINGS = ("", *WHO.values(), "allowed", "unit")


def largest_errors(row: Row) -> Rows:
    """Of the function and of the derivative: each largest error, near which x, and what is allowed."""
    entry = records.load(records.ERRORS)["activations"][row.name]
    return [
        (
            words,
            *(largest(entry[panel][who]) if who in entry[panel] else NONE for who in WHO),
            f"{entry[panel]['bound']:g}",
            entry[panel]["unit"],
        )
        for panel, words in PANELS.items()
    ]


def largest(line: list[float]) -> str:
    """The largest error of a line of the record, and where it is."""
    index = int(np.argmax(line))
    if not line[index]:
        return "0"
    return f"{error_words(line[index])} near {middle(index)}"


def error_words(error: float) -> str:
    if error >= NO_DIGIT:
        return "no digit right"
    return f"{error:.3g}" if error < 1000 else f"{float(f'{error:.2g}'):,.0f}"


def middle(index: int) -> str:
    """The middle of an interval of the record."""
    edges = records.load(records.ERRORS)["edges"]
    found = (edges[index] + edges[index + 1]) / 2
    return "0" if 0 in edges[index : index + 2] else f"{found:.3g}"


def speed_headings() -> tuple[str, ...]:
    size = f"{size_text(page_size())} float32 elements"
    return (size, "ns per element", "times as fast as NumPy", "times as fast as torch")


def page_size() -> int:
    sizes = records.load(records.SPEED)["sizes"]
    return min(sizes, key=lambda size: abs(math.log(size / PAGE_SIZE)))


def speed_rows(row: Row) -> Rows:
    """Of each direction and number of threads: fastact's time, and how many times it is that of others.

    torch has as many threads as fastact; NumPy has one.
    """
    return [
        (words, f"{own:.3g}", _times(numpy, own), _times(torch, own))
        for words, own, numpy, torch in times(row)
    ]


def times(row: Row) -> Iterator[tuple[str, float, float | None, float | None]]:
    """What was measured, and nanoseconds per element of fastact, NumPy and torch at `page_size`."""
    record = records.load(records.SPEED)
    place = record["sizes"].index(page_size())
    for direction, lines in record["activations"][row.name]["float32"].items():
        at = {who: line[place] for who, line in lines.items()}
        for kind in ("1", "all"):
            if f"fastact {kind}" in at:
                numpy, torch = at.get("numpy 1"), at.get(f"torch {kind}")
                yield f"{direction}, {threads_words(kind)}", at[f"fastact {kind}"], numpy, torch


def threads_words(kind: str) -> str:
    return "1 thread" if kind == "1" else f"{records.load(records.SPEED)['about']['threads']} threads"


def _times(other: float | None, own: float) -> str:
    return NONE if other is None else f"{other / own:.3g}"
