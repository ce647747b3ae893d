"""As many axes as NumPy has, in any memory order: old iterators stop at 32 (numpy PR 25149)."""

from __future__ import annotations

import numpy as np
import pytest

import fastact as fa


def _spread(array: np.ndarray, axes: int) -> np.ndarray:
    """A view with the axes of `array` among others of extent 1, no two of its own side by side."""
    shape, last = [1] * axes, axes - 1
    for k, extent in enumerate(array.shape):
        shape[last - (array.ndim - 1 - k) * (axes // array.ndim)] = extent
    return array.reshape(shape)


ORDERS = {
    "C": lambda a: a,
    "Fortran": np.asfortranarray,
    "every second": lambda a: np.repeat(a, 2, axis=0)[::2],
}


def _equal(found, expected) -> None:
    pairs = zip(found, expected, strict=True) if isinstance(found, tuple) else [(found, expected)]
    for one, other in pairs:
        np.testing.assert_array_equal(np.ravel(one), np.ravel(other))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("axes", [33, 64])
def test_every_activation_and_gradient(case, axes, order):
    arrays = case.draw((2, 3, 4), np.float32)
    expected = case(*arrays)
    spread = [ORDERS[order](_spread(a, axes)) for a in arrays]
    _equal(case(*spread), expected)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("axes", [33, 64])
def test_what_is_summed_or_looked_at_beside(axes, order):
    rng = np.random.default_rng(0)
    x, dy, gate = (rng.standard_normal((2, 3, 4)).astype(np.float32) for _ in range(3))
    last = np.float32([0.5, -1, 2, 3])
    x64, dy64, gate64 = (ORDERS[order](_spread(a, axes)) for a in (x, dy, gate))
    calls = {
        "prelu": lambda x, dy, gate: fa.prelu.backward(dy, x=x, weight=last, axis=-1),
        "beta": lambda x, dy, gate: fa.swish.backward(dy, x=x, beta_grad=True),
        "bias": lambda x, dy, gate: fa.gelu.backward(dy, x=x, bias=last, bias_grad=True),
        "pair": lambda x, dy, gate: fa.geglu(x, gate=gate),
        "pair's gradients": lambda x, dy, gate: fa.geglu.backward(dy, x=x, gate=gate),
        "where": lambda x, dy, gate: fa.softmax(x, where=gate > -1),
        "mask": lambda x, dy, gate: fa.log_softmax(x, mask=gate),
        "layer_norm": lambda x, dy, gate: fa.layer_norm(x, last),
        "logsumexp": lambda x, dy, gate: fa.logsumexp(x),
        "dropout": lambda x, dy, gate: fa.dropout(x, 0.5, seed=1),
        "no axis": lambda x, dy, gate: fa.softmax(x, axis=()),
        "hard": lambda x, dy, gate: fa.gumbel_softmax(x, seed=1, hard=True),
    }
    for call in calls.values():
        _equal(call(x64, dy64, gate64), call(x, dy, gate))
    first = x64.shape.index(2)
    apart = fa.gumbel_softmax(x64, seed=1, axis=(first, -1))
    _equal(apart, fa.gumbel_softmax(x, seed=1, axis=(0, -1)))
