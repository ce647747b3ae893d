"""The largest errors of the passes, against their definitions in a wider type: float64, for it long double.

Each result has beside its exact value the largest term of the sum that it is, in whose ULP the error is
counted. Where parts cancel by definition, as a row less its mean, the reference goes by a way on which
nothing does. Half precision is judged in its own ULP: float32's result, rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ... import num_threads, passes
from ...catalog import Pass
from .errors import LARGEST_TERM, Worst
from .reference import EXTRA_BITS

Arrays = dict[str, np.ndarray]


class Exact(NamedTuple):
    """What a result should be."""

    value: np.ndarray
    term: np.ndarray
    """Magnitudes whose ULP counts where that of the value is smaller."""


PRECISION = {"float32": (23, -126), "float64": (52, -1022), "float16": (10, -14), "bfloat16": (7, -126)}
"""Bits of a fraction, and the exponent of the smallest normal number."""

LENGTHS = (2, 3, 7, 33, 100, 512, 4097)
ELEMENTS = 2**14
"""Of a batch."""
EPS = 1e-5


def wide(dtype: np.dtype) -> Any:
    """The type that judges results of a dtype."""
    return np.longdouble if dtype == np.float64 else np.float64


def can_judge(dtype: np.dtype) -> bool:
    """Whether this platform has it; long double is float64 on some."""
    return bool(np.finfo(wide(dtype)).nmant >= PRECISION[dtype.name][0] + EXTRA_BITS)


# -- Rows ----------------------------------------------------------------------------------------


def _rows(contents: str, length: int, dtype: np.dtype, random: np.random.Generator) -> np.ndarray:
    shape = (max(2, ELEMENTS // length), length)
    x = random.normal(0, 2, shape)
    if contents == "offset":
        x = 1e4 + x
    elif contents == "wide":
        x *= np.exp2(random.uniform(-8, 8, shape))
    elif contents == "small":
        x *= 1e-3
    elif contents == "steep":
        x *= 20
    elif contents == "dominated":
        x[np.arange(shape[0]), random.integers(0, length, shape[0])] += random.uniform(0, 60, shape[0])
    return x.astype(dtype)


def _weights(length: int, dtype: np.dtype, random: np.random.Generator) -> Arrays:
    weight, bias = random.uniform(-1.5, 1.5, (2, length)).astype(dtype)
    return {"weight": weight, "bias": bias}


def _like(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return random.normal(0, 1, x.shape).astype(x.dtype)


# -- Norms ---------------------------------------------------------------------------------------


def _draw_norm(
    contents: str, length: int, dtype: np.dtype, random: np.random.Generator, name: str = "layer_norm"
) -> Arrays:
    x = _rows(contents, length, dtype, random)
    drawn = {"x": x, "dy": _like(x, random), **_weights(length, dtype, random)}
    return drawn | _statistics(passes[name](x, eps=EPS, return_stats=True))


def _draw_channels(contents: str, length: int, dtype: np.dtype, random: np.random.Generator) -> Arrays:
    """As many channels as there are rows, each of `length` elements in two samples or more."""
    rows = _rows(contents, length, dtype, random)
    positions = length // 2 if length % 2 == 0 else 1
    x = np.ascontiguousarray(rows.reshape(len(rows), -1, positions).swapaxes(0, 1))
    drawn = {"x": x, "dy": _like(x, random), **_weights(x.shape[1], dtype, random)}
    return drawn | _statistics(passes["batch_norm"](x, training=True, eps=EPS, return_stats=True))


def _statistics(found: tuple[np.ndarray, ...]) -> Arrays:
    """What a norm returned behind its result, for backward."""
    return dict(zip(("mean", "rstd")[1 - len(found) :], found[1:], strict=True))


class _Normalised(NamedTuple):
    """Rows less their mean, over their spread."""

    value: np.ndarray
    rstd: np.ndarray
    axes: tuple[int, ...]
    """Of a row."""

    @classmethod
    def of(cls, x: np.ndarray, axes: tuple[int, ...], centred: bool = True) -> _Normalised:
        distance = x
        if centred:
            # From an element, exactly: a mean of 1e4 has fewer digits left of the spread.
            first = x[tuple(slice(0, 1) if i in axes else slice(None) for i in range(x.ndim))]
            distance = x - first
            distance = distance - distance.mean(axes, keepdims=True)
        rstd = 1 / np.sqrt((distance**2).mean(axes, keepdims=True) + x.dtype.type(EPS))
        return cls(distance * rstd, rstd, axes)

    @classmethod
    def given(cls, x: np.ndarray, axes: tuple[int, ...], mean: Any, rstd: np.ndarray) -> _Normalised:
        """With the statistics that backward is passed, however they were rounded."""
        return cls((x - mean) * rstd, rstd, axes)

    def weighted(self, weight: np.ndarray, bias: np.ndarray | float) -> Exact:
        value = self.value * weight + bias
        return Exact(value, np.maximum(np.maximum(abs(self.value), 1) * abs(weight), abs(bias)))

    def gradient(self, g: np.ndarray, centred: bool = True) -> Exact:
        """Of x, from that of the value; the terms of sums are added up without their signs."""
        mean = g.mean(self.axes, keepdims=True) * centred
        product = self.value * (g * self.value).mean(self.axes, keepdims=True)
        term = np.maximum(abs(g), abs(g).mean(self.axes, keepdims=True) * centred)
        term = np.maximum(term, abs(self.value) * abs(g * self.value).mean(self.axes, keepdims=True))
        return Exact(self.rstd * (g - mean - product), self.rstd * term)

    def of_weight(self, dy: np.ndarray, axes: tuple[int, ...]) -> Exact:
        """The gradient of a weight; a value is off by what is lost beside the spread of its row."""
        terms = abs(dy) * np.maximum(abs(self.value), 1)
        return Exact((dy * self.value).sum(axes), terms.sum(axes))


def _of_bias(dy: np.ndarray, axes: tuple[int, ...]) -> Exact:
    return Exact(dy.sum(axes), abs(dy).sum(axes))


def _layer_norm(x: Arrays) -> dict[str, Exact]:
    rows = _Normalised.of(x["x"], (-1 % x["x"].ndim,))
    return {"y": rows.weighted(x["weight"], x["bias"])}


def _layer_norm_backward(x: Arrays) -> dict[str, Exact]:
    rows = _Normalised.given(x["x"], (1,), x["mean"], x["rstd"])
    return {
        "dx": rows.gradient(x["dy"] * x["weight"]),
        "dweight": rows.of_weight(x["dy"], (0,)),
        "dbias": _of_bias(x["dy"], (0,)),
        "dx of x alone": _Normalised.of(x["x"], (1,)).gradient(x["dy"] * x["weight"]),
    }


def _rms_norm(x: Arrays) -> dict[str, Exact]:
    return {"y": _Normalised.of(x["x"], (1,), centred=False).weighted(x["weight"], 0.0)}


def _rms_norm_backward(x: Arrays) -> dict[str, Exact]:
    rows, alone = (
        _Normalised.given(x["x"], (1,), 0, x["rstd"]),
        _Normalised.of(x["x"], (1,), centred=False),
    )
    return {
        "dx": rows.gradient(x["dy"] * x["weight"], centred=False),
        "dweight": rows.of_weight(x["dy"], (0,)),
        "dx of x alone": alone.gradient(x["dy"] * x["weight"], centred=False),
    }


def _batch_norm(x: Arrays) -> dict[str, Exact]:
    weight, bias = (x[name][:, None] for name in ("weight", "bias"))
    return {"y": _Normalised.of(x["x"], (0, 2)).weighted(weight, bias)}


def _batch_norm_backward(x: Arrays) -> dict[str, Exact]:
    axes, weight = (0, 2), x["weight"][:, None]
    channels = _Normalised.given(x["x"], axes, x["mean"][:, None], x["rstd"][:, None])
    dx, alone = channels.gradient(x["dy"]), _Normalised.of(x["x"], axes).gradient(x["dy"])
    return {
        "dx": Exact(dx.value * weight, dx.term * abs(weight)),
        "dweight": channels.of_weight(x["dy"], axes),
        "dbias": _of_bias(x["dy"], axes),
        "dx of x alone": Exact(alone.value * weight, alone.term * abs(weight)),
    }


# -- Losses --------------------------------------------------------------------------------------


def _draw_logits(contents: str, length: int, dtype: np.dtype, random: np.random.Generator) -> Arrays:
    x = _rows(contents.removeprefix("smoothed "), length, dtype, random)
    rows = len(x)
    drawn = {"x": x, "dy": random.normal(0, 1, rows).astype(dtype)}
    # Where one logit dominates, it is the target of half of the rows.
    largest = x.astype(np.float64).argmax(axis=1)
    target = np.where(np.arange(rows) % 2, random.integers(0, length, rows), largest)
    smoothing = 0.1 if contents.startswith("smoothed") else 0.0
    return drawn | {"target": target, "smoothing": np.array(smoothing)}


def _log_sum(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The largest of each row, the logarithm of the sum of what all are of it, and these quotients."""
    largest = x.max(axis=1, keepdims=True)
    below = np.exp(x - largest)
    at = np.zeros(x.shape, bool)
    np.put_along_axis(at, x.argmax(axis=1)[:, None], True, axis=1)
    rest = np.where(at, 0, below).sum(axis=1, keepdims=True)
    return largest, np.log1p(rest), below


def _logsumexp(x: Arrays) -> dict[str, Exact]:
    largest, logarithm, _ = _log_sum(x["x"])
    y = (largest + logarithm)[:, 0]
    return {"y": Exact(y, np.maximum(abs(y), abs(largest[:, 0])))}


def _logsumexp_backward(x: Arrays) -> dict[str, Exact]:
    _, _, below = _log_sum(x["x"])
    dx = x["dy"][:, None] * (below / below.sum(axis=1, keepdims=True))
    return {"dx": Exact(dx, abs(dx))}


def _shares(x: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """What of a row's loss each class has, and which is the target."""
    logits, smoothing = x["x"], x["smoothing"]
    at = np.zeros(logits.shape, bool)
    np.put_along_axis(at, x["target"].astype(np.int64)[:, None], True, axis=1)
    return np.where(at, 1 - smoothing, 0) + smoothing / logits.shape[1], at


def _cross_entropy(x: Arrays) -> dict[str, Exact]:
    shares, _ = _shares(x)
    largest, logarithm, _ = _log_sum(x["x"])
    terms = shares * (logarithm + (largest - x["x"]))
    loss = terms.sum(axis=1)
    return {"loss": Exact(loss, terms.max(axis=1))}


def _cross_entropy_backward(x: Arrays) -> dict[str, Exact]:
    shares, at = _shares(x)
    _, _, below = _log_sum(x["x"])
    p = below / below.sum(axis=1, keepdims=True)
    dy = x["dy"][:, None]
    if x["smoothing"]:
        return {"dx": Exact(dy * (p - shares), abs(dy) * np.maximum(p, shares))}
    # p - 1 is what the others have, which p may have no digits of.
    others = np.where(at, 0, below).sum(axis=1, keepdims=True) / below.sum(axis=1, keepdims=True)
    dx = dy * np.where(at, -others, p)
    return {"dx": Exact(dx, abs(dx))}


# -- Dropout -------------------------------------------------------------------------------------

P, SEED = 0.3, 5


def _draw_dropped(contents: str, length: int, dtype: np.dtype, random: np.random.Generator) -> Arrays:
    x = _rows(contents, length, dtype, random)
    kept = passes["dropout"](np.ones(x.shape), P, seed=SEED) != 0
    return {"x": x, "residual": _like(x, random), "dy": _like(x, random), "kept": kept}


def _dropout(x: Arrays) -> dict[str, Exact]:
    alone = np.where(x["kept"], x["x"], 0) / (1 - x["x"].dtype.type(P))
    y = alone + x["residual"]
    return {"y": Exact(y, np.maximum(abs(alone), abs(x["residual"]))), "alone": Exact(alone, abs(alone))}


def _dropout_backward(x: Arrays) -> dict[str, Exact]:
    dx = np.where(x["kept"], x["dy"], 0) / (1 - x["dy"].dtype.type(P))
    return {"dx": Exact(dx, abs(dx))}


# -- Cells ---------------------------------------------------------------------------------------


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _thirds_or_quarters(array: np.ndarray, count: int) -> list[np.ndarray]:
    return np.split(array, count, axis=-1)


def _draw_lstm(contents: str, length: int, dtype: np.dtype, random: np.random.Generator) -> Arrays:
    x = _rows(contents, 4 * length, dtype, random)
    c, dh, dc = (random.normal(0, 1, (len(x), length)).astype(dtype) for _ in range(3))
    gates = np.empty_like(x)
    _, c_next = passes["lstm_cell"](x, c, gates_out=gates)
    return {"x": x, "c": c, "dh": dh, "dc": dc, "gates": gates, "c_next": c_next}


def _lstm(x: Arrays) -> dict[str, Exact]:
    i, f, g, o = _thirds_or_quarters(x["x"], 4)
    i, f, g, o, c = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o), x["c"]
    c_next, largest = f * c + i * g, np.maximum(abs(f * c), abs(i * g))
    h = o * np.tanh(c_next)
    return {"h": Exact(h, o * np.minimum(largest, 1)), "c_next": Exact(c_next, largest)}


def _lstm_backward(x: Arrays) -> dict[str, Exact]:
    i, f, g, o = _thirds_or_quarters(x["gates"], 4)
    of_h = x["dh"] * o / np.cosh(x["c_next"]) ** 2
    total, largest = x["dc"] + of_h, np.maximum(abs(x["dc"]), abs(of_h))
    factors = (g * i * (1 - i), x["c"] * f * (1 - f), i * (1 - g) * (1 + g))
    do = x["dh"] * np.tanh(x["c_next"]) * o * (1 - o)
    dgates = np.concatenate([*(total * factor for factor in factors), do], axis=-1)
    terms = np.concatenate([*(largest * abs(factor) for factor in factors), abs(do)], axis=-1)
    return {"dgates": Exact(dgates, terms), "dc": Exact(total * f, largest * f)}


def _draw_gru(contents: str, length: int, dtype: np.dtype, random: np.random.Generator) -> Arrays:
    x, hidden = (_rows(contents, 3 * length, dtype, random) for _ in range(2))
    h, dh = (random.normal(0, 1, (len(x), length)).astype(dtype) for _ in range(2))
    gates, gated = np.empty_like(x), np.empty_like(h)
    passes["gru_cell"](x, hidden, h, gates_out=(gates, gated))
    # By definition the sums of the first two gates are rounded as if a matrix product had made them.
    computing = np.float32 if dtype.itemsize == 2 else dtype
    sums = (x.astype(computing) + hidden.astype(computing))[:, : 2 * length]
    return {"x": x, "hidden": hidden, "h": h, "dh": dh, "gates": gates, "gated": gated, "sums": sums}


def _gru(x: Arrays) -> dict[str, Exact]:
    r, z = _thirds_or_quarters(_sigmoid(x["sums"]), 2)
    given, hidden = (_thirds_or_quarters(x[name], 3)[2] for name in ("x", "hidden"))
    inside, largest = given + r * hidden, np.maximum(abs(given), abs(r * hidden))
    n = np.tanh(inside)
    # What is lost in the sum inside of tanh is lost at its slope.
    of_n = np.maximum(abs(n), largest / np.cosh(np.minimum(abs(inside), 300)) ** 2)
    return {"h": Exact(n + z * (x["h"] - n), np.maximum(of_n, abs(z * x["h"])))}


def _gru_backward(x: Arrays) -> dict[str, Exact]:
    r, z, n = _thirds_or_quarters(x["gates"], 3)
    dh, h = x["dh"], x["h"]
    dn = dh * (1 - z) * (1 - n) * (1 + n)
    dz, largest = dh * (h - n) * z * (1 - z), abs(dh) * np.maximum(abs(h), abs(n)) * z * (1 - z)
    dr = dn * x["gated"] * r * (1 - r)
    return {
        "dgates_x": Exact(*(np.concatenate(a, axis=-1) for a in ([dr, dz, dn], [abs(dr), largest, abs(dn)]))),
        "dgates_h": Exact(
            *(np.concatenate(a, axis=-1) for a in ([dr, dz, dn * r], [abs(dr), largest, abs(dn * r)]))
        ),
        "dh": Exact(dh * z, abs(dh * z)),
    }


# -- Cases ---------------------------------------------------------------------------------------

Draw = Callable[[str, int, np.dtype, np.random.Generator], Arrays]


@dataclass(frozen=True)
class Judged:
    """How one direction of a pass is judged: what it computes of arrays, and what it should have."""

    contents: tuple[str, ...]
    draw: Draw
    compute: Callable[[Any, Arrays], tuple[Any, ...]]
    exact: Callable[[Arrays], Mapping[str, Exact]]


def _gradients(norm: Any, x: Arrays, *words: str, **given: Any) -> tuple[Any, ...]:
    """With the statistics of the forward call, and of x without them."""
    given |= {"x": x["x"], "eps": EPS, **{word: x[word] for word in words}}
    known = {word: x[word] for word in ("mean", "rstd") if word in x}
    return *norm.backward(x["dy"], **given, **known), norm.backward(x["dy"], **given)[0]


def _loss(x: Arrays) -> dict[str, Any]:
    return {"target": x["target"], "label_smoothing": float(x["smoothing"])}


_NORMAL = ("normal", "offset", "wide", "small")
_LOGITS = ("normal", "steep", "dominated", "offset")

JUDGED: dict[tuple[str, str], Judged] = {
    ("layer_norm", "forward"): Judged(
        _NORMAL, _draw_norm, lambda f, x: (f(x["x"], x["weight"], x["bias"], eps=EPS),), _layer_norm
    ),
    ("layer_norm", "backward"): Judged(
        _NORMAL,
        _draw_norm,
        lambda f, x: _gradients(f, x, "weight", "bias"),
        _layer_norm_backward,
    ),
    ("rms_norm", "forward"): Judged(
        _NORMAL, _draw_norm, lambda f, x: (f(x["x"], x["weight"], eps=EPS),), _rms_norm
    ),
    ("rms_norm", "backward"): Judged(
        _NORMAL,
        partial(_draw_norm, name="rms_norm"),
        lambda f, x: _gradients(f, x, "weight"),
        _rms_norm_backward,
    ),
    ("batch_norm", "forward"): Judged(
        _NORMAL,
        _draw_channels,
        lambda f, x: (f(x["x"], weight=x["weight"], bias=x["bias"], training=True, eps=EPS),),
        _batch_norm,
    ),
    ("batch_norm", "backward"): Judged(
        _NORMAL,
        _draw_channels,
        lambda f, x: _gradients(f, x, "weight", "bias", training=True),
        _batch_norm_backward,
    ),
    ("logsumexp", "forward"): Judged(_LOGITS, _draw_logits, lambda f, x: (f(x["x"]),), _logsumexp),
    ("logsumexp", "backward"): Judged(
        _LOGITS, _draw_logits, lambda f, x: (f.backward(x["dy"], x=x["x"]),), _logsumexp_backward
    ),
    ("cross_entropy", "forward"): Judged(
        (*_LOGITS, "smoothed normal", "smoothed dominated"),
        _draw_logits,
        lambda f, x: (f(x["x"], **_loss(x)),),
        _cross_entropy,
    ),
    ("cross_entropy", "backward"): Judged(
        (*_LOGITS, "smoothed normal", "smoothed dominated"),
        _draw_logits,
        lambda f, x: (f.backward(x["dy"], x=x["x"], **_loss(x)),),
        _cross_entropy_backward,
    ),
    ("dropout", "forward"): Judged(
        ("normal", "wide"),
        _draw_dropped,
        lambda f, x: (f(x["x"], P, seed=SEED, residual=x["residual"]), f(x["x"], P, seed=SEED)),
        _dropout,
    ),
    ("dropout", "backward"): Judged(
        ("normal", "wide"),
        _draw_dropped,
        lambda f, x: (f.backward(x["dy"], p=P, seed=SEED),),
        _dropout_backward,
    ),
    ("lstm_cell", "forward"): Judged(
        ("normal", "small", "steep"), _draw_lstm, lambda f, x: f(x["x"], x["c"]), _lstm
    ),
    ("lstm_cell", "backward"): Judged(
        ("normal", "small", "steep"),
        _draw_lstm,
        lambda f, x: f.backward(x["dh"], x["dc"], gates=x["gates"], c=x["c"], c_next=x["c_next"]),
        _lstm_backward,
    ),
    ("gru_cell", "forward"): Judged(
        ("normal", "small", "steep"), _draw_gru, lambda f, x: (f(x["x"], x["hidden"], x["h"]),), _gru
    ),
    ("gru_cell", "backward"): Judged(
        ("normal", "small", "steep"),
        _draw_gru,
        lambda f, x: f.backward(x["dh"], gates=(x["gates"], x["gated"]), h=x["h"]),
        _gru_backward,
    ),
}


@dataclass(frozen=True, eq=False)
class Case:
    """One pass in one direction and dtype."""

    row: Pass
    direction: str
    dtype: np.dtype
    unit = LARGEST_TERM

    def __str__(self) -> str:
        return f"{self.row.name} {self.direction} {self.dtype}"

    @property
    def direction_name(self) -> str:
        return self.direction

    @property
    def judged(self) -> Judged:
        return JUDGED[self.row.name, self.direction]

    @property
    def limit(self) -> float:
        """What the row allows; of half precision, half an ULP of its own beside that of float32."""
        allowed = self.row.allowed[self.direction == "backward"]
        bits, _ = PRECISION[self.dtype.name]
        return allowed if bits >= 23 else 0.5 + allowed * 2.0 ** (bits - 23)

    def batches(self, count: int = 0) -> list[Batch]:
        """Each sort of contents at each length, or `count` of these for each sort."""
        lengths = LENGTHS[-count:]
        return [Batch(self, contents, length) for contents in self.judged.contents for length in lengths]


def cases(names: list[str], dtypes: list[np.dtype]) -> list[Case]:
    return [
        Case(passes[name].row, direction, dtype)
        for name in names
        for dtype in dtypes
        if can_judge(dtype)
        for direction in ("forward", "backward")
    ]


@dataclass(frozen=True)
class Batch:
    """Rows of one length and one sort of contents."""

    case: Case
    contents: str
    length: int

    def inputs(self) -> Arrays:
        judged = self.case.judged
        seed = judged.contents.index(self.contents), self.length
        return judged.draw(self.contents, self.length, self.case.dtype, np.random.default_rng(seed))

    def measure(self) -> dict[str, Worst]:
        """The worst of the batch, on the calling thread alone."""
        case, worst = self.case, Worst()
        with num_threads(1), np.errstate(all="ignore"):
            inputs = self.inputs()
            results = case.judged.compute(passes[case.row.name], inputs)
            for result, (name, exact) in zip(results, self._exact(inputs), strict=True):
                errors = ulps(np.asarray(result), exact)
                note = f"{name} of {self.contents} rows of {self.length}"
                worst.see(errors, lambda index, r=result, n=note: {"result": float(r.flat[index]), "note": n})
        return {case.unit: worst}

    def _exact(self, inputs: Arrays) -> Iterator[tuple[str, Exact]]:
        kind = wide(self.case.dtype)
        exact = {
            name: array if array.dtype.kind == "b" else array.astype(kind) for name, array in inputs.items()
        }
        yield from self.case.judged.exact(exact).items()


def ulps(result: np.ndarray, exact: Exact) -> np.ndarray:
    """Distance from the exact value in ULP of the larger of it and its largest term."""
    bits, least = PRECISION[result.dtype.name]
    value, term = np.broadcast_arrays(*exact)
    largest = np.maximum(abs(value), abs(term))
    exponents = np.where(largest > 0, np.frexp(largest)[1] - 1, least)
    ulp = np.ldexp(value.dtype.type(1), np.maximum(exponents, least) - bits)
    errors = abs(result.astype(value.dtype) - value) / ulp
    return np.where(np.isnan(errors), np.inf, errors)
