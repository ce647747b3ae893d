"""bench/adapters.py: programs of libraries that compute the same with their adapter and without."""

from __future__ import annotations

import sys

import adapters
import networks
import numpy as np
import pytest
from networks import Case
from programs import GptOfFloat32, GptOfFloat64, ScikitLearn, Thinc

SMALL = (8, 16)
FEW = networks.Effort(seconds=0.0, rounds=2)
CASES = {
    str(case): case
    for case in (Case(c.program, c.activation, SMALL[: len(c.shape)]) for c in adapters.cases())
    if not (case.lacks or case.program in (ScikitLearn, Thinc))
}
"""Those that are not in test_networks.py."""


@pytest.fixture
def keras_disabled():
    """A program that computes by fastact leaves its process so."""
    yield
    if "keras" in sys.modules:
        from fastact.integrations import keras

        keras.disable()


@pytest.mark.parametrize("case", CASES.values(), ids=str)
@pytest.mark.usefixtures("keras_disabled")
def test_a_program_computes_the_same_with_and_without_fastact(case):
    sums = {}
    for side in networks.SIDES:
        _, sums[side] = networks.Session(side, case).turn(2)
    networks.must_agree(case, sums)


def test_one_of_the_gpts_is_of_float64_and_the_other_is_not():
    for program, dtype in ((GptOfFloat64, np.float64), (GptOfFloat32, np.float32)):
        for by_fastact in (False, True):
            made = program(by_fastact, "gelu_tanh", 8)
            assert made.network.logits(*made.functions).dtype == dtype


def test_a_run_writes_its_table(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(adapters, "cases", lambda: iter([Case(GptOfFloat32, "gelu_tanh", (4,))]))
    monkeypatch.setattr(networks, "QUICK", FEW)
    document = tmp_path / "adapters.md"
    document.write_text("<!-- adapters -->\nold\n<!-- /adapters -->\n")
    monkeypatch.setattr(adapters, "DOCUMENT", document)
    adapters.main(["--quick", "--write"])
    written = document.read_text()
    assert "old" not in written
    assert "| GPT-2-like pass in NumPy, float32 | gelu_tanh | 4 |" in written
    assert "the one that gains least is" in capsys.readouterr().out
