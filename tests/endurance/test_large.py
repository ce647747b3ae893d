"""More than 2^31 elements in one call: no index is of 32 bits.

An array is one block of rows again and again, so that its result is known: the block's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cases import CASES, Case, same_bits

import fastact as fa

pytestmark = pytest.mark.exhaustive

DTYPE = np.float16
WIDTH = 1024
BLOCK = 4099
"""Rows; a prime, so that an index which wraps meets other numbers."""
ROWS = 2**31 // WIDTH + 3 * BLOCK + 5
CHOSEN = ("silu", "prelu", "softmax", "sparsemax", "glu", "maxout")
LARGE = [case for case in CASES if case.row.name in CHOSEN]


def _needs(gigabytes: float) -> None:
    """Skips where the machine has not got that much memory left, and something for the others."""
    lines = Path("/proc/meminfo").read_text() if Path("/proc/meminfo").exists() else ""
    available = [int(line.split()[1]) / 1e6 for line in lines.splitlines() if "MemAvailable" in line]
    if not available or available[0] < gigabytes + 2:
        pytest.skip(f"needs {gigabytes:.0f} GB, and 2 for others: {available[0] if available else 'unknown'}")


def _repeated(block: np.ndarray) -> np.ndarray:
    large = np.empty((ROWS, *block.shape[1:]), block.dtype)
    for start in range(0, ROWS, BLOCK):
        large[start : start + BLOCK] = block[: ROWS - start]
    return large


def _assert_repeats(large: np.ndarray, block: np.ndarray) -> None:
    for start in range(0, ROWS, BLOCK):
        assert same_bits(large[start : start + BLOCK], block[: ROWS - start]), f"rows from {start}"


@pytest.mark.parametrize("case", LARGE, ids=str)
def test_an_array_of_more_than_two_to_the_31(case: Case):
    """Rows of it, and one axis that long where an element depends on no other."""
    arrays = case.draw((BLOCK, WIDTH), DTYPE)
    expected = case(*arrays)
    _needs(sum(array.nbytes for array in (*arrays, expected)) / BLOCK * ROWS / 1e9)
    large = [_repeated(array) for array in arrays]
    assert max(array.size for array in large) > 2**31
    if case.row.kind == "elementwise":
        large = [array.reshape(-1) for array in large]
    with fa.num_threads(2):
        result = case(*large, out=large[-1] if case.keeps_shape else None)
    _assert_repeats(result.reshape(ROWS, -1), expected)


@pytest.mark.parametrize("name", ["layer_norm", "dropout"])
def test_a_pass_over_more_than_two_to_the_31(name):
    _needs(2 * ROWS * WIDTH * 2 / 1e9)
    block = Case(fa.relu.row).draw((BLOCK, WIDTH), DTYPE)[0]
    one, words = fa.passes[name], {"p": 0.25, "seed": None} if name == "dropout" else {}
    large = _repeated(block)
    one(large, out=large, **words)
    _assert_repeats(large, one(block, **words))


def test_a_row_of_more_than_two_to_the_31():
    """Shared by threads: each term counts once."""
    size = ROWS * WIDTH
    _needs(size * 2 / 1e9)
    x = np.zeros(size, DTYPE)
    with fa.num_threads(2):
        fa.log_softmax(x, out=x)
    expected = DTYPE(-np.log(size))
    for start in range(0, size, 2**26):
        assert (x[start : start + 2**26] == expected).all(), start


def test_the_noise_of_an_element_beyond_two_to_the_31_is_its_own():
    """A position that wraps would draw what an earlier one drew."""
    size = ROWS * WIDTH
    _needs(size * 2 / 1e9)
    x = np.full(size, -1, DTYPE)
    fa.rrelu(x, seed=3, out=x)
    head, tail = x[:1000], x[2**31 : 2**31 + 1000]
    assert len(np.unique(head)) > 100
    assert not same_bits(head, tail)
