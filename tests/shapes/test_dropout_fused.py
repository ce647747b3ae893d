"""Dropout behind an activation, in its pass: the bits of two calls, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest
from cases import DTYPES, FLOATS, HALVES, same_bits
from layouts import layouts

import fastact as fa
from fastact import catalog

ROWS = [row for row in catalog.rows if row.kind in ("elementwise", "random", "channels")]
GATED = [row for row in catalog.rows if row.shape.halves]
SHAPES = [((7,), 0), ((3, 300), 1), ((4, 1500), 0), ((3, 40, 50), 1), ((0, 4), 1)]
DROPOUT = (0.3, 5)


def _draw(shape, dtype, seed=0, scale=2.0):
    return np.random.default_rng(seed).normal(0, scale, shape).astype(dtype)


def _needs(row):
    return {**row.needs, **row.shape.may_have}


def _along(bias, shape, axis):
    return bias.reshape([-1 if i == axis % len(shape) else 1 for i in range(len(shape))])


def _dropped(array, given=DROPOUT):
    p, seed = given
    return fa.dropout(array, p, seed=seed)


def _dx(result):
    return result[0] if isinstance(result, tuple) else result


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def row(request):
    return request.param


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_it_has_the_bits_of_two_calls(row, shape, axis, dtype):
    f, x, bias = fa.get(row.name), _draw(shape, dtype), _draw(shape[axis], dtype, 1)
    residual, needs = _draw(shape, dtype, 2), _needs(row)
    total = x + _along(bias, shape, axis)
    words = {"bias": bias, "bias_axis": axis, "dropout": DROPOUT, **needs}
    assert same_bits(f(x, dropout=DROPOUT, **needs), _dropped(f(x, **needs)))
    expected = _dropped(f(total, **needs))
    assert same_bits(f(x, **words), expected)
    assert same_bits(f(x, **words, residual=residual), _dropped(f(total + residual, **needs)))
    out = x.copy()
    assert f(out, **words, out=out) is out
    assert same_bits(out, expected)
    assert same_bits(f(np.repeat(x, 2, axis=-1)[..., ::2], **words), expected)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_backward_drops_dy_first(row, shape, axis, dtype):
    f, x, bias = fa.get(row.name), _draw(shape, dtype), _draw(shape[axis], dtype, 1)
    dy, needs = _draw(shape, dtype, 2), _needs(row)
    total = x + _along(bias, shape, axis)
    words = {"bias_axis": axis, "dropout": DROPOUT, **needs}
    left = fa.dropout.backward(dy, p=DROPOUT[0], seed=DROPOUT[1])
    for saved in row.saves:
        kept = {"x": x, "y": f(x, bias=bias, **words)}[saved]
        given = {"x": x, "bias": bias} if saved == "x" else {"y": kept}
        if saved == "y" and not row.sign_will_do:
            with pytest.raises(TypeError, match="x="):
                f.backward(dy, **given, **words)
            continue
        alone = {"x": total, "y": f(total, **needs)}[saved]
        expected = f.backward(left, **{saved: alone}, **needs)
        summed = f.backward(left, **{saved: alone}, **needs, bias_axis=axis, bias_grad=True)
        results = f.backward(dy, **given, **words, bias_grad=True)
        assert same_bits(results[0], _dx(expected))
        for one, other in zip(results[1:], summed[1:], strict=True):
            assert same_bits(one, other)
        assert same_bits(_dx(f.backward(dy, **given, **words)), _dx(expected))
        for k in range(2):
            arrays = [dy.copy(), kept.copy()]
            again = f.backward(
                arrays[0], **{**given, saved: arrays[1]}, **words, bias_grad=True, out=arrays[k]
            )
            assert again[0] is arrays[k]
            assert same_bits(again[0], results[0])


def test_which_derivatives_the_sign_of_y_tells():
    assert [row.name for row in ROWS if row.sign_will_do] == ["identity", "relu", "leaky_relu", "rrelu"]


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "identity", "rrelu"])
def test_what_forward_left_in_place_is_enough_to_train(name, threads):
    f, needs = fa.get(name), {"seed": 3} if name == "rrelu" else {}
    x, bias, dy = _draw((200, 300), np.float32), _draw(300, np.float32, 1), _draw((200, 300), np.float32, 2)
    expected = f.backward(dy, x=x, bias=bias, dropout=DROPOUT, bias_grad=True, **needs)
    y = f(x, bias=bias, dropout=DROPOUT, out=x, **needs)
    result = f.backward(dy, y=y, dropout=DROPOUT, bias_grad=True, out=y, **needs)
    assert same_bits(result[0], expected[0])
    assert same_bits(result[1], expected[1])


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_half_precision_rounds_once(dtype, shape, axis):
    x, bias, dy = _draw(shape, dtype), _draw(shape[axis], dtype, 1), _draw(shape, dtype, 2)
    wide = x.astype(np.float32) + _along(bias, shape, axis).astype(np.float32)
    words = {"bias": bias, "bias_axis": axis, "dropout": DROPOUT}
    assert same_bits(fa.gelu(x, **words), _dropped(fa.gelu(wide)).astype(dtype))
    expected = fa.gelu.backward(_dropped(dy.astype(np.float32)), x=wide).astype(dtype)
    assert same_bits(fa.gelu.backward(dy, x=x, **words), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_layouts_and_threads_do_not_change_it(dtype, threads):
    x, dy = _draw((12, 90, 100), dtype), _draw((12, 90, 100), dtype, 1)
    words = {"bias": _draw(90, dtype, 2), "bias_axis": 1, "dropout": DROPOUT}
    with fa.num_threads(1):
        expected = fa.mish(x, **words)
        gradients = fa.mish.backward(dy, x=x, **words, bias_grad=True)
    assert same_bits(fa.mish(x, **words), expected)
    for layout in layouts(dtype).values():
        assert same_bits(fa.mish(layout(x), **words), expected)
        results = fa.mish.backward(layout(dy), x=layout(x), **words, bias_grad=True)
        assert same_bits(results[0], gradients[0])
        assert same_bits(results[1], gradients[1])
        out = layout(np.zeros_like(x))
        if out.flags.writeable:
            assert fa.mish(x, **words, out=out) is out
            assert same_bits(out.astype(dtype), expected)


def test_parts_of_a_matrix_and_large_arrays_are_dropped_by_their_place():
    wide = _draw((1100, 2100), np.float32)
    part, bias = wide[:, 3:2051], _draw(2048, np.float32, 1)
    expected = _dropped(fa.silu(part + bias))
    for x in (part, part.copy()):
        assert same_bits(fa.silu(x, bias=bias, dropout=DROPOUT), expected)
    assert same_bits(fa.silu(part, bias=bias, dropout=DROPOUT, out=part), expected)


def test_the_ends_and_evaluation(dtype):
    x, bias = _draw((5, 40), dtype), _draw(40, dtype, 1)
    expected = fa.silu(x, bias=bias)
    for given in (None, (0.0, 1), (0.5, None), [0, 7], (0, None)):
        assert same_bits(fa.silu(x, bias=bias, dropout=given), expected)
        np.testing.assert_array_equal(fa.silu(x, dropout=given), fa.silu(x))
    assert not fa.silu(x, bias=bias, dropout=(1, 3)).any()
    assert not fa.silu.backward(x, x=x, bias=bias, dropout=(1.0, 2**64 - 1)).any()
    assert fa.silu(1.5, dropout=(0, 1)) == fa.silu(1.5)


def test_numbers_integers_and_numpy_seeds():
    x = np.arange(-20, 20)
    assert same_bits(fa.relu(x, dropout=(0.5, np.int64(4))), fa.dropout(fa.relu(x), 0.5, seed=4))
    assert same_bits(fa.relu(x, dropout=(np.float32(0.5), 4)), fa.dropout(fa.relu(x), 0.5, seed=4))
    assert type(fa.relu(np.float32(2), dropout=(0.5, 1))) is np.float32


def test_it_is_the_slope_of_forward():
    x, bias, dy = _draw((30, 8), np.float64), _draw(8, np.float64, 1), _draw((30, 8), np.float64, 2)
    words = {"bias": bias, "dropout": (0.4, 9)}
    dx, dbias = fa.gelu.backward(dy, x=x, **words, bias_grad=True)
    step = 1e-6
    rise = dy * (fa.gelu(x + step, **words) - fa.gelu(x - step, **words)) / (2 * step)
    np.testing.assert_allclose(dx, rise, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(dbias, rise.sum(axis=0), rtol=1e-6, atol=1e-7)


def test_other_gradients_see_the_dropped_dy():
    x, bias, dy = _draw((20, 8), np.float32), _draw(8, np.float32, 1), _draw((20, 8), np.float32, 2)
    words = {"bias": bias, "dropout": DROPOUT}
    left = _dropped(dy)
    result = fa.swish.backward(dy, x=x, beta=0.7, **words, beta_grad=True)
    expected = fa.swish.backward(left, x=x + bias, beta=0.7, beta_grad=True)
    assert all(same_bits(a, b) for a, b in zip(result, expected, strict=True))
    result = fa.prelu.backward(dy, x=x, weight=0.3, **words)
    expected = fa.prelu.backward(left, x=x + bias, weight=0.3)
    assert all(same_bits(a, b) for a, b in zip(result, expected, strict=True))


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (0.5, TypeError, "pair"),
        ((0.5,), TypeError, "pair"),
        ((0.5, 1, 2), TypeError, "pair"),
        ((1.5, 1), ValueError, "p=1.5"),
        ((-0.5, None), ValueError, "p=-0.5"),
        ((float("nan"), 1), ValueError, "p=nan"),
        (("half", 1), TypeError, "p="),
        ((0.5, 1.5), TypeError, "seed=1.5"),
        ((0.0, 1.5), TypeError, "seed=1.5"),
        ((0.5, -1), ValueError, "seed=-1"),
        ((0.5, 2**64), ValueError, "seed="),
    ],
)
def test_what_it_does_not_take_is_said_and_nothing_written(given, error, text):
    x = _draw((4, 8), np.float32)
    kept = x.copy()
    for f, needs, out in ((fa.silu, {}, x), (fa.prelu, {"weight": 0.25}, x), (fa.rrelu, {"seed": 1}, x)):
        with pytest.raises(error, match=text):
            f(x, **needs, dropout=given, out=out)
        with pytest.raises(error, match=text):
            f.backward(x, x=x, **needs, dropout=given, out=x)
    with pytest.raises(error, match=text):
        fa.swiglu(x, dropout=given, out=x[:, :4])
    with pytest.raises(error, match=text):
        fa.swiglu.backward(x[:, :4], x=x, dropout=given, out=x)
    assert same_bits(x, kept)


def test_arrays_of_other_libraries_are_refused():
    pandas = pytest.importorskip("pandas")
    series = pandas.Series([1.0, 2.0])
    with pytest.raises(TypeError, match=r"relu: x is a pandas\.Series"):
        fa.relu(series, dropout=DROPOUT)
    with pytest.raises(TypeError, match=r"relu\.backward: dy is a pandas\.Series"):
        fa.relu.backward(series, x=series, dropout=DROPOUT)


def test_what_is_no_activation_of_elements_has_none():
    for f, words in ((fa.maxout, {"pieces": 2}), (fa.softmax, {})):
        with pytest.raises(TypeError, match="dropout"):
            f(np.ones(4), **words, dropout=DROPOUT)
    with pytest.raises(TypeError, match="dropout"):
        fa.relu.bind(dropout=DROPOUT)


# -- Gates -------------------------------------------------------------------------------------------


@pytest.fixture(params=GATED, ids=lambda row: row.name)
def gated(request):
    return fa.get(request.param.name)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("shape", "axis"), [((6, 8), 1), ((6, 8), 0), ((30, 2600), 1), ((4, 6, 50), 1)])
def test_gates_drop_their_result(gated, dtype, shape, axis):
    x, bias = _draw(shape, dtype), _draw(shape[-1], dtype, 1)
    words = {"axis": axis, "bias": bias, "dropout": DROPOUT}
    expected = _dropped(gated(x + bias, axis=axis))
    dy = _draw(expected.shape, dtype, 2)
    gradient = gated.backward(_dropped(dy), x=x + bias, axis=axis)
    for given in (x, np.repeat(x, 2, axis=-1)[..., ::2], np.concatenate([x, x], axis=-1)[..., : shape[-1]]):
        assert same_bits(gated(given, **words), expected)
        assert same_bits(gated(given, axis=axis, dropout=DROPOUT), _dropped(gated(x, axis=axis)))
        assert same_bits(gated.backward(dy, x=given, **words), gradient)
        dx, dbias = gated.backward(dy, x=given, **words, bias_grad=True)
        assert same_bits(dx, gradient)
        assert same_bits(dbias, gated.backward(_dropped(dy), x=x + bias, axis=axis, bias_grad=True)[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5,), (4, 33), (3, 5, 700)])
def test_two_arrays_drop_their_result(gated, dtype, shape):
    a, b, dy = (_draw(shape, dtype, seed) for seed in range(3))
    wide = [array.astype(np.float32) if dtype in HALVES else array for array in (a, b, dy)]
    expected = _dropped(gated(wide[0], gate=wide[1])).astype(dtype)
    gradients = gated.backward(_dropped(wide[2]), x=wide[0], gate=wide[1])
    for layout in (np.array, lambda array: np.repeat(array, 2, axis=-1)[..., ::2]):
        left, right, slope = layout(a), layout(b), layout(dy)
        assert same_bits(gated(left, gate=right, dropout=DROPOUT), expected)
        results = gated.backward(slope, x=left, gate=right, dropout=DROPOUT)
        assert same_bits(results[0], gradients[0].astype(dtype))
        assert same_bits(results[1], gradients[1].astype(dtype))
