"""Write the README's table of measurements from what a benchmark run recorded.

fastact bench --json bench.json && python bench/readme_table.py bench.json
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from between_markers import direction_of, heading, line, main

from fastact.measure.machine import threads_text

README = Path(__file__).parents[1] / "README.md"
SIZE = 2**20
"""Elements of the arrays that the table shows; the means are over every size that was measured."""


def table(record: dict[str, Any]) -> str:
    """Markdown: how it was measured, then a row per activation and direction, then the means."""
    measured = record["measurements"]
    threads = sorted({m["threads"] for m in measured})
    dtypes = sorted({m["dtype"] for m in measured})
    columns = [f"{dtype}, {threads_text(count)}" for dtype in dtypes for count in threads]
    head = heading(["activation", "direction"], columns)
    rows = _rows([m for m in measured if m["size"] == SIZE])
    return "\n".join([_conditions(record, threads), "", *head, *rows, "", _means(measured, threads)])


def _conditions(record: dict[str, Any], threads: list[int]) -> str:
    counts = " and ".join(map(threads_text, threads))
    return (
        f"In place, arrays of {SIZE:,} elements, {counts}; nanoseconds per element, and how many times "
        f"faster than the best NumPy calls for the same, in place too and on one thread, as NumPy always is. "
        f"Measured on {record['machine']} at level {record['level']} with fastact {record['version']}, "
        f"{record['openmp']}, compiler {record['compiler']}, NumPy {record['numpy']} and "
        f"Python {record['python']}."
    )


def _rows(measured: list[dict[str, Any]]) -> Iterator[str]:
    if not measured:
        raise SystemExit(f"the run did not measure arrays of {SIZE:,} elements; leave --size and --quick out")
    for label, group in groupby(measured, key=lambda m: (m["activation"], direction_of(m))):
        figures = sorted(group, key=lambda m: (m["dtype"], m["threads"]))
        cells = [f"{m['ns_per_element']:.2f} ns, {_times(m['speedup_over_numpy'])}" for m in figures]
        yield line(*label, *cells)


def _times(speedup: float | None) -> str:
    return "–" if speedup is None else f"{speedup:.1f} ×"


def _means(measured: list[dict[str, Any]], threads: list[int]) -> str:
    sizes = sorted({m["size"] for m in measured})
    means = " and ".join(
        f"{geometric_mean([m['speedup_over_numpy'] for m in measured if m['threads'] == count]):.1f} on "
        f"{threads_text(count)}"
        for count in threads
    )
    return (
        f"Over all {len(measured) // len(threads)} cells, {sizes[0]:,} to {sizes[-1]:,} elements, "
        f"the geometric mean of the speed-up over NumPy is {means}."
    )


if __name__ == "__main__":
    main(__doc__, README, "bench", table)
