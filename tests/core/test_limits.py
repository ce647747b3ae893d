"""Limits that others set while a program runs: threadpoolctl, OpenMP, a narrowed affinity, no threads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

import fastact as fa

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for threads and processors")

OWN_THREADS = pytest.mark.skipif(
    "fastact's" not in str(fa.config()["openmp"]), reason="the compiler's runtime has its own ways"
)

START = """if True:
    import os, sys, time
    import numpy as np
    import fastact as fa
    from fastact import _dispatch
    _dispatch.judge_threads(False)
    x = np.linspace(-5, 5, 400_000).astype(np.float32)
    def threads():
        return len(os.listdir("/proc/self/task"))
    before = threads()
    def started():
        fa.gelu(x)
        return threads() - before
"""


PRINT = "    print(fa.get_num_threads(), started())"


def answers(run: subprocess.CompletedProcess[str]) -> list[str]:
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


@LINUX
def test_without_a_limit_a_call_has_the_threads_that_were_set(fresh_python):
    run = fresh_python(START + PRINT, FASTACT_NUM_THREADS="3")
    assert answers(run) == ["3", "2"]


@LINUX
def test_threadpoolctl_limits_the_calls_within(fresh_python):
    code = """
    from threadpoolctl import threadpool_limits
    with threadpool_limits(1, user_api="openmp"):
        print(fa.get_num_threads(), started())
    with threadpool_limits(2, user_api="openmp"):
        print(fa.get_num_threads(), started())
    print(fa.get_num_threads(), started())"""
    run = fresh_python(START + code, FASTACT_NUM_THREADS="3", OMP_NUM_THREADS="5")
    assert answers(run) == ["1", "0", "2", "1", "3", "2"]


@LINUX
def test_threadpoolctl_finds_the_openmp_of_fastact(fresh_python):
    code = """
    from threadpoolctl import threadpool_info
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "openmp"]
    maps = open("/proc/self/maps").read()
    print(len(pools), all(pool["filepath"] in maps for pool in pools))"""
    count, loaded = answers(fresh_python(START + code))
    assert int(count) >= 1
    assert loaded == "True"


OPENMP = """
    import ctypes
    from threadpoolctl import threadpool_info
    openmp = ctypes.CDLL(next(p["filepath"] for p in threadpool_info() if p["user_api"] == "openmp"))
"""


@LINUX
def test_omp_set_num_threads_limits_the_calls_of_its_thread(fresh_python):
    code = """
    from threading import Thread
    openmp.omp_set_num_threads(1)
    print(fa.get_num_threads(), started())
    other = Thread(target=lambda: print(fa.get_num_threads()))
    other.start()
    other.join()"""
    assert answers(fresh_python(START + OPENMP + code, FASTACT_NUM_THREADS="3")) == ["1", "0", "3"]


@LINUX
@pytest.mark.parametrize(("variable", "count"), [("1", "1"), ("2", "2"), ("9", "3")])
def test_omp_thread_limit_is_kept(fresh_python, variable, count):
    run = fresh_python(
        START + PRINT,
        FASTACT_NUM_THREADS="3",
        OMP_THREAD_LIMIT=variable,
    )
    assert answers(run) == [count, str(int(count) - 1)]


@LINUX
def test_with_omp_dynamic_there_are_no_more_threads_than_processors(fresh_python):
    run = fresh_python(
        START + "    print(fa.get_num_threads())", FASTACT_NUM_THREADS="1000", OMP_DYNAMIC="true"
    )
    assert 1 <= int(*answers(run)) <= len(os.sched_getaffinity(0))


@LINUX
def test_an_affinity_that_is_narrowed_later_is_kept(fresh_python):
    code = """
    everything = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everything)})
    time.sleep(0.01)
    print(fa.get_num_threads(), started())
    os.sched_setaffinity(0, everything)
    time.sleep(0.01)
    print(fa.get_num_threads(), started())"""
    assert answers(fresh_python(START + code, FASTACT_NUM_THREADS="3")) == ["1", "0", "3", "2"]


@LINUX
@OWN_THREADS
@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
def test_a_call_within_a_parallel_region_of_others_takes_one_thread(fresh_python, tmp_path):
    """The region's threads have the processors already."""
    source, library = tmp_path / "region.cpp", tmp_path / "region.so"
    source.write_text(
        'extern "C" void region(void (*call)()) {\n'
        "#pragma omp parallel num_threads(2)\n#pragma omp master\n    call();\n}\n"
    )
    subprocess.run(["g++", "-fopenmp", "-shared", "-fPIC", source, "-o", library], check=True)
    code = f"""
    import ctypes
    region = ctypes.CDLL({str(library)!r}).region
    call = ctypes.CFUNCTYPE(None)
    region(call(lambda: print(fa.get_num_threads())))
    print(fa.get_num_threads())"""
    assert answers(fresh_python(START + code, FASTACT_NUM_THREADS="3")) == ["1", "3"]


OUT = """
    import resource, warnings
    out, expected = np.empty_like(x), fa.gelu(x[:100])
"""
NO_MEMORY = f"""{OUT}
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 400_000, resource.RLIM_INFINITY))
"""
NO_PROCESS = f"""{OUT}
    if os.getuid() == 0:  # the superuser has no such limit
        os.setresuid(65534, 65534, 65534)
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
"""


@LINUX
@OWN_THREADS
@pytest.mark.parametrize("limit", [NO_MEMORY, NO_PROCESS], ids=["memory", "processes"])
def test_where_no_thread_is_to_be_had_one_computes_and_a_warning_says_so_once(fresh_python, limit):
    """libgomp ends the process: metaeuk 80, numpy 21376."""
    code = """
    warnings.simplefilter("always")
    for _ in range(3):
        fa.gelu(x, out=out)
    print(np.array_equal(out[:100], expected), threads() - before)"""
    run = fresh_python(START + limit + code, FASTACT_NUM_THREADS="3")
    assert answers(run) == ["True", "0"]
    assert run.stderr.count("RuntimeWarning") == 1, run.stderr
    assert "1 of the 3 threads" in run.stderr


@LINUX
@OWN_THREADS
@pytest.mark.parametrize(
    ("array", "state"), [("rows.copy()", ["True", "False"]), ("rows.astype('>f4')", ["False", "True"])]
)
def test_that_warning_as_an_error_comes_before_a_call_writes_or_after_all_of_it(fresh_python, array, state):
    """What is written part by part is not left half written."""
    code = f"""
    warnings.simplefilter("error")
    rows = x.reshape(400, 1000)
    array = {array}
    with fa.num_threads(1):
        expected = fa.softmax(rows)
    try:
        fa.softmax(array, out=array)
    except RuntimeWarning:
        print(np.array_equal(array, rows), np.array_equal(array, expected))"""
    assert answers(fresh_python(START + NO_PROCESS + code, FASTACT_NUM_THREADS="3")) == state


@LINUX
@OWN_THREADS
def test_that_another_call_has_the_threads_is_no_reason_to_warn(fresh_python):
    code = """
    import warnings
    from threading import Thread
    warnings.simplefilter("error")
    long, over = np.zeros(50_000_000, np.float32), []
    def work():
        with fa.num_threads(2):
            fa.gelu(long, out=long)
        over.append(True)
    other = Thread(target=work)
    other.start()
    while not over:
        with fa.num_threads(3):
            fa.gelu(x)
    other.join()
    print(threads() - before)"""
    assert answers(fresh_python(START + code)) == ["2"]
