"""``fastact list``: the activations, sorted and filtered by any of their properties; or the passes."""

from __future__ import annotations

import argparse
import json

from ..catalog import Row, rows
from ..catalog import passes as pass_rows
from ..measure.passes.forms import FORMS
from . import arguments as read
from . import passes
from .properties import NAME, PROPERTIES, Property, data, is_number, matches, text
from .screen import Screen
from .table import Column, Table

FILTERS = [known for known in PROPERTIES if known is not NAME]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``fastact list``, most of which are the table of properties."""
    parser.description = (
        "List the activations that have all properties that are asked for, or the passes around them."
    )
    parser.add_argument(
        "--passes", action="store_true", help="the passes instead: norms, losses, dropout, recurrent cells"
    )
    for known in FILTERS:
        words = known.choices(rows)
        number = any(is_number(known(row)) for row in rows)
        parser.add_argument(
            f"--{known.name}", dest=f"property {known.name}", choices=words, type=float if number else str,
            metavar="NUMBER" if number else _metavar(words), help=known.help,
        )  # fmt: skip
    names = [known.name for known in PROPERTIES]
    parser.add_argument(
        "--sort", type=read.one_of(names, "'fastact list --help' names all"), metavar="PROPERTY",
        help=f"by {', '.join(names)}",
    )  # fmt: skip
    parser.add_argument("--reverse", action="store_true", help="the other way round")
    parser.add_argument("--json", action="store_true", help="print it as JSON, with all properties")
    parser.set_defaults(refuse=parser.error)


def _metavar(words: list[str] | None) -> str:
    if words is None:
        return "TEXT"
    return "|".join(words) if len(words) < read.MANY else "WORD"


def run(arguments: argparse.Namespace) -> int:
    if arguments.passes:
        _run_passes(arguments)
        return 0
    asked = [(known, vars(arguments)[f"property {known.name}"]) for known in FILTERS]
    found = [
        row for row in rows if all(matches(known(row), word) for known, word in asked if word is not None)
    ]
    by = next((known for known in PROPERTIES if known.name == arguments.sort), None)
    found = _in_order(found, by, arguments.reverse)
    if arguments.json:
        records = [{known.name: data(known(row)) for known in PROPERTIES} for row in found]
        print(json.dumps(records, indent=1, allow_nan=False))
    else:
        _show(found, by)
    return 0


def _in_order(found: list[Row], by: Property | None, reverse: bool) -> list[Row]:
    """Sorted either way; what has no value comes last."""
    if by is None:
        return found[::-1] if reverse else found
    having = sorted((row for row in found if by(row) is not None), key=lambda row: by.rank(by(row)))
    return [*(having[::-1] if reverse else having), *(row for row in found if by(row) is None)]


def _show(found: list[Row], by: Property | None) -> None:
    """As a table, in which what it is sorted by has its column at any width."""
    screen = Screen()
    shown = [known for known in PROPERTIES if known.spare is not None or known is by]
    table = Table([
        Column(
            known.title,
            right=any(is_number(known(row)) for row in found),
            spare=0 if known is by else known.spare or 0,
        )
        for known in shown
    ])  # fmt: skip
    for row in found:
        table.add(*(text(known(row)) for known in shown))
    if found:
        screen.table(table)
    if not screen.plain:
        screen.note(
            f"{len(found)} activations; 'fastact show NAME' says all of one, --passes lists the passes."
        )


def _run_passes(arguments: argparse.Namespace) -> None:
    """The passes in the order of the catalog; a pass has none of the properties of an activation."""
    for known in FILTERS:
        if vars(arguments)[f"property {known.name}"] is not None:
            arguments.refuse(f"argument --{known.name}: not allowed with --passes")
    if arguments.sort not in (None, NAME.name):
        arguments.refuse(f"argument --sort: {arguments.sort!r} is of activations; allowed is name")
    found = sorted(pass_rows, key=lambda row: row.name) if arguments.sort else list(pass_rows)
    found = found[::-1] if arguments.reverse else found
    if arguments.json:
        print(json.dumps([passes.record(row) for row in found], indent=1, allow_nan=False))
        return
    screen = Screen()
    table = Table([Column("name"), Column("formula", wraps=True)])
    for row in found:
        table.add(row.name, row.formula)
    screen.table(table)
    screen.line()
    table = Table([Column("measured too"), Column("as", wraps=True)])
    for name, form in FORMS.items():
        if name not in (row.name for row in found):
            table.add(name, f"fastact.{form.forward.call}")
    screen.table(table)
    if not screen.plain:
        screen.note(
            f"{len(found)} passes; 'fastact show NAME' says all of one, 'fastact bench NAME' is for all."
        )
