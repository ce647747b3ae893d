"""batch_norm: training, inference and gradients against long double, any layout, any threads."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from cases import FLOATS, HALVES, same_bits
from layouts import layouts

import fastact as fa

FORWARD, BACKWARD = fa.batch_norm.row.allowed
SHAPES = (
    *((7, 5), (1000, 3), (70, 130), (2, 3, 1), (3, 4, 50), (2, 3, 17, 40), (5, 70, 3, 3), (1, 2, 300)),
    # Summed in ranges: rows side by side, rows in tiles, runs in pieces.
    *((30_001, 3), (333, 50), (20, 2500), (300, 1100), (2, 3, 33_000), (3, 2, 70, 500)),
)


def _draw(shape, dtype, axis=1, seed=0):
    random = np.random.default_rng(seed)
    x, dy, residual = random.standard_normal((3, *shape)).astype(dtype)
    weight, bias, mean = random.uniform(-1.5, 1.5, (3, shape[axis])).astype(dtype)
    return x, dy, residual, weight, bias, mean, random.uniform(0.5, 2, shape[axis]).astype(dtype)


def _wide(array):
    return np.asarray(array).astype(np.longdouble)


class Exact:
    """The norm of the channels along an axis, and its gradients, in long double."""

    def __init__(self, x, weight, bias, mean=None, var=None, axis=1, eps=1e-5):
        x = _wide(x)
        self.training = mean is None
        self.others = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
        along = self.along = tuple(-1 if i == axis % x.ndim else 1 for i in range(x.ndim))
        self.count = x.size // x.shape[axis]
        self.weight, self.bias = _wide(weight).reshape(along), _wide(bias).reshape(along)
        if mean is None:
            # Around an element, exactly: a mean of 1e14 has no digits left of a spread of 1.
            first = x[tuple(slice(None) if i == axis % x.ndim else slice(1) for i in range(x.ndim))]
            offset = (x - first).mean(self.others, keepdims=True)
            self.mean, distance = first + offset, x - first - offset
        else:
            self.mean = _wide(mean).reshape(along)
            distance = x - self.mean
        self.var = (
            (distance**2).mean(self.others, keepdims=True) if var is None else _wide(var).reshape(along)
        )
        self.rstd = 1 / np.sqrt(self.var + np.longdouble(eps))
        self.value = distance * self.rstd
        self.y = self.value * self.weight + self.bias
        self.term = np.maximum(np.maximum(abs(self.value), 1) * abs(self.weight), abs(self.bias))

    def gradients(self, dy):
        dy = _wide(dy)
        mean, product = (
            terms.mean(self.others, keepdims=True) * self.training for terms in (dy, dy * self.value)
        )
        dx = self.rstd * self.weight * (dy - mean - self.value * product)
        spread = np.sqrt((dy**2).mean(self.others, keepdims=True))
        term = abs(self.rstd * self.weight) * np.maximum(
            np.maximum(abs(dy), spread), abs(self.value * product)
        )
        sums = [(terms.sum(self.others), abs(terms).sum(self.others)) for terms in (dy * self.value, dy)]
        return (dx, term), *sums


def _error(found, exact, term, dtype):
    """In ULP of the term, of which what half precision rounds once is one half more."""
    eps = np.finfo(np.float32).eps if dtype in HALVES else np.finfo(dtype).eps
    difference = abs(_wide(found) - exact)
    if dtype in HALVES:
        half = np.longdouble(2.0 ** (-11 if dtype is np.float16 else -8))
        difference = np.maximum(difference - half * abs(exact) - np.longdouble(2.0**-25), 0)
    return float((difference / (np.maximum(term, np.finfo(np.float64).tiny) * eps)).max())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_training(any_dtype, shape):
    x, dy, residual, weight, bias, mean, var = _draw(shape, any_dtype)
    exact = Exact(x, weight, bias)
    running = mean.copy(), var.copy()
    y, *stats = fa.batch_norm(x, *running, weight, bias, training=True, return_stats=True)
    assert y.dtype == x.dtype
    assert _error(y, exact.y, exact.term, any_dtype) <= FORWARD
    np.testing.assert_allclose(stats[0], exact.mean.reshape(-1).astype(float), atol=1e-6)
    np.testing.assert_allclose(stats[1], exact.rstd.reshape(-1).astype(float), rtol=1e-6)
    unbiased = exact.var.reshape(-1) * exact.count / (exact.count - 1)
    eps = {2: 1e-3 if any_dtype is np.float16 else 8e-3, 4: 1e-6, 8: 1e-14}[np.dtype(any_dtype).itemsize]
    for found, old, new in zip(running, (mean, var), (exact.mean.reshape(-1), unbiased), strict=True):
        assert found.dtype == any_dtype
        expected = (0.9 * _wide(old) + 0.1 * new).astype(float)
        np.testing.assert_allclose(found.astype(float), expected, rtol=eps, atol=eps)
    (dx, term), *sums = exact.gradients(dy)
    for saved in ({}, {"mean": stats[0], "rstd": stats[1]}):
        found = fa.batch_norm.backward(dy, x=x, weight=weight, bias=bias, training=True, **saved)
        assert _error(found[0], dx, term, any_dtype) <= BACKWARD
        for gradient, (total, magnitude) in zip(found[1:], sums, strict=True):
            assert gradient.dtype == x.dtype
            assert _error(gradient, total, magnitude, any_dtype) <= BACKWARD
    summed = fa.batch_norm(x, weight=weight, bias=bias, training=True, residual=residual)
    if any_dtype in FLOATS:
        total = x + residual
        assert same_bits(summed, fa.batch_norm(total, weight=weight, bias=bias, training=True))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_inference(any_dtype, shape):
    x, dy, residual, weight, bias, mean, var = _draw(shape, any_dtype)
    kept = mean.copy(), var.copy()
    exact = Exact(x, weight, bias, mean, var)
    y, *stats = fa.batch_norm(x, mean, var, weight, bias, return_stats=True)
    term = np.maximum(exact.term, abs((exact.mean * exact.rstd) * exact.weight))
    assert _error(y, exact.y, term, any_dtype) <= FORWARD
    assert same_bits(mean, kept[0])
    assert same_bits(var, kept[1])
    (dx, term), *sums = exact.gradients(dy)
    for saved in ({"running_mean": mean, "running_var": var}, {"mean": stats[0], "rstd": stats[1]}):
        found = fa.batch_norm.backward(dy, x=x, weight=weight, bias=bias, **saved)
        assert _error(found[0], dx, term, any_dtype) <= BACKWARD
        for gradient, (total, magnitude) in zip(found[1:], sums, strict=True):
            assert _error(gradient, total, magnitude, any_dtype) <= BACKWARD
    summed = fa.batch_norm(x, mean, var, weight, bias, residual=residual)
    if any_dtype in FLOATS:
        assert same_bits(summed, fa.batch_norm(x + residual, mean, var, weight, bias))


@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_those_of_finite_differences(training):
    x, dy, _, weight, bias, mean, var = _draw((4, 3, 2), np.float64)
    known = {} if training else {"running_mean": mean, "running_var": var}

    def loss(x, weight, bias):
        return np.sum(dy * fa.batch_norm(x, weight=weight, bias=bias, training=training, **known))

    given = [x, weight, bias]
    found = fa.batch_norm.backward(dy, x=x, weight=weight, bias=bias, training=training, **known)
    step = 1e-6
    for k, gradient in enumerate(found):
        for place in np.ndindex(gradient.shape):
            sides = []
            for sign in (1, -1):
                moved = [a.copy() for a in given]
                moved[k][place] += sign * step
                sides.append(loss(*moved))
            assert gradient[place] == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-7)


@pytest.mark.parametrize("shape", [(4000, 3), (20, 3, 400)])
def test_a_mean_that_is_large_beside_the_spread_costs_nothing(shape):
    x, dy, _, weight, bias, _, _ = _draw(shape, np.float32)
    x += np.float32(1e4)
    exact = Exact(x, weight, bias)
    y = fa.batch_norm(x, weight=weight, bias=bias, training=True)
    assert _error(y, exact.y, exact.term, np.float32) <= FORWARD
    (dx, term), *_ = exact.gradients(dy)
    found = fa.batch_norm.backward(dy, x=x, weight=weight, bias=bias, training=True)
    assert _error(found[0], dx, term, np.float32) <= BACKWARD


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -3])
@pytest.mark.parametrize("training", [True, False])
def test_any_axis_is_that_of_a_moved_array(any_dtype, axis, training):
    x, dy, _, weight, bias, mean, var = _draw((4, 5, 6, 3), any_dtype, axis)
    known = {} if training else {"running_mean": mean, "running_var": var}
    given = {"weight": weight, "bias": bias, "training": training, "axis": axis, **known}
    exact = Exact(x, weight, bias, *known.values(), axis=axis)
    y = fa.batch_norm(x, **given)
    term = np.maximum(exact.term, abs(exact.mean * exact.rstd * exact.weight))
    assert _error(y, exact.y, term, any_dtype) <= FORWARD
    dx, *_ = fa.batch_norm.backward(dy, x=x, **given)
    (exact_dx, term), *_ = exact.gradients(dy)
    assert _error(dx, exact_dx, term, any_dtype) <= BACKWARD


@pytest.mark.parametrize(
    "shape",
    [(5, 4, 6), (70, 90, 30), (20, 300, 1), (9_001, 5, 1), (150, 1, 700), (17, 9_000, 1), (2, 3, 33_000)],
    ids=str,
)
@pytest.mark.parametrize("training", [True, False])
def test_any_layout_and_any_threads_have_the_same_bits(any_dtype, shape, training):
    x, dy, residual, weight, bias, mean, var = _draw(shape, any_dtype)
    known = {} if training else {"running_mean": mean, "running_var": var}
    given = {"weight": weight, "bias": bias, "training": training, **known}
    y = fa.batch_norm(x, **given, residual=residual)
    gradients = fa.batch_norm.backward(dy, x=x, **given)
    for threads in (2, 3):
        with fa.num_threads(threads):
            assert same_bits(fa.batch_norm(x, **given, residual=residual), y)
            again = fa.batch_norm.backward(dy, x=x, **given)
            assert all(same_bits(a, b) for a, b in zip(again, gradients, strict=True))
    for layout in layouts(any_dtype).values():
        arrays = layout(x), layout(residual)
        assert same_bits(fa.batch_norm(arrays[0], **given, residual=arrays[1]), y)
        again = fa.batch_norm.backward(layout(dy), x=arrays[0], **given)
        assert all(same_bits(a, b) for a, b in zip(again, gradients, strict=True))
        if arrays[0].flags.writeable:
            out = layout(np.zeros_like(x))
            assert fa.batch_norm(x, **given, residual=residual, out=out) is out
            assert same_bits(out.astype(x.dtype), y)
            assert fa.batch_norm.backward(dy, x=x, **given, out=out)[0] is out
            assert same_bits(out.astype(x.dtype), gradients[0])


@pytest.mark.parametrize("training", [True, False])
def test_in_place(any_dtype, training):
    x, dy, residual, weight, bias, mean, var = _draw((9, 8, 70), any_dtype)
    known = {} if training else {"running_mean": mean, "running_var": var}
    given = {"weight": weight, "bias": bias, "training": training, **known}
    y = fa.batch_norm(x, **given, residual=residual)
    for kept in (0, 1):
        arrays = [x.copy(), residual.copy()]
        assert fa.batch_norm(arrays[0], **given, residual=arrays[1], out=arrays[kept]) is arrays[kept]
        assert same_bits(arrays[kept], y)
    gradients = fa.batch_norm.backward(dy, x=x, **given)
    for kept in (0, 1):
        arrays = [dy.copy(), x.copy()]
        found = fa.batch_norm.backward(arrays[0], x=arrays[1], **given, out=arrays[kept])
        assert found[0] is arrays[kept]
        assert all(same_bits(a, b) for a, b in zip(found, gradients, strict=True))
    memory = np.concatenate([x.reshape(-1), x.reshape(-1)[:7]])
    expected = fa.batch_norm(x, **given)
    fa.batch_norm(memory[: x.size].reshape(x.shape), **given, out=memory[7:].reshape(x.shape))
    assert same_bits(memory[7:].reshape(x.shape), expected)


EXTREMES = {
    "subnormal": lambda noise, t: noise * t.smallest_subnormal * 1000,
    "squares below the range": lambda noise, t: noise * np.sqrt(t.tiny) / 64,
    "squares beyond the range": lambda noise, t: noise * np.sqrt(t.max) * 8,
    "near the end": lambda noise, t: noise / np.abs(noise).max() * t.max / 4,
    "a large mean": lambda noise, t: noise + 0.05 / t.eps,
}


@pytest.mark.parametrize("case", EXTREMES)
@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: d.__name__)
@pytest.mark.parametrize("shape", [(900, 70), (200, 3), (3, 20, 100), (2, 3, 33_000)], ids=str)
def test_extreme_values(dtype, shape, case):
    _, _, _, weight, bias, _, _ = _draw(shape, dtype)
    noise = np.random.default_rng(3).standard_normal(shape).astype(np.longdouble)
    x = EXTREMES[case](noise, np.finfo(dtype)).astype(dtype)
    # Of numbers so small, what divides by their spread is beyond the range.
    eps = 1e-5 if case == "subnormal" else 0.0
    exact = Exact(x, weight, bias, eps=eps)
    y = fa.batch_norm(x, weight=weight, bias=bias, training=True, eps=eps)
    assert _error(y, exact.y, exact.term, dtype) <= FORWARD


@pytest.mark.parametrize("shape", [(300_000, 4), (2, 4, 150_000)], ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_any_layout_copies_no_array(any_dtype, shape, training):
    """What is not plain comes through a buffer of a fixed size."""
    x, dy, _, weight, bias, mean, var = _draw(shape, any_dtype)
    known = {} if training else {"running_mean": mean, "running_var": var}
    given = {"weight": weight, "bias": bias, "training": training, **known}
    out = np.zeros_like(x)
    x, dy, out = (np.asfortranarray(a) for a in (x, dy, out))
    tracemalloc.start()
    try:
        fa.batch_norm(x, **given, out=out)
        fa.batch_norm.backward(dy, x=x, **given, out=out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**21


def test_empty_arrays_move_no_running_statistics(any_dtype):
    mean, var = np.zeros(3, any_dtype), np.ones(3, any_dtype)
    for training in (True, False):
        y = fa.batch_norm(np.ones((0, 3), any_dtype), mean, var, training=training)
        assert y.shape == (0, 3)
    assert mean.tolist() == [0] * 3
    dx, dweight, _ = fa.batch_norm.backward(y, x=y, weight=var, training=True)
    assert dx.shape == (0, 3)
    assert dweight.tolist() == [0] * 3
    assert fa.batch_norm(np.ones((3, 0)), np.ones(0), np.ones(0)).shape == (3, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_channel(any_dtype, bad):
    for shape in ((9, 4), (3, 4, 50)):
        x, _, _, weight, bias, _, _ = _draw(shape, any_dtype)
        y = fa.batch_norm(x, weight=weight, bias=bias, training=True)
        x[1, 2] = bad
        found = fa.batch_norm(x, weight=weight, bias=bias, training=True)
        assert np.isnan(found[1, 2].astype(float)).all()
        others = np.arange(4) != 2
        assert same_bits(found[:, others], y[:, others])


X = np.arange(12, dtype=np.float32).reshape(4, 3)
RUNNING = np.zeros(3, np.float32), np.ones(3, np.float32)
ERRORS = {
    "complex": (TypeError, "complex", lambda o, m, v: fa.batch_norm(X.astype(complex), m, v, out=o)),
    "axis": (np.exceptions.AxisError, "2", lambda o, m, v: fa.batch_norm(X, m, v, axis=2, out=o)),
    "0-d": (np.exceptions.AxisError, "1", lambda o, m, v: fa.batch_norm(X[0, 0], m, v, out=o)),
    "no statistics": (TypeError, "running_mean", lambda o, m, v: fa.batch_norm(X, out=o)),
    "one of them": (TypeError, "together", lambda o, m, v: fa.batch_norm(X, m, training=True, out=o)),
    "their shape": (ValueError, r"\(2,\).*\(3,\)", lambda o, m, v: fa.batch_norm(X, m[:2], v, out=o)),
    "a list": (TypeError, "written", lambda o, m, v: fa.batch_norm(X, [0] * 3, v, training=True, out=o)),
    "integers": (
        TypeError, "written", lambda o, m, v: fa.batch_norm(X, m.astype(int), v, training=True, out=o),
    ),
    "weight": (ValueError, "weight", lambda o, m, v: fa.batch_norm(X, m, v, np.ones(4), out=o)),
    "bias": (ValueError, "bias", lambda o, m, v: fa.batch_norm(X, m, v, bias=np.ones((3, 1)), out=o)),
    "eps": (ValueError, "eps", lambda o, m, v: fa.batch_norm(X, m, v, eps=-1, out=o)),
    "momentum": (
        ValueError, "momentum=2", lambda o, m, v: fa.batch_norm(X, m, v, training=True, momentum=2, out=o),
    ),
    "no momentum": (
        TypeError, "momentum", lambda o, m, v: fa.batch_norm(X, m, v, training=True, momentum=None, out=o),
    ),
    "one element": (ValueError, "one element", lambda o, m, v: fa.batch_norm(X[:1], m, v, training=True)),
    "residual": (ValueError, "residual", lambda o, m, v: fa.batch_norm(X, m, v, residual=X[:2], out=o)),
    "out's dtype": (TypeError, "float16", lambda o, m, v: fa.batch_norm(X, m, v, out=o.astype(np.float16))),
    "out's shape": (ValueError, "shape", lambda o, m, v: fa.batch_norm(X, m, v, training=True, out=o[:2])),
    "dy": (ValueError, "dy", lambda o, m, v: fa.batch_norm.backward(X[:2], x=X, training=True, out=o)),
    "nothing known": (TypeError, "running_mean", lambda o, m, v: fa.batch_norm.backward(X, x=X, out=o)),
    "rstd alone": (TypeError, "together", lambda o, m, v: fa.batch_norm.backward(X, x=X, rstd=v, out=o)),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_errors_write_nothing(case):
    error, words, call = ERRORS[case]
    out, mean, var = np.full_like(X, 7), *(a.copy() for a in RUNNING)
    with pytest.raises(error, match=words):
        call(out, mean, var)
    assert (out == 7).all()
    assert same_bits(mean, RUNNING[0])
    assert same_bits(var, RUNNING[1])


def test_read_only_running_statistics_are_an_error_in_training_alone():
    mean, var = (a.copy() for a in RUNNING)
    var.flags.writeable = False
    fa.batch_norm(X, mean, var)
    out = np.full_like(X, 7)
    with pytest.raises(ValueError, match="running_var is read-only"):
        fa.batch_norm(X, mean, var, training=True, out=out)
    assert (out == 7).all()
    assert same_bits(mean, RUNNING[0])


@pytest.mark.parametrize("shape", [(30, 6), (8, 6, 5, 7)])
@pytest.mark.parametrize("training", [True, False])
def test_it_is_what_torch_gives(dtype, shape, training):
    torch = pytest.importorskip("torch")
    x, dy, _, weight, bias, mean, var = _draw(shape, dtype)
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, weight, bias)]
    theirs = [torch.tensor(a) for a in (mean, var)]
    y = torch.nn.functional.batch_norm(tensors[0], *theirs, *tensors[1:], training, 0.2)
    y.backward(torch.tensor(dy))
    tolerance = 2e-6 if dtype is np.float32 else 1e-13
    before = mean.copy(), var.copy()
    found = fa.batch_norm(x, mean, var, weight, bias, training=training, momentum=0.2)
    np.testing.assert_allclose(found, y.detach().numpy(), atol=tolerance)
    np.testing.assert_allclose(mean, theirs[0].numpy(), atol=tolerance)
    np.testing.assert_allclose(var, theirs[1].numpy(), atol=tolerance)
    known = {} if training else {"running_mean": before[0], "running_var": before[1]}
    gradients = fa.batch_norm.backward(dy, x=x, weight=weight, bias=bias, training=training, **known)
    for gradient, tensor in zip(gradients, tensors, strict=True):
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), atol=10 * tolerance)
