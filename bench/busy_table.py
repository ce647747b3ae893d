"""Write the table of docs/threads.md from what runs beside busy processes recorded.

fastact bench --busy 2 --json busy.json && python bench/busy_table.py busy.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from between_markers import direction_of, heading, line, write

from fastact.measure.busy import PROMISE
from fastact.measure.machine import threads_text

DOCUMENT = Path(__file__).parents[1] / "docs" / "threads.md"

Record = dict[str, Any]


def table(records: list[Record]) -> str:
    """Markdown: how it was measured, the means and the worst of each run, then the ratio of every cell."""
    return "\n".join([_conditions(records[0]), "", *_runs(records), "", *_rows(records)])


def _conditions(record: Record) -> str:
    threads = threads_text(record["measurements"][0]["threads"])
    return (
        f"Mean time of a call in place on {threads} over that on one thread. Measured on {record['machine']} "
        f"at level {record['level']} with fastact {record['version']}, NumPy {record['numpy']} and Python "
        f"{record['python']}."
    )


def _runs(records: list[Record]) -> Iterator[str]:
    figures = ["cells", "geometric mean", f"cells above {PROMISE}", "worst"]
    yield from heading(["busy processes"], figures)
    for record in records:
        ratios = [m["ratio"] for m in record["measurements"]]
        beyond = sum(ratio > PROMISE for ratio in ratios)
        mean, worst = geometric_mean(ratios), max(ratios)
        yield line(record["busy"], len(ratios), f"{mean:.2f}", beyond, f"{worst:.2f}")


def _rows(records: list[Record]) -> Iterator[str]:
    """A line for each array, a column for each run; what a run did not measure is a dash."""
    found: dict[tuple[str, ...], dict[int, float]] = {}
    for record in records:
        for m in record["measurements"]:
            label = m["activation"], direction_of(m), m["dtype"], f"{m['size']:,}"
            found.setdefault(label, {})[record["busy"]] = m["ratio"]
    counts = [record["busy"] for record in records]
    columns = [f"beside {count}" for count in counts]
    yield from heading(["activation", "direction", "dtype", "elements"], columns)
    for label, ratios in found.items():
        yield line(*label, *(f"{ratios[count]:.2f}" if count in ratios else "–" for count in counts))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("json", type=Path, nargs="+", help="what `fastact bench --busy N --json` wrote")
    files = parser.parse_args(arguments).json
    records = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    write(DOCUMENT, "busy", table(sorted(records, key=lambda record: record["busy"])))


if __name__ == "__main__":
    main()
