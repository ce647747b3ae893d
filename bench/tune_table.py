"""A run of ``fastact tune --json`` as a table of ARCHITECTURE.md.

python bench/tune_table.py FILE
"""

from __future__ import annotations

from pathlib import Path
from statistics import geometric_mean
from typing import Any

from between_markers import direction_of, heading, line, recorded, write

from fastact.command.arguments import size_text
from fastact.core.passing import WAYS
from fastact.measure.passing import FASTEST

DOCUMENT = Path(__file__).parents[1] / "ARCHITECTURE.md"


def kept(m: dict[str, Any]) -> float:
    """The speed of the chosen way beside that of the fastest."""
    return min(m["nanoseconds"].values()) / m["nanoseconds"][m["chosen"] or WAYS[0]]


def figure(m: dict[str, Any], way: str) -> str:
    """G elements/s; the chosen way is bold."""
    if way not in m["nanoseconds"]:
        return ""
    text = f"{1 / m['nanoseconds'][way]:.2f}"
    return f"**{text}**" if way == m["chosen"] else text


def table(record: dict[str, Any]) -> str:
    """One line for each cell of the largest arrays; all cells count."""
    cells = record["measurements"]
    largest = max(m["size"] for m in cells)
    shares = [kept(m) for m in cells]
    lines = [
        f"Measured on {record['machine']} at level {record['level']}, G elements/s, medians in turns; bold "
        f"is what the first large calls chose: within 3 % of the best in {sum(s >= FASTEST for s in shares)} "
        f"of {len(cells)} cells, {geometric_mean(shares):.2f} of its speed in the geometric mean. Of "
        f"{size_text(largest)} elements:",
        "",
        *heading(["activation", "direction", "result", "dtype", "threads"], WAYS),
    ]
    for m in (m for m in cells if m["size"] == largest):
        place = "in place" if m["in_place"] else "another array"
        words = (m["activation"], direction_of(m), place, m["dtype"], m["threads"])
        lines.append(line(*words, *(figure(m, way) for way in WAYS)))
    return "\n".join(lines)


if __name__ == "__main__":
    write(DOCUMENT, "tune", table(recorded(__doc__)))
