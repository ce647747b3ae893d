"""fastact beside NumPy: one group for each activation and direction of the catalog.

    pytest bench --benchmark-only

The arrays, the restoring of what a call in place overwrote and the NumPy calls
are those of ``fastact bench``, which measures more sizes and thread counts.
"""

from __future__ import annotations

import pytest

from fastact import bench
from fastact.catalog import rows

SIZE, ROUNDS = 2**16, 30

CELLS = [
    bench.Cell(row, direction, dtype, SIZE)
    for row in rows
    for direction in bench.DIRECTIONS
    for dtype in bench.DTYPES
]


@pytest.fixture(params=CELLS, ids=lambda cell: f"{cell.row.name}-{cell.direction}-{cell.dtype}")
def cell(request) -> bench.Cell:
    return request.param


def run(benchmark, cell: bench.Cell, calls, restore) -> None:
    benchmark.group = f"{cell.row.name} {cell.direction} {cell.dtype}"

    def once() -> None:
        for call in calls:
            call()

    benchmark.pedantic(once, setup=restore, rounds=ROUNDS, warmup_rounds=1)


def test_fastact(benchmark, cell):
    work = bench.Workload(cell)
    run(benchmark, cell, work.fastact(), work.restore)


def test_numpy(benchmark, cell):
    work = bench.Workload(cell)
    run(benchmark, cell, work.numpy(work.forms[0]), work.restore)
