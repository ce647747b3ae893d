"""A page for each activation: what the catalog, the kernels and the records of measurements know of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fastact as fa
from fastact.catalog import Row
from fastact.catalog.arguments import OF_SCORES
from fastact.catalog.row import SAVED
from fastact.command import show

from . import conventions, experiments, figures, markdown, mathematics, records, tables

FOLDER = "activations"


def write(docs: Path) -> None:
    """Write the pages below `docs`, and the page that lists them."""
    folder = docs / FOLDER
    folder.mkdir(exist_ok=True)
    speaks_of = experiments.activations_of()
    for name, activation in fa.activations.items():
        text = "\n".join(_page(activation.row, speaks_of.get(name, [])))
        (folder / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    names = "\n".join(fa.activations)
    (folder / "index.md").write_text(_INDEX.format(count=len(fa.activations), names=names), encoding="utf-8")


_INDEX = """\
# Activations

All {count}, each with its formula, derivative, pictures, properties, errors and speed. The
[decision table](../choosing.md) compares them.

```{{toctree}}
:maxdepth: 1

{names}
```
"""


def _page(row: Row, speaks_of: list[experiments.Experiment]) -> Iterator[str]:
    yield f"# {row.name}\n"
    yield markdown.math(mathematics.formula(row))
    yield from _letters(row, row.formula)
    yield _figure(row, "curves")
    yield f"**For it.** {row.strengths}\n\n**Against it.** {row.weaknesses}\n"
    yield from _in_one_pass(row)
    yield from _claims(row)
    yield from _derivatives(row)
    yield from _parameters(row)
    yield "## Properties\n"
    yield markdown.table(("property", "at the default parameters"), row.properties.facts().items())
    yield "## At the limits\n"
    yield markdown.table((tables.special_inputs(row), *tables.SPECIAL_HEADINGS), tables.special_values(row))
    yield "## Elsewhere\n"
    yield conventions.table(row) + "\n"
    yield from _other_names(row)
    yield from _errors(row)
    yield from _speed(row)
    if speaks_of:
        yield "## Experiments\n"
        yield experiments.listed(speaks_of)
    yield f"## Published\n\n{row.reference}.\n"
    yield f"## Reference\n\n```{{eval-rst}}\n.. activation:: {row.name}\n```"


def _figure(row: Row, kind: str) -> str:
    return markdown.figure(row.name, kind, figures.alt(row, kind))


def _letters(row: Row, *texts: str) -> Iterator[str]:
    legend = mathematics.legend(row, *texts)
    if legend:
        yield "where " + "; ".join(f"${letter}$ is {meaning}" for letter, meaning in legend) + ".\n"


def _in_one_pass(row: Row) -> Iterator[str]:
    """What a call can do beside the activation, in the same pass."""
    given = [a.name for a in row.arguments if a.fused or a in OF_SCORES]
    if given:
        listed = ", ".join(f"`{name}=`" for name in given)
        yield f"[In the same pass](../passes.md), where they are given: {listed}.\n"


def _claims(row: Row) -> Iterator[str]:
    if row.claims:
        yield "## Said, and not so\n"
        yield "\n".join(f"- *“{claim.said}”* {claim.why}" for claim in row.claims) + "\n"


def _derivatives(row: Row) -> Iterator[str]:
    yield "## Derivative, and what backward needs\n"
    for saved in row.saves:
        yield f"From `{saved}`, {SAVED[saved].rstrip('.').lower()}:\n"
        yield markdown.math(mathematics.derivative(row, saved))
    if any(row.text(saved) == text for saved, text in row.derivatives.items()):
        yield from _letters(row, *row.derivatives.values())
    if row.saves[0] == "y":
        condition = f", where `{row.output_determines}`" if row.output_determines else ""
        also = "; either will do" if "x" in row.saves else ""
        yield (
            f"The saved output is enough{condition}{also}: the activation can write over its input, and "
            "training still finds the gradient.\n"
        )
    else:
        yield "The output does not determine the derivative, so a network keeps the input until backward.\n"


def _parameters(row: Row) -> Iterator[str]:
    if row.parameters:
        yield "## Parameters\n"
        shown = show.record(row)["parameters"]
        rows = [(f"`{p['name']}`", f"`{p['default']}`", f"`{p['allowed']}`", p["meaning"]) for p in shown]
        yield markdown.table(("parameter", "default", "allowed", "meaning"), rows)


def _other_names(row: Row) -> Iterator[str]:
    found = show.record(row)["spellings"]
    for library, title in _TITLES.items():
        if library in found:
            yield f"{title}: {', '.join(f'`{name}`' for name in found[library])}.\n"


_TITLES = {"sklearn": "scikit-learn's name", "huggingface": "Hugging Face's names (`ACT2FN`)"}
"""Libraries whose names are no calls, so that the table of conventions has no line for them."""


def _errors(row: Row) -> Iterator[str]:
    yield "## Errors\n"
    yield _figure(row, "errors")
    yield "The largest, in float32, and near which x:\n"
    yield markdown.table(tables.ERROR_HEADINGS, tables.largest_errors(row))
    yield _measured(records.ERRORS)


def _speed(row: Row) -> Iterator[str]:
    yield "## Speed\n"
    yield _figure(row, "speed")
    yield markdown.table(tables.speed_headings(), tables.speed_rows(row))
    yield _measured(records.SPEED)


def _measured(name: str) -> str:
    record = records.load(name)
    return f"Measured on {records.machine_words(record)}, {records.dates(record)}.\n"
