"""Sixteen Python threads, more than processors: no wrong value, whatever the others call and set."""

from __future__ import annotations

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from around import EXAMPLES
from cases import CASES, DTYPES, other_parameters, output_determines, same_bits

import fastact as fa

pytestmark = pytest.mark.exhaustive

SECONDS = float(os.environ.get("FASTACT_STRESS_SECONDS", "120"))
WORKERS = 16
SHAPES = ((1, 8), (16, 64), (64, 2048), (400, 1000))


def _jobs():
    """Calls with what each gives alone; some activations with several parameters, which are kept per call."""
    with fa.num_threads(1):
        for number, case in enumerate(CASES):
            dtype, shape = DTYPES[number % len(DTYPES)], SHAPES[number % len(SHAPES)]
            for parameters in ({}, *other_parameters(case.row)):
                if case.saved == "y" and not output_determines(case.row, parameters):
                    continue
                arrays = case.draw(shape, dtype, seed=number)
                call = _called(case, arrays, parameters)
                yield str(case), call, call(None)
        for number, example in enumerate(EXAMPLES):
            arrays = example.draw(DTYPES[number % len(DTYPES)], (64,), 100, seed=number)
            yield str(example), (lambda out, e=example, a=arrays: e(a)), example(arrays)


def _called(case, arrays, parameters):
    return lambda out: case(*arrays, out=out, **parameters)


def _is_as_alone(result, expected) -> bool:
    if isinstance(expected, tuple):
        return all(map(same_bits, result, expected))
    return same_bits(result, expected)


def _work(number: int, jobs, end: float) -> tuple[int, list[str]]:
    """How many calls a thread made, and which were wrong."""
    choose, wrong, calls = random.Random(number), [], 0
    while time.monotonic() < end:
        name, call, expected = choose.choice(jobs)
        out = np.empty_like(expected) if isinstance(expected, np.ndarray) and choose.random() < 0.5 else None
        with fa.num_threads(choose.randint(1, 4)):
            if not _is_as_alone(call(out), expected):
                wrong.append(name)
        calls += 1
    return calls, wrong


def test_sixteen_threads_compute_what_one_does():
    jobs = list(_jobs())
    end = time.monotonic() + SECONDS
    with ThreadPoolExecutor(WORKERS) as pool:
        done = list(pool.map(lambda number: _work(number, jobs, end), range(WORKERS)))
    assert not any(wrong for _, wrong in done), [wrong[:3] for _, wrong in done]
    assert all(calls for calls, _ in done)
    print(sum(calls for calls, _ in done), "calls")
