"""The catalog's formulas as NumPy calls in place: what `fastact bench` compares with.

A formula's text becomes a short list of ufunc calls that write into the array
they are given, share common subexpressions and reuse a few scratch arrays,
which are allocated once, when the calls are bound to their arrays.

>>> import numpy as np
>>> from fastact.catalog import rows
>>> x = np.array([-1.0, 2.0])
>>> calls = forward(rows[0], x)
>>> print(calls)
np.negative(x, out=x)
np.exp(x, out=x)
np.add(1.0, x, out=x)
np.divide(1.0, x, out=x)
>>> calls() is x
True
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from types import MappingProxyType
from typing import Any

import numpy as np

from ...catalog import Row
from .tree import COMPARISONS, REDUCTIONS, Node, numpy_function, parse, simplify, spell_sigmoid

NONE: Mapping[str, float] = MappingProxyType({})
Constants = tuple[tuple[str, float], ...]

WEIGHT_GRADIENT = "sum(dy * minimum(x, 0))"
"""prelu's gradient of its weight, summed over every axis but that of the channels."""

SHORT_AXIS = 16
"""Up to this extent a chain of `np.maximum` over slices is faster than `np.max` along the axis."""


@dataclass
class Calls:
    """NumPy calls bound to their arrays; calling it runs them and returns the array they fill."""

    result: np.ndarray
    steps: list[Callable[[], Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    weight_gradient: np.ndarray | None = None
    """What prelu's backward fills beside `result`."""

    def __call__(self) -> np.ndarray:
        for step in self.steps:
            step()
        return self.result

    def __str__(self) -> str:
        return "\n".join(self.lines)


class Binder:
    """Gives every value of a formula a place: in the target where it can be, else in scratch."""

    def __init__(
        self,
        arrays: Mapping[str, np.ndarray],
        target: np.ndarray,
        axis: int | tuple[int, ...],
        scratch: list[np.ndarray],
        other_half: np.ndarray | None = None,
    ) -> None:
        self.arrays, self.target, self.axis, self.scratch = arrays, target, axis, scratch
        self.other_half = other_half
        self.owned = [target]
        self.calls = Calls(target)
        self.place: dict[Node, Any] = {}
        self.free = list(scratch)
        self.names = {id(array): f"scratch{i}" for i, array in enumerate(scratch, 1)}
        self.names |= {id(array): name for name, array in arrays.items()}
        self.names.setdefault(id(target), "out")

    def bind(self, root: Node) -> Calls:
        roots = {root: self.target}
        if root.op == "join":
            # da takes a's place and db b's, at the end: they lie interlaced, and NumPy makes a copy
            # where one is computed from the other.
            roots = {root.args[1]: self.other_half, root.args[0]: self.target}
            self.owned = []
        order = list(dict.fromkeys(node for one in roots for node in one.walk()))
        uses = Counter([*roots, *(argument for node in order for argument in node.args)])
        if not root.args:
            self.emit(np.copyto, self.target, self.value(root))
            return self.calls
        if root.op != "join" and not any(array is self.target for array in self.arrays.values()):
            self.free.append(self.target)
        late = []
        for node in order:
            if not node.args:
                self.place[node] = self.value(node)
                continue
            args = [self.place[argument] for argument in node.args]
            uses.subtract(node.args)
            last_used = [self.place[a] for a in dict.fromkeys(node.args) if not uses[a]]
            dying = [place for place in last_used if self.owns(place)]
            out = roots.get(node)
            if out is None or (root.op == "join" and self.is_taken(out, args, uses)):
                out = self.output(node, args, dying)
                late += [(roots[node], out)] if node in roots else []
            self.place[node] = out
            self.free = [array for array in [*self.free, *dying] if array is not out]
            self.compute(node.op, args, out)
        for target, out in late:
            self.emit(np.copyto, target, out)
        return self.calls

    def is_taken(self, half: np.ndarray, args: list[Any], uses: Counter[Node]) -> bool:
        """Whether what is computed from `args` must not be written to this half of an array yet."""
        if not any(array is half for array in self.arrays.values()):
            return False
        needed = any(place is half and uses[node] for node, place in self.place.items())
        return needed or any(a is self.arrays[name] for a in args for name in ("a", "b"))

    def value(self, node: Node) -> Any:
        return node.value if node.op == "number" else self.arrays[node.name]

    def owns(self, value: Any) -> bool:
        return any(value is array for array in (*self.owned, *self.scratch))

    def output(self, node: Node, args: list[Any], dying: list[np.ndarray]) -> np.ndarray:
        """An array for the result: one that is no longer needed, or a new one."""
        shape = np.broadcast_shapes(*(np.shape(a) for a in args))
        dtype = np.dtype(bool) if node.op in COMPARISONS else self.target.dtype
        candidates = [*dying, *self.free] if node.op != "where" else self.free
        if node.op in REDUCTIONS:
            axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
            axes = tuple(axis % len(shape) for axis in axes)
            shape = tuple(1 if i in axes else n for i, n in enumerate(shape))
            candidates = [array for array in candidates if not any(array is a for a in args)]
        for array in candidates:
            if array.shape == shape and array.dtype == dtype:
                self.free = [other for other in self.free if other is not array]
                return array
        array = np.empty(shape, dtype)
        self.scratch.append(array)
        self.names[id(array)] = f"scratch{len(self.scratch)}"
        return array

    def compute(self, op: str, args: list[Any], out: np.ndarray) -> None:
        if any(isinstance(a, np.ndarray) and a.dtype.kind == "b" for a in args):
            # NumPy would compute a bool with a Python float in float64.
            args = [self.target.dtype.type(a) if isinstance(a, float) else a for a in args]
        if op == "where":
            self.select(*args, out)
        elif op == "max" and isinstance(self.axis, int) and args[0].shape[self.axis] <= SHORT_AXIS:
            self.short_max(args[0], out)
        elif op == "vecdot" and isinstance(self.axis, tuple):
            product = self.output(Node("multiply"), args, [])
            self.emit(np.multiply, *args, out=product)
            self.emit(np.sum, product, axis=self.axis, keepdims=True, out=out)
        elif op in REDUCTIONS:
            self.emit(numpy_function(op), *args, axis=self.axis, keepdims=True, out=out)
        else:
            self.emit(numpy_function(op), *args, out=out)

    def select(self, condition: np.ndarray, chosen: Any, other: Any, out: np.ndarray) -> None:
        if chosen is out:
            inverse = self.output(Node("logical_not"), [condition], [])
            self.emit(np.logical_not, condition, out=inverse)
            condition, chosen, other = inverse, other, out
        if other is not out:
            self.emit(np.copyto, out, other)
        self.emit(np.copyto, out, chosen, where=condition)

    def short_max(self, x: np.ndarray, out: np.ndarray) -> None:
        """The maximum along the axis, slice by slice: each call is one long vector loop."""
        name, axis = self.names[id(x)], self.axis % x.ndim
        first, *rest = (x[(slice(None),) * axis + (slice(k, k + 1),)] for k in range(x.shape[axis]))
        self.names |= {id(piece): f"{name}[{k}]" for k, piece in enumerate((first, *rest))}
        if not rest:
            self.emit(np.copyto, out, first)
        for k, piece in enumerate(rest):
            self.emit(np.maximum, out if k else first, piece, out=out)

    def word(self, value: Any) -> str:
        # A default of `get` would spell out every array.
        return self.names[id(value)] if id(value) in self.names else repr(value)

    def emit(self, function: Any, *args: Any, **kwargs: Any) -> None:
        self.calls.steps.append(partial(function, *args, **kwargs))
        words = [self.word(a) for a in args] + [f"{key}={self.word(a)}" for key, a in kwargs.items()]
        self.calls.lines.append(f"np.{function.__name__}({', '.join(words)})")


def forms(text: str) -> tuple[str, ...]:
    """Equal ways to compute a formula of which the faster one depends on the processor.

    NumPy's expm1 and tanh each have vector code for some dtypes on some processors only.
    """
    return ("expm1", "tanh") if "expm1" in text else ("expm1",)


def forward(
    row: Row, x: np.ndarray, *, out: np.ndarray | None = None, noise: np.ndarray | None = None, **options: Any
) -> Calls:
    """The NumPy calls of a forward pass, in place on `x` or, where given, into `out`.

    `noise` is gumbel_softmax's; maxout and gated need `out`. The options are those of `bound`.
    """
    arrays = {"x": x} if noise is None else {"x": x, "noise": noise}
    return bound(row, "", arrays, x if out is None else out, **options)


def backward(
    row: Row, saves: str, dy: np.ndarray, saved: np.ndarray, *, out: np.ndarray | None = None, **options: Any
) -> Calls:
    """The NumPy calls of a backward pass from `saved`, in place (`dy`; maxout, gated: `saved`) or into `out`.

    prelu's calls sum the gradient of its weight too, as fastact's backward does. The options are those of
    `bound`.
    """
    result = out if out is not None else saved if row.shape.shrinks else dy
    return bound(row, saves, {"dy": dy, saves: saved}, result, **options)


def bound(
    row: Row,
    saves: str,
    arrays: dict[str, np.ndarray],
    result: np.ndarray,
    *,
    parameters: Mapping[str, float] = NONE,
    weight: np.ndarray | None = None,
    pieces: int = 1,
    axis: int = -1,
    form: str = "expm1",
    scratch: list[np.ndarray] | None = None,
) -> Calls:
    """The calls that compute `result`, forward where nothing is named in `saves`.

    `weight` has one value per position of prelu's `axis`. For maxout `x` is C-contiguous, its last axis
    holds the groups of `pieces`. Calls that are given the same `scratch` list share its arrays; it grows
    by what they need.
    """
    scratch = [] if scratch is None else scratch
    x, target, other = arrays[saves or "x"], result, None
    if "pieces" in row.needs:
        groups, axis = x.reshape(*x.shape[:-1], x.shape[-1] // pieces, pieces), -1
        arrays = {name: groups if array is x else array[..., None] for name, array in arrays.items()}
        target = groups if result is x else result.reshape(groups.shape) if saves else result[..., None]
    if row.shape.halves:
        halves = _halves(x, axis)
        arrays = {name: array for name, array in arrays.items() if array is not x} | halves
        if saves:
            target, other = (halves if result is x else _halves(result, axis)).values()
    if weight is not None:
        arrays["weight"] = weight.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
    tree = root(row.text(saves), tuple(row.names(**parameters).items()), tuple(arrays), form)
    calls = Binder(arrays, target, axis, scratch, other).bind(tree)
    if weight is not None and saves:
        first = _weight_gradient(arrays, axis, scratch)
        calls.steps, calls.lines = first.steps + calls.steps, first.lines + calls.lines
        calls.weight_gradient = first.result.reshape(weight.shape)
    calls.result = result
    return calls


def as_defined(row: Row, saves: str, arrays: tuple[str, ...]) -> Node:
    """The row's formula, or where it `saves` something dy times its derivative, over basic functions only.

    Unlike the calls above it keeps the choices and the sigmoids' places, for other libraries' compilers.
    """
    return parse(row.text(saves), row.names(), arrays).replace(spell_sigmoid)


@cache
def root(formula: str, constants: Constants, arrays: tuple[str, ...], form: str = "expm1") -> Node:
    """A formula as the tree that a `Binder` takes."""
    return simplify(parse(formula, dict(constants), arrays), form)


def _weight_gradient(arrays: Mapping[str, np.ndarray], axis: int, scratch: list[np.ndarray]) -> Calls:
    others = tuple(i for i in range(arrays["x"].ndim) if i != axis % arrays["x"].ndim)
    total = np.empty_like(arrays["weight"])
    tree = root(WEIGHT_GRADIENT, (), tuple(arrays))
    return Binder({**arrays, "dweight": total}, total, others, scratch).bind(tree)


def _halves(x: np.ndarray, axis: int) -> dict[str, np.ndarray]:
    a, b = np.split(x, 2, axis=axis)
    return {"a": a, "b": b}
