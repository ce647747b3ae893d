"""What examples/transformer.py measures, as the table of docs/passes.md:

python bench/transformer_table.py --write
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from between_markers import heading, line, write

import fastact as fa
from fastact.measure import machine

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "passes.md"
sys.path.insert(0, str(ROOT / "examples"))

import transformer  # noqa: E402  (from the folder of examples)


def table(found: dict[str, transformer.Found]) -> str:
    """Markdown: how it was measured, then the rows of each pass as the example shows them."""
    counts = machine.threads_text(fa.config()["threads"])
    conditions = (
        f"Milliseconds of twelve blocks in float32, medians. Measured on {machine.processor()} at level "
        f"{fa.config()['level']} with fastact {fa.__version__} and NumPy {np.__version__}, {counts}."
    )
    columns = (*transformer.SIDES, *(f"times as fast as {name}" for name in transformer.NUMPY))
    rows = [line(*row) for title, each in found.items() for row in transformer.rows_of(each, title)]
    return "\n".join([conditions, "", *heading([""], columns), *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{DOCUMENT.name}")
    chosen = parser.parse_args()
    found, _ = transformer.report((128, 512), layers=12, turns=5)
    if chosen.write:
        write(DOCUMENT, "transformer", table(found))


if __name__ == "__main__":
    main()
