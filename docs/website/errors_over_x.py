"""Errors over x in float32: of fastact, of torch, and of the formula as it stands in NumPy.

x is cut into intervals, and what is kept of each is the largest error of some numbers drawn from it. All
are judged in the units of the contract, against the catalog's formula in float64 (fastact/measure/accuracy/),
whose own code is held against mpmath by the tests:

- `forward`: the function at x. `torch` is there where torch has it, `numpy` is the catalog's formula as it
  stands, in NumPy's float32, erf and erfc from SciPy.
- `derivative`: with dy = 1, judged as the derivative at x, whatever it is computed from: `fastact` has x;
  `fastact from y` has its own output, as backward may be given it; `torch` goes by autograd, through its
  output where torch saves that; `numpy` is the formula of the derivative in x.

Along an axis one number varies beside others that stay: the first of a row beside two zeros, the second half
of a gated activation beside a first half of 1; maxout has four straight lines. A row's derivative is had from
y alone; all are given the same correctly rounded y then, and are judged by that. torch is left out where the
catalog names no such function of it, and of softmin's derivative, whose backward takes no y.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from scipy import special

import fastact as fa
from fastact.catalog import Row
from fastact.measure.accuracy import errors
from fastact.measure.curves import LINES
from fastact.measure.formulas import tree

from . import records
from .records import MIDDLE, NO_DIGIT

PACKAGES = ("numpy", "scipy", "torch")

END = 120.0
"""Where the intervals end: exponentials have left float32 there."""
WITHIN, TAIL = 200, 40
"""Intervals up to `MIDDLE` on both sides together, and beyond it on each."""
LEAST = 1e-8
"""The smallest magnitude drawn from the intervals beside 0."""
DRAWN, QUICK_DRAWN = 256, 16
"""Numbers of each interval."""

FLOAT32 = np.dtype(np.float32)

TORCH_DEFAULTS = {"softplus": {"threshold": 20.0}}
"""Where torch's own default is another: without its threshold, torch's softplus overflows."""


def edges() -> np.ndarray:
    """The ends of the intervals, from the smallest."""
    tail = np.geomspace(MIDDLE, END, TAIL + 1)
    return np.concatenate([-tail[:0:-1], np.linspace(-MIDDLE, MIDDLE, WITHIN + 1), tail[1:]])


def drawn(count: int) -> np.ndarray:
    """`count` numbers of each interval, a row for each, the same in every run."""
    random = np.random.default_rng(0)
    ends = edges()
    x = random.uniform(ends[:-1, None], ends[1:, None], (ends.size - 1, count))
    middle = ends.size // 2
    # Evenly drawn, hardly any number would be close to 0.
    near = np.exp(random.uniform(math.log(LEAST), math.log(ends[middle + 1]), (2, count)))
    x[middle - 1], x[middle] = -near[0], near[1]
    return x.astype(np.float32)


def head(quick: bool) -> records.Record:
    """What the record says of all activations."""
    return {
        "about": records.about(PACKAGES),
        "dtype": FLOAT32.name,
        "numbers": QUICK_DRAWN if quick else DRAWN,
        "edges": records.rounded(edges()),
    }


def measure(names: Sequence[str], count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the record says of each of these, by `count` numbers of each interval."""
    x = drawn(count)
    for name in names:
        yield name, {"date": records.today(), **measured_over(fa.activations[name].row, x)}


def measured_over(row: Row, x: np.ndarray) -> dict[str, Any]:
    """The largest errors of an activation in each row of `x`, for each who computes it."""
    found = {}
    with fa.num_threads(1), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        for direction in ("forward", "derivative"):
            task = Task(row, direction, x.ravel())
            lines = {who: task.errors(result).reshape(x.shape).max(axis=1) for who, result in task.results()}
            found[direction] = {
                "unit": task.case.unit,
                "bound": task.case.limit,
                "zeros": [float(f"{zero:.6g}") for zero in task.case.zeros],
                **{who: records.rounded(np.minimum(line, NO_DIGIT).tolist()) for who, line in lines.items()},
            }
    return found


class Task:
    """A function or derivative at some numbers, and what it is worth there."""

    def __init__(self, row: Row, direction: str, x: np.ndarray) -> None:
        saves = "x" if "x" in row.saves else row.saves[0]
        self.row, self.activation = row, fa.activations[row.name]
        self.forward = direction == "forward"
        self.case = errors.Case(row, "forward" if self.forward else saves, FLOAT32)
        self.x = self._arranged(x)
        self.fixed: dict[str, np.ndarray] = {}
        if "seed" in row.needs:
            self.fixed["noise"] = self.activation.noise((1, 3), FLOAT32, seed=int(row.needs["seed"]))
        self.inputs = {"x": self.x, **self.fixed}
        if not self.forward:
            y = errors.Case(row, "forward", FLOAT32).exact(self.inputs).astype(FLOAT32)
            dy = np.ones_like(y)
            dy[..., 1:] = 0 if row.shape.by_row else 1
            self.inputs = {"dy": dy, saves: self.x if saves == "x" else y}

    def _arranged(self, x: np.ndarray) -> np.ndarray:
        """The array that an activation is called with, where it works on more than one number."""
        if self.row.shape.halves:
            return np.stack([np.ones_like(x), x], axis=1)
        if self.row.shape.shrinks:
            slopes, offsets = np.array(LINES, np.float32).T
            return x[:, None] * slopes + offsets
        if self.row.shape.by_row:
            return np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=1)
        return x

    def errors(self, result: np.ndarray) -> np.ndarray:
        """For each number the error of the result that varies with it."""
        if result.dtype != FLOAT32:
            raise TypeError(f"{self.row.name} was computed in {result.dtype}")
        found, _ = errors.errors_of(self.case, self.inputs, result)
        if found.ndim == 1:
            return found
        kept = (
            slice(1) if self.row.shape.by_row else slice(-1, None) if self.row.shape.halves else slice(None)
        )
        return found[:, kept].max(axis=1)

    def results(self) -> list[tuple[str, np.ndarray]]:
        """Who computes it, and what comes of that."""
        found = [("fastact", self._fastact())]
        if not self.forward and set(self.row.saves) == {"x", "y"}:
            y = self.activation(self.x, **self.case.arguments)
            dx = self.activation.backward(self.inputs["dy"], y=y, **self.case.arguments)
            found.append(("fastact from y", dx))
        torch = torch_result(self)
        if torch is not None:
            found.append(("torch", torch))
        return [*found, ("numpy", as_written(self.case, {**self.inputs, **self.fixed}))]

    def _fastact(self) -> np.ndarray:
        if "seed" not in self.row.needs or not self.forward:
            arguments = {name: value for name, value in self.case.arguments.items() if name != "seed"}
            if self.forward:
                return self.activation(self.x, **arguments)
            return self.case.compute(self.inputs)
        # Row by row: noise follows from the position in an array.
        return np.concatenate([self.activation(one[None], **self.case.arguments) for one in self.x])


def as_written(case: errors.Case, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """A formula of the catalog by NumPy in float32."""
    names = {name: float(value) for name, value in case.names.items()}
    return eval(case.text, {"__builtins__": {}}, {**_WRITTEN, **names, **case.arrays(inputs)})


def _kept_narrow(function: Callable[..., Any]) -> Callable[..., Any]:
    """Of numbers alone it gives one of Python, as math would: NumPy's own would widen a float32 array."""

    def call(*arguments: Any) -> Any:
        result = function(*arguments)
        return result if np.ndim(result) else float(result)

    return call


def _where(condition: np.ndarray, chosen: Any, other: Any) -> np.ndarray:
    # Of two whole numbers NumPy makes an int64, whose product with a float32 is a float64.
    return np.where(condition, np.asarray(chosen, FLOAT32), np.asarray(other, FLOAT32))


def _threshold(x: np.ndarray) -> np.ndarray:
    return tree.sparse_threshold(x, -1, True, np.empty((*x.shape[:-1], 1), x.dtype))


_WRITTEN: dict[str, Any] = {
    **{
        name: _kept_narrow(getattr(np, name))
        for name in ("exp", "expm1", "log", "log1p", "sqrt", "tanh", "abs", "sign", "maximum", "minimum")
    },
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "erf": special.erf,
    "erfc": special.erfc,
    "where": _where,
    "float64": float,
    "x_minus_tanh": lambda x: x - np.tanh(x),
    "max": lambda x: np.max(x, axis=-1, keepdims=True),
    "sum": lambda x: np.sum(x, axis=-1, keepdims=True),
    "sparse_threshold": _threshold,
    "join": lambda da, db: np.concatenate(np.broadcast_arrays(da, db), axis=-1),
    "pi": math.pi,
}
"""The catalog's names as one writes them in NumPy."""


@cache
def _torch() -> Any:
    import torch

    from fastact.measure.peers import libraries

    # A peer has a process of its own, in which it turns gradients off.
    with torch.set_grad_enabled(torch.is_grad_enabled()):
        return libraries.Torch()


def torch_result(task: Task) -> np.ndarray | None:
    """What torch makes of a task; None where it does not have it."""
    row = task.row
    if not row.torch or (task.row.shape.by_row and not task.forward and not row.torch_backward):
        return None
    library = _torch()
    numbers = {"axis": -1, **row.numbers, **TORCH_DEFAULTS.get(row.name, {})}
    tensors = {name: library.tensor(array) for name, array in task.inputs.items()}
    if row.shape.by_row and not task.forward:
        return _called(library, row.torch_backward, numbers | tensors).numpy()
    with library.torch.enable_grad():
        x = library.tensor(task.x).requires_grad_()
        given = {"x": x}
        if row.shape.halves:
            given = dict(zip("ab", x.chunk(2, dim=-1), strict=True)) | given
        if "weight" in row.needs:
            given["weight"] = library.torch.tensor(row.needs["weight"])
        y = _called(library, row.torch, numbers | given)
        if task.forward:
            return y.detach().numpy()
        return library.torch.autograd.grad(y, x, tensors["dy"])[0].numpy()


def _called(library: Any, text: str, names: dict[str, Any]) -> Any:
    from fastact.measure.peers.libraries import read_call

    call = read_call(text, names)
    if call is None:
        return library.calls(text, names)()
    name, arguments, keywords = call
    return library.functions(name)[0](*arguments, **keywords)
