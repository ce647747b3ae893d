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

from .core import affinity as _affinity  # before what loads an OpenMP runtime

try:
    with _affinity.restored():
        from . import _dispatch  # noqa: F401
except ImportError as _error:
    from .core.unloadable import reason as _reason

    if _why := _reason(__file__):
        raise ImportError(_why, name=_error.name, path=_error.path) from _error
    raise

try:
    from .core import processor as _processor
except ValueError as _error:  # a variable of the environment makes no sense
    from .core.started import end_command as _end_command

    _end_command(_error)
    raise

from .catalog import passes as _passes
from .catalog import rows as _rows
from .core import activation as _activation  # noqa: F401  its classes are those of the objects
from .core import random as _random  # noqa: F401
from .core.bound import Activation
from .core.compiled import c_api as _capsule
from .core.compiled import get_include
from .core.described import KINDS as _KINDS
from .core.passes import Around as _Around
from .core.passes import made as _made
from .core.processor import config, show_config
from .core.threads import get_num_threads, num_threads, set_num_threads

activations: dict[str, Activation] = {row.name: _KINDS[row.kind](row) for row in _rows}
"""Every activation by name."""

passes: dict[str, _Around] = {row.name: _made(row) for row in _passes}
"""Every pass around an activation, by name: norms, losses, dropout, cells."""

globals().update(activations)
globals().update(passes)


def get(name: str) -> Activation:
    """Look up an activation by its name, here or in another library.

    Parameters
    ----------
    name : str
        One of `fa.activations`; or what torch (functions and modules), jax, onnx, keras, sklearn or
        huggingface (configurations) call it: ``"SiLU"``, ``"logistic"``, ``"gelu_new"``. A name that is one
        of `fa.activations` means that one; ``"keras:leaky_relu"`` means that of the library.

    Returns
    -------
    activation
        The object, the same as the attribute of that name. Where the library's defaults differ, it has
        theirs bound, and its `repr` says which.

    Raises
    ------
    ValueError
        If there is none, then the message names the closest ones; or if libraries mean different things
        by it, then it says which.

    Examples
    --------
    >>> import fastact as fa
    >>> fa.get("silu") is fa.get("SiLU") is fa.silu
    True
    >>> fa.get("HardSigmoid")
    fastact.hardsigmoid.bind(slope=0.2)
    """
    if name in activations:
        return activations[name]
    from .core.lookup import elsewhere  # which few ask for

    return elsewhere(str(name))


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> str:
    if name == "__version__":
        return _processor.version()
    if name == "_c_api":
        return _capsule()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Activation",
    "__version__",
    "activations",
    "config",
    "get",
    "get_include",
    "get_num_threads",
    "num_threads",
    "passes",
    "set_num_threads",
    "show_config",
    *activations,
    *passes,
]
