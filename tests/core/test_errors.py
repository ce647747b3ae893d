"""What bad input gets: the named error, a message with the value and what is allowed, `out` untouched."""

from __future__ import annotations

import inspect
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from cases import BACKWARD, CASES, DTYPES, Case

import fastact as fa

WITH_AXIS = [case for case in CASES if case.row.shape.along_axis]
FLOAT_DTYPES = ("float32", "float64")


def _refused(error: type[Exception], words, call, out: np.ndarray | None = None) -> None:
    """`call` raises `error`, its message holds every word, and `out` keeps its bytes."""
    before = None if out is None else out.tobytes()
    with pytest.raises(error) as raised:
        call()
    assert type(raised.value) is error
    for word in words:
        assert word in str(raised.value), f"{word!r} is not in: {raised.value}"
    assert out is None or out.tobytes() == before


def _out_for(case: Case, arrays) -> np.ndarray:
    result = case(*arrays)
    return np.random.default_rng(3).standard_normal(result.shape).astype(result.dtype)


UNSUPPORTED = [
    np.array([1 + 2j] * 8),
    np.array([1 + 2j] * 8, np.complex64),
    np.array([object()] * 8),
    np.array(["1.5"] * 8),
    np.array([b"1.5"] * 8),
    np.array(["2026-01-01"] * 8, "datetime64[D]"),
    np.array([3] * 8, "timedelta64[s]"),
    np.zeros(8, [("a", np.float32)]),
]


def test_an_unsupported_dtype(case):
    good = case.draw((2,) if not case.keeps_shape else (8,), np.float32)
    out = _out_for(case, good)
    for bad in UNSUPPORTED:
        words = [str(bad.dtype), *FLOAT_DTYPES]
        for position in range(len(good)):
            arrays = [bad if i == position else array for i, array in enumerate(good)]
            _refused(TypeError, words, lambda a=arrays: case(*a, out=out), out)
            _refused(TypeError, words, lambda a=arrays: case(*a))


def test_out_of_another_dtype(case, any_dtype):
    arrays = case.draw((4, 8), any_dtype)
    shape = case(*arrays).shape
    for wrong in {*DTYPES, np.int32, np.uint16, np.complex128, object} - {any_dtype}:
        words = [np.dtype(wrong).name, np.dtype(any_dtype).name]
        out = np.ones(shape, wrong)
        _refused(TypeError, words, lambda out=out: case(*arrays, out=out), out)


def test_integers_cannot_be_computed_in_place(same_shape_case):
    for integer in (np.int32, np.int64, np.bool_):
        arrays = [np.ones((4, 8), integer) for _ in same_shape_case.draw((1,), np.float64)]
        words = [np.dtype(integer).name, "float64"]
        for out in arrays:
            _refused(TypeError, words, lambda a=arrays, o=out: same_shape_case(*a, out=o), out)


def test_out_of_another_shape(case, dtype):
    arrays = case.draw((4, 8), dtype)
    right = case(*arrays).shape
    for wrong in ((*right, 1), right[:-1], (right[0] + 1, *right[1:]), right[::-1]):
        out = np.ones(wrong, dtype)
        _refused(ValueError, [str(wrong), str(right)], lambda out=out: case(*arrays, out=out), out)


@pytest.mark.parametrize("case", BACKWARD, ids=str)
def test_gradient_and_saved_array_that_differ_in_shape(case, dtype):
    """Not even where NumPy would broadcast them."""
    dy, saved = case.draw((4, 8), dtype)
    out = _out_for(case, (dy, saved))
    for shape in ((3, 8), (1, 8), (8,), (4, 8, 1), ()):
        other = np.ones(shape, dtype)
        words = [str(shape), str(dy.shape)]
        _refused(ValueError, words, lambda other=other: case(other, saved, out=out), out)


def test_a_read_only_out(case, dtype):
    arrays = case.draw((4, 8), dtype)
    out = _out_for(case, arrays)
    out.flags.writeable = False
    _refused(ValueError, ["read-only"], lambda: case(*arrays, out=out), out)


def test_a_broadcast_out(same_shape_case, dtype):
    arrays = same_shape_case.draw((4, 8), dtype)
    out = np.broadcast_to(np.ones(8, dtype), (4, 8))
    _refused(ValueError, ["read-only"], lambda: same_shape_case(*arrays, out=out), out)


def test_an_out_that_is_no_array(case, dtype):
    arrays = case.draw((4, 8), dtype)
    for out in ([0.0] * 8, 3.0, "x", dtype(1)):
        with pytest.raises(TypeError, match=re.escape(type(out).__name__)):
            case(*arrays, out=out)


@pytest.mark.parametrize("case", BACKWARD, ids=str)
def test_backward_needs_exactly_one_saved_array(case, dtype):
    dy, saved = case.draw((4, 8), dtype)
    out = _out_for(case, (dy, saved))
    needs = case.row.needs
    backward = case.activation.backward
    accepted = [f"{name}=" for name in case.row.saves]
    _refused(TypeError, [case.row.name, *accepted], lambda: backward(dy, **needs, out=out), out)
    if case.row.shape.by_element or case.row.shape.halves:
        both = {"x": saved, "y": saved}
        _refused(TypeError, [case.row.name, *accepted], lambda: backward(dy, **both, **needs, out=out), out)


@pytest.mark.parametrize(
    "row", [row for row in fa.catalog.rows if set(row.saves) != {"x", "y"}], ids=lambda r: r.name
)
def test_backward_refuses_what_the_derivative_is_no_function_of(row, dtype):
    case = Case(row, row.saves[0])
    dy, saved = case.draw((4, 8), dtype)
    out = _out_for(case, (dy, saved))
    needs = row.needs
    (unaccepted,) = {"x", "y"} - set(row.saves)
    given = {unaccepted: saved}
    _refused(
        TypeError,
        [row.name, f"{unaccepted}", f"{row.saves[0]}="],
        lambda: case.activation.backward(dy, **given, **needs, out=out),
        out,
    )


@pytest.mark.parametrize(
    ("name", "parameters", "condition"),
    [
        ("leaky_relu", {"negative_slope": 0.0}, "negative_slope > 0"),
        ("leaky_relu", {"negative_slope": -0.5}, "negative_slope > 0"),
        ("elu", {"alpha": 0.0}, "alpha > 0"),
        ("elu", {"alpha": -1.0}, "alpha > 0"),
        ("celu", {"alpha": -1.0}, "alpha > 0"),
        ("rrelu", {"lower": 0.0, "upper": 0.5}, "lower > 0"),
        ("rrelu", {"lower": -0.5, "upper": 0.5}, "lower > 0"),
    ],
)
def test_backward_from_an_output_that_does_not_determine_it(name, parameters, condition, dtype):
    """Elsewhere it was computed all the same, in place and wrong: pytorch 31938, 33639."""
    y, dy, out = (np.full((4, 8), value, dtype) for value in (-0.5, 1, 9))
    offending = repr(next(iter(parameters.values())))
    call = fa.get(name).backward
    _refused(ValueError, [condition, offending, "x="], lambda: call(dy, y=y, **parameters, out=out), out)
    assert call(dy, x=y, **parameters, out=out) is out


@pytest.mark.parametrize("case", WITH_AXIS, ids=str)
def test_an_axis_out_of_range(case, dtype):
    arrays = case.draw((4, 8), dtype)
    out = _out_for(case, arrays)
    parameters = {"weight": np.ones(8, dtype)} if "weight" in case.row.needs else {}
    for axis in (2, -3, 100, 2**40, 2**70, -(2**70)):
        _refused(
            np.exceptions.AxisError,
            [str(axis), "2"],
            lambda axis=axis: case(*arrays, out=out, axis=axis, **parameters),
            out,
        )


@pytest.mark.parametrize("case", [case for case in WITH_AXIS if not case.row.shape.by_element], ids=str)
def test_a_0d_array_has_no_axis(case, dtype):
    arrays = [np.ones((), dtype) for _ in range(2 if case.saved else 1)]
    _refused(np.exceptions.AxisError, [], lambda: case(*arrays))


@pytest.mark.parametrize("case", WITH_AXIS, ids=str)
def test_an_axis_that_is_no_integer(case, dtype):
    """A row alone may have several axes."""
    arrays = case.draw((4, 8), dtype)
    out = _out_for(case, arrays)
    parameters = {"weight": np.ones(8, dtype)} if "weight" in case.row.needs else {}
    for axis in (0.5, "last", [0, 1], np.arange(2), *(() if case.row.shape.by_row else ((0, 1), None))):
        words = ["axis", "an integer", str(axis) if not isinstance(axis, np.ndarray) else "out="]
        _refused(TypeError, words, lambda a=axis: case(*arrays, out=out, axis=a, **parameters), out)


@pytest.mark.parametrize("case", [case for case in WITH_AXIS if case.row.shape.by_row], ids=str)
def test_axes_of_a_row_that_are_none(case, dtype):
    arrays = case.draw((4, 8), dtype)
    out = _out_for(case, arrays)
    for axis, error, words in (
        ((0, 0), ValueError, ["duplicate", "(0, 0)"]),
        ((1, -1), ValueError, ["duplicate", "(1, -1)"]),
        ((0, 2), np.exceptions.AxisError, ["2"]),
        ((0, 0.5), TypeError, ["0.5", "tuple"]),
        (((0, 1),), TypeError, ["(0, 1)", "tuple"]),
    ):
        _refused(error, words, lambda a=axis: case(*arrays, out=out, axis=a), out)


@pytest.mark.parametrize("pieces", [3, 5, 16, 0, -2])
def test_pieces_that_do_not_divide_the_axis(pieces, dtype):
    x, out = np.ones((4, 8), dtype), np.full((4, 2), 9, dtype)
    _refused(ValueError, ["pieces", str(pieces), "8"], lambda: fa.maxout(x, pieces, out=out), out)
    dx = np.full((4, 8), 9, dtype)
    _refused(
        ValueError, ["pieces", str(pieces)], lambda: fa.maxout.backward(out, x=x, pieces=pieces, out=dx), dx
    )


@pytest.mark.parametrize("pieces", [2.5, "2", None, True, np.True_, [2], np.full(2, 2)], ids=str)
def test_pieces_that_are_no_integer(pieces, dtype):
    x, out, which = np.ones((4, 8), dtype), np.full((4, 4), 9, dtype), np.zeros((4, 4), np.int64)
    _refused(TypeError, ["pieces"], lambda: fa.maxout(x, pieces, out=out), out)
    _refused(TypeError, ["pieces"], lambda: fa.maxout.backward(out, x=x, pieces=pieces, out=x), x)
    _refused(TypeError, ["pieces"], lambda: fa.maxout.backward(out, which=which, pieces=pieces, out=x), x)


@pytest.mark.parametrize("pieces", [0, -2, 2**70])
def test_pieces_that_no_position_is_of(pieces, dtype):
    dy = np.ones((4, 0), dtype)
    words = ["pieces", str(pieces), "1"]
    _refused(ValueError, words, lambda: fa.maxout.backward(dy, which=dy.astype(int), pieces=pieces))


@pytest.mark.parametrize("seed", [None, 7])
def test_rrelu_with_lower_above_upper(seed, dtype):
    x, out = np.ones(8, dtype), np.full(8, 9, dtype)
    bounds = {"lower": 0.5, "upper": 0.25, "seed": seed}
    words = ["lower", "0.5", "upper", "0.25"]
    _refused(ValueError, words, lambda: fa.rrelu(x, **bounds, out=out), out)
    _refused(ValueError, words, lambda: fa.rrelu.backward(x, x=x, **bounds, out=out), out)
    _refused(ValueError, words, lambda: fa.rrelu.backward(x, y=x, **bounds, out=out), out)


@pytest.mark.parametrize("position", [5, None])
@pytest.mark.parametrize("name", [7, None])
def test_a_seed_given_twice(position, name, dtype):
    x, out = np.ones(8, dtype), np.full(8, 9, dtype)
    words = ["seed", "twice"]
    _refused(TypeError, words, lambda: fa.rrelu(x, 0.1, 0.2, position, seed=name, out=out), out)


@pytest.mark.parametrize("seed", [1.5, "seven", [1, 2], True, np.ones(2, int)], ids=str)
def test_a_seed_that_is_no_integer(seed, dtype):
    x = np.ones(8, dtype)
    _refused(TypeError, ["seed"], lambda: fa.rrelu(x, seed=seed))
    _refused(TypeError, ["seed"], lambda: fa.rrelu.backward(x, x=x, seed=seed))


@pytest.mark.parametrize(
    ("name", "parameters", "condition"),
    [
        ("celu", {"alpha": 0.0}, "alpha != 0"),
        ("hardtanh", {"min_val": 1.0, "max_val": -1.0}, "min_val <= max_val"),
        ("hardsigmoid", {"slope": 0.0}, "slope > 0"),
        ("hardsigmoid", {"slope": -0.2}, "slope > 0"),
        ("hardshrink", {"lambd": -0.5}, "lambd >= 0"),
        ("softshrink", {"lambd": -0.5}, "lambd >= 0"),
        ("squareplus", {"b": 0.0}, "b > 0"),
        ("squareplus", {"b": -4.0}, "b > 0"),
    ],
)
def test_a_parameter_out_of_its_range(name, parameters, condition, dtype):
    x, out = np.ones(8, dtype), np.full(8, 9, dtype)
    words = [condition, *(f"{key}={value}" for key, value in parameters.items())]
    activation = fa.get(name)
    _refused(ValueError, words, lambda: activation(x, **parameters, out=out), out)
    for saved in activation.saves:
        given = {saved: x, **parameters}
        _refused(ValueError, words, lambda g=given: activation.backward(x, **g, out=out), out)


@pytest.mark.parametrize("row", [row for row in fa.catalog.rows if row.required], ids=lambda row: row.name)
def test_a_parameter_without_a_default_is_asked_for(row, dtype):
    x, out = np.ones(8, dtype), np.full(8, 9, dtype)
    for missing in row.required:
        given = {name: value for name, value in row.required.items() if name != missing}
        _refused(TypeError, [row.name, missing], lambda g=given: fa.get(row.name)(x, **g, out=out), out)
        call = fa.get(row.name).backward
        _refused(TypeError, [row.name, missing], lambda g=given, c=call: c(x, x=x, **g, out=out), out)


@pytest.mark.parametrize("row", [row for row in fa.catalog.rows if row.parameters], ids=lambda row: row.name)
def test_a_parameter_that_is_nan(row, dtype):
    x, out = np.ones(8, dtype), np.full(8, 9, dtype)
    for name in row.numbers:
        given = {**row.needs, name: float("nan")}
        words = [name, "nan"]
        _refused(ValueError, words, lambda g=given: fa.get(row.name)(x, **g, out=out), out)
        call = fa.get(row.name).backward
        _refused(ValueError, words, lambda g=given, c=call: c(x, x=x, **g, out=out), out)


NO_NUMBERS = (
    *("steep", "0.5", b"0.5", bytearray(b"0.5"), memoryview(b"0.5"), np.str_("0.5"), np.array("0.5")),
    *(None, [1.0, 2.0], np.ones(1), 1j, np.complex64(1), np.array(1j), np.array(1.0, object)),
    np.timedelta64(1, "s"),
)
"""Some of which `float` takes all the same."""


@pytest.mark.parametrize("row", [row for row in fa.catalog.rows if row.parameters], ids=lambda row: row.name)
def test_a_parameter_that_is_no_number(row, dtype):
    x, out = np.ones(8, dtype), np.full(8, 9, dtype)
    forward, backward = fa.get(row.name), fa.get(row.name).backward
    for parameter in row.parameters:
        for value in () if parameter.choices else NO_NUMBERS:
            if value is None and parameter.none is not None:
                continue
            given = {**row.needs, parameter.name: value}
            _refused(TypeError, [parameter.name], lambda g=given: forward(x, **g, out=out), out)
            _refused(TypeError, [parameter.name], lambda g=given: backward(x, x=x, **g, out=out), out)


@pytest.mark.parametrize("row", [row for row in fa.catalog.rows if row.numbers], ids=lambda row: row.name)
def test_a_parameter_beyond_float64(row, dtype):
    """As an int of hundreds of digits is, or thousands."""
    x, out = np.ones(8, dtype), np.full(8, 9, dtype)
    forward, backward = fa.get(row.name), fa.get(row.name).backward
    for name in row.numbers:
        for value in (10**400, -(10**400), 10**5000):
            given = {**row.needs, name: value}
            words = [name, "...", "float64"]
            _refused(ValueError, words, lambda g=given: forward(x, **g, out=out), out)
            _refused(ValueError, words, lambda g=given: backward(x, x=x, **g, out=out), out)
            assert name not in row.required or forward(x, **row.needs, out=x) is x


@pytest.mark.parametrize(
    "value", [np.float32(0.5), np.float16(0.5), np.array(0.5), Fraction(1, 2), Decimal("0.5")]
)
def test_a_parameter_that_is_a_number_of_another_type(value, dtype):
    x = np.linspace(-1, 1, 8, dtype=dtype)
    np.testing.assert_array_equal(fa.elu(x, value), fa.elu(x, 0.5))
    np.testing.assert_array_equal(fa.elu.backward(x, x=x, alpha=value), fa.elu.backward(x, x=x, alpha=0.5))
    np.testing.assert_array_equal(fa.elu(x, True), fa.elu(x, 1.0))


@pytest.mark.parametrize(
    ("row", "parameter"),
    [(row, p) for row in fa.catalog.rows for p in row.parameters if p.choices],
    ids=lambda value: value.name,
)
def test_a_word_that_is_none_of_the_choices(row, parameter, dtype):
    x, out = np.ones(8, dtype), np.full(8, 9, dtype)
    for word, error in (("fast", ValueError), (None, TypeError), (3, TypeError), (["tanh"], TypeError)):
        given, words = {parameter.name: word}, [parameter.name, repr(word), *map(repr, parameter.choices)]
        _refused(error, words, lambda g=given: fa.get(row.name)(x, **g, out=out), out)
        _refused(error, words, lambda g=given: fa.get(row.name).backward(x, x=x, **g, out=out), out)


WORDS = {
    "steepness": [],
    "dim": ["axis="],
    "inplace": ["out="],
    "dtype": [".astype(dtype)"],
    "where": ["softmax", "forward"],
}
"""Names that no activation knows, or few, and what is said of them."""


def test_an_unknown_name_is_answered_with_all_that_there_are(case, dtype):
    arrays = case.draw((4, 8), dtype)
    out = _out_for(case, arrays)
    call = case.activation.backward if case.saved else case.activation
    taken = list(inspect.signature(call).parameters)
    for name, words in WORDS.items():
        if name in taken:
            continue
        words = [case.row.name, repr(name), ", ".join(taken), *words]
        given = {name: np.ones(8, bool) if name == "where" else True}
        _refused(TypeError, words, lambda g=given: case(*arrays, out=out, **g), out)
        # Whatever the call lacks.
        _refused(TypeError, words, lambda g=given: call(arrays[0], **g))


def test_a_known_name_is_refused_as_python_does(case, dtype):
    arrays = case.draw((4, 8), dtype)
    if not case.saved:
        _refused(TypeError, ["x"], lambda: case(*arrays, x=arrays[0]))
    _refused(TypeError, ["out"], lambda: case(*arrays, out=object()))


def test_too_many_positional_arguments(row, dtype):
    with pytest.raises(TypeError):
        fa.get(row.name)(np.ones(8, dtype), 1, 1, 1, 1, 1)


def test_no_array_at_all(row):
    with pytest.raises(TypeError):
        fa.get(row.name)()
    with pytest.raises(TypeError):
        fa.get(row.name).backward()


@pytest.mark.parametrize("weight", [0.25, np.float64(0.25), [0.25], np.full(1, 0.25)], ids=repr)
def test_one_prelu_weight_with_an_axis_that_is_none(weight, dtype):
    """Its default is one that x need not have."""
    weight = weight.astype(dtype) if isinstance(weight, np.ndarray) else weight
    wrong = [(axis, np.exceptions.AxisError) for axis in (99, -3, 2**70)]
    wrong += [(axis, TypeError) for axis in (0.5, None, np.zeros(2, int))]
    for x in (np.ones((4, 8), dtype), np.ones(8, dtype)):
        out = np.full_like(x, 9)
        for axis, error in wrong:
            given = {"weight": weight, "axis": axis, "out": out}
            _refused(error, ["axis"], lambda x=x, g=given: fa.prelu(x, **g), out)
            _refused(error, ["axis"], lambda x=x, g=given: fa.prelu.backward(x, x=x, **g), out)
        for axis in (0, -1, 1):
            assert fa.prelu(x, weight, axis=axis, out=out) is out
    assert fa.prelu(dtype(-1), 0.25) == -0.25


@pytest.mark.parametrize("shape", [(3,), (9,), (4,), (8, 1), (1, 8)], ids=str)
def test_prelu_weights_that_do_not_fit_the_axis(shape, dtype):
    x, out = np.ones((4, 8, 2), dtype), np.full((4, 8, 2), 9, dtype)
    weight = np.ones(shape, dtype)
    words = ["weight", str(shape), "8"]
    _refused(ValueError, words, lambda: fa.prelu(x, weight, out=out), out)
    _refused(ValueError, words, lambda: fa.prelu.backward(x, x=x, weight=weight, out=out), out)


@pytest.mark.parametrize("weight", [np.array([1j] * 8), np.array(["a"] * 8), np.array([None] * 8)], ids=str)
def test_prelu_weights_of_an_unsupported_dtype(weight, dtype):
    x, out = np.ones((4, 8), dtype), np.full((4, 8), 9, dtype)
    words = [str(weight.dtype), *FLOAT_DTYPES]
    _refused(TypeError, words, lambda: fa.prelu(x, weight, out=out), out)
    _refused(TypeError, words, lambda: fa.prelu.backward(x, x=x, weight=weight, out=out), out)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("sigmiod", "sigmoid"), ("Silu", "silu"), ("leaky-relu", "leaky_relu"), ("softmx", "softmax")],
)
def test_an_unknown_activation_names_close_matches(asked, meant):
    _refused(ValueError, [repr(asked), meant], lambda: fa.get(asked))


def test_an_unknown_activation_without_a_close_match_names_all():
    _refused(ValueError, ["'qqqq'", *fa.activations], lambda: fa.get("qqqq"))


@pytest.mark.parametrize("count", [0, -1, -(2**40), 2**40])
def test_a_bad_thread_count(count):
    before = fa.get_num_threads()
    _refused(ValueError, [str(count), "1"], lambda: fa.set_num_threads(count))
    _refused(ValueError, [str(count), "1"], lambda: fa.num_threads(count).__enter__())
    assert fa.get_num_threads() == before


@pytest.mark.parametrize("count", [1.5, "2", "two", None, True, np.True_])
def test_a_thread_count_that_is_no_integer(count):
    before = fa.get_num_threads()
    _refused(ValueError, [repr(count), "1"], lambda: fa.set_num_threads(count))
    _refused(ValueError, [repr(count), "1"], lambda: fa.num_threads(count).__enter__())
    assert fa.get_num_threads() == before


@pytest.mark.parametrize("level", ["v9", "avx2", "V3 ", ""])
def test_an_unknown_cpu_level_in_the_environment(fresh_python, level):
    if level == "":
        assert fresh_python("import fastact", FASTACT_CPU=level).returncode == 0, (
            "an empty variable is not set"
        )
        return
    run = fresh_python("import fastact", FASTACT_CPU=level)
    error = run.stderr.strip().splitlines()[-1]
    assert run.returncode != 0
    assert error.startswith("ValueError")
    assert "FASTACT_CPU" in error
    assert all(word in error for word in (repr(level), "v1", "v3", "v4"))


@pytest.mark.parametrize("count", ["0", "-2", "two", "1.5"])
def test_a_bad_thread_count_in_the_environment(fresh_python, count):
    run = fresh_python("import fastact", FASTACT_NUM_THREADS=count)
    error = run.stderr.strip().splitlines()[-1]
    assert run.returncode != 0
    assert error.startswith("ValueError")
    assert "FASTACT_NUM_THREADS" in error
    assert repr(count) in error
