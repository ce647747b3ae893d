"""Functions for compiled callers: each has the bits of the array call, and what was handed out once stays."""

from __future__ import annotations

import ctypes
from pathlib import Path

import headers
import numpy as np
import pytest
from cases import FLOATS, HALVES, Case, other_parameters, output_determines, same_bits

import fastact as fa
from fastact import catalog

SERVED = [row for row in catalog.rows if row.shape.counts]
OF_ONE_NUMBER = [row for row in SERVED if row.shape.by_element]
TYPES = {"ptrdiff_t": ctypes.c_ssize_t, "double": ctypes.c_double, "float": ctypes.c_float, "void": None}
DTYPES = {np.dtype(dtype).name: dtype for dtype in (*FLOATS, *HALVES)}

HANDED_OUT = """
sigmoid n y x | tanh n y x | relu n y x | relu6 n y x | hardtanh n y x min_val max_val
threshold n x threshold value | hardsigmoid n y x slope offset | hardswish n x | hardshrink n x lambd
softshrink n x lambd | squared_relu n x | sparse_plus n x | sparse_sigmoid n x
leaky_relu n y x negative_slope | elu n y x alpha | celu n y x alpha | selu n y x
exponential n y x | softsign n y x | tanhshrink n x
squareplus n y x b | dish n x | softmax rows length y | log_softmax rows length y | softmin rows length y
sparsemax rows length y | silu n x | swish n x beta | glu rows length x | reglu rows length x
geglu rows length x | swiglu rows length x | softplus n y x beta threshold | logsigmoid n y x | gelu n x
gelu_tanh n x | quick_gelu n x | mish n x
"""
"""What callers were compiled with: counts, what backward is from, parameters. No entry of it changes."""


class Entry(ctypes.Structure):
    """fastact_entry, as the first version had it: nothing is added to it."""

    _fields_ = (("name", ctypes.c_char_p), ("signature", ctypes.c_char_p), ("function", ctypes.c_void_p))


class Api(ctypes.Structure):
    """fastact_api: fields are added at its end, and here, with a version each."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("count", ctypes.c_int),
        ("entries", ctypes.POINTER(Entry)),
        ("level", ctypes.c_char_p),
    )


@pytest.fixture(scope="module")
def api() -> Api:
    """The struct in the capsule."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return Api.from_address(pointer(fa._c_api, b"fastact._c_api"))


@pytest.fixture(scope="module", params=SERVED, ids=lambda row: row.name)
def served(request) -> catalog.Row:
    return request.param


def parameters_of(row: catalog.Row, function: catalog.Function) -> list[dict]:
    """The defaults, and others at which the function is what a call would take."""
    if not row.shape.by_element:
        return [{}]
    others = [
        values for values in other_parameters(row) if function.kernel != "y" or output_determines(row, values)
    ]
    return [row.numbers, *others]


def called(activation, function: catalog.Function, *arguments):
    kinds = [TYPES.get(kind, ctypes.c_void_p) for kind, _ in function.arguments]
    address = activation.address(function.dtype, function.direction)
    return ctypes.CFUNCTYPE(TYPES[function.result], *kinds)(address)(*arguments)


def check_arrays(row: catalog.Row, function: catalog.Function, shape: tuple[int, ...], values: dict) -> None:
    case = Case(row, function.kernel.replace("forward", ""), values)
    arrays = case.draw(shape, DTYPES[function.dtype])
    expected = case(*arrays)
    counts = shape if len(row.shape.counts) > 1 else (expected.size,)
    out = np.empty_like(expected)
    pointers = [array.ctypes.data for array in (*arrays, out)]
    called(fa.get(row.name), function, *pointers, *counts, *values.values())
    assert same_bits(out, expected), (function, shape, values)
    if case.keeps_shape:
        pointers[-1] = pointers[0]
        called(fa.get(row.name), function, *pointers, *counts, *values.values())
        assert same_bits(arrays[0], expected), (function, shape, values, "in place")


def test_a_function_has_the_bits_of_the_array_call(served):
    """Of one element, of vectors and their rest, of rows that are short and long; with all parameters."""
    shapes = [(1,), (16,), (1003,)] if served.shape.by_element else [(1, 1), (70, 6), (3, 515)]
    for function in catalog.functions(served):
        if function.direction == "scalar" or function.dtype not in DTYPES:
            continue
        for values in parameters_of(served, function):
            for shape in shapes:
                check_arrays(served, function, shape, values)


@pytest.mark.parametrize("row", OF_ONE_NUMBER, ids=lambda row: row.name)
def test_a_scalar_function_has_the_bits_of_the_array_call(row):
    for function in catalog.functions(row):
        if function.direction != "scalar":
            continue
        x = np.array([-np.inf, -3.7, -0.0, 0.4, 11.0, np.nan], DTYPES[function.dtype])
        for values in parameters_of(row, function):
            for one in np.split(x, len(x)):
                y = called(fa.get(row.name), function, one.item(), *values.values())
                expected = Case(row, "", values)(one)
                assert same_bits(np.array([y], x.dtype), expected), (function, one, values)


@pytest.mark.parametrize("row", OF_ONE_NUMBER, ids=lambda row: row.name)
def test_scipys_callable_has_the_bits_of_the_array_call(row):
    pytest.importorskip("scipy")
    x = np.array([-3.7, -0.5, 0.4, 11.0])
    for values in parameters_of(row, next(catalog.functions(row))):
        given = fa.get(row.name).low_level_callable(**values)
        rest = (given.user_data,) if values else ()
        results = [given.function(value, *rest) for value in x.tolist()]
        assert same_bits(np.array(results), Case(row, "", values)(x)), values


def test_parameters_of_scipys_callable_are_checked_and_words_are_followed():
    pytest.importorskip("scipy")
    with pytest.raises(ValueError, match="beta"):
        fa.softplus.low_level_callable(beta=-1)
    with pytest.raises(TypeError, match="negative_slope"):
        fa.leaky_relu.low_level_callable(slope=1)
    tanh = fa.gelu.low_level_callable(approximate="tanh").function
    assert tanh(0.7) == fa.gelu_tanh(0.7) != fa.gelu(0.7)


def test_nothing_is_written_where_there_is_nothing(served):
    for function in catalog.functions(served):
        if function.direction == "scalar":
            continue
        arrays = sum("*" in kind for kind, _ in function.arguments)
        values = served.numbers.values() if served.shape.by_element else ()
        for counts in ([0], [-1]) if len(served.shape.counts) == 1 else ([0, 4], [4, 0], [-1, 4]):
            called(fa.get(served.name), function, *[None] * arrays, *counts, *values)


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (("int8",), "float32, float64, float16, bfloat16"),
        ((">f4",), "float32, float64"),
        ((None,), "float32, float64"),
        (("float32", "sideways"), "forward, backward, backward_x, scalar"),
        (("float16", "scalar"), "forward, backward, backward_x"),
        (("float32", "backward_y"), "forward, backward, backward_x, scalar"),
    ],
)
def test_an_address_that_there_is_not_names_those_that_there_are(arguments, allowed):
    with pytest.raises(ValueError, match=allowed):
        fa.silu.address(*arguments)


def test_what_is_not_served_says_so():
    for row in catalog.rows:
        if row not in SERVED:
            with pytest.raises(ValueError, match=rf"{row.name} has no functions .* silu"):
                fa.get(row.name).address("float32")
    with pytest.raises(ValueError, match=r"allowed are float32, float64$"):
        fa.softmax.address("float16")


def test_a_dtype_may_be_any_word_for_it():
    assert (
        fa.silu.address(np.float32) == fa.silu.address("f4") == fa.silu.address(np.dtype("single"), "forward")
    )
    for dtype in HALVES:
        assert fa.silu.address(dtype) == fa.silu.address(np.dtype(dtype).name)


def test_the_capsule_has_every_function_by_name_and_signature(api):
    expected = {
        function.name: (function.signature, fa.get(row.name).address(function.dtype, function.direction))
        for row in SERVED
        for function in catalog.functions(row)
    }
    entries = api.entries[: api.count]
    found = {entry.name.decode(): (entry.signature.decode(), entry.function) for entry in entries}
    assert found == expected
    assert len(found) == api.count
    assert (api.version, api.level.decode()) == (1, fa.config()["level"])


def test_there_is_one_capsule():
    assert fa._c_api is fa._c_api


def test_what_was_handed_out_is_there_as_it_was():
    for entry in HANDED_OUT.replace("\n", "|").split("|"):
        name, *words = entry.split() or [""]
        if name:
            row = fa.get(name).row
            saves = [word for word in words if word in ("x", "y")]
            assert row.saves[0] == saves[0], "what backward means"
            assert set(saves) <= set(row.saves)
            parameters = list(row.numbers) if row.shape.by_element else []
            assert [*row.shape.counts, *saves, *parameters] == words


def test_names_and_signatures_of_each_shape_are_as_they_were():
    named = {function.name: function.signature for row in SERVED for function in catalog.functions(row)}
    assert named["silu_f32"] == "void (const float *, float *, ptrdiff_t)"
    assert named["silu_backward_f64"] == "void (const double *, const double *, double *, ptrdiff_t)"
    assert named["silu_backward_x_bf16"] == "void (const uint16_t *, const uint16_t *, uint16_t *, ptrdiff_t)"
    assert (
        named["sigmoid_backward_y_f16"] == "void (const uint16_t *, const uint16_t *, uint16_t *, ptrdiff_t)"
    )
    assert named["hardtanh_f32"] == "void (const float *, float *, ptrdiff_t, double, double)"
    assert named["elu_scalar_f32"] == "float (float, double)"
    assert named["softmax_f32"] == "void (const float *, float *, ptrdiff_t, ptrdiff_t)"
    assert named["swiglu_backward_f16"] == (
        "void (const uint16_t *, const uint16_t *, uint16_t *, ptrdiff_t, ptrdiff_t)"
    )


def test_what_the_build_wrote_is_what_the_catalog_says():
    for place, text in headers.texts(catalog).items():
        assert (Path(fa.__file__).parent / place).read_text() == text, f"{place}: build again"


def test_the_headers_are_found():
    assert {"fastact.h", "fastact_api.h"} <= {path.name for path in Path(fa.get_include()).iterdir()}
