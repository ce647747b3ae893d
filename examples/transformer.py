"""A transformer of GPT-2's shape: NumPy alone, and beside it fastact for what lies between the products.

    python examples/transformer.py
    python examples/transformer.py --tokens 1024 --layers 4

The blocks are those of GPT-2 small (width 768, 12 heads, 3,072 inside), on made weights. Both sides compute
the same products of matrices, by NumPy, in the same buffers. What lies between them NumPy computes in place,
call by call, and fastact in one pass each: a bias; a residual, its bias and the norm behind it; softmax with
its scale and its causal mask; gelu with its bias.

Passes are taken in turns, and a median of each is shown. The products are timed apart, for nothing here
makes them faster, so that their share of a pass bounds what can be gained (Amdahl 1967): "at most" is how
many times as fast a pass would be if everything beside its products took no time at all. A step of decoding,
one more token over a cache of keys and values, is nearly all products. Memory is what NumPy allocates for
buffers and a pass, at its peak, beside the weights.

The exit status says whether both sides agree to 1e-5, and whether fastact is ahead by what is claimed.
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


class ByNumpy(Transformer):
    """Written for speed: in place, by heads, the scale in the queries, gelu's tanh as an exponential."""

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


SIDES: dict[str, type[Transformer]] = {"NumPy": ByNumpy, "fastact": ByFastact}


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

    @property
    def gain(self) -> float:
        return self.times["NumPy"].whole / self.times["fastact"].whole

    @property
    def most(self) -> float:
        """How many times as fast, if there were nothing but the products."""
        return self.times["NumPy"].whole / self.times["NumPy"].products


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
    return Found(medians, float(np.abs(results["NumPy"] - results["fastact"]).max()))


def peaks(weights: Weights, tokens: Array) -> dict[str, int]:
    """The bytes that the buffers and a pass of each side take at most."""
    found = {}
    for name, side in SIDES.items():
        tracemalloc.start()
        try:
            side(weights, len(tokens)).forward(tokens)
            found[name] = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    return found


def rows_of(found: Found, title: str) -> list[list[str]]:
    """What the table says of one pass."""
    rows = []
    for part in ("whole", "products", "between"):
        numpy, fastact = (getattr(found.times[name], part) for name in SIDES)
        rows.append([part, f"{numpy * 1e3:.2f} ms", f"{fastact * 1e3:.2f} ms", f"{numpy / fastact:.2f} ×"])
    rows[0][0] = title
    rows[1][0], rows[2][0] = "  products of matrices", "  all between them"
    return [*rows, ["  at most, with these products", "", "", f"{found.most:.2f} ×"]]


def report(sizes: Sequence[int], layers: int, turns: int) -> tuple[dict[str, Found], float]:
    """Measure, print the table, and return what was found, and how far the ways to one token differ."""
    weights = made(layers)
    table = Table("", "NumPy", "fastact", "times as fast", title=f"{layers} blocks, float32", width=78)
    for column in table.columns[1:]:
        column.justify = "right"
    found, apart = {}, 0.0
    for size in sizes:
        tokens = np.random.default_rng(1).standard_normal((size, WIDTH), dtype=np.float32)
        sides = {name: side(weights, size) for name, side in SIDES.items()}
        last = {name: side.forward(tokens)[-1].copy() for name, side in sides.items()}
        for past, title in ((0, f"{size} tokens"), (size - 1, f"one token behind {size - 1}")):
            found[title] = in_turns(sides, tokens[past:], past, turns)
            for row in rows_of(found[title], title):
                table.add_row(*row)
        apart = max(apart, *(float(np.abs(s.normed[0] - last[n]).max()) for n, s in sides.items()))
        memory = peaks(weights, tokens)
        numbers = [f"{memory[name] / 2**20:.1f} MiB" for name in SIDES]
        table.add_row(f"{size} tokens, peak of memory", *numbers, "", end_section=True)
    Console().print(table)
    return found, apart


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=positive, nargs="+", default=[128, 512], help="default: 128 512")
    parser.add_argument("--layers", type=positive, default=12, help="blocks (%(default)s)")
    parser.add_argument("--turns", type=positive, default=7, help="passes of each side (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="small, for a check that judges no time")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.tokens, chosen.layers, chosen.turns = [24, 48], 2, 1
    found, apart = report(chosen.tokens, chosen.layers, chosen.turns)
    differences = max(each.difference for each in found.values())
    print(f"largest difference of both sides: {differences:.1e}, of a step and the whole pass: {apart:.1e}\n")
    claims = {
        "both sides agree to 1e-5": differences <= TOLERANCE,
        "a step over the cache gives what the whole pass does": apart <= TOLERANCE,
    }
    return experiment.verdict(claims)


if __name__ == "__main__":
    sys.exit(main())
