"""The experiments: each ends well within seconds, fails where its claim does not hold, and draws a figure."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastact as fa

EXAMPLES = Path(__file__).parents[2] / "examples"
EXPERIMENTS = sorted(
    path.stem for path in EXAMPLES.glob("*.py") if "experiment.options(" in path.read_text(encoding="utf-8")
)

pytestmark = pytest.mark.skipif(
    not EXAMPLES.exists(), reason="the examples are part of the source tree, not of the wheel"
)

SWAPPED = {
    "dying_relu": ("relu", "leaky_relu"),
    "exploding_gradients": ("sigmoid", "tanh"),
    "memory_in_place": ("elu", "silu"),
    "selu_fixed_point": ("selu", "elu"),
    "sparsity_and_mean": ("relu", "leaky_relu"),
    "vanishing_gradients": ("sigmoid", "tanh"),
    "vanishing_or_exploding": ("sigmoid", "tanh"),
    "zigzag": ("sigmoid", "tanh"),
}
"""An activation, and one of which the claims do not hold."""

OTHERWISE = {
    "lstm_gates": ("OPEN", 0.0),
    "maxout_shape": ("RATE", 0.0),
    "softmax_temperature": ("SCORES", np.zeros(5)),
}
"""A constant, and a value with which the claims do not hold."""

needs_digits = {"dying_relu", "sparsity_and_mean", "vanishing_gradients"}


@pytest.fixture
def loaded(monkeypatch):
    """Imports a script, or what scripts share, as it is imported beside the others."""
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def load(name: str):
        if name in needs_digits:
            pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
        return importlib.import_module(name)

    return load


@pytest.fixture(scope="module", params=EXPERIMENTS)
def ran(request, tmp_path_factory):
    """What a script did, started by its path from another folder, and the figure that it was to write."""
    if request.param in needs_digits:
        pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    folder = tmp_path_factory.mktemp(request.param)
    figure = folder / "figure.png"
    options = ["-o", str(figure)] if importlib.util.find_spec("matplotlib") else []
    process = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{request.param}.py"), "--quick", *options],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(fa.__file__).parents[1]),
            "FASTACT_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return process, figure


def test_each_has_a_claim_that_can_fail():
    assert sorted({**SWAPPED, **OTHERWISE}) == EXPERIMENTS


def test_it_holds_and_prints_its_figures(ran):
    process, _ = ran
    assert (process.returncode, process.stderr) == (0, ""), process.stdout
    assert "holds: " in process.stdout
    assert "FAILS" not in process.stdout
    assert max(map(len, process.stdout.splitlines())) <= 120, "a table that a terminal can show"


def test_it_draws_a_figure(ran):
    pytest.importorskip("matplotlib")
    _, figure = ran
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert figure.stat().st_size > 20_000


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_fails_where_the_claim_does_not_hold(loaded, monkeypatch, capsys, name):
    script = loaded(name)
    if name in SWAPPED:
        swap(monkeypatch, *SWAPPED[name])
    else:
        monkeypatch.setattr(script, *OTHERWISE[name])
    with fa.num_threads(1):
        assert script.main(["--quick"]) == 1
    assert "\nFAILS: " in capsys.readouterr().out


def swap(monkeypatch, name: str, other: str) -> None:
    """Let one activation do what another does."""
    get = fa.get
    monkeypatch.setattr(fa, "get", lambda asked: get(other if asked == name else asked))
    monkeypatch.setattr(fa, name, get(other))


def test_a_missing_matplotlib_is_said_before_anything_is_computed(loaded, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit, match="2"):
        loaded("zigzag").main(["-o", "figure.png"])
    output = capsys.readouterr()
    assert "pip install matplotlib" in output.err
    assert output.out == ""


def test_a_figure_of_another_kind_is_refused(loaded, capsys):
    with pytest.raises(SystemExit, match="2"):
        loaded("zigzag").main(["-o", "figure.bmp"])
    assert ".svg, .png" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["sigmoid", "elu", "prelu", "rrelu", "maxout", "gelu"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_gradients_of_the_network_are_those_of_its_loss(loaded, name, batch_norm):
    shared = loaded("deep_network")
    random = np.random.default_rng(3)
    x, classes = random.standard_normal((9, 4)), random.integers(0, 3, 9)
    network = shared.Network(name, [4, 5, 5, 3], shared.he, batch_norm)

    def loss() -> float:
        for layer in network.layers[:-1]:
            layer.units.seeds = iter([7])  # rrelu's slopes are drawn once more
        return network.gradients(x, classes)

    loss()
    for layer in network.layers:
        parameters = [(layer.weight, layer.weight_gradient), (layer.bias, layer.bias_gradient)]
        if layer.units and layer.units.slope_gradient is not None:
            parameters.append((layer.units.settings["weight"], layer.units.slope_gradient))
        for parameter, gradient in parameters:
            place = (1,) * parameter.ndim
            assert gradient[place] == pytest.approx(slope(loss, parameter, place), rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("kind", ["Tanh", "Lstm"])
def test_gradients_of_recurrences_are_those_of_their_last_state(loaded, kind):
    script = loaded("lstm_gates")
    random = np.random.default_rng(4)
    x, dh = random.standard_normal((6, 3, script.INPUTS)), random.standard_normal((3, script.UNITS))
    recurrence = getattr(script, kind)(1, seed=5)

    def loss() -> float:
        return float((recurrence.forward(x) * dh).sum())

    loss()
    gradients = recurrence.backward(dh)
    assert len(gradients) == len(x)
    for step in (0, 3, 5):
        expected = slope(loss, x, (step, 1, 0))
        assert gradients[len(x) - 1 - step][1, 0] == pytest.approx(expected, rel=1e-4, abs=1e-8)


def slope(function, parameter: np.ndarray, place: tuple[int, ...], by: float = 1e-6) -> float:
    """A derivative from two values."""
    before = parameter[place]
    values = []
    for shift in (by, -by):
        parameter[place] = before + shift
        values.append(function())
    parameter[place] = before
    return (values[0] - values[1]) / (2 * by)
