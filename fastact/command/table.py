"""A table of a report: which of its columns a terminal has room for, and its lines where nobody looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

FEW = 24
"""Figures that a report prints without being asked for them."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    heading: str
    right: bool = False
    """Whether its texts end where the column ends, as numbers do."""
    spare: int = 0
    """Where there is no room for all columns, those of the largest number go first; those of 0 never do."""
    wraps: bool = False
    """Whether its texts may go over several lines."""


@dataclass
class Table:
    """Columns, and rows of as many cells: texts, or texts with a style of rich (`rich.text.Text`)."""

    columns: Sequence[Column]
    rows: list[Sequence[Any]] = field(default_factory=list)
    sections: set[int] = field(default_factory=set)
    """Numbers of the rows before which a terminal has an empty line."""

    def add(self, *cells: Any) -> None:
        self.rows.append(cells)

    def section(self) -> None:
        """What comes now belongs together."""
        self.sections.add(len(self.rows))

    def width_of(self, i: int) -> int:
        """What a column takes where none of its texts is broken."""
        return max(len(self.columns[i].heading), *(len(str(cells[i])) for cells in self.rows), 0)


GAPS = (2, 1)
"""Blanks between columns: the second where the first are too many."""
WRAPPED = 16
"""What a column of texts that may be broken has at least."""


def width(table: Table, kept: Sequence[int], gap: int) -> int:
    """The least that these columns take."""
    widths = (min(table.width_of(i), WRAPPED) if table.columns[i].wraps else table.width_of(i) for i in kept)
    return sum(width + gap for width in widths) - gap


def fitting(table: Table, room: int) -> tuple[list[int], int]:
    """The columns that there is room for, and the blanks between them; those of `spare` 0 in any case."""
    kept = list(range(len(table.columns)))
    while True:
        for gap in GAPS:
            if width(table, kept, gap) <= room:
                return kept, gap
        last = max(kept, key=lambda i: (table.columns[i].spare, i))
        if not table.columns[last].spare:
            return kept, GAPS[-1]
        kept.remove(last)


def plain_lines(table: Table) -> Iterator[str]:
    """Headings and rows in aligned columns, a line each, for `grep`, `sort` and files."""
    widths = [table.width_of(i) for i in range(len(table.columns))]
    for cells in ([column.heading for column in table.columns], *table.rows):
        texts = (
            str(cell).rjust(width) if column.right else str(cell).ljust(width)
            for column, width, cell in zip(table.columns, widths, cells, strict=True)
        )
        yield (" " * GAPS[0]).join(texts).rstrip()
