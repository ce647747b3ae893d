"""Nothing is read or written beyond an array, not by a byte: a page that nobody may touch lies there."""

from __future__ import annotations

import os
import signal
import sys

import pytest

import fastact as fa

pytestmark = pytest.mark.skipif(
    os.name != "posix" or sys.platform == "darwin", reason="needs mmap and Linux's mprotect"
)
AROUND_WIDTHS = (1, 15, 33, 67)
CHECK = "import guard_pages; print(guard_pages.check({}))"


@pytest.mark.parametrize(("method", "beyond"), [("first", -1), ("last", 5)])
def test_one_element_beyond_ends_the_process(fresh_python, method, beyond):
    """Who reads before the first element, or after the last."""
    code = f"""if True:
        import ctypes, guard_pages
        array = guard_pages.Guarded().{method}(5, "f4")
        print(array.sum(), flush=True)
        ctypes.c_float.from_address(array.ctypes.data + 4 * {beyond}).value"""
    run = fresh_python(code)
    assert (run.returncode, run.stdout.strip()) == (-signal.SIGSEGV, "0.0"), run.stderr


def test_no_call_touches_what_lies_beside_its_arrays(fresh_python):
    run = fresh_python(CHECK.format(AROUND_WIDTHS))
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 10_000


@pytest.mark.exhaustive
@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("level", ["v1", "v3", "v4"])
def test_no_call_of_any_length_touches_it_at_any_level(fresh_python, level, threads):
    if level not in fa.config()["levels"]:
        pytest.skip(f"this processor or build runs {', '.join(fa.config()['levels'])} only")
    run = fresh_python(CHECK.format("range(201)"), FASTACT_CPU=level, FASTACT_NUM_THREADS=threads)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 500_000
