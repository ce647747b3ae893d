"""docs/website/machines.py: the page of every machine that was measured, from the records of the runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fastact.measure import record
from fastact.measure.peers.turns import Measurement

pytest.importorskip("matplotlib")

from website import machines

ABOUT = {"level": "v4", "version": "1.0", "python": "3.11", "peers": {"torch": "2.0", "numpy": "2.1"}}


def cell(activation="gelu", direction="forward", level="v4", error=None, **speedup: float) -> Measurement:
    saves = "x" if direction == "backward" else ""
    return Measurement(
        activation,
        direction,
        saves,
        "float32",
        2**18,
        2,
        True,
        {},
        {},
        speedup,
        level=level,
        error=error or {},
    )


@pytest.fixture
def results(tmp_path) -> Path:
    """A machine of two levels, and a later one with a run that was ended."""
    folder = tmp_path / "results"
    folder.mkdir()
    run = [
        cell(torch=4.0, numpy=9.0),
        cell("tanh", torch=0.25, numpy=3.0, error={"fastact": 1.24, "torch": 1.5e7, "numpy": 2.0}),
        cell("tanh", "backward", numpy=2.0),
        cell("mish"),
        cell("relu", level="v3", torch=0.97),
    ]
    known = {"machine": "A first processor", "date": "2026-01-31", "commit": "abc1234"}
    record.write(folder / "first.json", run, **ABOUT, **known)
    known = {"machine": "A second processor", "date": "2026-02-01", "commit": ""}
    record.write(folder / "second.json", [cell(torch=2.0)], partial=True, **ABOUT, **known)
    return folder


def page(folder: Path, results: Path) -> str:
    machines.write(folder, results)
    return (folder / "machines.md").read_text(encoding="utf-8")


def test_every_machine_is_there_the_newest_first(results, tmp_path):
    text = page(tmp_path, results)
    assert re.findall("^## (.*)$", text, re.M) == [
        "A second processor, 2026-02-01",
        "A first processor, 2026-01-31",
    ]
    for row in (
        "| A second processor | 2026-02-01 | – | v4 | 1 | 2.00 | – | 0 |",
        "| A first processor | 2026-01-31 | `abc1234` | v4 | 3 | 1.00 | 2.00 | 1 |",
        "| A first processor | 2026-01-31 | `abc1234` | v3 | 1 | 0.97 | – | 1 |",
    ):
        assert row in text.splitlines()
    assert text.count("ended before it had measured all") == 1
    assert "beside torch 2.0, numpy 2.1, with Python 3.11" in text


def test_a_mean_is_that_of_a_level_a_direction_and_a_library(results, tmp_path):
    lines = page(tmp_path, results).splitlines()
    assert "| level | direction | cells | over the best | over numpy | over torch |" in lines
    assert "| v4 | forward | 2 | 1.00 | 5.20 | 1.00 |" in lines, "the roots of 4 times 0.25, and of 9 times 3"
    assert "| v4 | backward | 1 | 2.00 | 2.00 | – |" in lines


def test_cells_below_one_stand_beside_both_errors(results, tmp_path):
    text = page(tmp_path, results)
    first = text[text.index("## A first processor") :]
    assert "Below 1 are 2 of 4 cells, 1 of them below 0.95." in first
    assert re.findall(r"^\| 0\..*$", first, re.M) == [
        "| 0.25 | torch | no digit right | 1.24 | tanh | forward | in place | float32 | 256K | 2 | v4 |",
        "| 0.97 | torch | – | – | relu | forward | in place | float32 | 256K | 2 | v3 |",
    ]
    assert text.count("No cell is below 1.") == 1


def test_the_page_says_what_it_is_where_nothing_was_measured(tmp_path):
    text = page(tmp_path, tmp_path / "results")
    assert text.startswith("# Machines\n")
    assert "No machine has been measured yet" in text
    assert "| processor |" not in text


def test_what_is_kept_is_read(tmp_path):
    """The records of the source tree, however old."""
    text = page(tmp_path, machines.RESULTS)
    assert all(f"## {machine.name}\n" in text for machine in machines.read(machines.RESULTS))


def test_the_reference_leads_to_it():
    docs = Path(machines.__file__).parents[1]
    assert "\nmachines\n" in (docs / "reference.md").read_text(encoding="utf-8")
