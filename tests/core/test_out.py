"""Where the result goes: by name, by position behind all that is taken by position, or in a tuple of one."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from cases import CASES, same_bits

import fastact as fa

FORWARD = [case for case in CASES if not case.saved]
LEADING = [
    lambda array: array,
    np.asfortranarray,
    lambda array: np.repeat(array, 2, axis=0)[::2],
]
"""Plain, and layouts that no kernel runs on as they are."""


def _by_position(case) -> list:
    """What comes between x and `out` where that is given by position."""
    parameters = list(inspect.signature(case.activation).parameters.values())[1:]
    names = [p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert names[-1] == "out"
    defaults = {p.name: p.default for p in parameters}
    return [case.needs.get(name, defaults[name]) for name in names[:-1]]


def _by_name(case) -> dict:
    parameters = inspect.signature(case.activation).parameters
    return {n: v for n, v in case.needs.items() if parameters[n].kind is inspect.Parameter.KEYWORD_ONLY}


def test_a_tuple_of_one_is_what_it_holds(case, any_dtype):
    for lay in LEADING:
        arrays = [lay(array) for array in case.draw((4, 8), any_dtype)]
        expected = case(*arrays)
        out = lay(np.ones_like(expected))
        assert case(*arrays, out=(out,)) is out
        assert same_bits(out, expected)
        assert same_bits(case(*arrays, out=(None,)), expected)


def test_a_tuple_of_one_in_place(same_shape_case, dtype):
    arrays = same_shape_case.draw((4, 8), dtype)
    expected = same_shape_case(*arrays)
    assert same_shape_case(*arrays, out=(arrays[-1],)) is arrays[-1]
    assert same_bits(arrays[-1], expected)


def test_a_tuple_of_another_length(case, dtype):
    arrays = case.draw((4, 8), dtype)
    out = np.full_like(case(*arrays), 9)
    for wrong in ((), (out, out), (out, None)):
        with pytest.raises(ValueError, match=rf"tuple of {len(wrong)}"):
            case(*arrays, out=wrong)
    for wrong in (([out],), ((out,),), [out], ("y",)):
        with pytest.raises(TypeError, match=r"out is a (list|tuple|str); allowed is"):
            case(*arrays, out=wrong)
    assert (out == 9).all()


@pytest.mark.parametrize("case", FORWARD, ids=str)
def test_out_by_position(case, any_dtype):
    """As np.exp(x, y)."""
    for lay in LEADING:
        (x,) = (lay(array) for array in case.draw((4, 8), any_dtype))
        expected = case(x)
        out = lay(np.ones_like(expected))
        assert case.activation(x, *_by_position(case), out, **_by_name(case)) is out
        assert same_bits(out, expected)
        result = case.activation(x, *_by_position(case), None, **_by_name(case))
        assert same_bits(result, expected)


@pytest.mark.parametrize("case", FORWARD, ids=str)
def test_out_by_position_is_out(case, dtype):
    (x,) = case.draw((4, 8), dtype)
    out = np.full_like(case(x), 9)
    given, by_name = _by_position(case), _by_name(case)
    for refused in (
        lambda: case.activation(x, *given, out, out=out, **by_name),
        lambda: case.activation(x, *given, out, out, **by_name),
        lambda: case.activation(x, *given, 0.5, **by_name),
        lambda: case.activation(x, *given, out.astype(np.int32), **by_name),
    ):
        with pytest.raises(TypeError):
            refused()
    with pytest.raises(ValueError, match="read-only"):
        case.activation(x, *given, np.broadcast_to(out[:1], out.shape), **by_name)
    assert (out == 9).all()


@pytest.mark.parametrize("case", FORWARD, ids=str)
def test_an_array_in_the_place_of_a_parameter_is_not_taken_for_out(case, dtype):
    (x,) = case.draw((4, 8), dtype)
    out = np.full_like(case(x), 9)
    given, by_name = _by_position(case), _by_name(case)
    for count in range("weight" in case.row.needs, len(given)):
        with pytest.raises(TypeError, match="out="):
            case.activation(x, *given[:count], out, **by_name)
    assert (out == 9).all()


def test_a_bound_activation_takes_arrays_alone_by_position():
    x = np.linspace(-1, 1, 8)
    out = np.empty_like(x)
    bound = fa.leaky_relu.bind(negative_slope=0.2)
    assert bound(x, out) is out
    assert same_bits(out, fa.leaky_relu(x, 0.2))
    assert bound.backward(out, x=x, out=(out,)) is out
    with pytest.raises(TypeError, match="out is a float"):
        bound(x, 0.2)
