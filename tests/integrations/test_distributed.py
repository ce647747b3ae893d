"""The same calls on a cluster: two worker processes, and an array that fits into neither."""

from __future__ import annotations

import os

import numpy as np
import pytest
from cases import same_bits

import fastact as fa

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

LIMIT = 512 * 2**20
CHUNK = 2**21


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, memory_limit=LIMIT, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def _of_large_array():
    """What makes a chunk, in a call of this name and as a block, and its sum.

    Functions within one are sent to workers as they are; others by the name of a module, which no worker has.
    """

    def part(chunk: int) -> np.ndarray:
        return np.linspace(-8, 8, CHUNK, dtype=np.float32) + np.float32(chunk / 64)

    def made(block_info=None) -> np.ndarray:
        return part(block_info[None]["chunk-location"][0])

    def total(block: np.ndarray) -> np.ndarray:
        return np.array([block.sum(dtype=np.float64)])

    return part, made, total


def test_an_array_larger_than_the_memory_of_a_worker_forward_and_backward(client):
    part, made, total = _of_large_array()
    chunks = LIMIT // (4 * CHUNK) + 16
    x = da.map_blocks(made, chunks=((CHUNK,) * chunks,), dtype=np.float32, meta=np.empty(0, np.float32))
    assert x.nbytes > LIMIT
    y = fa.silu(x)
    dx = fa.silu.backward(y, x=x)
    sums = da.stack([a.map_blocks(total, dtype=np.float64, chunks=(1,)) for a in (y, dx)])
    found = client.compute(sums).result(timeout=300)
    for chunk in (0, chunks // 2, chunks - 1):
        values = part(chunk)
        expected = fa.silu(values)
        assert found[0, chunk] == total(expected)[0]
        assert found[1, chunk] == total(fa.silu.backward(expected, x=values))[0]


def test_what_is_drawn_has_the_bits_of_the_ndarray_whatever_the_chunks(client):
    values = np.random.default_rng(1).standard_normal((64, 48)).astype(np.float32)
    lazy = da.from_array(values, chunks=(17, 48))
    for call in (
        lambda x: fa.rrelu(x, seed=3),
        lambda x: fa.rrelu.backward(x, y=fa.rrelu(x, seed=3), seed=3),
        lambda x: fa.gumbel_softmax(x, seed=3),
        lambda x: fa.gumbel_softmax.backward(x, x=x, seed=3, hard=True),
    ):
        assert same_bits(call(lazy).compute(), call(values))


def test_rows_gates_and_sums_are_those_of_the_ndarray(client):
    values = np.random.default_rng(1).standard_normal((64, 48))
    lazy, weight = da.from_array(values, chunks=(17, 48)), np.linspace(-1, 1, 48)
    for call in (fa.softmax, fa.swiglu, lambda x: fa.maxout(x, 4), lambda x: fa.prelu(x, weight)):
        assert same_bits(call(lazy).compute(), call(values))
    dx, total = fa.prelu.backward(lazy, x=lazy, weight=weight)
    expected_dx, expected_total = fa.prelu.backward(values, x=values, weight=weight)
    assert same_bits(dx.compute(), expected_dx)
    np.testing.assert_allclose(total.compute(), expected_total, rtol=1e-12)


def test_processes_times_threads_are_no_more_than_the_processors(client):
    """What starts workers tells them by OMP_NUM_THREADS that each call has one, and fastact listens."""

    def threads() -> tuple[int, int]:
        import fastact

        return os.getpid(), fastact.get_num_threads()

    of_workers = client.run(threads)
    assert len({process for process, _ in of_workers.values()}) == 2
    assert all(threads == 1 for _, threads in of_workers.values())


def test_a_worker_imports_no_integration_for_ndarrays(client):
    """A chunk is an ndarray: the short way to a kernel, as everywhere."""

    def imported() -> set[str]:
        import sys

        return {name for name in sys.modules if name.startswith("fastact.integrations.")}

    fa.silu(da.ones((8, 8), chunks=4)).compute()
    assert all(names <= {"fastact.integrations.dask"} for names in client.run(imported).values())
