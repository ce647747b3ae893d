"""Cross-entropy: its losses, its gradient, and both in one pass."""

from __future__ import annotations

import mpmath_reference as reference
import numpy as np
import pytest
from cases import same_bits
from layouts import layouts
from mpmath_reference import mp

import fastact as fa

REDUCTIONS = ("none", "mean", "sum")


def _draw(shape, dtype, scale=3.0, seed=0):
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def _classes(shape, count, seed=1):
    return np.random.default_rng(seed).integers(0, count, shape)


def _shares(shape, dtype, seed=3):
    shares = np.random.default_rng(seed).random(shape)
    return (shares / shares.sum(axis=-1, keepdims=True)).astype(dtype)


def _reference(x, target, weight=None, ignore_index=-100, label_smoothing=0.0):
    """Losses and gradients of rows in long doubles."""
    x = x.astype(np.longdouble)
    classes = x.shape[-1]
    weights = np.ones(classes, np.longdouble) if weight is None else weight.astype(np.longdouble)
    one_hot = target.dtype.kind in "iu"
    if one_hot:
        counted = target != ignore_index
        shares = np.zeros(x.shape, np.longdouble)
        np.put_along_axis(shares, np.where(counted, target, 0)[..., None], 1, axis=-1)
        shares = shares * weights
        shares = shares * (1 - np.longdouble(label_smoothing))
        shares = (shares + np.longdouble(label_smoothing) / classes * weights) * counted[..., None]
    else:
        kept = target.astype(np.longdouble) * (1 - np.longdouble(label_smoothing))
        shares = (kept + np.longdouble(label_smoothing) / classes) * weights
    below = x - x.max(axis=-1, keepdims=True)
    sums = np.exp(below).sum(axis=-1, keepdims=True)
    losses = (shares * (np.log(sums) - below)).sum(axis=-1)
    return losses, np.exp(below) / sums * shares.sum(axis=-1, keepdims=True) - shares


def _unit(dtype):
    return np.finfo(dtype).eps if dtype in (np.float16, np.float32, np.float64) else 2.0**-7


CALLS = {
    "plain": {},
    "weight": {"weight": True},
    "smoothed": {"label_smoothing": 0.1},
    "weight and smoothed": {"weight": True, "label_smoothing": 0.25},
    "ignored": {"ignore_index": 2},
    "shares": {"shares": True},
    "shares, weight and smoothed": {"shares": True, "weight": True, "label_smoothing": 0.1},
}


def _drawn(call, shape, dtype):
    """x, the target and the words of a call."""
    given = dict(CALLS[call])
    x = _draw(shape, dtype)
    target = _shares(shape, dtype) if given.pop("shares", False) else _classes(shape[:-1], shape[-1])
    if "weight" in given:
        given["weight"] = np.random.default_rng(4).random(shape[-1]).astype(dtype)
    return x, target, given


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("length", [1, 2, 3, 31, 64, 129, 1000])
def test_losses_and_gradients(call, length, any_dtype):
    x, target, given = _drawn(call, (9, length), any_dtype)
    exact, gradient = _reference(x, target, **given)
    losses, dx = fa.cross_entropy.with_gradient(x, target, **given)
    assert losses.dtype == dx.dtype == any_dtype
    unit = _unit(any_dtype)
    # A loss of shares is a sum, whose errors are those of its largest term.
    np.testing.assert_allclose(losses.astype(np.longdouble), exact, rtol=4 * unit, atol=1e-12)
    np.testing.assert_allclose(dx.astype(np.longdouble), gradient, rtol=4 * unit, atol=4 * unit)
    assert same_bits(fa.cross_entropy(x, target, **given), losses)
    ones = np.ones(9, any_dtype)
    assert same_bits(fa.cross_entropy.backward(ones, x=x, target=target, **given), dx)
    dy = _draw((9,), any_dtype, seed=6)
    np.testing.assert_allclose(
        fa.cross_entropy.backward(dy, x=x, target=target, **given).astype(np.longdouble),
        dy[:, None].astype(np.longdouble) * gradient,
        rtol=8 * unit,
        atol=16 * unit,
    )


def test_tiny_losses_have_all_their_digits(dtype):
    """The logarithm of 1 plus the rest, not of a sum that was rounded to 1."""
    for dominating in (1.0, 5.0, 17.0, 40.0, 80.0):
        x = _draw((6, 50), dtype, 1.0)
        x[:, 7] = dominating + 4
        target = np.full(6, 7)
        with mp.workdps(100):
            exact, gradient = np.empty(6, object), np.empty(6, object)
            for i, row in enumerate(x.tolist()):
                rest = mp.fsum(mp.exp(mp.mpf(v) - mp.mpf(row[7])) for k, v in enumerate(row) if k != 7)
                exact[i], gradient[i] = mp.log1p(rest), -rest / (1 + rest)
            losses, dx = fa.cross_entropy.with_gradient(x, target)
            assert reference.ulps_between(losses, reference.rounded(exact, dtype)).max() <= 4, dominating
            assert reference.ulps_between(dx[:, 7].copy(), reference.rounded(gradient, dtype)).max() <= 4


def test_losses_are_within_the_bound(dtype):
    for spread in (0.1, 3.0, 50.0, 1000.0):
        x, target = _draw((20, 60), dtype, spread), _classes((20,), 60)
        with mp.workdps(100):
            exact = np.empty(20, object)
            for i, row in enumerate(x.tolist()):
                total = mp.fsum(mp.exp(mp.mpf(v) - mp.mpf(row[target[i]])) for v in row)
                exact[i] = mp.log(total)
            computed = fa.cross_entropy(x, target)
            assert reference.ulps_between(computed, reference.rounded(exact, dtype)).max() <= 4, spread


@pytest.mark.parametrize("call", ["plain", "weight", "smoothed", "shares"])
def test_gradients_by_finite_differences(call):
    x, target, given = _drawn(call, (4, 6), np.float64)
    for reduction in REDUCTIONS:
        _, dx = fa.cross_entropy.with_gradient(x, target, reduction=reduction, **given)
        for place in [(0, 0), (1, 3), (3, 5)]:
            high, low = x.copy(), x.copy()
            high[place] += 1e-6
            low[place] -= 1e-6
            difference = fa.cross_entropy(high, target, reduction=reduction, **given)
            difference = difference - fa.cross_entropy(low, target, reduction=reduction, **given)
            assert abs(np.sum(difference) / 2e-6 - dx[place]) < 1e-8
        if reduction != "none":
            again = fa.cross_entropy.backward(2.0, x=x, target=target, reduction=reduction, **given)
            np.testing.assert_allclose(again, 2 * dx, rtol=1e-14)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_as_torch(call, reduction, dtype):
    torch = pytest.importorskip("torch")
    x, target, given = _drawn(call, (5, 4, 6), dtype)
    theirs = {name: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for name, v in given.items()}
    logits = torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1))).requires_grad_()
    moved = target if target.ndim == 2 else np.ascontiguousarray(np.moveaxis(target, -1, 1))
    expected = torch.nn.functional.cross_entropy(
        logits, torch.from_numpy(moved), reduction=reduction, **theirs
    )
    losses, dx = fa.cross_entropy.with_gradient(x, target, reduction=reduction, **given)
    np.testing.assert_allclose(losses, expected.detach().numpy(), rtol=3e-6)
    (gradient,) = torch.autograd.grad(expected.sum(), logits)
    np.testing.assert_allclose(dx, np.moveaxis(gradient.numpy(), 1, -1), atol=1e-6)


def test_all_ignored_is_as_in_torch(dtype):
    x, target = _draw((3, 4), dtype), np.full(3, -100)
    losses, dx = fa.cross_entropy.with_gradient(x, target)
    assert (losses == 0).all()
    assert (dx == 0).all()
    assert np.isnan(fa.cross_entropy(x, target, reduction="mean"))
    assert fa.cross_entropy(x, target, reduction="sum") == 0


@pytest.mark.parametrize("call", CALLS)
def test_any_layout_and_axis_and_in_place(call, any_dtype):
    x, target, given = _drawn(call, (3, 4, 5), any_dtype)
    losses, dx = fa.cross_entropy.with_gradient(x, target, **given)
    for layout, moved in layouts(any_dtype).items():
        shares = moved(target) if target.ndim == 3 else target
        some, gradient = fa.cross_entropy.with_gradient(moved(x), shares, **given)
        assert same_bits(some, losses), layout
        assert same_bits(gradient, dx), layout
        assert same_bits(fa.cross_entropy(moved(x), shares, **given), losses), layout
        if layout == "read-only":
            continue
        out = moved(np.zeros_like(x))
        assert fa.cross_entropy.with_gradient(x, target, **given, out=out)[1] is out
        assert same_bits(out.astype(any_dtype), dx), layout
    for axis in (0, 1):
        turned = np.moveaxis(x, -1, axis)
        shares = np.moveaxis(target, -1, axis) if target.ndim == 3 else target
        some, gradient = fa.cross_entropy.with_gradient(turned, shares, axis, **given)
        assert same_bits(some, losses)
        assert same_bits(np.ascontiguousarray(np.moveaxis(gradient, axis, -1)), dx)
    for out in (x, target) if target.ndim == 3 else (x,):
        arrays = x.copy(), target.copy()
        place = arrays[0] if out is x else arrays[1]
        some, gradient = fa.cross_entropy.with_gradient(*arrays, **given, out=place)
        assert gradient is place
        assert same_bits(some, losses)
        assert same_bits(gradient, dx)


def test_targets_of_any_kind(dtype):
    x, target = _draw((3, 4, 5), dtype), _classes((3, 4), 5)
    expected = fa.cross_entropy(x, target)
    for kind in (np.int8, np.int32, np.uint8, np.uint64, ">i4", ">i8"):
        assert same_bits(fa.cross_entropy(x, target.astype(kind)), expected)
    assert same_bits(fa.cross_entropy(x, target.tolist()), expected)
    assert same_bits(fa.cross_entropy(x, np.asfortranarray(target)), expected)
    one = fa.cross_entropy(x[0, 0], target[0, 0])
    assert isinstance(one, dtype)
    assert one == expected[0, 0]
    assert fa.cross_entropy(np.array([1, 2, 3]), 2).dtype == np.float64


def test_threads_change_no_bit(any_dtype):
    x, target = _draw((70, 3000), any_dtype), _classes((70,), 3000)
    with fa.num_threads(1):
        expected = fa.cross_entropy.with_gradient(x, target)
    for threads in (2, 3):
        with fa.num_threads(threads):
            losses, dx = fa.cross_entropy.with_gradient(x, target)
            assert same_bits(losses, expected[0])
            assert same_bits(dx, expected[1])
            assert same_bits(fa.cross_entropy(x, target), expected[0])


def test_long_rows(any_dtype):
    x, target = _draw((2, 50_257), any_dtype), np.array([3, 50_256])
    exact, gradient = _reference(x, target)
    losses, dx = fa.cross_entropy.with_gradient(x, target, out=x)
    unit = _unit(any_dtype)
    np.testing.assert_allclose(losses.astype(float), exact.astype(float), rtol=2 * unit)
    np.testing.assert_allclose(dx.astype(float), gradient.astype(float), rtol=4 * unit, atol=1e-7)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("shape", [(64, 10), (64, 1000), (4, 16_000)])
def test_half_precision_is_float32_rounded_once(call, shape, any_dtype):
    if any_dtype in (np.float32, np.float64):
        pytest.skip("computed as it is")
    x, target, given = _drawn(call, shape, any_dtype)
    wide = target if target.dtype.kind in "iu" else target.astype(np.float32)
    words = {k: v.astype(np.float32) if isinstance(v, np.ndarray) else v for k, v in given.items()}
    losses, dx = fa.cross_entropy.with_gradient(x, target, **given)
    expected = fa.cross_entropy.with_gradient(x.astype(np.float32), wide, **words)
    assert same_bits(losses, expected[0].astype(any_dtype))
    assert same_bits(dx, expected[1].astype(any_dtype))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("shape", [(1, 100_000), (3, 40_001)])
def test_threads_share_long_rows(call, shape, dtype):
    x, target, given = _drawn(call, shape, dtype)
    if target.dtype.kind in "iu":
        target[0] = 20_000
    with fa.num_threads(1):
        losses, dx = fa.cross_entropy.with_gradient(x, target, **given)
    for threads in (2, 3):
        with fa.num_threads(threads):
            assert same_bits(fa.cross_entropy(x, target, **given), losses)
            some, gradient = fa.cross_entropy.with_gradient(x, target, **given)
            assert same_bits(some, losses)
            assert same_bits(gradient, dx)


def test_an_ignored_row_that_threads_share(dtype):
    x = _draw((1, 100_000), dtype)
    for threads in (1, 2):
        with fa.num_threads(threads):
            losses, dx = fa.cross_entropy.with_gradient(x, np.array([-100]))
            assert losses == 0
            assert (dx == 0).all()
            assert fa.cross_entropy(x, np.array([-100])) == 0


def test_what_is_infinite_or_not_a_number(dtype):
    x = np.array([[0, np.nan, 1], [0, np.inf, 1], [-np.inf] * 3, [0, -np.inf, 1]], dtype)
    losses, dx = fa.cross_entropy.with_gradient(x, np.array([0, 0, 0, 1]))
    np.testing.assert_array_equal(losses, [np.nan, np.nan, np.nan, np.inf])
    assert np.isnan(dx[:3]).all()
    np.testing.assert_allclose(dx[3], [0.26894142, -1, 0.73105858], rtol=1e-6)
    shares = np.array([[0.5, 0, 0.5]], dtype)
    assert np.isfinite(fa.cross_entropy(x[3:], shares)).all()


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3)])
def test_empty_arrays(shape, dtype):
    x, target = np.empty(shape, dtype), np.empty(shape[:-1], int)
    losses, dx = fa.cross_entropy.with_gradient(x, target)
    assert losses.shape == shape[:-1]
    assert dx.shape == shape
    assert fa.cross_entropy(x, target, reduction="sum") == 0


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"target": [0, 1, 6, 2]}, ValueError, "target holds 6"),
        ({"target": [0, -1, 2, 2]}, ValueError, "target holds -1"),
        ({"target": [0, -100, 2, 2], "ignore_index": 0}, ValueError, "target holds -100"),
        ({"target": [0, 1, 2]}, ValueError, r"\(3,\)"),
        ({"target": np.ones((4, 5))}, ValueError, r"\(4, 5\)"),
        ({"target": [True, False, True, True]}, TypeError, "bool"),
        ({"weight": np.ones(5)}, ValueError, r"\(5,\)"),
        ({"label_smoothing": 1.5}, ValueError, "label_smoothing=1.5"),
        ({"label_smoothing": "a"}, TypeError, "label_smoothing='a'"),
        ({"reduction": "median"}, ValueError, "reduction='median'"),
        ({"ignore_index": 1.5}, TypeError, "ignore_index=1.5"),
        ({"axis": 2}, np.exceptions.AxisError, "2"),
        ({"x": np.ones((4, 6), complex)}, TypeError, "complex128"),
    ],
)
def test_errors_write_nothing(given, error, says, dtype):
    out = np.full((4, 6), 9, dtype)
    words = {"x": _draw((4, 6), dtype), "target": np.array([0, 1, 2, 3]), **given}
    with pytest.raises(error, match=says):
        fa.cross_entropy.with_gradient(**words, out=out)
    assert (out == 9).all()
    with pytest.raises(error, match=says):
        fa.cross_entropy(**words)


def test_out_that_cannot_be_written(dtype):
    x, target = _draw((4, 6), dtype), np.array([0, 1, 2, 3])
    for out, error in (
        (np.empty((4, 6), np.float16), TypeError),
        (np.empty((6, 4), dtype), ValueError),
        (np.broadcast_to(dtype(1), (4, 6)), ValueError),
    ):
        with pytest.raises(error):
            fa.cross_entropy.with_gradient(x, target, out=out)
    with pytest.raises(ValueError, match=r"\(3,\)"):
        fa.cross_entropy.backward(np.ones(3), x=x, target=target)
