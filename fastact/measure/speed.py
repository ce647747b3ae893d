"""Speed of every activation, in place, against NumPy and against the machine's bandwidth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import fastact as fa

from . import scaling
from .clock import fastest, scale_gb_per_s
from .formulas import tree
from .work import Cell, Measured, workload

SECONDS, QUICK_SECONDS = 0.06, 0.01
"""What the repetitions of one figure may take at most, if that is enough for `clock.REPETITIONS` of them.

Where it is not, up to five times as long, and two repetitions however long they take.
"""
RUN_SECONDS, QUICK_RUN_SECONDS = 60.0, 6.0
"""What the repetitions of all figures may take: the more figures, the less each."""


RESIDENT = (1024, 4096)
"""Elements of arrays in the L1 cache, whose difference is computing alone."""


@dataclass(frozen=True)
class Measurement(Measured):
    """One figure of fastact beside those it is compared with."""

    ns_per_element: float
    gb_per_s: float
    numpy_ns_per_element: float | None
    speedup_over_numpy: float | None
    """None where the NumPy calls need a package that is not installed."""
    bandwidth_share: float
    """Of a plain scale in place of an array of that dtype and size, on as many threads."""
    predicted_ns_per_element: float | None
    """By the model of `scaling`, calibrated on the two fewest threads; None without a third number."""


class Comparison:
    """A run over cells; the bandwidth of each dtype and size is measured once in it."""

    def __init__(self, threads: Sequence[int], seconds: float = SECONDS) -> None:
        self.threads, self.seconds = threads, seconds
        self.bandwidth: dict[tuple[str, int, int], float] = {}

    def measure(self, cell: Cell) -> list[Measurement]:
        """One measurement per thread count."""
        work = workload(cell)
        per_call = {}
        for threads in self.threads:
            with fa.num_threads(threads):
                per_call[threads] = fastest(work.fastact(), work.restore, self.seconds)
        try:
            numpy = min(fastest(work.numpy(form), work.restore, self.seconds) for form in work.forms)
        except tree.Unavailable:
            numpy = None
        predicted = self._predicted(cell) if len(self.threads) > 2 else {}
        return [
            self._compare(cell, threads, taken, numpy, predicted.get(threads))
            for threads, taken in per_call.items()
        ]

    def _predicted(self, cell: Cell) -> dict[int, float]:
        """Nanoseconds per element of each thread count, of an array that one thread has touched."""
        fewest = sorted({1, *self.threads})[:2]
        memory = scaling.calibrated({count: self.scale(cell.dtype, cell.size, count) for count in fewest})
        cost = self._cost(cell)

        def of(count: int) -> float:
            size, moved = cell.size, cell.bytes_per_element
            return scaling.nanoseconds(size, count, cost, moved, memory, first_touch=False) / size

        # A call that threads would slow down runs on one.
        return {count: min(of(1), of(count)) for count in self.threads}

    def _cost(self, cell: Cell) -> float:
        """Nanoseconds per element from the L1 cache; the call itself drops out of the difference."""
        few, more = (replace(cell, size=size) for size in RESIDENT)
        with fa.num_threads(1):
            taken = [
                fastest((load := workload(c)).fastact(), load.restore, self.seconds) for c in (few, more)
            ]
        return max(0.0, taken[1] - taken[0]) * 1e9 / (more.size - few.size)

    def _compare(
        self, cell: Cell, threads: int, taken: float, numpy: float | None, predicted: float | None
    ) -> Measurement:
        gb_per_s = cell.bytes_per_element * cell.size / taken / 1e9
        return Measurement.of(
            cell,
            threads,
            ns_per_element=taken / cell.size * 1e9,
            gb_per_s=gb_per_s,
            numpy_ns_per_element=numpy and numpy / cell.size * 1e9,
            speedup_over_numpy=numpy and numpy / taken,
            bandwidth_share=gb_per_s / self.scale(cell.dtype, cell.size, threads),
            predicted_ns_per_element=predicted,
        )

    def scale(self, dtype: str, size: int, threads: int) -> float:
        """What `threads` threads reach, or fewer where the array is too small for them."""
        for count in {1, threads}:
            if (dtype, size, count) not in self.bandwidth:
                self.bandwidth[dtype, size, count] = scale_gb_per_s(dtype, size, count, self.seconds)
        return max(self.bandwidth[dtype, size, count] for count in (1, threads))


def seconds_per_figure(quick: bool, figures: int) -> float:
    """What the repetitions of one of so many figures may take."""
    most, whole = (QUICK_SECONDS, QUICK_RUN_SECONDS) if quick else (SECONDS, RUN_SECONDS)
    return min(most, whole / max(1, figures))
