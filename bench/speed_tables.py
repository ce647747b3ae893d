"""Write the tables of measurements, and the README's five rows of one, from what benchmark runs recorded.

fastact bench --json bench.json && python bench/speed_tables.py bench.json
fastact bench --passes --json passes.json && python bench/speed_tables.py passes.json
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from between_markers import direction_of, heading, line, of_passes, recorded, write

from fastact.measure.machine import threads_text

ROOT = Path(__file__).parents[1]
README, BENCHMARKS = ROOT / "README.md", ROOT / "docs" / "benchmarks.md"
SHOWN = ("relu", "sigmoid", "silu", "gelu", "softmax")
"""The README's rows, of float32."""
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


def five_rows(record: dict[str, Any]) -> str:
    """Markdown of the README: forward and backward of five activations, and the means."""
    measured = record["measurements"]
    threads = sorted({m["threads"] for m in measured})
    columns = [f"{way}, {threads_text(n)}" for way in ("forward", "backward") for n in threads]
    shown = [m for m in measured if m["size"] == SIZE and m["dtype"] == "float32"]
    lines = heading([f"float32, {SIZE:,} elements in place"], columns)
    for name in SHOWN:
        of_it = sorted((m for m in shown if m["activation"] == name), key=_forward_first)
        lines.append(line(name, *map(_figure, of_it)))
    about = (
        f"Nanoseconds per element, and how many times as fast as the best NumPy calls; {record['machine']}, "
        f"level {record['level']}. {_means(measured, threads)} [All of them](docs/benchmarks.md#in-place)."
    )
    return "\n".join([*lines, "", about])


def _forward_first(m: dict[str, Any]) -> tuple[bool, int]:
    return m["direction"] != "forward", m["threads"]


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
        yield line(*label, *map(_figure, figures))


def _figure(m: dict[str, Any]) -> str:
    return f"{m['ns_per_element']:.2f} ns, {_times(m['speedup_over_numpy'])}"


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
    record = recorded(__doc__)
    if of_passes(record):
        write(BENCHMARKS, "passes", table(record))
    else:
        write(BENCHMARKS, "in-place", table(record))
        write(README, "figures", five_rows(record))
