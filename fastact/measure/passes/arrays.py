"""The arrays of the passes that are measured, in the shapes that these are used on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

import fastact as fa

from ..drawn import drawn
from .form import Names

BATCH, CHANNELS, POSITIONS, HEADS = 256, 64, 256, 12
EPS = 1e-5


def square(size: int) -> tuple[int, int]:
    """Rows as many as they are long, or nearly: 64 x 64 to 4,096 x 4,096."""
    rows = next(n for n in range(math.isqrt(size), 0, -1) if size % n == 0)
    return rows, size // rows


def heads(size: int) -> tuple[int, int, int]:
    """Those of attention: heads, queries, keys."""
    count = math.gcd(size, HEADS)
    return count, *square(size // count)


def logits(size: int) -> tuple[int, int]:
    """A batch of as many classes as there are elements for."""
    rows = math.gcd(max(size // 4, 1), BATCH)
    return rows, size // rows


def images(size: int) -> tuple[int, int, int]:
    """A batch of channels of positions."""
    positions = math.gcd(size, POSITIONS)
    count = math.gcd(size // positions, CHANNELS)
    return size // positions // count, count, positions


def states(size: int) -> tuple[int, int]:
    """Of a cell, four numbers to an element of its state: an LSTM's gates, a GRU's and its state."""
    return square(max(size // 4, 1))


def _weights(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    return (1 + drawn(shape, "float64", 0.3, seed)).astype(dtype)


def norm(size: int, dtype: str) -> Names:
    rows, n = square(size)
    x, dy = (drawn((rows, n), dtype, 2.0, seed) for seed in (1, 2))
    weight, bias = (_weights((n,), dtype, seed) for seed in (4, 5))
    _, mean, rstd = fa.layer_norm(x, eps=EPS, return_stats=True)
    _, scale = fa.rms_norm(x, eps=EPS, return_stats=True)
    names = {"x": x, "dy": dy, "residual": dy, "weight": weight, "bias": bias, "shape": (n,)}
    names |= _statistics(dtype, mean=mean, rstd=rstd, scale=scale)
    buffers = {"y0": x.shape, "g": x.shape, "m": (rows, 1), "r": (rows, 1), "dweight": (n,), "dbias": (n,)}
    return names | _empty(buffers, dtype) | _constants(n=n)


def _statistics(dtype: str, **statistics: np.ndarray) -> Names:
    """Those of float64 as fastact keeps them, and in the dtype, as others do."""
    return {**statistics, **{f"{name}_kept": array.astype(dtype) for name, array in statistics.items()}}


def _empty(buffers: Mapping[str, tuple[int, ...]], dtype: str) -> Names:
    """What steps write into before the result; a page that none does costs nothing."""
    return {name: np.empty(shape, dtype) for name, shape in buffers.items()}


def _constants(**names: Any) -> Names:
    return {"eps": EPS, "wanted": [True] * 3, **names}


def channels(size: int, dtype: str) -> Names:
    batch, count, positions = images(size)
    x, dy = (drawn((batch, count, positions), dtype, 2.0, seed) for seed in (1, 2))
    weight, bias = (_weights((count,), dtype, seed) for seed in (4, 5))
    _, mean, rstd = fa.batch_norm(x, training=True, eps=EPS, return_stats=True)
    names = {"x": x, "dy": dy, "weight": weight, "bias": bias, **_statistics(dtype, mean=mean, rstd=rstd)}
    names |= {"running_mean": np.zeros(count, dtype), "running_var": np.ones(count, dtype)}
    buffers = {"y0": x.shape, **dict.fromkeys(("m", "v", "r", "dweight", "dbias"), (count,))}
    return names | _empty(buffers, dtype) | _constants(n=batch * positions, momentum=0.1)


def columns(names: Names) -> Names:
    """Numbers of channels as they are broadcast along the second axis."""
    words = (
        "weight", "bias", "running_mean", "running_var", "m", "v", "r", "dweight", "dbias",
        "mean_kept", "rstd_kept",
    )  # fmt: skip
    return {f"{word}_c": names[word].reshape(1, -1, 1) for word in words}


def scores(size: int, dtype: str, kind: str) -> Names:
    x, dy = (drawn(heads(size), dtype, 2.0, seed) for seed in (1, 2))
    queries, keys = x.shape[1:]
    keep = np.tri(queries, keys, dtype=bool)
    if kind != "causal":
        keep = np.random.default_rng(0).random((queries, keys)) < 0.8
        keep[:, 0] = True
    mask = np.where(keep, 0, -np.inf).astype(dtype)
    scale = 1.0 if kind == "where" else 0.125
    names = {"x": x, "dy": dy, "y": fa.softmax(x, scale=scale, mask=mask), "mask": mask, "keep": keep}
    return names | {"scale": scale, "t": np.empty((*x.shape[:2], 1), dtype)}


def dense(size: int, dtype: str, activation: str) -> Names:
    rows, n = square(size)
    x, dy = (drawn((rows, n), dtype, 2.0, seed) for seed in (1, 2))
    bias = drawn((n,), dtype, 1.0, 4)
    y = fa.activations[activation](x, bias=bias)
    names = {"x": x, "dy": dy, "residual": dy, "bias": bias, "y": y}
    return names | _empty({"t": x.shape, "dbias": (n,)}, dtype)


def gate(size: int, dtype: str) -> Names:
    shape = square(size)
    names = {name: drawn(shape, dtype, 2.0, seed) for seed, name in enumerate(("x", "gate", "dy"))}
    return names | _empty({"s": shape, "opened": shape}, dtype)


def rows_and_targets(size: int, dtype: str) -> Names:
    rows, classes = logits(size)
    x, dy = drawn((rows, classes), dtype, 2.0, 1), drawn((rows,), dtype, 1.0, 2)
    target = np.random.default_rng(0).integers(0, classes, rows)
    names = {"x": x, "dy": dy, "target": target, "picked": (np.arange(rows), target)}
    return names | _empty({"m": (rows, 1), "total": (rows, 1), "losses": (rows,)}, dtype)


def dropped(size: int, dtype: str) -> Names:
    x, dy = (drawn((size,), dtype, 2.0, seed) for seed in (1, 2))
    p, seed = 0.1, 7
    names = {"x": x, "dy": dy, "residual": dy, "zeros": np.zeros_like(x), "p": p, "seed": seed}
    kept = fa.dropout(np.ones(size, dtype), p, seed=seed) != 0
    names |= {"kept": kept, "below": np.empty(size, bool), "factor": 1 / (1 - p)}
    return names | {"drawn": np.empty(size, "float64" if dtype == "float64" else "float32")}


def lstm(size: int, dtype: str) -> Names:
    rows, n = states(size)
    x, bias = drawn((rows, 4 * n), dtype, 2.0, 1), drawn((4 * n,), dtype, 1.0, 2)
    c, dh, dc = (drawn((rows, n), dtype, 1.0, seed) for seed in (3, 4, 5))
    gates = np.empty_like(x)
    h, c_next = fa.lstm_cell(x, c, bias=bias, gates_out=gates)
    names = {"x": x, "c": c, "bias": bias, "h": h, "c_next": c_next, "gates": gates, "dh": dh, "dc": dc}
    return names | _empty({"t": h.shape, "total": h.shape}, dtype) | {"n": n}


def gru(size: int, dtype: str) -> Names:
    rows, n = states(size)
    x, hidden = (drawn((rows, 3 * n), dtype, 2.0, seed) for seed in (1, 2))
    bias_x, bias_h = (drawn((3 * n,), dtype, 1.0, seed) for seed in (3, 4))
    h, dh = (drawn((rows, n), dtype, 1.0, seed) for seed in (5, 6))
    gates, gated = np.empty_like(x), np.empty_like(h)
    fa.gru_cell(x, hidden, h, bias_x=bias_x, bias_h=bias_h, gates_out=(gates, gated))
    names = {"x": x, "hidden": hidden, "bias_x": bias_x, "bias_h": bias_h, "h": h, "dh": dh}
    names |= {"gates": gates, "gated": gated}
    return names | _empty({"t": h.shape, "u": h.shape, "dgates_h": x.shape}, dtype) | {"n": n}


def parts(gates: str, words: Mapping[str, str], names: Names) -> Names:
    """The gates of rows, ``a_i`` for the first of what `words` calls a, and ``a_both`` for the first two."""
    n, parts = names["n"], {}
    for letter, array in ((letter, names[word]) for letter, word in words.items() if word in names):
        ends = {gate: (k, k + 1) for k, gate in enumerate(gates)} | {"both": (0, 2)}
        parts |= {f"{letter}_{gate}": array[..., a * n : b * n] for gate, (a, b) in ends.items()}
    return parts


def of_rows(names: Names) -> Names:
    return {f"{word}_c": names[word][:, None] for word in ("dy", "losses")}
