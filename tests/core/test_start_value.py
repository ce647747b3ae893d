"""How many threads a process starts with: the first of two variables, else the processors that it may use."""

from __future__ import annotations

import os

import pytest

from fastact.core.threads import AFFINITY, MOST

PRINT_COUNT = "import fastact as fa; print(fa.get_num_threads())"
BINDING = [
    {"OMP_PROC_BIND": "true"},
    {"OMP_PROC_BIND": "close"},
    {"OMP_PROC_BIND": "spread"},
    {"OMP_PLACES": "cores"},
    {"OMP_PLACES": "threads", "OMP_PROC_BIND": "false"},
    {"OMP_PLACES": ",".join(f"{{{number}}}" for number in sorted(AFFINITY))},
    {"GOMP_CPU_AFFINITY": " ".join(map(str, sorted(AFFINITY)))},
]
FAKED = """if True:
    import builtins, os
    opened = builtins.open
    def faked(file, *args, **kwargs):
        known = str(file).startswith(("/proc/self/cgroup", "/proc/self/mountinfo", "/sys/fs/cgroup"))
        return opened({root!r} + str(file) if known else file, *args, **kwargs)
    builtins.open = faked
    os.sched_getaffinity = lambda pid: set(range({processors}))
    import fastact as fa
    print(fa.get_num_threads())
"""
V2 = "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
V1 = "33 30 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"

has_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="needs a CPU affinity that can be set"
)
several = pytest.mark.skipif(len(AFFINITY) < 2, reason="needs two processors")


@pytest.fixture
def started_with(fresh_python):
    """The start value under these variables, and what else the process said."""

    def start(before: str = "", **environment: str) -> tuple[int, str]:
        run = fresh_python(before + PRINT_COUNT, **environment)
        assert run.returncode == 0, run.stderr
        return int(run.stdout), run.stderr

    return start


@pytest.fixture
def faked(fresh_python, tmp_path):
    """The start value on so many processors, with other files in the place of the system's."""

    def start(processors: int, files: dict[str, str]) -> int:
        for name, text in files.items():
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        run = fresh_python(FAKED.format(root=f"{tmp_path / 'root'}", processors=processors))
        assert run.returncode == 0, run.stderr
        return int(run.stdout)

    return start


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({"FASTACT_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "4,2"}, 4),
        ({"OMP_NUM_THREADS": " 4 , 2"}, 4),
        ({"FASTACT_NUM_THREADS": "1", "OMP_NUM_THREADS": "3"}, 1),
        ({"FASTACT_NUM_THREADS": "", "OMP_NUM_THREADS": "3"}, 3),
        ({"FASTACT_NUM_THREADS": "1", "OMP_NUM_THREADS": "abc"}, 1),
    ],
    ids=str,
)
def test_the_environment_sets_the_first_count(started_with, environment, count):
    assert started_with(**environment)[0] == count


@pytest.mark.parametrize("value", ["0", "abc", " ", "1.0", "2000000", "-1", ",4", "9" * 5000])
def test_a_count_for_openmp_that_makes_no_sense_is_warned_of_once(started_with, value):
    """The variable is that of every OpenMP program: it is no reason not to start."""
    count, said = started_with(OMP_NUM_THREADS=value)
    assert count == started_with()[0]
    warnings = [line for line in said.splitlines() if "RuntimeWarning" in line]
    assert len(warnings) == 1, said
    assert f"OMP_NUM_THREADS={value!r}" in warnings[0]
    assert f"from 1 to {MOST}" in warnings[0]


@has_affinity
def test_without_them_the_affinity_bounds_the_count(started_with):
    one = f"import os; os.sched_setaffinity(0, {{{min(AFFINITY)}}}); "
    assert started_with(one)[0] == 1
    assert 1 <= started_with()[0] <= len(AFFINITY)


@several
@pytest.mark.parametrize("environment", BINDING, ids=str)
def test_a_runtime_that_binds_threads_changes_no_count(started_with, environment):
    """GNU's binds the thread that loads it to one processor, which is then all that its affinity says."""
    assert started_with(**environment)[0] == started_with()[0]


@several
@has_affinity
@pytest.mark.parametrize("environment", BINDING, ids=str)
def test_nor_where_another_library_has_loaded_one_before(fresh_python, environment):
    """scikit-learn brings its own. The thread stays where that one has put it, in its process."""
    pytest.importorskip("sklearn")
    code = """if True:
        import os
        from sklearn.utils import _openmp_helpers
        bound = os.sched_getaffinity(0)
        import fastact as fa
        assert os.sched_getaffinity(0) == bound
        from fastact.core.threads import AFFINITY
        print(*sorted(AFFINITY))"""
    run = fresh_python(code, **environment)
    assert run.stdout.split() == [str(number) for number in sorted(AFFINITY)], run.stderr


@several
@has_affinity
def test_its_own_runtime_binds_threads_to_all_processors_then(fresh_python):
    """One that is loaded by a bound thread would bind every thread of its own beside it."""
    pytest.importorskip("sklearn")
    code = """if True:
        import ctypes, os
        from sklearn.utils import _openmp_helpers
        from fastact.core import affinity
        before = affinity.runtimes()
        import fastact as fa
        for path in affinity.runtimes() - before:
            print(ctypes.CDLL(path).omp_get_num_places())"""
    run = fresh_python(code, OMP_PROC_BIND="true", OMP_PLACES="threads")
    assert run.returncode == 0, run.stderr
    assert set(run.stdout.split()) <= {str(len(AFFINITY))}


@several
@has_affinity
def test_a_process_that_was_narrowed_stays_so_where_threads_are_bound(started_with):
    """Neither its parent nor the machine says what it may use."""
    one = f"import os; os.sched_setaffinity(0, {{{max(AFFINITY)}}}); "
    assert started_with(one, OMP_PROC_BIND="true")[0] == 1


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({"sys/fs/cgroup/a/b/cpu.max": "100000 100000"}, 1),
        ({"sys/fs/cgroup/a/b/cpu.max": "150000 100000"}, 2),
        ({"sys/fs/cgroup/a/cpu.max": "300000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 100000"}, 3),
        ({"sys/fs/cgroup/cpu.max": "10000 100000"}, 1),
        ({"sys/fs/cgroup/cpu.max": "max 100000"}, 8),
    ],
    ids=["own group", "a part of a processor", "a group above", "topmost", "none"],
)
def test_a_quota_of_version_2_bounds_the_count(faked, files, count):
    """28 s instead of 0.3 s where OpenMP ignored it: xgboost 7653, scikit-learn 35017."""
    assert faked(8, {"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": V2, **files}) == count


def test_a_quota_of_version_1_bounds_the_count(faked):
    own = "sys/fs/cgroup/cpu/docker/x/"
    files = {f"{own}cpu.cfs_quota_us": "250000\n", f"{own}cpu.cfs_period_us": "100000\n"}
    assert faked(8, {"proc/self/cgroup": "4:cpu:/docker/x\n", "proc/self/mountinfo": V1, **files}) == 3


@pytest.mark.parametrize("text", ["", "\n", "max", "100000 0", "0 0", "a b", "1.5 1", "-1 100000"], ids=repr)
def test_a_quota_that_makes_no_sense_bounds_nothing(faked, text):
    """test_quota.py has more of it."""
    groups = {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2}
    assert faked(8, {**groups, "sys/fs/cgroup/cpu.max": text}) == 8


def test_the_count_of_any_machine_can_be_set(fresh_python):
    """Beyond 1,024 up to the number of processors."""
    code = """if True:
        import os
        os.sched_getaffinity = lambda pid: set(range(2048))
        import fastact as fa
        fa.set_num_threads(2048)
        with fa.num_threads(2047):
            fa.set_num_threads(fa.get_num_threads() + 1)
        print(fa.get_num_threads())
        fa.set_num_threads(2049)"""
    run = fresh_python(code)
    assert run.stdout.strip() == "2048"
    assert "ValueError: n=2049: allowed is a whole number from 1 to 2048" in run.stderr
