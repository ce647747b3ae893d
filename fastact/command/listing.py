"""``fastact list``: the activations and their properties, sorted and filtered by any of them."""

from __future__ import annotations

import argparse
import json

from ..catalog import Row, rows
from . import arguments as read
from .properties import NAME, PROPERTIES, Property, choices, matches, text
from .screen import Screen
from .table import Column, Table

FILTERS = [known for known in PROPERTIES if known is not NAME]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``fastact list``, most of which are the table of properties."""
    parser.description = "List the activations that have all properties that are asked for."
    for known in FILTERS:
        words = choices(known(row) for row in rows)
        few = words and len(words) < read.MANY
        parser.add_argument(
            f"--{known.name}", dest=f"property {known.name}", choices=words,
            metavar="|".join(words) if few and words else "TEXT" if words is None else "WORD",
            help=known.help,
        )  # fmt: skip
    names = [known.name for known in PROPERTIES]
    parser.add_argument("--sort", choices=names, metavar="PROPERTY", help=f"by {', '.join(names)}")
    parser.add_argument("--reverse", action="store_true", help="the other way round")
    parser.add_argument("--json", action="store_true", help="print it as JSON, with all properties")


def run(arguments: argparse.Namespace) -> int:
    asked = [(known, vars(arguments)[f"property {known.name}"]) for known in FILTERS]
    found = [
        row for row in rows if all(matches(known(row), word) for known, word in asked if word is not None)
    ]
    if arguments.sort:
        known = next(known for known in PROPERTIES if known.name == arguments.sort)
        found.sort(key=lambda row: _order(known, row))
    if arguments.reverse:
        found.reverse()
    if arguments.json:
        print(json.dumps([{known.name: known(row) for known in PROPERTIES} for row in found], indent=1))
    else:
        _show(found)
    return 0


def _order(known: Property, row: Row) -> tuple[bool, object]:
    """What has no value comes last."""
    value = known(row)
    return value is None, 0 if value is None else value


def _show(found: list[Row]) -> None:
    screen = Screen()
    shown = [known for known in PROPERTIES if known.spare is not None]
    table = Table([Column(known.title, spare=known.spare or 0) for known in shown])
    for row in found:
        table.add(*(text(known(row)) for known in shown))
    if found:
        screen.table(table)
    if not screen.plain:
        screen.note(f"{len(found)} activations; 'fastact show NAME' says all of one.")
