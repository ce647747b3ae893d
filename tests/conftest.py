"""Fixtures: every activation, direction, dtype and thread count; the CPU level is that of the process.

The whole suite runs at one level, the best or the one that FASTACT_CPU names; ``.ci/run`` runs it once
for each.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Each processor has its worker: BLAS finds none idle.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Whichever test imports keras first in a process, it is the one that fastact replaces.
os.environ["KERAS_BACKEND"] = "numpy"

from cases import CASES, DTYPES, ELEMENTWISE, FLOATS, SAME_SHAPE

import fastact as fa
from fastact import _dispatch, catalog

OF_THREADS = (
    *("FASTACT_NUM_THREADS", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_DYNAMIC"),
    *("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY"),
)

# On a busy machine threads would not pay, and what they compute would go untested.
_dispatch.judge_threads(False)

# A shell that starts the tests in the background has them, and all that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test of a value fails because the machine is busy, or emulated.
slow = [HealthCheck.too_slow]
settings.register_profile(
    "contract", max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=slow
)
settings.load_profile("contract")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--whole-sample",
        action="store_true",
        help="measure errors at all inputs of `fastact accuracy`, not at a third of them; .ci/run does",
    )


def pytest_report_header() -> str:
    return f"fastact {fa.__version__}: {fa.config()}"


@pytest.fixture(scope="session", params=catalog.rows, ids=lambda row: row.name)
def row(request) -> catalog.Row:
    """Every activation's row of the catalog."""
    return request.param


@pytest.fixture(scope="session", params=CASES, ids=str)
def case(request):
    """Every activation in every direction."""
    return request.param


@pytest.fixture(scope="session", params=SAME_SHAPE, ids=str)
def same_shape_case(request):
    """Those whose result has the shape of their input."""
    return request.param


@pytest.fixture(scope="session", params=ELEMENTWISE, ids=str)
def elementwise_case(request):
    """Those that take an array of any shape, 0-d included."""
    return request.param


@pytest.fixture(scope="session", params=FLOATS, ids=lambda dtype: dtype.__name__)
def dtype(request):
    return request.param


@pytest.fixture(scope="session", params=DTYPES, ids=lambda dtype: dtype.__name__)
def any_dtype(request):
    """Half precision too."""
    return request.param


@pytest.fixture(params=[1, 2, 3], ids=["1thread", "2threads", "3threads"])
def threads(request) -> int:
    """The thread count that is set while the test runs."""
    fa.set_num_threads(request.param)
    return request.param


@pytest.fixture(autouse=True)
def restored_threads():
    """No test leaves its thread count to the next one."""
    before = fa.get_num_threads()
    yield
    fa.set_num_threads(before)


@pytest.fixture
def fresh_python(tmp_path):
    """Runs code in a new interpreter that imports the fastact under test, away from the source tree.

    Its time is bounded so that a process which hangs is found, on a machine that is busy too.
    """

    def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if name not in OF_THREADS}
        search_path = os.pathsep.join([str(Path(fa.__file__).parents[1]), str(Path(__file__).parent)])
        return subprocess.run(
            [sys.executable, "-c", code],
            env={**inherited, "PYTHONPATH": search_path, **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
        )

    return run
