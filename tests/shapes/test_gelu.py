"""gelu's two forms: a word chooses, and the other form's object answers."""

from __future__ import annotations

import numpy as np
import pytest
from cases import same_bits

import fastact as fa


@pytest.mark.parametrize(("word", "form"), [("none", fa.gelu), ("tanh", fa.gelu_tanh)])
def test_the_word_chooses_the_form(dtype, word, form):
    x, dy = np.random.default_rng(0).normal(0, 3, (2, 300)).astype(dtype)
    assert same_bits(fa.gelu(x, approximate=word), form(x))
    assert same_bits(fa.gelu(x, word), form(x))
    assert same_bits(fa.gelu.backward(dy, x=x, approximate=word), form.backward(dy, x=x))
    assert not same_bits(fa.gelu(x), fa.gelu_tanh(x))


def test_in_place_and_any_layout_by_the_word_too(dtype):
    x = np.random.default_rng(0).normal(0, 3, (20, 30)).astype(dtype)
    expected = fa.gelu_tanh(x)
    out = x.copy()
    assert fa.gelu(out, approximate="tanh", out=out) is out
    assert same_bits(out, expected)
    assert same_bits(fa.gelu(x[::-1, ::2], approximate="tanh"), expected[::-1, ::2])
    dx = fa.gelu.backward(x, x=x, approximate="tanh", out=x)
    assert dx is x
