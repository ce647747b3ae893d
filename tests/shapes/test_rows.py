"""The rows beside softmax, softmax with a mask and a temperature, and the ways of rows through memory."""

from __future__ import annotations

import mpmath_reference as reference
import numpy as np
import pytest
from cases import Case, other_parameters, same_bits
from layouts import layouts

import fastact as fa
from fastact import catalog

ROWS = [row for row in catalog.rows if row.kind == "rows"]
ALL_ROWS = [row for row in catalog.rows if row.shape.by_row]
NAME = [row.name for row in ROWS]


def _draw(shape, dtype, scale=3.0, seed=0):
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def _assert_correct(name, computed, x, **names):
    exact = reference.rounded(reference.forward(reference.row_of(name), x, **names), computed.dtype)
    assert reference.ulps_between(computed, exact).max() <= 4


# Every row.


@pytest.mark.parametrize("row", ROWS, ids=NAME)
@pytest.mark.parametrize("length", [2, 5, 8, 31, 32, 33, 64, 65, 130])
@pytest.mark.parametrize("count", [1, 63, 64, 200])
def test_a_row_has_the_same_bits_on_every_way_through_memory(row, length, count, dtype):
    """Alone, transposed in a buffer, along a strided axis and from a strided array."""
    for saved in ("", *row.saves):
        case = Case(row, saved)
        arrays = case.draw((count, length), dtype)
        expected = case(*arrays)
        alone = np.stack([case(*(array[i] for array in arrays)) for i in range(count)])
        assert same_bits(alone, expected)
        columns = case(*(np.ascontiguousarray(array.T) for array in arrays), axis=0)
        assert same_bits(np.ascontiguousarray(columns.T), expected)
        assert same_bits(case(*(np.asfortranarray(array) for array in arrays)), expected)


@pytest.mark.parametrize("row", ROWS, ids=NAME)
@pytest.mark.parametrize("length", [7, 40, 300])
def test_rows_of_moderate_and_huge_numbers_lie_side_by_side(row, length, dtype):
    """A row is computed by how large its largest is, whatever is beside it."""
    levels = np.array([0, 199.9, 200.1, -199.9, -200.1, 1e4, -1e4, 1e30, 3, -np.inf], dtype)
    x = _draw((70, length), dtype, 20.0)
    x = x - x.max(axis=1, keepdims=True) + np.resize(levels, 70)[:, None]
    assert x.dtype == dtype
    kernel = getattr(fa, row.name)
    alone = np.stack([kernel(line) for line in x])
    assert same_bits(kernel(x), alone)
    assert same_bits(np.ascontiguousarray(kernel(np.ascontiguousarray(x.T), axis=0).T), alone)
    # What the bits above say of all is judged for two rows of each level.
    judged = np.isfinite(x).all(axis=1) & (np.arange(70) < 20)
    _assert_correct(row.name, alone[judged], x[judged])


@pytest.mark.parametrize("row", ALL_ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("shape", [(1, 400_001), (2, 130_000), (400_001, 1)])
def test_threads_share_a_long_row(row, shape, dtype):
    for saved in ("", *row.saves):
        case = Case(row, saved)
        arrays = case.draw(shape, dtype)
        axis = int(np.argmax(shape))
        with fa.num_threads(1):
            expected = case(*arrays, axis=axis)
        for threads in (2, 3, 5):
            with fa.num_threads(threads):
                assert same_bits(case(*arrays, axis=axis), expected)
                copies = [array.copy() for array in arrays]
                assert same_bits(case(*copies, axis=axis, out=copies[-1]), expected)


# Several axes that are one row.

AXES = [None, (0,), (0, 1), (-1, 1), (0, 2), (2, 0, 1)]


def _as_one(array: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
    """The row's axes as the last one, in the order of their elements in C."""
    axes = tuple(sorted(a % array.ndim for a in (range(array.ndim) if axes is None else axes)))
    others = [i for i in range(array.ndim) if i not in axes]
    moved = array.transpose(*others, *axes)
    return np.ascontiguousarray(moved).reshape(*moved.shape[: len(others)], -1)


@pytest.mark.parametrize("row", ROWS, ids=NAME)
@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("shape", [(3, 4, 5), (40, 30, 70)], ids=str)
def test_axes_are_one_row(row, axes, shape, any_dtype, threads):
    """Whatever the layout, in place too, to the bit."""
    for case in (Case(row, saved) for saved in ("", *row.saves)):
        arrays = case.draw(shape, any_dtype)
        for given in [{}, *other_parameters(row)]:
            expected = case(*(_as_one(array, axes) for array in arrays), **given)
            assert same_bits(_as_one(case(*arrays, axis=axes, **given), axes), expected)
            for layout in layouts(any_dtype).values():
                copies = [layout(array) for array in arrays]
                result = case(*copies, axis=axes, **given)
                assert same_bits(_as_one(result, axes), expected)
                out = copies[-1]
                if out.flags.writeable:
                    assert case(*copies, axis=axes, out=out, **given) is out
                    assert same_bits(_as_one(out.astype(any_dtype), axes), expected)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("axes", [*AXES, 1, ()], ids=str)
def test_axes_mean_what_scipys_do(name, axes, dtype):
    special = pytest.importorskip("scipy.special")
    x = _draw((3, 4, 5), dtype)
    expected = getattr(special, name)(x, axis=axes)
    np.testing.assert_allclose(fa.get(name)(x, axes), expected, rtol=1e-5, atol=1e-6)
    for scalar in (dtype(3), dtype(np.nan)):
        computed = fa.get(name)(scalar, axis=None)
        assert type(computed) is dtype
        np.testing.assert_array_equal(computed, getattr(special, name)(scalar, axis=None))


@pytest.mark.parametrize("row", ALL_ROWS, ids=lambda row: row.name)
def test_without_an_axis_each_element_is_a_row(row, any_dtype):
    for case in (Case(row, saved) for saved in ("", *row.saves)):
        arrays = case.draw((3, 4), any_dtype)
        expected = case(*(array[..., np.newaxis] for array in arrays))[..., 0]
        assert same_bits(case(*arrays, axis=()), expected)
        assert case(*arrays, axis=(), out=arrays[-1]) is arrays[-1]
        assert same_bits(arrays[-1], expected)


@pytest.mark.parametrize("row", ALL_ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("shape", [(0, 3, 2), (3, 0, 2), (3, 2, 0)], ids=str)
def test_rows_of_an_empty_array(row, shape, dtype):
    for case in (Case(row, saved) for saved in ("", *row.saves)):
        for axes in (*AXES, ()):
            assert case(*case.draw(shape, dtype), axis=axes).shape == shape


@pytest.mark.parametrize("axes", AXES, ids=str)
def test_a_mask_over_axes(axes, dtype):
    x = _draw((3, 4, 5), dtype)
    mask = np.random.default_rng(2).random(x.shape) < 0.6
    y = fa.softmax(x, axes, where=mask, temperature=0.7)
    expected = fa.softmax(_as_one(x, axes), where=_as_one(mask, axes), temperature=0.7)
    assert same_bits(_as_one(y, axes), expected)
    assert fa.softmax(x, axes, where=mask, temperature=0.7, out=x) is x
    assert same_bits(x, y)


@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("tau", [0.3, 1.0, 4.0])
def test_noise_over_axes_is_that_of_the_elements(axes, tau, dtype):
    x, dy = _draw((3, 4, 5), dtype), _draw((3, 4, 5), dtype, seed=1)
    noise = _as_one(fa.gumbel_softmax.noise(x.shape, dtype, seed=11), axes)
    soft = fa.gumbel_softmax(x, tau, axis=axes, seed=11)
    _assert_correct("gumbel_softmax", _as_one(soft, axes), _as_one(x, axes), noise=noise, tau=tau)
    hard = _as_one(fa.gumbel_softmax(x, tau, True, axes, seed=11), axes)
    np.testing.assert_array_equal(hard, _as_one(soft, axes) == _as_one(soft, axes).max(-1, keepdims=True))
    gradient = fa.gumbel_softmax.backward(dy, y=soft, tau=tau, axis=axes)
    of_one = fa.gumbel_softmax.backward(_as_one(dy, axes), y=_as_one(soft, axes), tau=tau)
    assert same_bits(_as_one(gradient, axes), of_one)
    of_hard = fa.gumbel_softmax.backward(dy, x=x, tau=tau, hard=True, axis=axes, seed=11)
    assert same_bits(of_hard, gradient)
    for view in (np.asfortranarray(x), np.flip(np.flip(x).copy())):
        assert same_bits(fa.gumbel_softmax(view, tau, axis=axes, seed=11), soft)
        assert fa.gumbel_softmax(view, tau, axis=axes, seed=11, out=view) is view
        assert same_bits(view, soft)


# log_softmax. Known defects: scipy 19521, pytorch 11866.


def test_log_softmax_of_a_dominating_logit_keeps_what_the_others_add(dtype):
    """scipy 19521: the largest result is minus the small sum of the others, not 0."""
    for gap in (1, 10, 20, 40, 50, 80, 1e4):
        x = np.array([[gap, 0, -1, 0.5], [0, gap, gap / 2, -gap]], dtype)
        _assert_correct("log_softmax", fa.log_softmax(x), x)
    assert (fa.log_softmax(np.array([80, 0], dtype)) < 0).all()


def test_log_softmax_of_large_inputs_keeps_small_differences(dtype):
    """pytorch 11866."""
    near = np.array([[0, 1, 2, 0.5], [0, 0, 0, 1e-3], [0, 0.5, -51, -50], [0, 0.25, -1, 0]])
    for large in (1e3, 1e6, -1e6):
        x = (large + near).astype(dtype)
        _assert_correct("log_softmax", fa.log_softmax(x), x)


@pytest.mark.parametrize("length", [1, 2, 3, 8, 17, 100])
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_log_softmax_is_the_formula(length, scale, dtype):
    x = _draw((20, length), dtype, scale)
    _assert_correct("log_softmax", fa.log_softmax(x), x)


def test_log_softmax_counts_equal_largest_values(dtype):
    x = np.array([[5, 5, 5, -100], [5, 5, 4, 3]], dtype)
    _assert_correct("log_softmax", fa.log_softmax(x), x)


def test_log_softmax_of_minus_infinity_and_of_huge_differences(dtype):
    largest = np.finfo(dtype).max
    y = fa.log_softmax(np.array([[-np.inf, 0, 0], [largest, -largest, 0]], dtype))
    np.testing.assert_allclose(y[0], [-np.inf, -np.log(2), -np.log(2)], rtol=1e-6)
    np.testing.assert_array_equal(y[1], np.array([0, -np.inf, -largest], dtype))


# softmin.


def test_softmin_is_softmax_of_the_negative(dtype):
    x = _draw((40, 33), dtype)
    y = fa.softmin(x)
    assert same_bits(y, fa.softmax(-x))
    dy = _draw(x.shape, dtype, seed=1)
    np.testing.assert_array_equal(fa.softmin.backward(dy, y=y), -fa.softmax.backward(dy, y=y))


# NaN where a row has no softmax.


@pytest.mark.parametrize("row", ALL_ROWS, ids=lambda row: row.name)
def test_a_row_of_nothing_or_of_too_much_is_nan(row, dtype):
    nothing, too_much = (np.inf, -np.inf) if row.name == "softmin" else (-np.inf, np.inf)
    for length in (1, 3, 8, 33, 1000):
        x = np.zeros((4, length), dtype)
        x[0], x[1, -1], x[2, length // 2] = nothing, too_much, np.nan
        for y in (Case(row)(x), Case(row)(np.ascontiguousarray(x.T), axis=0).T):
            assert np.isnan(y[:3]).all(), length
            assert np.isfinite(y[3]).all(), length


# softmax's mask and temperature.


def test_a_mask_leaves_elements_out(dtype, threads):
    x = _draw((9, 40), dtype)
    mask = np.random.default_rng(2).random((9, 40)) < 0.6
    x[~mask & (x > 0)] = np.nan  # what does not count may be anything
    y = fa.softmax(x, where=mask)
    for i in range(9):
        _assert_correct("softmax", y[i, mask[i]], x[i, mask[i]])
    assert (y[~mask] == 0).all()
    target = np.asfortranarray(x)
    assert fa.softmax(target, where=mask, out=target) is target
    assert same_bits(target, y)
    np.testing.assert_array_equal(fa.softmax.backward(np.ones_like(y), y=y)[~mask], 0)


def test_a_mask_broadcasts_and_a_row_without_any_element_is_zero(dtype):
    """As in jax.nn.softmax."""
    x = _draw((4, 6), dtype)
    np.testing.assert_array_equal(fa.softmax(x, where=False), np.zeros((4, 6)))
    keep = np.array([True, False, True, True, False, True])
    _assert_correct("softmax", fa.softmax(x, where=keep)[:, keep], x[:, keep])
    rows = np.array([[True], [False], [True], [True]])
    assert same_bits(fa.softmax(x, where=rows)[[0, 2, 3]], fa.softmax(x)[[0, 2, 3]])
    assert (fa.softmax(x, where=rows)[1] == 0).all()


def test_a_mask_that_is_none(dtype):
    x, out = _draw((4, 6), dtype), np.full((4, 6), 9, dtype)
    with pytest.raises(TypeError, match="where has dtype float64"):
        fa.softmax(x, where=np.ones((4, 6)), out=out)
    with pytest.raises(ValueError, match=r"\(5, 6\)"):
        fa.softmax(x, where=np.ones((5, 6), bool), out=out)
    with pytest.raises(TypeError, match="where"):
        fa.softmin(x, where=True, out=out)
    assert (out == 9).all()


@pytest.mark.parametrize("temperature", [1e-3, 0.3, 0.7, 1.5, 30.0, 1e6])
def test_temperature_divides_the_logits(temperature, dtype):
    x = _draw((10, 12), dtype, scale=3 * min(temperature, 100))
    y = fa.softmax(x, temperature=temperature)
    _assert_correct("softmax", y, x, temperature=temperature)
    dy = _draw(x.shape, dtype, seed=1)
    gradient = fa.softmax.backward(dy, y=y, temperature=temperature)
    np.testing.assert_allclose(gradient, fa.softmax.backward(dy, y=y) / temperature, rtol=1e-6)


def test_a_large_temperature_tames_a_difference_that_overflows(dtype):
    largest = np.finfo(dtype).max
    x = np.array([[largest, -largest, 0]], dtype)
    _assert_correct(
        "softmax", fa.softmax(x, temperature=float(largest) / 2), x, temperature=float(largest) / 2
    )


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_a_temperature_that_is_not_positive(temperature, dtype):
    x, out = _draw((4, 6), dtype), np.full((4, 6), 9, dtype)
    for call in (
        lambda: fa.softmax(x, temperature=temperature, out=out),
        lambda: fa.softmax.backward(x, y=x, temperature=temperature, out=out),
    ):
        with pytest.raises(ValueError, match="temperature > 0"):
            call()
    assert (out == 9).all()


# sparsemax.


def test_sparsemax_is_the_projection_onto_the_simplex(dtype):
    for length in (1, 2, 3, 8, 33, 100, 1000):
        x = _draw((50, length), dtype)
        exact = reference.forward(reference.row_of("sparsemax"), x[:5])
        np.testing.assert_allclose(fa.sparsemax(x[:5]), exact.astype(float), atol=4 * np.finfo(dtype).eps)
        np.testing.assert_allclose(fa.sparsemax(x).sum(-1), 1, rtol=100 * np.finfo(dtype).eps)


def test_sparsemax_of_well_known_rows(dtype):
    x = np.array([[3, 1, 0], [0, 0, 0], [0.25, 0.75, 0], [-np.inf, 1, 1], [1e30, -1e30, 0]], dtype)
    expected = [[1, 0, 0], [1 / 3] * 3, [0.25, 0.75, 0], [0, 0.5, 0.5], [1, 0, 0]]
    np.testing.assert_allclose(fa.sparsemax(x), expected, rtol=1e-6)


def test_sparsemax_gives_no_gradient_where_it_is_zero(dtype):
    x = _draw((50, 30), dtype)
    y, dy = fa.sparsemax(x), _draw((50, 30), dtype, seed=1)
    dx = fa.sparsemax.backward(dy, y=y)
    assert (dx[y == 0] == 0).all()
    np.testing.assert_allclose(dx.sum(-1), 0, atol=1e-5)


# gumbel_softmax.


def test_gumbel_softmax_is_a_softmax_of_noisy_logits(dtype, threads):
    x = _draw((6, 9), dtype)
    noise = fa.gumbel_softmax.noise((6, 9), dtype, seed=11)
    for tau in (0.3, 1.0, 4.0):
        y = fa.gumbel_softmax(x, tau, seed=11)
        _assert_correct("gumbel_softmax", y, x, noise=noise, tau=tau)


@pytest.mark.parametrize("shape", [(4000,), (60, 70)], ids=["row", "columns"])
def test_gumbel_softmax_has_the_same_bits_where_lines_are_too_long_to_keep_their_noise(shape, dtype):
    x = _draw(shape, dtype)
    # Elements of -inf add to a line's length, and nothing else.
    longer = np.pad(x, [(0, 200)] + [(0, 0)] * (x.ndim - 1), constant_values=-np.inf)
    expected = fa.gumbel_softmax(x, axis=0, seed=3)
    assert same_bits(fa.gumbel_softmax(longer, axis=0, seed=3)[: shape[0]], expected)


def test_the_noise_is_gumbels(dtype):
    noise = fa.gumbel_softmax.noise(400_000, dtype, seed=1).astype(np.float64)
    assert np.isfinite(noise).all()
    assert noise.mean() == pytest.approx(np.euler_gamma, abs=0.01)
    assert noise.std() == pytest.approx(np.pi / np.sqrt(6), abs=0.01)
    assert not np.array_equal(noise, fa.gumbel_softmax.noise(400_000, dtype, seed=2))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shape", [(5, 7, 36), (70, 90, 30), (3, 5, 8000)])
def test_noise_follows_c_order_in_any_layout(axis, shape, dtype, threads):
    x = _draw(shape, dtype)
    expected = fa.gumbel_softmax(x, axis=axis, seed=3)
    for view in (np.asfortranarray(x), np.flip(np.flip(x).copy()), np.repeat(x, 2, axis=1)[:, ::2]):
        assert same_bits(fa.gumbel_softmax(view, axis=axis, seed=3), expected)


def test_a_hard_sample_is_one_at_the_largest_of_the_soft_one(dtype, threads):
    x = _draw((200, 10), dtype)
    for axis in (0, 1):
        soft = fa.gumbel_softmax(x, axis=axis, seed=5)
        hard = fa.gumbel_softmax(x, hard=True, axis=axis, seed=5)
        expected = np.zeros_like(x)
        np.put_along_axis(expected, soft.argmax(axis, keepdims=True), 1, axis)
        np.testing.assert_array_equal(hard, expected)


def test_the_gradient_of_a_hard_sample_is_that_of_the_soft_one(dtype):
    x, dy = _draw((20, 10), dtype), _draw((20, 10), dtype, seed=1)
    soft = fa.gumbel_softmax(x, 0.5, seed=5)
    expected = fa.gumbel_softmax.backward(dy, y=soft, tau=0.5)
    assert same_bits(fa.gumbel_softmax.backward(dy, x=x, tau=0.5, hard=True, seed=5), expected)
    with pytest.raises(TypeError, match="x= and seed="):
        fa.gumbel_softmax.backward(dy, y=soft, hard=True, seed=5)
    with pytest.raises(TypeError, match="seed"):
        fa.gumbel_softmax.backward(dy, x=x, hard=True)


@pytest.mark.parametrize("seed", [1.5, "seven", None, True])
def test_a_seed_that_is_no_integer(seed, dtype):
    with pytest.raises(TypeError, match="seed"):
        fa.gumbel_softmax(np.ones(8, dtype), seed=seed)
