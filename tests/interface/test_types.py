"""Type checkers know every activation: they accept right calls and refuse wrong ones, line by line."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import fastact as fa
from fastact import catalog

PACKAGE = Path(fa.__file__).parent
TYPED = Path(__file__).parent / "typed"
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
INSTALLED = PACKAGE.parent.name in ("site-packages", "dist-packages")

Found = list[tuple[str, int, str]]
"""A file's name, a line and what is said of it."""


def _run(*command: str, environment: dict[str, str]) -> str:
    run = subprocess.run(
        [sys.executable, "-m", *command], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return run.stdout


def by_mypy(files: list[Path], folder: Path) -> Found:
    # A checker finds what is installed by itself, and mypy wants no other way to it.
    path = {} if INSTALLED else {"MYPYPATH": str(PACKAGE.parent)}
    config = folder / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\n[mypy-sklearn.*]\nignore_missing_imports = True\n")
    options = ["--config-file", str(config), "--cache-dir", str(folder / "cache"), "--no-pretty"]
    silent = ["--follow-imports", "silent", "--no-warn-unused-configs"]
    output = _run("mypy", *options, *silent, *map(str, files), environment=path)
    errors = re.findall(r"^(.+?):(\d+): error: (.*)$", output, re.MULTILINE)
    return [(Path(file).name, int(line), text) for file, line, text in errors]


def by_pyright(files: list[Path], folder: Path) -> Found:
    config = folder / "pyrightconfig.json"
    # Scripts import each other as their folder is where Python looks first.
    examples = [str(EXAMPLES[0].parent)] if EXAMPLES else []
    paths = examples if INSTALLED else [*examples, str(PACKAGE.parent)]
    given = {"typeCheckingMode": "standard", "reportUnusedExpression": False, "extraPaths": paths}
    config.write_text(json.dumps({**given, "include": [os.path.relpath(file, folder) for file in files]}))
    output = _run(
        "basedpyright", "-p", str(config), "--pythonpath", sys.executable, "--outputjson", environment={}
    )
    return [
        (Path(entry["file"]).name, entry["range"]["start"]["line"] + 1, entry["message"])
        for entry in json.loads(output)["generalDiagnostics"]
        if entry["severity"] == "error"
    ]


CHECKERS = {"mypy": by_mypy, "basedpyright": by_pyright}


def _needed(row: catalog.Row) -> str:
    return "".join(f", {name}={value}" for name, value in row.needs.items())


def calls_of_the_catalog() -> str:
    """A right call in every direction of every activation, and wrong ones, marked."""
    lines = ["import numpy as np", "import fastact as fa", "x = np.ones((4, 8), np.float32)"]
    for row in catalog.rows:
        name, needed = f"fa.{row.name}", _needed(row)
        also = "".join(
            f", {n}={v}" for n, v in row.numbers.items() if n not in row.needs and v < float("inf")
        )
        backward = f"{name}.backward(x, {row.saves[0]}=x{needed}"
        lines += [f"{name}(x{needed}{also}).sum()", f"{name}(x{needed}, out=x).sum()"]
        lines += [f"{name}.backward(x, {saved}=x{needed}{also}, out=None)" for saved in row.saves]
        lines += [f"{name}(x{needed}, steepness=3)  # error", f"{backward}, steepness=3)  # error"]
        lines += [f"{name}.backward(x{needed})  # error", f"{name}.bind(steepness=3)  # error"]
        lines += [f"{name}(x)  # error"] * bool(needed)
        for parameter in row.parameters:
            others = "".join(f", {n}={v}" for n, v in row.needs.items() if n != parameter.name)
            lines += [f"{name}(x{others}, {parameter.name}='steep')  # error"]
    for row in catalog.passes:
        name, methods = (
            f"fa.{row.name}",
            [m for m in dir(fa.passes[row.name]) if m in ("backward", "with_gradient")],
        )
        lines += [f"print({name}.name, {name}.formula, {name}.reference, {name}.row.allowed)"]
        for call in (name, *(f"{name}.{method}" for method in methods)):
            lines += [f"{call}()  # error", f"{call}(x, steepness=3)  # error"]
        lines += [f"{name}.forward(x)  # error"]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("checker", CHECKERS)
def test_right_calls_are_accepted_and_each_wrong_one_is_found(checker, tmp_path):
    """Of the examples, of two files of calls, and of every activation in the catalog."""
    if not importlib.util.find_spec(checker):
        pytest.skip(f"needs {checker}")
    generated = tmp_path / "of_the_catalog.py"
    generated.write_text(calls_of_the_catalog())
    files = [*EXAMPLES, TYPED / "right.py", TYPED / "mistakes.py", generated]
    found = CHECKERS[checker](files, tmp_path)
    planted = {
        (file.name, number)
        for file in files
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if line.endswith("  # error")
    }
    assert len(planted) > 5 * len(catalog.rows)
    at = {(file, line) for file, line, _ in found}
    assert not [entry for entry in found if entry[:2] not in planted], (
        "accepted by the contract, refused here"
    )
    assert sorted(planted - at) == [], "refused by the contract, accepted here"
    assert Counter(file for file, _ in at).keys() == {"mistakes.py", generated.name}
