"""What the experiments beside this file share: options, tables, claims, and the style of figures.

An experiment prints its numbers as a table, draws them where ``-o`` asks for a figure, and says of each of
its claims whether the numbers bear it out. Its exit status is 1 where one of them does not.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ENDINGS = (".svg", ".png")


class Style(NamedTuple):
    """A line that is told from the others by its colour, and without colours by its dashes and marks."""

    colour: str
    dashes: str | tuple[int, tuple[float, ...]]
    marker: str


# Colours by Okabe and Ito, which differ for colour-blind eyes too. An activation looks alike in all figures.
STYLES = {
    "sigmoid": Style("#d55e00", "-", "o"),
    "tanh": Style("#0072b2", "--", "s"),
    "relu": Style("#000000", "-", "^"),
    "leaky_relu": Style("#009e73", "-.", "D"),
    "elu": Style("#cc79a7", ":", "v"),
    "silu": Style("#e69f00", "--", "P"),
    "gelu": Style("#56b4e9", "-.", "X"),
    "selu": Style("#009e73", "-", "P"),
    "prelu": Style("#e69f00", "--", "P"),
    "rrelu": Style("#56b4e9", "-.", "X"),
    "maxout": Style("#0072b2", "--", "s"),
}

SERIES = tuple(STYLES.values())[:7]
"""Seven that differ, for lines that are of no activation."""


class Options(NamedTuple):
    quick: bool
    output: Path | None


def options(description: str | None, arguments: Sequence[str] | None) -> Options:
    """What the command line asks for; a figure that cannot be drawn is said before anything is computed."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smaller, for a check within seconds")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write a figure (.svg, .png)")
    chosen = parser.parse_args(arguments)
    if chosen.output and chosen.output.suffix not in ENDINGS:
        parser.error(f"-o: {chosen.output} ends in none of {', '.join(ENDINGS)}")
    if chosen.output and not importlib.util.find_spec("matplotlib"):
        parser.error("-o: a figure needs matplotlib; install it with: pip install matplotlib")
    return Options(chosen.quick, chosen.output)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below a header, the first column to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        print("  ".join(cells).rstrip())
    print()


def verdict(claims: Mapping[str, bool | np.bool_]) -> int:
    """Say of each claim whether it held; the exit status of the experiment."""
    for claim, held in claims.items():
        print(f"{'holds' if held else 'FAILS'}: {claim}")
    return 0 if all(claims.values()) else 1


def figure(width: float, height: float) -> Any:
    """An empty figure of this many inches, whose parts keep clear of each other."""
    # By name: whoever checks the types of these scripts need not have matplotlib.
    return importlib.import_module("matplotlib.figure").Figure((width, height), layout="constrained")


def line(axis: Any, name: str, x: Any, y: Any, **others: Any) -> None:
    """A line in the style of its activation."""
    style = STYLES[name]
    axis.plot(
        x, y, label=name, color=style.colour, linestyle=style.dashes, marker=style.marker, markersize=4,
        **{"linewidth": 1.5, **others},
    )  # fmt: skip


def label(axis: Any, title: str, x: str, y: str) -> None:
    axis.set_title(title, fontsize=10)
    axis.set_xlabel(x, fontsize=9)
    axis.set_ylabel(y, fontsize=9)
    axis.tick_params(labelsize=8)
    axis.grid(linewidth=0.4, alpha=0.5)


def save(drawn: Any, path: Path) -> None:
    drawn.savefig(path, dpi=150)
    print(f"figure: {path}\n")
