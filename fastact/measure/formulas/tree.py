"""A formula of the catalog as a tree: read, folded, and put in the words that NumPy computes fastest.

Where NumPy has a faster way to say exactly the same (a maximum instead of a mask, one exponential instead
of two), `simplify` says it that way.
"""

from __future__ import annotations

import ast
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ...catalog import VOCABULARY

_OPERATORS: dict[type, str] = {
    ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide", ast.Gt: "greater",
    ast.GtE: "greater_equal", ast.Lt: "less", ast.LtE: "less_equal", ast.Eq: "equal",
}  # fmt: skip
COMPARISONS = ("greater", "greater_equal", "less", "less_equal", "equal", "logical_not")
REDUCTIONS = ("max", "sum", "vecdot", "sparse_threshold")
_FUNCTIONS = {name: name for name in VOCABULARY if name != "pi"} | {"abs": "absolute"}


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
    if args and all(argument.op == "number" for argument in args) and op not in REDUCTIONS:
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
    return number(float(numpy_function(op)(*values)))


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
    if constant == -1 and result.op not in COMPARISONS:
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
    root = root.replace(unmask)
    root = root.replace(partial(_share_sigmoid, set(root.walk())))
    root = root.replace(spell_sigmoid)
    if expm1 == "tanh":
        root = root.replace(_expm1_by_tanh)
    uses = Counter(argument for node in root.walk() for argument in node.args)
    return root.replace(partial(_divide_once, uses))


def unmask(node: Node) -> Node | None:
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
    if node.op != "sigmoid":
        return None
    (a,) = node.args
    negative = a.op == "negative" or (a.op == "multiply" and a.args[0].op == "number" and a.args[0].value < 0)
    positive = Node("sigmoid", (make("negative", a),))
    return make("subtract", ONE, positive) if negative and positive in nodes else None


def spell_sigmoid(node: Node) -> Node | None:
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


def numpy_function(op: str) -> Any:
    if op == "sparse_threshold":
        return sparse_threshold
    if op not in ("erf", "erfc"):
        return getattr(np, op)
    try:
        from scipy import special
    except ImportError:
        raise Unavailable(f"NumPy has no {op}; its baseline needs SciPy: pip install scipy") from None
    return getattr(special, op)
