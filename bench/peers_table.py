"""Write the table of docs/benchmarks.md from what a run beside other libraries recorded.

fastact bench --peers --json peers.json && python bench/peers_table.py peers.json
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import between_markers

from fastact.measure.peers.turns import NOISE

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"

Measured = dict[str, Any]


def table(record: dict[str, Any]) -> str:
    """Markdown: how it was measured, the means, the cells behind a peer, then all cells."""
    measured = [m for m in record["measurements"] if m["speedup"]]
    return "\n".join(
        [_conditions(record), "", *_means(measured), "", *_behind(measured), "", *_rows(measured)]
    )


def _conditions(record: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record["peers"].items())
    return (
        f"Measured on {record['machine']} at level {record['level']} with fastact {record['version']}, "
        f"{versions} and Python {record['python']}."
    )


def _best(m: Measured) -> tuple[float, str]:
    """The smallest speed-up of a cell, and over which library that is."""
    return min((speedup, name) for name, speedup in m["speedup"].items())


def _means(measured: list[Measured]) -> Iterator[str]:
    names = sorted({name for m in measured for name in m["speedup"]})
    yield "| geometric mean of the speed-up over | cells | |"
    yield "| --- | --: | --: |"
    best = [_best(m)[0] for m in measured]
    yield f"| the best peer of each cell | {len(best)} | {geometric_mean(best):.2f} |"
    for name in names:
        own = [m["speedup"][name] for m in measured if name in m["speedup"]]
        yield f"| {name} | {len(own)} | {geometric_mean(own):.2f} |"


def _behind(measured: list[Measured]) -> Iterator[str]:
    behind = sorted((m for m in measured if _best(m)[0] < NOISE), key=_best)
    yield f"Below {NOISE}, what 1 may be measured as, are {len(behind)} cells:"
    yield ""
    yield "| speed-up | over | activation | direction | result | dtype | elements | threads |"
    yield "| --: | --- | --- | --- | --- | --- | --: | --: |"
    for m in behind:
        ratio, name = _best(m)
        cells = [f"{ratio:.2f}", name, *_label(m), f"{m['size']:,}", str(m["threads"])]
        yield "| " + " | ".join(cells) + " |"


def _label(m: Measured) -> list[str]:
    direction = f"{m['direction']} from {m['saves']}" if m["saves"] else m["direction"]
    return [m["activation"], direction, "in place" if m["in_place"] else "another array", m["dtype"]]


def _rows(measured: list[Measured]) -> Iterator[str]:
    columns = sorted({(m["threads"], m["size"]) for m in measured})
    heads = [f"{size:,} on {threads}" for threads, size in columns]
    yield "All cells: the speed-up over the best peer, and which that is; by elements and threads."
    yield ""
    yield "| " + " | ".join(["activation", "direction", "result", "dtype", *heads]) + " |"
    yield "| " + " | ".join(["---"] * 4 + ["--:"] * len(columns)) + " |"
    found: dict[tuple[str, ...], dict[tuple[int, int], str]] = {}
    for m in measured:
        ratio, name = _best(m)
        found.setdefault(tuple(_label(m)), {})[m["threads"], m["size"]] = f"{ratio:.2f} {name}"
    for label, cells in found.items():
        yield "| " + " | ".join([*label, *(cells.get(column, "–") for column in columns)]) + " |"


if __name__ == "__main__":
    between_markers.main(__doc__, DOCUMENT, "peers", table)
