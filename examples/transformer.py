"""A transformer of GPT-2's shape: NumPy alone, and beside it fastact for what lies between the products.

    python examples/transformer.py
    python examples/transformer.py --tokens 1024 --layers 4

The blocks are those of GPT-2 small (width 768, 12 heads, 3,072 inside), on made weights. All compute the same
products of matrices, by NumPy, in the same buffers. What lies between them is computed in three ways: in
plain NumPy, as its formulas are written; in NumPy in place, as one writes it for speed; and by fastact in one
pass each: a bias; a residual and the norm behind it; softmax with its scale and its causal mask; gelu with
its bias.

Passes are taken in turns, and the median of each is shown. The products are timed apart, for nothing here
makes them faster, so their share of a pass bounds what can be gained (Amdahl 1967): "at most" is how many
times as fast a pass would be with nothing but its products. A step of decoding, one more token over a cache
of keys and values, is nearly all products. Memory is what NumPy allocates for buffers and a pass, at its
peak, beside the weights.

The exit status says whether all agree to 1e-5, and whether fastact is ahead by what is claimed: in a pass
1.6 times as fast as plain NumPy, and between the products in half of the time of NumPy in place. (As a whole
such a pass cannot be 1.6 times as fast, where its products take more than 1 / 1.6 of it.)
"""

from __future__ import annotations

import argparse
import math
import sys
import tracemalloc
from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

import experiment
import numpy as np
from digits_mlp import positive
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

import fastact as fa

Array = NDArray[np.float32]

WIDTH, HEADS, INNER = 768, 12, 3072
SCALE = (WIDTH // HEADS) ** -0.5
TOLERANCE = 1e-5


class Affine(NamedTuple):
    weight: Array
    bias: Array


class Block(NamedTuple):
    norm_1: Affine
    qkv: Affine
    out: Affine
    norm_2: Affine
    up: Affine
    down: Affine


class Weights(NamedTuple):
    blocks: list[Block]
    last_norm: Affine


def made(layers: int) -> Weights:
    """Weights as GPT-2's training starts with them, and norms that do something."""
    random = np.random.default_rng(0)

    def normal(*shape: int) -> Array:
        drawn = random.standard_normal(shape, dtype=np.float32)
        drawn *= np.float32(0.02)
        return drawn

    def linear(inputs: int, outputs: int) -> Affine:
        return Affine(normal(inputs, outputs), normal(outputs))

    def norm() -> Affine:
        return Affine(1 + normal(WIDTH), normal(WIDTH))

    def block() -> Block:
        return Block(
            *(norm(), linear(WIDTH, 3 * WIDTH), linear(WIDTH, WIDTH)),
            *(norm(), linear(WIDTH, INNER), linear(INNER, WIDTH)),
        )

    return Weights([block() for _ in range(layers)], norm())


def heads_of(rows: Array) -> Array:
    """A view of rows by what they hold, head and token."""
    return rows.reshape(len(rows), -1, HEADS, WIDTH // HEADS).transpose(1, 2, 0, 3)


class Transformer:
    """What both sides share: buffers, and the products of matrices, whose seconds are counted."""

    def __init__(self, weights: Weights, capacity: int) -> None:
        self.blocks = weights.blocks
        self.norms = [*(block.norm_1 for block in weights.blocks), weights.last_norm]
        self.stream, self.normed, self.change = np.empty((3, capacity, WIDTH), np.float32)
        self.inner = np.empty((capacity, INNER), np.float32)
        self.scores = np.empty(HEADS * capacity * capacity, np.float32)
        # Keys and values of all tokens, beside the queries that they are computed with.
        self.cache = np.empty((len(weights.blocks), capacity, 3 * WIDTH), np.float32)
        self.seconds = 0.0

    def forward(self, tokens: Array, past: int = 0) -> Array:
        """What leaves the last norm for these tokens, of which `past` went before."""
        count, keys = len(tokens), past + len(tokens)
        x, h, change, inner = (a[:count] for a in (self.stream, self.normed, self.change, self.inner))
        scores = self.scores[: HEADS * count * keys].reshape(HEADS, count, keys)
        x[...] = tokens
        self.norm(x, self.norms[0], h)
        for block, norm, cache in zip(self.blocks, self.norms[1:], self.cache, strict=True):
            self.multiply(h, block.qkv.weight, cache[past:keys])
            self.project(cache[past:keys], block.qkv.bias)
            q, (_, k, v) = heads_of(cache[past:keys])[0], heads_of(cache[:keys])
            self.multiply(q, k.swapaxes(1, 2), scores)
            self.attend(scores, past)
            self.multiply(scores, v, heads_of(h)[0])
            self.multiply(h, block.out.weight, change)
            self.add_and_norm(x, change, block.out.bias, block.norm_2, h)
            self.multiply(h, block.up.weight, inner)
            self.gelu(inner, block.up.bias)
            self.multiply(inner, block.down.weight, change)
            self.add_and_norm(x, change, block.down.bias, norm, h)
        return h

    def multiply(self, a: Array, b: Array, out: Array) -> None:
        start = perf_counter()
        np.matmul(a, b, out=out)
        self.seconds += perf_counter() - start

    def norm(self, x: Array, norm: Affine, out: Array) -> None:
        raise NotImplementedError

    def project(self, qkv: Array, bias: Array) -> None:
        """Add the bias, in place."""
        raise NotImplementedError

    def attend(self, scores: Array, past: int) -> None:
        """Shares of what each query sees, in place of its scores."""
        raise NotImplementedError

    def gelu(self, x: Array, bias: Array) -> None:
        """gelu of x + bias, in place."""
        raise NotImplementedError

    def add_and_norm(self, x: Array, change: Array, bias: Array, norm: Affine, out: Array) -> None:
        """Add the change and its bias to x, in place, and normalise that."""
        raise NotImplementedError


class Plain(Transformer):
    """NumPy as its formulas are written, an array for each of their steps; a power takes it longest."""

    def norm(self, x: Array, norm: Affine, out: Array) -> None:
        mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
        out[...] = norm.weight * (x - mean) / np.sqrt(variance + 1e-5) + norm.bias

    def project(self, qkv: Array, bias: Array) -> None:
        qkv[...] = qkv + bias

    def attend(self, scores: Array, past: int) -> None:
        _, count, keys = scores.shape
        unseen = (1 - np.tri(count, keys, past, dtype=np.float32)) * np.float32(-1e10)
        masked = scores * SCALE + unseen
        powers = np.exp(masked - masked.max(axis=-1, keepdims=True))
        scores[...] = powers / powers.sum(axis=-1, keepdims=True)

    def gelu(self, x: Array, bias: Array) -> None:
        z = x + bias
        x[...] = 0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))

    def add_and_norm(self, x: Array, change: Array, bias: Array, norm: Affine, out: Array) -> None:
        x[...] = x + (change + bias)
        self.norm(x, norm, out)


class InPlace(Transformer):
    """NumPy written for speed: in place, by heads, queries scaled, gelu's tanh as an exponential."""

    def __init__(self, weights: Weights, capacity: int) -> None:
        super().__init__(weights, capacity)
        self.exponent = np.empty_like(self.inner)
        self.unseen = np.triu(np.full((capacity, capacity), -np.inf, np.float32), 1)

    def norm(self, x: Array, norm: Affine, out: Array) -> None:
        np.subtract(x, x.mean(axis=-1, keepdims=True), out=out)
        variance = np.einsum("ij,ij->i", out, out)[:, np.newaxis] / WIDTH
        out *= 1 / np.sqrt(variance + 1e-5)
        out *= norm.weight
        out += norm.bias

    def project(self, qkv: Array, bias: Array) -> None:
        qkv += bias
        qkv[:, :WIDTH] *= SCALE

    def attend(self, scores: Array, past: int) -> None:
        _, count, keys = scores.shape
        # One head's scores stay in the cache; those of one query do so all together.
        for each in scores if count > 1 else scores[np.newaxis]:
            if count > 1:
                each += self.unseen[past:keys, :keys]
            each -= each.max(axis=-1, keepdims=True)
            np.exp(each, out=each)
            each /= each.sum(axis=-1, keepdims=True)

    def gelu(self, x: Array, bias: Array) -> None:
        x += bias
        # x (1 + tanh(u)) / 2 is x / (1 + exp(-2 u)), with two passes less.
        exponent = np.multiply(x, x, out=self.exponent[: len(x)])
        exponent *= -2 * math.sqrt(2 / math.pi) * 0.044715
        exponent -= 2 * math.sqrt(2 / math.pi)
        exponent *= x
        np.exp(exponent, out=exponent)
        exponent += 1
        x /= exponent

    def add_and_norm(self, x: Array, change: Array, bias: Array, norm: Affine, out: Array) -> None:
        x += change
        x += bias
        self.norm(x, norm, out)


class ByFastact(Transformer):
    """A pass for each of them."""

    def norm(self, x: Array, norm: Affine, out: Array) -> None:
        fa.layer_norm(x, norm.weight, norm.bias, out=out)

    def project(self, qkv: Array, bias: Array) -> None:
        fa.identity(qkv, bias=bias, out=qkv)

    def attend(self, scores: Array, past: int) -> None:
        fa.softmax(scores, scale=SCALE, causal=past, out=scores)

    def gelu(self, x: Array, bias: Array) -> None:
        fa.gelu_tanh(x, bias=bias, out=x)

    def add_and_norm(self, x: Array, change: Array, bias: Array, norm: Affine, out: Array) -> None:
        fa.identity(change, bias=bias, out=change)
        fa.layer_norm(change, norm.weight, norm.bias, residual=x, residual_out=x, out=out)


SIDES: dict[str, type[Transformer]] = {"plain NumPy": Plain, "NumPy in place": InPlace, "fastact": ByFastact}
*NUMPY, OURS = SIDES


class Times(NamedTuple):
    """Medians, in seconds."""

    whole: float
    products: float

    @property
    def between(self) -> float:
        return self.whole - self.products


class Found(NamedTuple):
    """Of one pass, by side."""

    times: dict[str, Times]
    difference: float

    def gains(self, part: str) -> list[float]:
        """How many times as fast fastact is as each way of NumPy."""
        own: float = getattr(self.times[OURS], part)
        return [getattr(self.times[name], part) / own for name in NUMPY]

    @property
    def most(self) -> list[float]:
        """How many times as fast a pass would be with nothing but its products."""
        return [self.times[name].whole / self.times[name].products for name in NUMPY]


def in_turns(sides: dict[str, Transformer], tokens: Array, past: int, turns: int) -> Found:
    """Times of passes; there is one more, since the first touches memory that was not touched before."""
    taken: dict[str, list[Times]] = {name: [] for name in sides}
    results = {}
    for _ in range(turns + 1):
        for name, side in sides.items():
            side.seconds = 0.0
            start = perf_counter()
            result = side.forward(tokens, past)
            taken[name].append(Times(perf_counter() - start, side.seconds))
            results[name] = result.copy()
    medians = {
        name: Times(*(float(np.median(each)) for each in zip(*times[1:], strict=True)))
        for name, times in taken.items()
    }
    return Found(medians, max(float(np.abs(results[name] - results[OURS]).max()) for name in NUMPY))


def peaks(weights: Weights, tokens: Array) -> list[str]:
    """What the buffers and a pass of each side take at most."""
    found = []
    for side in SIDES.values():
        tracemalloc.start()
        try:
            side(weights, len(tokens)).forward(tokens)
            found.append(f"{tracemalloc.get_traced_memory()[1] / 2**20:.1f}")
        finally:
            tracemalloc.stop()
    return found


PARTS = {"whole": "", "products": "  products", "between": "  between them"}


def rows_of(found: Found, title: str) -> list[list[str]]:
    """What the table says of one pass."""
    rows = [
        [
            words or title,
            *(f"{getattr(found.times[name], part) * 1e3:.2f}" for name in SIDES),
            *(f"{gain:.2f}" for gain in found.gains(part)),
        ]
        for part, words in PARTS.items()
    ]
    return [*rows, ["  at most", *[""] * len(SIDES), *(f"{most:.2f}" for most in found.most)]]


def report(sizes: Sequence[int], layers: int, turns: int) -> tuple[dict[str, Found], float]:
    """Measure, print the table, and return what was found, and how far the ways to one token differ."""
    weights = made(layers)
    table = Table(title=f"{layers} blocks, float32: milliseconds", box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("", no_wrap=True)
    for heading in (*SIDES, *(f"times as fast as {name}" for name in NUMPY)):
        table.add_column(heading, justify="right")
    found, apart = {}, 0.0
    for size in sizes:
        tokens = np.random.default_rng(1).standard_normal((size, WIDTH), dtype=np.float32)
        sides = {name: side(weights, size) for name, side in SIDES.items()}
        last = {name: side.forward(tokens)[-1].copy() for name, side in sides.items()}
        for past, title in ((0, f"{size} tokens"), (size - 1, f"1 token behind {size - 1}")):
            found[title] = in_turns(sides, tokens[past:], past, turns)
            for row in rows_of(found[title], title):
                table.add_row(*row)
        apart = max(apart, *(float(np.abs(s.normed[0] - last[n]).max()) for n, s in sides.items()))
        table.add_row(f"{size} tokens, MiB", *peaks(weights, tokens), "", "", end_section=True)
    Console().print(table)
    return found, apart


def claims(found: dict[str, Found], apart: float, passes: Sequence[str]) -> dict[str, bool]:
    """Whether it is as is said; of time, where these passes are measured for it."""
    held = {
        f"all sides agree to {TOLERANCE:g}": all(each.difference <= TOLERANCE for each in found.values()),
        "a step over the cache gives what the whole pass does": apart <= TOLERANCE,
    }
    for title in passes:
        (whole, _), (_, between) = found[title].gains("whole"), found[title].gains("between")
        held[f"{title}: a pass is at least 1.6 times as fast as in plain NumPy"] = whole >= 1.6
        held[f"{title}: what lies between products is twice as fast as NumPy in place"] = between >= 2
    return held


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=positive, nargs="+", default=[128, 512], help="default: 128 512")
    parser.add_argument("--layers", type=positive, default=12, help="blocks (%(default)s)")
    parser.add_argument("--turns", type=positive, default=5, help="passes of each side (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="small, for a check that judges no time")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.tokens, chosen.layers, chosen.turns = [24, 48], 2, 1
    found, apart = report(chosen.tokens, chosen.layers, chosen.turns)
    differences = max(each.difference for each in found.values())
    print(f"largest difference of two sides: {differences:.1e}, of a step and the whole pass: {apart:.1e}\n")
    judged = [] if chosen.quick else [f"{size} tokens" for size in chosen.tokens]
    return experiment.verdict(claims(found, apart, judged))


if __name__ == "__main__":
    sys.exit(main())
