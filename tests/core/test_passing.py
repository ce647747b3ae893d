"""Arrays beyond the caches are gone through as is found to be best, or as is said: the bits are the same."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys

import numpy as np
import pytest
from cases import SAME_SHAPE, same_bits

import fastact as fa
from fastact import _dispatch
from fastact.core import passing

LARGE = 17 << 20
"""Bytes: so much that results may be streamed."""
MIDDLE = 5 << 20
"""Bytes: more than the cache of a core holds, and less than what is streamed."""


@pytest.fixture(autouse=True)
def measured_again():
    yield
    passing.fix(None)


def _size(dtype, large: int = LARGE) -> int:
    # No whole number of blocks or of lines.
    return large // np.dtype(dtype).itemsize + 37


def _found(name: str, x: np.ndarray, result: int):
    return _dispatch.passing_of(name, "forward", 0, x.nbytes, result)


@pytest.mark.parametrize("case", SAME_SHAPE, ids=str)
def test_every_way_gives_the_same_bits(case, dtype):
    arrays = case.draw((5, _size(dtype) // 5) if case.row.kind == "rows" else (_size(dtype),), dtype)
    expected = None
    for way in passing.WAYS:
        passing.fix(way)
        for threads in (1, 2):
            with fa.num_threads(threads):
                result = case(*arrays)
                taken = [a.copy() for a in arrays]
                case(*taken, out=taken[0])
        expected = result if expected is None else expected
        assert same_bits(result, expected), way
        assert same_bits(taken[0], expected), f"{way}, in place"


@pytest.mark.parametrize("threads", [1, 2])
def test_the_first_large_calls_are_a_trial_and_say_what_is_best(threads):
    x = np.linspace(-4, 4, _size(np.float32), dtype=np.float32)
    out = np.zeros_like(x) + 1
    expected = fa.softsign(x)
    with fa.num_threads(threads):
        for _ in range(_dispatch.TRIALS):
            assert same_bits(fa.softsign(x, out=out), expected)
    choice = _found("softsign", x, passing.WRITTEN)
    assert choice["way"] in range(len(passing.WAYS))
    assert len(choice["loss"]) == len(passing.WAYS)
    assert min(choice["loss"]) >= 1
    assert choice["loss"][choice["way"]] <= min(choice["loss"]) / 0.97


def test_nothing_is_streamed_in_place():
    x = np.linspace(-4, 4, _size(np.float32), dtype=np.float32)
    for _ in range(_dispatch.TRIALS):
        fa.hardswish(x, out=x)
    assert len(_found("hardswish", x, passing.IN_PLACE)["loss"]) == 2


def test_nothing_is_streamed_that_a_cache_keeps_for_the_next_step():
    x = np.linspace(-4, 4, _size(np.float32, MIDDLE), dtype=np.float32)
    out = np.zeros_like(x) + 1
    for _ in range(_dispatch.TRIALS):
        fa.relu6(x, out=out)
    assert len(_found("relu6", x, passing.WRITTEN)["loss"]) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says whether memory was touched")
def test_nothing_is_streamed_to_memory_that_the_system_clears_first():
    x = np.linspace(-4, 4, _size(np.float32), dtype=np.float32)
    written = _found("hardtanh", x, passing.WRITTEN)
    for _ in range(_dispatch.TRIALS):
        fa.hardtanh(x, out=np.frombuffer(mmap.mmap(-1, x.nbytes), np.float32))
    assert len(_found("hardtanh", x, passing.UNTOUCHED)["loss"]) == 2
    assert _found("hardtanh", x, passing.WRITTEN) == written


def test_sizes_have_choices_of_their_own():
    middle, large = (np.linspace(-4, 4, _size(np.float32, s), dtype=np.float32) for s in (MIDDLE, LARGE))
    untried = _found("tanhshrink", large, passing.IN_PLACE)
    for _ in range(_dispatch.TRIALS):
        fa.tanhshrink(middle, out=middle)
    assert _found("tanhshrink", middle, passing.IN_PLACE)["way"] >= 0
    assert _found("tanhshrink", large, passing.IN_PLACE) == untried


def test_small_arrays_are_no_trial():
    x = np.ones(1 << 19, np.float32)
    known = _found("dish", x, passing.IN_PLACE)
    for _ in range(5):
        fa.dish(x, out=x)
    assert _found("dish", x, passing.IN_PLACE) == known


def _started(value: str) -> subprocess.CompletedProcess[str]:
    told = "import fastact as fa; print(fa.config()['large'])"
    environment = {**os.environ, "FASTACT_LARGE": value}
    command = [sys.executable, "-c", told]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("way", passing.WAYS)
def test_the_environment_fixes_the_way(way):
    assert _started(way).stdout.split() == [way]


def test_a_value_of_the_environment_that_makes_no_sense_is_an_error():
    error = _started("fast").stderr.splitlines()[-1]
    assert error == f"ValueError: FASTACT_LARGE='fast': allowed are {', '.join(passing.WAYS)}"
