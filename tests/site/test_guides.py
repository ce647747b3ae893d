"""The guides: their examples run and print what they say, and what they quote is so."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
from pathlib import Path

import numpy as np
import pages
import pytest

import fastact as fa

ROOT = Path(__file__).parents[2]
GUIDES = "start.md", "gradients.md", "passes.md", "in_place.md", "float64.md", "own_activation.md"
CODE = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    return CODE.findall(pages.whole(page))


def in_one_line(page: str) -> str:
    return " ".join(pages.whole(page).split())


EXAMPLES = [(page, i) for page in GUIDES for i, _ in enumerate(blocks(page))]


@pytest.mark.parametrize(("page", "i"), EXAMPLES)
def test_an_example_prints_what_it_says(page, i, tmp_path):
    example = blocks(page)[i]
    if "import numba\n" in example and not pages.is_installed("numba"):
        pytest.skip("numba is not installed")
    run = pages.run_python("-W", "error", "-c", example, folder=tmp_path)
    assert pages.prints_what_it_says(example, run.stdout), run.stdout + run.stderr


def test_the_activation_of_ones_own_is_the_same_in_cython(tmp_path):
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    if shutil.which("gcc") is None:
        pytest.skip("there is no compiler")
    (source,) = pages.examples("own_activation.md", "In Cython", "cython")
    (build,) = pages.examples("compiled.md", "Cython", "python")
    (tmp_path / "stranger.pyx").write_text(source)
    (tmp_path / "setup.py").write_text(build)
    run = pages.run_python("setup.py", "build_ext", "--inplace", folder=tmp_path)
    assert run.returncode == 0, run.stderr
    code = (
        "import numpy as np, stranger, fastact as fa; x = np.linspace(-4, 4, 9); out = np.empty(9); "
        "stranger.phish(x, out); print((out == x * fa.tanh(fa.gelu(x))).all())"
    )
    run = pages.run_python("-c", code, folder=tmp_path)
    assert run.stdout == "True\n", run.stderr


def test_what_backward_takes_is_what_the_catalog_says():
    rows = re.findall(r"^\| (`[xy].*?) \| (.*) \|$", pages.whole("in_place.md"), flags=re.MULTILINE)
    said = {kind: re.findall(r"(\w+)(?: \(`(.*?)`\))?", names) for kind, names in rows}
    found: dict[str, list[tuple[str, str]]] = {kind: [] for kind in said}
    for name, activation in fa.activations.items():
        condition = activation.row.output_determines.replace("threshold == inf", "threshold=None")
        kind = (
            "`x`, and `y` under a condition" if condition else " or ".join(f"`{s}`" for s in activation.saves)
        )
        found[kind].append((name, condition))
    assert said == found


def test_memory_is_what_the_experiment_measures(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    memory = importlib.import_module("memory_in_place")
    text = in_one_line("in_place.md")
    (kept, in_place) = re.search(
        r"With 40 layers .* is ([\d.]+) of them; in place it is ([\d.]+)", text
    ).groups()
    for name, expected in (("elu", in_place), ("silu", kept)):
        assert f"{memory.measured(name, 40, True, 64, 4_000)[0]:.1f}" == expected
    assert f"{memory.measured('elu', 40, False, 64, 4_000)[0]:.1f}" == kept


def test_times_are_those_of_the_table_that_is_named():
    table = pages.whole("adapters.md")
    rows = [
        re.findall(rf"^\| GPT-2-like pass in NumPy, {kind} .*$", table, re.MULTILINE)
        for kind in ("with np.sqrt", "float32")
    ]
    quoted = re.search(
        r"A pass takes ([\d.]+) ms and ([\d.]+) ms; .* on one thread, ([\d.]+) ms and ([\d.]+) ms",
        in_one_line("float64.md"),
    ).groups()
    columns = [[cell.split(" ")[0] for cell in row.split(" | ")[3:5]] for (row,) in rows]
    assert quoted == tuple(np.transpose(columns).ravel())


@pytest.mark.parametrize("page", GUIDES)
def test_links_lead_somewhere(page):
    text = pages.whole(page)
    links = re.findall(r"\]\(([^)#]*)(?:#[\w-]+)?\)|^```\{(?:figure|image)\} (\S+)", text, flags=re.MULTILINE)
    scripts = {path.stem for path in ROOT.joinpath("examples").glob("*.py")} | {"index"}
    for target in filter(None, (word or picture for word, picture in links)):
        made = re.fullmatch(r"(?:generated/figures/)?experiments/(\w+)\.(?:md|svg)", target)
        written = re.fullmatch(r"(activations|passes)/(\w+)\.md", target)
        if made:
            assert made[1] in scripts, target
        elif written:
            assert written[2] in {*getattr(fa, written[1]), "index"}, target
        else:
            assert target == "conventions.md" or ROOT.joinpath("docs", target).exists(), target
