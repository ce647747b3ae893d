"""Write the tables of docs/benchmarks.md from what runs beside other libraries recorded.

fastact bench --peers --full --json peers.json && python bench/peers_table.py peers.json
fastact bench --passes --peers --json passes.json && python bench/peers_table.py passes.json
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from between_markers import direction_of, heading, line, of_passes, recorded, write

from fastact.measure.peers import errors
from fastact.measure.peers.turns import NOISE

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"

Measured = dict[str, Any]

LABEL = "activation", "direction", "result", "dtype"


def table(record: dict[str, Any]) -> str:
    """Markdown: how it was measured, the means, the cells behind a peer, then all cells."""
    # Of a run at two levels, those at the processor's own.
    levels = ("", record["level"])
    measured = [m for m in record["measurements"] if m["speedup"] and m.get("level", "") in levels]
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
    over = {"the best peer of each cell": [_best(m)[0] for m in measured]}
    over |= {name: [m["speedup"][name] for m in measured if name in m["speedup"]] for name in names}
    yield "| geometric mean of the speed-up over | cells | |"
    yield "| --- | --: | --: |"
    for name, speedups in over.items():
        yield line(name, len(speedups), f"{geometric_mean(speedups):.2f}")


def _behind(measured: list[Measured]) -> Iterator[str]:
    behind = sorted((m for m in measured if _best(m)[0] < 1), key=_best)
    clear = sum(_best(m)[0] < NOISE for m in behind)
    yield f"Below 1 are {len(behind)} cells, {clear} of them below {NOISE}, what 1 may be measured as."
    yield "Beside each stand the largest errors in ULP of that library and of fastact:"
    yield ""
    yield line("speed-up", "over", "its error", "fastact's error", *LABEL, "elements", "threads")
    yield "| --: | --- | --: | --: | --- | --- | --- | --- | --: | --: |"
    for m in behind:
        ratio, name = _best(m)
        error = (errors.text(m.get("error", {}).get(who), m["dtype"]) for who in (name, "fastact"))
        yield line(f"{ratio:.2f}", name, *error, *_label(m), f"{m['size']:,}", m["threads"])


def _label(m: Measured) -> list[str]:
    return [m["activation"], direction_of(m), "in place" if m["in_place"] else "another array", m["dtype"]]


def _rows(measured: list[Measured]) -> Iterator[str]:
    columns = sorted({(m["threads"], m["size"]) for m in measured})
    yield "All cells: the speed-up over the best peer, and which that is; by elements and threads."
    yield ""
    heads = [f"{size:,} on {threads}" for threads, size in columns]
    yield from heading(LABEL, heads)
    found: dict[tuple[str, ...], dict[tuple[int, int], str]] = {}
    for m in measured:
        ratio, name = _best(m)
        found.setdefault(tuple(_label(m)), {})[m["threads"], m["size"]] = f"{ratio:.2f} {name}"
    for label, cells in found.items():
        yield line(*label, *(cells.get(column, "–") for column in columns))


if __name__ == "__main__":
    record = recorded(__doc__)
    write(DOCUMENT, "passes-peers" if of_passes(record) else "peers", table(record))
