"""Which kernels run: chosen at import, shown by `show_config`."""

from __future__ import annotations

import os
import sys
from functools import cache

import numpy as np

from .. import _dispatch
from . import passing
from .threads import get_num_threads

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


def kernels(level: str) -> object:
    """The table of a level's kernels.

    A statement for each module: what freezes an application (PyInstaller, Nuitka) finds the modules that
    import statements name, and no others.
    """
    if level == "v4":
        from .._kernels_v4 import capsule
    elif level == "v3":
        from .._kernels_v3 import capsule
    elif level == "v1":
        from .._kernels_v1 import capsule
    else:
        from .._kernels_base import capsule
    return capsule


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
        Keys ``version``, ``level``, ``levels``, ``threads``, ``large``, ``compiler``, ``openmp``, ``numpy``
        and ``python``.
    """
    compiler, openmp, whose = _dispatch.build()
    return {
        "version": version(),
        "level": level,
        "levels": available_levels(),
        "threads": get_num_threads(),
        "large": passing.fixed or "measured",
        "compiler": compiler,
        "openmp": f"OpenMP {openmp} on {whose} threads" if openmp else "none (one thread)",
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
_dispatch.load(kernels(level))
