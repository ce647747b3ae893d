"""examples/transformer.py: its sides agree, a step over the cache is a part of the whole pass."""

from __future__ import annotations

import importlib
import re
from itertools import starmap
from pathlib import Path

import numpy as np
import pytest

import fastact as fa

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.skipif(
    not EXAMPLES.exists(), reason="the examples are part of the source tree, not of the wheel"
)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module("transformer")


def run(script, *arguments: str) -> int:
    with fa.num_threads(1):
        return script.main(arguments)


def test_it_holds_and_its_table_fits_a_terminal(script, capsys):
    assert run(script, "--quick") == 0
    printed = capsys.readouterr().out
    assert "holds: all sides agree to 1e-05" in printed
    assert "FAILS" not in printed
    assert max(map(len, printed.splitlines())) <= 80
    for part in ("products", "between them", "at most", "MiB", "1 token behind 47"):
        assert part in printed


@pytest.mark.parametrize(("name", "other"), [("gelu_tanh", fa.relu), ("identity", fa.tanh)])
def test_it_fails_where_the_sides_do_not_agree(script, monkeypatch, capsys, name, other):
    monkeypatch.setattr(fa, name, other)
    assert run(script, "--quick") == 1
    assert "FAILS: all sides agree to 1e-05" in capsys.readouterr().out


@pytest.mark.parametrize("side", ["plain NumPy", "NumPy in place", "fastact"])
def test_a_step_over_the_cache_sees_what_a_whole_pass_sees(script, side):
    weights, tokens = script.made(2), np.random.default_rng(0).standard_normal((9, 768), np.float32)
    made = script.SIDES[side](weights, 9)
    whole = made.forward(tokens).copy()
    steps = [made.forward(tokens[i : i + 1], i)[0].copy() for i in range(9)]
    np.testing.assert_allclose(steps, whole, rtol=0, atol=1e-5)
    changed = tokens.copy()
    changed[5:] += 1
    np.testing.assert_allclose(made.forward(changed)[:5], whole[:5], rtol=0, atol=1e-6)


def test_time_of_products_is_a_part_of_a_pass(script):
    weights, tokens = script.made(1), np.zeros((8, 768), np.float32)
    sides = {name: side(weights, 8) for name, side in script.SIDES.items()}
    found = script.in_turns(sides, tokens, 0, 2)
    for times in found.times.values():
        assert 0 < times.products < times.whole
    assert min(found.most) > 1
    rows = script.rows_of(found, "8 tokens")
    assert rows[0][0] == "8 tokens"
    assert all(re.fullmatch(r"[\d.]+", cell) for row in rows[:3] for cell in row[1:])


def test_a_claim_of_time_is_judged_by_the_medians(script):
    names = list(script.SIDES)

    def found(*times: tuple[float, float]):
        return {"128 tokens": script.Found(dict(zip(names, starmap(script.Times, times), strict=True)), 0.0)}

    ahead = script.claims(found((3, 1), (2, 1), (1.4, 1)), 0.0, ["128 tokens"])
    assert len(ahead) == 4
    assert all(ahead.values())
    behind = script.claims(found((3, 1), (2, 1), (2, 1)), 0.0, ["128 tokens"])
    assert [claim for claim, held in behind.items() if not held] == list(behind)[2:]
    assert len(script.claims(found((3, 1), (2, 1), (2, 1)), 0.0, [])) == 2
