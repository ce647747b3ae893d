"""The record of a run: what was measured, and on what, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any


def write(file: Path | None, measured: Sequence[Any], **about: Any) -> None:
    """Write measurements, and what the run says of itself, where there is a file."""
    if file:
        record = {**about, "measurements": [asdict(m) for m in measured]}
        file.write_text(json.dumps(record, indent=1) + "\n")
