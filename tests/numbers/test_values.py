"""Every activation is what its definition says, forward and backward, at the defaults and at others."""

from __future__ import annotations

import cases
import mpmath_reference as reference
import numpy as np
import pytest
from cases import ELEMENTWISE, Case, other_parameters, output_determines
from mpmath_reference import mp

FORWARD = [case for case in ELEMENTWISE if not case.saved]
BACKWARD = [case for case in ELEMENTWISE if case.saved]
ALLOWED_ULPS = 4
"""The first cut; test_accuracy.py holds the tighter limits of the contract at millions of inputs, and
test_reference.py at a thousand of those that mpmath judges."""
COUNT = 300


def _called_with(row, parameters: dict) -> dict:
    """How fastact is told `parameters`: rrelu is deterministic when it evaluates."""
    return parameters | dict.fromkeys(row.shape.may_have)


def _formula_with(row, parameters: dict) -> dict:
    """How the formula is told `parameters`: prelu's weight and rrelu's mean slope are among its names."""
    return row.names(**row.needs | parameters)


def _gradients(count: int, dtype) -> np.ndarray:
    random = np.random.default_rng(1)
    return (np.exp2(random.uniform(-1, 1, count)) * random.choice([-1, 1], count)).astype(dtype)


def _assert_near(computed, exact, inputs, *, slack=0.0) -> None:
    """Within the allowed ULPs of the correctly rounded value, or within `slack` of the exact one."""
    expected = reference.rounded(exact, computed.dtype)
    far = reference.ulps_between(computed, expected) > ALLOWED_ULPS
    if np.any(slack) and far.any():
        with np.errstate(invalid="ignore"):
            missed = np.abs(computed.astype(np.float64) - expected.astype(np.float64))
        far &= ~(missed <= slack)
    worst = [
        f"{name}({', '.join(f'{array[i]!r}' for array in inputs)}) = {computed[i]!r}, not {expected[i]!r}"
        for name in ["f"]
        for i in np.flatnonzero(far)[:5]
    ]
    assert not far.any(), f"{np.count_nonzero(far)} of {far.size}: " + "; ".join(worst)


def _saved_values(case: Case, dtype, parameters: dict, count: int) -> np.ndarray:
    """What a network would pass to backward: the input, or its correctly rounded output."""
    if case.saved == "x":
        return reference.samples(dtype, count)
    names = tuple(_formula_with(case.row, parameters).items())
    outputs = reference.forward_rounded(case.row.name, dtype, names, count)
    return outputs[np.isfinite(outputs)]


@pytest.mark.parametrize("case", FORWARD, ids=str)
def test_forward_is_the_formula(case, dtype):
    x = reference.samples(dtype, COUNT)
    names = tuple(_formula_with(case.row, {}).items())
    computed = case(x, **_called_with(case.row, {}))
    expected = reference.forward_rounded(case.row.name, dtype, names, COUNT)
    _assert_near(computed, reference.exact(expected), (x,))


@pytest.mark.parametrize("case", BACKWARD, ids=str)
def test_backward_is_the_derivative_of_what_is_passed(case, dtype):
    value = _saved_values(case, dtype, {}, COUNT)
    dy = _gradients(value.size, dtype)
    names = _formula_with(case.row, {})
    near_zero = np.zeros(value.size, bool)
    if case.saved == "x":
        for zero in reference.inner_zeros(case.row.name, tuple(names.items())):
            near_zero |= np.abs(value.astype(np.float64) - zero) <= 1
    slack = np.where(near_zero, float(np.finfo(dtype).eps) * np.abs(dy.astype(np.float64)), 0)
    computed = case(dy, value, **_called_with(case.row, {}))
    _assert_near(
        computed, reference.backward(case.row, dy, case.saved, value, **names), (dy, value), slack=slack
    )


@pytest.mark.parametrize("case", FORWARD, ids=str)
def test_forward_with_other_parameters(case, dtype):
    x = reference.samples(dtype, 240)
    for parameters in other_parameters(case.row):
        computed = case(x, **_called_with(case.row, parameters))
        exact = reference.forward(case.row, x, **_formula_with(case.row, parameters))
        _assert_near(computed, exact, (x,))


@pytest.mark.parametrize("case", BACKWARD, ids=str)
def test_backward_with_other_parameters(case, dtype):
    for parameters in other_parameters(case.row):
        if case.saved == "y" and not output_determines(case.row, parameters):
            continue
        value = _saved_values(case, dtype, parameters, 240)
        dy = _gradients(value.size, dtype)
        names = _formula_with(case.row, parameters)
        largest = reference.rounded(
            reference.largest_term_of_backward(case.row, dy, case.saved, value, **names), dtype
        )
        computed = case(dy, value, **_called_with(case.row, parameters))
        exact = reference.backward(case.row, dy, case.saved, value, **names)
        _assert_near(
            computed, exact, (dy, value), slack=ALLOWED_ULPS * np.spacing(largest).astype(np.float64)
        )


@pytest.mark.parametrize("case", [case for case in BACKWARD if case.saved == "x"], ids=str)
def test_the_catalogs_derivatives_are_those_of_its_formula(case):
    """The texts that the other tests trust: from x and from y alike, for every set of parameters."""
    row = case.row
    points = [mp.mpf(text) for text in ("-7.3", "-2.1", "-0.4", "-1e-9", "1e-9", "0.3", "1.7", "6.2")]
    for parameters in [{}, *other_parameters(row)]:
        names = {name: reference.exact(value) for name, value in _formula_with(row, parameters).items()}
        defaults = {name: reference.exact(value) for name, value in row.numbers.items()}
        names = {**defaults, **names}
        for x in points:
            slope = mp.diff(
                lambda t, names=names: reference.number(reference.evaluate(row.formula, x=t, **names)), x
            )
            y = reference.evaluate(row.formula, x=x, **names).item()
            for saved, text in row.derivatives.items():
                if saved == "y" and not output_determines(row, parameters):
                    continue
                derivative = reference.evaluate(text, **{**names, saved: x if saved == "x" else y})
                assert mp.almosteq(reference.number(derivative), slope, 1e-15, 1e-15), (saved, parameters, x)


@pytest.mark.parametrize("case", cases.BACKWARD, ids=str)
def test_backward_is_the_slope_of_forward(case):
    """Along a random direction, by central differences in float64."""
    forward = Case(case.row)
    dy = case.draw((6, 32), np.float64)[0]
    (x,) = forward.draw((6, 32), np.float64, seed=5)
    saved = x if case.saved == "x" else forward(x)
    direction = np.random.default_rng(2).standard_normal(x.shape)
    step = 1e-6
    rise = forward(x + step * direction) - forward(x - step * direction)
    np.testing.assert_allclose(
        np.sum(case(dy, saved) * direction), np.sum(dy * rise) / (2 * step), rtol=1e-6, atol=1e-7
    )
