"""Inputs at which accuracy is measured: all of float32, or a sample of every region of a dtype.

Inputs come in numbered batches, each of which is made from its number alone, so that threads can share
the work and a run can be repeated.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

FLOAT32_BATCHES = 1 << 10
"""Number of batches that hold every float32 together."""

STRATUM = 1 << 16
"""Draws from each region in a batch."""

ROW_LENGTHS = (1, 2, 3, 7, 16, 33, 100, 512, 4097, 65536)
ROW_CONTENTS = ("random", "wide", "dominated", "constant", "close", "extreme")
ROW_BATCHES = len(ROW_LENGTHS) * len(ROW_CONTENTS)

Interval = tuple[float, float]
EVERYTHING: Interval = (-np.inf, np.inf)


def every_float32(batch: int) -> np.ndarray:
    """The float32 numbers of one batch, NaN and both infinities included, neighbours side by side."""
    size = (1 << 32) // FLOAT32_BATCHES
    return np.arange(batch * size, (batch + 1) * size, dtype=np.uint32).view(np.float32)


def tail(dtype: np.dtype) -> float:
    """Somewhat beyond where exp(-x) becomes 0."""
    return 1.05 * -float(np.log(np.finfo(dtype).smallest_subnormal.astype(np.float64)))


def stratified(
    dtype: np.dtype, batch: int, interval: Interval = EVERYTHING, points: Iterable[float] = ()
) -> np.ndarray:
    """Numbers of an interval from every region.

    Those are: each exponent of both signs, evenly between the tails, between -16 and 16 and between -2
    and 2, where most formulas meet, and close to the ends of the interval. The first batch adds the
    special values and the neighbourhoods of `points` and of those where exponentials change their
    reduction or leave the dtype's range.
    """
    random = np.random.default_rng(batch)
    reach = tail(dtype)
    low, high = max(interval[0], -reach), min(interval[1], reach)
    strata = [
        _every_exponent(dtype, random),
        random.uniform(low, high, STRATUM),
        random.uniform(max(low, -16), min(high, 16), STRATUM),
        random.uniform(max(low, -2), min(high, 2), STRATUM),
        _near_the_ends(interval, random, int(np.finfo(dtype).nmant)),
    ]
    if batch == 0:
        limits = np.finfo(dtype)
        special = [0.0, limits.max, limits.tiny, limits.smallest_subnormal, np.inf]
        strata += [special, np.negative(special), [np.nan], _landmarks(dtype, points)]
    values = np.concatenate([np.asarray(stratum).astype(dtype) for stratum in strata])
    inside = (values >= interval[0]) & (values <= interval[1])
    return values[inside | np.isnan(values)] if interval == EVERYTHING else values[inside]


def _every_exponent(dtype: np.dtype, random: np.random.Generator) -> np.ndarray:
    """Finite numbers of all exponents and both signs, among them the ends of each binade."""
    limits = np.finfo(dtype)
    bits = np.dtype(f"u{dtype.itemsize}").type
    mantissa = bits((1 << int(limits.nmant)) - 1)
    heads = np.arange(1 << (8 * dtype.itemsize - int(limits.nmant)), dtype=bits) << bits(limits.nmant)
    heads = heads[np.isfinite(heads.view(dtype))]
    fractions = random.integers(0, mantissa, STRATUM, dtype=bits, endpoint=True)
    return np.concatenate([heads, heads | mantissa, np.resize(heads, STRATUM) | fractions]).view(dtype)


def _near_the_ends(interval: Interval, random: np.random.Generator, bits: int) -> np.ndarray:
    ends = [end for end in interval if np.isfinite(end)]
    steps = np.exp2(-random.uniform(0, bits + 3, STRATUM // 4))
    return np.concatenate([[end, *(end + steps), *(end - steps)] for end in ends] or [[]])


def _landmarks(dtype: np.dtype, points: Iterable[float]) -> np.ndarray:
    """Numbers on both sides of where a kernel may change its ways."""
    limits = np.finfo(dtype)
    reach = tail(dtype)
    quarter = np.log(2.0) / 4
    logs = np.log(np.array([limits.max, limits.tiny, limits.smallest_subnormal], np.float64))
    found = [
        *(np.arange(-reach // quarter, reach // quarter) * quarter),
        *(np.arange(-20, 21) / 2),
        *(factor * log for log in logs for factor in (0.5, 1, 2)),
        *points,
    ]
    centres = np.array([point for point in found if point and np.isfinite(point)], dtype)
    bits = np.dtype(f"i{dtype.itemsize}")
    return (centres.view(bits)[:, None] + np.arange(-16, 17, dtype=bits)).ravel().view(dtype)


LARGEST_DY = {"float32": 90, "float64": 945}
"""Exponents up to which the kernels promise their accuracy: a larger dy could still make something
of an exponential that lies below the range of its two powers of two."""


def gradients(dtype: np.dtype, batch: int, count: int) -> np.ndarray:
    """What is passed as dy: ones in even batches, otherwise both signs and magnitudes up to `LARGEST_DY`."""
    if batch % 2 == 0:
        return np.ones(count, dtype)
    return factors(dtype, batch, count, 1)


def factors(dtype: np.dtype, batch: int, count: int, parts: int) -> np.ndarray:
    """What a gate is multiplied by: `parts` of them together have magnitudes up to `LARGEST_DY`."""
    random = np.random.default_rng((1, batch))
    reach = np.where(random.random(count) < 0.5, 1, LARGEST_DY[np.dtype(dtype).name] / parts)
    magnitude = np.exp2(random.uniform(-1, 1, count) * reach)
    return (magnitude * random.choice([-1, 1], count)).astype(dtype)


def rows(dtype: np.dtype, batch: int) -> tuple[str, np.ndarray]:
    """Rows of one length and one sort of contents, and what they are called."""
    contents = ROW_CONTENTS[batch % len(ROW_CONTENTS)]
    length = ROW_LENGTHS[batch // len(ROW_CONTENTS) % len(ROW_LENGTHS)]
    random = np.random.default_rng((2, batch))
    shape = (max(1, STRATUM // length), length)
    reach = tail(dtype)
    x = random.normal(0, 3, shape)
    if contents == "wide":
        x = random.uniform(-reach / 2, reach / 2, shape)
    elif contents == "dominated":
        x[np.arange(shape[0]), random.integers(0, length, shape[0])] += reach * random.random(shape[0])
    elif contents == "constant":
        x = np.repeat(x[:, :1], length, axis=1)
    elif contents == "close":
        x = 1e4 + x / 100
    elif contents == "extreme":
        x = random.choice(_every_exponent(dtype, random), shape)
    return f"{contents} row of {length}", x.astype(dtype)


def groups(dtype: np.dtype, batch: int, pieces: int) -> np.ndarray:
    """Groups of different numbers of all magnitudes, one per row."""
    random = np.random.default_rng((3, batch))
    drawn = random.choice(_every_exponent(dtype, random), (STRATUM, pieces))
    return drawn[(np.diff(np.sort(drawn)) != 0).all(-1)]
