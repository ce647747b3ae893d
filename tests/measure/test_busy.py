"""``fastact bench --busy``: means of many calls in turns, beside processes that compute, and always end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import busy_table
import numpy as np
import pytest

import fastact as fa
from fastact import catalog
from fastact.command import busy_report
from fastact.command import main as cli
from fastact.measure import busy, record, work
from fastact.measure.busy import Effort, Measurement, Spread

FEW = Effort(seconds=0.0, calls=2, turn=0.0)
PROC = Path("/proc/self/stat")


@pytest.fixture(autouse=True)
def few_calls(monkeypatch):
    """What a figure is worth is not tested here, only that it is there."""
    monkeypatch.setattr(busy, "QUICK", FEW)
    monkeypatch.setattr(busy, "WARM", 0.0)


def stat(pid: int) -> list[str]:
    """What the system says of a process after its name: the state first."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def ended(pid: int) -> bool:
    try:
        return stat(pid)[0] == "Z"
    except FileNotFoundError:
        return True


def within(seconds: float, condition) -> bool:
    """Whether something comes true; the time is for a machine that is busy too."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def measured(ratio: float, activation: str = "relu") -> Measurement:
    one, default = Spread(9, 1e-6, 1e-6, 1e-6), Spread(9, ratio * 1e-6, 1e-6, 1e-6)
    return Measurement(activation, "backward", "y", "float32", 2**14, 2, one, default, ratio)


def test_a_run_measures_both_sides_of_every_cell(tmp_path, capsys):
    file = tmp_path / "measured.json"
    chosen = "--activation", "relu,softmax", "--size", "16,2K"
    assert cli.main(["bench", "--busy", "1", "--quick", *chosen, "--json", str(file)]) == 0
    written = json.loads(file.read_text())
    assert written["busy"] == 1
    assert written["level"] == fa.config()["level"]
    assert {(m["activation"], m["direction"], m["dtype"], m["size"]) for m in written["measurements"]} == {
        (activation, direction, "float32", size)
        for activation in ("relu", "softmax")
        for direction in work.DIRECTIONS
        for size in (16, 2048)
    }
    for m in written["measurements"]:
        for side in (m["one"], m["default"]):
            assert side["calls"] >= FEW.calls
            assert 0 < side["median"] <= side["high"]
        assert m["ratio"] == pytest.approx(m["default"]["mean"] / m["one"]["mean"])
    printed = capsys.readouterr().out
    for words in (
        "beside 1 busy process",
        "8 cells",
        "more than 1.15 times in",
        "geometric mean",
        "The worst:",
    ):
        assert words in printed


def test_without_other_options_it_is_the_float32_of_light_and_heavy_kernels(monkeypatch):
    seen = []
    monkeypatch.setattr(busy_report, "with_progress", lambda *given: seen.append(given))
    assert cli.main(["bench", "--busy", "0"]) == 0
    ((cells, count, effort, _),) = seen
    assert (count, effort) == (0, busy.WHOLE)
    assert {cell.row.name for cell in cells} == set(busy.ACTIVATIONS)
    assert {(cell.direction, cell.dtype) for cell in cells} == {(d, "float32") for d in work.DIRECTIONS}
    assert sorted({cell.size for cell in cells}) == [2**14, 2**16, 2**18, 2**20, 2**23]


def test_one_side_has_one_thread_and_the_other_those_of_a_fresh_process(monkeypatch):
    monkeypatch.setenv("FASTACT_NUM_THREADS", "3")
    row = fa.relu.row
    with busy.compared(0, FEW) as comparison:
        assert comparison.measure(work.Cell(row, "forward", "float32", 16)).threads == 3
        assert comparison.one.ask("prepare", work.Cell(row, "forward", "float32", 16)) == 1


def test_the_sides_take_turns_until_both_have_enough():
    class Stub:
        def __init__(self, name: str, seconds: float) -> None:
            self.name, self.seconds = name, seconds

        def tell(self, *message):
            pass

        def answer(self):
            return 2

        def ask(self, method, seconds):
            asked.append(self.name)
            return np.full(10, self.seconds)

    asked: list[str] = []
    comparison = busy.Comparison(Stub("one", 0.001), Stub("default", 0.1), Effort(seconds=0.025, calls=25))
    m = comparison.measure(work.Cell(fa.relu.row, "forward", "float32", 16))
    assert asked == ["one", "default"] * 4, "one turn that is not counted, then three"
    assert (m.one.calls, m.default.calls, m.ratio) == (30, 30, pytest.approx(100.0))
    asked.clear()
    slow = busy.Comparison(Stub("one", 1.0), Stub("default", 3.0), Effort(seconds=0.1, calls=200))
    assert slow.measure(work.Cell(fa.relu.row, "forward", "float32", 16)).default.calls == 30, "time is short"


def test_a_long_call_is_in_the_mean():
    spread = Spread.of(np.array([1.0] * 99 + [101.0]))
    assert (spread.calls, spread.mean, spread.median, spread.high) == (100, 2.0, 1.0, 1.0)


@pytest.mark.parametrize("direction", work.DIRECTIONS)
@pytest.mark.parametrize("row", catalog.rows, ids=lambda row: row.name)
def test_every_call_sees_the_same_values(row, direction):
    session = busy.Session(1)
    session.prepare(work.Cell(row, direction, "float32", 1024))
    seen = []

    def noting(copy, call):
        return lambda: (seen.append(copy.copy()), call())

    pairs = zip(session.work.copies, session.calls, strict=True)
    session.calls = [noting(copy, call) for copy, call in pairs]
    turns = [session.turn(0.0) for _ in range(2)]
    assert len(seen) == 2 * sum(map(len, turns)), "those that warm up are calls too"
    for values in seen:
        np.testing.assert_array_equal(values, session.work.original)


@pytest.mark.skipif(not PROC.exists(), reason="asks /proc what processes do")
class TestBusyProcesses:
    def test_they_compute_until_the_block_ends(self):
        with busy.processes(2) as found:
            pids = [worker.process.pid for worker in found]
            first = {pid: int(stat(pid)[11]) for pid in pids}
            assert within(60, lambda: all(int(stat(pid)[11]) > first[pid] for pid in pids))
        assert all(map(ended, pids))

    def test_an_exception_ends_them(self):
        with pytest.raises(KeyboardInterrupt), busy.processes(2) as found:  # noqa: PT012
            pids = [worker.process.pid for worker in found]
            raise KeyboardInterrupt
        assert all(map(ended, pids))

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
    def test_they_end_with_a_run_that_is_ended(self, how, tmp_path):
        code = (
            "import time; from fastact.measure import busy\n"
            "with busy.processes(2) as found:\n"
            "    print(*(worker.process.pid for worker in found), flush=True)\n"
            "    time.sleep(600)"
        )
        environment = {**os.environ, "PYTHONPATH": str(Path(fa.__file__).parents[1])}
        run = subprocess.Popen(
            [sys.executable, "-c", code], env=environment, cwd=tmp_path, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        with run:
            pids = list(map(int, run.stdout.readline().split()))
            assert len(pids) == 2
            # Ctrl-C reaches every process of the terminal.
            os.killpg(run.pid, how) if how == signal.SIGINT else run.send_signal(how)
            run.wait(timeout=60)
            assert within(60, lambda: all(map(ended, pids)))


def test_the_summary_counts_and_averages():
    run = [measured(0.5), measured(1.15), measured(1.2, "tanh"), measured(4.0, "silu")]
    whole = busy.summary(run, worst=2)
    assert (whole.cells, whole.beyond) == (4, 2)
    assert whole.mean == pytest.approx((0.5 * 1.15 * 1.2 * 4.0) ** (1 / 4))
    assert [m.ratio for m in whole.worst] == [4.0, 1.2]
    lines = "\n".join(busy_report.summary_lines(run, 2))
    assert "4 cells beside 2 busy processes: 2 threads take 1.29 times as long as one" in lines
    assert "more than 1.15 times in 2 cells" in lines
    assert "4.00: silu backward y= float32 16K" in lines


def test_the_table_of_the_docs_has_a_column_for_each_run(monkeypatch, tmp_path):
    about = {"machine": "a machine", "level": "v3", "version": "1", "numpy": "2", "python": "3.11"}
    runs = {0: [measured(0.5), measured(0.5, "tanh")], 2: [measured(2.0)]}
    files = [tmp_path / f"{count}.json" for count in (2, 0)]
    for file, count in zip(files, (2, 0), strict=True):
        record.write(file, runs[count], **about, busy=count)
    document = tmp_path / "threads.md"
    document.write_text("<!-- busy -->\n<!-- /busy -->\n")
    monkeypatch.setattr(busy_table, "DOCUMENT", document)
    busy_table.main(list(map(str, files)))
    lines = document.read_text().splitlines()
    assert "| 0 | 2 | 0.50 | 0 | 0.50 |" in lines
    assert "| 2 | 1 | 2.00 | 1 | 2.00 |" in lines
    assert "| relu | backward from y | float32 | 16,384 | 0.50 | 2.00 |" in lines
    assert "| tanh | backward from y | float32 | 16,384 | 0.50 | – |" in lines


@pytest.mark.parametrize("name", ["busy", "networks", "scaling"])
def test_the_page_of_threads_has_the_places_of_its_tables(name):
    page = busy_table.DOCUMENT.read_text(encoding="utf-8")
    assert page.count(f"<!-- {name} -->") == page.count(f"<!-- /{name} -->") == 1


def test_a_process_that_ends_is_named(monkeypatch, capsys):
    monkeypatch.setenv("FASTACT_CPU", "v9")
    assert cli.main(["bench", "--busy", "0", "--quick", "--activation", "relu", "--size", "16"]) == 1
    assert "the process of one thread ended with exit code 1" in capsys.readouterr().err
