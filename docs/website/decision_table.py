"""The decision table: all activations beside each other, by what one chooses among them for."""

from __future__ import annotations

from pathlib import Path

import fastact as fa
from fastact.catalog import Row

HEADINGS = (
    *("activation", "range", "saturates", "monotonic", "mean", "smooth", "slope", "backward needs", "for it"),
)


def write(docs: Path) -> None:
    """Write the table that ``choosing.md`` includes."""
    lines = [f"| {' | '.join(HEADINGS)} |", f"|{' --- |' * len(HEADINGS)}"]
    lines += [f"| {' | '.join(_cells(activation.row))} |" for activation in fa.activations.values()]
    folder = docs / "generated"
    folder.mkdir(exist_ok=True)
    (folder / "decision_table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cells(row: Row) -> tuple[str, ...]:
    known = row.properties
    sides = [side for side, how in (("left", known.left), ("right", known.right)) if how]
    least, most = known.slope
    return (
        f"[{row.name}](activations/{row.name}.md)",
        row.range.replace("-inf", "−∞").replace("inf", "∞"),
        {0: "no", 1: sides[0] if sides else "", 2: "both sides"}[len(sides)],
        "yes" if known.monotonic else "no",
        "" if known.mean is None else f"{known.mean:.2g}",
        known.smoothness.replace("Cinf", "C∞"),
        f"{least:.3g} to {most:.3g}".replace("inf", "∞"),
        " or ".join(row.saves),
        row.strengths.partition(". ")[0].rstrip(".") + ".",
    )
