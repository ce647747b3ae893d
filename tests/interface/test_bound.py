"""A bound activation is the activation with those parameters, and a value among values."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest
from cases import CASES, other_parameters, output_determines, same_bits

import fastact as fa
from fastact import catalog

WITH_PARAMETERS = [(row, values) for row in catalog.rows for values in other_parameters(row)]


def _case_id(value) -> str:
    return getattr(value, "name", None) or ", ".join(f"{n}={v}" for n, v in value.items())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_computes_what_the_activation_does_with_them(case):
    arrays = case.draw((4, 8), np.float32)
    for parameters in [{}, *other_parameters(case.row)]:
        if case.saved == "y" and not output_determines(case.row, parameters):
            continue
        bound = case.activation.bind(**case.needs | parameters)
        result = bound.backward(arrays[0], **{case.saved: arrays[1]}) if case.saved else bound(arrays[0])
        result = result[0] if isinstance(result, tuple) else result
        assert same_bits(result, case(*arrays, **parameters))


def test_it_works_in_place(same_shape_case):
    arrays = same_shape_case.draw((4, 8), np.float64)
    bound = same_shape_case.activation.bind(**same_shape_case.needs)
    expected = same_shape_case(*arrays)
    out = arrays[-1].copy()
    if same_shape_case.saved:
        result = bound.backward(arrays[0], **{same_shape_case.saved: out}, out=out)
    else:
        result = bound(out, out=out)
    assert (result[0] if isinstance(result, tuple) else result) is out
    assert same_bits(out, expected)


@pytest.mark.parametrize(("row", "parameters"), WITH_PARAMETERS, ids=_case_id)
def test_it_is_a_value(row, parameters):
    one, same = (fa.get(row.name).bind(**parameters) for _ in range(2))
    assert one == same == pickle.loads(pickle.dumps(one)) == copy.deepcopy(one)
    assert hash(one) == hash(same) == hash(pickle.loads(pickle.dumps(one)))
    assert one.__dask_tokenize__() == same.__dask_tokenize__()
    assert one != fa.get(row.name).bind()
    assert one != fa.get(row.name)


def test_it_says_what_is_bound():
    bound = fa.leaky_relu.bind(negative_slope=0.2)
    assert repr(bound) == "fastact.leaky_relu.bind(negative_slope=0.2)"
    assert eval(repr(bound), {"fastact": fa}) == bound
    assert bound.name == bound.__name__ == "leaky_relu"
    assert bound.parameters == {"negative_slope": 0.2}
    assert fa.leaky_relu.parameters == {"negative_slope": 0.01}
    assert (bound.row, bound.saves) == (fa.leaky_relu.row, fa.leaky_relu.saves)


def test_arrays_can_be_bound():
    weight = np.linspace(0, 1, 8)
    bound = fa.prelu.bind(weight=weight)
    assert bound == fa.prelu.bind(weight=weight.copy()) == fa.prelu.bind(weight=list(weight))
    assert hash(bound) == hash(fa.prelu.bind(weight=weight.copy()))
    assert bound != fa.prelu.bind(weight=weight + 1)


def test_what_is_not_bound_is_given_by_name():
    x = np.linspace(-1, 1, 8)
    bound = fa.hardtanh.bind(min_val=-0.5)
    np.testing.assert_array_equal(bound(x, max_val=0.25), fa.hardtanh(x, -0.5, 0.25))
    assert bound.bind(max_val=0.25) == fa.hardtanh.bind(max_val=0.25, min_val=-0.5)


@pytest.mark.parametrize("call", ["__call__", "backward", "bind"])
def test_what_is_bound_cannot_be_given_again(call):
    bound = fa.elu.bind(alpha=0.5)
    arguments = () if call == "bind" else (np.ones(3),)
    with pytest.raises(TypeError, match=re.escape("alpha=0.25")):
        getattr(bound, call)(*arguments, alpha=0.25)


@pytest.mark.parametrize(
    ("name", "parameters", "error"),
    [
        ("elu", {"alhpa": 1.0}, TypeError),
        ("elu", {"x": np.ones(3)}, TypeError),
        ("elu", {"out": np.ones(3)}, TypeError),
        ("softmax", {"where": [True]}, TypeError),
        ("celu", {"alpha": 0.0}, ValueError),
        ("hardtanh", {"min_val": 1.0, "max_val": -1.0}, ValueError),
        ("threshold", {"value": float("nan")}, ValueError),
        ("gelu", {"approximate": "fast"}, ValueError),
    ],
)
def test_what_a_call_would_refuse_cannot_be_bound(name, parameters, error):
    with pytest.raises(error, match="|".join(parameters)):
        fa.get(name).bind(**parameters)
