"""What the catalog's formulas are worth: evaluated with mpmath at 60 digits, then rounded once.

Nothing here knows how the kernels compute; the texts of the catalog are all that the two share.
"""

from __future__ import annotations

import ast
from functools import cache

import mpmath
import numpy as np

from fastact import catalog

mp = mpmath.MPContext()
mp.dps = 60

BEYOND = mp.mpf(10) ** 1000
"""Stands for infinity: so large that rounding a formula's value there gives its limit in either dtype."""


def _along_last_axis(reduction):
    return lambda values: reduction(values, axis=-1, keepdims=True)


def _sparse_threshold(row):
    """The t with sum(max(x - t, 0)) = 1, as the largest of what the k largest values would give."""
    falling = sorted(row, reverse=True)
    sums = np.cumsum(np.array(falling, object))
    return max((sums[k] - 1) / (k + 1) for k in range(len(falling)))


def _sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def _x_minus_tanh(x):
    """With as many more digits as cancel."""
    with mp.workdps(mp.dps + 3 * max(0, -int(mp.log10(abs(x)))) if x else mp.dps):
        return x - mp.tanh(x)


def _erfc(t):
    # mpmath's own refuses arguments whose square is no float; the value is below 10^(-10^199) there.
    return mp.erfc(t) if t < mp.mpf(10) ** 100 else mp.zero


VOCABULARY = {
    **{
        name: np.frompyfunc(getattr(mp, name), 1, 1)
        for name in ["exp", "expm1", "log", "log1p", "sqrt", "tanh", "erf"]
    },
    "erfc": np.frompyfunc(_erfc, 1, 1),
    "sigmoid": np.frompyfunc(_sigmoid, 1, 1),
    "x_minus_tanh": np.frompyfunc(_x_minus_tanh, 1, 1),
    "float64": np.frompyfunc(lambda value: mp.mpf(float(value)), 1, 1),
    "sign": np.frompyfunc(mp.sign, 1, 1),
    "abs": np.abs,
    "where": np.where,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "max": _along_last_axis(np.max),
    "sum": _along_last_axis(np.sum),
    "join": lambda da, db: np.concatenate(np.broadcast_arrays(da, db), axis=-1),
    "sparse_threshold": lambda x: np.apply_along_axis(
        lambda row: np.array([_sparse_threshold(row)], object), -1, np.asarray(x, object)
    ),
    "pi": +mp.pi,
}


def exact(values) -> np.ndarray:
    """`values` as mpmath numbers, infinity as `BEYOND`."""

    def one(value: float):
        return mp.mpf(value) if abs(value) != np.inf else mp.sign(value) * BEYOND

    numbers = np.asarray(values, np.float64)
    assert not np.isnan(numbers).any(), "formulas say nothing about NaN"
    return np.asarray(np.frompyfunc(one, 1, 1)(numbers.astype(object)), object)


def evaluate(text: str, **names) -> np.ndarray:
    """The value of a formula for arrays of mpmath numbers."""
    # The logarithm of a sum close to 1 has as many digits less as the sum has zeros behind the point.
    with mp.workdps(500 if "log(sum" in text else mp.dps):
        return np.asarray(eval(text, {**VOCABULARY, **names}), object)


def arrays(row: catalog.Row, name: str, value) -> dict[str, np.ndarray]:
    """What a row's texts call an array that is passed: its name, or the names of its halves."""
    if not row.shape.halves:
        return {name: exact(value)}
    a, b = np.split(exact(value), 2, axis=-1)
    return {"a": a, "b": b}


def forward(row: catalog.Row, x, /, **parameters) -> np.ndarray:
    """The activation of `x` as mpmath numbers; rows, pieces and halves lie along the last axis."""
    return evaluate(row.formula, **arrays(row, "x", x), **_exact_parameters(row, parameters))


def backward(row: catalog.Row, dy, saved: str, value, /, **parameters) -> np.ndarray:
    """dL/dx as mpmath numbers, as a function of the array `value` that is passed as `saved`."""
    names = {"dy": exact(dy), **arrays(row, saved, value), **_exact_parameters(row, parameters)}
    return evaluate(gradient_text(row, saved), **names)


def largest_term_of_backward(row: catalog.Row, dy, saved: str, value, /, **parameters) -> np.ndarray:
    """As `backward`, with every outermost sum replaced by its largest term, so that nothing cancels."""
    names = {"dy": exact(dy), **arrays(row, saved, value), **_exact_parameters(row, parameters)}
    text = _sums_to_largest_terms(gradient_text(row, saved))
    return np.abs(evaluate(text, largest=_largest, **names))


def largest_term_of_forward(row: catalog.Row, x, /, **parameters) -> np.ndarray:
    """As `forward`, with every outermost sum replaced by its largest term."""
    names = {**arrays(row, "x", x), **_exact_parameters(row, parameters)}
    return np.abs(evaluate(_sums_to_largest_terms(row.formula), largest=_largest, **names))


def _largest(a, b):
    return np.maximum(np.abs(a), np.abs(b))


def gradient_text(row: catalog.Row, saved: str) -> str:
    """dL/dx in terms of ``dy``: where a derivative's text mentions it, that is the whole already."""
    text = row.derivatives[saved]
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    return text if "dy" in names else f"dy * ({text})"


def _exact_parameters(row: catalog.Row, parameters: dict) -> dict:
    return {name: exact(value) for name, value in {**row.numbers, **parameters}.items()}


class _LargestTerm(ast.NodeTransformer):
    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.Add | ast.Sub):
            return node
        return ast.Call(ast.Name("largest", ast.Load()), [node.left, node.right], [])

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return self.generic_visit(node) if node.func.id in ("where", "maximum", "join") else node


def _sums_to_largest_terms(text: str) -> str:
    return ast.unparse(ast.fix_missing_locations(_LargestTerm().visit(ast.parse(text, mode="eval"))))


def rounded(values, dtype) -> np.ndarray:
    """`values` correctly rounded to `dtype`: ties to even, subnormal results, overflow to infinity."""
    limits = np.finfo(dtype)
    smallest_exponent = int(limits.minexp) - int(limits.nmant)

    def one(value) -> float:
        value = mp.mpf(value)
        if not value:
            return 0.0
        magnitude = mp.mag(value)
        if magnitude > limits.maxexp:
            return float(mp.sign(value)) * np.inf
        if magnitude < smallest_exponent:
            return float(mp.sign(value)) * 0.0
        unit = max(magnitude - limits.nmant - 1, smallest_exponent)
        steps = mp.nint(mp.ldexp(value, -unit))
        if abs(steps) * mp.mpf(2) ** unit >= mp.mpf(2) ** int(limits.maxexp):
            return float(mp.sign(value)) * np.inf
        return float(mp.ldexp(steps, unit))

    return np.asarray(np.frompyfunc(one, 1, 1)(np.asarray(values, object)), np.float64).astype(dtype)


def ulps_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many floats lie between `a` and `b`, subnormal ones counted; NaN is near NaN only."""
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    first, second = _ordinals(a), _ordinals(b)
    larger, smaller = np.maximum(first, second), np.minimum(first, second)
    distance = larger.astype(np.uint64) - smaller.astype(np.uint64)
    of_nan = np.where(np.isnan(a) == np.isnan(b), np.uint64(0), np.uint64(2**63))
    return np.where(np.isnan(a) | np.isnan(b), of_nan, distance)


def _ordinals(values: np.ndarray) -> np.ndarray:
    bits = np.ascontiguousarray(values).view(f"i{values.itemsize}").reshape(values.shape)
    return np.where(bits < 0, np.iinfo(bits.dtype).min - bits, bits).astype(np.int64)


@cache
def samples(dtype, count: int = 3000) -> np.ndarray:
    """Inputs from every region: all magnitudes, the bend around 0, the tails, the ends of the range."""
    limits = np.finfo(dtype)
    random = np.random.default_rng(0)
    exponents = random.uniform(float(limits.minexp - limits.nmant), float(limits.maxexp), count // 2)
    tail = 1.05 * -float(np.log(np.finfo(dtype).smallest_subnormal.astype(np.float64)))
    drawn = [
        np.ldexp(1.0, exponents.astype(int)) * (1 + exponents % 1) * random.choice([-1, 1], count // 2) / 2,
        random.uniform(-12, 12, count // 4),
        random.uniform(-tail, tail, count // 4),
    ]
    ends = [0.0, 1.0, limits.max, limits.tiny, limits.smallest_subnormal]
    with np.errstate(over="ignore"):
        values = np.concatenate([*drawn, ends, np.negative(ends)]).astype(dtype)
    return values[np.isfinite(values)]


@cache
def forward_rounded(row_name: str, dtype, parameters: tuple = (), count: int = 3000) -> np.ndarray:
    """The correctly rounded activation of `samples`."""
    return rounded(forward(row_of(row_name), samples(dtype, count), **dict(parameters)), dtype)


def row_of(name: str) -> catalog.Row:
    return next(row for row in catalog.rows if row.name == name)


def number(value: np.ndarray):
    """One value of a text, which may be a whole number of NumPy's: mpmath 1.3 takes none."""
    one = value.item()
    return mp.mpf(int(one) if isinstance(one, np.integer) else one)


@cache
def inner_zeros(row_name: str, parameters: tuple = ()) -> tuple[float, ...]:
    """Where the derivative passes through 0 on its way from one sign to the other."""
    row = row_of(row_name)

    def derivative(x):
        return number(evaluate(row.derivatives["x"], x=x, **_exact_parameters(row, dict(parameters))))

    grid = [mp.mpf(k) / 4 + mp.mpf(1) / 9 for k in range(-80, 80)]
    values = [derivative(x) for x in grid]
    changes = [
        (a, b) for a, b, fa, fb in zip(grid, grid[1:], values, values[1:], strict=False) if fa * fb < 0
    ]
    crossings = [mp.findroot(derivative, ends, solver="anderson", verify=False) for ends in changes]
    return tuple(float(x) for x in crossings if abs(derivative(x)) < mp.mpf(10) ** -20)
