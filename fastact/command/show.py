"""``fastact show``: all that is known of an activation or pass; where asked for, its errors and speed too."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from typing import Any

import fastact as fa

from ..catalog import Pass, Row
from ..catalog.row import SAVED
from ..catalog.spellings import spellings
from . import arguments as read
from . import passes
from .properties import KIND, PROPERTIES, data, default, text
from .screen import Screen
from .table import Column, Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``fastact show``."""
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="here or elsewhere: silu, SiLU, keras:gelu, layer_norm"
    )
    parser.add_argument("--measure", action="store_true", help="measure its errors and speed too, in seconds")
    parser.add_argument(
        "--size", type=read.list_of(read.size), metavar="N[,N]",
        help="with --measure: numbers of elements that are timed (default: 1K,1M)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(arguments: argparse.Namespace) -> int:
    found = [(name, read.activation_or_pass(name)) for name in arguments.names]
    sizes = arguments.size or [2**10, 2**20]
    figures = [_measured(activation.row, sizes) if arguments.measure else None for _, activation in found]
    if arguments.json:
        records = [
            record(a.row) | (f.record() if f else {}) for (_, a), f in zip(found, figures, strict=True)
        ]
        print(json.dumps(records[0] if len(records) == 1 else records, indent=1, allow_nan=False))
        return 0
    screen = Screen()
    for i, ((name, activation), one) in enumerate(zip(found, figures, strict=True)):
        if i:
            screen.line()
        _show(screen, name, activation)
        if one:
            _show_figures(screen, one)
    return 0


def _measured(row: Row | Pass, sizes: list[int]) -> Any:
    from ..measure import one  # whose references take their time

    return one.measured(row, sizes)


def record(row: Row | Pass) -> dict[str, Any]:
    """What is shown of a row, as JSON has it."""
    if isinstance(row, Pass):
        return passes.record(row)
    return {
        **{known.name: data(known(row)) for known in PROPERTIES},
        "formula": row.formula,
        "derivatives": row.derivatives,
        "strengths": row.strengths,
        "weaknesses": row.weaknesses,
        "held-at": row.held_at,
        "slopes-at": row.properties.slope_at,
        "turns": row.properties.turns,
        "breaks": data(row.properties.breaks),
        "claims": [{"said": claim.said, "why-not": claim.why} for claim in row.claims],
        "parameters": [
            {"name": p.name, "default": default(p), "allowed": _allowed(p), "meaning": p.meaning}
            for p in row.parameters
        ],
        "spellings": dict(_spellings(row)),
        "differences": [
            {"library": c.library, "theirs": c.theirs, "differs": c.differs, "here": c.call}
            for c in row.conventions
            if c.differs
        ],
    }


def _show(screen: Screen, name: str, activation: Any) -> None:
    row = activation.row
    if isinstance(row, Pass):
        screen.title(row.name)
        _show_labelled(screen, passes.facts(row))
        _show_differences(screen, row)
        return
    screen.title(row.name if activation is fa.activations[row.name] else f"{name} is {activation!r}")
    _show_labelled(screen, _facts(row))
    screen.line()
    screen.title(f"properties at {row.held_at}" if row.held_at else "properties")
    _show_labelled(screen, row.properties.facts().items())
    if row.claims:
        _show_table(
            screen, ("said, and not so", "why not"), [(claim.said, claim.why) for claim in row.claims],
            keeps_first=False,
        )  # fmt: skip
    if row.parameters:
        _show_table(
            screen, ("parameter", "default", "allowed", "meaning"),
            [(p.name, default(p), _allowed(p), p.meaning) for p in row.parameters],
        )  # fmt: skip
    _show_differences(screen, row)


def _show_differences(screen: Screen, row: Row | Pass) -> None:
    differing = [c for c in row.conventions if c.differs]
    if differing:
        _show_table(
            screen, ("library", "its call", "differs", "here"),
            [(c.library, c.theirs, c.differs, c.call) for c in differing],
        )  # fmt: skip


def _facts(row: Row) -> Iterator[tuple[str, str]]:
    activation = fa.activations[row.name]
    yield "call", f"fastact.{row.name}{activation.__signature__}"
    yield "formula", row.formula
    for saved, derivative in row.derivatives.items():
        # A derivative that names dy is the whole gradient already.
        of = "gradient" if row.text(saved) == derivative else "derivative"
        yield f"{of} from {saved}", derivative
    yield "strengths", row.strengths
    yield "weaknesses", row.weaknesses
    yield KIND.name, KIND(row)
    yield "range", row.range
    needs = " or ".join(f"{name} ({SAVED[name].rstrip('.').lower()})" for name in row.saves)
    condition = f"; y only where {row.output_determines}" if row.output_determines else ""
    yield "backward needs", f"{needs}{condition}"
    yield "reference", row.reference
    for library, names in _spellings(row):
        yield library, ", ".join(names)


def _spellings(row: Row) -> Iterator[tuple[str, list[str]]]:
    """What each library calls it; with what it binds where its defaults are not ours."""
    for library, names in spellings().items():
        own = [(name, meaning) for name, meaning in names.items() if meaning.name == row.name]
        if own:
            yield library, [_spelling(name, dict(meaning.parameters)) for name, meaning in own]


def _spelling(name: str, bound: dict[str, Any]) -> str:
    return f"{name} ({', '.join(f'{key}={text(value)}' for key, value in bound.items())})" if bound else name


def _allowed(parameter: Any) -> str:
    if parameter.choices:
        return ", ".join(map(repr, parameter.choices))
    none = "None, " if parameter.none is not None else ""
    return f"{none}{parameter.allowed}"


def _show_labelled(screen: Screen, facts: Iterable[tuple[str, str]]) -> None:
    table = Table([Column(""), Column("", wraps=True)])
    for label, fact in facts:
        table.add(label, fact)
    screen.table(table, headings=False)


def _show_table(
    screen: Screen, headings: tuple[str, ...], cells: list[tuple[str, ...]], keeps_first: bool = True
) -> None:
    screen.line()
    table = Table([Column(heading, wraps=i > 0 or not keeps_first) for i, heading in enumerate(headings)])
    for row in cells:
        table.add(*row)
    screen.table(table)


def _show_figures(screen: Screen, figures: Any) -> None:
    screen.line()
    table = Table([
        Column("error"), Column("dtype"), Column("largest", right=True), Column("allowed", right=True),
        Column("unit", wraps=True), Column("inputs", right=True, spare=1),
    ])  # fmt: skip
    for m in figures.errors:
        table.add(m.direction, m.dtype, f"{m.error:.3g}", f"{m.limit:g}", m.unit, f"{m.count:,}")
    screen.table(table)
    for name in dict.fromkeys(s.activation for s in figures.speeds):
        screen.line()
        _show_speeds(screen, name, [s for s in figures.speeds if s.activation == name])


def _show_speeds(screen: Screen, name: str, speeds: list[Any]) -> None:
    table = Table([
        Column(f"speed of {name}" if "+" in name else "speed"), Column("dtype"), Column("size", right=True),
        Column("threads", right=True), Column("ns/element", right=True), Column("× NumPy", right=True),
    ])  # fmt: skip
    for s in speeds:
        times = f"{s.speedup_over_numpy:.1f}" if s.speedup_over_numpy else "–"
        size = read.size_text(s.size)
        table.add(s.call, s.dtype, size, str(s.threads), f"{s.ns_per_element:.3f}", times)
    screen.table(table)
