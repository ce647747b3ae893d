"""Neural-network activation functions for NumPy arrays: forward and backward, in place, on all cores.

Every activation is one callable object, used like a NumPy ufunc:

>>> import numpy as np
>>> import fastact as fa
>>> x = np.array([-1.0, 0.0, 2.0])
>>> fa.relu(x, out=x) is x
True
>>> fa.relu.backward(np.ones(3), y=x).tolist()
[0.0, 0.0, 1.0]

`fa.activations` maps every name to its object; `fa.show_config()` says what runs.
"""

from __future__ import annotations

from typing import Any

from .core import affinity as _affinity  # before what loads an OpenMP runtime

try:
    with _affinity.restored():
        from . import _dispatch  # noqa: F401
except ImportError as error:
    from .core.unloadable import reason as _reason

    if _why := _reason(__file__):
        raise ImportError(_why, name=error.name, path=error.path) from error
    raise

from .catalog import rows
from .core import activation as _activation  # noqa: F401  its classes are those of the objects
from .core import processor as _processor
from .core import random as _random  # noqa: F401
from .core.compiled import c_api as _capsule
from .core.compiled import get_include
from .core.described import KINDS
from .core.processor import config, show_config
from .core.threads import get_num_threads, num_threads, set_num_threads

activations: dict[str, Any] = {row.name: KINDS[row.kind](row) for row in rows}
"""Every activation by name."""

globals().update(activations)


def get(name: str) -> Any:
    """Look up an activation by name.

    Parameters
    ----------
    name : str
        One of `fa.activations`.

    Returns
    -------
    activation
        The object, the same as the attribute of that name.

    Raises
    ------
    ValueError
        If there is none; the message names the closest ones.

    Examples
    --------
    >>> import fastact as fa
    >>> fa.get("silu") is fa.silu
    True
    """
    if name in activations:
        return activations[name]
    import difflib  # by itself a tenth of the time that the rest of fastact takes to import

    close = difflib.get_close_matches(str(name).lower(), activations, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise ValueError(f"there is no activation {name!r}; {hint}Known are {', '.join(sorted(activations))}")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _processor.version()
    if name == "_c_api":
        return _capsule()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "__version__",
    "activations",
    "config",
    "get",
    "get_include",
    "get_num_threads",
    "num_threads",
    "set_num_threads",
    "show_config",
    *activations,
]
