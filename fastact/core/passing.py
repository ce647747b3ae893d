"""How arrays beyond the caches are gone through: as the first large calls found, or as FASTACT_LARGE says."""

from __future__ import annotations

import os

from .. import _dispatch

WAYS = ("plain", "ahead", "streamed", "ahead+streamed")
"""By number: whether lines of inputs are asked for ahead, and whether results go past the caches."""

IN_PLACE, WRITTEN, UNTOUCHED = range(3)
"""Where results go: where an input is, to memory that was written before, to memory that never was."""


def fix(way: str | None) -> None:
    """Go through all large arrays in one way, or (None) in that which is found to be best for each kernel."""
    global fixed
    _dispatch.fix_passing(-1 if way is None else WAYS.index(way))
    fixed = way


def _start() -> str | None:
    way = os.environ.get("FASTACT_LARGE")
    if way and way not in WAYS:
        raise ValueError(f"FASTACT_LARGE={way!r}: allowed are {', '.join(WAYS)}")
    return way or None


fixed: str | None = None
fix(_start())
