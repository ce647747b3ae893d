"""How many threads calls may use: what is set, and what is found when fastact is imported."""

from __future__ import annotations

import os
import warnings
from contextlib import ContextDecorator
from contextvars import Token
from math import ceil

from .. import _dispatch
from . import arrays
from .affinity import AFFINITY, BINDING
from .quota import cpu_quota

MOST = max(1024, len(AFFINITY), os.cpu_count() or 1)
"""The largest count that is taken: more is a mistake, but on a machine that has as many processors."""


def _thread_count(value: object, name: str, given: object) -> int:
    """`value` as a thread count; ValueError names where it came from and what was given."""
    if not arrays.is_whole(value) or not 1 <= value.__index__() <= MOST:
        raise ValueError(f"{name}={given!r}: allowed is a whole number from 1 to {MOST}")
    return value.__index__()


def _read(word: str, name: str, given: str) -> int:
    digits = word.strip()
    # Python refuses to convert some thousands of digits, with an error that names no variable.
    readable = digits.isdecimal() and len(digits) < 100
    return _thread_count(int(digits) if readable else word, name, given)


def start_count() -> int:
    """The first of FASTACT_NUM_THREADS, OMP_NUM_THREADS, and what affinity and quota leave."""
    own = os.environ.get("FASTACT_NUM_THREADS")
    if own:
        return _read(own, "FASTACT_NUM_THREADS", own)
    shared = os.environ.get("OMP_NUM_THREADS")
    if shared:
        try:
            # OpenMP allows a list, one count per nesting level.
            return _read(shared.split(",")[0], "OMP_NUM_THREADS", shared)
        except ValueError as error:
            # The variable belongs to others too, who may know what was meant.
            warnings.warn(f"{error}; fastact goes by the processors", RuntimeWarning, stacklevel=2)
    return max(1, ceil(min(len(AFFINITY), cpu_quota())))


def set_num_threads(n: int) -> None:
    """Set the number of threads that calls may use, for the whole process.

    Parameters
    ----------
    n : int
        From 1 to 1024, or to the number of processors where there are more. Small arrays use one thread
        whatever is set.

    Raises
    ------
    ValueError
        If `n` is not such a number.
    """
    _dispatch.set_process_threads(_thread_count(n, "n", n))


def get_num_threads() -> int:
    """Number of threads that a call from this thread may use.

    Returns
    -------
    int
        What was set, or less: 1 in a process that was forked and in a parallel region of another library;
        at most what threadpoolctl, OpenMP or a narrowed affinity allow by now.
    """
    return _dispatch.threads()


class num_threads(ContextDecorator):
    """Set the number of threads for the ``with`` block, in the current context only.

    Tasks of an event loop, threads and suspended generators do not see each other's. A task that was
    started in the block keeps the number.

    Parameters
    ----------
    n : int
        From 1 to 1024, or to the number of processors where there are more.

    Raises
    ------
    ValueError
        If `n` is not such a number.

    Examples
    --------
    >>> import fastact as fa
    >>> with fa.num_threads(1):
    ...     fa.get_num_threads()
    1
    """

    def __init__(self, n: int) -> None:
        self.count = _thread_count(n, "n", n)
        self.entered: list[tuple[_dispatch.Scope, Token]] = []

    def __enter__(self) -> None:
        scope = _dispatch.Scope(self.count)
        others = tuple(other for other in _dispatch.scopes.get() if other.active)
        self.entered.append((scope, _dispatch.scopes.set((*others, scope))))

    def __exit__(self, *_: object) -> None:
        here = _dispatch.scopes.get()
        # The last one entered here; where there is none, it is left elsewhere than it was entered.
        left = next((entry for entry in reversed(self.entered) if entry[0] in here), self.entered[-1])
        self.entered.remove(left)
        scope, token = left
        try:
            _dispatch.scopes.reset(token)
        except ValueError:
            # Another context, which cannot be changed from here.
            scope.active = False
        else:
            _dispatch.scopes.set(tuple(other for other in here if other is not scope))

    def _recreate_cm(self) -> num_threads:
        # A decorated function may run in several threads.
        return num_threads(self.count)


_dispatch.know_processors(AFFINITY, not any(map(os.environ.get, BINDING)))
_dispatch.set_process_threads(start_count())
