"""The record of a run: what was measured, and on what, as JSON."""

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
        file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
