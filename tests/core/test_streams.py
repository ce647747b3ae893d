"""One seed in several layers: each draws from a stream of its own."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

import fastact as fa

COUNT = 1 << 16


def _of_rrelu(seed: int) -> np.ndarray:
    return -fa.rrelu(-np.ones(COUNT), lower=0, upper=1, seed=seed)


def _of_gumbel_softmax(seed: int) -> np.ndarray:
    return np.exp(-np.exp(-fa.gumbel_softmax.noise(COUNT, seed=seed)))


def _of_dropout(seed: int) -> np.ndarray:
    """Eight bits of each element's number, from what is dropped at p = 1/256, 2/256, …"""
    drawn = np.zeros(COUNT)
    for k in range(1, 256):
        drawn += fa.dropout(np.ones(COUNT, np.float32), k / 256, seed=seed) != 0
    return (drawn + 0.5) / 256


@pytest.mark.parametrize("seed", [0, 1, 2**63 + 5])
def test_streams_of_one_seed_are_unrelated(seed):
    """Uniform, each, and no correlation at any of several lags beyond four standard errors."""
    drawn = [_of_rrelu(seed), _of_gumbel_softmax(seed), _of_dropout(seed)]
    for numbers in drawn:
        assert abs(numbers.mean() - 0.5) < 4 * np.sqrt(1 / 12 / COUNT)
        assert abs(numbers.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / COUNT) + 1 / 12 / 256**2
    for one, other in combinations(drawn, 2):
        for lag in range(-3, 4):
            correlation = np.corrcoef(one, np.roll(other, lag))[0, 1]
            assert abs(correlation) < 4 / np.sqrt(COUNT)


def test_a_seed_draws_the_same_on_every_day():
    """An experiment draws the same with a later version, or that version's changelog says otherwise."""
    assert (_of_rrelu(7)[:3] * 2**20).astype(int).tolist() == PINNED["rrelu"]
    assert (_of_gumbel_softmax(7)[:3] * 2**20).astype(int).tolist() == PINNED["gumbel_softmax"]
    assert np.flatnonzero(fa.dropout(np.ones(24), seed=7)).tolist() == PINNED["dropout"]


PINNED = {
    "rrelu": [830999, 841278, 1018037],
    "gumbel_softmax": [341171, 623860, 1009298],
    "dropout": [0, 1, 5, 8, 10, 14, 19, 20, 21, 22, 23],
}
