"""Parts of pages that are made of the catalog, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import figures


def math(latex: str) -> str:
    return f"```{{math}}\n{latex}\n```\n"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def figure(name: str, kind: str, alt: str, folder: str = "../") -> str:
    """A figure in the colours of the page; the theme hides the other. `folder` leads to that of all pages."""
    return "\n".join(
        f"```{{image}} {folder}{figures.FOLDER.as_posix()}/{file}\n:alt: {alt}\n:class: only-{theme}\n```\n"
        for theme, file in zip(figures.THEMES, figures.files(name, kind), strict=True)
    )
