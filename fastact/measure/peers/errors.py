"""How far off what is timed is: the largest error of a library's form over a sample that is always the same.

The sample is not what is timed, whose numbers are few and near 0: it has every exponent, and both tails up
to where exponentials leave the dtype. Errors are counted against the reference of `measure/accuracy`, in the
units of the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from ..accuracy import errors, reference, samples
from ..passes.form import Form
from ..work import Cell, Workload
from .libraries import weight_of

ELEMENTS = 2**15
ROW_LENGTH = 512
ROW_CONTENTS = ("random", "wide", "dominated")
"""Sorts of rows: a result of the others is the same everywhere, or no library's."""

NO_DIGIT = {"float32": 2.0**23, "float64": 2.0**52}
"""Errors in ULP from which no digit is right: 0 instead of a number is off by that, or up to twice that."""


def can_judge(cell: Cell) -> bool:
    """Whether there is a reference: halves and passes have none here."""
    dtype = np.dtype(cell.dtype)
    return not isinstance(cell.row, Form) and dtype in reference.WIDER and reference.can_judge(dtype)


class Sample:
    """The arrays of a cell's activation, direction and dtype at which errors are sought."""

    def __init__(self, cell: Cell) -> None:
        self.x = _values(cell)
        self.cell = replace(cell, size=self.x.size)
        self.work = self.workload(cell.in_place)

    def is_of(self, cell: Cell) -> bool:
        return replace(cell, size=self.cell.size, in_place=self.cell.in_place) == self.cell

    def workload(self, in_place: bool) -> Workload:
        """The calls on it that write there."""
        with np.errstate(all="ignore"):
            return Workload(replace(self.cell, in_place=in_place), self.x)

    def error(self, computed: np.ndarray) -> float:
        """The largest error of a result, judged by what it is computed from.

        Where backward may be given x or the output, by x alone if that is closer: autograd has it from there,
        and what was lost in rounding the output is no fault of it.
        """
        with np.errstate(all="ignore"):
            worst = min(judged(computed) for judged in self._judges)
        # NaN for a number is infinitely wrong, for which JSON has no word.
        return float(min(worst, 2 * NO_DIGIT[self.cell.dtype]))

    @cached_property
    def _judges(self) -> list[Callable[[np.ndarray], float]]:
        if self.cell.direction == "forward":
            return [self._judge("forward")]
        ways = (self.cell.saves, *(name for name in self.cell.row.saves if name != self.cell.saves))
        return [self._judge(way) for way in ways]

    def _judge(self, way: str) -> Callable[[np.ndarray], float]:
        """What a result computed this way, forward or from a saved array, is off by at most."""
        given, row = self.work.arrays, self.cell.row
        weight = tuple(weight_of(self.work).items())
        case = _Judged(row, way, np.dtype(self.cell.dtype), weight)
        names = ("x",) if way == "forward" else ("dy", way)
        inputs = {name: given[name] for name in names}
        if self.work.noise is not None:
            inputs["noise"] = self.work.noise
        if "pieces" in row.needs:
            columns = {"x": self.work.settings["pieces"], "dy": 1}
            inputs = {name: array.reshape(-1, columns[name]) for name, array in inputs.items()}
        return lambda computed: _largest(case, inputs, computed)


class _Judged(errors.Case):
    """A case whose exact values are computed once, for all who are judged by them."""

    def exact(self, inputs: Mapping[str, np.ndarray], text: str | None = None) -> np.ndarray:
        known = self.__dict__.setdefault("known", {})
        if text not in known:
            known[text] = super().exact(dict(inputs), text)
        return known[text]


def _largest(case: errors.Case, inputs: dict[str, np.ndarray], computed: np.ndarray) -> float:
    if "pieces" in case.row.needs:
        computed = computed.reshape(len(inputs["x"]), -1)
    found, _ = errors.errors_of(case, inputs, computed)
    return float(found.max())


def _values(cell: Cell) -> np.ndarray:
    """What x holds: of every magnitude and sign, finite, and no farther than exponentials reach."""
    dtype, shape = np.dtype(cell.dtype), cell.row.shape
    if shape.by_row and not shape.halves:
        first = samples.ROW_LENGTHS.index(ROW_LENGTH) * len(samples.ROW_CONTENTS)
        batches = [first + samples.ROW_CONTENTS.index(name) for name in ROW_CONTENTS]
        rows = [samples.rows(dtype, batch)[1] for batch in batches]
        return np.concatenate([part[: ELEMENTS // ROW_LENGTH // 2] for part in rows])
    found = samples.stratified(dtype, 1)
    found = found[np.abs(found) <= samples.tail(dtype)]
    return np.random.default_rng(5).permutation(found)[:ELEMENTS]


def text(error: float | None, dtype: str) -> str:
    """An error as it is printed, in ULP."""
    if error is None:
        return "–"
    return "no digit right" if error >= NO_DIGIT[dtype] else f"{error:.3g}"
