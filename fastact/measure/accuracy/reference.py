"""What an activation is worth, far more exactly than the kernels compute it, and how far off a result is.

The catalog's texts are evaluated with NumPy in a wider type: float64 judges float32, and long double,
where it has the bits for it, judges float64. Nothing here is shared with the kernels. The tests hold
this module itself against mpmath.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from ...catalog import expression
from . import pairs

WIDER = {np.dtype(np.float32): np.float64, np.dtype(np.float64): np.longdouble}
"""The type in which results of a dtype are judged."""

EXTRA_BITS = 11
"""Bits beyond the judged type's: rounding errors of a few operations then stay below 0.01 ULP."""


def can_judge(dtype: np.dtype) -> bool:
    """Whether this platform has a type wide enough; long double is float64 on some."""
    return np.finfo(WIDER[dtype]).nmant >= np.finfo(dtype).nmant + EXTRA_BITS


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + pairs.exp(-x)) if isinstance(x, pairs.Pair) else 1 / (1 + np.exp(-x))


def _x_minus_tanh(x: np.ndarray) -> np.ndarray:
    """By Lambert's continued fraction, tanh(x) = x / (1 + f), where the two are close: nothing cancels."""
    near = np.abs(x) < 2
    if not near.any():
        return x - np.tanh(x)
    square = np.minimum(x * x, 4)
    f = square / 45
    for odd in range(43, 1, -2):
        f = square / (odd + f)
    return np.where(near, x * f / (1 + f), x - np.tanh(x))


def _erf_near(a: np.ndarray) -> np.ndarray:
    """erf(a) where 0 <= a <= 1, over its factor e^(-a^2) (DLMF 7.6.2)."""
    term = total = 2 / np.sqrt(_PI.astype(a.dtype)) * a
    for n in range(1, 30):
        term = term * (2 * a * a / (2 * n + 1))
        total = total + term
        if not (term > np.finfo(a.dtype).eps / 4 * total).any():
            break
    return total


def _erfc_far(a: np.ndarray) -> np.ndarray:
    """erfc(a) where a >= 1, over its factor e^(-a^2): a continued fraction (DLMF 7.9.1)."""
    fraction = a
    for n in range(300 if a.dtype == np.longdouble else 120, 0, -1):
        fraction = a + n / 2 / fraction
    return 1 / (np.sqrt(_PI.astype(a.dtype)) * fraction)


def _erfc(t: Any) -> np.ndarray:
    argument = np.asarray(pairs.value(t))
    factor, a = np.asarray(pairs.exp(-(t * t))), np.abs(argument)
    near, far = a <= 1, (a > 1) & (factor > 0)
    tail = np.where(np.isnan(a), a, 0)
    tail[far] = _erfc_far(a[far]) * factor[far]
    tail[near] = 1 - np.copysign(_erf_near(a[near]) * factor[near], argument[near])
    return np.where((a > 1) & (argument < 0), 2 - tail, tail)


_PI = np.longdouble("3.14159265358979323846264338327950288")


def _sparse_threshold(x: np.ndarray) -> np.ndarray:
    """By sorting: the support are the k largest, for the largest k that leaves all of them positive."""
    largest = np.max(x, axis=-1, keepdims=True)
    falling = -np.sort(largest - x, axis=-1)
    counts = np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    thresholds = (np.cumsum(falling, axis=-1) - 1) / counts
    size = np.count_nonzero(falling > thresholds, axis=-1, keepdims=True)
    return largest + np.take_along_axis(thresholds, size - 1, axis=-1)


_NAMED_AS_IN_NUMPY = (
    "exp", "expm1", "log", "log1p", "sqrt", "tanh", "abs", "sign", "maximum", "minimum", "where", "float64",
)  # fmt: skip
VOCABULARY: dict[str, Any] = {
    **{name: getattr(np, name) for name in _NAMED_AS_IN_NUMPY},
    "sigmoid": _sigmoid,
    "erf": lambda t: 1 - _erfc(t),
    "erfc": _erfc,
    "x_minus_tanh": _x_minus_tanh,
    "max": partial(np.max, axis=-1, keepdims=True),
    "sum": partial(np.sum, axis=-1, keepdims=True),
    "join": lambda da, db: np.concatenate(np.broadcast_arrays(da, db), axis=-1),
    "sparse_threshold": _sparse_threshold,
    "pi": _PI,
    "largest": lambda a, b: np.maximum(np.abs(a), np.abs(b)),
}
"""The catalog's names over wide arrays; rows lie along the last axis."""


def _of_values(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: function(*map(pairs.value, arguments))


_PI_LOW = np.longdouble("-5.01655761266833202355732708033075941e-20")
IN_PAIRS: dict[str, Any] = {
    **{name: _of_values(function) for name, function in VOCABULARY.items() if callable(function)},
    "exp": pairs.exp,
    "sqrt": pairs.sqrt,
    "sigmoid": _sigmoid,
    "erf": VOCABULARY["erf"],
    "erfc": _erfc,
    "pi": pairs.Pair(_PI, _PI_LOW),
}
"""The same over numbers in two parts, for the type that has few bits to spare."""


WELL_CONDITIONED = {
    "log(sum(exp(x - max(x))))": (
        "log1p(sum(where(x < max(x), exp(x - max(x)), 0)) + (sum(where(x < max(x), 0, 1)) - 1))"
    )
}
"""What would lose the small terms beside the 1 of the largest, and the same without that loss."""


def evaluate(text: str, dtype: np.dtype, **names: Any) -> np.ndarray:
    """The value of a formula in the type that judges `dtype`; infinite arguments give its limit."""
    wide = {name: _finite(np.asarray(value, WIDER[dtype])) for name, value in names.items()}
    if WIDER[dtype] is not np.longdouble:
        # A long double among the names would make one of every array.
        return np.asarray(_function(text)({**VOCABULARY, "pi": np.pi, **wide}), WIDER[dtype])
    in_pairs = {name: pairs.Pair(array) for name, array in wide.items()}
    return np.asarray(pairs.value(_function(text)({**IN_PAIRS, **in_pairs})), np.longdouble)


@cache
def _function(text: str) -> expression.Value:
    for loses, keeps in WELL_CONDITIONED.items():
        text = text.replace(loses, keeps)
    tree = ast.parse(text, mode="eval")
    return expression.read(_OnlyOnce(tree).visit(tree).body)


class _OnlyOnce(ast.NodeTransformer):
    """Calls that a formula has several times are evaluated at the first and named."""

    def __init__(self, tree: ast.AST) -> None:
        self.times = Counter(ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call))
        self.names: dict[str, str] = {}

    def visit_Call(self, node: ast.Call) -> ast.AST:
        text = ast.unparse(node)
        if text in self.names:
            return ast.Name(self.names[text], ast.Load())
        self.generic_visit(node)
        if self.times[text] == 1:
            return node
        self.names[text] = f"value_{len(self.names)}"
        return ast.NamedExpr(ast.Name(self.names[text], ast.Store()), node)


def _finite(wide: np.ndarray) -> np.ndarray:
    """Infinities as numbers so large that the formula has reached its limit, without inf * 0.

    Their cubes are numbers too.
    """
    infinite = np.isinf(wide)
    if not infinite.any():
        return wide
    beyond = np.ldexp(wide.dtype.type(1), int(np.finfo(wide.dtype).maxexp) // 4)
    return np.where(infinite, np.copysign(beyond, wide), wide)


def halves(x: np.ndarray) -> dict[str, np.ndarray]:
    """What a gated activation's formula calls the halves of `x` along the last axis."""
    a, b = np.split(x, 2, axis=-1)
    return {"a": a, "b": b}


class _LargestTerm(ast.NodeTransformer):
    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.Add | ast.Sub):
            return node
        return ast.Call(ast.Name("largest", ast.Load()), [node.left, node.right], [])

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = getattr(node.func, "id", "")
        if name == "sum":
            node.args = [ast.Call(ast.Name("abs", ast.Load()), node.args, [])]
        return self.generic_visit(node) if name in ("where", "maximum", "join") else node


@cache
def largest_term_text(text: str) -> str:
    """The formula with its outermost sums replaced by their largest terms, so that nothing cancels.

    The terms of a sum along the axis are added up without their signs.
    """
    return ast.unparse(ast.fix_missing_locations(_LargestTerm().visit(ast.parse(text, mode="eval"))))


def ulp_errors(computed: np.ndarray, exact: np.ndarray, scale: np.ndarray | None = None) -> np.ndarray:
    """Distance of each result from the exact value, in ULP of the correctly rounded one.

    `scale` holds magnitudes whose ULP counts instead where it is larger. A NaN on one side only, and a
    finite result where the value is far beyond the largest number, are infinitely wrong.
    """
    rounded = np.abs(exact).astype(computed.dtype)
    if scale is not None:
        rounded = np.maximum(rounded, np.abs(scale).astype(computed.dtype))
    errors = np.abs(computed - exact) / _ulp(rounded)
    if not np.isfinite(errors.max(initial=0)):
        _settle_unbounded(errors, computed, exact)
    return errors


def _ulp(magnitudes: np.ndarray) -> np.ndarray:
    """What numpy.spacing says of finite numbers, in a quarter of its time; infinity counts as the largest."""
    limits, infinity = np.finfo(magnitudes.dtype), np.array(np.inf, magnitudes.dtype)
    bits = np.dtype(f"u{magnitudes.dtype.itemsize}")
    exponents = np.minimum(magnitudes, limits.max).view(bits) & infinity.view(bits)
    return np.maximum(exponents.view(magnitudes.dtype) * limits.eps, limits.smallest_subnormal)


def _settle_unbounded(errors: np.ndarray, computed: np.ndarray, exact: np.ndarray) -> None:
    """Errors where infinity or NaN is involved; infinity counts as the number after the largest."""
    limits = np.finfo(computed.dtype)
    after_largest = np.ldexp(exact.dtype.type(1), int(limits.maxexp))
    infinite = np.isinf(computed)
    reached = np.where(infinite, np.copysign(after_largest, computed), computed)
    due = np.where(infinite, np.clip(exact, -after_largest, after_largest), exact)
    step = _ulp(np.abs(due).astype(computed.dtype))
    errors[infinite] = (np.abs(reached - due) / step)[infinite]
    nan, nan_due = np.isnan(computed), np.isnan(exact)
    errors[nan | nan_due] = np.inf
    errors[nan & nan_due] = 0
    errors[~infinite & ~nan & (np.abs(exact) >= 2 * after_largest)] = np.inf


@cache
def inner_zeros(derivative_text: str, names: tuple[tuple[str, float], ...] = ()) -> tuple[float, ...]:
    """Where a derivative from x passes through 0 on its way from one sign to the other."""

    def derivative(x: np.ndarray) -> np.ndarray:
        return evaluate(derivative_text, np.dtype(np.float32), x=x, **dict(names))

    with np.errstate(all="ignore"):
        grid = np.linspace(-40, 40, 20_011)
        signs = np.sign(derivative(grid) + 0 * grid)
        changes = np.flatnonzero(signs[:-1] * signs[1:] < 0)
        crossings = [_bisected(derivative, *grid[i : i + 2]) for i in changes]
        return tuple(x for x in crossings if abs(derivative(np.asarray(x))) < 1e-12)


def _bisected(function: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> float:
    falling = function(np.asarray(low)) > 0
    for _ in range(60):
        middle = (low + high) / 2
        if (function(np.asarray(middle)) > 0) == falling:
            low = middle
        else:
            high = middle
    return float(low)
