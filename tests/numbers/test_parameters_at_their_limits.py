"""Extreme parameters give limits, make no number NaN, and are infinite only where that has a meaning.

The fuzz takes ``FASTACT_FUZZ_SECONDS`` (20, in .ci/nightly 600).
"""

from __future__ import annotations

import math
import os
import time

import mpmath_reference as reference
import numpy as np
import pytest
from cases import CASES, Case, output_determines

import fastact as fa
from fastact import catalog

SECONDS = float(os.environ.get("FASTACT_FUZZ_SECONDS", "20"))
SEED = int(np.random.default_rng().integers(2**32)) if SECONDS > 20 else 19
"""Another for every long run, which says it where it fails."""

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
    ("softshrink", (np.inf,), [0.0, 2.0], [0, 0]),
]


@pytest.mark.parametrize(("name", "parameters", "x", "y"), LIMITS, ids=str)
def test_extreme_parameters_give_the_limit(name, parameters, x, y, dtype):
    """Each was NaN or another number."""
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


def test_a_parameter_that_the_dtype_cannot_hold_is_taken_as_it_is(dtype):
    """In float32 the first was -3.4e28."""
    x = np.full(40, -1e-10, dtype)
    slope, largest = np.float64(x) * 1e39, np.finfo(dtype).max
    np.testing.assert_array_equal(fa.leaky_relu(x, 1e39), slope.astype(dtype))
    np.testing.assert_array_equal(fa.leaky_relu(x, 1e39, out=x), slope.astype(dtype))
    x = np.full(40, -largest / 4, dtype)
    exact = reference.rounded(reference.forward(reference.row_of("celu"), x[:1], alpha=1e39), dtype)
    assert reference.ulps_between(fa.celu(x, 1e39), np.resize(exact, 40)).max() <= 4


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

ALL = -1074, 1024
EXACT = {np.float32: ALL, np.float16: ALL, np.float64: (-900, 900)}
"""Exponents of parameters with which results are exact: float64 has no wider arithmetic to compute in."""
FUZZED = [case for case in CASES if case.row.numbers and case.row.kind in ("elementwise", "random", "rows")]
ALLOWED_ULPS = 4


def _number(random: np.random.Generator, low: int, high: int) -> float:
    return float(np.ldexp(random.choice([-1, 1]) * random.uniform(1, 2), random.integers(low, high)))


def _parameters(row: catalog.Row, exponents: tuple[int, int], random: np.random.Generator) -> dict | None:
    """Numbers that a call takes."""
    drawn = {p.name: _number(random, *exponents) for p in row.parameters if not p.choices}
    if row.name == "softplus":
        drawn["threshold"] = np.inf
    return drawn if all(eval(p.constraint, {}, drawn) for p in row.parameters if p.constraint) else None


def _values(parameters: dict, dtype, random: np.random.Generator) -> np.ndarray:
    """Of every magnitude, ordinary ones, and those at which the parameters come to bear; and the ends."""
    limits = np.finfo(dtype)
    ends = [0.0, limits.smallest_subnormal, limits.tiny, 1.0, limits.max]
    scales = [1.0, 10.0, *parameters.values(), *(1 / p for p in parameters.values() if p)]
    scales += [math.sqrt(abs(s)) for s in scales]
    near = [s * random.uniform(-3, 3) for s in scales]
    drawn = [_number(random, limits.minexp - limits.nmant, limits.maxexp) for _ in range(6)]
    values = np.array([*ends, *np.negative(ends), *near, *drawn]).astype(dtype)
    return values[np.isfinite(values)]


def _drawn_call(case: Case, dtype, random: np.random.Generator):
    """The arrays and parameters of one call: of every magnitude, of float32's, or ordinary ones.

    None where there is none with what was drawn.
    """
    parameters = _parameters(case.row, [EXACT[dtype], (-149, 128), (-20, 20)][random.integers(3)], random)
    if parameters is not None and case.row.name == "hardsigmoid":
        # Where its line begins may be beyond float64.
        parameters = parameters if np.isfinite(parameters["offset"] / parameters["slope"]) else None
    if parameters is None or (case.saved == "y" and not output_determines(case.row, parameters)):
        return None
    x = _values(parameters, dtype, random)
    if not case.saved:
        return (x,), parameters
    saved = x if case.saved == "x" else np.asarray(Case(case.row)(x, **parameters, **_without_seed(case.row)))
    # A bound's nearest number of the dtype is at the bend, on whichever side of it.
    saved = saved[np.isfinite(saved) & ~np.isin(saved, np.array(list(parameters.values()), dtype))]
    dy = np.array([_number(random, -10, 10) for _ in saved], dtype)
    return (dy, saved), parameters


def _without_seed(row: catalog.Row) -> dict:
    return dict.fromkeys(row.shape.may_have)


def _beyond(case: Case, arrays, parameters: dict) -> list[str]:
    """Results that are further from the exact ones than the contract allows."""
    result = np.asarray(case(*arrays, **parameters, **_without_seed(case.row)))
    names, shape, dtype = case.row.names(**parameters), result.shape, result.dtype
    if case.saved:
        value, term = reference.backward, reference.largest_term_of_backward
        given = case.row, arrays[0], case.saved, arrays[1]
    else:
        value, term = reference.forward, reference.largest_term_of_forward
        given = case.row, *arrays
    expected, largest = (
        reference.rounded(np.broadcast_to(one(*given, **names), shape), dtype) for one in (value, term)
    )
    far = reference.ulps_between(result, expected) > ALLOWED_ULPS
    with np.errstate(invalid="ignore"):
        missed = np.abs(result.astype(np.float64) - expected.astype(np.float64))
        far &= ~(missed <= ALLOWED_ULPS * np.spacing(largest).astype(np.float64))
    call = f"{case} {dtype} {parameters} of"
    return [
        f"{call} {[float(a[i]) for a in arrays]}: {result[i]}, not {expected[i]}" for i in np.flatnonzero(far)
    ]


@pytest.mark.parametrize("dtype", EXACT)
@np.errstate(over="ignore")
def test_whatever_the_parameters_results_are_the_exact_ones(dtype):
    """Beside mpmath: every activation with parameters, every direction, a dtype a quarter of the time."""
    random = np.random.default_rng(SEED)
    end, calls = time.monotonic() + SECONDS / 4, 0
    while time.monotonic() < end:
        for case in FUZZED:
            drawn = _drawn_call(case, dtype, random)
            if drawn is not None:
                calls += 1
                assert not (found := _beyond(case, *drawn)), f"seed {SEED}, call {calls}: " + "; ".join(found)
    assert calls > len(FUZZED)


def test_no_number_becomes_nan_whatever_the_parameters(dtype):
    """Of every magnitude in float64 too, for the rest of the time."""
    random = np.random.default_rng(SEED)
    end = time.monotonic() + SECONDS / 8
    limits = np.finfo(dtype)
    ends = [0.0, limits.smallest_subnormal, limits.tiny, 1.0, limits.max]
    x = np.array([*ends, *np.negative(ends)], dtype)
    while time.monotonic() < end:
        for case in FUZZED:
            parameters = _parameters(case.row, ALL, random)
            if parameters is None or (case.saved == "y" and not output_determines(case.row, parameters)):
                continue
            arrays = (x,) if not case.saved else (np.ones_like(x), x)
            if case.saved == "y":
                y = np.asarray(Case(case.row)(x, **parameters, **_without_seed(case.row)))
                arrays = tuple(a[np.isfinite(y)] for a in (np.ones_like(x), y))
            result = case(*arrays, **parameters, **_without_seed(case.row))
            assert not np.isnan(result).any(), (str(case), parameters)
