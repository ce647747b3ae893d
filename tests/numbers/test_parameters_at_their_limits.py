"""Extreme parameters give limits, make no number NaN, and are infinite only where that has a meaning.

The fuzz takes ``FASTACT_FUZZ_SECONDS`` (20, in .ci/nightly 600).
"""

from __future__ import annotations

import os
import time

import mpmath_reference as reference
import numpy as np
import pytest
from cases import ALONE, Case, output_determines

import fastact as fa
from fastact import catalog

SECONDS = float(os.environ.get("FASTACT_FUZZ_SECONDS", "20"))

LIMITS = [
    ("swish", (2.4e38,), [0.0, 1.0, -1.0, np.inf, -np.inf], [0, 1, 0, np.inf, 0]),
    ("softplus", (2.4e38,), [0.0, 1.0, -1.0, np.inf], [0, 1, 0, np.inf]),
    ("swish", (1.7e308,), [0.0, 1.0, -1.0, np.inf, -np.inf], [0, 1, 0, np.inf, 0]),
    ("softplus", (1.7e308,), [0.0, 1.0, -1.0, np.inf], [0, 1, 0, np.inf]),
    ("hardsigmoid", (1e-38, 10.0), [0.0, 1.0, -np.inf, np.inf], [1, 1, 0, 1]),
    ("hardsigmoid", (1e-308, 10.0), [0.0, 1.0, -np.inf, np.inf], [1, 1, 0, 1]),
    ("hardsigmoid", (1e-308, 0.0), [0.0, -np.inf, np.inf], [0, 0, 1]),
    ("leaky_relu", (1e39,), [0.0, 2.0], [0, 2]),
    ("elu", (1e39,), [0.0, 2.0], [0, 2]),
    ("rrelu", (1e39, 1e39), [0.0, 2.0], [0, 2]),
    ("rrelu", (-1e308, 1e308), [0.0, 2.0, -2.0], [0, 2, 0]),
    ("prelu", (1e39,), [0.0, 2.0], [0, 2]),
    ("celu", (1e39,), [0.0, 2.0, -2.0, np.inf], [0, 2, -2, np.inf]),
    ("squareplus", (1e-310,), [0.0, 2.0, -2.0], [0, 2, 0]),
    ("softshrink", (1e39,), [0.0, 2.0], [0, 0]),
]


@pytest.mark.parametrize(("name", "parameters", "x", "y"), LIMITS, ids=str)
def test_extreme_parameters_give_the_limit(name, parameters, x, y, dtype):
    """Each was NaN or another number."""
    if name == "squareplus" and dtype != np.float64:
        pytest.xfail("a b below the dtype's smallest number counts as four of that: 4e-23 at 0")
    result = fa.get(name)(np.array(x * 5, dtype), *parameters).astype(np.float64)
    # log(2) / beta at 0
    np.testing.assert_allclose(result, y * 5, rtol=0, atol=1e-38)


@pytest.mark.parametrize(
    ("temperature", "dtype"), [(1e-39, np.float32), (1e-320, np.float64), (1e39, np.float32)]
)
def test_a_gradient_that_is_0_stays_so_at_any_temperature(temperature, dtype):
    y = np.array([1.0, 0, 0] + [0] * 30, dtype)
    dy = np.ones_like(y)
    np.testing.assert_array_equal(fa.softmax.backward(dy, y=y, temperature=temperature), np.zeros_like(y))
    np.testing.assert_array_equal(fa.gumbel_softmax.backward(dy, y=y, tau=temperature), np.zeros_like(y))


def test_a_slope_between_the_largest_numbers_is_drawn():
    x = -np.ones(1000)
    y = fa.rrelu(x, -1e308, 1e308, seed=3)
    assert np.isfinite(y).all()


def test_a_quotient_of_celu_that_is_subnormal_loses_nothing():
    x = np.array([-3e-36] * 40, np.float32)
    np.testing.assert_array_equal(fa.celu(x, 1e5), x)


def test_a_small_derivative_of_squareplus_meets_dy_first():
    x, dy = np.full(40, -3.016e14, np.float32), np.full(40, -19.588, np.float32)
    row = reference.row_of("squareplus")
    exact = reference.rounded(reference.backward(row, dy[:1], "x", x[:1], b=1e-10), np.float32)
    result = fa.squareplus.backward(dy, x=x, b=1e-10)
    assert reference.ulps_between(result, np.resize(exact, 40)).max() <= 4


NUMBERS = [(row, p) for row in catalog.rows for p in row.parameters if not p.choices]


@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
@pytest.mark.parametrize(("row", "parameter"), NUMBERS, ids=lambda value: value.name)
def test_an_infinite_parameter_is_refused_unless_it_means_something(row, parameter, infinity):
    activation = fa.get(row.name)
    given = {**row.required, parameter.name: infinity, **row.shape.needs}
    names = {**row.numbers, parameter.name: infinity}
    holds = all(eval(p.constraint, {}, names) for p in row.parameters if p.constraint)
    if parameter.infinite and holds:
        assert not np.isnan(activation(np.ones(3), **given)).any()
        return
    with pytest.raises(ValueError, match=r"inf.*allowed is|allowed is.*inf"):
        activation(np.ones(3), **given)


# The fuzz.


def _parameters(row: catalog.Row, random: np.random.Generator) -> dict | None:
    """Numbers of every magnitude that a call takes."""
    drawn = {
        p.name: float(np.ldexp(random.choice([-1, 1]) * random.uniform(1, 2), random.integers(*EXPONENTS)))
        for p in row.parameters
        if not p.choices
    }
    if row.name == "softplus":
        drawn["threshold"] = np.inf
    return drawn if all(eval(p.constraint, {}, drawn) for p in row.parameters if p.constraint) else None


EXPONENTS = -1074, 1024
FUZZED = [case for case in ALONE if case.row.numbers]


def test_no_number_becomes_nan_whatever_the_parameters(dtype):
    """Every activation and direction, for a quarter of the time."""
    random = np.random.default_rng(19)
    end = time.monotonic() + SECONDS / 4
    limits = np.finfo(dtype)
    ends = [0.0, limits.smallest_subnormal, limits.tiny, 1.0, limits.max]
    x = np.array([*ends, *np.negative(ends)], dtype)
    while time.monotonic() < end:
        for case in FUZZED:
            parameters = _parameters(case.row, random)
            if parameters is None or (case.saved == "y" and not output_determines(case.row, parameters)):
                continue
            arrays = (x,) if not case.saved else (np.ones_like(x), x)
            if case.saved == "y":
                arrays = (np.ones_like(x), np.asarray(Case(case.row)(x, **parameters)))
                arrays = tuple(a[np.isfinite(arrays[1])] for a in arrays)
            assert not np.isnan(case(*arrays, **parameters)).any(), (str(case), parameters)
