"""A pass of a network like GPT-2 in plain NumPy, as small repositories write it: what docs/adapters.md shows.

`gelu` and `softmax` are the two lines that are exchanged, and `root` is what makes the rest float64 or not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


def gelu(x, root=np.sqrt):
    return 0.5 * x * (1 + np.tanh(root(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_of_float32(x):
    return gelu(x, math.sqrt)


def softmax(x):
    exp_x = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return exp_x / np.sum(exp_x, axis=-1, keepdims=True)


def layer_norm(x, g, b, eps=1e-5):
    mean, variance = np.mean(x, axis=-1, keepdims=True), np.var(x, axis=-1, keepdims=True)
    return g * (x - mean) / np.sqrt(variance + eps) + b


def linear(x, w, b):
    return x @ w + b


class Gpt:
    """Random weights, and the pass through them."""

    def __init__(self, layers: int, heads: int, width: int, length: int, words: int = 1000) -> None:
        random = np.random.default_rng(0)

        def weights(*shape: int) -> np.ndarray:
            return random.normal(0, 0.02, shape).astype("float32")

        def layer(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
            return weights(n, m), weights(m)

        def norm() -> tuple[np.ndarray, np.ndarray]:
            return 1 + weights(width), weights(width)

        self.heads, self.words = heads, random.integers(0, words, length)
        self.word_vectors, self.positions, self.last_norm = (
            weights(words, width),
            weights(length, width),
            norm(),
        )
        self.blocks = [
            (
                *(norm(), layer(width, 3 * width), layer(width, width)),
                *(norm(), layer(width, 4 * width), layer(4 * width, width)),
            )
            for _ in range(layers)
        ]

    def logits(self, gelu: Callable[..., Any], softmax: Callable[..., Any], root: Callable[..., Any]) -> Any:
        """Scores of every next word, with these functions."""
        x = self.word_vectors[self.words] + self.positions
        mask = (1 - np.tri(len(x), dtype=x.dtype)) * -1e10
        for norm_1, in_heads, out_heads, norm_2, up, down in self.blocks:
            normed = linear(layer_norm(x, *norm_1), *in_heads)
            heads = [softmax(q @ k.T / root(q.shape[-1]) + mask) @ v for q, k, v in self.split(normed)]
            x = x + linear(np.hstack(heads), *out_heads)
            x = x + linear(gelu(linear(layer_norm(x, *norm_2), *up)), *down)
        return layer_norm(x, *self.last_norm) @ self.word_vectors.T

    def split(self, x: Any) -> Iterator[tuple[Any, Any, Any]]:
        """Queries, keys and values of each head."""
        parts = [np.split(part, self.heads, axis=-1) for part in np.split(x, 3, axis=-1)]
        return zip(*parts, strict=True)
