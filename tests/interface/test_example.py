"""The example trains with every activation, and both networks end at the same loss."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path

import numpy as np
import pytest

import fastact as fa

pytest.importorskip("sklearn", reason="the example's data comes with scikit-learn")

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits_mlp.py"

pytestmark = pytest.mark.skipif(
    not EXAMPLE.exists(), reason="the example is part of the source tree, not of the wheel"
)


@pytest.fixture
def run_example(fresh_python):
    """Runs the example with the fastact under test; one thread, as its arrays are small."""

    def run(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
        code = f"import runpy, sys; sys.argv = ['digits_mlp.py', *{arguments!r}]\n{before}\n"
        return fresh_python(
            code + f"runpy.run_path({str(EXAMPLE)!r}, run_name='__main__')",
            FASTACT_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1",
        )  # fmt: skip

    return run


def losses(output: str) -> list[float]:
    return [float(loss) for loss in re.findall(r"^(?:fastact|NumPy) +([\d.]+)", output, re.MULTILINE)]


@pytest.fixture(scope="module")
def example():
    """The example as a module, for what needs no process of its own."""
    return runpy.run_path(str(EXAMPLE))


@pytest.mark.parametrize("hidden", fa.activations)
def test_both_networks_end_at_the_same_loss(example, capsys, hidden):
    with fa.num_threads(1):
        assert example["main"](["--hidden", hidden, "--epochs", "2"]) == 0
    first, second = losses(capsys.readouterr().out)
    assert first == pytest.approx(second, abs=1e-5)


def test_the_networks_take_turns(example, monkeypatch):
    seen = []
    monkeypatch.setattr(example["Training"], "epoch", lambda self, *data: seen.append(self.layer))
    layers = example["FastactLayer"], example["NumpyLayer"]
    example["train"](layers, "relu", 3, (np.zeros((64, 64)), np.zeros(64, int)) * 2)
    assert seen == [*layers] * 3


def test_it_learns_the_digits(run_example):
    result = run_example("--epochs", "10")
    accuracies = [float(percent) for percent in re.findall(r"([\d.]+)%", result.stdout)]
    assert len(accuracies) == 2
    assert min(accuracies) > 94


def test_unequal_losses_are_said_and_fail(run_example):
    wrong = (
        "import fastact as fa; from fastact.measure.formulas import numpy_calls as baseline\n"
        "forward = baseline.forward\n"
        "baseline.forward = lambda row, *a, **k: forward(fa.relu.row if row.name == 'elu' else row, *a, **k)"
    )
    result = run_example("--epochs", "1", before=wrong)
    assert result.returncode == 1
    assert "the losses differ by" in result.stdout


def test_a_missing_scikit_learn_is_named(run_example):
    result = run_example(before="sys.modules['sklearn'] = sys.modules['sklearn.datasets'] = None")
    assert result.returncode == 1
    assert "pip install scikit-learn" in result.stderr


@pytest.mark.parametrize(("option", "value"), [("--hidden", "reluu"), ("--epochs", "0"), ("--epochs", "two")])
def test_a_wrong_option_is_named(run_example, option, value):
    result = run_example(option, value)
    assert result.returncode == 2
    assert option in result.stderr
    assert value in result.stderr
