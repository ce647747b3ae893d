"""Rows that hold NaN and infinities have one NaN: its sign does not tell where `out` lies, or how rows lie.

It did in softmax, log_softmax's gradient and gumbel_softmax, of which loops and their ends take operands in
another order.
"""

from __future__ import annotations

import numpy as np
import pytest

import fastact as fa

SPECIAL = np.array([np.nan, -np.nan, np.inf, -np.inf])
CALLS = [
    ("softmax", {}),
    ("log_softmax", {}),
    ("softmin", {}),
    ("sparsemax", {}),
    ("softmax", {"temperature": 0.7}),
    ("softmax", {"scale": 2.0}),
    ("log_softmax", {"scale": 2.0}),
    ("gumbel_softmax", {"seed": 3}),
]


def _at(offset: int, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Room that begins so many elements behind a cache line."""
    room = np.empty(np.prod(shape) + 80, dtype)
    first = -room.ctypes.data // room.itemsize % (64 // room.itemsize) + offset
    return room[first : first + np.prod(shape)].reshape(shape)


@pytest.mark.parametrize("length", [1, 5, 37, 150])
@pytest.mark.parametrize(("name", "words"), CALLS, ids=lambda value: str(value))
def test_over_offsets_of_out_and_layouts(name, words, length, dtype):
    activation = fa.get(name)
    saved = {word: value for word, value in words.items() if word != "seed"}
    rng = np.random.default_rng(length)
    for trial in range(8):
        x, dy = rng.standard_normal((2, 1, length)).astype(dtype)
        x[0, rng.integers(0, length, 4)] = rng.choice(SPECIAL, 4)
        if trial % 2:
            dy[0, rng.integers(0, length, 3)] = rng.choice(SPECIAL, 3)
        forward, backward = activation(x, **words), activation.backward(dy, y=x, **saved)
        for offset in range(17):
            out = _at(offset, x.shape, dtype)
            assert activation(x, out=out, **words).tobytes() == forward.tobytes(), offset
            assert activation.backward(dy, y=x, out=out, **saved).tobytes() == backward.tobytes(), offset
        columns = activation.backward(np.repeat(dy.T, 5, 1), y=np.repeat(x.T, 5, 1), axis=0, **saved)
        assert all(column.tobytes() == backward.tobytes() for column in columns.T)
