"""What is timed of the passes is the same in fastact, NumPy and others, in place and not."""

from __future__ import annotations

import json
import pickle
import tracemalloc

import between_markers
import numpy as np
import peers_table
import pytest
import speed_tables

import fastact as fa
from fastact import catalog
from fastact.command import main as cli
from fastact.measure import clock, speed, work
from fastact.measure.passes import arrays
from fastact.measure.passes.form import names_in
from fastact.measure.passes.forms import FORMS, measured_of
from fastact.measure.peers import libraries, turns
from fastact.measure.peers.session import Session
from fastact.measure.work import Cell
from fastact.measure.worker import Worker

WAYS = [(form, direction) for form in FORMS.values() for direction in form.ways()]
PLACES = [True, False]

BESIDE = {
    ("layer_norm", "backward"): ("dweight", "dbias"),
    ("rms_norm", "backward"): ("dweight",),
    ("batch_norm", "backward"): ("dweight", "dbias"),
    ("gelu+bias", "backward"): ("dbias",),
    ("relu+bias", "backward"): ("dbias",),
}
"""What backward returns beside the result, as NumPy's steps call it."""

each_way = pytest.mark.parametrize(
    ("form", "direction"), WAYS, ids=lambda value: value if isinstance(value, str) else value.name
)


def _cells(form, direction, size=2**12, dtypes=work.DTYPES):
    return [Cell(form, direction, dtype, size, in_place) for dtype in dtypes for in_place in PLACES]


def _close(found, expected):
    tolerance = 2e-5 if np.asarray(expected).dtype == np.float32 else 1e-12
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def _first(result):
    return result[0] if isinstance(result, tuple) else result


def test_every_pass_is_measured():
    for row in catalog.passes:
        assert measured_of(row)[0] == row.name
        assert set(FORMS[row.name].ways()) == {"forward", "backward"}
    for name, form in FORMS.items():
        assert name.partition("+")[0] == form.row.name


@each_way
def test_numpy_and_fastact_compute_the_same(form, direction):
    for cell in _cells(form, direction):
        timed = work.workload(cell)
        expected = timed.expected()
        names = BESIDE.get((form.name, direction), ())
        returned = [call() for call in timed.fastact()]
        results = [out.copy() for _, out in timed.calls_on()] if timed.writes else list(map(_first, returned))
        also = [[given[name].copy() for name in timed.way.also] for given, _ in timed.calls_on()]
        beside = [np.array(a) for a in returned[0][1 : 1 + len(names)]] if names else []
        timed.restore()
        for k, (call, (given, out)) in enumerate(zip(timed.numpy("expm1"), timed.calls_on(), strict=True)):
            assert call() is out
            _close(results[k], expected)
            _close(out, expected)
            for name, one in zip(timed.way.also, also[k], strict=True):
                _close(given[name], one)
        for name, one in zip(names, beside, strict=True):
            _close(timed.arrays[name], one)


WRITTEN = {"running_mean", "running_var", "h", "gated", "dgates_h", "total"}
"""What calls write beside their results: running statistics, and results that are in nobody's place."""


@each_way
def test_only_results_are_written(form, direction):
    for cell in _cells(form, direction, dtypes=["float32"]):
        timed = work.workload(cell)
        kept = {
            name: timed.arrays[name]
            for name in names_in(timed.way.call)
            if isinstance(timed.arrays.get(name), np.ndarray) and name not in WRITTEN | set(timed.way.also)
        }
        before = {name: array.copy() for name, array in kept.items()}
        for make in (timed.fastact, lambda timed=timed: timed.numpy("expm1")):
            for call in make():
                call()
            timed.restore()
        for name, array in kept.items():
            np.testing.assert_array_equal(array, before[name], err_msg=f"{cell} {name}")


@each_way
def test_every_repetition_sees_the_same_values(form, direction):
    timed = work.workload(Cell(form, direction, "float32", 1024))
    seen = []

    def once() -> None:
        seen.append([{name: copy.copy() for name, copy in own.items()} for own in timed.pool])
        for call in timed.fastact():
            call()

    clock.fastest([once], timed.restore, seconds=0.0)
    assert len(seen) >= 2
    assert (timed.out is None) == timed.way.in_place
    for pool in seen:
        for own in pool:
            for name, copy in own.items():
                np.testing.assert_array_equal(copy, timed.arrays[name])


@each_way
def test_numpy_allocates_nothing_of_the_array_size(form, direction):
    for in_place in PLACES:
        timed = work.workload(Cell(form, direction, "float32", 2**18, in_place))
        call = timed.numpy("expm1")[0]
        call()
        timed.restore()
        tracemalloc.start()
        try:
            call()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # Bools, and rows beside a bias that lie apart, go through NumPy's buffers of 8,192 elements.
        assert peak < 2**18 * 4 / 8, (form.name, direction, in_place)


@pytest.mark.parametrize("size", [16, 1000, 2**12, 2**20, 12 * 128 * 128])
def test_shapes_have_the_size_that_was_asked_for(size):
    for shape in (arrays.square, arrays.heads, arrays.logits, arrays.images):
        assert np.prod(shape(size)) == size
    assert 4 * np.prod(arrays.states(size)) == size


def test_shapes_are_those_of_use():
    assert arrays.square(2**12) == (64, 64)
    assert arrays.square(2**24) == (4096, 4096)
    assert arrays.heads(12 * 128 * 128) == (12, 128, 128)
    assert arrays.logits(256 * 32_000) == (256, 32_000)


def test_a_form_is_itself_in_another_process():
    for form in FORMS.values():
        assert pickle.loads(pickle.dumps(form)) is form
    cell = Cell(FORMS["gelu+bias"], "backward", "float32", 1024)
    assert pickle.loads(pickle.dumps(cell)) == cell


def test_the_memory_of_a_call_is_that_of_its_arrays():
    cells = {
        ("layer_norm", "forward"): 2, ("layer_norm", "backward"): 3, ("layer_norm+residual", "forward"): 4,
        ("logsumexp", "forward"): 1, ("cross_entropy+gradient", "forward"): 2, ("swiglu+gate", "forward"): 3,
        ("swiglu+gate", "backward"): 5, ("lstm_cell", "forward"): 2.75, ("dropout", "backward"): 2,
    }  # fmt: skip
    for (name, direction), count in cells.items():
        found = Cell(FORMS[name], direction, "float64", 2**20).bytes_per_element
        assert found == pytest.approx(8 * count, rel=0.05), (name, direction)


# -- The command ---------------------------------------------------------------------------------


@pytest.fixture
def few_repetitions(monkeypatch):
    monkeypatch.setattr(speed, "QUICK_SECONDS", 0.0)
    monkeypatch.setattr(turns, "QUICK_SECONDS", 0.0)


def test_named_passes_are_measured_as_activations_are(few_repetitions, tmp_path, capsys):
    file = tmp_path / "measured.json"
    words = [
        "bench",
        "layer_norm",
        "gelu+bias,relu",
        "--quick",
        "--size",
        "1K",
        "--threads",
        "1",
        "--details",
    ]
    assert cli.main([*words, "--json", str(file)]) == 0
    measured = json.loads(file.read_text())["measurements"]
    with pytest.raises(SystemExit, match="activations and passes"):
        between_markers.of_passes({"measurements": measured})
    assert {(m["activation"], m["direction"]) for m in measured} == {
        (name, direction) for name in ("layer_norm", "gelu+bias", "relu") for direction in work.DIRECTIONS
    }
    for m in measured:
        assert m["ns_per_element"] > 0
        assert m["speedup_over_numpy"] > 0
        assert m["bandwidth_share"] > 0
    printed = capsys.readouterr().out
    for word in ("layer_norm", "gelu+bias", "backward x=", "× NumPy"):
        assert word in printed


def test_all_passes_are_measured_where_that_is_asked_for(few_repetitions, monkeypatch, tmp_path, capsys):
    file = tmp_path / "measured.json"
    words = ["bench", "--passes", "--quick", "--size", "64", "--threads", "1", "--dtype", "float32"]
    assert cli.main([*words, "--details", "--json", str(file)]) == 0
    record = json.loads(file.read_text())
    assert between_markers.of_passes(record)
    monkeypatch.setattr(speed_tables, "SIZE", 64)
    assert "| gelu+bias | backward from x |" in speed_tables.table(record)
    printed = capsys.readouterr().out
    for form in FORMS:
        assert form in printed
    assert "sigmoid" not in printed


def test_a_plain_run_is_of_activations():
    assert not {cell.row.name for cell in work.cells()} & set(FORMS)
    assert work.names(with_passes=True) == list(FORMS)


def test_passes_are_measured_beside_peers_in_place_and_out(few_repetitions, tmp_path, capsys):
    file = tmp_path / "measured.json"
    words = [
        "bench",
        "rms_norm",
        "logsumexp",
        "--peers",
        "numpy",
        "--quick",
        "--size",
        "1K",
        "--threads",
        "1",
    ]
    assert cli.main([*words, "--dtype", "float32", "--json", str(file)]) == 0
    record = json.loads(file.read_text())
    assert {(m["activation"], m["direction"], m["in_place"]) for m in record["measurements"]} == {
        *(("rms_norm", direction, place) for direction in work.DIRECTIONS for place in PLACES),
        ("logsumexp", "forward", False),
        ("logsumexp", "backward", True),
        ("logsumexp", "backward", False),
    }
    assert all(m["speedup"]["numpy"] > 0 and not m["disagrees"] for m in record["measurements"])
    assert "rms_norm" in capsys.readouterr().out
    assert between_markers.of_passes(record)
    assert "| rms_norm | forward | in place | float32 |" in peers_table.table(record)
    record["measurements"][0]["activation"] = "relu"
    with pytest.raises(SystemExit, match="activations and passes"):
        between_markers.of_passes(record)


def test_the_page_has_a_place_for_each_table():
    page = peers_table.DOCUMENT.read_text(encoding="utf-8")
    for name in ("in-place", "peers", "passes", "passes-peers"):
        assert page.count(f"<!-- {name} -->\n") == page.count(f"<!-- /{name} -->") == 1


# -- Other libraries -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch_worker():
    """torch in a process of its own: what is said to it of threads is said to OpenMP."""
    if turns.missing(["torch"]):
        pytest.skip("torch is not installed")
    worker = Worker("torch", Session, "torch")
    yield worker
    worker.close()


@each_way
def test_torch_computes_the_same(torch_worker, form, direction):
    way = form.ways()[direction]
    for cell in _cells(form, direction, dtypes=["float32"]):
        if cell in turns.cells([form.name], ["float32"], [2**12]):
            answer = torch_worker.ask("prepare", cell, 1)
            assert not answer.disagrees, answer.reason
            assert "instead of" not in answer.reason
            if not cell.in_place:
                assert answer.able == bool(way.torch or way.graph), answer.reason


@pytest.mark.parametrize("name", [name for name, form in FORMS.items() if form.forward.onnx])
def test_a_model_of_onnx_computes_the_same(name):
    onnx = pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    timed = work.workload(Cell(FORMS[name], "forward", "float32", 1024, in_place=False))
    model = libraries.onnx_model(onnx, timed)
    given = {one.name: timed.arrays[one.name] for one in model.graph.input}
    try:
        evaluator = ReferenceEvaluator(model)
    except NotImplementedError as error:
        pytest.skip(str(error))
    (found,) = evaluator.run(None, given)
    np.testing.assert_allclose(found, timed.expected(), rtol=1e-4, atol=1e-5)


def test_scipy_has_the_logarithm_of_sums(few_repetitions):
    pytest.importorskip("scipy")
    cell = Cell(FORMS["logsumexp"], "forward", "float64", 1024, in_place=False)
    assert Session("scipy").prepare(cell, 1).able


def test_every_text_names_what_there_is():
    for form, direction in WAYS:
        timed = work.workload(Cell(form, direction, "float32", 256))
        given, _ = next(timed.calls_on())
        functions = {*fa.activations, *fa.passes}
        assert set(names_in(timed.way.call)) - set(given) - functions == set(), form.name
        for word in (timed.way.result, *timed.way.also.values(), *timed.way.leaves[: bool(timed.way.graph)]):
            assert isinstance(given[word], np.ndarray), (form.name, word)
