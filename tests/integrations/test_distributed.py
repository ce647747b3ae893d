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
            n_workers=2, threads_per_worker=1, processes=True, memory_limit=LIMIT, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def _part(chunk: int) -> np.ndarray:
    """A chunk of the large array: numbers that no other chunk has."""
    return np.linspace(-8, 8, CHUNK, dtype=np.float32) + np.float32(chunk / 64)


def _made(block_info=None) -> np.ndarray:
    return _part(block_info[None]["chunk-location"][0])


def test_an_array_larger_than_the_memory_of_a_worker_forward_and_backward(client):
    chunks = LIMIT // (4 * CHUNK) + 16
    x = da.map_blocks(_made, chunks=((CHUNK,) * chunks,), dtype=np.float32, meta=np.empty(0, np.float32))
    assert x.nbytes > LIMIT
    y = fa.silu(x)
    dx = fa.silu.backward(y, x=x)
    sums = da.stack([a.map_blocks(_sum, dtype=np.float64, chunks=(1,)) for a in (y, dx)]).compute()
    for chunk in (0, chunks // 2, chunks - 1):
        part = _part(chunk)
        expected = fa.silu(part)
        assert sums[0, chunk] == _sum(expected)[0]
        assert sums[1, chunk] == _sum(fa.silu.backward(expected, x=part))[0]


def _sum(block: np.ndarray) -> np.ndarray:
    return np.array([block.sum(dtype=np.float64)])


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


def _threads() -> tuple[int, int]:
    import fastact

    return os.getpid(), fastact.get_num_threads()


def test_processes_times_threads_are_no_more_than_the_processors(client):
    """What starts workers tells them by OMP_NUM_THREADS that each call has one, and fastact listens."""
    of_workers = client.run(_threads)
    assert len({process for process, _ in of_workers.values()}) == 2
    assert all(threads == 1 for _, threads in of_workers.values())


def _import_again() -> list[str]:
    import sys

    return [name for name in sys.modules if name.startswith("fastact.integrations")]


def test_a_worker_imports_no_integration_for_ndarrays(client):
    """A chunk is an ndarray: the short way to a kernel, as everywhere."""
    x = da.ones((8, 8), chunks=4)
    fa.silu(x).compute()
    assert all(
        set(names) <= {"fastact.integrations", "fastact.integrations.dask"}
        for names in client.run(_import_again).values()
    )
