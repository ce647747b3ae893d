"""The command where a person has it: in terminals of any width, in pipes, in old encodings, interrupted."""

from __future__ import annotations

import json
import re

import pytest
from terminal import run, run_in_terminal

import fastact as fa

FEW = ("bench", "--quick", "--size", "16", "--threads", "1", "--dtype", "float32")
BOXES = re.compile("[─-╿]")


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_tables_keep_their_figures_in_every_terminal(columns):
    ended = run_in_terminal(columns, *FEW, "--activation", "sparse_sigmoid,gelu")
    assert ended.status == 0
    assert "…" not in ended.out
    table = ended.out[ended.out.index("fastact") :]
    figures = re.findall(
        r"^(sparse_sigmoid|gelu) +(?:forward|backward x=) +float32 +16 +1 +[\d.]+ +([\d. ]+)$", table, re.M
    )
    assert [name for name, _ in figures] == ["sparse_sigmoid"] * 2 + ["gelu"] * 2
    if columns >= 60:
        assert max(map(len, table.splitlines())) <= columns
    assert ("Not shown: GB/s, % scale" in " ".join(table.split())) == (columns < 72)


def test_a_summary_fits_60_columns():
    ended = run_in_terminal(60, *FEW)
    summary = ended.out[ended.out.index("fastact") :].splitlines()
    assert len(summary) < 25
    assert max(map(len, summary)) <= 60


def test_in_a_pipe_it_is_plain():
    ended = run(*FEW, "--activation", "relu", COLUMNS="40")
    assert ended.status == 0
    assert "\x1b" not in ended.out + ended.err
    assert not BOXES.search(ended.out)
    assert ended.err == "", "no bar where nobody sees it"
    heading, *rows = ended.out.splitlines()[1:4]
    assert heading.split()[:5] == ["activation", "direction", "dtype", "size", "thr."]
    assert len({len(line) for line in (heading, *rows)}) == 1, "aligned"


@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}]
)
def test_what_an_encoding_lacks_is_spelled_out(environment, tmp_path):
    file = tmp_path / "measured.json"
    words = *FEW, "--activation", "relu", "--json", str(file)
    ended = run(*words, **environment, PYTHONCOERCECLOCALE="0")
    assert ended.status == 0, ended.err
    assert "x NumPy" in ended.out
    assert json.loads(file.read_text())["measurements"]


def test_a_reader_that_is_gone_is_no_error():
    ended = run("info", shell='| true; exit "${PIPESTATUS[0]}"')
    assert ended.err == ""
    assert ended.status in (0, 141), "whether it had written before"
    ended = run(*FEW, "--details", shell='| true; exit "${PIPESTATUS[0]}"')
    assert (ended.status, ended.err) == (141, "")


def test_a_full_disk_is_a_line(tmp_path):
    ended = run("info", shell="> /dev/full")
    assert ended.status == 1
    assert ended.err == "fastact info: cannot write the output: No space left on device\n"
    file = tmp_path / "measured.json"
    ended = run(*FEW, "--activation", "relu", "--json", str(file), shell="> /dev/full")
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert json.loads(file.read_text())["measurements"], "what was measured is kept nevertheless"
    ended = run(*FEW, "--activation", "relu", "--json", "/dev/full")
    assert ended.status == 1
    assert ended.err == "fastact bench: cannot write /dev/full: No space left on device\n"
    assert "relu" in ended.out


@pytest.mark.parametrize("name", ["FASTACT_CPU", "FASTACT_NUM_THREADS"])
def test_a_wrong_variable_of_the_environment_is_a_line(name):
    ended = run("info", **{name: "v9"})
    assert ended.status == 2
    assert ended.out == ""
    assert re.fullmatch(rf"fastact: {name}='v9': allowed .*\n", ended.err)


def test_a_wrong_variable_is_an_error_where_the_package_is_imported(fresh_python):
    ended = fresh_python("import sys; sys.argv = ['-m']; import fastact", FASTACT_CPU="v9")
    assert ended.stderr.splitlines()[-1].startswith("ValueError: FASTACT_CPU")


@pytest.mark.parametrize(
    ("words", "at"),
    [
        (("bench", "--size", "1K", "--dtype", "float32"), "relu"),
        (("bench", "--peers", "numpy", "--size", "1K", "--dtype", "float32"), "sigmoid"),
        (("bench", "--busy", "0", "--quick", "--size", "1K,2K"), "sigmoid"),
        (("accuracy", "--dtype", "float32"), "identity"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else value,
)
def test_ctrl_c_shows_and_writes_what_was_measured(words, at, tmp_path):
    file = tmp_path / "measured.json"
    ended = run_in_terminal(80, *words, "--json", str(file), interrupt_at=at)
    assert ended.status == 130
    assert "Traceback" not in ended.out
    assert "Interrupted: " in ended.out
    record = json.loads(file.read_text())
    assert record["partial"] is True
    names = {m["activation"] for m in record["measurements"]}
    assert names
    assert names < set(fa.activations)
    assert all(name in ended.out for name in names) or "--details" in ended.out


def test_ctrl_c_before_anything_was_measured(fresh_python):
    """While the command imports what it needs, for example."""
    code = """if True:
        from fastact.command import info, main
        def run(_):
            raise KeyboardInterrupt
        info.run = run
        raise SystemExit(main.main(["info"]))"""
    ended = fresh_python(code)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "fastact info: interrupted\n")
