"""swish's beta can be learnt: its gradient is one sum, the same however the elements are brought there."""

from __future__ import annotations

import mpmath_reference as reference
import numpy as np
import pytest
from cases import same_bits
from mpmath_reference import mp

import fastact as fa

SIZE = 100_003


def _exact_sum(dy, x, beta: float):
    """The sum and that of its terms' magnitudes."""
    row = reference.row_of("swish")
    names = {"x": reference.exact(x), "beta": reference.exact(beta)}
    terms = reference.exact(dy) * reference.evaluate(row.parameters[0].gradient, **names)
    return mp.fsum(terms.ravel()), mp.fsum(abs(term) for term in terms.ravel())


def _draw(dtype, shape, scale=2.0):
    random = np.random.default_rng(0)
    return random.standard_normal(shape).astype(dtype), random.normal(0, scale, shape).astype(dtype)


@pytest.mark.parametrize("beta", [1.0, 0.3, -1.5, 0.0])
@pytest.mark.parametrize("scale", [0.1, 2.0, 50.0])
def test_the_gradient_of_beta_is_the_sum_of_the_derivatives(dtype, beta, scale):
    dy, x = _draw(dtype, 2000, scale)
    dx, dbeta = fa.swish.backward(dy, x=x, beta=beta, beta_grad=True)
    assert same_bits(dx, fa.swish.backward(dy, x=x, beta=beta))
    assert type(dbeta) is dtype
    exact, magnitudes = _exact_sum(dy, x, beta)
    assert abs(mp.mpf(float(dbeta)) - exact) <= 4 * float(np.finfo(dtype).eps) * magnitudes


def test_it_is_the_slope_of_forward(dtype):
    dy, x = _draw(np.float64, 500)
    rise = np.sum(dy * (fa.swish(x, 0.7 + 1e-6) - fa.swish(x, 0.7 - 1e-6))) / 2e-6
    assert fa.swish.backward(dy, x=x, beta=0.7, beta_grad=True)[1] == pytest.approx(rise, rel=1e-7)


def test_threads_layout_and_order_in_memory_do_not_change_it(dtype, threads):
    dy, x = _draw(dtype, (SIZE, 3))
    with fa.num_threads(1):
        expected = fa.swish.backward(dy, x=x, beta_grad=True)[1]
    assert same_bits(fa.swish.backward(dy, x=x, beta_grad=True)[1], expected)
    strided = np.zeros((SIZE, 6), dtype)
    strided[:, ::2] = x
    assert same_bits(fa.swish.backward(dy, x=strided[:, ::2], beta_grad=True)[1], expected)
    assert same_bits(fa.swish.backward(np.asfortranarray(dy), x=x, beta_grad=True)[1], expected)


def test_in_place_the_sum_comes_before_what_it_needs_is_overwritten(dtype):
    dy, x = _draw(dtype, 3000)
    expected = fa.swish.backward(dy, x=x, beta_grad=True)
    for overwritten in (0, 1):
        arrays = [dy.copy(), x.copy()]
        out = arrays[overwritten]
        dx, dbeta = fa.swish.backward(arrays[0], x=arrays[1], beta_grad=True, out=out)
        assert dx is out
        assert same_bits(dx, expected[0])
        assert same_bits(dbeta, expected[1])


def test_infinite_inputs_add_nothing_and_nan_is_kept(dtype):
    x = np.array([np.inf, -np.inf, 1.0], dtype)
    one = np.ones(3, dtype)
    assert (
        fa.swish.backward(one, x=x, beta_grad=True)[1]
        == fa.swish.backward(one[2:], x=x[2:], beta_grad=True)[1]
    )
    assert np.isnan(fa.swish.backward(one, x=np.array([1, np.nan, 1], dtype), beta_grad=True)[1])
    assert fa.swish.backward(one[:0], x=x[:0], beta_grad=True)[1] == 0


def test_only_swish_has_it(dtype):
    with pytest.raises(TypeError, match="beta_grad"):
        fa.softplus.backward(np.ones(3, dtype), x=np.ones(3, dtype), beta_grad=True)
