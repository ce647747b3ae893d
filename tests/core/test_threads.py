"""Threads: their count, where it comes from, and several Python threads at once."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from cases import CASES, same_bits

import fastact as fa

HAS_THREADS = not str(fa.config()["openmp"]).startswith("none")
several = pytest.mark.skipif(not HAS_THREADS, reason="built without OpenMP: there is one thread")


@several
def test_the_count_that_is_set_is_the_count_that_is_got():
    for count in (1, 2, 3, np.int64(2)):
        fa.set_num_threads(count)
        assert fa.get_num_threads() == count


@pytest.mark.skipif(HAS_THREADS, reason="built with OpenMP")
def test_without_openmp_any_count_is_one():
    fa.set_num_threads(3)
    assert fa.get_num_threads() == 1


@several
def test_the_context_manager_restores_the_count():
    fa.set_num_threads(2)
    with fa.num_threads(3):
        assert fa.get_num_threads() == 3
        with fa.num_threads(1):
            assert fa.get_num_threads() == 1
        assert fa.get_num_threads() == 3
    assert fa.get_num_threads() == 2


@several
def test_the_context_manager_restores_the_count_after_an_error():
    fa.set_num_threads(2)
    with pytest.raises(RuntimeError, match="inside"), fa.num_threads(1):
        raise RuntimeError("inside")
    assert fa.get_num_threads() == 2


@pytest.mark.parametrize("level", ["v1", "v3", "v4"])
def test_the_environment_caps_the_cpu_level(fresh_python, level):
    levels = fa.config()["levels"]
    if level not in levels:
        pytest.skip(f"this processor or build runs {', '.join(levels)} only")
    run = fresh_python(
        "import fastact as fa; print(fa.config()['level']); fa.show_config()", FASTACT_CPU=level
    )
    assert run.stdout.split()[0] == level, run.stderr


def test_show_config_prints_level_threads_compiler_and_openmp(capsys):
    fa.set_num_threads(3)
    fa.show_config()
    printed = capsys.readouterr().out
    config = fa.config()
    for word in ("level", str(config["level"]), "threads", "3", "compiler", str(config["compiler"])):
        assert word in printed, printed
    assert "openmp" in printed.lower()


def test_several_python_threads_at_once(threads):
    """Twelve tasks on four Python threads give what each gives alone."""
    drawn = [(case, case.draw((64, 2048), np.float32, seed=i)) for i, case in enumerate(CASES)]
    expected = [case(*arrays) for case, arrays in drawn]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            results = pool.map(lambda pair: pair[0](*pair[1]), drawn)
            for (case, _), result, alone in zip(drawn, results, expected, strict=True):
                assert same_bits(result, alone), str(case)


def test_a_large_call_releases_the_gil():
    """With a switch interval of 100 s the main thread runs during the call only if the call lets it."""
    x = np.zeros(20_000_000, np.float32)
    finished = []

    def compute() -> None:
        fa.tanh(x, out=x)
        finished.append(True)

    worker = threading.Thread(target=compute)
    fa.set_num_threads(1)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(100)
    try:
        worker.start()
        ran_meanwhile = not finished
        worker.join()
    finally:
        sys.setswitchinterval(interval)
    assert ran_meanwhile
