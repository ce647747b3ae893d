"""Which kernels run, and on how many threads: chosen at import, shown by `show_config`."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import ContextDecorator
from contextvars import Token
from functools import cache
from math import ceil
from typing import SupportsIndex

import numpy as np

from .. import _dispatch

LEVELS = {"v1": 1, "v3": 3, "v4": 4}
"""x86-64 microarchitecture levels by the name that FASTACT_CPU takes."""


def available_levels() -> list[str]:
    """Levels that this processor and operating system support, the best last."""
    supported = _dispatch.processor_level()
    return [name for name, level in LEVELS.items() if level <= supported] or ["base"]


def chosen_level() -> str:
    """The best level available, or that of FASTACT_CPU where it is lower."""
    levels = available_levels()
    cap = os.environ.get("FASTACT_CPU")
    if not cap:
        return levels[-1]
    if cap not in LEVELS:
        raise ValueError(f"FASTACT_CPU={cap!r}: allowed are {', '.join(LEVELS)}")
    return [name for name in levels if LEVELS.get(name, 0) <= LEVELS[cap]][-1]


def _thread_count(value: object, name: str, given: object) -> int:
    """`value` as a thread count; ValueError names where it came from and what was given."""
    if not isinstance(value, SupportsIndex) or not 1 <= value.__index__() <= 1024:
        raise ValueError(f"{name}={given!r}: allowed is a whole number from 1 to 1024")
    return value.__index__()


def _cgroup_quota() -> float:
    """CPUs that the control group may use (version 2, then 1); inf where there is no limit."""
    try:
        quota, period = _words("/sys/fs/cgroup/cpu.max")
    except (OSError, ValueError):
        try:
            (quota,) = _words("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
            (period,) = _words("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
        except (OSError, ValueError):
            return float("inf")
    if quota == "max" or int(quota) <= 0:
        return float("inf")
    return int(quota) / int(period)


def _words(path: str) -> list[str]:
    with open(path) as file:
        return file.read().split()


def _initial_threads() -> int:
    for name in ("FASTACT_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name)
        if value:
            # OpenMP allows a list, one count per nesting level.
            first = value.split(",")[0] if name == "OMP_NUM_THREADS" else value
            return _thread_count(int(first) if first.strip().isdecimal() else value, name, value)
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, ceil(min(affinity, _cgroup_quota())))


def set_num_threads(n: int) -> None:
    """Set the number of threads that calls may use, for the whole process.

    Parameters
    ----------
    n : int
        From 1 to 1024. Small arrays use one thread whatever is set.

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
        1 in a process that was forked, whatever was set.
    """
    return _dispatch.threads()


class num_threads(ContextDecorator):
    """Set the number of threads for the ``with`` block, in the current context only.

    Tasks of an event loop, threads and suspended generators do not see each other's. A task that was
    started in the block keeps the number.

    Parameters
    ----------
    n : int
        At least 1.

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


@cache
def version() -> str:
    """The installed fastact's, read when asked for: that takes longer than to import all the rest."""
    from importlib import metadata

    try:
        return metadata.version("fastact")
    except metadata.PackageNotFoundError:
        return "0+unknown"


def config() -> dict[str, object]:
    """What `show_config` prints, as a dict.

    Returns
    -------
    dict
        Keys ``version``, ``level``, ``levels``, ``threads``, ``compiler``, ``openmp``, ``numpy``
        and ``python``.
    """
    compiler, openmp = _dispatch.build()
    return {
        "version": version(),
        "level": level,
        "levels": available_levels(),
        "threads": get_num_threads(),
        "compiler": compiler,
        "openmp": f"OpenMP {openmp}" if openmp else "none (one thread)",
        "numpy": np.__version__,
        "python": sys.version.split()[0],
    }


def show_config() -> None:
    """Print the CPU level, the thread count, the compiler and the OpenMP runtime.

    Examples
    --------
    >>> import fastact as fa
    >>> fa.show_config()  # doctest: +ELLIPSIS
    version   ...
    """
    for key, value in config().items():
        print(f"{key:<9} {', '.join(value) if isinstance(value, list) else value}")


level = chosen_level()
_dispatch.load(importlib.import_module(f"fastact._kernels_{level}").capsule)
_dispatch.know_processors(os.sched_getaffinity(0), True)
_dispatch.set_process_threads(_initial_threads())
