"""Generated tables stand between the comments ``<!-- NAME -->`` and ``<!-- /NAME -->`` of a document."""

from __future__ import annotations

import re
from pathlib import Path


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
