"""Where the reports print: as a terminal has room, or plainly where something else reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as Drawn
from rich.text import Text

from .table import GAPS, Table, fitting, plain_lines, width


class Screen:
    """Prints on the standard output: for eyes where that is a terminal, else plainly and at any width."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self.plain = not self.console.is_terminal

    def line(self, text: str = "", style: str = "") -> None:
        """A text, broken between words where the terminal ends."""
        if self.plain:
            print(text)
        else:
            self.console.print(text, style=style, markup=False)

    def title(self, text: str) -> None:
        self.line(text, "bold")

    def note(self, text: str) -> None:
        self.line(text, "dim")

    def table(self, table: Table, headings: bool = True) -> None:
        """A table, and the names of columns that there was no room for."""
        if self.plain:
            for line in list(plain_lines(table))[not headings :]:
                print(line)
            return
        kept, gap = fitting(table, self.console.width)
        self._draw(table, kept, gap, headings)
        gone = [column.heading for i, column in enumerate(table.columns) if i not in kept]
        if gone:
            whole = width(table, range(len(table.columns)), GAPS[-1])
            self.note(f"Not shown: {', '.join(gone)}; there is room on a terminal of {whole} columns.")

    def _draw(self, table: Table, kept: Sequence[int], gap: int, headings: bool) -> None:
        # Blanks are those of each cell: before 14.3 rich counts the padding of a table at its edges too.
        before = {i: (0, 0, 0, gap if i != kept[0] else 0) for i in kept}
        drawn = Drawn(box=None, padding=0, show_header=headings)
        for i in kept:
            column = table.columns[i]
            drawn.add_column(
                Padding(column.heading, before[i]), justify="right" if column.right else "left",
                header_style="bold", no_wrap=not column.wraps, overflow="fold",
                min_width=None if column.wraps else table.width_of(i) + before[i][3],
            )  # fmt: skip
        for number, cells in enumerate(table.rows):
            if number and number in table.sections:
                drawn.add_row()
            drawn.add_row(*(Padding(_text(cells[i]), before[i]) for i in kept))
        # Where what must stay is wider than the terminal, that breaks the lines: nothing is cut off.
        room = max(self.console.width, width(table, kept, gap))
        self.console.print(drawn, width=room, crop=False)


def styled(text: str, style: str) -> Any:
    """A text of a table that stands out on a terminal; without a style the text itself."""
    return Text(text, style) if style else text


def _text(cell: Any) -> Any:
    return cell if isinstance(cell, Text) else Text(cell)


@contextmanager
def progress(total: int) -> Iterator[Callable[..., None]]:
    """A bar on stderr while something is measured, gone when that is done; none where nobody sees it.

    What is yielded is called as ``advance(description, weight)``: what is measured now, what has been since.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda description="", weight=0: None
        return
    wide = console.width >= 80
    words = TextColumn(f"{{task.description:<{44 if wide else max(8, console.width - 10)}}}", markup=False)
    left = TimeRemainingColumn(compact=True, elapsed_when_finished=True)
    shown = Progress(
        *((words, BarColumn(None), left) if wide else (words, left)), console=console, transient=True,
        speed_estimate_period=3600, expand=wide,
    )  # fmt: skip
    with shown:
        task = shown.add_task("", total=total)

        def advance(description: str = "", weight: int = 0) -> None:
            shown.update(task, advance=weight, description=description)

        yield advance
