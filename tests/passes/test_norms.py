"""layer_norm and rms_norm: values, statistics and gradients against long double, any layout, any threads."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest
from cases import FLOATS, HALVES, same_bits
from layouts import layouts

import fastact as fa
from fastact import catalog

NORMS = ("layer_norm", "rms_norm")
LENGTHS = (1, 2, 3, 7, 31, 32, 33, 64, 100, 255, 256, 257, 300, 768, 1000, 1999, 2049, 17_000)
BOUND = {row.name: row.allowed for row in catalog.passes}

pytestmark = pytest.mark.parametrize("name", NORMS)


@pytest.fixture
def norm(name):
    return getattr(fa, name)


def _draw(name, shape, dtype, seed=0, axis=(-1,)):
    random = np.random.default_rng(seed)
    x, dy, residual = random.standard_normal((3, *shape)).astype(dtype)
    row = tuple(shape[i] for i in axis)
    weight, bias = random.uniform(-1.5, 1.5, (2, *row)).astype(dtype)
    return x, dy, residual, weight, (bias if name == "layer_norm" else None)


def _given(weight, bias):
    return {"weight": weight, **({} if bias is None else {"bias": bias})}


def _wide(array):
    return None if array is None else np.asarray(array).astype(np.longdouble)


class Exact:
    """The norm of rows along the last axis and its gradients in long double."""

    def __init__(self, name, x, weight=None, bias=None, eps=1e-5):
        x = _wide(x)
        self.centred = name == "layer_norm"
        self.weight = np.longdouble(1) if weight is None else _wide(weight)
        self.bias = np.longdouble(0) if bias is None else _wide(bias)
        # Around an element, exactly: a mean of 1e12 has no digits left of a spread of 1.
        first = x[..., :1] if self.centred else np.longdouble(0)
        offset = (x - first).mean(-1, keepdims=True) if self.centred else np.longdouble(0)
        distance, self.mean = x - first - offset, first + offset
        self.rstd = 1 / np.sqrt((distance**2).mean(-1, keepdims=True) + np.longdouble(eps))
        self.value = distance * self.rstd
        self.y = self.value * self.weight + self.bias

    @property
    def term(self):
        """The largest term of the result, a row's spread among them."""
        return np.maximum(np.maximum(abs(self.value), 1) * abs(self.weight), abs(self.bias))

    def gradients(self, dy):
        dy = _wide(dy)
        others = tuple(range(dy.ndim - 1))
        g = dy * self.weight
        mean = g.mean(-1, keepdims=True) if self.centred else 0 * self.rstd
        product = (g * self.value).mean(-1, keepdims=True)
        dx = self.rstd * (g - mean - self.value * product)
        spread = np.sqrt((g**2).mean(-1, keepdims=True))
        term = self.rstd * np.maximum(
            np.maximum(abs(g), abs(mean)), np.maximum(abs(self.value * product), spread)
        )
        sums = [
            ((dy * self.value).sum(others), abs(dy * self.value).sum(others)),
            (dy.sum(others), abs(dy).sum(others)),
        ]
        return (dx, term), *sums


def _error(found, exact, term, dtype):
    """In ULP of the term, of which what half precision rounds once is one half more."""
    eps = np.finfo(np.float32).eps if dtype in HALVES else np.finfo(dtype).eps
    difference = abs(_wide(found) - exact)
    if dtype in HALVES:
        half = np.longdouble(2.0 ** (-11 if dtype is np.float16 else -8))
        difference = np.maximum(difference - half * abs(exact) - np.longdouble(2.0**-25), 0)
    return float((difference / (np.maximum(term, np.finfo(np.float64).tiny) * eps)).max())


def _eps(name, dtype):
    return (
        1e-5
        if name == "layer_norm"
        else float(np.finfo(np.float64 if dtype is np.float64 else np.float32).eps)
    )


@pytest.mark.parametrize("length", LENGTHS)
def test_values_and_statistics(norm, name, any_dtype, length):
    x, _, _, weight, bias = _draw(name, (5, length), any_dtype)
    exact = Exact(name, x, weight, bias, _eps(name, any_dtype))
    y, *mean, rstd = norm(x, **_given(weight, bias), return_stats=True)
    assert y.dtype == x.dtype
    assert _error(y, exact.y, exact.term, any_dtype) <= BOUND[name][0]
    assert rstd.shape == (5, 1)
    assert rstd.dtype == np.float64
    spread = abs(_wide(rstd) / exact.rstd - 1).max()
    if length > 1:
        assert spread < (2**-20 if any_dtype is not np.float64 else 2**-49)
    if mean:
        assert abs(mean[0] - exact.mean).max() < (1e-6 if any_dtype is not np.float64 else 1e-14)


@pytest.mark.parametrize("length", LENGTHS)
def test_gradients(norm, name, any_dtype, length):
    x, dy, _, weight, bias = _draw(name, (9, length), any_dtype)
    exact = Exact(name, x, weight, bias, _eps(name, any_dtype))
    _, *stats = norm(x, **_given(weight, bias), return_stats=True)
    saved = dict(zip(("mean", "rstd")[-len(stats) :], stats, strict=True))
    dx, *sums = norm.backward(dy, x=x, **_given(weight, bias), **saved)
    (exact_dx, term), *exact_sums = exact.gradients(dy)
    assert dx.dtype == x.dtype
    if length > 1:
        assert _error(dx, exact_dx, term, any_dtype) <= BOUND[name][1]
    for found, (total, magnitude) in zip(sums, exact_sums, strict=False):
        assert found.shape == weight.shape
        assert found.dtype == x.dtype
        if length > 1:
            assert _error(found, total, magnitude, any_dtype) <= BOUND[name][1]
    again = norm.backward(dy, x=x, **_given(weight, bias))
    if any_dtype in FLOATS and length > 1:
        assert _error(again[0], exact_dx, term, any_dtype) <= BOUND[name][1]


def test_gradients_are_those_of_finite_differences(norm, name):
    x, dy, _, weight, bias = _draw(name, (3, 7), np.float64)

    def loss(x, weight, bias):
        return np.sum(dy * norm(x, **_given(weight, bias)))

    given = [x, weight] + ([] if bias is None else [bias])
    found = norm.backward(dy, x=x, **_given(weight, bias))
    step = 1e-6
    for k, gradient in enumerate(found[: len(given)]):
        for place in np.ndindex(gradient.shape):
            sides = []
            for sign in (1, -1):
                moved = [a.copy() for a in given]
                moved[k][place] += sign * step
                sides.append(loss(*moved, *[None] * (3 - len(moved))))
            assert gradient[place] == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-7)


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: d.__name__)
def test_a_mean_that_is_large_beside_the_spread_costs_nothing(norm, name, dtype):
    loc = 1e4 if dtype is np.float32 else 1e12
    x, dy, _, weight, bias = _draw(name, (20, 3000), dtype)
    x += dtype(loc)
    exact = Exact(name, x, weight, bias)
    y, *stats = norm(x, **_given(weight, bias), eps=1e-5, return_stats=True)
    assert _error(y, exact.y, exact.term, dtype) <= BOUND[name][0]
    saved = dict(zip(("mean", "rstd")[-len(stats) :], stats, strict=True))
    (dx, term), *_ = exact.gradients(dy)
    if name == "layer_norm":
        naive = np.maximum((x * x).mean(-1) - x.mean(-1) ** 2, 0)
        assert abs(naive - exact.rstd[:, 0] ** -2).max() > 0.1
    if name == "layer_norm" and dtype is np.float32:
        for kept in (saved, {}):
            found = norm.backward(dy, x=x, **_given(weight, bias), **kept)[0]
            assert _error(found, dx, term, dtype) <= BOUND[name][1]


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: d.__name__)
@pytest.mark.parametrize("length", [5, 64, 1000])
def test_rows_whose_sample_says_nothing_of_their_mean(norm, name, dtype, length):
    """The centre of the sums is that of sixteen elements, and found again where it is far from the mean."""
    noise = np.random.default_rng(0).standard_normal(length)
    step = length // min(16, length)
    rows = np.stack([np.arange(length), noise, noise, noise, 1e3 + noise]).astype(dtype)
    rows[1, ::step] += dtype(300)
    rows[2, 0] = dtype(1e5)
    rows[3, :] = np.where(np.arange(length) < length // 2, -1, 1e4)
    exact = Exact(name, rows)
    assert _error(norm(rows, eps=1e-5), exact.y, exact.term, dtype) <= BOUND[name][0]


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: d.__name__)
def test_squares_beyond_the_range_of_the_dtype(norm, name, dtype):
    """With eps=0 a norm does not depend on the scale of a row, a power of 2 to the bit."""
    x, _, _, weight, bias = _draw(name, (4, 300), dtype)
    y = norm(x, **_given(weight, bias), eps=0.0)
    for exponent in (-100, -60, 60, 110) if dtype is np.float32 else (-900, -500, 500, 1000):
        scaled = x * dtype(2.0**exponent)
        again = norm(scaled, **_given(weight, bias), eps=0.0)
        np.testing.assert_allclose(again, y, rtol=4 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)


EXTREMES = {
    "subnormal": lambda noise, t: noise * t.smallest_subnormal * 1000,
    "tiny": lambda noise, t: noise * t.tiny * 8,
    "squares below the range": lambda noise, t: noise * np.sqrt(t.tiny) / 64,
    "squares beyond the range": lambda noise, t: noise * np.sqrt(t.max) * 8,
    "near the end": lambda noise, t: noise / np.abs(noise).max() * t.max / 4,
    "a large mean": lambda noise, t: noise + 0.05 / t.eps,
    "a mean near the end": lambda noise, t: noise * t.eps * t.max + t.max / 4,
    "an outlier": lambda noise, t: np.where(np.arange(noise.shape[-1]) == 3, np.sqrt(t.max) * 8, noise),
}


@pytest.mark.parametrize("case", EXTREMES)
@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: d.__name__)
@pytest.mark.parametrize("eps", [0.0, 1e-5])
def test_extreme_values(norm, name, dtype, case, eps):
    noise = np.random.default_rng(3).standard_normal((7, 777)).astype(np.longdouble)
    x = EXTREMES[case](noise, np.finfo(dtype)).astype(dtype)
    _, _, _, weight, bias = _draw(name, x.shape, dtype)
    if case == "subnormal" and dtype is np.float64:
        eps = max(eps, 1e-300)  # 1 / spread is no number of float64
    exact = Exact(name, x, weight, bias, eps)
    y = norm(x, **_given(weight, bias), eps=eps)
    assert _error(y, exact.y, exact.term, dtype) <= BOUND[name][0]
    copy = x.copy()
    assert same_bits(norm(copy, **_given(weight, bias), eps=eps, out=copy), y)


def test_squares_beyond_float16(norm, name):
    x, *_ = _draw(name, (5, 300), np.float16)
    x = (x * 1.5e4).astype(np.float16)
    assert np.isfinite(x).all()
    with np.errstate(over="ignore"):
        assert np.isinf(x * x).any()
    exact = Exact(name, x, eps=1e-5)
    assert _error(norm(x, eps=1e-5), exact.y, exact.term, np.float16) <= BOUND[name][0]


def test_rows_of_equal_values(norm, name, any_dtype):
    x = np.full((3, 50), 0.1, any_dtype)
    y = norm(x)
    if name == "layer_norm":
        assert abs(y.astype(float)).max() < 1e-3
    else:
        np.testing.assert_allclose(y.astype(float), 1, rtol=1e-2 if any_dtype in HALVES else 1e-5)
    assert np.isfinite(norm(np.zeros((3, 50), any_dtype)).astype(float)).all()


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, (1, 2), (0, 2), (0, 1, 2), (-1, 0), None])
def test_any_axes_are_those_of_a_moved_array(norm, name, any_dtype, axis):
    shape = (4, 5, 6)
    axes = range(3) if axis is None else [axis % 3] if isinstance(axis, int) else sorted(i % 3 for i in axis)
    others = [i for i in range(3) if i not in axes]
    x, dy, residual, weight, bias = _draw(name, shape, any_dtype, axis=tuple(axes))
    order = (*others, *axes)
    flat = [np.ascontiguousarray(a.transpose(order)).reshape(-1, weight.size) for a in (x, dy, residual)]
    weights = _given(weight.reshape(-1), None if bias is None else bias.reshape(-1))
    y, *stats = norm(x, **_given(weight, bias), axis=axis, residual=residual, return_stats=True)
    expected, *of_rows = norm(flat[0], **weights, residual=flat[2], return_stats=True)
    assert same_bits(np.ascontiguousarray(y.transpose(order)).reshape(expected.shape), expected)
    for found, kept in zip(stats, of_rows, strict=True):
        assert found.shape == tuple(1 if i in axes else n for i, n in enumerate(shape))
        assert same_bits(found.reshape(-1), kept.reshape(-1))
    dx, *sums = norm.backward(dy, x=x, **_given(weight, bias), axis=axis)
    expected, *of_rows = norm.backward(flat[1], x=flat[0], **weights)
    assert same_bits(np.ascontiguousarray(dx.transpose(order)).reshape(expected.shape), expected)
    for found, kept in zip(sums, of_rows, strict=True):
        assert found.shape == weight.shape
        assert same_bits(found.reshape(-1), kept)


@pytest.mark.parametrize("shape", [(3, 4, 50), (2, 100, 700)])
def test_any_layout_has_the_same_bits(norm, name, any_dtype, shape):
    x, dy, residual, weight, bias = _draw(name, shape, any_dtype)
    y = norm(x, **_given(weight, bias), residual=residual)
    gradients = norm.backward(dy, x=x, **_given(weight, bias))
    for layout in layouts(any_dtype).values():
        arrays = layout(x), layout(residual)
        assert same_bits(norm(arrays[0], **_given(weight, bias), residual=arrays[1]), y)
        again = norm.backward(layout(dy), x=arrays[0], **_given(weight, bias))
        assert all(same_bits(a, b) for a, b in zip(again, gradients, strict=True))
        if arrays[0].flags.writeable:
            out = layout(np.zeros_like(x))
            assert norm(x, **_given(weight, bias), residual=residual, out=out) is out
            assert same_bits(out.astype(x.dtype), y)
            assert norm.backward(dy, x=x, **_given(weight, bias), out=out)[0] is out
            assert same_bits(out.astype(x.dtype), gradients[0])


@pytest.mark.parametrize("layout", ["fortran", "strided", "byteswapped"])
def test_backward_of_any_layout_copies_no_array(norm, name, any_dtype, layout):
    """What is not plain comes through a buffer of a fixed size, weights' gradients too."""
    shape = (4096, 1024)
    x, dy, _, weight, bias = _draw(name, shape, any_dtype)
    out = np.zeros_like(x)
    given = _given(weight, bias)
    expected = norm.backward(dy, x=x, **given)
    if layout == "byteswapped" and any_dtype not in FLOATS:
        pytest.skip("bfloat16 has no other byte order")
    bring = {
        "fortran": np.asfortranarray,
        "strided": lambda a: np.repeat(a, 2, 0)[::2],
        "byteswapped": lambda a: a.astype(a.dtype.newbyteorder(">")),
    }[layout]
    x, dy, out = (bring(a) for a in (x, dy, out))
    tracemalloc.start()
    try:
        found = norm.backward(dy, x=x, **given, out=out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found[0] is out
    assert peak < 2**21
    assert all(same_bits(np.asarray(a).astype(b.dtype), b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("shape", [(700, 96), (33, 3000), (5, 16_000), (300, 768)])
def test_any_threads_have_the_same_bits(norm, name, any_dtype, shape):
    x, dy, residual, weight, bias = _draw(name, shape, any_dtype)
    results = []
    for threads in (1, 2, 3):
        with fa.num_threads(threads):
            results.append(
                [
                    *norm(x, **_given(weight, bias), residual=residual, return_stats=True),
                    *norm.backward(dy, x=x, **_given(weight, bias)),
                ]
            )
    for other in results[1:]:
        assert all(same_bits(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("shape", [(3, 50), (300, 768)])
def test_in_place(norm, name, any_dtype, shape):
    x, dy, residual, weight, bias = _draw(name, shape, any_dtype)
    given = _given(weight, bias)
    y = norm(x, **given)
    copy = x.copy()
    assert norm(copy, **given, out=copy) is copy
    assert same_bits(copy, y)
    summed = norm(x, **given, residual=residual)
    copy = residual.copy()
    norm(x, **given, residual=copy, out=copy)
    assert same_bits(copy, summed)
    gradients = norm.backward(dy, x=x, **given)
    for kept in (0, 1):
        arrays = [dy.copy(), x.copy()]
        found = norm.backward(arrays[0], x=arrays[1], **given, out=arrays[kept])
        assert found[0] is arrays[kept]
        assert all(same_bits(a, b) for a, b in zip(found, gradients, strict=True))
    memory = np.concatenate([x.reshape(-1), x.reshape(-1)[:7]])
    norm(memory[: x.size].reshape(shape), **given, out=memory[7:].reshape(shape))
    assert same_bits(memory[7:].reshape(shape), y)


@pytest.mark.parametrize("shape", [(3, 50), (300, 768)])
def test_a_residual_is_added_first(norm, name, any_dtype, shape):
    x, _, residual, weight, bias = _draw(name, shape, any_dtype)
    given = _given(weight, bias)
    total = (x.astype(np.float64) + residual).astype(np.float64 if any_dtype is np.float64 else np.float32)
    expected = norm(total, **given, eps=1e-5).astype(any_dtype)
    for target in ("new", "x", "residual"):
        arrays = {"new": np.empty_like(x), "x": x.copy(), "residual": residual.copy()}
        y = norm(arrays["x"], **given, eps=1e-5, residual=arrays["residual"], residual_out=arrays[target])
        assert same_bits(y, expected)
        assert same_bits(arrays[target], total.astype(any_dtype))
    assert same_bits(norm(x, **given, eps=1e-5, residual=residual), expected)


def test_half_precision_is_float32_rounded_once(norm, name):
    for dtype in HALVES:
        for shape in ((30, 100), (7, 2500), (2, 20_000)):
            x, dy, _, weight, bias = _draw(name, shape, dtype)
            wide = [None if a is None else a.astype(np.float32) for a in (x, dy, weight, bias)]
            y = norm(x, **_given(weight, bias))
            assert same_bits(y, norm(wide[0], **_given(*wide[2:])).astype(dtype))
            assert same_bits(y, norm(x, **_given(*wide[2:])))
            dx, *_ = norm.backward(dy, x=x, **_given(weight, bias))
            assert same_bits(dx, norm.backward(wide[1], x=wide[0], **_given(*wide[2:]))[0].astype(dtype))


def test_integers_give_float64(norm, name):
    x = np.arange(12).reshape(3, 4)
    assert same_bits(norm(x), norm(x.astype(np.float64)))
    assert norm.backward(x, x=x)[0].dtype == np.float64


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_its_row(norm, name, any_dtype, bad):
    x, _, _, weight, bias = _draw(name, (6, 300), any_dtype)
    y = norm(x, **_given(weight, bias))
    x[2, 17] = bad
    found = norm(x, **_given(weight, bias))
    assert np.isnan(found[2, 17].astype(float))
    if np.isnan(bad):
        assert np.isnan(found[2].astype(float)).all()
    others = np.arange(6) != 2
    assert same_bits(found[others], y[others])


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0), (2, 0, 3)])
def test_empty_arrays(norm, name, any_dtype, shape):
    x = np.ones(shape, any_dtype)
    weight = np.ones(shape[-1], any_dtype)
    y, *stats = norm(x, weight, return_stats=True)
    assert y.shape == shape
    assert all(s.shape == (*shape[:-1], 1) for s in stats)
    dx, dweight, *_ = norm.backward(x, x=x, weight=weight)
    assert dx.shape == shape
    assert dweight.tolist() == [0] * shape[-1]


def test_gradients_of_what_was_not_given_are_none(norm, name):
    x, dy, _, weight, bias = _draw(name, (3, 8), np.float64)
    dx, *nothing = norm.backward(dy, x=x)
    assert nothing == [None] * len(nothing)
    assert norm.backward(dy, x=x, weight=weight)[1] is not None
    if bias is not None:
        found = norm.backward(dy, x=x, bias=bias)
        assert found[1] is None
        assert same_bits(found[0], dx)
        np.testing.assert_allclose(found[2], dy.sum(0))


ERRORS = {
    "complex": (TypeError, "complex128", lambda n, x, o: n(x.astype(complex), out=o)),
    "0-d": (Exception, "axis", lambda n, x, o: n(np.float32(1.0), out=o)),
    "axis": (np.exceptions.AxisError, "2", lambda n, x, o: n(x, axis=2, out=o)),
    "axis of another kind": (TypeError, "axis", lambda n, x, o: n(x, axis=0.5, out=o)),
    "no axis": (ValueError, "axis", lambda n, x, o: n(x, axis=(), out=o)),
    "an axis twice": (ValueError, "axis", lambda n, x, o: n(x, axis=(0, 0), out=o)),
    "eps": (ValueError, "eps=-1", lambda n, x, o: n(x, eps=-1.0, out=o)),
    "infinite eps": (ValueError, "eps=inf", lambda n, x, o: n(x, eps=np.inf, out=o)),
    "eps in words": (TypeError, "eps='1'", lambda n, x, o: n(x, eps="1", out=o)),
    "weight": (ValueError, r"\(4,\).*\(5,\)", lambda n, x, o: n(x, np.ones(4, np.float32), out=o)),
    "residual": (ValueError, "residual", lambda n, x, o: n(x, residual=x[:2], out=o)),
    "residual_out alone": (TypeError, "residual", lambda n, x, o: n(x, residual_out=x.copy(), out=o)),
    "residual_out is out": (ValueError, "share", lambda n, x, o: n(x, residual=x, residual_out=o, out=o)),
    "residual_out of another shape": (
        ValueError, "shape", lambda n, x, o: n(x, residual=x, residual_out=x[:2].copy(), out=o),
    ),
    "out of another dtype": (TypeError, "float16", lambda n, x, o: n(x, out=o.astype(np.float16))),
    "out of another shape": (ValueError, "shape", lambda n, x, o: n(x, out=o[:2])),
    "unknown": (TypeError, "dim", lambda n, x, o: n(x, dim=-1, out=o)),
    "dy": (ValueError, "dy", lambda n, x, o: n.backward(x[:2], x=x, out=o)),
    "rstd": (ValueError, "rstd", lambda n, x, o: n.backward(
        x, x=x, rstd=np.ones(4), **({"mean": np.ones((3, 1))} if n.name == "layer_norm" else {}), out=o,
    )),
    "no x": (TypeError, "x", lambda n, x, o: n.backward(x, out=o)),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_errors_write_nothing(norm, name, case):
    error, words, call = ERRORS[case]
    x = np.arange(15, dtype=np.float32).reshape(3, 5)
    out = np.full_like(x, 7)
    with pytest.raises(error, match=words):
        call(norm, x, out)
    assert (out == 7).all()
    assert x.reshape(-1).tolist() == list(range(15))
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        norm(x, out=out)


def test_only_one_of_mean_and_rstd_is_an_error(norm, name):
    if name == "layer_norm":
        with pytest.raises(TypeError, match="together"):
            norm.backward(np.ones((2, 3)), x=np.ones((2, 3)), mean=np.ones((2, 1)))


def test_it_is_what_torch_gives(norm, name, dtype):
    torch = pytest.importorskip("torch")
    x, dy, _, weight, bias = _draw(name, (20, 100), dtype)
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, weight, bias) if a is not None]
    function = getattr(torch.nn.functional, name)
    y = function(tensors[0], (100,), *tensors[1:])
    y.backward(torch.tensor(dy))
    tolerance = 2e-6 if dtype is np.float32 else 1e-13
    np.testing.assert_allclose(norm(x, **_given(weight, bias)), y.detach().numpy(), atol=tolerance)
    for found, tensor in zip(norm.backward(dy, x=x, **_given(weight, bias)), tensors, strict=False):
        np.testing.assert_allclose(found, tensor.grad.numpy(), atol=10 * tolerance)


def test_it_is_itself_after_pickling(norm, name):
    assert pickle.loads(pickle.dumps(norm)) is norm
    assert norm is fa.passes[name]
    assert "Examples" in norm.__doc__
    assert "axis" in repr(norm)
