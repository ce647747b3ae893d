"""NaN, infinities, signed zeros, the largest and the subnormal values."""

from __future__ import annotations

import warnings

import mpmath_reference as reference
import numpy as np
import pytest
from cases import CASES, ELEMENTWISE, Case, other_parameters

import fastact as fa

FORWARD = [case for case in ELEMENTWISE if not case.saved]
FORWARD_ALL = [case for case in CASES if not case.saved]
BACKWARD_FROM_X = [case for case in ELEMENTWISE if case.saved == "x"]
LENGTH = 67
"""Enough for every vector width and a scalar tail."""


def _names(row, parameters: dict) -> dict:
    return row.names(**row.needs | parameters)


def _call(case: Case, *arrays, **parameters):
    return case(*arrays, **parameters, **dict.fromkeys(case.row.shape.may_have))


@pytest.mark.parametrize("case", FORWARD_ALL, ids=str)
def test_nan_in_gives_nan_out_and_only_there(case, dtype):
    (x,) = case.draw((3, LENGTH), dtype)
    clean = case(x)
    for position in (0, 5, LENGTH - 1):
        spoiled = x.copy()
        spoiled[1, position] = np.nan
        y = case(spoiled)
        if case.row.shape.by_row:
            assert np.isnan(y[1]).all()
        elif "pieces" in case.row.needs:
            assert np.isnan(y[1, position // 4])
        elif case.row.shape.halves:
            assert np.isnan(y[1, position % LENGTH])
        else:
            assert np.isnan(y[1, position])
            assert np.count_nonzero(np.isnan(y)) == 1
        assert not np.isnan(y[[0, 2]]).any()
        assert np.array_equal(y[[0, 2]], clean[[0, 2]])


@pytest.mark.parametrize("case", FORWARD, ids=str)
def test_nan_of_any_sign_and_payload_gives_nan(case, dtype):
    """What a formula does to the bits of a number it does to the payload of a NaN too.

    relu(NaN) was 0 elsewhere: pytorch 7999.
    """
    size = 4096
    integers, info = np.dtype(f"u{np.dtype(dtype).itemsize}"), np.finfo(dtype)
    payloads = np.random.default_rng(0).integers(1, 1 << info.nmant, size, integers)
    infinities = np.resize(np.array([np.inf, -np.inf], dtype), size)
    nan = np.append((infinities.view(integers) | payloads).view(dtype), dtype(np.nan))
    for parameters in [{}, *other_parameters(case.row)]:
        assert np.isnan(_call(case, nan, **parameters)).all(), parameters


@pytest.mark.parametrize("case", FORWARD, ids=str)
def test_forward_at_infinity_is_the_mathematical_limit(case, dtype):
    x = np.resize(np.array([-np.inf, np.inf], dtype), LENGTH)
    for parameters in [{}, *other_parameters(case.row)]:
        two = reference.rounded(reference.forward(case.row, x[:2], **_names(case.row, parameters)), dtype)
        limit = np.resize(two, LENGTH)
        np.testing.assert_array_equal(_call(case, x, **parameters), limit, err_msg=str(parameters))


@pytest.mark.parametrize("case", BACKWARD_FROM_X, ids=str)
def test_backward_at_infinity_is_the_mathematical_limit(case, dtype):
    x = np.resize(np.array([-np.inf, np.inf], dtype), LENGTH)
    dy = np.ones_like(x)
    for parameters in [{}, *other_parameters(case.row)]:
        names = _names(case.row, parameters)
        two = reference.rounded(reference.backward(case.row, dy[:2], "x", x[:2], **names), dtype)
        limit = np.resize(two, LENGTH)
        np.testing.assert_array_equal(_call(case, dy, x, **parameters), limit, err_msg=str(parameters))


@pytest.mark.parametrize("case", [case for case in FORWARD if case.row.kind == "elementwise"], ids=str)
def test_finite_values_stay_within_the_range_the_catalog_names(case, dtype):
    y = _call(case, reference.samples(dtype))
    assert not np.isnan(y).any()
    low, high = case.row.range[1:-1].rsplit(",", 1)
    names = case.row.numbers | {"inf": np.inf}
    assert y.min() >= eval(low, {}, names) - 1e-5
    assert y.max() <= eval(high, {}, names)


def test_no_numpy_warning(case, dtype):
    """Neither overflow nor underflow nor an invalid operation is reported."""
    arrays = case.draw((3, 64), dtype)
    extremes = [
        np.nan,
        np.inf,
        -np.inf,
        np.finfo(dtype).max,
        -np.finfo(dtype).max,
        np.finfo(dtype).smallest_subnormal,
    ]
    for array in arrays:
        array[0, : len(extremes)] = extremes
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        case(*arrays)


# Anchors.


def test_tanh_is_odd(dtype):
    x = reference.samples(dtype)
    np.testing.assert_array_equal(fa.tanh(-x), -fa.tanh(x))


@pytest.mark.parametrize("name", ["tanh", "elu", "leaky_relu", "silu"])
def test_zero_keeps_its_sign(name, dtype):
    x = np.array([0.0, -0.0] * 20, dtype)
    np.testing.assert_array_equal(np.signbit(fa.get(name)(x)), np.signbit(x))


@pytest.mark.parametrize("name", ["tanh", "elu"])
def test_subnormal_values_pass_unchanged_where_the_slope_is_one(name, dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.concatenate([np.arange(-40, 41).astype(dtype) * tiny, [np.finfo(dtype).tiny]]).astype(dtype)
    np.testing.assert_array_equal(fa.get(name)(x), x)


def test_slope_at_zero(dtype):
    zero, one = np.zeros(LENGTH, dtype), np.ones(LENGTH, dtype)
    at_zero = {
        "relu": (fa.relu.backward(one, x=zero), 0),
        "relu from y": (fa.relu.backward(one, y=zero), 0),
        "leaky_relu": (fa.leaky_relu.backward(one, x=zero, negative_slope=0.3), dtype(0.3)),
        "leaky_relu from y": (fa.leaky_relu.backward(one, y=zero, negative_slope=0.3), dtype(0.3)),
        "prelu": (fa.prelu.backward(one, x=zero, weight=0.3)[0], dtype(0.3)),
        "rrelu": (fa.rrelu.backward(one, x=zero, lower=0.25, upper=0.25), dtype(0.25)),
        "elu": (fa.elu.backward(one, x=zero, alpha=2.0), 2),
        "elu from y": (fa.elu.backward(one, y=zero, alpha=2.0), 2),
    }
    for name, (gradient, slope) in at_zero.items():
        np.testing.assert_array_equal(gradient, np.full(LENGTH, slope, dtype), err_msg=name)


KINKS = [
    ("relu6", {}, {0: 0, 6: 0}),
    ("hardtanh", {}, {-1: 0, 1: 0}),
    ("hardtanh", {"min_val": -0.5, "max_val": 2.0}, {-0.5: 0, 2: 0}),
    ("hardsigmoid", {}, {-3: 0, 3: 0}),
    ("hardsigmoid", {"slope": 0.25, "offset": 0.75}, {-3: 0, 1: 0}),
    ("hardswish", {}, {-3: 0, 3: 1}),
    ("hardshrink", {}, {-0.5: 0, 0.5: 0}),
    ("softshrink", {}, {-0.5: 0, 0.5: 0}),
    ("threshold", {"threshold": 0.5, "value": 2.0}, {0.5: 0}),
    ("sparse_sigmoid", {}, {-1: 0, 1: 0}),
    ("squared_relu", {}, {0: 0}),
    ("sparse_plus", {}, {-1: 0, 1: 1}),
    ("celu", {"alpha": 2.0}, {0: 1}),
    ("selu", {}, {0: 1.7580993408473768}),
]


@pytest.mark.parametrize(("name", "parameters", "slopes"), KINKS, ids=lambda value: str(value))
def test_slope_at_a_kink(name, parameters, slopes, dtype):
    """As the contract names them; from the output too, where it is on a bound."""
    activation = fa.get(name)
    for at, slope in slopes.items():
        x, one = np.full(LENGTH, at, dtype), np.ones(LENGTH, dtype)
        saved = {"x": x, "y": activation(x, **parameters)}
        for what in activation.saves:
            gradient = activation.backward(one, **{what: saved[what]}, **parameters)
            np.testing.assert_array_equal(gradient, np.full(LENGTH, slope, dtype), err_msg=f"{what} at {at}")


def test_a_bound_that_is_no_float_stays_a_bound(dtype):
    """Clipped outputs have no gradient, inputs just inside have one, however the bound rounds."""
    for low, high in ((-0.1, 0.1), (-0.3, 0.3), (0.1, 0.7)):
        bounds = {"min_val": low, "max_val": high}
        x = np.array([low - 1, high + 1, (low + high) / 2] * 9, dtype)
        dy = np.ones_like(x)
        for saved in ({"x": x}, {"y": fa.hardtanh(x, **bounds)}):
            np.testing.assert_array_equal(fa.hardtanh.backward(dy, **saved, **bounds), [0, 0, 1] * 9)


@pytest.mark.parametrize("name", ["squareplus", "dish", "softsign"])
def test_squares_beyond_the_range_of_numbers_are_never_formed(dtype, name):
    limits = np.finfo(dtype)
    x = np.array([limits.max, -limits.max, limits.tiny, -limits.tiny] * 10, dtype)
    exact = reference.rounded(reference.forward(reference.row_of(name), x), dtype)
    np.testing.assert_array_equal(fa.get(name)(x), exact)


def test_tanhshrink_is_a_third_of_the_cube_near_0(dtype):
    limits = np.finfo(dtype)
    x = np.geomspace(float(limits.tiny), 1e-2, 201).astype(dtype)
    exact = reference.rounded(reference.forward(reference.row_of("tanhshrink"), x), dtype)
    assert reference.ulps_between(fa.tanhshrink(x), exact).max() <= 2
    np.testing.assert_array_equal(fa.tanhshrink(-x), -fa.tanhshrink(x))
