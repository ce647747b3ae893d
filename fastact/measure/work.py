"""What is timed: the cells of a run, and the arrays and calls of each.

Calls in place change their input, and repeated on their own result they would
drift: sigmoid to its fixed point, gradients into subnormals. So every timed
call sees the same values: they are copied back before each repetition, outside
the timed region. Small arrays are timed as a pool of equal copies that together
fit the first-level cache, so that the clock is read once for many calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import fastact as fa

from ..catalog import Row
from .drawn import normal
from .formulas import numpy_calls
from .passes import form as texts
from .passes.form import Form
from .passes.forms import FORMS

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
    """What is measured: one activation or pass in one direction on one kind of array."""

    row: Row | Form
    direction: str
    dtype: str
    size: int
    in_place: bool = True
    """Whether the result takes the place of what the call is given, where it has the same shape."""

    @property
    def saves(self) -> str:
        """What backward is given, nothing for forward."""
        return next(iter(self.row.saves), "") if self.direction == "backward" else ""

    @property
    def has_place(self) -> bool:
        """Whether there is an array that the result may take the place of."""
        if isinstance(self.row, Form):
            return self.row.ways()[self.direction].in_place
        return self.direction == "backward" or not self.row.shape.shrinks

    @property
    def bytes_per_element(self) -> float:
        """Memory that the call must read and write, per element of `x`."""
        if isinstance(self.row, Form):
            return self.row.bytes_per_element(self.direction, self.dtype)
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


def names(with_passes: bool = False) -> list[str]:
    """All that is measured: the activations that compute, which identity in place does not, or the passes."""
    if with_passes:
        return list(FORMS)
    return [activation.name for activation in fa.activations.values() if activation.formula != "x"]


def cells(
    chosen: Sequence[str] = (), dtypes: Sequence[str] = DTYPES, sizes: Sequence[int] = SIZES
) -> list[Cell]:
    """The cells of a run over activations and passes; where none is named, over all activations."""
    for dtype in dtypes:
        name_to_numpy(dtype)
    rows = [FORMS[name] if name in FORMS else fa.get(name).row for name in chosen or names()]
    return [
        Cell(row, direction, dtype, size)
        for row in rows
        for direction in (row.ways() if isinstance(row, Form) else DIRECTIONS)
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
    """The arrays of an activation's cell, and the calls that work on them."""

    def __init__(self, cell: Cell, values: np.ndarray | None = None) -> None:
        """`values` are those of x, where it is to have others than are timed."""
        self.cell, self.activation = cell, fa.activations[cell.row.name]
        shape = shape_of(cell.row, cell.size)
        x = normal(shape, cell.dtype, scale=2.0) if values is None else values.reshape(shape)
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
        self.arrays: dict[str, Any] = {"x": x, "y": y}
        overwritten, result = "x", y
        if cell.direction == "backward":
            self.arrays["dy"] = normal(y.shape, cell.dtype)
            # The gradient has the shape of x: maxout's and a gated one take its place, as dy is smaller.
            overwritten, result = "dy" if y.shape == x.shape else "x", x
        fits = result.shape == self.arrays[overwritten].shape
        self._place(overwritten, None if cell.in_place and fits else np.empty(result.shape, x.dtype))

    def _place(self, overwritten: str, out: np.ndarray | None, also: Iterable[str] = ()) -> None:
        """Copies of what calls in place overwrite; the result goes to the first, where there is no `out`."""
        self.overwritten, self.original, self.out = overwritten, self.arrays[overwritten], out
        count = min(max(1, POOL_BYTES // self.original.nbytes), POOL_COPIES)
        own = (overwritten, *also) if out is None else ()
        self.pool = [{name: self.arrays[name].copy() for name in own} for _ in range(count)]

    @property
    def copies(self) -> list[np.ndarray]:
        """What is in the place of the overwritten array, for each call."""
        return [own.get(self.overwritten, self.original) for own in self.pool]

    @property
    def names(self) -> dict[str, Any]:
        """What texts may name beside the arrays of a call."""
        return {"axis": -1, **self.cell.row.numbers, **self.settings}

    def parts(self, given: dict[str, Any]) -> dict[str, Any]:
        """The parts of these arrays, or of those that another library makes of them, that texts name."""
        if not self.cell.row.shape.halves:
            return {}
        middle = given["x"].shape[-1] // 2
        return {"a": given["x"][..., :middle], "b": given["x"][..., middle:]}

    def restore(self) -> None:
        """Give every copy that a call has overwritten its values again."""
        for own in self.pool:
            for name, copy in own.items():
                np.copyto(copy, self.arrays[name])

    def expected(self) -> np.ndarray:
        """The result of a call, apart from the arrays of those that are timed."""
        result = self._call(self.arrays)()
        return result[0] if isinstance(result, tuple) else result

    def calls_on(self) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
        """What each call is given, by name, and where its result goes."""
        for own in self.pool:
            yield self.arrays | own, own[self.overwritten] if self.out is None else self.out

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

    def text(self, library: str) -> str:
        """What the row says of a library that has forward calls alone."""
        return "" if self.cell.saves else getattr(self.cell.row, library)

    @property
    def writes(self) -> bool:
        """Whether fastact's calls write to an array that they are given."""
        return True

    def comparable(self, found: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What another's result and the expected one are compared by."""
        return found, expected


class PassWork(Workload):
    """The arrays of a pass's cell, and the calls that its `Form` makes of them."""

    def __init__(self, cell: Cell) -> None:
        self.cell, self.settings = cell, {}
        self.way = way = cell.row.ways()[cell.direction]
        self.arrays = cell.row.arrays(cell.size, cell.dtype)
        out = None if cell.in_place and way.in_place else np.empty_like(self.arrays[way.result])
        self._place(way.result, out, way.also.values())
        self.also = self._empty_also()

    def _empty_also(self) -> dict[str, np.ndarray]:
        return {name: np.empty_like(self.arrays[like]) for name, like in self.way.also.items()}

    @property
    def names(self) -> dict[str, Any]:
        return {}

    def parts(self, given: dict[str, Any]) -> dict[str, Any]:
        return {}

    def expected(self) -> np.ndarray:
        out = np.empty_like(self.arrays[self.way.result])
        result = texts.bound(self.way.call, self._given(out, {}, self._empty_also()))()
        return out if self.writes else result

    def calls_on(self) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
        for own in self.pool:
            if self.out is None:
                also = {name: own[like] for name, like in self.way.also.items()}
                yield self._given(own[self.overwritten], own, also), own[self.overwritten]
            else:
                yield self._given(self.out, own, self.also), self.out

    def _given(
        self, out: np.ndarray, own: dict[str, np.ndarray], also: dict[str, np.ndarray]
    ) -> dict[str, Any]:
        given = {**self.arrays, **own, **also, "out": out}
        return given | self.cell.row.views(given)

    def fastact(self) -> list[Callable[[], Any]]:
        return [texts.bound(self.way.call, given) for given, _ in self.calls_on()]

    def numpy(self, form: str) -> list[Callable[[], Any]]:
        scratch: list[np.ndarray] = []
        return [texts.numpy_calls_of(self.way, given, scratch) for given, _ in self.calls_on()]

    @property
    def forms(self) -> tuple[str, ...]:
        return ("expm1",)

    def text(self, library: str) -> str:
        return getattr(self.way, library)

    @property
    def writes(self) -> bool:
        return self.way.writes

    def comparable(self, found: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of what is random, the elements that both keep."""
        if not self.way.drops:
            return found, expected
        dropped = self.arrays[self.way.drops].reshape(-1)
        both = (found != dropped) & (expected != dropped)
        return found[both], expected[both]


def workload(cell: Cell) -> Workload:
    """What works on a cell."""
    return PassWork(cell) if isinstance(cell.row, Form) else Workload(cell)
