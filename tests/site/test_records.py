"""The records under docs/measured/ and the command that writes them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fastact as fa

pytest.importorskip("matplotlib")

import measure
from website import figures, records

LIBRARIES = ("scipy", "torch")


@pytest.fixture
def over_x():
    for name in LIBRARIES:
        pytest.importorskip(name)
    from website import errors_over_x

    return errors_over_x


@pytest.mark.parametrize("name", [records.ERRORS, records.SPEED])
def test_a_record_is_of_every_activation_and_says_of_what(name):
    record, text = records.load(name), records.path_of(name).read_text()
    assert list(record["activations"]) == list(fa.activations)
    assert len(text) < 400_000
    # Neither paths nor addresses.
    assert "/" not in text
    assert record["about"]["processor"]
    assert {"fastact", "numpy", "torch"} <= record["about"]["versions"].keys()
    assert len(records.dates(record)) in (len("2000-01-01"), len("2000-01-01 to 2000-01-01"))


def test_times_are_of_every_size_library_and_direction(row):
    record = records.load(records.SPEED)
    entry = record["activations"][row.name]["float32"]
    assert set(entry) == {"forward", "backward"}
    for direction, lines in entry.items():
        assert {"fastact 1", "fastact all", "numpy 1"} <= lines.keys()
        if row.torch and direction == "forward":
            assert {"torch 1", "torch all"} <= lines.keys()
        for line in lines.values():
            assert len(line) == len(record["sizes"])
            assert all(0.02 < ns < 1000 for ns in line)


def test_recorded_errors_are_within_the_contract(row):
    record = records.load(records.ERRORS)
    edges = np.array(record["edges"])
    for entry in (record["activations"][row.name][panel] for panel in ("forward", "derivative")):
        assert entry["bound"] in row.shape.allowed
        assert len(entry["fastact"]) == len(entry["numpy"]) == edges.size - 1
        assert (np.array(entry["fastact"]) <= figures.allowed(edges, entry)).all()
    assert ("torch" in record["activations"][row.name]["forward"]) == bool(row.torch)


def test_errors_of_now_are_within_the_contract(over_x, row):
    x = over_x.drawn(3)
    found = over_x.measured_over(row, x)
    for entry in found.values():
        assert (np.array(entry["fastact"]) <= figures.allowed(over_x.edges(), entry)).all()


def test_numbers_are_drawn_from_their_intervals(over_x):
    x, edges = over_x.drawn(50), over_x.edges()
    assert x.dtype == np.float32
    assert (x >= edges[:-1, None].astype(np.float32)).all()
    assert (x <= edges[1:, None].astype(np.float32)).all()
    assert np.abs(x).min() < 1e-6


@pytest.mark.parametrize("name", ["silu", "softmax", "glu", "sigmoid", "gumbel_softmax"])
@pytest.mark.parametrize("direction", ["forward", "derivative"])
def test_a_mistake_is_seen(over_x, name, direction):
    x = over_x.drawn(2).ravel()
    task = over_x.Task(fa.get(name).row, direction, x[np.abs(x) < 5])
    right = dict(task.results())["fastact"]
    wrong = right * np.float32(1 + 2**-19)
    # Of a result it is 16 to 32 ULP; less of a larger term, and none of a derivative's zero.
    counted_by_result = task.case.unit == "ULP" and not task.case.zeros
    least, most = (16 - task.case.limit, 32 + task.case.limit) if counted_by_result else (0.5, 100)
    before, found = task.errors(right), task.errors(wrong)
    assert before.max() <= task.case.limit
    assert least <= np.median(found) <= most


def test_what_others_lose_is_found(over_x):
    found = over_x.measured_over(fa.tanhshrink.row, over_x.drawn(16))["forward"]
    assert max(found["numpy"]) > 1e6
    assert max(found["torch"]) > 1e6
    # From its output, which rounds to 1, nobody has a derivative.
    derivative = over_x.measured_over(fa.sigmoid.row, over_x.drawn(16))["derivative"]
    assert max(derivative["fastact from y"]) > 1e6
    assert max(derivative["torch"]) > 1e6


def test_the_plain_formula_is_computed_in_float32(over_x):
    task = over_x.Task(fa.gelu.row, "forward", np.linspace(-3, 3, 7, dtype=np.float32))
    with pytest.raises(TypeError, match="float64"):
        task.errors(np.zeros(7))


def test_the_command_writes_errors(over_x, tmp_path):
    path = tmp_path / "errors.json"
    words = ["errors", "--quick", "--output", str(path), "--activation"]
    assert measure.main([*words, "gelu,softmax"]) == 0
    first = records.read(path)
    assert list(first["activations"]) == ["softmax", "gelu"]
    gelu = first["activations"]["gelu"]["forward"]
    assert 0.5 < max(gelu["fastact"]) <= 2 < max(gelu["torch"])
    assert measure.main([*words, "relu"]) == 0
    both = records.read(path)
    assert list(both["activations"]) == ["relu", "softmax", "gelu"]
    assert both["activations"]["gelu"] == first["activations"]["gelu"]


def test_measuring_leaves_gradients_of_torch_on(over_x):
    torch = pytest.importorskip("torch")
    task = over_x.Task(fa.gelu.row, "forward", np.linspace(-3, 3, 7, dtype=np.float32))
    assert over_x.torch_result(task) is not None
    assert torch.is_grad_enabled()


def test_what_was_measured_otherwise_is_not_joined(over_x, tmp_path, capsys):
    path = tmp_path / "errors.json"
    words = ["errors", "--quick", "--output", str(path), "--activation", "relu"]
    measure.main(words)
    record = records.read(path)
    record["about"]["processor"] = "another"
    path.write_text(json.dumps(record))
    with pytest.raises(SystemExit):
        measure.main(words)
    assert "another" in capsys.readouterr().err
    assert records.read(path) == record


def test_the_command_writes_times(tmp_path):
    for name in LIBRARIES:
        pytest.importorskip(name)
    path = tmp_path / "speed.json"
    assert (
        measure.main(["speed", "--quick", "--size", "1K", "--activation", "relu", "--output", str(path)]) == 0
    )
    entry = records.read(path)["activations"]["relu"]["float32"]
    for lines in entry.values():
        assert {"fastact 1", "torch 1", "numpy 1"} <= lines.keys()
        assert all(0.02 < line[0] < 1e6 for line in lines.values())
