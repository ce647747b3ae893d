"""softmax, log_softmax, softmin and logsumexp with a scale, causal queries and masks."""

from __future__ import annotations

import mpmath_reference as reference
import numpy as np
import pytest
from cases import same_bits
from layouts import layouts
from mpmath_reference import mp

import fastact as fa

ROWS = ("softmax", "log_softmax", "softmin")
UNSEEN = {"softmax": 0.0, "log_softmax": -np.inf, "softmin": 0.0}
LENGTHS = (1, 2, 7, 31, 32, 33, 64, 65, 127, 128, 129, 500)


def _draw(shape, dtype, scale=3.0, seed=0):
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def _keep(shape, seed=2):
    return np.random.default_rng(seed).random(shape) < 0.6


def _exact(name, x, scale=1.0, keep=None, added=None, dy=None):
    """Rows of mpmath's numbers; the gradient of logsumexp where `dy` is given."""
    result = np.empty(x.shape, object)
    sign = -1 if name == "softmin" else 1
    for i, row in enumerate(x.tolist()):
        logits = [
            mp.mpf(sign * scale) * mp.mpf(v) + (0 if added is None else mp.mpf(float(added[i][k])))
            for k, v in enumerate(row)
        ]
        seen = [k for k in range(len(row)) if keep is None or keep[i][k]]
        seen = [k for k in seen if logits[k] != -mp.inf]
        largest = max([logits[k] for k in seen], default=0)
        total = mp.fsum(mp.exp(logits[k] - largest) for k in seen)
        for k in range(len(row)):
            if k not in seen:
                result[i, k] = -mp.inf if name == "log_softmax" else mp.mpf(0)
            elif name == "log_softmax":
                result[i, k] = logits[k] - largest - mp.log(total)
            else:
                result[i, k] = mp.exp(logits[k] - largest) / total
    return result


def _ulps(computed, exact):
    return reference.ulps_between(computed, reference.rounded(exact, computed.dtype)).max()


# -- Values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("scale", [1.0, 0.125, 0.1, -0.7, 3.0, 0.0])
def test_a_scale_multiplies_x_exactly(name, scale, dtype):
    with mp.workdps(500):
        for spread in (1.0, 30.0, 300.0):
            x = _draw((4, 37), dtype, spread)
            assert _ulps(getattr(fa, name)(x, scale=scale), _exact(name, x, scale)) <= 4, spread


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_numbers_that_are_added_are_added_exactly(scale, dtype):
    with mp.workdps(500):
        for spread in (1.0, 30.0, 300.0):
            x, added = _draw((4, 37), dtype, spread), _draw((4, 37), dtype, spread, 1)
            added[_keep(added.shape)] = -np.inf
            exact = _exact("softmax", x, scale, added=added)
            assert _ulps(fa.softmax(x, scale=scale, mask=added), exact) <= 4, spread
            # A sum is rounded once before its logarithm is taken: errors are those of the largest logit.
            logarithm = fa.log_softmax(x, scale=scale, mask=added).astype(np.longdouble)
            exact = _exact("log_softmax", x, scale, added=added).astype(np.longdouble)
            seen = np.isfinite(exact)
            largest = np.abs(np.where(np.isfinite(added), x * scale + added, 0)).max()
            assert np.abs(logarithm[seen] - exact[seen]).max() <= 4 * np.spacing(dtype(largest))


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("length", LENGTHS)
def test_what_is_not_seen_is_as_minus_infinity(name, length, any_dtype):
    """A row has the bits of the plain row with -inf there; what is not seen may be anything."""
    activation, least = getattr(fa, name), np.inf if name == "softmin" else -np.inf
    x, keep = _draw((9, length), any_dtype), _keep((9, length))
    keep[:, 0] = True
    expected = activation(np.where(keep, x, any_dtype(least)))
    filled = np.where(keep, x, any_dtype(np.nan))
    assert same_bits(activation(filled, mask=keep), expected)
    added = np.where(keep, any_dtype(0), any_dtype(-np.inf))
    np.testing.assert_allclose(
        activation(filled, mask=added).astype(float),
        expected.astype(float),
        rtol=1e-2 if any_dtype not in (np.float32, np.float64) else 1e-6,
    )
    causal = np.tri(9, length, length - 5, dtype=bool)
    seen = causal.any(axis=1)
    expected = activation(np.where(causal, x, any_dtype(least)))
    filled = np.where(causal, x, any_dtype(np.nan))
    assert same_bits(activation(filled, causal=length - 5)[seen], expected[seen])
    assert (activation(filled, causal=length - 5)[~seen] == UNSEEN[name]).all()


@pytest.mark.parametrize("name", ROWS)
def test_causal_is_the_lower_triangle_of_torch(name, dtype):
    x = _draw((2, 3, 6, 6), dtype)
    lower = np.tril(np.ones((6, 6), bool))
    assert same_bits(getattr(fa, name)(x, causal=True), getattr(fa, name)(x, mask=lower))
    assert same_bits(getattr(fa, name)(x, causal=0), getattr(fa, name)(x, mask=lower))
    wide = _draw((2, 3, 4, 7), dtype)
    for offset in (-10, -4, -3, -1, 0, 1, 3, 6, 100, 2**70, -(2**70)):
        mask = np.tri(4, 7, max(-20, min(offset, 20)), dtype=bool)
        assert same_bits(getattr(fa, name)(wide, causal=offset), getattr(fa, name)(wide, mask=mask)), offset


def test_a_step_over_a_cache_sees_all_keys(dtype):
    scores = _draw((12, 1, 77), dtype)
    assert same_bits(fa.softmax(scores, causal=76), fa.softmax(scores))
    assert (fa.softmax(scores, causal=True)[..., 1:] == 0).all()


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_sees_nothing(name, any_dtype):
    x = _draw((5, 40), any_dtype)
    rows = np.array([True, False, True, True, False])[:, None]
    x[1], x[2, 3] = np.nan, np.nan
    x[3] = np.inf if name == "softmin" else -np.inf
    for mask in (rows, np.where(rows, any_dtype(0), any_dtype(-np.inf)), np.broadcast_to(rows, x.shape)):
        y = getattr(fa, name)(x, mask=mask)
        assert (y[[1, 4]] == UNSEEN[name]).all()
        assert np.isnan(y[2:4].astype(float)).all()
    partly = np.broadcast_to(rows, x.shape).copy()
    partly[:, 7] = False
    assert (getattr(fa, name)(x, mask=partly)[:, 7] == UNSEEN[name]).all()


def test_extreme_scales_give_the_limit(dtype):
    x = np.array([[1.0, 2.0, 2.0, -3.0], [-1.0, -5.0, -9.0, -1e30]], dtype)
    for scale in (1e300, 1e39):
        np.testing.assert_array_equal(fa.softmax(x, scale=scale), [[0, 0.5, 0.5, 0], [1, 0, 0, 0]])
        np.testing.assert_array_equal(fa.softmax(x, scale=-scale), [[0, 0, 0, 1], [0, 0, 0, 1]])
    np.testing.assert_array_equal(fa.softmax(x, scale=1e-300)[0], np.full(4, 0.25))
    np.testing.assert_array_equal(fa.softmax(x, scale=1e-300, temperature=1e300)[0], np.full(4, 0.25))


@pytest.mark.parametrize("temperature", [0.3, 2.0, 1e6])
def test_a_temperature_beside_the_others(temperature, dtype):
    with mp.workdps(500):
        x, keep = _draw((5, 40), dtype, 10.0), _keep((5, 40))
        expected = fa.softmax(np.where(keep, x, dtype(-np.inf)), temperature=temperature)
        assert same_bits(fa.softmax(x, where=keep, temperature=temperature), expected)
        exact = _exact("softmax", x, mp.mpf(0.7) / mp.mpf(temperature), keep)
        assert _ulps(fa.softmax(x, scale=0.7, mask=keep, temperature=temperature), exact) <= 4


# -- Layouts, masks and places --------------------------------------------------------------------


@pytest.mark.parametrize("name", [*ROWS, "logsumexp"])
@pytest.mark.parametrize("words", ["scale", "causal", "boolean", "added", "all"])
def test_any_layout_and_axis(name, words, any_dtype):
    x = _draw((5, 6, 8), any_dtype)
    keep, added = _keep((5, 1, 8)), _draw((6, 8), any_dtype)
    given = {
        "scale": {"scale": 0.3}, "causal": {"causal": True}, "boolean": {"mask": keep},
        "added": {"mask": added}, "all": {"scale": 0.3, "causal": 1, "mask": keep},
    }[words]  # fmt: skip
    call = getattr(fa, name)
    expected = call(x, **given)
    for layout, moved in layouts(any_dtype).items():
        assert same_bits(call(moved(x), **given), expected), layout
        if layout == "read-only":
            continue
        if name == "logsumexp":
            out = moved(np.zeros_like(expected[..., None]))
            assert call(x, **given, keepdims=True, out=out) is out
            assert same_bits(out[..., 0].astype(any_dtype), expected), layout
            continue
        out = moved(np.zeros_like(expected))
        assert call(x, **given, out=out) is out
        assert same_bits(out.astype(any_dtype), expected), layout
    if name != "logsumexp":
        target = x.copy()
        assert call(target, **given, out=target) is target
        assert same_bits(target, expected)
    for axis in (1, 2):
        turned = np.moveaxis(x, (1, 2), (axis - 1, axis))
        masks = {**given}
        if "mask" in masks:
            masks["mask"] = np.moveaxis(np.broadcast_to(masks["mask"], x.shape), (1, 2), (axis - 1, axis))
        for array in (turned, np.ascontiguousarray(turned)):
            result = call(array, axis, **masks)
            where = (axis - 1,) if name == "logsumexp" else (axis - 1, axis)
            back = np.moveaxis(result, where, (1, 2)[: len(where)])
            assert same_bits(back, expected), axis


@pytest.mark.parametrize(
    "shape", [(), (1,), (8,), (6, 1), (6, 8), (5, 1, 1), (3, 1, 6, 8), (3, 5, 1, 8), (3, 1, 1, 8)]
)
def test_a_mask_broadcasts(shape, dtype):
    x = _draw((3, 5, 6, 8), dtype)
    keep = _keep(shape, 5)
    added = _draw(shape, dtype, seed=4)
    whole = np.ascontiguousarray(np.broadcast_to(keep, x.shape))
    assert same_bits(fa.softmax(x, mask=keep), fa.softmax(x, mask=whole))
    assert same_bits(fa.softmax(x, where=keep), fa.softmax(x, mask=whole))
    assert same_bits(fa.softmax(x, mask=keep.tolist()), fa.softmax(x, mask=whole))
    assert same_bits(fa.softmax(x, mask=np.broadcast_to(keep, x.shape)), fa.softmax(x, mask=whole))
    whole = np.ascontiguousarray(np.broadcast_to(added, x.shape))
    expected = fa.softmax(x, mask=whole)
    assert same_bits(fa.softmax(x, mask=added), expected)
    assert same_bits(fa.softmax(x, mask=np.broadcast_to(added, x.shape)), expected)
    assert same_bits(fa.softmax(x, mask=added.astype(added.dtype.newbyteorder())), expected)
    assert same_bits(fa.softmax(x, mask=added[..., None][..., 0]), expected)


def test_a_mask_in_the_memory_of_out(dtype):
    room = _draw((2, 6, 6), dtype)
    expected = fa.softmax(room[0].copy(), mask=room[1].copy())
    out = room[1]
    assert fa.softmax(room[0], mask=room[1], out=out) is out
    assert same_bits(out, expected)


def test_where_and_mask_together(dtype):
    x, where, keep, added = _draw((4, 6, 6), dtype), _keep((4, 1, 6)), _keep((6, 6), 3), _draw((6, 6), dtype)
    assert same_bits(fa.softmax(x, where=where, mask=keep), fa.softmax(x, mask=where & keep))
    both = np.where(where, added, dtype(-np.inf))
    assert same_bits(fa.softmax(x, where=where, mask=added), fa.softmax(x, mask=both))


@pytest.mark.parametrize("name", [*ROWS, "logsumexp"])
def test_threads_change_no_bit(name, any_dtype):
    x, keep = _draw((6, 90, 300), any_dtype), _keep((90, 300))
    for given in ({"scale": 0.3}, {"causal": 210}, {"mask": keep}):
        with fa.num_threads(1):
            expected = getattr(fa, name)(x, **given)
        for threads in (2, 3):
            with fa.num_threads(threads):
                assert same_bits(getattr(fa, name)(x, **given), expected)


@pytest.mark.parametrize("name", [*ROWS, "logsumexp"])
@pytest.mark.parametrize("shape", [(50_000,), (3, 40_001), (2, 1, 70_000)])
def test_threads_share_long_rows(name, shape, dtype):
    x, keep, added = _draw(shape, dtype), _keep(shape), _draw(shape[-1:], dtype, seed=1)
    x[..., 5] = np.nan  # hidden by each mask
    keep[..., 5], added[5] = False, -np.inf
    causal = shape[-1] // 2 if len(shape) > 1 else False
    call = getattr(fa, name)
    calls = ({"mask": keep}, {"mask": keep, "scale": 0.3}, {"mask": added, "scale": 0.3, "causal": causal})
    for given in calls:
        with fa.num_threads(1):
            expected = call(x, **given)
            assert np.isfinite(expected).any()
            gradient = _gradient(name, expected, x, given)
        for threads in (2, 3):
            with fa.num_threads(threads):
                assert same_bits(call(x, **given), expected)
                assert same_bits(_gradient(name, expected, x, given), gradient)
                if name != "logsumexp":
                    target = x.copy()
                    assert same_bits(call(target, **given, out=target), expected)


def _gradient(name, y, x, given):
    """That of all words, from an arbitrary dy."""
    dy = _draw(np.shape(y), x.dtype, seed=3)
    saved = {"x": x} if name == "logsumexp" else {"y": y}
    return getattr(fa, name).backward(dy, **saved, **given)


@pytest.mark.parametrize("name", ROWS)
def test_a_long_row_that_sees_nothing_or_not_a_number(name, dtype):
    x, keep = _draw((4, 40_000), dtype), np.ones((4, 40_000), bool)
    keep[0], keep[1, 30_000:], keep[2, 30_000:] = False, False, False
    x[1, 35_000], x[2, 17_000] = np.nan, np.nan
    for threads in (1, 3):
        with fa.num_threads(threads):
            y = getattr(fa, name)(x, mask=keep)
            assert (y[0] == UNSEEN[name]).all()
            assert np.isfinite(y[1, :30_000]).all()
            assert np.isnan(y[2, :30_000]).all()
            assert (y[1:3, 30_000:] == UNSEEN[name]).all()
            assert same_bits(y[3], getattr(fa, name)(x[3]))


@pytest.mark.parametrize("scale", [0.125, 0.1, 3.0, -3.0, 0.0])
def test_logarithms_of_what_is_not_seen(scale, any_dtype):
    """-inf is its logarithm at any scale: a factor's lower part may be 0."""
    x = _draw((70, 70), any_dtype)
    for given in ({"causal": True}, {"mask": np.tri(70, dtype=bool)}):
        y = fa.log_softmax(x, scale=scale, **given).astype(float)
        assert np.isfinite(y[np.tri(70, dtype=bool)]).all()
        assert (y[~np.tri(70, dtype=bool)] == -np.inf).all()
    seen = x.copy()
    seen[:, 3] = -np.inf if scale > 0 else np.inf
    if scale:
        y = fa.log_softmax(seen, scale=scale).astype(float)
        assert (y[:, 3] == -np.inf).all()
        assert np.isfinite(np.delete(y, 3, axis=1)).all()


@pytest.mark.parametrize("length", [1, 3, 15, 16, 17, 31, 32, 33, 40, 48, 63, 64, 65])
@pytest.mark.parametrize("rows", [1, 63, 64, 65, 130])
def test_a_row_is_the_same_beside_others(length, rows, any_dtype):
    """Short rows are computed 64 at a time, others one by one: all have the bits of a row alone."""
    x, keep = _draw((rows, length), any_dtype), _keep((rows, length))
    for given in ({"scale": 0.3}, {"causal": length - rows // 2}, {"mask": keep}, {"mask": x[::-1].copy()}):
        y = fa.softmax(x, **given)
        for i in range(0, rows, 7):
            words = {k: v[i : i + 1] if isinstance(v, np.ndarray) else v for k, v in given.items()}
            words |= {"causal": words["causal"] + i} if "causal" in words else {}
            assert same_bits(fa.softmax(x[i : i + 1], **words), y[i : i + 1]), (i, given.keys())


def test_several_axes_are_one_row(any_dtype):
    x, keep = _draw((3, 4, 5, 6), any_dtype), _keep((4, 1, 6))
    flat = np.moveaxis(x, 1, 2).reshape(3, 5, 24)
    kept = np.moveaxis(np.broadcast_to(keep, x.shape), 1, 2).reshape(3, 5, 24)
    result = fa.softmax(x, (1, 3), scale=0.7, mask=keep)
    assert same_bits(np.moveaxis(result, 1, 2).reshape(3, 5, 24), fa.softmax(flat, scale=0.7, mask=kept))
    assert same_bits(fa.logsumexp(x, (1, 3), mask=keep), fa.logsumexp(flat, mask=kept))
    assert fa.logsumexp(x, None).shape == ()


@pytest.mark.parametrize("name", [*ROWS, "logsumexp"])
@pytest.mark.parametrize("shape", [(12, 32, 32), (3, 128, 128), (2, 500, 512)])
def test_half_precision_is_float32_rounded_once(name, shape, any_dtype):
    if any_dtype in (np.float32, np.float64):
        pytest.skip("computed as it is")
    x, keep, added = _draw(shape, any_dtype), _keep(shape), _draw(shape[1:], any_dtype, seed=1)
    call = getattr(fa, name)
    for given in (
        {"scale": 0.125, "causal": True},
        {"scale": 0.3, "mask": keep},
        {"mask": added, "causal": 3},
    ):
        wide = {k: v.astype(np.float32) if v is added else v for k, v in given.items()}
        y = call(x, **given)
        assert same_bits(y, call(x.astype(np.float32), **wide).astype(any_dtype))
        dy = _draw(y.shape, any_dtype, seed=3)
        kept = {"x": x} if name == "logsumexp" else {"y": y}
        dx = call.backward(dy, **kept, **given)
        kept = {k: v.astype(np.float32) for k, v in kept.items()}
        assert same_bits(dx, call.backward(dy.astype(np.float32), **kept, **wide).astype(any_dtype))


def test_half_precision_longer_than_a_buffer():
    for dtype in (np.float16,):
        x, added = _draw((3, 20_000), dtype), _draw((20_000,), dtype, seed=1)
        for given in ({"mask": added}, {"mask": added > 0}, {"causal": 15_000, "scale": 0.3}):
            wide = {**given, **({"mask": added.astype(np.float32)} if given.get("mask") is added else {})}
            assert same_bits(fa.softmax(x, **given), fa.softmax(x.astype(np.float32), **wide).astype(dtype))


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3), (2, 0, 3), (2, 3, 0)])
def test_empty_arrays(shape):
    x = np.empty(shape, np.float32)
    for name in ROWS:
        assert getattr(fa, name)(x, scale=2.0, mask=True).shape == shape
    assert (fa.logsumexp(x, mask=True) == -np.inf).all()
    assert fa.logsumexp(x).shape == shape[:-1]


# -- Backward ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("words", ["scale", "causal", "boolean", "added"])
def test_gradients_by_finite_differences(name, words):
    x, dy = _draw((3, 5, 7), np.float64, 1.0), _draw((3, 5, 7), np.float64, seed=1)
    given = {
        "scale": {"scale": 0.3}, "causal": {"causal": 1}, "boolean": {"mask": _keep((5, 7))},
        "added": {"mask": np.where(_keep((5, 7)), 0.3, -np.inf), "scale": -2.0},
    }[words]  # fmt: skip
    call = getattr(fa, name)
    y = call(x, **given)
    seen = np.isfinite(y) & (y != 0)
    dx = call.backward(dy, y=y, **given)
    assert (dx[~seen] == 0).all()
    step = 1e-6
    for place in [(0, 0, 0), (1, 3, 2), (2, 4, 6), (0, 2, 1)]:
        high, low = x.copy(), x.copy()
        high[place] += step
        low[place] -= step
        difference = np.subtract(call(high, **given), call(low, **given), out=np.zeros_like(y), where=seen)
        assert abs((difference[seen] * dy[seen]).sum() / (2 * step) - dx[place]) < 1e-7, place


@pytest.mark.parametrize("name", ROWS)
def test_backward_in_any_layout_and_in_place(name, any_dtype):
    x, dy = _draw((3, 6, 8), any_dtype), _draw((3, 6, 8), any_dtype, seed=1)
    call = getattr(fa, name)
    given = {"scale": 0.3, "causal": 1}
    y = call(x, **given)
    expected = call.backward(dy, y=y, **given)
    for layout, moved in layouts(any_dtype).items():
        assert same_bits(call.backward(moved(dy), y=moved(y), **given), expected), layout
    for number in (0, 1):
        arrays = [dy.copy(), y.copy()]
        assert call.backward(arrays[0], y=arrays[1], **given, out=arrays[number]) is arrays[number]
        assert same_bits(arrays[number], expected)
    if any_dtype is np.float32:
        plain = call.backward(dy, y=call(x))
        np.testing.assert_allclose(call.backward(dy, y=call(x), scale=0.5), plain / 2, rtol=1e-6)


# -- logsumexp ---------------------------------------------------------------------------------


@pytest.mark.parametrize("length", LENGTHS)
def test_logsumexp(length, any_dtype):
    x = _draw((7, length), any_dtype, 5.0)
    keep = _keep(x.shape)
    for given in ({}, {"scale": 0.7}, {"mask": keep}):
        wide = x.astype(np.longdouble) * np.longdouble(given.get("scale", 1.0))
        wide = np.where(keep, wide, -np.inf) if "mask" in given else wide
        largest = wide.max(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            exact = np.where(
                np.isfinite(largest[:, 0]),
                largest[:, 0] + np.log(np.exp(wide - np.where(np.isfinite(largest), largest, 0)).sum(axis=1)),
                -np.inf,
            )
        result = fa.logsumexp(x, **given)
        assert result.dtype == any_dtype
        finite = np.isfinite(exact)
        assert (result[~finite] == -np.inf).all()
        unit = np.finfo(any_dtype).eps if any_dtype in (np.float16, np.float32, np.float64) else 2.0**-7
        error = np.abs(result[finite].astype(np.longdouble) - exact[finite])
        assert (error <= 2 * unit * np.maximum(np.abs(largest[finite, 0]), np.abs(exact[finite]))).all()
        assert same_bits(fa.logsumexp(x, **given, keepdims=True)[:, 0], result)


def test_logsumexp_of_what_is_infinite(dtype):
    x = np.array([[0, np.inf, 1], [-np.inf] * 3, [np.inf, np.nan, 0], [1e30, 1e30, 0]], dtype)
    np.testing.assert_array_equal(fa.logsumexp(x), [np.inf, -np.inf, np.nan, dtype(1e30)])
    assert isinstance(fa.logsumexp(x[0]), dtype)
    assert fa.logsumexp(3.0, None) == 3.0
    assert fa.logsumexp(np.array([5, 5])) == 5 + np.log(2)


@pytest.mark.parametrize("words", ["none", "scale", "causal", "boolean", "added"])
def test_gradient_of_logsumexp(words, any_dtype):
    x, dy = _draw((3, 5, 7), any_dtype, 1.0), _draw((3, 5), any_dtype, seed=1)
    given = {
        "none": {}, "scale": {"scale": 0.3}, "causal": {"causal": 1}, "boolean": {"mask": _keep((5, 7))},
        "added": {"mask": _draw((3, 1, 7), any_dtype), "scale": -2.0},
    }[words]  # fmt: skip
    dx = fa.logsumexp.backward(dy, x=x, **given)
    wide = {k: v.astype(np.float64) if k == "mask" and v.dtype == any_dtype else v for k, v in given.items()}
    shares = fa.softmax(x.astype(np.float64), **wide)
    expected = dy[..., None].astype(np.float64) * given.get("scale", 1.0) * shares
    unit = np.finfo(any_dtype).eps if any_dtype in (np.float16, np.float32, np.float64) else 2.0**-7
    np.testing.assert_allclose(dx.astype(np.float64), expected, rtol=4 * unit, atol=1e-7)
    for layout, moved in layouts(any_dtype).items():
        assert same_bits(fa.logsumexp.backward(dy, x=moved(x), **given), dx), layout
    assert same_bits(fa.logsumexp.backward(np.asfortranarray(dy), x=x, **given), dx)
    assert fa.logsumexp.backward(dy, x=x, **given, out=x) is x
    assert same_bits(x, dx)


# -- Errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"scale": "2"}, TypeError, "scale='2'"),
        ({"scale": np.inf}, ValueError, "finite"),
        ({"scale": np.nan}, ValueError, "finite"),
        ({"causal": 1.5}, TypeError, "causal=1.5"),
        ({"causal": "lower"}, TypeError, "causal='lower'"),
        ({"mask": np.ones((4, 6), np.float16)}, TypeError, "float16"),
        ({"mask": np.ones((4, 6), int)}, TypeError, "int64"),
        ({"mask": np.ones((5, 6), bool)}, ValueError, r"\(5, 6\)"),
        ({"mask": np.ones((2, 4, 6), bool)}, ValueError, r"\(2, 4, 6\)"),
        ({"axis": None, "causal": True}, ValueError, "causal"),
        ({"axis": 0, "causal": True}, ValueError, "causal"),
        ({"axis": 2, "scale": 2.0}, np.exceptions.AxisError, "2"),
        ({"dim": 1, "scale": 2.0}, TypeError, "axis"),
    ],
)
def test_errors_write_nothing(name, given, error, says, dtype):
    x, out = _draw((4, 6), dtype), np.full((4, 6), 9, dtype)
    with pytest.raises(error, match=says):
        getattr(fa, name)(x, **given, out=out)
    assert (out == 9).all()


# -- Others ------------------------------------------------------------------------------------


def test_as_torch(dtype):
    torch = pytest.importorskip("torch")
    q, k = _draw((2, 3, 5, 16), dtype, 1.0), _draw((2, 3, 5, 16), dtype, 1.0, 1)
    scores = q @ k.swapaxes(-1, -2)
    eye = torch.eye(5, dtype=torch.from_numpy(q).dtype).expand(2, 3, 5, 5)
    tensors = torch.from_numpy(q), torch.from_numpy(k), eye
    attention = torch.nn.functional.scaled_dot_product_attention
    np.testing.assert_allclose(
        fa.softmax(scores, scale=0.25, causal=True), attention(*tensors, is_causal=True).numpy(), atol=1e-6
    )
    keep, added = _keep((2, 1, 5, 5)) | np.eye(5, dtype=bool), _draw((5, 5), dtype)
    for mask in (keep, added):
        expected = attention(*tensors, attn_mask=torch.from_numpy(mask)).numpy()
        np.testing.assert_allclose(fa.softmax(scores, scale=0.25, mask=mask), expected, atol=1e-6)
