"""Arrays beyond the caches are gone through as is found to be best, or as is said: the bits are the same."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from cases import SAME_SHAPE, same_bits

import fastact as fa
from fastact import _dispatch
from fastact.core import passing

LARGE = 9 << 20
"""Bytes: more than what is taken to lie in a cache."""


@pytest.fixture(autouse=True)
def measured_again():
    yield
    passing.fix(None)


def _size(dtype) -> int:
    # No whole number of blocks or of lines.
    return LARGE // np.dtype(dtype).itemsize + 37


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
    out = np.empty_like(x)
    expected = fa.softsign(x)
    with fa.num_threads(threads):
        for _ in range(_dispatch.TRIALS):
            assert same_bits(fa.softsign(x, out=out), expected)
    choice = _dispatch.passing_of("softsign", "forward", 0, False)
    assert choice["way"] in range(len(passing.WAYS))
    assert min(choice["loss"]) >= 1
    assert choice["loss"][choice["way"]] <= min(choice["loss"]) / 0.97


def test_nothing_is_streamed_in_place():
    x = np.linspace(-4, 4, _size(np.float32), dtype=np.float32)
    for _ in range(_dispatch.TRIALS):
        fa.hardswish(x, out=x)
    assert len(_dispatch.passing_of("hardswish", "forward", 0, True)["loss"]) == 2


def test_small_arrays_are_no_trial():
    x = np.ones(1 << 20, np.float32)
    for _ in range(5):
        fa.dish(x)
    assert _dispatch.passing_of("dish", "forward", 0, False) is None


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
