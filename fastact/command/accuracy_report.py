"""``fastact accuracy``: its options, its table on the screen, and the page of the documentation."""

from __future__ import annotations

import argparse
from pathlib import Path

import fastact as fa

from ..measure import record
from ..measure.accuracy import errors, reference
from .arguments import add_activations

HEADINGS = ("activation", "direction", "dtype", "largest error", "unit", "allowed", "where", "inputs")


def _cells(m: errors.Measurement) -> list[str]:
    figures = f"{m.error:.3g}", m.unit, f"{m.limit:g}", m.place, f"{m.count:,}"
    return [m.activation, m.direction, m.dtype, *figures]


def markdown(measurements: list[errors.Measurement], exhaustive: bool) -> str:
    """The page of the documentation that holds the table."""
    built = fa.config()
    what = "every float32 number, 10^8 of float64" if exhaustive else "a stratified sample"
    lines = [
        "# Accuracy",
        "",
        f"Written by `fastact accuracy{' --exhaustive' if exhaustive else ''} --markdown FILE`, not by hand.",
        f"Inputs: {what}. fastact {built['version']}, level {built['level']}, compiler {built['compiler']}.",
        "float32 is judged by float64, float64 by long double, both from the formulas of the catalog.",
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
    add_activations(parser)
    parser.add_argument("--dtype", choices=[str(dtype) for dtype in errors.DTYPES], help="only this one")
    parser.add_argument(
        "--exhaustive", action="store_true", help="all 2^32 float32 inputs, and 10^8 of float64: minutes each"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measurements there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a page with the table there")


def run(args: argparse.Namespace) -> int:
    """Measure, show, write; 1 where an error is larger than allowed."""
    chosen = errors.cases(
        args.activation or list(fa.activations),
        [dtype for dtype in errors.DTYPES if args.dtype in (None, str(dtype))],
    )
    work = [batch for case in chosen for batch in errors.batches(case, args.exhaustive)]
    measurements = _measure_with_progress(work)
    _show(measurements)
    record.write(args.json, measurements, config=fa.config())
    if args.markdown:
        args.markdown.write_text(markdown(measurements, args.exhaustive))
    return 0 if all(m.within for m in measurements) else 1


def _measure_with_progress(work: list[errors.Batch]) -> list[errors.Measurement]:
    from rich.progress import TimeRemainingColumn

    from .screen import progress

    with progress(TimeRemainingColumn()) as bar:
        task = bar.add_task("", total=len(work))
        return errors.measure(work, lambda batch: bar.update(task, advance=1, description=str(batch.case)))


def _show(measurements: list[errors.Measurement]) -> None:
    from rich.table import Table

    from . import screen

    table = Table(*HEADINGS, title=f"fastact accuracy, level {fa.config()['level']}")
    for measurement in measurements:
        table.add_row(*_cells(measurement), style="" if measurement.within else "bold red")
    console = screen.console(160)
    console.print(table)
    for dtype in errors.DTYPES:
        if not reference.can_judge(dtype):
            console.print(f"{dtype} was not measured: no type of this platform is enough wider to judge it.")
