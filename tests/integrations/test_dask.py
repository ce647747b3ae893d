"""dask: lazy, with chunks and dtype known, and the bits of the ndarray whatever the chunks."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from cases import same_bits

import fastact as fa

da = pytest.importorskip("dask.array")

SHAPE = (12, 8, 6)


@pytest.fixture
def values():
    return np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)


CHUNKS = [(5, 8, 6), (12, 3, 6), (5, 8, 4), (1, 1, 1), (12, 8, 6), (7, 3, 2)]


def _never(block):
    raise AssertionError("computed before it was asked for")


def _calls(axis: int):
    """Calls along one axis, each with how many elements of x an element of the result takes."""
    weight = np.linspace(-1, 1, SHAPE[axis])
    return [
        fa.silu,
        lambda x: fa.silu.backward(x, x=x),
        lambda x: fa.softmax(x, axis=axis),
        lambda x: fa.softmax.backward(x, y=x, axis=axis),
        lambda x: fa.log_softmax(x, axis=axis - 3),
        lambda x: fa.glu(x, axis=axis),
        lambda x: fa.glu.backward(fa.glu(x, axis=axis), x=x, axis=axis),
        lambda x: fa.maxout(x, 2, axis=axis),
        lambda x: fa.maxout(x, 2, axis=axis, return_which=True)[1],
        lambda x: fa.maxout.backward(fa.maxout(x, 2, axis=axis), x=x, pieces=2, axis=axis),
        lambda x: fa.prelu(x, weight, axis=axis),
        lambda x: fa.prelu.backward(x, x=x, weight=weight, axis=axis)[0],
        lambda x: fa.gumbel_softmax(x, axis=axis, seed=5),
        lambda x: fa.gumbel_softmax(x, axis=axis, hard=True, seed=5),
        lambda x: fa.gumbel_softmax.backward(x, x=x, axis=axis, hard=True, seed=5),
        lambda x: fa.rrelu(x, seed=5),
        lambda x: fa.rrelu.backward(x, x=x, seed=5),
    ]


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_bits_are_those_of_the_ndarray(values, axis, chunks):
    lazy = da.from_array(values, chunks=[-1 if k == axis else n for k, n in enumerate(chunks)])
    for call in _calls(axis):
        result, expected = call(lazy), call(values)
        assert (result.dtype, result.shape) == (expected.dtype, expected.shape)
        assert [len(c) for k, c in enumerate(result.chunks) if k != axis] == [
            len(c) for k, c in enumerate(lazy.chunks) if k != axis
        ]
        assert same_bits(result.compute(scheduler="synchronous"), expected)


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
def test_what_draws_by_place_has_the_bits_of_the_ndarray(values, chunks):
    lazy = da.from_array(values, chunks=chunks)
    assert same_bits(fa.rrelu(lazy, seed=11).compute(), fa.rrelu(values, seed=11))
    assert same_bits(
        fa.rrelu.backward(lazy, y=lazy, seed=11).compute(), fa.rrelu.backward(values, y=values, seed=11)
    )


def test_nothing_is_computed_before_it_is_asked_for():
    lazy = da.ones(SHAPE, chunks=(5, 8, 6), dtype=np.float32).map_blocks(
        _never, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32)
    )
    for call in _calls(1):
        assert isinstance(call(lazy), da.Array)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, bool])
def test_the_dtype_is_known_without_computing(dtype):
    lazy = da.ones(SHAPE, chunks=(5, 8, 6), dtype=dtype)
    expected = fa.silu(np.ones(1, dtype)).dtype
    for result in (fa.silu(lazy), fa.softmax(lazy), fa.silu.backward(lazy, x=lazy)):
        assert result.dtype == expected == result.compute().dtype
        assert type(result._meta) is np.ndarray


def test_parameter_gradients_are_sums_over_chunks(values):
    lazy = da.from_array(values, chunks=(5, 3, 4))
    weight = np.linspace(-1, 1, 8).astype(np.float32)
    for given in (weight, np.float32(0.25), weight[:1]):
        _, total = fa.prelu.backward(lazy, x=lazy, weight=given)
        expected = fa.prelu.backward(values, x=values, weight=given)[1]
        assert (total.dtype, total.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(total.compute(), expected, rtol=1e-5)
    _, total = fa.swish.backward(lazy, x=lazy, beta_grad=True)
    np.testing.assert_allclose(
        total.compute(), fa.swish.backward(values, x=values, beta_grad=True)[1], rtol=1e-5
    )


def test_a_lazy_weight_and_mask(values):
    lazy, weight = da.from_array(values, chunks=(5, 3, 6)), np.linspace(-1, 1, 8)
    assert same_bits(fa.prelu(lazy, da.from_array(weight, chunks=2)).compute(), fa.prelu(values, weight))
    assert isinstance(fa.prelu(values, da.from_array(weight, chunks=2)), da.Array)
    where = values > 0
    assert same_bits(fa.softmax(lazy, where=lazy > 0).compute(), fa.softmax(values, where=where))
    assert same_bits(fa.softmax(lazy, where=where[0]).compute(), fa.softmax(values, where=where[0]))


def test_a_split_axis_is_an_error_that_says_how_to_rechunk(values):
    lazy = da.from_array(values, chunks=(12, 3, 6))
    calls = [call for call in _calls(1) if call is not fa.silu]
    for call in (
        lambda x: fa.softmax(x, axis=1),
        lambda x: fa.glu.backward(x[:, :4], x=x, axis=1),
        lambda x: fa.gumbel_softmax(x, axis=-2, seed=1),
        lambda x: fa.maxout(x, 2, axis=1),
    ):
        with pytest.raises(ValueError, match=r"split into \d chunks along axis 1.*rechunk\(\{1: -1\}\)"):
            call(lazy)
    assert calls
    assert same_bits(fa.softmax(lazy.rechunk({1: -1}), axis=1).compute(), fa.softmax(values, axis=1))


def test_errors_come_when_the_call_is_made(values):
    lazy = da.from_array(values, chunks=(5, 8, 6))
    for error, match, call in [
        (
            ValueError,
            r"dy has shape \(3, 8, 6\) and y has shape \(12, 8, 6\)",
            lambda: fa.softmax.backward(lazy[:3], y=lazy),
        ),
        (ValueError, r"weight has shape \(3,\)", lambda: fa.prelu(lazy, [1.0, 2.0, 3.0])),
        (ValueError, r"extent 7 along axis 1", lambda: fa.glu(lazy[:, :7], axis=1)),
        (np.exceptions.AxisError, "axis 3 is out of bounds", lambda: fa.softmax(lazy, axis=3)),
        (TypeError, "complex64", lambda: fa.softmax(lazy.astype(np.complex64))),
        (TypeError, "complex64", lambda: fa.silu(lazy.astype(np.complex64))),
        (TypeError, "out=", lambda: fa.softmax(lazy, out=lazy)),
        (ValueError, "unknown size", lambda: fa.rrelu(lazy[lazy > 0], seed=1)),
    ]:
        with pytest.raises(error, match=match):
            call()


def test_chunks_of_unknown_size_where_no_place_matters(values):
    flat = da.from_array(values, chunks=(5, 8, 6)).reshape(-1)
    some = flat[flat > 0]
    assert same_bits(fa.silu(some).compute(), fa.silu(values.reshape(-1)[values.reshape(-1) > 0]))


def test_the_same_call_has_the_same_key_and_another_one_another(values):
    lazy = da.from_array(values, chunks=(5, 8, 6))
    for call in _calls(1):
        assert call(lazy).name == call(lazy).name
    assert fa.elu(lazy, 0.5).name != fa.elu(lazy, 0.25).name
    assert fa.rrelu(lazy, seed=1).name != fa.rrelu(lazy, seed=2).name
    assert fa.softmax(lazy, axis=1).name != fa.softmax(lazy, axis=2).name


def test_a_mask_is_not_sent_whole_with_every_task():
    lazy = da.ones((64, 4096), chunks=(1, 4096), dtype=np.float32)
    where = np.ones((64, 4096), bool)
    tasks = [
        task
        for key, task in dict(fa.softmax(lazy, where=where).__dask_graph__()).items()
        if "softmax" in key[0]
    ]
    assert len(tasks) == 64
    assert max(len(pickle.dumps(task)) for task in tasks) < where[0].nbytes


def test_a_graph_is_pickled(values):
    lazy = da.from_array(values, chunks=(5, 8, 6))
    for call in _calls(1):
        assert same_bits(pickle.loads(pickle.dumps(call(lazy))).compute(), call(values))


def test_other_collections_are_refused():
    """Their elements have an order that is known when they are computed."""
    pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    pd = pytest.importorskip("pandas")
    frame = dd.from_pandas(pd.DataFrame({"a": [1.0, 2.0]}), npartitions=1)
    with pytest.raises(TypeError, match="map_partitions"):
        fa.softmax(frame)
