"""softplus: exact everywhere, or its argument itself beyond a threshold."""

from __future__ import annotations

import mpmath_reference as reference
import numpy as np
import pytest

import fastact as fa

ROW = reference.row_of("softplus")


def _bend(dtype, beta: float, threshold: float) -> np.ndarray:
    """Inputs around the one at which beta * x reaches the threshold."""
    x = np.full(41, dtype(threshold / beta))
    for i in range(1, 41):
        x[i] = np.nextafter(x[i - 1], dtype(np.inf if i <= 20 else -np.inf), dtype=dtype)
        if i == 21:
            x[i] = np.nextafter(x[0], dtype(-np.inf), dtype=dtype)
    return x


@pytest.mark.parametrize("given", [{}, {"threshold": None}, {"threshold": np.inf}])
def test_without_a_threshold_it_is_exact_and_never_overflows(dtype, given):
    x = np.array([19, 20, 21, 30, 88, 89, 710, np.finfo(dtype).max], dtype)
    exact = reference.rounded(reference.forward(ROW, x), dtype)
    assert reference.ulps_between(fa.softplus(x, **given), exact).max() <= 2
    if dtype is np.float64:
        assert fa.softplus(dtype(21), **given) > 21


@pytest.mark.parametrize(("beta", "threshold"), [(1.0, 2.0), (0.3, 2.0), (3.0, 0.1), (0.7, -1.0), (1.0, 0.0)])
def test_the_linear_branch_begins_exactly_where_beta_x_is_above_the_threshold(dtype, beta, threshold):
    x = _bend(dtype, beta, threshold)
    linear = reference.exact(x) * reference.exact(beta) > reference.exact(threshold)
    assert linear.any()
    assert not linear.all()
    y = fa.softplus(x, beta, threshold)
    np.testing.assert_array_equal(y == x, linear)
    dy = np.full(x.size, 3, dtype)
    dx = fa.softplus.backward(dy, x=x, beta=beta, threshold=threshold)
    np.testing.assert_array_equal(dx == 3, linear)


def test_the_output_does_not_tell_the_branch(dtype):
    y = np.ones(8, dtype)
    with pytest.raises(ValueError, match=r"threshold == inf.*20.*x="):
        fa.softplus.backward(y, y=y, threshold=20.0)
    with pytest.raises(ValueError, match="beta > 0"):
        fa.softplus(y, 0.0)


def test_a_small_result_over_a_small_beta_is_rounded_once(dtype):
    """The exponential is subnormal there, what it is divided by 1/20 is not."""
    x = dtype({np.float32: -2020, np.float64: -14700}[dtype])
    exact = reference.rounded(reference.forward(ROW, np.array([x]), beta=0.05), dtype)
    assert reference.ulps_between(fa.softplus(np.array([x]), 0.05), exact).max() <= 1
