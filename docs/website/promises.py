"""The page of promises: what a user can rely on, the tests that hold it, and its last recorded figure.

Promises and tests stand in ``tests/promises.toml``; figures are read from the pages that a command wrote.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import fastact as fa

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # which pytest and Sphinx bring there

DOCS = Path(__file__).parents[1]
TESTS = DOCS.parent / "tests"

INTRODUCTION = """\
# Promises

What can be relied on, each with the tests that hold it and, where something is measured, the last figure
that was recorded: errors are those of [accuracy](accuracy.md), times those of [threads](threads.md). The
tests lie below `tests/`, and `.ci/run` runs them. Written from `tests/promises.toml` when the site is built.
"""
NOTHING = "no test"

Promise = dict[str, Any]


def write(docs: Path) -> None:
    """Write the page, which ``reference.md`` leads to."""
    (docs / "promises.md").write_text("\n".join(page()), encoding="utf-8")


@cache
def promises() -> dict[str, list[Promise]]:
    """Those of each section, in the order of the page."""
    return tomllib.loads((TESTS / "promises.toml").read_text(encoding="utf-8"))


def page() -> Iterator[str]:
    yield INTRODUCTION
    for section, said in promises().items():
        yield f"## {section}\n"
        for promise in said:
            yield f"- **{promise['says']}**"
            shown = figure(promise)
            yield f"  Last figure: {shown}.\n" if shown else ""
            yield from (f"  - {words}" for words in held_by(promise["tests"]) or [NOTHING])
            yield ""


def held_by(tests: list[str]) -> list[str]:
    """A line for each file: what it says of itself, or the tests of it that are meant, in their words."""
    chosen: dict[str, list[str]] = {}
    for test in tests:
        file, _, name = test.partition("::")
        chosen.setdefault(file, []).extend([name.removeprefix("test_").replace("_", " ")] if name else [])
    return [f"`{file}`: {'; '.join(names) or _first_line(file)}" for file, names in chosen.items()]


def _first_line(file: str) -> str:
    text = ast.get_docstring(ast.parse((TESTS / file).read_text(encoding="utf-8"))) or ""
    return " ".join(re.split(r"\n\n|(?<=\w\w)\. ", text)[0].split()).rstrip(".")


def figure(promise: Promise) -> str:
    """What was recorded last of it, or nothing where nothing is measured."""
    if "errors" in promise:
        return "; ".join(_largest(**promise["errors"]))
    return "; ".join(_cells(**promise["table"])) if "table" in promise else ""


def _largest(
    of: list[str], direction: str = "", unit: str = "", dtypes: tuple[str, ...] = ("float32", "float64")
) -> Iterator[str]:
    """The largest error of each dtype and unit among shapes of work or names, and whose it is."""
    for dtype in dtypes:
        found: dict[str, tuple[float, str, str]] = {}
        for row in table("accuracy.md", "| activation | direction"):
            name = row["activation"]
            belongs = name in of or (name in fa.activations and fa.activations[name].row.kind in of)
            if not belongs or row["dtype"] != dtype or not row["direction"].startswith(direction):
                continue
            if row["unit"] == (unit or row["unit"]):
                error = float(row["largest error"])
                found[row["unit"]] = max(
                    found.get(row["unit"], (-1.0, "", "")), (error, name, row["direction"])
                )
        yield from (
            f"{dtype} {error:g} {counted} ({name}, {of_what})"
            for counted, (error, name, of_what) in found.items()
        )


def _cells(page: str, marker: str, columns: list[str]) -> Iterator[str]:
    """The rows of a table, with these of its columns."""
    for row in table(page, f"<!-- {marker} -->"):
        yield ", ".join(f"{column} {row[column]}" for column in columns)


@cache
def table(page: str, begins: str) -> list[dict[str, str]]:
    """The first table of a page from a text on, by the names of its columns."""
    text = (DOCS / page).read_text(encoding="utf-8")
    lines = text[text.index(begins) :].splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    last = next((i for i in range(first, len(lines)) if not lines[i].startswith("|")), len(lines))
    names, _, *rows = [
        [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines[first:last]
    ]
    return [dict(zip(names, row, strict=True)) for row in rows]
