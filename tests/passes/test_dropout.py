"""dropout: what is left out is a function of p, the seed and the place in C order, and of nothing else."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from cases import DTYPES, same_bits
from layouts import layouts

import fastact as fa

PROBABILITIES = [0.0, 1e-3, 0.1, 0.25, 0.5, 0.9, 1.0]


def _drawn(shape, dtype=np.float64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def _kept(shape, p: float, seed: int) -> np.ndarray:
    return fa.dropout(np.ones(shape), p, seed=seed) != 0


def _expected_kept(places: np.ndarray, p: float, seed: int) -> np.ndarray:
    """SplitMix64 once more: element i has half i % 2 of word i // 2, read as a number from -2**31 on."""
    key = 0xCBF29CE484222325
    for letter in b"dropout":
        key = (key ^ letter) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        words = (places // 2 + 1).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key ^ seed)
        words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)
    halves = np.where(places % 2, words >> np.uint64(32), words).astype(np.uint32)
    return halves.view(np.int32) >= round(p * 2**32) - 2**31


@pytest.mark.parametrize("seed", [0, 1, 5, 2**63 + 5, 2**64 - 1])
@pytest.mark.parametrize("p", [*PROBABILITIES, 1 / 3, 2**-20, 1 - 2**-20, 2**-32, 2**-34, 1 - 2**-34])
def test_the_mask_is_that_of_a_second_generator(p, seed):
    places = np.arange(70_001)
    np.testing.assert_array_equal(_kept(70_001, p, seed), _expected_kept(places, p, seed))


@pytest.mark.parametrize("width", [1, 2, 3, 7, 129, 255, 1001, 4096])
def test_the_mask_is_that_of_the_places_wherever_a_run_begins(any_dtype, width, threads):
    """Rows of odd lengths begin with the second half of a word, and chunks of them too."""
    x = np.ones((31, 4101), any_dtype)
    places = np.arange(31 * width).reshape(31, width)
    expected = _expected_kept(places, 0.3, 5)
    for start in (0, 1, 2, 5):
        part = x[:, start : start + width]
        np.testing.assert_array_equal(fa.dropout(part, 0.3, seed=5) != 0, expected)
        np.testing.assert_array_equal(fa.dropout(part, 0.3, seed=5, residual=part) != 1, expected)
        np.testing.assert_array_equal(fa.relu(part, dropout=(0.3, 5)) != 0, expected)
        out = np.zeros_like(x)[:, start : start + width]
        np.testing.assert_array_equal(fa.dropout(part, 0.3, seed=5, out=out) != 0, expected)


@pytest.mark.parametrize("p", PROBABILITIES)
def test_values_are_those_of_a_mask(any_dtype, p, threads):
    x, residual = _drawn((37, 523), any_dtype), _drawn((37, 523), any_dtype, 1)
    kept = _kept(x.shape, p, seed=5)
    wide, other = x.astype(np.longdouble), residual.astype(np.longdouble)
    scaled = np.where(kept, wide, 0) / (np.longdouble(1 - p) if p < 1 else 1)
    for result, exact, largest in (
        (fa.dropout(x, p, seed=5), scaled, abs(scaled)),
        (fa.dropout(x, p, seed=5, residual=residual), scaled + other, np.maximum(abs(scaled), abs(other))),
        (fa.dropout.backward(x, p=p, seed=5), scaled, abs(scaled)),
    ):
        assert (result.dtype, result.shape) == (x.dtype, x.shape)
        largest = np.maximum(largest, abs(exact))
        with np.errstate(all="ignore"):
            ulp = np.spacing(abs(largest).astype(any_dtype)).astype(np.longdouble)
        # With a residual a level without fused multiply-add rounds once more.
        assert (abs(result.astype(np.longdouble) - exact) <= fa.dropout.row.allowed[0] * ulp).all()


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_each_element_is_kept_with_its_probability(p):
    count = 1 << 20
    kept = _kept(count, p, seed=3)
    error = 4 * np.sqrt(p * (1 - p) / count)
    assert abs(kept.mean() - (1 - p)) < error
    assert abs(np.corrcoef(kept[:-1], kept[1:])[0, 1]) < 4 / np.sqrt(count)
    for lag in (2, 3, 63, 64, 65, 4096):
        assert abs(np.corrcoef(kept[:-lag], kept[lag:])[0, 1]) < 4 / np.sqrt(count)
    for seed in (2, 4, 2**32 + 3, 2**63 + 3):
        assert abs(np.corrcoef(kept, _kept(count, p, seed))[0, 1]) < 4 / np.sqrt(count)


def test_the_ends_are_exact(any_dtype):
    x, residual = _drawn(1000, any_dtype), _drawn(1000, any_dtype, 1)
    x[:4] = -0.0, np.inf, -np.inf, 1
    residual[:2] = 1
    total = (x.astype(np.float64) + residual.astype(np.float64)).astype(any_dtype)
    for end in ({"p": 0.0, "seed": 1}, {"p": 0.7, "seed": None}):
        assert same_bits(fa.dropout(x, **end), x)
        assert same_bits(fa.dropout.backward(x, **end), x)
        if np.dtype(any_dtype).itemsize > 2:
            total = x + residual
        np.testing.assert_array_equal(fa.dropout(x, **end, residual=residual), total)
    assert same_bits(abs(fa.dropout(x, 1.0, seed=1)), np.zeros_like(x))
    np.testing.assert_array_equal(fa.dropout(x, 1, seed=1, residual=residual), residual)


def test_the_same_elements_are_left_out_in_every_dtype():
    for p in (0.1, 1 / 3, 0.5):
        expected = _kept((91, 7), p, seed=9)
        for dtype in DTYPES:
            np.testing.assert_array_equal(fa.dropout(np.ones((91, 7), dtype), p, seed=9) != 0, expected)


def test_any_layout_has_the_bits_of_a_contiguous_one(any_dtype, threads):
    x, residual = _drawn((12, 9, 10), any_dtype), _drawn((12, 9, 10), any_dtype, 1)
    alone, added = fa.dropout(x, 0.3, seed=2), fa.dropout(x, 0.3, seed=2, residual=residual)
    for layout in layouts(any_dtype).values():
        given = layout(x)
        assert same_bits(fa.dropout(given, 0.3, seed=2), alone)
        assert same_bits(fa.dropout.backward(given, p=0.3, seed=2), alone)
        assert same_bits(fa.dropout(given, 0.3, seed=2, residual=residual), added)
        assert same_bits(fa.dropout(x, 0.3, seed=2, residual=layout(residual)), added)
        if given.flags.writeable:
            assert fa.dropout(x, 0.3, seed=2, residual=residual, out=given) is given
            assert same_bits(given.astype(any_dtype), added)


def test_in_place_and_overlapping(any_dtype, threads):
    memory = _drawn(70_000, any_dtype)
    residual = _drawn(69_990, any_dtype, 1)
    for shift in (0, 1, 10):
        x = memory.copy()
        expected = fa.dropout(x[:69_990], 0.4, seed=6), fa.dropout(x[:69_990], 0.4, seed=6, residual=residual)
        for kept, given in zip(expected, ({}, {"residual": residual}), strict=True):
            x = memory.copy()
            out = x[shift : shift + 69_990]
            assert fa.dropout(x[:69_990], 0.4, seed=6, out=out, **given) is out
            assert same_bits(out, kept)
    copy = residual.copy()
    fa.dropout(memory[:69_990], 0.4, seed=6, residual=copy, out=copy)
    assert same_bits(copy, expected[1])


def test_large_arrays_do_not_depend_on_length_or_threads(any_dtype, threads):
    whole = fa.dropout(np.ones(3_000_001, any_dtype), 0.2, seed=8)
    for count in (1, 15, 16, 4097, 2_500_000):
        assert same_bits(fa.dropout(np.ones(count, any_dtype), 0.2, seed=8), whole[:count])


def test_special_values(any_dtype):
    x = np.array([np.nan, np.inf, -np.inf] * 40, any_dtype)
    kept = _kept(x.shape, 0.5, seed=1)
    y = fa.dropout(x, 0.5, seed=1)
    assert (np.isnan(y) == np.isnan(x)).all()
    assert (y[~np.isnan(x)] == np.where(kept, x, 0)[~np.isnan(x)]).all()
    assert np.isnan(fa.dropout(x, 0.5, seed=1, residual=x)[np.isnan(x)]).all()


def test_shapes_and_kinds_of_input():
    assert fa.dropout(np.float32(2), seed=1).dtype == np.float32
    assert np.ndim(fa.dropout(3.0, seed=1)) == 0
    assert fa.dropout([1, 2, 3], 0, seed=1).tolist() == [1.0, 2.0, 3.0]
    assert fa.dropout(np.ones((0, 3), np.float32), seed=1).shape == (0, 3)
    mixed = fa.dropout(np.ones(8, np.float32), 0.5, seed=1, residual=np.ones(8))
    assert mixed.dtype == np.float64


def test_gradients_are_finite_differences():
    x, step = _drawn(200), 2**-10
    slope = (fa.dropout(x + step, 0.3, seed=4) - fa.dropout(x - step, 0.3, seed=4)) / (2 * step)
    np.testing.assert_allclose(fa.dropout.backward(np.ones(200), p=0.3, seed=4), slope, atol=1e-11)


@pytest.mark.parametrize(
    ("error", "words", "given"),
    [
        (ValueError, ["p=1.5", "0 <= p <= 1"], {"p": 1.5, "seed": 1}),
        (ValueError, ["p=nan"], {"p": float("nan"), "seed": 1}),
        (ValueError, ["p=-0.1"], {"p": -0.1, "seed": None}),
        (TypeError, ["p=", "number"], {"p": "half", "seed": 1}),
        (TypeError, ["seed=1.5", "integer or None"], {"seed": 1.5}),
        (ValueError, ["seed=-1", "2**64"], {"seed": -1}),
        (TypeError, ["seed"], {}),
        (ValueError, ["(5,)", "(4,)"], {"seed": 1, "residual": np.ones(5)}),
        (TypeError, ["complex"], {"seed": 1, "residual": np.ones(4, complex)}),
        (TypeError, ["float32", "float64"], {"seed": 1, "residual": np.ones(4, np.float64)}),
    ],
)
def test_errors_write_nothing(error, words, given):
    x = np.arange(4, dtype=np.float32)
    before = x.copy()
    with pytest.raises(error) as raised:
        fa.dropout(x, **given, out=x)
    assert all(word in str(raised.value) for word in words)
    assert same_bits(x, before)


def test_it_is_what_a_pickle_of_it_gives():
    assert pickle.loads(pickle.dumps(fa.dropout)) is fa.dropout
    assert fa.passes["dropout"] is fa.dropout
    assert "Probability" in fa.dropout.__doc__


def test_a_dask_array_has_the_bits_of_the_ndarray():
    da = pytest.importorskip("dask.array")
    x, residual = _drawn((12, 8, 6), np.float32), _drawn((12, 8, 6), np.float32, 1)
    for chunks in ((5, 8, 6), (12, 3, 4), (1, 1, 1)):
        lazy, other = da.from_array(x, chunks=chunks), da.from_array(residual, chunks=chunks)
        for call in (
            lambda a, b: fa.dropout(a, 0.3, seed=5),
            lambda a, b: fa.dropout(a, 0.3, seed=5, residual=b),
            lambda a, b: fa.dropout(a, 0.3, seed=None, residual=b),
            lambda a, b: fa.dropout.backward(a, p=0.3, seed=5),
        ):
            result = call(lazy, other)
            assert isinstance(result, da.Array)
            assert same_bits(result.compute(scheduler="synchronous"), call(x, residual))


def test_labels_stay():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(_drawn((4, 3)), columns=list("abc"))
    dropped = fa.dropout(frame, 0.5, seed=1)
    assert list(dropped.columns) == list("abc")
    assert same_bits(dropped.to_numpy(), fa.dropout(frame.to_numpy(), 0.5, seed=1))


def test_as_torch_but_for_what_is_drawn():
    torch = pytest.importorskip("torch")
    x = torch.ones(1 << 18)
    ours = fa.dropout(x.numpy(), 0.3, seed=1)
    theirs = torch.nn.functional.dropout(x, 0.3).numpy()
    assert set(np.unique(ours)) == {0, *np.unique(theirs[theirs != 0])}
    assert abs((ours != 0).mean() - (theirs != 0).mean()) < 8 * np.sqrt(0.21 / x.numel())
