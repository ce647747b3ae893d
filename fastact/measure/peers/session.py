"""The work of a library in its own process: it is told what to prepare and when to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from time import perf_counter
from typing import Any

import numpy as np

import fastact as fa

from ..clock import fastest
from ..work import Cell, Workload, name_to_numpy, workload
from ..worker import settle
from . import errors
from .libraries import LIBRARIES, NEW_ARRAY, Form, as_array

WAKING = 0.03
"""Seconds that a library of several threads runs before it is timed.

Threads that slept may be woken on one processor, and the scheduler takes some milliseconds to part them:
until then every call takes as long as its turns do, 15 ms for what takes 0.05.
"""

CHECKED = 2**20
"""Elements compared with fastact's at a time."""

SAME = 3e-4
"""Relative difference up to which two results are of the same function.

It tells gelu from its tanh form, but not a parameter in float64 from one in float32, as ONNX has them.
"""


@dataclass(frozen=True)
class Prepared:
    """What a library answers to a cell."""

    able: bool
    reason: str = ""
    """Why it takes no part: it has no such form, or disagrees."""
    disagrees: bool = False


class Session:
    """The work of one library in its own process."""

    def __init__(self, library: str) -> None:
        self.library = LIBRARIES[library]()
        self.name = library
        self.cell: Cell | None = None
        self.forms: list[tuple[int, Form]] = []
        self.sample: errors.Sample | None = None
        self.errors: dict[tuple[Any, ...], float] = {}

    def prepare(self, cell: Cell, threads: int) -> Prepared:
        """Make the arrays and keep the forms that run and agree with fastact."""
        # fastact's share in a peer's process, making and checking arrays, starts no threads.
        fa.set_num_threads(threads if self.name == "fastact" else 1)
        self.threads = threads
        self.library.set_threads(threads)
        name_to_numpy(cell.dtype)
        if cell != self.cell:
            self.forms.clear()
            self.cell, self.work = cell, workload(cell)
            self.expected = self.work.expected()
        self.forms, wrong, reason = [], "", "it has no such form"
        try:
            for number, (form, calls) in enumerate(self.library.forms(self.work)):
                if cell.in_place and form == NEW_ARRAY:
                    continue
                try:
                    difference = self._difference(form, calls)
                # Whatever a library raises where it does not have something.
                except Exception as error:
                    reason = _first_line(error)
                    continue
                wrong = wrong or difference
                if not difference:
                    self.forms.append((number, (form, calls)))
        except Exception as error:
            reason = _first_line(error)
        if self.forms:
            return Prepared(True)
        if wrong and cell.in_place:
            # An output that is an input too may be more than a library allows; what it computes is
            # judged by the cell that has another output.
            return Prepared(False, f"not in place: {wrong}")
        return Prepared(False, wrong or reason, disagrees=bool(wrong))

    def _difference(self, form: str, calls: Sequence[Any]) -> str:
        """In what the first call's result differs from fastact's, nothing where it does not."""
        out = _result(self.work, form, calls, self.expected.dtype)
        if (out.shape, out.dtype) != (self.expected.shape, self.expected.dtype):
            return f"{out.dtype}{list(out.shape)} is not {self.expected.dtype}{list(self.expected.shape)}"
        eps = float(np.spacing(out.dtype.type(1)))
        got, expected = self.work.comparable(out.reshape(-1), self.expected.reshape(-1))
        for part in (slice(i, i + CHECKED) for i in range(0, got.size, CHECKED)):
            wide = got[part].astype(np.float64), expected[part].astype(np.float64)
            close = np.isclose(*wide, rtol=max(SAME, 4 * eps), atol=64 * eps)
            if not close.all():
                k = int(np.argmin(close))
                return f"{got[part][k]} instead of {expected[part][k]}"
        return ""

    def choose(self, seconds: float) -> str:
        """Run every form, keep the fastest, and say which it is."""
        self._wake()
        taken = [fastest(calls, self.work.restore, seconds) for _, (_, calls) in self.forms]
        self.forms = [self.forms[int(np.argmin(taken))]]
        self._settle()
        return self._chosen[0]

    @property
    def _chosen(self) -> Form:
        return self.forms[0][1]

    def turn(self, seconds: float) -> float:
        """Seconds of a call."""
        self._wake()
        taken = fastest(self._chosen[1], self.work.restore, seconds)
        self._settle()
        return taken

    def error(self) -> float | None:
        """The largest error of the form that is timed, over a sample; None where there is no reference."""
        if self.cell is None or not errors.can_judge(self.cell):
            return None
        cell, number = self.cell, self.forms[0][0]
        key = cell.row.name, cell.direction, cell.dtype, cell.in_place, number
        if key not in self.errors:
            if self.sample is None or not self.sample.is_of(cell):
                self.sample = errors.Sample(cell)
            with np.errstate(all="ignore"):
                work = self.sample.workload(cell.in_place)
                form, calls = next(islice(self.library.forms(work), number, None))
                self.errors[key] = self.sample.error(_result(work, form, calls, work.arrays["x"].dtype))
        return self.errors[key]

    def _wake(self) -> None:
        """Keep the library's threads busy until each has a processor."""
        begin = perf_counter()
        while self.threads > 1 and perf_counter() - begin < WAKING:
            fastest(self._chosen[1], self.work.restore, 0.0)

    def _settle(self) -> None:
        if self.threads > 1:
            settle()


def _result(work: Workload, form: str, calls: Sequence[Any], dtype: np.dtype) -> np.ndarray:
    """What the first call gives of arrays that nobody has overwritten."""
    work.restore()
    returned = calls[0]()
    _, out = next(work.calls_on())
    return as_array(returned, dtype) if form == NEW_ARRAY else out


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
