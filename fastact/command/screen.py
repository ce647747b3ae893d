"""What the reports have in common: the bar while they measure, and where they print."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn


def progress(time: ProgressColumn, width: int = 40, **options: Any) -> Progress:
    """A bar on stderr that goes when it is done; its task's description has so many columns."""
    columns = TextColumn(f"{{task.description:<{width}}}"), BarColumn(), MofNCompleteColumn(), time
    return Progress(*columns, console=Console(stderr=True), transient=True, **options)


def console(width: int) -> Console:
    """The terminal, or lines of this width where something else reads them."""
    found = Console()
    return found if found.is_terminal else Console(width=width)
