"""Generated tables stand between the comments ``<!-- NAME -->`` and ``<!-- /NAME -->`` of a document.

What makes such a table of a benchmark's record is a command by ``main``.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any


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


def main(about: str, document: Path, name: str, table: Callable[[dict[str, Any]], str]) -> None:
    """Make the table of the record that the command line names, and write it."""
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument(
        "json", type=Path, help="what `fastact bench --json` wrote (with --peers: of a comparison)"
    )
    record = json.loads(parser.parse_args().json.read_text(encoding="utf-8"))
    write(document, name, table(record))
