"""The command ``fastact``: what it prints, what it writes, and what wrong arguments get."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastact as fa
from fastact import catalog
from fastact.command import accuracy_report, arguments, bench
from fastact.command import main as cli
from fastact.core import passing
from fastact.measure import clock, machine, speed, work
from fastact.measure.formulas import tree

FEW = ("bench", "--quick", "--size", "16,1K", "--threads", "1")


@pytest.fixture(autouse=True)
def few_repetitions(monkeypatch):
    """What a figure is worth is not tested here, only that it is there."""
    monkeypatch.setattr(speed, "QUICK_SECONDS", 0.0)


def one_line_error(capsys, *arguments: str) -> str:
    """The message of wrong arguments, which end the command with status 2."""
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    out, err = capsys.readouterr()
    assert stopped.value.code == 2
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_info_prints_the_configuration(capsys):
    assert cli.main(["info"]) == 0
    printed = capsys.readouterr().out
    fa.show_config()
    assert printed == capsys.readouterr().out
    assert fa.config()["level"] in printed


def test_info_as_json_is_the_configuration(capsys):
    assert cli.main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == fa.config()


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version(capsys, option):
    with pytest.raises(SystemExit) as stopped:
        cli.main([option])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"fastact {fa.__version__}\n"


def test_alone_it_shows_its_commands_with_an_example_of_each(capsys):
    assert cli.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in cli.COMMANDS:
        assert any(line.startswith(f"{name} ") for line in lines)
        assert any(f"$ fastact {name}" in line for line in lines)
    assert max(map(len, lines)) <= 60


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_ends_with_examples_that_are_understood(capsys, name):
    with pytest.raises(SystemExit) as stopped:
        cli.main([name, "--help"])
    assert stopped.value.code == 0
    examples = capsys.readouterr().out.rpartition("examples:\n")[2].splitlines()
    parser, _ = cli.parsers([name])
    assert examples
    for example in examples:
        command, *words = shlex.split(example)
        assert command == "fastact"
        assert parser.parse_args(words).command == name


def test_the_module_is_the_command(fresh_python):
    code = "import runpy, sys; sys.argv[1:] = ['info']; runpy.run_module('fastact', run_name='__main__')"
    result = fresh_python(code)
    assert result.returncode == 0, result.stderr
    assert "level" in result.stdout


def test_bench_measures_every_activation_in_both_directions_and_dtypes(tmp_path, capsys):
    """All but identity, which is nothing to do in place."""
    file = tmp_path / "measured.json"
    assert cli.main([*FEW, "--details", "--json", str(file)]) == 0
    record = json.loads(file.read_text())
    measured = {(m["activation"], m["direction"], m["dtype"], m["size"]) for m in record["measurements"]}
    assert measured == {
        (row.name, direction, dtype, size)
        for row in catalog.rows
        if row.name != "identity"
        for direction in ("forward", "backward")
        for dtype in ("float32", "float64")
        for size in (16, 1024)
    }
    assert record["level"] == fa.config()["level"]
    table = capsys.readouterr().out
    words = "ns", "GB/s", "× NumPy", "% scale", "geometric mean", *{*fa.activations} - {"identity"}
    for word in words:
        assert word in table
    assert record["partial"] is False


def test_the_summary_of_a_run_fits_a_screen_and_says_how_to_see_all(capsys):
    assert cli.main(FEW) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) < 25
    for words in ("forward", "float64", "1K elements", "slowest", "1 thread: ", "--details", "--json"):
        assert words in printed


def test_a_baseline_that_numpy_lacks_is_left_out(monkeypatch, capsys):
    """As gelu's is where SciPy is not installed."""

    def lacking(self, form):
        raise tree.Unavailable("NumPy has no erf")

    monkeypatch.setattr(work.Workload, "numpy", lacking)
    assert cli.main([*FEW, "--activation", "gelu"]) == 0
    assert "–" in capsys.readouterr().out
    assert cli.main([*FEW]) == 0, "a summary of nothing"


def test_the_figures_of_a_measurement_fit_together(tmp_path):
    file = tmp_path / "measured.json"
    assert cli.main([*FEW, "--activation", "silu,softmax", "--json", str(file)]) == 0
    for m in json.loads(file.read_text())["measurements"]:
        arrays = 2 if m["direction"] == "forward" else 3
        item = np.dtype(m["dtype"]).itemsize
        assert m["ns_per_element"] > 0
        assert m["gb_per_s"] == pytest.approx(arrays * item / m["ns_per_element"])
        assert m["speedup_over_numpy"] == pytest.approx(m["numpy_ns_per_element"] / m["ns_per_element"])
        assert m["bandwidth_share"] > 0


def test_options_choose_what_is_measured(tmp_path, capsys):
    file = tmp_path / "measured.json"
    chosen = ["--activation", "relu,tanh", "--dtype", "float64", "--size", "2k", "--threads", "1,2"]
    assert cli.main(["bench", "--quick", *chosen, "--json", str(file)]) == 0
    measured = json.loads(file.read_text())["measurements"]
    assert {m["activation"] for m in measured} == {"relu", "tanh"}
    assert {m["dtype"] for m in measured} == {"float64"}
    assert {m["size"] for m in measured} == {2048}
    assert {m["threads"] for m in measured} == {1, 2}
    assert "2 threads: " in capsys.readouterr().out


def test_tune_shows_every_way_and_the_choice(tmp_path, capsys):
    file = tmp_path / "tuned.json"
    assert (
        cli.main(
            ["tune", "relu", "--dtype", "float32", "--size", "8M", "--threads", "1", "--json", str(file)]
        )
        == 0
    )
    measured = json.loads(file.read_text())["measurements"]
    assert {(m["direction"], m["in_place"]) for m in measured} >= {("forward", True), ("forward", False)}
    for m in measured:
        assert list(m["nanoseconds"]) == list(passing.WAYS[: 2 if m["in_place"] else 4])
        assert m["chosen"] in m["nanoseconds"]
    shown = capsys.readouterr().out
    assert all(way in shown for way in passing.WAYS)
    assert "*" in shown
    assert passing.fixed is None, "as it was before"


@pytest.mark.parametrize(
    ("option", "value"),
    [("--size", "0"), ("--dtype", "int8"), ("--threads", "0"), ("--json", "missing/file.json")],
)
def test_tune_refuses_what_it_cannot_measure(capsys, option, value):
    assert value in one_line_error(capsys, "tune", "relu", option, value)


@pytest.mark.parametrize(("load", "said"), [(3.25, True), (0.1, False)])
def test_a_busy_machine_is_said(monkeypatch, capsys, load, said):
    monkeypatch.setattr(machine.os, "getloadavg", lambda: (load, 0.0, 0.0))
    cli.main([*FEW, "--activation", "relu"])
    assert (f"Other processes kept {load:.1f} processors busy" in capsys.readouterr().out) == said


def test_bench_of_half_precision(capsys):
    pytest.importorskip("ml_dtypes")
    cli.main([*FEW, "--activation", "relu", "--dtype", "float16,bfloat16"])
    table = capsys.readouterr().out
    assert all(dtype in table for dtype in ("float16", "bfloat16"))


def test_bfloat16_without_its_package_is_refused(capsys, monkeypatch):
    monkeypatch.setattr(arguments.importlib.util, "find_spec", lambda name: None)
    assert "pip install ml_dtypes" in one_line_error(capsys, *FEW, "--dtype", "bfloat16")


def test_bench_leaves_the_thread_count_as_it_was():
    fa.set_num_threads(2)
    cli.main([*FEW, "--activation", "relu"])
    assert fa.get_num_threads() == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bench", "--activation", "sigmoyd"], ["--activation", "'sigmoyd'", "did you mean sigmoid"]),
        (["bench", "--activation", "silou"], ["'silou'", "did you mean silu", "fastact list"]),
        (["bench", "--activation", "SILU"], ["did you mean silu"]),
        (["bench", "layernorm"], ["'layernorm'", "did you mean layer_norm", "fastact list --passes"]),
        (["bench", "gelu+bais"], ["did you mean gelu+bias"]),
        (["accuracy", "batchnorm"], ["did you mean batch_norm"]),
        (["gallery", ".", "--activation", "layer_norm"], ["--activation", "'layer_norm'"]),
        (["bench", "--activation", "relu,"], ["--activation", "''", "fastact list"]),
        (["bench", "--dtype", "float8"], ["--dtype", "'float8'", "float32, float64, float16"]),
        (["bench", "--size", "large"], ["--size", "'large'", "16, 64K or 1M"]),
        (["bench", "--size", "0"], ["--size", "'0'", "64K"]),
        (["bench", "--size", "-1K"], ["--size"]),
        (["bench", "--size", ""], ["--size", "''", "64K"]),
        (["bench", "--threads", "0"], ["--threads", "'0'", "1 to 1024"]),
        (["bench", "--threads", "all"], ["--threads", "'all'", "1 to 1024"]),
        (["bench", "--busy", "-1"], ["--busy", "'-1'", "0 to 1024"]),
        (["bench", "--busy", "many"], ["--busy", "'many'", "0 to 1024"]),
        (["bench", "--busy", "0", "--peers"], ["--peers", "not allowed with --busy"]),
        (["bench", "--busy", "0", "--plot", "picture.svg"], ["--plot", "not allowed with --busy"]),
        (["bench", "--busy", "2", "--threads", "1"], ["--threads", "not allowed with --busy"]),
        (["bench", "--json", "missing/folder/file.json"], ["--json", "a directory that exists"]),
        (["accuracy", "--activation", "relu,sigmoyd"], ["--activation", "'sigmoyd'", "mean sigmoid"]),
        (["accuracy", "--json", "missing/folder/file.json"], ["--json", "a directory that exists"]),
        (["bench", "--unknown"], ["--unknown", "--help"]),
        (["bench", "--detials"], ["--detials", "did you mean --details"]),
        (["info", "relu"], ["'relu'"]),
        (["benhc"], ["benhc", "did you mean bench", *cli.COMMANDS]),
        (["--quick"], ["--quick", *cli.COMMANDS]),
    ],
    ids=" ".join,
)
def test_wrong_arguments_get_one_line_with_the_choices(capsys, arguments, words):
    message = one_line_error(capsys, *arguments)
    for word in words:
        assert word in message
    assert len(message) < 250, "and no list of all activations"


@pytest.mark.parametrize("words", ["relu,silu", "relu silu", "relu,silu relu"])
@pytest.mark.parametrize("command", ["bench", "accuracy"])
@pytest.mark.parametrize("option", [[], ["--activation"]])
def test_names_of_activations_are_parted_by_commas_or_spaces(command, option, words, monkeypatch):
    given = []
    monkeypatch.setattr(accuracy_report, "run", given.append)
    monkeypatch.setattr(bench, "run", given.append)
    cli.main([command, *option, *words.split(" ")])
    assert [arguments.activation for arguments in given] == [["relu", "silu"]]


def test_names_before_and_behind_an_option_are_one_list(monkeypatch):
    given = []
    monkeypatch.setattr(bench, "run", given.append)
    cli.main(["bench", "relu", "--quick", "--activation", "silu,relu", "layer_norm"])
    assert given[0].activation == ["relu", "silu", "layer_norm"]


@pytest.mark.parametrize("size", [1, 16, 1000, 2**10, 3 * 2**16, 2**24])
def test_a_size_is_printed_as_it_can_be_given(size):
    assert arguments.size(arguments.size_text(size)) == size


def test_a_missing_rich_is_named_before_anything_is_measured(fresh_python):
    """In a process of its own: in this one it is imported already."""
    code = """if True:
        import sys
        sys.modules["rich"] = None
        from fastact.command.main import main
        from fastact.measure import speed
        speed.Comparison = None
        print(main(["bench"]))"""
    run = fresh_python(code)
    assert run.stdout == "1\n"
    assert run.stderr == "fastact bench needs rich; install it with: pip install rich\n"


def test_measuring_needs_neither_rich_nor_the_command(fresh_python):
    code = """if True:
        import importlib, pkgutil, sys
        from fastact import measure
        for module in pkgutil.walk_packages(measure.__path__, "fastact.measure."):
            importlib.import_module(module.name)
        assert not {"rich", "fastact.command"} & set(sys.modules)"""
    result = fresh_python(code)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("row", catalog.rows, ids=lambda row: row.name)
@pytest.mark.parametrize("direction", work.DIRECTIONS)
def test_every_repetition_sees_the_same_values(row, direction):
    timed = work.Workload(work.Cell(row, direction, "float32", 1024))
    seen = []

    def once() -> None:
        seen.append([copy.copy() for copy in timed.copies])
        for call in timed.fastact():
            call()

    clock.fastest([once], timed.restore, seconds=0.0)
    assert len(seen) >= 2
    for copies in seen:
        for copy in copies:
            np.testing.assert_array_equal(copy, timed.original)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_scale_counts_what_it_reads_and_writes(threads, monkeypatch):
    seconds = iter(range(10**6))
    monkeypatch.setattr(clock, "perf_counter", lambda: float(next(seconds)))
    rate = clock.scale_gb_per_s("float64", 2**20, 1, seconds=0.0)
    assert rate == 2 * 8 * 2**20 / 1e9
    assert clock.scale_gb_per_s("float32", 1000, threads, seconds=0.0) > 0


def test_every_row_has_its_benchmarks():
    folder = Path(__file__).parents[2] / "bench"
    if not folder.is_dir():
        pytest.skip("the benchmarks are part of the source tree, not of the wheel")
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-o", "addopts=-q", str(folder)],
        cwd=folder.parent, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for row in (*catalog.rows, *catalog.passes):
        if row.name == "identity":
            continue  # nothing to do in place
        for direction in ("forward", "backward"):
            for library in ("fastact", "numpy"):
                assert f"test_{library}[{row.name}-{direction}-float32]" in listed
