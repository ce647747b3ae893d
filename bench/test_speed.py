"""fastact beside NumPy: one group for each activation and pass of the catalog, and direction.

    pytest bench --benchmark-only

The arrays, the restoring of what a call in place overwrote and the NumPy calls
are those of ``fastact bench``, which measures more sizes and thread counts.
"""

from __future__ import annotations

import pytest

from fastact.measure import work

SIZE, ROUNDS = 2**16, 30
NAMES = [*work.names(), *work.names(with_passes=True)]


@pytest.fixture(
    params=work.cells(NAMES, sizes=[SIZE]), ids=lambda cell: f"{cell.row.name}-{cell.direction}-{cell.dtype}"
)
def cell(request) -> work.Cell:
    return request.param


def run(benchmark, cell: work.Cell, calls, restore) -> None:
    benchmark.group = f"{cell.row.name} {cell.direction} {cell.dtype}"

    def once() -> None:
        for call in calls:
            call()

    benchmark.pedantic(once, setup=restore, rounds=ROUNDS, warmup_rounds=1)


def test_fastact(benchmark, cell):
    timed = work.workload(cell)
    run(benchmark, cell, timed.fastact(), timed.restore)


def test_numpy(benchmark, cell):
    timed = work.workload(cell)
    run(benchmark, cell, timed.numpy(timed.forms[0]), timed.restore)
