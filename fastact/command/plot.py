"""``fastact plot``: a picture of an activation and its derivative, or of several together."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import fastact as fa

from . import arguments as read
from . import ending
from .screen import Screen

ENDINGS = (".png", ".svg", ".pdf")
MOST = 8
"""Curves that can be told apart."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``fastact plot``."""
    parser.description = (
        "Draw activations and their derivatives side by side: one with a curve for each of several values "
        "of its parameters, or several together."
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="here or elsewhere, as for 'fastact show'")
    parser.add_argument(
        "-o", "--output", type=read.new_file_ending(ENDINGS), metavar="FILE",
        help=f"the picture, {', '.join(ENDINGS)} (default: NAME.png)",
    )  # fmt: skip
    parser.add_argument(
        "--family", type=values, metavar="PARAMETER=V[,V]", help="of one activation: a curve for each value"
    )
    parser.add_argument("--from", dest="low", type=float, default=-6.0, metavar="X", help="(default: -6)")
    parser.add_argument("--to", dest="high", type=float, default=6.0, metavar="X", help="(default: 6)")


def values(word: str) -> tuple[str, list[float]]:
    """A parameter and numbers for it."""
    name, _, numbers = word.partition("=")
    try:
        found = [float(number) for number in numbers.split(",")]
    except ValueError:
        found = []
    if not (name.isidentifier() and 0 < len(found) <= MOST):
        raise argparse.ArgumentTypeError(f"{word!r}: allowed are up to {MOST} numbers, as in alpha=0.5,1,2")
    return name, found


def run(arguments: argparse.Namespace) -> int:
    found = list(dict.fromkeys(read.activation(name) for name in arguments.names))
    if not -1e6 < arguments.low < arguments.high < 1e6:
        raise ending.Mistake("argument --from: allowed are numbers below --to, within a million")
    if len(found) > MOST:
        raise ending.Mistake(f"argument NAME: {MOST} curves at most can be told apart")
    if arguments.family and len(found) > 1:
        raise ending.Mistake("argument --family: allowed with one NAME only")
    family = _family(found[0], arguments.family) if len(found) == 1 else None
    path = arguments.output or Path(f"{'-'.join(activation.name for activation in found)}.png")
    from . import picture  # which needs matplotlib

    with ending.writing(path):
        if family is not None:
            picture.draw_family(found[0].row, family, path, arguments.low, arguments.high)
        else:
            picture.draw_together(found, path, arguments.low, arguments.high)
    Screen().line(f"wrote {path}")
    return 0


def _family(activation: Any, asked: tuple[str, list[float]] | None) -> list[Any]:
    """The settings of each curve of an activation: those asked for, those bound, or some that show a lot."""
    from ..measure import curves

    row = activation.row
    bound = getattr(activation, "bound", {})
    if asked is None:
        return [bound] if bound else curves.family(row)
    name, numbers = asked
    takes = [p.name for p in row.parameters if not p.choices] + [n for n in row.shape.needs if n == "weight"]
    if name not in takes:
        hint = read.closest(name, takes)
        raise ending.Mistake(f"argument --family: {row.name} has no {name!r}{hint}; it has {takes or 'none'}")
    family = [{**bound, name: number} for number in numbers]
    for settings in family:
        _check(row, settings)
    return family


def _check(row: Any, settings: dict[str, float]) -> None:
    try:
        fa.activations[row.name].bind(**settings)
    except (TypeError, ValueError) as error:
        raise ending.Mistake(f"argument --family: {error}") from error
