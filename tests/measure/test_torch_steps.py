"""bench/torch_steps.py: models that learn the same with and without a patch, measured in turns."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")

import torch_steps

FEW = torch_steps.Effort(seconds=0.0, rounds=2)


@pytest.mark.parametrize("name", torch_steps.MODELS)
def test_a_model_learns_the_same_on_both_sides(name):
    losses = {}
    for side in torch_steps.SIDES:
        session = torch_steps.Session(side, name)
        kinds = {type(module).__module__ for module in session.model.modules()}
        assert ("fastact.torch" in kinds) is (side == torch_steps.PATCHED)
        _, losses[side] = session.turn(3)
        _, again = session.turn(3)
        np.testing.assert_allclose(again, losses[side], rtol=1e-5)
    torch_steps.must_agree(name, losses)
    assert losses[torch_steps.TORCH][-1] < losses[torch_steps.TORCH][0], "it learns"


def test_other_losses_end_the_run():
    losses = {torch_steps.TORCH: np.array([1.0, 0.5]), torch_steps.PATCHED: np.array([1.0, 0.6])}
    with pytest.raises(SystemExit, match=r"MLP: the losses differ by 0\.2"):
        torch_steps.must_agree("MLP", losses)


def test_a_run_measures_both_processes_and_writes(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch_steps, "QUICK", FEW)
    document, file = tmp_path / "torch.md", tmp_path / "measured.json"
    document.write_text("<!-- steps -->\nold\n<!-- /steps -->\n")
    monkeypatch.setattr(torch_steps, "DOCUMENT", document)
    torch_steps.main(["--quick", "--only", "mish", "--json", str(file), "--write"])
    record = json.loads(file.read_text())
    (m,) = record["measurements"]
    assert m["model"] == "MLP with mish"
    assert m["torch"]["calls"] == m["patched"]["calls"] == 2 * FEW.rounds
    assert m["ratio"] == pytest.approx(m["torch"]["mean"] / m["patched"]["mean"])
    assert m["ratio_of_medians"] == pytest.approx(m["torch"]["median"] / m["patched"]["median"])
    written = document.read_text()
    assert "old" not in written
    assert "| MLP with mish | 128 × 256 |" in written
    with pytest.raises(SystemExit, match="nothing was measured"):
        torch_steps.main(["--quick", "--only", "nothing"])
