"""One activation in seconds: its errors on a part of the inputs, its speed on a few sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import fastact as fa

from ..catalog import Row
from . import speed, work
from .accuracy import errors

BATCHES = 2
"""Of the inputs of a case: each has all regions of the dtype."""


@dataclass(frozen=True)
class Figures:
    """What was measured of an activation."""

    errors: list[errors.Measurement]
    speeds: list[speed.Measurement]

    def record(self) -> dict[str, Any]:
        return {"errors": [asdict(m) for m in self.errors], "speeds": [asdict(m) for m in self.speeds]}


def measured(row: Row, sizes: Sequence[int]) -> Figures:
    """Errors and speeds of an activation, forward and backward, on one thread and on all."""
    cases = errors.cases([row.name], list(errors.DTYPES))
    batches = [batch for case in cases for batch in errors.batches(case, count=BATCHES)]
    comparison = speed.Comparison(sorted({1, fa.get_num_threads()}), speed.QUICK_SECONDS)
    cells = work.cells([row.name], sizes=sizes)
    return Figures(errors.measure(batches), [m for cell in cells for m in comparison.measure(cell)])
