"""Measurement: every activation in place against NumPy and against the machine's bandwidth.

Calls in place change their input, and repeated on their own result they would
drift: sigmoid to its fixed point, gradients into subnormals. So every timed
call sees the same values: they are copied back before each repetition, outside
the timed region. Small arrays are timed as a pool of equal copies that together
fit the first-level cache, so that the clock is read once for many calls.

The figure of a cell is its fastest repetition, the one that other processes
disturbed least.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from time import perf_counter
from typing import Any

import numpy as np

import fastact as fa

from . import numpy_baseline
from .catalog import Row

DIRECTIONS = ("forward", "backward")
DTYPES = ("float32", "float64")
HALVES = ("float16", "bfloat16")
"""Measured where they are asked for; NumPy has no SIMD code for them."""
SIZES = (2**10, 2**16, 2**20, 2**24)
QUICK_SIZES = SIZES[:3]

SECONDS, QUICK_SECONDS = 0.06, 0.01
"""What the repetitions of one figure may take at most, if that is enough for REPETITIONS of them.

Where it is not, up to five times as long, and two repetitions however long they take.
"""
RUN_SECONDS, QUICK_RUN_SECONDS = 60.0, 6.0
"""What the repetitions of all figures may take: the more figures, the less each."""
REPETITIONS = 5

POOL_BYTES, POOL_COPIES = 2**15, 32
"""Most bytes and most copies of a small array that one repetition runs over."""

ROW_LENGTH = 512
CHANNELS, POSITIONS = 16, 64
PIECES = 4


@dataclass(frozen=True)
class Cell:
    """What is measured: one activation in one direction on one kind of array."""

    row: Row
    direction: str
    dtype: str
    size: int
    in_place: bool = True
    """Whether the result takes the place of what the call is given, where it has the same shape."""

    @property
    def saves(self) -> str:
        """What backward is given."""
        return self.row.saves[0]

    @property
    def bytes_per_element(self) -> float:
        """Memory that the call must read and write, per element of `x`."""
        inputs = pieces_of(self.size) if "pieces" in self.row.needs else self.row.shape.inputs
        return np.dtype(self.dtype).itemsize * ((1 if self.direction == "forward" else 2) + 1 / inputs)


@dataclass(frozen=True)
class Measurement:
    """One figure of fastact beside those it is compared with."""

    activation: str
    direction: str
    saves: str
    dtype: str
    size: int
    threads: int
    ns_per_element: float
    gb_per_s: float
    numpy_ns_per_element: float | None
    speedup_over_numpy: float | None
    """None where the NumPy calls need a package that is not installed."""
    bandwidth_share: float
    """Of a plain scale in place of an array of that dtype and size, on as many threads."""


def cells(
    activations: Sequence[str] = (), dtypes: Sequence[str] = DTYPES, sizes: Sequence[int] = SIZES
) -> list[Cell]:
    """The cells of a run, all activations where none is named."""
    for dtype in dtypes:
        name_to_numpy(dtype)
    return [
        Cell(fa.get(name).row, direction, dtype, size)
        for name in activations or fa.activations
        for direction in DIRECTIONS
        for dtype in dtypes
        for size in sizes
    ]


def name_to_numpy(dtype: str) -> None:
    """Have NumPy know a dtype by its name: it learns bfloat16 from the package that has it."""
    if dtype == "bfloat16":
        import ml_dtypes  # noqa: F401


def pieces_of(size: int) -> int:
    return math.gcd(size, PIECES)


def shape_of(row: Row, size: int) -> tuple[int, ...]:
    """`size` elements in the shape that the activation is used on."""
    if row.shape.by_row or row.shape.halves:
        length = row.shape.inputs * math.gcd(size // row.shape.inputs, ROW_LENGTH)
        return size // length, length
    if "weight" in row.needs:
        positions = math.gcd(size, POSITIONS)
        channels = math.gcd(size // positions, CHANNELS)
        return size // positions // channels, channels, positions
    return (size,)


class Workload:
    """The arrays of a cell, and the calls that work on them."""

    def __init__(self, cell: Cell) -> None:
        self.cell, self.activation = cell, fa.activations[cell.row.name]
        x = _normal(shape_of(cell.row, cell.size), cell.dtype, scale=2.0)
        self.settings: dict[str, Any] = cell.row.needs
        self.noise: np.ndarray | None = None
        self.random = np.random.default_rng(0)
        if "seed" in self.settings:
            wide = "float64" if cell.dtype == "float64" else "float32"
            self.noise = self.activation.noise(x.shape, wide, seed=self.settings["seed"])
        if "weight" in self.settings:
            self.settings |= {"weight": np.linspace(0.1, 0.4, x.shape[1], dtype=x.dtype), "axis": 1}
        if "pieces" in self.settings:
            self.settings["pieces"] = pieces_of(cell.size)
        y = self.activation(x, **self.settings)
        self.arrays = {"x": x, "y": y}
        self.overwritten, result = "x", y.shape
        if cell.direction == "backward":
            self.arrays["dy"] = _normal(y.shape, cell.dtype)
            # The gradient has the shape of x: maxout's and a gated one take its place, as dy is smaller.
            self.overwritten, result = "dy" if y.shape == x.shape else "x", x.shape
        self.original = self.arrays[self.overwritten]
        count = min(max(1, POOL_BYTES // x.nbytes), POOL_COPIES)
        self.out, self.copies = None, [self.original] * count
        if cell.in_place and result == self.original.shape:
            self.copies = [self.original.copy() for _ in range(count)]
        else:
            self.out = np.empty(result, x.dtype)

    def restore(self) -> None:
        """Give every copy that a call has overwritten its values again."""
        for copy in self.copies if self.out is None else ():
            np.copyto(copy, self.original)

    def expected(self) -> np.ndarray:
        """The result of a call, apart from the arrays of those that are timed."""
        given, saves = self.arrays, self.cell.saves
        if self.cell.direction == "forward":
            return given["y"]
        gradient = self.activation.backward(given["dy"], **{saves: given[saves]}, **self.settings)
        return gradient[0] if isinstance(gradient, tuple) else gradient

    def calls_on(self) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
        """What each call is given, by name, and where its result goes."""
        for copy in self.copies:
            yield {**self.arrays, self.overwritten: copy}, copy if self.out is None else self.out

    def fastact(self) -> list[Callable[[], Any]]:
        if self.cell.direction == "forward":
            return [
                partial(self.activation, given["x"], **self.settings, out=out)
                for given, out in self.calls_on()
            ]
        saves = self.cell.saves
        return [
            partial(self.activation.backward, given["dy"], **{saves: given[saves]}, **self.settings, out=out)
            for given, out in self.calls_on()
        ]

    def numpy(self, form: str) -> list[Callable[[], Any]]:
        row, saves = self.cell.row, self.cell.saves
        shape = {name: value for name, value in self.settings.items() if name not in (*row.required, "seed")}
        shared = {**shape, "parameters": row.required, "out": self.out, "form": form, "scratch": []}
        if self.cell.direction == "forward":
            calls = [
                numpy_baseline.forward(row, given["x"], noise=self.noise, **shared)
                for given, _ in self.calls_on()
            ]
            if self.noise is None:
                return calls
            self.drawn = np.empty_like(self.noise)
            return [partial(self._drawing, call) for call in calls]
        return [
            numpy_baseline.backward(row, saves, given["dy"], given[saves], **shared)
            for given, _ in self.calls_on()
        ]

    def _drawing(self, call: Callable[[], Any]) -> Any:
        """A call before which NumPy draws noise, as its user has to.

        It goes on with fastact's, so that the results can be compared.
        """
        self.random.standard_exponential(dtype=self.drawn.dtype, out=self.drawn)
        np.log(self.drawn, out=self.drawn)
        np.negative(self.drawn, out=self.drawn)
        return call()

    @property
    def forms(self) -> tuple[str, ...]:
        row = self.cell.row
        return numpy_baseline.forms(
            row.formula if self.cell.direction == "forward" else row.derivatives[self.cell.saves]
        )


def _normal(shape: tuple[int, ...], dtype: str, scale: float = 1.0) -> np.ndarray:
    """Normal values as a network has them, the same in every run; large arrays repeat a million."""
    return _flat_normal(math.prod(shape), dtype, scale).reshape(shape)


@lru_cache(maxsize=16)
def _flat_normal(size: int, dtype: str, scale: float) -> np.ndarray:
    block = np.random.default_rng(0).normal(0, scale, min(size, 2**20)).astype(dtype)
    values = np.resize(block, size)
    values.flags.writeable = False  # other cells have the same
    return values


def _repeated(measure: Callable[[], float], seconds: float) -> Iterator[float]:
    """Figures until both time and number suffice; a slow one is taken twice at least."""
    begin = perf_counter()
    for repetition in itertools.count(1):
        yield measure()
        spent = perf_counter() - begin
        enough = REPETITIONS if spent < 5 * seconds else 2
        if spent > seconds and repetition >= enough:
            return


def fastest(calls: Sequence[Callable[[], Any]], restore: Callable[[], None], seconds: float) -> float:
    """Seconds per call in the fastest repetition; the first one also warms up."""

    def once() -> float:
        restore()
        start = perf_counter()
        for call in calls:
            call()
        return perf_counter() - start

    return min(_repeated(once, seconds)) / len(calls)


def scale_gb_per_s(dtype: str, size: int, threads: int, seconds: float) -> float:
    """Bandwidth of a plain scale in place, each thread on its own part of the array.

    NumPy runs on one thread and lets go of the GIL, so Python threads share the work. The factor
    is 1, which NumPy does not treat specially: the values stay.
    """
    parts = np.array_split(np.ones(size, dtype), min(threads, size))
    rounds = max(1, 2**20 // size)
    gate = threading.Barrier(len(parts))

    def scale(part: np.ndarray) -> tuple[float, float]:
        gate.wait()
        start = perf_counter()
        for _ in range(rounds):
            np.multiply(part, 1.0, out=part)
        return start, perf_counter()

    def once(pool: ThreadPoolExecutor) -> float:
        starts, ends = zip(*pool.map(scale, parts), strict=True)
        return (max(ends) - min(starts)) / rounds

    with ThreadPoolExecutor(len(parts)) as pool:
        best = min(_repeated(lambda: once(pool), seconds))
    return 2 * size * np.dtype(dtype).itemsize / best / 1e9


class Comparison:
    """A run over cells; the bandwidth of each dtype and size is measured once in it."""

    def __init__(self, threads: Sequence[int], seconds: float = SECONDS) -> None:
        self.threads, self.seconds = threads, seconds
        self.bandwidth: dict[tuple[str, int, int], float] = {}

    def measure(self, cell: Cell) -> list[Measurement]:
        """One measurement per thread count."""
        work = Workload(cell)
        per_call = {}
        for threads in self.threads:
            with fa.num_threads(threads):
                per_call[threads] = fastest(work.fastact(), work.restore, self.seconds)
        try:
            numpy = min(fastest(work.numpy(form), work.restore, self.seconds) for form in work.forms)
        except numpy_baseline.Unavailable:
            numpy = None
        return [self._compare(cell, threads, taken, numpy) for threads, taken in per_call.items()]

    def _compare(self, cell: Cell, threads: int, taken: float, numpy: float | None) -> Measurement:
        gb_per_s = cell.bytes_per_element * cell.size / taken / 1e9
        return Measurement(
            activation=cell.row.name,
            direction=cell.direction,
            saves=cell.saves if cell.direction == "backward" else "",
            dtype=cell.dtype,
            size=cell.size,
            threads=threads,
            ns_per_element=taken / cell.size * 1e9,
            gb_per_s=gb_per_s,
            numpy_ns_per_element=numpy and numpy / cell.size * 1e9,
            speedup_over_numpy=numpy and numpy / taken,
            bandwidth_share=gb_per_s / self.scale(cell.dtype, cell.size, threads),
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


def geometric_mean(values: Sequence[float | None]) -> float:
    """Of the values that there are; NaN of none."""
    logs = [math.log(value) for value in values if value is not None]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan
