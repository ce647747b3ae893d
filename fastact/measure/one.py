"""One activation or pass in seconds: its errors on a part of the inputs, its speed on a few sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import fastact as fa

from ..catalog import Pass, Row
from . import speed, work
from .accuracy import chosen, errors
from .passes.forms import measured_of

BATCHES = 2
"""Of the inputs of a case: each has all regions of the dtype; of passes, lengths of rows."""


@dataclass(frozen=True)
class Figures:
    """What was measured of it."""

    errors: list[errors.Measurement]
    speeds: list[speed.Measurement]

    def record(self) -> dict[str, Any]:
        return {"errors": [asdict(m) for m in self.errors], "speeds": [asdict(m) for m in self.speeds]}


def measured(row: Row | Pass, sizes: Sequence[int]) -> Figures:
    """Its errors and speeds, forward and backward, on one thread and on all."""
    batches = chosen.batches([row.name], few=BATCHES)
    names = measured_of(row) if isinstance(row, Pass) else [row.name]
    comparison = speed.Comparison(sorted({1, fa.get_num_threads()}), speed.QUICK_SECONDS)
    cells = work.cells(names, sizes=sizes)
    return Figures(errors.measure(batches), [m for cell in cells for m in comparison.measure(cell)])
