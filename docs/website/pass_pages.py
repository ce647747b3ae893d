"""A page for each pass around an activation, and the table of all: what the catalog knows of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fastact as fa
from fastact.catalog import Pass

from . import conventions, experiments, markdown, mathematics, pass_figures

FOLDER = "passes"

HEADINGS = "pass", "what it gives", "for it", "against it"


def write(docs: Path) -> None:
    """Write the pages below `docs`, and the table and the figure that ``passes.md`` includes."""
    folder, generated = docs / FOLDER, docs / "generated"
    folder.mkdir(exist_ok=True)
    generated.mkdir(exist_ok=True)
    speak_of = experiments.passes_of()
    for name, one in fa.passes.items():
        text = "\n".join(_page(one.row, speak_of[name]))
        (folder / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    table = markdown.table(HEADINGS, [_line(one.row) for one in fa.passes.values()])
    (generated / "passes_table.md").write_text(table, encoding="utf-8")
    figure = markdown.figure("attention", pass_figures.KIND, pass_figures.alt("attention"), "")
    (generated / "attention.md").write_text(figure, encoding="utf-8")


def _line(row: Pass) -> tuple[str, ...]:
    def first(text: str) -> str:
        return text.partition(". ")[0].rstrip(".") + "."

    link = f"[{row.name}]({FOLDER}/{row.name}.md)"
    return link, f"`{row.formula}`", first(row.strengths), first(row.weaknesses)


def _page(row: Pass, speak_of: list[experiments.Experiment]) -> Iterator[str]:
    yield f"# {row.name}\n"
    yield from map(markdown.math, mathematics.equations(row))
    yield from _words(row)
    yield markdown.figure(row.name, pass_figures.KIND, pass_figures.alt(row.name))
    yield f"**For it.** {row.strengths}\n\n**Against it.** {row.weaknesses}\n"
    yield "## Gradients\n"
    yield from map(markdown.math, mathematics.gradients(row))
    yield "## Errors and speed\n"
    yield _allowed(row)
    yield "## Elsewhere\n"
    yield conventions.table(row) + "\n"
    if speak_of:
        yield "## Experiments\n"
        yield experiments.listed(speak_of)
    yield f"## Published\n\n{row.reference}.\n"
    yield f"## Reference\n\n```{{eval-rst}}\n.. activation:: {row.name}\n```"


def _words(row: Pass) -> Iterator[str]:
    found = mathematics.words(row)
    if found:
        yield f"Here {'; '.join(found)}. A bar marks the gradient of what is below it.\n"


def _allowed(row: Pass) -> str:
    forward, backward = row.allowed
    return (
        f"Tests allow {forward:g} units in the last place forward and {backward:g} backward, counted from "
        "the correctly rounded result as everywhere here ([accuracy](../accuracy.md)), and where terms "
        "cancel in units of the largest term. How fast it is, beside other libraries too, is among the "
        "[benchmarks](../benchmarks.md#passes).\n"
    )
