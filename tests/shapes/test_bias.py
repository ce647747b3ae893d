"""A bias and a residual are added in the pass of an activation, and its gradient is summed in backward's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cases import DTYPES, FLOATS, HALVES, same_bits

import fastact as fa
from fastact import catalog

ROWS = [row for row in catalog.rows if row.kind in ("elementwise", "random")]
GATED = [row for row in catalog.rows if row.shape.halves]
SHAPES = [((7,), 0), ((3, 300), 1), ((40, 5), -1), ((4, 1500), 1), ((3, 4, 50), 1), ((2, 6, 100), 0)]
SHAPES += [((2, 3, 5, 80), 1), ((5, 2000, 3), 1), ((0, 4), 1)]
LAYOUTS = {
    "fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "in rows": lambda a: np.concatenate([a, a], axis=-1)[..., : a.shape[-1]],
    "reversed": lambda a: np.flip(np.flip(a).copy()),
    "swapped": lambda a: a.astype(a.dtype.newbyteorder()),
}


def _draw(shape, dtype, seed=0, scale=2.0):
    return np.random.default_rng(seed).normal(0, scale, shape).astype(dtype)


def _needs(row):
    return {**row.needs, **row.shape.may_have}


def _along(bias, shape, axis):
    return bias.reshape([-1 if i == axis % len(shape) else 1 for i in range(len(shape))])


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def row(request):
    return request.param


@pytest.fixture(params=GATED, ids=lambda row: row.name)
def gated(request):
    return fa.get(request.param.name)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_it_is_the_activation_of_the_sum_to_the_bit(row, shape, axis, dtype):
    f, x, bias = fa.get(row.name), _draw(shape, dtype), _draw(shape[axis], dtype, 1)
    total = x + _along(bias, shape, axis)
    expected = f(total, **_needs(row))
    assert same_bits(f(x, bias=bias, bias_axis=axis, **_needs(row)), expected)
    out = x.copy()
    assert f(out, bias=bias, bias_axis=axis, out=out, **_needs(row)) is out
    assert same_bits(out, expected)
    residual = _draw(shape, dtype, 2)
    expected = f(total + residual, **_needs(row))
    assert same_bits(f(x, bias=bias, bias_axis=axis, residual=residual, **_needs(row)), expected)
    assert f(x, bias=bias, bias_axis=axis, residual=residual, out=residual, **_needs(row)) is residual
    assert same_bits(residual, expected)
    assert same_bits(f(x, bias=0.3, **_needs(row)), f(x + dtype(0.3), **_needs(row)))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_half_precision_keeps_the_sum_in_float32(dtype, shape, axis):
    x, bias, dy = _draw(shape, dtype), _draw(shape[axis], dtype, 1), _draw(shape, dtype, 2)
    wide = x.astype(np.float32) + _along(bias, shape, axis).astype(np.float32)
    assert same_bits(fa.gelu(x, bias=bias, bias_axis=axis), fa.gelu(wide).astype(dtype))
    assert same_bits(fa.gelu(x, bias=bias.astype(np.float32), bias_axis=axis), fa.gelu(wide).astype(dtype))
    dx, dbias = fa.gelu.backward(dy, x=x, bias=bias, bias_axis=axis, bias_grad=True)
    terms = fa.gelu.backward(
        dy.astype(np.float32), x=x.astype(np.float32), bias=bias.astype(np.float32), bias_axis=axis
    )
    assert same_bits(dx, terms.astype(dtype))
    assert dbias.dtype == dtype
    _is_the_sum(dbias, terms, axis)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_layouts_do_not_change_it(layout, axis, dtype):
    if dtype not in FLOATS and layout is LAYOUTS["swapped"]:
        pytest.skip("bfloat16 has one byte order")
    x, dy = _draw((60, 300), dtype), _draw((60, 300), dtype, 1)
    bias, residual = _draw(x.shape[axis], dtype, 2), _draw(x.shape, dtype, 3)
    words = {"bias": bias, "bias_axis": axis, "residual": residual}
    expected = fa.mish(x, **words)
    other = {**words, "residual": layout(residual)}
    assert same_bits(fa.mish(layout(x), **other), expected)
    out = layout(np.zeros_like(x))
    assert fa.mish(layout(x), **words, out=out) is out
    assert same_bits(out.astype(dtype), expected)
    out = layout(x)
    fa.mish(out, **words, out=out)
    assert same_bits(out.astype(dtype), expected)
    dx, dbias = fa.mish.backward(dy, x=x, **words, bias_grad=True)
    dx_other, dbias_other = fa.mish.backward(layout(dy), x=layout(x), **other, bias_grad=True)
    assert same_bits(dx_other, dx)
    assert same_bits(dbias_other, dbias)


@pytest.mark.parametrize("name", ["silu", "relu", "rrelu"])
@pytest.mark.parametrize("shape", [(1100, 2048), (3000, 801), (260_000, 9), (3, 3, 250_001), (400, 30, 200)])
def test_a_large_array_is_streamed_with_the_same_bits(name, shape, threads):
    f, needs = fa.get(name), {"seed": 3} if name == "rrelu" else {}
    x, bias = _draw(shape, np.float32), _draw(shape[1], np.float32, 1)
    expected = f(x + _along(bias, shape, 1), **needs)
    assert same_bits(f(x, bias=bias, bias_axis=1, **needs), expected)
    assert same_bits(f(x, bias=0.5, **needs), f(x + np.float32(0.5), **needs))
    assert same_bits(f(x, bias=bias, bias_axis=1, out=x, **needs), expected)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_backward_is_that_of_the_sum_and_the_bias_gets_its_sum(row, shape, axis, dtype):
    f, x, bias, dy = (
        fa.get(row.name),
        _draw(shape, dtype),
        _draw(shape[axis], dtype, 1),
        _draw(shape, dtype, 2),
    )
    total = x + _along(bias, shape, axis)
    for saved in row.saves:
        kept = {"x": total, "y": f(total, **_needs(row))}[saved]
        expected = f.backward(dy, **{saved: kept}, **_needs(row))
        given = {"x": x, "bias": bias} if saved == "x" else {"y": kept}
        given |= {"bias_axis": axis, **_needs(row)}
        dx, dbias = f.backward(dy, **given, bias_grad=True)
        assert same_bits(dx, expected)
        assert dbias.dtype == dtype
        assert dbias.shape == (shape[axis],)
        _is_the_sum(dbias, dx, axis)
        if saved == "x":
            assert same_bits(f.backward(dy, **given), expected)
        for k in range(2):
            arrays = [dy.copy(), kept.copy() if saved == "y" else x.copy()]
            again = f.backward(arrays[0], **{**given, saved: arrays[1]}, bias_grad=True, out=arrays[k])
            assert again[0] is arrays[k]
            assert same_bits(again[0], expected)
            assert same_bits(again[1], dbias)
        dx, one = f.backward(dy, **{**given, "bias": 0.25}, bias_grad=True)
        assert np.shape(one) == ()
        assert type(one) is dtype
        _is_the_sum(one, dx, None)


def _is_the_sum(dbias, dx, axis):
    """The sum of dx rounded once, within what float64 may lose of n terms: n 2^-53 of their magnitudes.

    Where the terms are float64 themselves, that is carried.
    """
    rows = dx.reshape(1, -1) if axis is None else np.moveaxis(dx, axis, 0).reshape(dx.shape[axis], -1)
    exact = np.array([math.fsum(row) for row in rows.tolist()])
    lost = rows.shape[1] * 2.0**-53 * np.abs(rows.astype(np.float64)).sum(axis=1)
    if dx.dtype == np.float64:
        lost *= 2.0**-53
    found = np.atleast_1d(dbias)
    ulp = np.abs(np.spacing(exact.astype(found.dtype)).astype(np.float64))
    # Where the sum that it is held against is rounded to the same dtype, they may be neighbours.
    share = 1.0 if found.dtype == np.float64 else 0.5 + 2.0**-10
    assert (np.abs(found.astype(np.float64) - exact) <= share * ulp + lost).all()


def test_a_sum_over_many_rows_that_cancel_loses_nothing(dtype):
    dy = _draw((200_000, 6), dtype, 1, 1e3)
    x = np.abs(_draw((200_000, 6), dtype)) + 1
    _is_the_sum(fa.relu.backward(dy, x=x, bias_grad=True)[1], dy, 1)
    wide = dy.reshape(1000, 1200)
    _is_the_sum(fa.relu.backward(wide, y=x.reshape(1000, 1200), bias_grad=True)[1], wide, 1)


@pytest.mark.parametrize("shape", [(700, 512), (64, 3, 40, 50), (3000, 9), (20, 30_000)])
def test_threads_and_parts_do_not_change_a_sum(dtype, threads, shape):
    dy, x = _draw(shape, dtype, 1), _draw(shape, dtype)
    bias = _draw(shape[1], dtype, 2)
    words = {"bias": bias, "bias_axis": 1, "bias_grad": True}
    with fa.num_threads(1):
        expected = fa.silu.backward(dy, x=x, **words)
    result = fa.silu.backward(dy, x=x, **words)
    assert same_bits(result[0], expected[0])
    assert same_bits(result[1], expected[1])
    moved = np.empty(x.size + 3, dtype)[3:].reshape(shape)
    moved[...] = x
    assert same_bits(fa.silu.backward(dy, x=moved, **words)[1], expected[1])


def test_infinite_and_missing_terms_show_in_the_sum(dtype):
    dy = np.ones((100, 4), dtype)
    dy[3, 1], dy[5, 2], dy[7, 3], dy[8, 3] = np.inf, np.nan, np.inf, -np.inf
    dbias = fa.identity.backward(dy, x=np.ones_like(dy), bias_grad=True)[1]
    np.testing.assert_array_equal(dbias, [100, np.inf, np.nan, np.nan])


def test_it_is_the_slope_of_forward():
    x, bias, dy = _draw((30, 8), np.float64), _draw(8, np.float64, 1), _draw((30, 8), np.float64, 2)
    dbias = fa.tanh.backward(dy, y=fa.tanh(x, bias=bias), bias_grad=True)[1]
    for k, step in enumerate(np.eye(8) * 1e-6):
        rise = np.sum(dy * (fa.tanh(x, bias=bias + step) - fa.tanh(x, bias=bias - step))) / 2e-6
        assert dbias[k] == pytest.approx(rise, rel=1e-7)


def test_words_and_other_gradients_go_with_it():
    x, bias, dy = _draw((20, 8), np.float32), _draw(8, np.float32, 1), _draw((20, 8), np.float32, 2)
    assert same_bits(fa.gelu(x, approximate="tanh", bias=bias), fa.gelu_tanh(x + bias))
    assert same_bits(fa.gelu(x, "tanh", bias=bias), fa.gelu_tanh(x + bias))
    assert same_bits(
        fa.gelu.backward(dy, x=x, approximate="tanh", bias=bias), fa.gelu_tanh.backward(dy, x=x + bias)
    )
    dx, dbeta, dbias = fa.swish.backward(dy, x=x, beta=0.7, bias=bias, beta_grad=True, bias_grad=True)
    expected = fa.swish.backward(dy, x=x + bias, beta=0.7, beta_grad=True)
    assert same_bits(dx, expected[0])
    assert same_bits(dbeta, expected[1])
    _is_the_sum(dbias, dx, 1)


def test_integers_and_numbers():
    assert fa.silu(1, bias=2) == fa.silu(3.0)
    assert type(fa.silu(np.float32(1), bias=2)) is np.float32
    assert same_bits(fa.silu(np.arange(4), bias=np.arange(4)), fa.silu(2.0 * np.arange(4)))
    assert same_bits(fa.silu(np.float32([1, 2]), bias=[1, 2]), fa.silu(np.float32([2, 4])))


def test_a_bias_that_lies_in_the_result():
    x, room = _draw((6, 8), np.float32), _draw((7, 8), np.float32, 1)
    bias, expected = room[3], fa.silu(x + room[3])
    fa.silu(x, bias=bias, out=room[:6])
    assert same_bits(room[:6], expected)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"bias": np.ones(3, np.float32)}, ValueError, r"\(3,\).*\(8,\)"),
        ({"bias": np.ones((4, 8), np.float32)}, ValueError, r"\(4, 8\)"),
        ({"bias": np.ones(8, np.float32), "bias_axis": 2}, np.exceptions.AxisError, "2"),
        ({"bias": np.ones(8, np.float32), "bias_axis": 1.5}, TypeError, "1.5"),
        ({"bias": np.ones(8, complex)}, TypeError, "complex"),
        ({"bias": "a"}, TypeError, "dtype"),
        ({"residual": np.ones(8, np.float32)}, ValueError, r"\(8,\).*\(4, 8\)"),
        ({"residual": np.ones((4, 8))}, TypeError, "float64"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_written(given, error, text):
    x = _draw((4, 8), np.float32)
    kept = x.copy()
    for call in (fa.silu, fa.swiglu) if "residual" not in given else (fa.silu,):
        out = x if call is fa.silu else x[:, :4]
        with pytest.raises(error, match=text):
            call(x, **given, out=out)
        with pytest.raises(error, match=text):
            call.backward(x if call is fa.silu else x[:, :4], x=x, **given, out=x)
    assert same_bits(x, kept)


def test_arrays_of_other_libraries_are_refused_or_work():
    pandas = pytest.importorskip("pandas")
    series = pandas.Series([1.0, 2.0], index=["a", "b"])
    assert fa.silu(series, bias=0.5).index.tolist() == ["a", "b"]
    for given in ({"bias": np.ones(2)}, {"bias": series}, {"residual": np.ones(2)}):
        with pytest.raises(TypeError, match="Series"):
            fa.silu(series, **given)
    with pytest.raises(TypeError, match="Series"):
        fa.silu.backward(series, x=series, bias_grad=True)
    with pytest.raises(TypeError, match="Series"):
        fa.swiglu(np.ones(2), gate=series)
    frame = pandas.DataFrame(np.ones((2, 4)))
    with pytest.raises(TypeError, match="DataFrame"):
        fa.swiglu(frame, bias=np.ones(4))


def test_it_is_of_one_call_and_cannot_be_bound():
    for name in ("bias", "bias_axis", "residual", "bias_grad"):
        with pytest.raises(TypeError, match=name):
            fa.silu.bind(**{name: 1})
    bound = fa.leaky_relu.bind(negative_slope=0.2)
    x, bias = _draw((3, 4), np.float32), _draw(4, np.float32, 1)
    assert same_bits(bound(x, bias=bias), fa.leaky_relu(x + bias, 0.2))


# -- prelu, whose kernel takes weights, too -----------------------------------------------------------

WEIGHTED = [((7,), 0, 0), ((40, 5), 1, 1), ((6, 300), 1, 0), ((4, 1500), 0, 1), ((3, 20, 50), 1, 2)]
WEIGHTED += [((2, 6, 100), 1, 1), ((5, 3, 2000), 2, 0), ((0, 4), 1, 1)]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("one", [False, True])
@pytest.mark.parametrize(("shape", "axis", "bias_axis"), WEIGHTED)
def test_prelu_takes_it_beside_its_weights(dtype, one, shape, axis, bias_axis):
    x, dy, residual = _draw(shape, dtype), _draw(shape, dtype, 2), _draw(shape, dtype, 3)
    bias, weight = _draw(shape[bias_axis], dtype, 1), 0.3 if one else _draw(shape[axis], dtype, 4)
    total = x + _along(bias, shape, bias_axis)
    words = {"weight": weight, "axis": axis, "bias": bias, "bias_axis": bias_axis}
    expected = fa.prelu(total, weight, axis)
    assert same_bits(fa.prelu(x, **words), expected)
    assert same_bits(fa.prelu(x, **words, residual=residual), fa.prelu(total + residual, weight, axis))
    dx, dweight, dbias = fa.prelu.backward(dy, x=x, **words, bias_grad=True)
    gradients = fa.prelu.backward(dy, x=total, weight=weight, axis=axis)
    assert same_bits(dx, gradients[0])
    assert same_bits(dweight, gradients[1])
    _is_the_sum(dbias, dx, bias_axis)
    again = fa.prelu.backward(dy, x=x, **words)
    assert len(again) == 2
    assert same_bits(again[0], dx)
    for layout in LAYOUTS.values():
        assert same_bits(fa.prelu(layout(x), **words), expected)
        again = fa.prelu.backward(layout(dy), x=layout(x), **words, bias_grad=True)
        assert all(same_bits(a, b) for a, b in zip(again, (dx, dweight, dbias), strict=True))
        out = layout(x.copy())
        assert fa.prelu(out, **words, out=out) is out
        assert same_bits(out.astype(dtype), expected)


@pytest.mark.parametrize("dtype", HALVES)
def test_prelu_of_half_precision_keeps_the_sum_in_float32(dtype):
    x, dy, bias = _draw((6, 40), dtype), _draw((6, 40), dtype, 1), _draw(40, dtype, 2)
    weight = _draw(40, dtype, 3)
    wide = x.astype(np.float32) + bias.astype(np.float32)
    expected = fa.prelu(wide, weight.astype(np.float32)).astype(dtype)
    assert same_bits(fa.prelu(x, weight, bias=bias), expected)
    assert same_bits(fa.prelu(x, weight.astype(np.float32), bias=bias), expected)
    dx, dweight = fa.prelu.backward(dy, x=x, weight=weight, bias=bias)
    gradients = fa.prelu.backward(dy.astype(np.float32), x=wide, weight=weight.astype(np.float32))
    assert same_bits(dx, gradients[0].astype(dtype))
    ulp = float(np.spacing(dtype(1)))
    np.testing.assert_allclose(dweight.astype(np.float32), gradients[1], rtol=ulp, atol=1e-6)


def test_prelu_with_a_bias_that_does_not_fit():
    x = _draw((4, 8), np.float32)
    kept = x.copy()
    with pytest.raises(ValueError, match=r"bias.*\(4,\).*\(8,\)"):
        fa.prelu(x, 0.25, bias=x[:, 0].copy(), out=x)
    with pytest.raises(ValueError, match="weight"):
        fa.prelu(x, x[:, 0].copy(), bias=1.0, out=x)
    with pytest.raises(ValueError, match="residual"):
        fa.prelu.backward(x, x=x, weight=0.25, residual=x[0], out=x)
    assert same_bits(x, kept)


def test_maxout_and_rows_have_none():
    for f, words in ((fa.maxout, {"pieces": 2}), (fa.softmax, {})):
        with pytest.raises(TypeError, match="bias"):
            f(np.ones(4), **words, bias=1.0)


# -- Gates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("shape", "axis"), [((6, 8), 1), ((6, 8), 0), ((30, 2600), 1), ((4, 6, 50), 1)])
def test_gates_take_it_along_any_axis(gated, dtype, shape, axis):
    x = _draw(shape, dtype)
    for bias_axis in range(len(shape)):
        bias = _draw(shape[bias_axis], dtype, 1)
        total = x + _along(bias, shape, bias_axis)
        words = {"axis": axis, "bias": bias, "bias_axis": bias_axis}
        y = gated(x, **words)
        assert same_bits(y, gated(total, axis=axis))
        dy = _draw(y.shape, dtype, 2)
        expected = gated.backward(dy, x=total, axis=axis)
        dx, dbias = gated.backward(dy, x=x, **words, bias_grad=True)
        assert same_bits(dx, expected)
        assert same_bits(gated.backward(dy, x=x, **words), expected)
        _is_the_sum(dbias, dx, bias_axis)
        out = x.copy()
        again = gated.backward(dy, x=out, **words, bias_grad=True, out=out)
        assert again[0] is out
        assert same_bits(again[0], dx)
        assert same_bits(again[1], dbias)
        strided = np.repeat(x, 2, axis=-1)[..., ::2]
        assert same_bits(gated(strided, **words), y)
        again = gated.backward(dy, x=strided, **words, bias_grad=True)
        assert same_bits(again[0], dx)
        assert same_bits(again[1], dbias)


@pytest.mark.parametrize("dtype", HALVES)
def test_gates_of_half_precision_keep_the_sum_in_float32(gated, dtype):
    x, bias, dy = _draw((5, 60), dtype), _draw(60, dtype, 1), _draw((5, 30), dtype, 2)
    wide = x.astype(np.float32) + bias.astype(np.float32)
    assert same_bits(gated(x, bias=bias), gated(wide).astype(dtype))
    expected = gated.backward(dy.astype(np.float32), x=wide).astype(dtype)
    assert same_bits(gated.backward(dy, x=x, bias=bias), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5,), (4, 33), (3, 5, 700), (0, 4)])
def test_a_gate_of_its_own_is_the_other_half(gated, dtype, shape):
    a, b, dy = (_draw(shape, dtype, seed) for seed in range(3))
    x = np.concatenate([a, b], axis=-1)
    expected, (da, db) = gated(x), np.split(gated.backward(dy, x=x), 2, axis=-1)
    assert same_bits(gated(a, gate=b), expected)
    results = gated.backward(dy, x=a, gate=b)
    assert same_bits(results[0], da)
    assert same_bits(results[1], db)
    # The halves of one array, which are in rows, written where they are read.
    left, right = x[..., : shape[-1]], x[..., shape[-1] :]
    assert same_bits(gated(left, gate=right), expected)
    assert gated(left, gate=right, out=left) is left
    assert same_bits(left, expected)
    left[...] = a
    pair = (left, right)
    assert gated.backward(dy, x=left, gate=right, out=pair) is pair
    assert same_bits(left, da)
    assert same_bits(right, db)
    slow = [np.asfortranarray(np.repeat(array, 2, axis=-1))[..., ::2] for array in (dy, a, b)]
    assert same_bits(gated(slow[1], gate=slow[2]), expected)
    results = gated.backward(slow[0], x=slow[1], gate=slow[2])
    assert same_bits(results[0], da)
    assert same_bits(results[1], db)
    assert same_bits(gated(a, gate=b, out=b), expected)


def test_a_gate_of_its_own_that_does_not_fit(gated):
    a, b = _draw((4, 8), np.float32), _draw((4, 8), np.float32, 1)
    kept = a.copy()
    with pytest.raises(ValueError, match=r"\(4, 8\).*\(4, 7\)"):
        gated(a, gate=b[:, :7], out=a)
    for bias in (1.0, b[0], (1.0,), (1.0, 2.0, 3.0)):
        with pytest.raises(TypeError, match=r"bias.*pair"):
            gated(a, gate=b, bias=bias, out=a)
    with pytest.raises(ValueError, match=r"\(3,\).*\(8,\)"):
        gated(a, gate=b, bias=(None, np.ones(3, np.float32)), out=a)
    with pytest.raises(TypeError, match="out"):
        gated.backward(b, x=a, gate=b, out=a)
    with pytest.raises(ValueError, match="share"):
        gated.backward(b, x=a, gate=b, out=(a, a))
    with pytest.raises(ValueError, match="dy"):
        gated.backward(b[:3], x=a, gate=b)
    assert same_bits(a, kept)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("shape", "axis"), [((5,), 0), ((4, 33), -1), ((33, 40), 0), ((3, 5, 700), 1)])
def test_two_arrays_have_a_bias_each(gated, dtype, shape, axis):
    a, b, dy = (_draw(shape, dtype, seed) for seed in range(3))
    biases = _draw(shape[axis], dtype, 3), _draw(shape[axis], dtype, 4)
    for pair in (biases, (biases[0], None), (None, biases[1]), (0.5, biases[1]), (0.5, -1)):
        sums = [
            array if bias is None else array + (_along(bias, shape, axis) if np.ndim(bias) else dtype(bias))
            for array, bias in zip((a, b), pair, strict=True)
        ]
        expected = gated(sums[0], gate=sums[1])
        gradients = gated.backward(dy, x=sums[0], gate=sums[1])
        words = {"bias": pair, "bias_axis": axis}
        for layout in (np.array, *LAYOUTS.values()):
            left, right, slope = layout(a.copy()), layout(b.copy()), layout(dy)
            assert same_bits(gated(left, gate=right, **words), expected)
            da, db, dbias = gated.backward(slope, x=left, gate=right, **words, bias_grad=True)
            assert same_bits(da, gradients[0])
            assert same_bits(db, gradients[1])
            shapes = [(shape[axis],) if one is None else np.shape(one) for one in pair]
            assert [np.shape(one) for one in dbias] == shapes
            for one, given, dx in zip(dbias, pair, gradients, strict=True):
                _is_the_sum(one, dx, axis if given is None or np.ndim(given) else None)
            alone = gated.backward(slope, x=left, gate=right, **words, out=(left, right))
            assert alone[0] is left
            assert same_bits(left.astype(dtype), gradients[0])
            assert same_bits(right.astype(dtype), gradients[1])
            left, right = layout(a.copy()), layout(b.copy())
            assert gated(left, gate=right, **words, out=right) is right
            assert same_bits(right.astype(dtype), expected)


@pytest.mark.parametrize("dtype", HALVES)
def test_two_arrays_of_half_precision_keep_their_sums_in_float32(gated, dtype):
    a, b, dy = (_draw((5, 60), dtype, seed) for seed in range(3))
    pair = _draw(60, dtype, 3), _draw(60, dtype, 4)
    wide = [
        array.astype(np.float32) + bias.astype(np.float32) for array, bias in zip((a, b), pair, strict=True)
    ]
    assert same_bits(gated(a, gate=b, bias=pair), gated(wide[0], gate=wide[1]).astype(dtype))
    gradients = gated.backward(dy.astype(np.float32), x=wide[0], gate=wide[1])
    da, db, dbias = gated.backward(dy, x=a, gate=b, bias=pair, bias_grad=True)
    assert same_bits(da, gradients[0].astype(dtype))
    assert same_bits(db, gradients[1].astype(dtype))
    for one, terms in zip(dbias, gradients, strict=True):
        _is_the_sum(one, terms, 1)


def test_threads_do_not_change_a_gate_with_biases(gated, dtype, threads):
    a, b, dy = (_draw((300, 700), dtype, seed) for seed in range(3))
    words = {"gate": b, "bias": (_draw(700, dtype, 3), _draw(700, dtype, 4))}
    with fa.num_threads(1):
        expected = gated(a, **words), *gated.backward(dy, x=a, **words, bias_grad=True)
    result = gated(a, **words), *gated.backward(dy, x=a, **words, bias_grad=True)
    for one, other in zip((*result[:-1], *result[-1]), (*expected[:-1], *expected[-1]), strict=True):
        assert same_bits(one, other)
