"""The arguments of calls: their names, defaults and meanings, from which signatures and docstrings follow."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

REQUIRED: Any = inspect.Parameter.empty
"""The default of what every call must give; a class, so that it is itself after pickling too."""


class Argument(NamedTuple):
    """One argument of a call, forward or backward or both."""

    name: str
    default: Any
    """Its value where a call does not give it, or `REQUIRED`."""
    kind: str
    """Its type, in the words of a docstring; ``tools/stubs.py`` has those of type checkers."""
    meaning: str
    by_name: bool = False
    """Whether forward takes it by name only, as backward takes all."""
    only: str = ""
    """``forward`` or ``backward``, where the other one does not take it."""


OUT = Argument("out", None, "numpy.ndarray or tuple of one, optional", "Where the result goes.")
WHERE = Argument(
    "where",
    None,
    "array_like of bool, optional",
    "Boolean mask that broadcasts to `x`: what it leaves out gets 0 and does not count.",
    by_name=True,
    only="forward",
)
