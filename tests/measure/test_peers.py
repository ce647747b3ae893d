"""``fastact bench --peers``: libraries are timed on the same thing, each in its process, and summed up truly.

NumPy is the peer of most tests, as it is always there; others are tried where they are installed.
"""

from __future__ import annotations

import importlib.util
import json
import math
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import peers_table
import pytest

import fastact as fa
from fastact import catalog
from fastact.command import main as cli
from fastact.command import peers_picture, peers_report
from fastact.measure import record, work
from fastact.measure.accuracy import errors as accuracy
from fastact.measure.passes.forms import FORMS
from fastact.measure.peers import libraries, turns
from fastact.measure.peers.session import Session
from fastact.measure.peers.turns import Measurement
from fastact.measure.work import Cell
from fastact.measure.worker import Worker, WorkerEnded

FEW = ("--size", "16,1K", "--threads", "1", "--activation", "relu")
ROWS = {row.name: row for row in catalog.rows}


def installed(library: str) -> bool:
    return not turns.missing([library])


@pytest.fixture(autouse=True)
def few_repetitions(monkeypatch):
    """What a figure is worth is not tested here, only that it is there."""
    monkeypatch.setattr(turns, "QUICK_SECONDS", 0.0)


@pytest.fixture(scope="module", params=list(libraries.LIBRARIES))
def worker(request):
    """Each library's process."""
    if not installed(request.param):
        pytest.skip(f"{request.param} is not installed")
    worker = Worker(request.param, Session, request.param)
    yield worker
    worker.close()


def measured(activation="relu", in_place=True, size=16, disagrees=(), **speedup: float) -> Measurement:
    ns = {"fastact": 1.0, **speedup}
    why = dict.fromkeys(disagrees, "1 instead of 2")
    return Measurement(activation, "forward", "", "float32", size, 1, in_place, ns, {}, speedup, why)


def test_a_run_measures_every_cell_beside_numpy(tmp_path, capsys):
    file = tmp_path / "measured.json"
    assert cli.main(["bench", "--peers", "numpy", "--quick", *FEW, "--json", str(file)]) == 0
    record = json.loads(file.read_text())
    assert record["peers"] == {"numpy": np.__version__}
    assert {(m["direction"], m["in_place"], m["dtype"], m["size"]) for m in record["measurements"]} == {
        (direction, in_place, dtype, size)
        for direction in ("forward", "backward")
        for in_place in (True, False)
        for dtype in ("float32", "float64")
        for size in (16, 1024)
    }
    for m in record["measurements"]:
        assert set(m["ns_per_element"]) == {"fastact", "numpy"}
        assert set(m["form"].values()) == {"in place" if m["in_place"] else "out="}
        assert m["speedup"]["numpy"] > 0
        assert not m["disagrees"]
        assert m["error"] == {"fastact": 0.0, "numpy": 0.0}
    assert {(n["dtype"], n["size"]) for n in record["limits"]} == {
        (dtype, size) for dtype in ("float32", "float64") for size in (16, 1024)
    }
    printed = capsys.readouterr().out
    for words in (
        "relu",
        "in place",
        "out",
        "times as fast as the best peer",
        "below 0.95",
        "The worst, with",
    ):
        assert words in printed


def test_the_cells_are_everything_but_what_has_no_place():
    cells = turns.cells(dtypes=["float32"], sizes=[16])
    assert {cell.row.name for cell in cells} == {*fa.activations} - {"identity"}
    kinds = [(cell.row.name, cell.direction, cell.in_place) for cell in cells]
    assert len(kinds) == len(set(kinds))
    for cell in cells:
        assert (work.Workload(cell).out is None) == cell.in_place


@pytest.mark.parametrize("direction", work.DIRECTIONS)
@pytest.mark.parametrize("in_place", [True, False])
def test_what_a_library_has_of_an_activation_gives_the_same(worker, direction, in_place):
    for row in catalog.rows:
        cell = Cell(row, direction, "float32", 1024, in_place)
        if cell not in turns.cells([row.name], ["float32"], [1024]):
            continue
        answer = worker.ask("prepare", cell, 1)
        assert not answer.disagrees, (row.name, answer.reason)
        assert answer.able != bool(answer.reason)
        if answer.able:
            assert (worker.ask("choose", 0.0) == "in place") == in_place
            assert worker.ask("turn", 0.0) > 0


@pytest.mark.parametrize("dtype", work.HALVES)
def test_half_precision_is_compared_too(worker, dtype):
    pytest.importorskip("ml_dtypes")
    for in_place in (True, False):
        answer = worker.ask("prepare", Cell(ROWS["elu"], "forward", dtype, 1024, in_place), 1)
        assert not answer.disagrees, answer.reason
        if worker.name in ("fastact", "torch", "numpy"):
            assert answer.able, answer.reason


def test_every_text_of_a_row_is_understood(worker):
    """A text for a library gives a form, unless the library says that it lacks the operator."""
    for row in catalog.rows:
        texts = {"torch": row.torch, "onnxruntime": row.onnx, "scipy": row.scipy, "fastact": row.formula}
        if texts.get(worker.name):
            answer = worker.ask("prepare", Cell(row, "forward", "float32", 1024, False), 1)
            assert answer.able or "NOT_IMPLEMENTED" in answer.reason, (row.name, answer.reason)


def test_a_peer_that_computes_something_else_is_shown_and_not_timed(monkeypatch):
    def wrong(self, work):
        yield "out=", [partial(np.add, given["x"], 1, out=out) for given, out in work.calls_on()]

    monkeypatch.setattr(libraries.NumPy, "forms", wrong)
    for in_place in (True, False):
        answer = Session("numpy").prepare(Cell(ROWS["relu"], "forward", "float32", 16, in_place), 1)
        assert not answer.able
        assert "instead of" in answer.reason
        # In place, the library may only lack the form; the cell with another output tells.
        assert answer.disagrees != in_place
    (line,) = peers_report._disagreements([measured(disagrees=["scipy"])])
    assert line.startswith("scipy computes something else")
    assert peers_report._cells(measured(disagrees=["scipy"], numpy=2.0)) == ("2.00", "numpy!")
    assert [str(cell) for cell in peers_report._cells(measured(numpy=0.5))] == ["0.50", "numpy"]


def test_a_form_that_fails_is_absent_with_its_reason(monkeypatch):
    def failing(self, work):
        yield "in place", [partial(np.exp, "nothing")]

    monkeypatch.setattr(libraries.NumPy, "forms", failing)
    answer = Session("numpy").prepare(Cell(ROWS["relu"], "forward", "float32", 16), 1)
    assert not answer.able
    assert not answer.disagrees
    assert "Error" in answer.reason


def test_a_new_array_takes_no_part_in_place(monkeypatch):
    def new(self, work):
        yield "new array", [lambda: np.maximum(work.arrays["x"], 0)]

    monkeypatch.setattr(libraries.NumPy, "forms", new)
    session = Session("numpy")
    assert not session.prepare(Cell(ROWS["relu"], "forward", "float32", 16, True), 1).able
    assert session.prepare(Cell(ROWS["relu"], "forward", "float32", 16, False), 1).able


def test_a_speed_up_compares_turns_of_the_same_round():
    assert turns.speedup([1.0, 10.0, 2.0], [2.0, 20.0, 8.0]) == 2.0
    assert turns.speedup([1.0, 10.0, 2.0], [3.0]) == 3.0


def test_a_library_far_behind_has_fewer_turns():
    class Stub:
        def __init__(self, name: str, seconds: float) -> None:
            self.name, self.seconds = name, seconds

        def ask(self, *message):
            return self.seconds

    workers = [Stub("fastact", 1.0), Stub("torch", 2.0), Stub("numpy", 4.0)]
    taken = turns.Comparison(workers, 0.0, rounds=5)._rounds(workers)
    assert {name: len(times) for name, times in taken.items()} == {"fastact": 5, "torch": 5, "numpy": 2}


def test_the_error_of_what_is_timed_is_that_of_the_whole_line():
    """The numbers that are timed are few and near 0: there nobody loses all digits."""
    session = Session("fastact")
    for row in catalog.rows:
        for direction in work.DIRECTIONS if row.formula != "x" else ():
            assert session.prepare(Cell(row, direction, "float32", 16, False), 1).able
            session.choose(0.0)
            ways = [w for w in ("forward", *row.saves) if (w == "forward") == (direction == "forward")]
            limits = [accuracy.Case(row, way, np.dtype(np.float32)).limit for way in ways]
            assert session.error() <= max(limits), (row.name, direction)


def test_what_a_peer_loses_is_found(monkeypatch):
    """In the negative tail, where the timed numbers are not, and in the form that is timed alone."""

    def forms(self, work):
        yield "out=", [partial(np.exp, "nothing")]
        yield "out=", [partial(self.lossy, given["x"], out) for given, out in work.calls_on()]

    def lossy(self, x, out):
        np.copyto(out, np.maximum(x, np.log1p(np.exp(np.minimum(x, 80)))))
        out[x < -20] = 0

    monkeypatch.setattr(libraries.NumPy, "lossy", lossy, raising=False)
    monkeypatch.setattr(libraries.NumPy, "forms", forms)
    session = Session("numpy")
    for dtype, digits in (("float32", 2.0**23), ("float64", 2.0**52)):
        assert session.prepare(Cell(ROWS["softplus"], "forward", dtype, 1024, False), 1).able
        session.choose(0.0)
        assert digits <= session.error() <= 2 * digits
    monkeypatch.setattr(libraries.NumPy, "lossy", lambda self, x, out: np.logaddexp(x, 0, out=out))
    session = Session("numpy")
    session.prepare(Cell(ROWS["softplus"], "forward", "float32", 1024, False), 1)
    session.choose(0.0)
    assert 0.5 <= session.error() < 10


def test_what_has_no_reference_has_no_error():
    session = Session("fastact")
    for row, dtype in ((FORMS["layer_norm"], "float32"), (ROWS["relu"], "float16")):
        assert session.prepare(Cell(row, "forward", dtype, 1024, False), 1).able
        session.choose(0.0)
        assert session.error() is None


def test_a_record_has_a_line_for_each_measurement(tmp_path):
    run = [measured(numpy=4.0), measured("tanh", numpy=0.5)]
    file = tmp_path / "record.json"
    record.write(file, run, machine="a machine", limits=[])
    lines = file.read_text().splitlines()
    assert [sum(f'"{m.activation}"' in line for line in lines) for m in run] == [1, 1]
    assert json.loads(file.read_text()) == {
        "machine": "a machine", "limits": [], "partial": False, "measurements": [asdict(m) for m in run],
    }  # fmt: skip


def test_the_summary_counts_and_averages():
    run = [
        measured(numpy=4.0, torch=2.0),
        measured(numpy=1.0, torch=8.0),
        measured(numpy=0.5),
        measured("tanh", numpy=0.97, torch=1.0),
        measured(),
    ]
    whole = turns.summary(run, worst=1)
    assert whole.cells == 4
    assert whole.over_best == pytest.approx((2.0 * 1.0 * 0.5 * 0.97) ** (1 / 4))
    assert whole.over["torch"] == pytest.approx(math.prod([2.0, 8.0, 1.0]) ** (1 / 3))
    assert (whole.below_one, whole.below_noise) == (2, 1)
    assert [m.speedup[m.best_peer] for m in whole.worst] == [0.5, 0.97]
    lines = "\n".join(peers_report.summary_lines(run))
    assert "2 cells below 1, 1 of them below 0.95" in lines
    assert "0.50 of numpy (–; fastact –): relu forward in place float32 16, 1 thread" in lines
    lost = replace(measured(numpy=0.5), error={"fastact": 1.24, "numpy": 1.5e7})
    (line,) = peers_report.summary_lines([lost])[2:]
    assert "0.50 of numpy (no digit right; fastact 1.24): relu" in line
    assert turns.summary([measured()]) is None
    assert peers_report.summary_lines([measured()]) == ["No peer has any of these."]


def test_quick_takes_a_part_of_everything():
    whole, quick = turns.Run.chosen(full=True), turns.Run.chosen(quick=True)
    assert len(quick.cells) < len(whole.cells)
    assert all(cell in whole.cells for cell in quick.cells)
    assert {cell.row.name for cell in quick.cells} == {*fa.activations} - {"identity"}
    assert set(quick.threads) <= set(whole.threads)
    chosen = turns.Run.chosen(["tanh"], ["float64"], [32], [3], quick=True)
    assert {(c.row.name, c.dtype, c.size) for c in chosen.cells} == {("tanh", "float64", 32)}
    assert chosen.threads == [3]


def test_what_is_chosen_is_a_part_that_ends_in_time():
    whole, chosen = turns.Run.chosen(full=True), turns.Run.chosen()
    assert len(chosen.cells) < len(whole.cells)
    assert all(cell in turns.cells(sizes=turns.CHOSEN_SIZES) for cell in chosen.cells)
    assert chosen.within == turns.WITHIN <= 600
    assert whole.within is None
    assert turns.Run.chosen(["tanh"]).within is None, "what is named is measured"


def test_no_cell_is_begun_after_the_end_and_each_level_has_its_processes(monkeypatch):
    run = turns.Run(turns.cells(["relu"], ["float32"], [16]), [1], 0.0, 1, None, ["v1", fa.config()["level"]])
    found: list[Measurement] = []
    peers_report.with_progress(run, ["numpy"], found)
    assert [m.level for m in found] == [level for level in run.levels for _ in run.cells]
    found.clear()
    peers_report.with_progress(replace(run, within=0.0), ["numpy"], found)
    assert not found


def test_calls_in_place_see_values_of_both_signs_each_time():
    """torch's elu skips the exponential where a whole vector is not negative."""
    for row in catalog.rows:
        cell = Cell(row, "forward", "float32", 1024)
        if row.formula == "x" or not cell.has_place:
            continue
        made = work.workload(cell)
        for _ in range(3):
            made.restore()
            for call, copy in zip(made.fastact(), made.copies, strict=True):
                assert np.array_equal(copy, made.original)
                assert (copy.reshape(-1, 64).min(axis=1) < 0).all()
                assert (copy.reshape(-1, 64).max(axis=1) > 0).all()
                call()


def test_a_record_is_named_by_its_processor_and_day(tmp_path):
    name = peers_report.file_name("Intel(R) Xeon(R) Processor", "2026-11-27")
    assert name == "intel-xeon-processor-2026-11-27.json"
    assert cli.main(["bench", "--peers", "numpy", "--quick", *FEW, "--record", str(tmp_path)]) == 0
    (file,) = tmp_path.iterdir()
    assert {"date", "commit", "machine", "level"} <= json.loads(file.read_text()).keys()


def test_a_process_that_ends_is_named():
    worker = Worker("nothing", Session, "nothing")
    with pytest.raises(WorkerEnded, match="the process of nothing ended with exit code 1"):
        worker.ask("turn", 0.0)
    worker.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--peers", "tensorflow"], ["--peers", "'tensorflow'", *libraries.PEERS]),
        (["--peers", "fastact"], ["--peers", "'fastact'", "torch"]),
        (["--peers", "numpy,"], ["--peers", "''"]),
        (["--peers", "numpy", "--plot", "picture.jpeg"], ["--plot", "'picture.jpeg'", ".svg, .png"]),
        (["--peers", "numpy", "--plot", "missing/picture.svg"], ["--plot", "a directory that exists"]),
        (["--plot", "picture.svg"], ["--plot", "with --peers only"]),
        (["--peers", "numpy", "--size", "large"], ["--size", "'large'"]),
    ],
    ids=" ".join,
)
def test_wrong_arguments_get_one_line_with_the_choices(capsys, arguments, words):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["bench", *arguments])
    message = capsys.readouterr().err
    assert stopped.value.code == 2
    assert message.count("\n") == 1
    for word in words:
        assert word in message


def test_a_peer_that_is_missing_is_named_with_what_installs_it(monkeypatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "onnx" in name else found(name))
    assert cli.main(["bench", "--peers", "onnxruntime,numpy"]) == 1
    assert capsys.readouterr().err == (
        "fastact bench needs onnxruntime, onnx; install it with: pip install 'fastact[peers]'\n"
    )


def test_the_command_imports_no_peer(fresh_python):
    code = "import fastact.command.bench, fastact.command.main, sys; print(*sys.modules)"
    loaded = set(fresh_python(code).stdout.split())
    assert "fastact.measure.peers.turns" in loaded
    assert not {"torch", "onnxruntime", "onnx", "scipy", "numexpr", "matplotlib"} & loaded


def test_the_limit_of_memory_is_that_of_the_call():
    limits = {
        name: peers_picture._limit(measured(name, size=2**23), 16.0)
        for name in ("relu", "layer_norm", "gelu+bias")
    }
    assert limits == pytest.approx(dict.fromkeys(limits, 2.0), rel=0.02)


@pytest.mark.parametrize("ending", peers_picture.ENDINGS)
def test_a_picture_for_each_dtype(tmp_path, ending):
    pytest.importorskip("matplotlib")
    run = [measured(name, size=size, numpy=2.0) for name in ("relu", "tanh") for size in (16, 2**20)]
    limits = [{"dtype": "float32", "size": 2**20, "threads": 1, "gb_per_s": 20.0}]
    (path,) = peers_picture.draw(run, limits, "a machine", tmp_path / f"picture{ending}")
    assert path == tmp_path / f"picture-float32{ending}"
    assert path.stat().st_size > 10_000


def test_the_table_of_the_docs_names_the_cells_behind_a_peer():
    cells = [
        measured("relu", torch=3.0),
        replace(measured("relu", size=1024, torch=0.5, numpy=2.0), error={"fastact": 0.5, "torch": 812.0}),
        measured("tanh", in_place=False, numpy=6.0),
        measured("mish", disagrees=("torch",)),
    ]
    about = {"machine": "a machine", "level": "v3", "version": "1", "python": "3.11", "peers": {"numpy": "2"}}
    lines = peers_table.table({**about, "measurements": [asdict(cell) for cell in cells]}).splitlines()
    assert "| the best peer of each cell | 3 | 2.08 |" in lines, "the third root of 3 times 0.5 times 6"
    assert "| torch | 2 | 1.22 |" in lines
    assert "| 0.50 | torch | 812 | 0.5 | relu | forward | in place | float32 | 1,024 | 1 |" in lines
    assert "| relu | forward | in place | float32 | 3.00 torch | 0.50 torch |" in lines
    assert "| tanh | forward | another array | float32 | 6.00 numpy | – |" in lines
    assert not any("mish" in line for line in lines), "no peer took part"
