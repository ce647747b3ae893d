"""Letters that the encoding of a terminal does not have."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator
from contextlib import contextmanager

WORDS = {"×": "x", "–": "-", "−": "-", "µ": "u", "·": "*", "²": "^2", "…": "...", "≤": "<=", "∞": "inf"}
"""What is printed for letters that an encoding does not have; `?` for others."""


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(WORDS.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


codecs.register_error("fastact.spelled", _spelled)


@contextmanager
def spelled_out() -> Iterator[None]:
    """Within it the standard streams print what their encoding can, rather than fail after the measuring."""
    streams = [stream for stream in (sys.stdout, sys.stderr) if hasattr(stream, "reconfigure")]
    before = [stream.errors for stream in streams]
    for stream in streams:
        stream.reconfigure(errors="fastact.spelled")
    try:
        yield
    finally:
        for stream, errors in zip(streams, before, strict=True):
            # To set it flushes, which is to fail where the command has failed.
            if not stream.closed and stream.errors != errors:
                stream.reconfigure(errors=errors)
