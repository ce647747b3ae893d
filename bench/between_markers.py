"""Generated tables stand between the comments ``<!-- NAME -->`` and ``<!-- /NAME -->`` of a document.

What makes one of a benchmark's record reads that by ``recorded``; ``line`` and ``heading`` make its lines.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fastact.measure.passes.forms import FORMS


def write(document: Path, name: str, table: str) -> None:
    """Put `table` between the markers of that name, of which the document must have one pair."""
    text, markers = re.subn(
        rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
        lambda found: f"{found[1]}\n{table}\n\n{found[2]}",
        document.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    if markers != 1:
        raise SystemExit(f"{document.name} has {markers} pairs of <!-- {name} --> markers; it must have one")
    document.write_text(text, encoding="utf-8")


def line(*cells: object) -> str:
    """One line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def heading(words: Iterable[str], figures: Iterable[str]) -> list[str]:
    """The first two lines: the columns of words, then those of figures, which stand at the right."""
    kinds = [(name, "---") for name in words] + [(name, "--:") for name in figures]
    return [line(*column) for column in zip(*kinds, strict=True)]


def direction_of(m: dict[str, Any]) -> str:
    """The direction of a recorded measurement, and what backward was computed from."""
    return f"{m['direction']} from {m['saves']}" if m["saves"] else m["direction"]


def of_passes(record: dict[str, Any]) -> bool:
    """Whether a run was of passes; these and activations have tables of their own."""
    kinds = {m["activation"] in FORMS for m in record["measurements"]}
    if len(kinds) != 1:
        raise SystemExit("the run measured activations and passes; each have tables of their own")
    return kinds == {True}


def recorded(about: str) -> dict[str, Any]:
    """The record that the command line names."""
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument(
        "json", type=Path, help="what `fastact bench --json` wrote (with --peers: of a comparison)"
    )
    return json.loads(parser.parse_args().json.read_text(encoding="utf-8"))
