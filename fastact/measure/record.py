"""The record of a run: what was measured, and on what, as JSON.

A line holds one measurement, so that a difference of two records shows which of them are others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any


def write(file: Path | None, measured: Sequence[Any], partial: bool = False, **about: Any) -> None:
    """Write measurements, and what the run says of itself, where there is a file.

    `partial` is whether the run ended before it had measured all that it was to.
    """
    if file:
        record = {**about, "partial": partial, "measurements": [asdict(m) for m in measured]}
        entries = ",\n".join(f" {json.dumps(name)}: {_text(value)}" for name, value in record.items())
        file.write_text(f"{{\n{entries}\n}}\n", encoding="utf-8")


def _text(value: Any) -> str:
    """JSON on one line, but of a list of objects, which has a line for each of them."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value) or not value:
        return json.dumps(value)
    lines = ",\n".join(f"  {json.dumps(item)}" for item in value)
    return f"[\n{lines}\n ]"
