"""What is timed: the cells of a run, and the arrays and calls of each.

Calls in place change their input, and repeated on their own result they would
drift: sigmoid to its fixed point, gradients into subnormals. So every timed
call sees the same values: they are copied back before each repetition, outside
the timed region. Small arrays are timed as a pool of equal copies that together
fit the first-level cache, so that the clock is read once for many calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

import fastact as fa

from ..catalog import Row
from .formulas import numpy_calls

DIRECTIONS = ("forward", "backward")
DTYPES = ("float32", "float64")
HALVES = ("float16", "bfloat16")
"""Measured where they are asked for; NumPy has no SIMD code for them."""
SIZES = (2**10, 2**16, 2**20, 2**24)
QUICK_SIZES = SIZES[:3]

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
        """What backward is given, nothing for forward."""
        return self.row.saves[0] if self.direction == "backward" else ""

    @property
    def bytes_per_element(self) -> float:
        """Memory that the call must read and write, per element of `x`."""
        inputs = pieces_of(self.size) if "pieces" in self.row.needs else self.row.shape.inputs
        return np.dtype(self.dtype).itemsize * ((1 if self.direction == "forward" else 2) + 1 / inputs)


@dataclass(frozen=True)
class Measured:
    """What every measurement says of the cell that it is of."""

    activation: str
    direction: str
    saves: str
    dtype: str
    size: int
    threads: int

    @classmethod
    def of(cls, cell: Cell, threads: int, **figures: Any) -> Any:
        return cls(cell.row.name, cell.direction, cell.saves, cell.dtype, cell.size, threads, **figures)

    @property
    def call(self) -> str:
        return f"{self.direction} {self.saves}=" if self.saves else self.direction


def cells(
    activations: Sequence[str] = (), dtypes: Sequence[str] = DTYPES, sizes: Sequence[int] = SIZES
) -> list[Cell]:
    """The cells of a run; where none is named, of all that compute: identity in place does not."""
    for dtype in dtypes:
        name_to_numpy(dtype)
    return [
        Cell(fa.get(name).row, direction, dtype, size)
        for name in activations or [a.name for a in fa.activations.values() if a.formula != "x"]
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
        result = self._call(self.arrays)()
        return result[0] if isinstance(result, tuple) else result

    def calls_on(self) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
        """What each call is given, by name, and where its result goes."""
        for copy in self.copies:
            yield {**self.arrays, self.overwritten: copy}, copy if self.out is None else self.out

    def _call(self, given: dict[str, np.ndarray]) -> Callable[..., Any]:
        saves = self.cell.saves
        if not saves:
            return partial(self.activation, given["x"], **self.settings)
        return partial(self.activation.backward, given["dy"], **{saves: given[saves]}, **self.settings)

    def fastact(self) -> list[Callable[[], Any]]:
        return [partial(self._call(given), out=out) for given, out in self.calls_on()]

    def numpy(self, form: str) -> list[Callable[[], Any]]:
        row, saves = self.cell.row, self.cell.saves
        shape = {name: value for name, value in self.settings.items() if name not in (*row.required, "seed")}
        shared = {**shape, "parameters": row.required, "out": self.out, "form": form, "scratch": []}
        given = [arrays for arrays, _ in self.calls_on()]
        if saves:
            return [numpy_calls.backward(row, saves, g["dy"], g[saves], **shared) for g in given]
        calls = [numpy_calls.forward(row, g["x"], noise=self.noise, **shared) for g in given]
        if self.noise is None:
            return calls
        self.drawn = np.empty_like(self.noise)
        return [partial(self._drawing, call) for call in calls]

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
        return numpy_calls.forms(self.cell.row.text(self.cell.saves))


def _normal(shape: tuple[int, ...], dtype: str, scale: float = 1.0) -> np.ndarray:
    """Normal values as a network has them, the same in every run; large arrays repeat a million."""
    return _flat_normal(math.prod(shape), dtype, scale).reshape(shape)


@lru_cache(maxsize=16)
def _flat_normal(size: int, dtype: str, scale: float) -> np.ndarray:
    block = np.random.default_rng(0).normal(0, scale, min(size, 2**20)).astype(dtype)
    values = np.resize(block, size)
    values.flags.writeable = False  # other cells have the same
    return values
