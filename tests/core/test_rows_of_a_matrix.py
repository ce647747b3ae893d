"""Parts of a matrix whose rows are contiguous, and numbers, take a short path with the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CASES, DTYPES, same_bits

import fastact as fa
from fastact.core import arrays

CALLS = [case for case in CASES if case.row.kind in ("elementwise", "gated", "random", "channels", "rows")]


def _rows(array, before=3, behind=5):
    """The same numbers as a part of a larger matrix."""
    wide = np.zeros((*array.shape[:-1], before + array.shape[-1] + behind), array.dtype)
    part = wide[..., before : before + array.shape[-1]]
    part[...] = array
    return part


@pytest.mark.parametrize("case", CALLS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 64), (3, 4, 40), (300, 4), (2, 3, 2, 600)])
def test_parts_of_a_matrix_have_the_bits_of_their_copies(case, dtype, shape):
    arrays = case.draw(shape, dtype)
    expected = case(*arrays)
    parts = [_rows(array, k) for k, array in enumerate(arrays)]
    assert same_bits(case(*parts), expected)
    out = _rows(np.zeros_like(expected))
    around = out.base.copy()
    assert case(*parts, out=out) is out
    assert same_bits(out, expected)
    out[...] = 0
    assert same_bits(out.base, around)
    if case.keeps_shape or case.saved:
        assert same_bits(case(*parts, out=parts[-1]), expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_weights_and_draws_are_those_of_the_place(axis, dtype, threads):
    x = np.random.default_rng(0).normal(size=(40, 6, 300)).astype(dtype)
    weight = np.random.default_rng(1).normal(size=x.shape[axis]).astype(dtype)
    part, out = _rows(x), _rows(np.zeros_like(x))
    expected = fa.prelu(x, weight, axis)
    assert same_bits(fa.prelu(part, weight, axis), expected)
    assert fa.prelu(part, weight, axis, out=out) is out
    assert same_bits(out, expected)
    assert same_bits(fa.prelu(x, weight, axis, out=out), expected)
    assert same_bits(fa.dropout(part, 0.4, seed=axis), fa.dropout(x, 0.4, seed=axis))
    assert same_bits(
        fa.dropout(part, 0.4, seed=axis, residual=out), fa.dropout(x, 0.4, seed=axis, residual=expected)
    )
    expected = fa.prelu(x, 0.25)
    assert same_bits(fa.prelu(part, 0.25, out=part), expected)


def test_a_weight_that_lies_in_the_result():
    room = np.random.default_rng(0).normal(size=(7, 20)).astype(np.float32)
    x, weight = room[:, :10].copy(), room[3, :10]
    expected = fa.prelu(x, weight.copy())
    assert same_bits(fa.prelu(x, weight, out=room[:, :10]), expected)


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 0, 1)])
def test_axes_in_another_order(dtype, order):
    x = np.random.default_rng(0).normal(size=(6, 5, 40)).astype(dtype)
    expected = fa.silu(np.ascontiguousarray(x.transpose(order)))
    result = fa.silu(x.transpose(order))
    assert same_bits(result, expected)
    assert result.strides == np.exp(x.transpose(order)).strides


def test_broadcast_and_reversed_rows(dtype):
    x = np.random.default_rng(0).normal(size=(1, 50)).astype(dtype)
    assert same_bits(fa.silu(np.broadcast_to(x, (4, 50))), fa.silu(np.repeat(x, 4, axis=0)))
    assert same_bits(fa.silu(np.repeat(x, 4, axis=0)[::-1]), fa.silu(np.repeat(x, 4, axis=0)))


@pytest.mark.parametrize("shift", [1, 7, 40])
def test_rows_that_overlap_give_what_copies_give(dtype, shift):
    x = np.random.default_rng(0).normal(size=(8, 100)).astype(dtype)
    source, target = x[:, : 100 - shift], x[:, shift:]
    expected = fa.silu(source.copy())
    fa.silu(source, out=target)
    assert same_bits(target, expected)


def test_halves_of_a_matrix_in_place(dtype):
    x = np.random.default_rng(0).normal(size=(64, 256)).astype(dtype)
    kept = x.copy()
    fa.sigmoid(x[:, 128:], out=x[:, :128])
    assert same_bits(x[:, :128], fa.sigmoid(kept[:, 128:].copy()))
    assert same_bits(x[:, 128:], kept[:, 128:])


def test_large_parts_are_shared_among_threads(dtype, threads):
    x = _rows(np.random.default_rng(0).normal(size=(600, 1000)).astype(dtype))
    assert same_bits(fa.mish(x), fa.mish(x.copy()))


@pytest.mark.parametrize("shape", [(600, 1000), (3, 200_000), (40, 3, 70, 8), (9000, 30)])
@pytest.mark.parametrize("f", [fa.softmax, fa.log_softmax, fa.sparsemax], ids=lambda f: f.name)
def test_rows_apart_are_shared_among_threads(f, shape, dtype, threads):
    x, dy = (_rows(np.random.default_rng(k).normal(size=shape).astype(dtype)) for k in range(2))
    out = _rows(np.zeros_like(x))
    y = f(x.copy())
    expected = f.backward(dy.copy(), y=y)
    assert same_bits(f(x), y)
    assert same_bits(f.backward(dy, y=y, out=out), expected)
    assert same_bits(f.backward(dy, y=f(x, out=x), out=dy), expected)
    assert not out.base[..., :3].any()
    assert not out.base[..., -5:].any()


NUMBERS = [1, 0.5, -2, True, np.float32(0.5), np.float16(0.5), np.float64(0.5), np.int8(3)]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: f"{type(number).__name__} {number}")
def test_numbers_are_what_arrays_of_no_dimensions_are(number):
    array = np.atleast_1d(np.asarray(number))
    expected = fa.silu(array)[0]
    for x in (number, np.asarray(number)):
        result = fa.silu(x)
        assert type(result) is type(expected)
        assert same_bits(result, expected)
    dy = np.ones_like(expected)
    gradient = fa.silu.backward(np.atleast_1d(dy), x=array)[0]
    for x in (number, np.asarray(number)):
        result = fa.silu.backward(dy, x=x)
        assert type(result) is type(gradient)
        assert same_bits(result, gradient)
    out = np.zeros((), expected.dtype)
    assert fa.silu(number, out=out) is out
    assert same_bits(out, expected)


def test_numbers_that_are_too_large():
    assert fa.relu(2**70) == 2.0**70
    with pytest.raises(TypeError, match="object"):
        fa.relu(10**400)


def _refuse(*_):
    raise AssertionError("the call took the path of arrays of any layout")


def _given(kind, dtype):
    """What the calls below are written with: parts of matrices of 64 x 64, or numbers."""
    random = np.random.default_rng(0)
    if kind == "numbers":
        x, dy, a, b = (dtype(value) for value in random.normal(size=4))
        bias, out = dtype(0.5), None
    elif kind == "arrays of no dimensions":
        x, dy, a, b = (np.array(value, dtype) for value in random.normal(size=4))
        bias, out = np.array(0.5, dtype), np.zeros((), dtype)
    else:
        x, dy, a, b = (_rows(random.normal(size=(64, 64)).astype(dtype)) for _ in range(4))
        bias, out = random.normal(size=64).astype(dtype), _rows(np.zeros((64, 64), dtype))
    mask = _rows(random.random((64, 64)) > 0.3) if kind == "parts" else None
    return {"fa": fa, "np": np, "x": x, "dy": dy, "a": a, "b": b, "bias": bias, "out": out, "mask": mask}


SHORT = (
    "fa.silu(x)", "fa.silu(x, out=out)", "fa.silu(x, bias=bias, out=out)",
    "fa.silu(x, bias=bias, residual=a, out=out)", "fa.silu(x, dropout=(0.1, 7), out=out)",
    "fa.silu.backward(dy, x=x, out=out)", "fa.silu.backward(dy, x=x, bias=bias, out=out)",
    "fa.silu.backward(dy, x=x, bias=bias, bias_grad=True, out=out)",
    "fa.relu.backward(dy, y=x, bias=bias, bias_grad=True, dropout=(0.1, 7), out=out)",
    "fa.rrelu(x, seed=7, bias=bias, out=out)",
    "fa.rrelu.backward(dy, x=x, seed=7, bias=bias, bias_grad=True, out=out)",
    "fa.swiglu(a, gate=b)", "fa.swiglu(a, gate=b, bias=(bias, bias))", "fa.swiglu.backward(dy, x=a, gate=b)",
    "fa.swiglu.backward(dy, x=a, gate=b, bias=(bias, bias))",
    "fa.prelu(x, 0.25)", "fa.prelu.backward(dy, x=x, weight=0.25)",
)  # fmt: skip
"""Calls that run on numbers and on parts of matrices as on contiguous arrays."""
OF_PARTS = (
    "fa.prelu(x, bias, out=out)", "fa.prelu(x, bias, bias=bias, out=out)",
    "fa.prelu.backward(dy, x=x, weight=bias, out=out)",
    "fa.prelu.backward(dy, x=x, weight=bias, bias=bias, residual=a, dropout=(0.1, 7), bias_grad=True)",
    "fa.softmax(x)", "fa.softmax(x, out=out)", "fa.softmax(x, 0, out=out)", "fa.softmax(x, out=x)",
    "fa.softmin.backward(dy, y=x, out=out)", "fa.log_softmax.backward(dy, y=np.array(x))",
    "fa.sparsemax(np.array(x), out=out)", "fa.sparsemax.backward(dy, y=x, axis=0)",
    "fa.softmax(x, scale=0.5, causal=True, mask=mask, out=out)",
    "fa.softmin.backward(dy, y=x, causal=3, out=out)",
    "fa.softmax(x, where=mask, out=out)", "fa.softmax(np.array(x), where=mask, out=np.array(out))",
    "fa.softmax(np.array(x), where=mask[0])", "fa.log_softmax(x, mask=mask)",
    "fa.softmax(x, temperature=0.5, out=out)", "fa.softmax.backward(dy, y=x, temperature=0.5, out=out)",
    "fa.swiglu(x, out=out[:, :32])", "fa.swiglu.backward(dy[:, :32], x=x, out=out)",
    "fa.swiglu.backward(dy[:, :32], x=x, bias=bias, bias_grad=True, out=out)",
    "fa.swiglu.backward(dy, x=a, gate=b, bias=(bias, None), bias_grad=True, out=(out, x))",
)  # fmt: skip
"""Those whose axis numbers do not have."""


@pytest.mark.parametrize("float_dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("kind", "call"),
    [(kind, call) for kind in ("parts", "numbers", "arrays of no dimensions") for call in SHORT]
    + [("parts", call) for call in OF_PARTS],
)
def test_the_short_path_is_taken(kind, call, float_dtype, monkeypatch):
    fa.softmax(np.ones((1, 1)), temperature=0.5)  # one that was checked is known from then on
    with monkeypatch.context() as patched:
        patched.setattr(arrays, "as_input", _refuse)
        result = eval(call, _given(kind, float_dtype))
    copies = {
        name: np.array(v) if isinstance(v, np.ndarray) else v for name, v in _given(kind, float_dtype).items()
    }
    assert same_bits(_flat(result), _flat(eval(call, copies)))


def _flat(result):
    """All numbers of a result, or of several."""
    parts = [_flat(part) for part in result] if isinstance(result, tuple) else [np.ravel(result)]
    return np.concatenate(parts)
