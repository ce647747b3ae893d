"""Calls of every sort for ten minutes: memory, descriptors and threads of the process stay as they were.

``FASTACT_SOAK_SECONDS`` is how long.
"""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from around import EXAMPLES
from cases import CASES, DTYPES
from layouts import layouts

import fastact as fa

PROCESS = Path("/proc/self")
pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.skipif(not PROCESS.exists(), reason="needs /proc"),
]
SECONDS = float(os.environ.get("FASTACT_SOAK_SECONDS", "600"))
GROWTH = 4 << 20
"""Bytes that RSS may have grown by: what allocators keep differs by as much from one moment to the next."""


def _used() -> dict[str, int]:
    gc.collect()
    pages = int((PROCESS / "statm").read_text().split()[1])
    return {
        "rss": pages * os.sysconf("SC_PAGE_SIZE"),
        "descriptors": len(list((PROCESS / "fd").iterdir())),
        "threads": len(list((PROCESS / "task").iterdir())),
    }


def _refused(call, *arguments, **words) -> None:
    with pytest.raises((TypeError, ValueError)):
        call(*arguments, **words)


def _calls_of_every_sort() -> None:
    for number, case in enumerate(CASES):
        dtype = DTYPES[number % len(DTYPES)]
        arrays = case.draw((5, 7, 36), dtype)
        for layout in layouts(dtype).values():
            case(*[layout(array) for array in arrays])
        large = case.draw((300, 400), dtype)
        for threads in (1, 2, 3):
            with fa.num_threads(threads):
                case(*large)
        _refused(case, *arrays, out=np.empty((2, 3), dtype))
    for number, example in enumerate(EXAMPLES):
        arrays = example.draw(DTYPES[number % len(DTYPES)])
        example(arrays)
        _refused(example, {name: np.array("no number") for name in arrays})


def _round() -> None:
    """In this thread, and in others that end."""
    _calls_of_every_sort()
    workers = [Thread(target=lambda: fa.tanh(np.ones((300, 1000), np.float32))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def test_nothing_grows():
    end = time.monotonic() + SECONDS
    for _ in range(5):  # what is kept from call to call is there then, and what is imported
        _round()
    before, rounds = _used(), 0
    while time.monotonic() < end or not rounds:
        _round()
        rounds += 1
    after = _used()
    print(rounds, "rounds:", before, after)
    assert after["rss"] - before["rss"] < GROWTH, (before, after)
    assert after["descriptors"] == before["descriptors"]
    assert after["threads"] <= before["threads"], (before, after)
