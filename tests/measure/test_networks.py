"""bench/networks.py: programs that compute the same with and without fastact, measured in turns."""

from __future__ import annotations

import json

import networks
import numpy as np
import pytest
from networks import Case
from programs import NumpyNetwork

SMALL = (8, 16)
FEW = networks.Effort(seconds=0.0, rounds=2)
CASES = {
    str(case): case
    for case in (Case(c.program, c.activation, c.shape and SMALL) for c in networks.cases())
    if not case.lacks
}


@pytest.mark.parametrize("case", CASES.values(), ids=str)
def test_a_program_learns_the_same_with_and_without_fastact(case):
    losses = {}
    for side in networks.SIDES:
        _, losses[side] = networks.Session(side, case).turn(3)
    networks.must_agree(case, losses)
    first, *_, last = losses[networks.ONE].ravel()
    assert last < first, "it learns"


def test_every_turn_has_the_same_values():
    session = networks.Session(networks.DEFAULT, Case(NumpyNetwork, "silu", SMALL))
    (_, first), (_, second) = session.turn(20), session.turn(20)
    np.testing.assert_array_equal(first, second)


def test_other_losses_end_the_run():
    losses = {"without": np.array([1.0, 0.5]), "one": np.array([1.0, 0.5]), "default": np.array([1.0, 0.6])}
    with pytest.raises(SystemExit, match=r"NumPy network tanh 8 × 16, default: the losses differ by 0\.2"):
        networks.must_agree(Case(NumpyNetwork, "tanh", SMALL), losses)


def test_a_run_measures_three_processes_in_turns(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(networks, "cases", lambda: iter([Case(NumpyNetwork, "relu", SMALL)]))
    monkeypatch.setattr(networks, "QUICK", FEW)
    document, file = tmp_path / "threads.md", tmp_path / "measured.json"
    document.write_text("<!-- networks -->\nold\n<!-- /networks -->\n")
    monkeypatch.setattr(networks, "DOCUMENT", document)
    networks.main(["--quick", "--busy", "1", "--json", str(file), "--write"])
    record = json.loads(file.read_text())
    (m,) = record["measurements"]
    assert record["busy"] == 1
    assert (m["program"], m["activation"], m["shape"]) == ("NumPy network", "relu", list(SMALL))
    assert {side["calls"] for side in m["step"].values()} == {FEW.rounds}
    means = {side: spread["mean"] for side, spread in m["step"].items()}
    assert m["default_over_one"] == pytest.approx(means["default"] / means["one"])
    assert m["default_over_without"] == pytest.approx(means["default"] / means["without"])
    written = document.read_text()
    assert "old" not in written
    assert "| NumPy network | relu | 8 × 16 |" in written
    assert "beside 1 busy process;" in written
    assert "Of 1 programs the slowest takes" in capsys.readouterr().out


def test_what_is_not_installed_is_left_out_and_named(monkeypatch, capsys):
    monkeypatch.setattr(networks, "cases", lambda: iter([Case(networks.Thinc, "gelu")]))
    monkeypatch.setattr(networks.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="nothing was measured"):
        networks.main(["--quick"])
    assert "thinc training loop gelu is left out: it needs thinc, scipy" in capsys.readouterr().err
