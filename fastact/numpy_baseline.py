"""The catalog's formulas as NumPy calls in place: what `fastact bench` compares with.

A formula's text becomes a short list of ufunc calls that write into the array
they are given, share common subexpressions and reuse a few scratch arrays,
which are allocated once, when the calls are bound to their arrays. Where NumPy
has a faster way to say exactly the same (a maximum instead of a mask, one
exponential instead of two), the calls say it that way.

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

import ast
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from types import MappingProxyType
from typing import Any

import numpy as np

from .catalog import Row

NONE: Mapping[str, float] = MappingProxyType({})
Constants = tuple[tuple[str, float], ...]

WEIGHT_GRADIENT = "sum(dy * minimum(x, 0))"
"""prelu's gradient of its weight, summed over every axis but that of the channels."""

SHORT_AXIS = 16
"""Up to this extent a chain of `np.maximum` over slices is faster than `np.max` along the axis."""

_OPERATORS: dict[type, str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Eq: "equal",
}
_COMPARISONS = ("greater", "greater_equal", "less", "less_equal", "equal", "logical_not")
_REDUCTIONS = ("max", "sum", "vecdot", "sparse_threshold")
_FUNCTIONS = {
    "exp": "exp", "expm1": "expm1", "log": "log", "log1p": "log1p", "sqrt": "sqrt", "tanh": "tanh",
    "abs": "absolute", "sign": "sign", "maximum": "maximum", "minimum": "minimum", "where": "where",
    "sigmoid": "sigmoid", "max": "max", "sum": "sum", "join": "join", "erf": "erf", "erfc": "erfc",
    "float64": "float64", "sparse_threshold": "sparse_threshold",
}  # fmt: skip


class Unavailable(ImportError):
    """A formula needs a function that NumPy has not, and the package that has it is not installed."""


@dataclass(frozen=True)
class Node:
    """One value of a formula; equal nodes are the same subexpression."""

    op: str
    """``number``, ``array``, or what is computed from `args`."""
    args: tuple[Node, ...] = ()
    value: float = 0.0
    name: str = ""

    def walk(self) -> Iterator[Node]:
        """Every distinct node, arguments before what uses them."""
        seen: set[Node] = set()

        def visit(node: Node) -> Iterator[Node]:
            if node not in seen:
                seen.add(node)
                for argument in node.args:
                    yield from visit(argument)
                yield node

        return visit(self)

    def replace(self, change: Callable[[Node], Node | None]) -> Node:
        """The same formula with `change` applied from the leaves up; None keeps a node."""
        args = tuple(argument.replace(change) for argument in self.args)
        node = self if args == self.args else make(self.op, *args)
        changed = change(node)
        return node if changed is None else changed


def number(value: float) -> Node:
    return Node("number", value=float(value))


ZERO, ONE = number(0), number(1)


def make(op: str, *args: Node) -> Node:
    """A node with constants folded and what changes nothing left out."""
    if args and all(argument.op == "number" for argument in args) and op not in _REDUCTIONS:
        return _fold(op, args)
    if op == "multiply":
        return _product(args)
    if op == "negative":
        return _product((number(-1), *args))
    if op == "add" and ZERO in args:
        return args[0] if args[1] == ZERO else args[1]
    if op == "greater" and args[1] == number(math.inf):
        return ZERO
    if op == "where" and args[0] == ZERO:
        return args[2]
    if (op == "subtract" and args[1] == ZERO) or (op == "divide" and args[1] == ONE):
        return args[0]
    if op == "sum" and args[0].op == "multiply":
        return Node("vecdot", args[0].args)
    return Node(op, args)


def _fold(op: str, args: tuple[Node, ...]) -> Node:
    values = [argument.value for argument in args]
    if op == "sigmoid":
        return number(1 / (1 + math.exp(-values[0])))
    return number(float(_numpy_function(op)(*values)))


def _product(args: tuple[Node, ...]) -> Node:
    """A product with its constants multiplied together and put in one place."""
    constant, factors = 1.0, []
    for argument in args:
        for factor in argument.args if argument.op == "multiply" else (argument,):
            if factor.op == "number":
                constant *= factor.value
            elif factor.op == "negative":
                constant, factors = -constant, [*factors, factor.args[0]]
            else:
                factors.append(factor)
    factors = _pair_sigmoids(factors)
    result = factors[0]
    if constant == -1 and result.op not in _COMPARISONS:
        result = Node("negative", (result,))
    elif constant != 1:
        result = Node("multiply", (number(constant), result))
    for factor in factors[1:]:
        result = Node("multiply", (result, factor))
    return result


def _pair_sigmoids(factors: list[Node]) -> list[Node]:
    """sigmoid(a) sigmoid(-a) with one exponential, and with no cancellation in either tail."""
    for first in factors:
        if first.op != "sigmoid":
            continue
        a = first.args[0]
        other = Node("sigmoid", (make("negative", a),))
        if other in factors and other != first:
            e = make("exp", make("negative", _absolute(a)))
            rest = [factor for factor in factors if factor not in (first, other)]
            return [*rest, make("divide", e, make("square", make("add", ONE, e)))]
    return factors


def _absolute(a: Node) -> Node:
    if a.op == "negative":
        return _absolute(a.args[0])
    if a.op == "multiply" and a.args[0].op == "number":
        return make("multiply", number(abs(a.args[0].value)), make("absolute", a.args[1]))
    return make("absolute", a)


def parse(text: str, constants: Mapping[str, float], arrays: tuple[str, ...]) -> Node:
    """A formula of the catalog as a node; ValueError names what is not in its vocabulary."""

    def read(node: ast.expr) -> Node:
        match node:
            case ast.Constant(value=int() | float() as value):
                return number(value)
            case ast.Name(id=name) if name in arrays:
                return Node("array", name=name)
            case ast.Name(id=name) if name in constants:
                return number(constants[name])
            case ast.Name(id="pi"):
                return number(math.pi)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return make("negative", read(operand))
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _OPERATORS:
                return make(_OPERATORS[type(op)], read(left), read(right))
            case ast.Compare(ops=[op], left=left, comparators=[right]) if type(op) in _OPERATORS:
                return make(_OPERATORS[type(op)], read(left), read(right))
            case ast.Call(func=ast.Name(id="x_minus_tanh"), args=[argument], keywords=[]):
                return make("subtract", read(argument), make("tanh", read(argument)))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                return make(_FUNCTIONS[name], *map(read, args))
        raise ValueError(f"{ast.unparse(node)!r} in {text!r} is not in the catalog's vocabulary")

    return read(ast.parse(text, mode="eval").body)


def simplify(root: Node, expm1: str = "expm1") -> Node:
    """The formula in the calls that NumPy computes fastest, equal in value."""
    root = root.replace(_unmask)
    root = root.replace(partial(_share_sigmoid, set(root.walk())))
    root = root.replace(_spell_sigmoid)
    if expm1 == "tanh":
        root = root.replace(_expm1_by_tanh)
    uses = Counter(argument for node in root.walk() for argument in node.args)
    return root.replace(partial(_divide_once, uses))


def _unmask(node: Node) -> Node | None:
    """A choice as arithmetic where that gives the same: NumPy's masked copies mispredict branches.

    A masked copy costs several nanoseconds an element on mixed signs, a maximum a tenth of that.
    """
    if node.op != "where":
        return None
    condition, chosen, other = node.args
    if (chosen, other) == (ONE, ZERO):
        return condition
    if condition.op != "greater" or condition.args[1] != ZERO:
        return None
    a = condition.args[0]
    below, above = make("minimum", a, ZERO), make("maximum", a, ZERO)
    at_zero = _at(other, a, ZERO)
    if chosen == a and other.op == "multiply" and other.args[0].op == "number" and other.args[1] == a:
        slope = other.args[0].value
        if slope > 0:
            return make("maximum" if slope <= 1 else "minimum", a, other)
    if at_zero == ZERO and _at(chosen, a, ZERO) == ZERO:
        return make("add", _at(chosen, a, above), _at(other, a, below))
    if chosen.op == "number" and a in other.walk():
        left = _at(other, a, below)
        if at_zero == chosen:
            return left
        left = make("multiply", make("logical_not", condition), left)
        return make("add", make("multiply", chosen, condition), left)
    if chosen == ONE and a not in other.walk():
        if other.op == "number" and 0 <= other.value <= 1:
            return make("maximum", condition, other)
        return make("add", make("multiply", make("logical_not", condition), other), condition)
    return None


def _at(formula: Node, a: Node, value: Node) -> Node:
    """The formula with `value` in place of `a`; at 0 a product with it is 0, as parameters are finite."""

    def change(node: Node) -> Node | None:
        if node == a:
            return value
        return ZERO if value == ZERO and node.op == "multiply" and ZERO in node.args else None

    return formula.replace(change)


def _share_sigmoid(nodes: set[Node], node: Node) -> Node | None:
    """sigmoid(-a) as 1 - sigmoid(a) where both are needed: one exponential less."""
    if node.op != "sigmoid" or not _is_negative(node.args[0]):
        return None
    positive = Node("sigmoid", (make("negative", node.args[0]),))
    return make("subtract", ONE, positive) if positive in nodes else None


def _is_negative(a: Node) -> bool:
    return a.op == "negative" or (a.op == "multiply" and a.args[0].op == "number" and a.args[0].value < 0)


def _spell_sigmoid(node: Node) -> Node | None:
    if node.op != "sigmoid":
        return None
    return make("divide", ONE, make("add", ONE, make("exp", make("negative", node.args[0]))))


def _expm1_by_tanh(node: Node) -> Node | None:
    """expm1(a) = 2 t / (1 - t) with t = tanh(a / 2), relatively accurate for a <= 0 as expm1 is."""
    if node.op != "expm1":
        return None
    t = make("tanh", make("multiply", number(0.5), node.args[0]))
    return make("divide", make("multiply", number(2), t), make("subtract", ONE, t))


def _divide_once(uses: Counter[Node], node: Node) -> Node | None:
    """a * (1 / u) as a / u where the reciprocal serves nothing else."""
    if node.op != "multiply":
        return None
    for factor, other in (node.args, node.args[::-1]):
        if factor.op == "divide" and factor.args[0] == ONE and uses[factor] <= 1:
            return make("divide", other, factor.args[1])
    return None


def sparse_threshold(x: np.ndarray, axis: int, keepdims: bool, out: np.ndarray) -> np.ndarray:
    """sparsemax's threshold by sorting, along the last axis (Martins and Astudillo 2016)."""
    falling = -np.sort(-x, axis=axis)
    counts = np.arange(1, x.shape[axis] + 1, dtype=x.dtype)
    thresholds = (np.cumsum(falling, axis=axis) - 1) / counts
    size = np.count_nonzero(falling > thresholds, axis=axis, keepdims=keepdims)
    out[...] = np.take_along_axis(thresholds, size - 1, axis)
    return out


def _numpy_function(op: str) -> Any:
    if op == "sparse_threshold":
        return sparse_threshold
    if op not in ("erf", "erfc"):
        return getattr(np, op)
    try:
        from scipy import special
    except ImportError:
        raise Unavailable(f"NumPy has no {op}; its baseline needs SciPy: pip install scipy") from None
    return getattr(special, op)


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
        dtype = np.dtype(bool) if node.op in _COMPARISONS else self.target.dtype
        candidates = [*dying, *self.free] if node.op != "where" else self.free
        if node.op in _REDUCTIONS:
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
        elif op in _REDUCTIONS:
            self.emit(_numpy_function(op), *args, axis=self.axis, keepdims=True, out=out)
        else:
            self.emit(_numpy_function(op), *args, out=out)

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
    row: Row,
    x: np.ndarray,
    *,
    out: np.ndarray | None = None,
    parameters: Mapping[str, float] = NONE,
    weight: np.ndarray | None = None,
    noise: np.ndarray | None = None,
    pieces: int = 1,
    axis: int = -1,
    form: str = "expm1",
    scratch: list[np.ndarray] | None = None,
) -> Calls:
    """The NumPy calls of a forward pass, in place on `x` or, where given, into `out`.

    `weight` has one value per position of prelu's `axis`, `noise` is gumbel_softmax's. For maxout `x`
    is C-contiguous, its last axis holds the groups of `pieces`; for it and gated `out` is needed. Calls
    that are given the same `scratch` list share its arrays; it grows by what they need.
    """
    scratch = [] if scratch is None else scratch
    arrays, constants = {"x": x}, row.names(**parameters)
    target = x if out is None else out
    if "pieces" in row.needs:
        arrays["x"], target, axis = _in_groups(x, pieces), target[..., None], -1
    if row.shape.halves:
        arrays = _halves(x, axis)
    if weight is not None:
        arrays["weight"] = _along(weight, x.ndim, axis)
    if noise is not None:
        arrays["noise"] = noise
    root = _forward_root(row.formula, tuple(constants.items()), tuple(arrays), form)
    return _returning(Binder(arrays, target, axis, scratch).bind(root), x if out is None else out)


def backward(
    row: Row,
    saves: str,
    dy: np.ndarray,
    saved: np.ndarray,
    *,
    out: np.ndarray | None = None,
    parameters: Mapping[str, float] = NONE,
    weight: np.ndarray | None = None,
    pieces: int = 1,
    axis: int = -1,
    form: str = "expm1",
    scratch: list[np.ndarray] | None = None,
) -> Calls:
    """The NumPy calls of a backward pass from `saved`, in place (`dy`; maxout, gated: `saved`) or into `out`.

    prelu's calls sum the gradient of its weight too, as fastact's backward does.
    """
    scratch = [] if scratch is None else scratch
    arrays, constants = {"dy": dy, saves: saved}, row.names(**parameters)
    result = out if out is not None else saved if row.shape.shrinks else dy
    target, other = result, None
    if "pieces" in row.needs:
        groups = _in_groups(saved, pieces)
        arrays, axis = {"dy": dy[..., None], saves: groups}, -1
        target = groups if out is None else _in_groups(out, pieces)
    if row.shape.halves:
        arrays = {"dy": dy, **_halves(saved, axis)}
        halves = arrays if out is None else _halves(out, axis)
        target, other = halves["a"], halves["b"]
    if weight is not None:
        arrays["weight"] = _along(weight, dy.ndim, axis)
    root = _backward_root(row.derivatives[saves], tuple(constants.items()), tuple(arrays), form)
    calls = Binder(arrays, target, axis, scratch, other).bind(root)
    if weight is not None:
        first = _weight_gradient(arrays, axis, scratch)
        steps, lines = first.steps + calls.steps, first.lines + calls.lines
        calls = Calls(calls.result, steps, lines, first.result.reshape(weight.shape))
    return _returning(calls, result)


def as_defined(row: Row, saves: str, arrays: tuple[str, ...]) -> Node:
    """The row's formula, or where it `saves` something dy times its derivative, over basic functions only.

    Unlike the calls above it keeps the choices and the sigmoids' places, for other libraries' compilers.
    """
    root = parse(row.derivatives[saves] if saves else row.formula, row.names(), arrays)
    if saves and Node("array", name="dy") not in root.walk():
        root = make("multiply", Node("array", name="dy"), root)
    return root.replace(_spell_sigmoid)


@cache
def _forward_root(formula: str, constants: Constants, arrays: tuple[str, ...], form: str) -> Node:
    return simplify(parse(formula, dict(constants), arrays), form)


@cache
def _backward_root(derivative: str, constants: Constants, arrays: tuple[str, ...], form: str) -> Node:
    """dy times the derivative; a derivative that names dy is the whole gradient."""
    root, gradient = parse(derivative, dict(constants), arrays), Node("array", name="dy")
    if gradient not in root.walk():
        root = make("multiply", gradient, root.replace(_unmask))
    return simplify(root, form)


def _weight_gradient(arrays: Mapping[str, np.ndarray], axis: int, scratch: list[np.ndarray]) -> Calls:
    others = tuple(i for i in range(arrays["x"].ndim) if i != axis % arrays["x"].ndim)
    total = np.empty_like(arrays["weight"])
    root = _forward_root(WEIGHT_GRADIENT, (), tuple(arrays), "expm1")
    return Binder({**arrays, "dweight": total}, total, others, scratch).bind(root)


def _in_groups(x: np.ndarray, pieces: int) -> np.ndarray:
    return x.reshape(*x.shape[:-1], x.shape[-1] // pieces, pieces)


def _halves(x: np.ndarray, axis: int) -> dict[str, np.ndarray]:
    a, b = np.split(x, 2, axis=axis)
    return {"a": a, "b": b}


def _along(weight: np.ndarray, dimensions: int, axis: int) -> np.ndarray:
    return weight.reshape([-1 if i == axis % dimensions else 1 for i in range(dimensions)])


def _returning(calls: Calls, result: np.ndarray) -> Calls:
    calls.result = result
    return calls
