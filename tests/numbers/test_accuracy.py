"""No result is further from the exact one than the contract allows, and the command that measures it says so.

With ``--whole-sample`` the inputs are those of ``fastact accuracy``, with ``-m exhaustive`` every float32
number. Else they are a third of the sample: each of its batches has all regions of a dtype, and rows are
judged at every length and with every sort of contents, though not at each of the one with each of the other.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import numpy as np
import pytest
from cases import DTYPES, other_parameters, output_determines

import fastact as fa
from fastact import catalog
from fastact.command import accuracy_report
from fastact.measure.accuracy import chosen, passes, reference, samples
from fastact.measure.accuracy import errors as accuracy

DEFAULTS = accuracy.cases(list(fa.activations), list(accuracy.DTYPES))
OTHERS = [
    accuracy.Case(row, direction, dtype, tuple(parameters.items()))
    for row in catalog.rows
    for parameters in other_parameters(row)
    for direction in ("forward", *row.saves)
    if direction != "y" or output_determines(row, parameters)
    for dtype in accuracy.DTYPES
    if reference.can_judge(dtype)
]


def _assert_within(measurements):
    assert measurements
    beyond = [
        f"{m.error:.3g} {m.unit} where {m.limit} are allowed, at {m.place}"
        for m in measurements
        if not m.within
    ]
    assert not beyond, "; ".join(beyond)


def _share(work: list[accuracy.Batch], contents: int) -> list[accuracy.Batch]:
    """A third of the batches: the first has the special values; of the others, every second has dy of 1."""
    if contents > 1:
        return [batch for batch in work if (batch.number + batch.number // contents) % 3 == 0]
    return work[:1] + work[1::3]


@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_the_largest_error_in_every_region(case, request):
    work = accuracy.batches(case)
    if not request.config.getoption("whole_sample"):
        work = _share(work, len(samples.ROW_CONTENTS) if case.row.shape.by_row else 1)
    _assert_within(accuracy.measure(work))


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_the_largest_error_anywhere(case):
    measurements = accuracy.measure(accuracy.batches(case, exhaustive=True))
    _assert_within(measurements)
    if case.dtype == np.float32 and case.direction != "y" and case.row.shape.by_element:
        assert sum(m.count for m in measurements) == 2**32


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: f"{case} {dict(case.parameters)}")
def test_the_largest_error_with_other_parameters(case):
    _assert_within(accuracy.measure(accuracy.batches(case, count=2)))


PASSES = passes.cases(list(fa.passes), [np.dtype(dtype) for dtype in DTYPES])

BEYOND = {"lstm_cell backward float32": "4.07 on states of 2"} if fa.config()["level"] == "v1" else {}
"""Where kernels do not keep what their rows allow, and what was measured instead."""


def _cases():
    for case in PASSES:
        known = BEYOND.get(str(case))
        marks = [pytest.mark.xfail(reason=f"{known}, of {case.limit:g} allowed")] if known else []
        yield pytest.param(case, marks=marks, id=str(case))


@pytest.mark.parametrize("case", list(_cases()))
def test_the_largest_error_of_a_pass(case):
    """Of ordinary rows, and of those on which the ways that are naive lose everything."""
    _assert_within(accuracy.measure(case.batches()))


def test_every_pass_is_judged_in_both_directions():
    assert set(passes.JUDGED) == {(name, way) for name in fa.passes for way in ("forward", "backward")}
    few = chosen.batches(["layer_norm"], few=2)
    assert {str(batch.case.dtype) for batch in few} >= {"float32", "float16"}
    assert len({(batch.contents, batch.length) for batch in few}) == 2 * len(few[0].case.judged.contents)


def test_a_naive_variance_is_found(monkeypatch):
    """The mean of the squares less the square of the mean, which loses the spread beside a mean of 1e4."""

    def naive(norm, x):
        rows = x["x"]
        variance = (rows * rows).mean(-1, keepdims=True) - rows.mean(-1, keepdims=True) ** 2
        scaled = (rows - rows.mean(-1, keepdims=True)) / np.sqrt(abs(variance) + np.float32(passes.EPS))
        return (scaled * x["weight"] + x["bias"],)

    key = ("layer_norm", "forward")
    monkeypatch.setitem(passes.JUDGED, key, replace(passes.JUDGED[key], compute=naive))
    (case,) = (case for case in PASSES if str(case) == "layer_norm forward float32")
    (found,) = accuracy.measure([batch for batch in case.batches() if batch.contents == "offset"])
    assert found.error > 1000
    assert "offset rows of" in found.place


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
def test_errors_are_counted_in_ulp_of_the_largest_term(dtype):
    unit = np.dtype(dtype).type(1).astype(np.float64) * 2.0 ** -passes.PRECISION[np.dtype(dtype).name][0]
    result = np.array([1, 1, 0], dtype)
    exact = passes.Exact(np.array([1 + 3 * unit, 1 - 3 * unit, 0]), np.array([0.5, 4, 0]))
    np.testing.assert_allclose(passes.ulps(result, exact), [3, 3 / 4, 0], rtol=1e-3)


def test_a_wrong_result_is_found(monkeypatch):
    """A kernel that is off by 5 ULP at a single input of the sample."""
    case = next(case for case in DEFAULTS if str(case) == "silu forward float32")
    wrong = np.float32(-3.5)

    def computed(self, inputs):
        y = fa.silu(inputs["x"])
        return np.where(inputs["x"] == wrong, y + 5 * np.spacing(y), y)

    monkeypatch.setattr(accuracy.Case, "compute", computed)
    (found,) = accuracy.measure(accuracy.batches(case, count=1))
    assert 4 < found.error < 8
    assert found.at["x"] == wrong
    assert not found.within


def test_the_batches_hold_every_float32_once():
    first, last = samples.every_float32(0), samples.every_float32(samples.FLOAT32_BATCHES - 1)
    assert first.size * samples.FLOAT32_BATCHES == 2**32
    assert first.view(np.uint32)[0] == 0
    assert last.view(np.uint32)[-1] == 2**32 - 1
    assert samples.every_float32(1).view(np.uint32)[0] == first.view(np.uint32)[-1] + 1


@pytest.mark.parametrize("dtype", accuracy.DTYPES, ids=str)
def test_the_sample_has_every_exponent_and_the_special_values(dtype):
    values = samples.stratified(dtype, 0)
    finite = np.abs(values[np.isfinite(values)])
    limits = np.finfo(dtype)
    exponents = set(np.frexp(finite[finite >= limits.tiny])[1].tolist())
    assert exponents == set(range(int(limits.minexp) + 1, int(limits.maxexp) + 1))
    assert {0.0, float(limits.max), float(limits.smallest_subnormal)} <= set(finite.tolist())
    assert np.isnan(values).any()
    assert set(values[np.isinf(values)].tolist()) == {-np.inf, np.inf}


def _run(tmp_path, *options):
    parser = argparse.ArgumentParser()
    accuracy_report.add_arguments(parser)
    files = ["--json", str(tmp_path / "a.json"), "--markdown", str(tmp_path / "a.md")]
    return accuracy_report.run(parser.parse_args([*options, *files]))


def test_the_command_writes_what_it_measured(tmp_path, capsys):
    assert _run(tmp_path, "--activation", "relu", "--dtype", "float32") == 0
    measured = json.loads((tmp_path / "a.json").read_text())["measurements"]
    assert [m["direction"] for m in measured] == ["forward", "backward from y", "backward from x"]
    assert all(m["error"] == 0 and m["count"] > 10**6 for m in measured)
    page = (tmp_path / "a.md").read_text()
    assert page.count("| relu |") == 3
    assert "fastact accuracy --dtype float32 NAME ... --markdown FILE" in page
    assert capsys.readouterr().out.count("relu") == 3


def test_the_command_measures_passes(tmp_path, capsys):
    assert _run(tmp_path, "dropout", "--dtype", "float16") == 0
    measured = json.loads((tmp_path / "a.json").read_text())["measurements"]
    assert {(m["activation"], m["direction"], m["dtype"]) for m in measured} == {
        ("dropout", "forward", "float16"),
        ("dropout", "backward", "float16"),
    }
    assert (tmp_path / "a.md").read_text().count("| dropout |") == 2
    assert "rows of" in capsys.readouterr().out


def test_the_command_fails_where_an_error_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(accuracy.Case, "limit", -1.0)
    assert _run(tmp_path, "--activation", "relu", "--dtype", "float32") == 1


def test_an_unknown_activation_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        _run(tmp_path, "--activation", "reIu")
    assert "relu" in capsys.readouterr().err
