"""While a kernel runs on one thread, other Python threads run: none keeps the GIL for its work."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest
from around import EXAMPLES
from cases import Case

import fastact as fa

ROWS, COPIES = (16, 8192), 64
"""A light kernel takes some milliseconds for 64 copies of that, beyond the caches as they are."""
PARTS, SECONDS = 5, 20.0


class Watch:
    """A thread that notes the time whenever it gets the GIL, and lets go of it."""

    def __enter__(self) -> Watch:
        self.times: list[float] = []
        self.stops = False
        self.thread = threading.Thread(target=self._look)
        self.thread.start()
        return self

    def _look(self) -> None:
        while not self.stops:
            self.times.append(time.perf_counter())
            time.sleep(2e-5)

    def __exit__(self, *_: object) -> None:
        self.stops = True
        self.thread.join()


def parts_with_others(call, seconds: float = SECONDS) -> set[int]:
    """In which of the equal parts of a call another thread got the GIL.

    A busy machine may not let it run for many a short call, so attempts are joined.
    """
    seen: set[int] = set()
    last = time.monotonic() + seconds
    while len(seen) < PARTS and time.monotonic() < last:
        with Watch() as watch:
            start = time.perf_counter()
            call()
            end = time.perf_counter()
        seen |= {int((t - start) / (end - start) * PARTS) for t in watch.times if start < t < end}
    return seen


@pytest.fixture
def nobody_asks_for_the_gil():
    """Python code keeps the GIL, so that nothing but a call that lets go of it gives it to others."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(100)
    yield
    sys.setswitchinterval(before)


def test_no_kernel_keeps_the_gil(case: Case, nobody_asks_for_the_gil):
    arrays = [np.tile(a, (COPIES, 1)) for a in case.draw(ROWS, np.float32)]
    out = np.empty_like(arrays[-1] if case.saved else np.asarray(case(*arrays)))
    fa.set_num_threads(1)
    assert parts_with_others(lambda: case(*arrays, out=out)) == set(range(PARTS))


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_no_pass_keeps_the_gil(example, nobody_asks_for_the_gil):
    arrays = example.draw(np.float32, (512,), 4096)
    fa.set_num_threads(1)
    results = example(arrays)
    words = {"out": tuple(results[k] for k in example.out)} if example.out else {}
    assert parts_with_others(lambda: example(arrays, **words)) == set(range(PARTS))


def test_who_keeps_the_gil_is_seen(nobody_asks_for_the_gil):
    assert parts_with_others(np.arange(1_000_000).tolist, seconds=1) == set()
