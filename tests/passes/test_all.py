"""What holds for every pass, whatever it computes: what comes in and out, layouts, threads, errors, docs.

The calls are those of the table in tests/around.py. That passes let go of the GIL, are never half done, and
work in threads with small stacks and in any floating-point mode is said in tests/core, with the activations.
"""

from __future__ import annotations

import contextlib
import copy
import doctest
import inspect
import pickle
import pydoc
import re
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from around import EXAMPLES, Example
from cases import DTYPES, same_bits
from layouts import layouts

import fastact as fa


@pytest.fixture(scope="module", params=EXAMPLES, ids=str)
def example(request) -> Example:
    return request.param


WITH_OUT = pytest.mark.parametrize("example", [e for e in EXAMPLES if e.out], ids=str)
IN_PLACE = pytest.mark.parametrize("example", [e for e in EXAMPLES if e.in_place], ids=str)
PASSES = pytest.mark.parametrize("name", fa.passes)


def _methods(name: str) -> list[str]:
    """What a pass is called by."""
    one = fa.passes[name]
    return ["__call__", *(public for public in dir(one) if callable(getattr(one, public)))]


def _copies(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in arrays.items()}


def _all_same(ones, others) -> bool:
    return len(ones) == len(others) and all(map(same_bits, ones, others))


def _floating(arrays: dict[str, np.ndarray]) -> list[str]:
    return [name for name in arrays if name != "target"]


@PASSES
def test_it_has_an_example_in_every_direction(name):
    """A pass that is added is held to all of this once it is in the table."""
    shown = {example.method for example in EXAMPLES if example.name == name}
    lacking = set(_methods(name)) - shown
    assert not lacking, f"tests/around.py: an example of {name}: {lacking}"


# What comes in and out


def test_the_dtype_is_that_of_the_arrays(example, any_dtype):
    arrays = example.draw(any_dtype)
    before = _copies(arrays)
    results = example(arrays)
    assert {np.asarray(result).dtype for result in results} == {np.dtype(any_dtype)}
    assert _all_same(arrays.values(), before.values())
    assert all(np.isfinite(np.asarray(result, np.float64)).all() for result in results)


@pytest.mark.parametrize("dtype", [np.int8, np.uint32, np.int64, np.bool_], ids=lambda dtype: dtype.__name__)
def test_whole_numbers_give_float64(example, dtype):
    drawn = example.draw(np.float64)
    with np.errstate(all="ignore"):
        arrays = {name: a if name == "target" else abs(3 * a).astype(dtype) for name, a in drawn.items()}
    wide = {name: a if name == "target" else a.astype(np.float64) for name, a in arrays.items()}
    results = example(arrays)
    assert {np.asarray(result).dtype for result in results} == {np.dtype(np.float64)}
    assert _all_same(results, example(wide))


def test_lists_are_arrays(example):
    arrays = example.draw(np.float64)
    assert _all_same(example({name: a.tolist() for name, a in arrays.items()}), example(arrays))


@WITH_OUT
def test_out_is_returned_with_the_bits_of_a_new_array(example, any_dtype):
    arrays = example.draw(any_dtype)
    before = _copies(arrays)
    expected = example(arrays)
    ways = {"plain": np.copy, **layouts(any_dtype)}
    for how, lay in ways.items():
        if how == "read-only" or (how == "transposed" and any(expected[k].ndim != 3 for k in example.out)):
            continue
        outs = {place: lay(np.zeros_like(expected[place])) for place in example.out}
        results = example.into(arrays, outs)
        for place, out in outs.items():
            assert results[place] is out
            assert same_bits(out.astype(any_dtype), expected[place])
        assert _all_same(arrays.values(), before.values())


@WITH_OUT
def test_out_may_be_a_tuple_of_one_as_of_ufuncs(example):
    arrays = example.draw(np.float32)
    if len(example.out) == 1:
        (place,) = example.out
        out = np.empty_like(example(arrays)[place])
        assert example(arrays, out=(out,))[place] is out
        assert example({k: np.asfortranarray(a) for k, a in arrays.items()}, out=(out,))[place] is out


@IN_PLACE
def test_in_place(example, any_dtype):
    expected = example(example.draw(any_dtype))
    for place, names in example.in_place.items():
        for name in names:
            for lay in (np.asarray, np.asfortranarray, lambda array: np.flip(np.flip(array).copy())):
                arrays = example.draw(any_dtype)
                arrays[name] = lay(arrays[name])
                results = example.into(arrays, {place: arrays[name]})
                assert results[place] is arrays[name]
                assert _all_same([np.asarray(r, any_dtype) for r in results], expected)


@WITH_OUT
def test_an_out_that_does_not_fit_is_refused_and_nothing_is_written(example, any_dtype):
    arrays = example.draw(any_dtype)
    before, expected = _copies(arrays), example(arrays)
    other = np.float64 if any_dtype is np.float32 else np.float32
    for place in example.out:
        outs = {k: np.full_like(expected[k], 7) for k in example.out}
        read_only = np.full_like(expected[place], 7)
        read_only.flags.writeable = False
        shape = (*expected[place].shape, 1)
        for error, wrong in (
            (TypeError, np.full(expected[place].shape, 7, other)),
            (TypeError, np.full(expected[place].shape, 7, np.int64)),
            (ValueError, np.full(shape, 7, any_dtype)),
            (ValueError, read_only),
            (TypeError, expected[place].tolist()),
        ):
            given = {**outs, place: wrong}
            with pytest.raises(error) as raised:
                example.into(arrays, given)
            assert "read-only" in str(raised.value) or wrong is not read_only
            for out in given.values():
                assert isinstance(out, list) or (np.asarray(out, np.float64) == 7).all()
            assert _all_same(arrays.values(), before.values())


def test_a_dtype_that_is_not_computed_with_is_named(example):
    for dtype in (np.complex64, object, np.str_, "M8[s]"):
        for name in _floating(example.draw(np.float64)):
            arrays = example.draw(np.float64)
            kept = arrays[name]
            arrays[name] = kept.astype("i8").astype(dtype) if dtype == "M8[s]" else kept.astype(dtype)
            with pytest.raises(TypeError, match=re.escape(str(arrays[name].dtype))):
                example(arrays)


def test_arrays_whose_shapes_do_not_fit_are_refused(example, any_dtype):
    """Each of them longer by one along its last axis, or with an axis more, where another shares that."""
    drawn = example.draw(any_dtype)
    for name, array in drawn.items():
        others = [other for key, other in drawn.items() if key != name]
        of_rows = [other for other in others if other.ndim > 1]
        changes = [np.concatenate([array, array[..., :1]], axis=-1)] if _shares_length(array, others) else []
        changes += [array[np.newaxis]] if of_rows or (others and array.ndim == 1) else []
        for changed in changes:
            with pytest.raises(ValueError, match=r"shape|extent"):
                example({**drawn, name: changed})


def _shares_length(array: np.ndarray, others: list[np.ndarray]) -> bool:
    """Whether the last axis of an array is that of a row, and of another one too."""
    return array.shape[-1] == 4 or any(other.shape[-1] != 4 for other in others)


# How arrays lie, and who computes


def test_any_layout_has_the_bits_of_a_contiguous_one(example, any_dtype):
    drawn = example.draw(any_dtype)
    expected = example(drawn)
    for how, lay in layouts(any_dtype).items():
        for name, array in drawn.items():
            if how == "transposed" and array.ndim != 3:
                continue
            given = lay(array)
            before = given.copy()
            assert _all_same(example({**drawn, name: given}), expected), (how, name)
            assert same_bits(given, before), "read, and written"


def test_all_of_them_in_one_layout(example, any_dtype):
    drawn = example.draw(any_dtype)
    expected = example(drawn)
    for how, lay in layouts(any_dtype).items():
        if how != "transposed":
            assert _all_same(example({name: lay(a) for name, a in drawn.items()}), expected), how


@pytest.mark.parametrize(("lead", "n"), [((700,), 300), ((3,), 70_000)], ids=["rows", "long rows"])
def test_any_number_of_threads_gives_the_same_bits(example, any_dtype, lead, n):
    arrays = example.draw(any_dtype, lead, n)
    fa.set_num_threads(1)
    alone = example(arrays)
    for threads in (2, 3):
        fa.set_num_threads(threads)
        assert _all_same(example(arrays), alone)
        arrays_apart = {name: a[..., ::-1][..., ::-1] if a.ndim > 1 else a for name, a in arrays.items()}
        assert _all_same(example(arrays_apart), alone)


@pytest.mark.parametrize("lead", [(0,), (2, 0), (0, 3)], ids=str)
def test_no_rows(example, any_dtype, lead):
    if example.others.get("training") and example.method == "__call__":
        pytest.skip("statistics of nothing: test_batch_norm.py")
    arrays = example.draw(any_dtype, lead)
    for result, whole in zip(example(arrays), example(example.draw(any_dtype)), strict=True):
        rows = np.shape(whole)[: len((3, 4))] == (3, 4)
        assert np.shape(result) == ((*lead, *np.shape(whole)[2:]) if rows else np.shape(whole))


def test_one_number_is_taken_or_refused(example, any_dtype):
    """0-d arrays have no axis; dropout looks at none."""
    arrays = {name: np.asarray(a.ravel()[0]) for name, a in example.draw(any_dtype).items()}
    if example.name == "dropout":
        assert all(np.ndim(result) == 0 for result in example(arrays))
        return
    with pytest.raises((ValueError, TypeError), match=r"axis|shape"):
        example(arrays)


# What values do


@contextlib.contextmanager
def _strictly() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        yield


def test_a_nan_stays_in_its_row(example, any_dtype):
    drawn = example.draw(any_dtype)
    for name in _floating(drawn):
        if drawn[name].shape[:2] != (3, 4):
            continue
        arrays = _copies(drawn)
        arrays[name][1, 2] = np.nan
        seen = np.zeros((3, 4), bool)
        for result in example(arrays):
            if np.shape(result)[:2] == (3, 4):
                seen |= np.isnan(np.asarray(result, np.float64)).reshape(3, 4, -1).any(axis=-1)
        expected = np.zeros((3, 4), bool)
        expected[1, 2] = True
        # A channel's statistics are those of all rows.
        assert seen[1, 2] or _of_all_rows(example, arrays), name
        assert example.name == "batch_norm" or same_bits(seen, expected), name


def _of_all_rows(example: Example, arrays: dict[str, np.ndarray]) -> bool:
    """Whether the NaN is in a result that has none of the rows."""
    return any(np.isnan(np.asarray(r, np.float64)).any() for r in example(arrays) if np.ndim(r) == 1)


def test_a_nan_in_what_all_rows_share_is_in_the_result(example, any_dtype):
    drawn = example.draw(any_dtype)
    for name in _floating(drawn):
        if drawn[name].ndim > 1:
            continue
        arrays = {**drawn, name: np.full_like(drawn[name], np.nan)}
        results = [np.asarray(result, np.float64) for result in example(arrays)]
        assert any(np.isnan(r).any() for r in results) == (name not in example.without), name


def _extremes(shape: tuple[int, ...], dtype) -> np.ndarray:
    """Zeros, ends and NaN, each beside each of the others somewhere in a row."""
    with np.errstate(all="ignore"):
        values = np.array(
            [0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 3.3, -100, 1e4, 1e-30, 0, 0, 0, 0], np.float64
        )
        numbers = values.astype(dtype)
    bits = numbers.view(f"u{numbers.itemsize}")
    sign = bits.dtype.type(1 << (8 * numbers.itemsize - 1))
    bits[11:] = [bits[4] - 1, (bits[4] - 1) | sign, 1, 1 | sign]
    return np.resize(numbers, shape)


def test_no_value_raises_a_warning(example, any_dtype):
    """Overflow and invalid operations are part of computing; the caller's errstate and filters are strict."""
    drawn = example.draw(any_dtype, (3, 4), 17)
    arrays = {name: a if name == "target" else _extremes(a.shape, any_dtype) for name, a in drawn.items()}
    for lay in (np.asarray, np.asfortranarray, layouts(any_dtype)["strided"]):
        with np.errstate(all="ignore"):
            given = {name: lay(a) for name, a in arrays.items()}
        with _strictly():
            example(given)


def test_gradients_and_arrays_of_different_dtypes(example):
    """All results are of one; weights are brought to it."""
    drawn = example.draw(np.float32)
    for name in _floating(drawn):
        for dtype in DTYPES:
            with np.errstate(all="ignore"):
                arrays = {**drawn, name: _extremes(drawn[name].shape, dtype)}
            with _strictly():
                results = example(arrays)
            assert len({np.asarray(result).dtype for result in results}) == 1


# What parameters may be

NUMBERS = {
    "layer_norm": ("eps",),
    "rms_norm": ("eps",),
    "batch_norm": ("eps", "momentum"),
    "logsumexp": ("scale",),
    "cross_entropy": ("label_smoothing",),
    "dropout": ("p",),
    "lstm_cell": (),
    "gru_cell": (),
}
"""The numbers of a forward call."""
WHOLE = {
    "layer_norm": ("axis",),
    "rms_norm": ("axis",),
    "batch_norm": ("axis",),
    "logsumexp": ("axis", "causal"),
    "cross_entropy": ("axis", "ignore_index"),
    "dropout": ("seed",),
    "lstm_cell": (),
    "gru_cell": (),
}
ARRAYS = {"x", "target", "weight", "bias", "residual", "residual_out", "running_mean", "running_var", "mask"}
ARRAYS |= {"gates", "gates_x", "gates_h", "c", "h", "bias_x", "bias_h", "gates_out"}
WORDS = {"out", "return_stats", "training", "keepdims", "reduction"}


@PASSES
def test_every_parameter_is_looked_at_here(name):
    given = set(inspect.signature(fa.passes[name]).parameters) - ARRAYS - WORDS
    assert given == {*NUMBERS[name], *WHOLE[name]}


def _forward(name: str) -> Example:
    (first, *_) = [e for e in EXAMPLES if e.name == name and e.method == "__call__"]
    return first


def _refused(example: Example, word: str, value: object) -> None:
    arrays = example.draw(np.float32)
    before = _copies(arrays)
    for lay in (np.asarray, np.asfortranarray):
        given = {name: lay(a) for name, a in arrays.items()}
        with pytest.raises((TypeError, ValueError), match=word):
            _called(example, given, {word: value})
        assert _all_same(given.values(), before.values())


def _called(example: Example, arrays: dict[str, np.ndarray], words: dict[str, object]) -> None:
    example.call(**{**arrays, **example.others, **words})


@pytest.mark.parametrize(
    ("name", "word"), [(name, word) for name, words in NUMBERS.items() for word in words]
)
def test_a_number_that_makes_no_sense_is_refused_by_name(name, word):
    for value in (10**400, -(10**400), float("nan"), float("inf"), "0.5", [0.5, 0.5], 1j, object()):
        _refused(_forward(name), word, value)


@pytest.mark.parametrize(("name", "word"), [(name, word) for name, words in WHOLE.items() for word in words])
def test_a_whole_number_that_makes_no_sense_is_refused_by_name(name, word):
    for value in (0.5, "1", 1j, [0]):
        _refused(_forward(name), word, value)
    if word in ("axis", "seed"):
        for value in (10**30, -(10**30), 2**63, -(2**63) - 1):
            if (word, value) != ("seed", 2**63):
                _refused(_forward(name), word, value)
        return
    # Beyond all places it says no more than the first of them.
    example = _forward(name)
    arrays = example.draw(np.float32)
    for large, enough in ((10**30, 10**6), (-(10**30), -(10**6))):
        results = [example.call(**{**arrays, **example.others, word: value}) for value in (large, enough)]
        assert same_bits(*results)


@PASSES
def test_a_word_that_is_unknown_is_refused(name):
    example = _forward(name)
    for word in ("dim", "inplace", "dtype", "steepness"):
        with pytest.raises(TypeError, match=word):
            _called(example, example.draw(np.float32), {word: 1})


# What a pass says of itself


@PASSES
def test_it_survives_pickle_and_copy_as_itself(name):
    one = fa.passes[name]
    assert one is getattr(fa, name)
    for other in (pickle.loads(pickle.dumps(one)), copy.copy(one), copy.deepcopy(one)):
        assert other is one
    backward = one.backward
    assert pickle.loads(pickle.dumps(backward)) == backward
    assert name in fa.__all__
    assert name in dir(fa)


@PASSES
def test_its_attributes_are_those_of_its_row(name):
    one = fa.passes[name]
    assert one.name == one.__name__ == one.row.name == name
    assert (one.formula, one.reference) == (one.row.formula, one.row.reference)
    assert name in repr(one)
    assert str(inspect.signature(one)) in repr(one)


def _sections(text: str) -> list[str]:
    return re.findall(r"^(\w[\w ]*)\n-+$", text, re.MULTILINE)


def _entries(text: str, section: str) -> list[str]:
    body = re.split(r"\n\w[\w ]*\n-+\n", text.partition(f"{section}\n{'-' * len(section)}\n")[2])[0]
    heads = re.findall(r"^(\w[\w, ]*?)(?: : .*)?$", body, re.MULTILINE)
    return [name for head in heads for name in head.split(", ")]


@pytest.mark.parametrize(
    ("name", "method"), [(name, method) for name in fa.passes for method in _methods(name)]
)
def test_a_docstring_is_numpys_and_names_every_argument(name, method):
    call = getattr(fa.passes[name], method)
    text = pydoc.getdoc(call)
    needed = ["Parameters", "Returns", "Raises"] + ["References", "Examples"] * (method == "__call__")
    found = _sections(text)
    assert [title for title in found if title in needed] == needed, found
    assert sorted(_entries(text, "Parameters")) == sorted(inspect.signature(call).parameters)
    assert text.splitlines()[0].endswith(".")


@PASSES
def test_help_shows_formula_source_and_signature(name):
    one = fa.passes[name]
    text = one.__doc__
    assert one.formula in text
    assert one.row.strengths in re.sub(r"\s+", " ", text)
    assert one.row.weaknesses in re.sub(r"\s+", " ", text)
    assert one.reference.split(",")[0].split(" (")[0] in text
    assert text.startswith(f"{name}{inspect.signature(one)}\n")
    assert name in pydoc.plain(pydoc.render_doc(one))


@PASSES
def test_its_examples_run(name):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for text in [fa.passes[name].__doc__, *(getattr(fa.passes[name], m).__doc__ for m in _methods(name))]:
        runner.run(doctest.DocTestParser().get_doctest(inspect.cleandoc(text), {}, name, None, 0))
    results = runner.summarize(verbose=False)
    assert results.attempted >= 2
    assert results.failed == 0
