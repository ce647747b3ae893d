"""``fastact accuracy``: its options, its table on the screen, and the page of the documentation."""

from __future__ import annotations

import argparse

import fastact as fa

from ..measure import record
from ..measure.accuracy import chosen, errors, reference
from . import ending
from .arguments import add_names, new_file
from .screen import Screen, progress, styled
from .table import FEW, Column, Table

HEADINGS = ("activation", "direction", "dtype", "largest error", "unit", "allowed", "where", "inputs")


def _cells(m: errors.Measurement) -> list[str]:
    figures = f"{m.error:.3g}", m.unit, f"{m.limit:g}", m.place, f"{m.count:,}"
    return [m.activation, m.direction, m.dtype, *figures]


def markdown(measurements: list[errors.Measurement], args: argparse.Namespace) -> str:
    """The page of the documentation that holds the table."""
    built = fa.config()
    every = {"float32": "every float32 number", "": "every float32 number, 10^8 of float64"}
    what = every.get(args.dtype or "", "10^8 numbers") if args.exhaustive else "a stratified sample"
    given = [
        *(["--exhaustive"] if args.exhaustive else []),
        *(["--dtype", args.dtype] if args.dtype else []),
        *(["NAME ..."] if args.activation else []),
    ]
    lines = [
        "# Accuracy over every number" if args.exhaustive else "# Accuracy",
        "",
        f"Written by `{' '.join(['fastact accuracy', *given, '--markdown FILE'])}`, not by hand.",
        f"Inputs: {what}. fastact {built['version']}, level {built['level']}, compiler {built['compiler']}.",
        "float32 is judged by float64, float64 by long double, both from the formulas of the catalog; passes",
        "from their definitions in `fastact/measure/accuracy/passes.py`, halves in their own ULP by float64.",
        "",
        *(f"- {unit}: {meaning}" for unit, meaning in errors.UNIT_MEANINGS.items()),
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"|{' --- |' * len(HEADINGS)}",
        *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in _cells(m))} |" for m in measurements),
    ]
    return "\n".join(lines) + "\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``fastact accuracy``."""
    add_names(parser, fa.passes)
    dtypes = [*map(str, errors.DTYPES), *chosen.HALVES]
    parser.add_argument("--dtype", choices=dtypes, help="only this one; those of half precision of passes")
    parser.add_argument(
        "--exhaustive", action="store_true", help="all 2^32 float32 inputs, and 10^8 of float64: minutes each"
    )
    parser.add_argument(
        "--details", action="store_true", help="print every figure, and not the summary of them alone"
    )
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write the measurements there")
    parser.add_argument("--markdown", type=new_file, metavar="FILE", help="write a page with the table there")


def run(args: argparse.Namespace) -> int:
    """Measure, show, write; 1 where an error is larger than allowed."""
    names = args.activation or [*fa.activations, *fa.passes]
    work = chosen.batches(names, args.dtype or "", args.exhaustive)
    found = errors.Found()
    with ending.until_interrupted() as watch, progress(len(work)) as advance:
        errors.measure(work, lambda batch: advance(str(batch.case), 1), found)
    measurements = found.measurements
    try:
        screen = Screen()
        _show(screen, measurements, args.details)
        if watch.interrupted:
            tried = f"Interrupted: {found.batches} of {len(work)} parts of the inputs were tried."
            screen.line(tried, "bold")
    finally:
        with ending.writing(args.json):
            record.write(args.json, measurements, watch.interrupted, config=fa.config())
    if args.markdown and not watch.interrupted:
        with ending.writing(args.markdown):
            args.markdown.write_text(markdown(measurements, args), encoding="utf-8")
    return watch.status or (0 if all(m.within for m in measurements) else 1)


def _show(screen: Screen, measurements: list[errors.Measurement], details: bool) -> None:
    """The summary, and where they are few or asked for all figures, else those beyond what is allowed."""
    beyond = [m for m in measurements if not m.within]
    screen.title(f"fastact {fa.__version__} accuracy, level {fa.config()['level']}")
    screen.line(f"{len(measurements)} largest errors, {len(beyond) or 'none'} of them beyond what is allowed")
    whole = details or len(measurements) <= FEW
    shown = measurements if whole else beyond
    if not whole:
        screen.line()
        screen.table(_summary(measurements))
    if shown:
        screen.line()
        screen.table(_table(shown))
    if not whole:
        screen.note("--details prints each, --json FILE and --markdown FILE keep them.")
    for dtype in errors.DTYPES:
        if not reference.can_judge(dtype):
            screen.line(f"{dtype} was not measured: no type of this platform is enough wider to judge it.")


def _table(measurements: list[errors.Measurement]) -> Table:
    spare = {"inputs": 3, "allowed": 2, "where": 1}
    right = ("largest error", "allowed", "inputs")
    table = Table([
        Column(name, right=name in right, spare=spare.get(name, 0), wraps=name == "where")
        for name in HEADINGS
    ])  # fmt: skip
    for m in measurements:
        error, *others = _cells(m)[3:]
        names = m.activation, m.direction, m.dtype
        table.add(*names, error if m.within else styled(error, "bold red"), *others)
    return table


def _summary(measurements: list[errors.Measurement]) -> Table:
    """The largest error of each direction and dtype, in each unit."""
    table = Table([
        Column("dtype"), Column("direction"), Column("largest", right=True), Column("unit", wraps=True),
        Column("of"), Column("allowed", right=True, spare=1),
    ])  # fmt: skip
    kinds = dict.fromkeys((m.dtype, m.direction, m.unit) for m in measurements)
    for kind in sorted(kinds):
        m = max((m for m in measurements if (m.dtype, m.direction, m.unit) == kind), key=lambda m: m.error)
        table.add(m.dtype, m.direction, f"{m.error:.3g}", m.unit, m.activation, f"{m.limit:g}")
    return table
