"""What a value of the environment that makes no sense gets where the command `fastact` was started.

The command is in the package, so that its own code does not run where that cannot be imported.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import PurePath


def is_command() -> bool:
    """Whether this process is that of `fastact`, or of `python -m fastact`."""
    words = sys.orig_argv
    # `-m` stands as the name of the program until its module is found.
    asked = "-mfastact" in words or ("-m", "fastact") in pairwise(words)
    as_module = asked and sys.argv[:1] == ["-m"]
    return as_module or PurePath(sys.argv[0] if sys.argv else "").stem == "fastact"


def end_command(error: ValueError) -> None:
    """End the command with the error as its line; where the package is imported by others, do nothing."""
    if is_command():
        print(f"fastact: {error}", file=sys.stderr)
        raise SystemExit(2)
