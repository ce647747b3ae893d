"""The model of many threads: its ends, its calibration, and the curve that a run draws beside it."""

from __future__ import annotations

import json

import pytest

from fastact.command import main as cli
from fastact.measure import scaling
from fastact.measure.scaling import Memory

THREADS = (1, 2, 4, 8, 16, 32, 64, 128)


@pytest.mark.parametrize("memory", [Memory(10, 40), Memory(10, 40, nodes=4), Memory(12, 12)], ids=str)
def test_memory_gives_more_to_more_threads_and_never_more_than_it_has(memory):
    given = [memory.bytes_per_ns(t) for t in THREADS]
    assert given[0] == pytest.approx(memory.one)
    assert given == sorted(given)
    assert given[-1] <= memory.node * memory.nodes
    assert given[-1] == pytest.approx(memory.node * memory.nodes, rel=1e-3)


def test_an_array_that_one_thread_touched_has_the_memory_of_one_node():
    memory = Memory(10, 40, nodes=4)
    assert memory.bytes_per_ns(128, first_touch=False) <= 40
    assert memory.bytes_per_ns(4) == pytest.approx(40), "one thread on each of four nodes"


@pytest.mark.parametrize("threads", [2, 4, 8])
def test_two_points_tell_both_numbers_of_a_memory(threads):
    memory = Memory(10, 40)
    measured = {1: 10.0, threads: memory.bytes_per_ns(threads)}
    assert scaling.calibrated(measured).node == pytest.approx(40, rel=1e-4)


@pytest.mark.parametrize(("two", "node"), [(25.0, 10 * scaling.FARTHEST), (9.0, 10.0)])
def test_points_that_no_memory_has_give_the_nearest(two, node):
    """Twice as much as twice (a cache), and less than one thread has."""
    assert scaling.calibrated({1: 10.0, 2: two}).node == pytest.approx(node, rel=1e-4)


def test_a_call_takes_the_longer_of_computing_and_moving():
    memory, size = Memory(10, 40), 2**24
    heavy, light = (
        [scaling.nanoseconds(size, t, cost, 8, memory) - scaling.REGION_NS for t in (2, 4, 128)]
        for cost in (100, 0.01)
    )
    assert heavy == pytest.approx([size * 100 / t for t in (2, 4, 128)])
    assert light == pytest.approx([size * 8 / memory.bytes_per_ns(t) for t in (2, 4, 128)])
    assert scaling.nanoseconds(1, 1, 100, 8, memory) == 100, "one thread enters no region"


def test_a_run_of_three_numbers_of_threads_draws_the_curve_beside_the_model(tmp_path, capsys):
    file = tmp_path / "measured.json"
    chosen = ["--dtype", "float32", "--size", "1K,1M", "--threads", "1,2,4"]
    assert cli.main(["bench", "tanh", "--quick", *chosen, "--json", str(file)]) == 0
    measured = json.loads(file.read_text())["measurements"]
    assert all(m["predicted_ns_per_element"] > 0 for m in measured)
    shown = capsys.readouterr().out
    assert "model" in shown
    assert "|" in shown
    lines = [line.split() for line in shown.splitlines()]
    assert {(line[0], line[1]) for line in lines if line[:1] == ["1M"]} >= {("1M", "4")}


def test_two_numbers_of_threads_have_no_curve(tmp_path, capsys):
    file = tmp_path / "measured.json"
    chosen = ["--dtype", "float32", "--size", "1K", "--threads", "1,2"]
    assert cli.main(["bench", "relu", "--quick", *chosen, "--json", str(file)]) == 0
    assert all(m["predicted_ns_per_element"] is None for m in json.loads(file.read_text())["measurements"])
    assert "model" not in capsys.readouterr().out
