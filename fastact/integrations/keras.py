"""keras on its NumPy backend with fastact's activations: in `keras.ops`, `keras.activations` and layers.

Which functions there are, and what their arguments are here, is read from the rows of the catalog. Where
results differ by more than rounding, keras's are those that are off: silu is 0 below -88, gelu below -5.6,
and squareplus loses digits below 0; infinities give NaN in hard_silu, softsign, squareplus, silu, gelu and
mish, and NaN gives a number in threshold and the shrinks.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras.src import backend
from keras.src.activations import activations as keras_activations

from .. import mish as _mish
from ..catalog import Row, rows
from .counterparts import Counterpart, called, choice, computed, of_text
from .replaced import Enabled, Place, Replacement


def enable() -> Enabled:
    """Replace the activations of keras's NumPy backend by fastact's, in all models and layers.

    Each keeps keras's arguments and their defaults. Integers, and arguments that no activation takes, are
    computed as before.

    Returns
    -------
    context manager
        In a ``with`` statement, what was there before comes back at the end of the block.

    Raises
    ------
    RuntimeError
        If keras runs on another backend, or this version of it lacks one of the functions; nothing is
        replaced then.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> import fastact.integrations.keras
    >>> x = np.array([-np.inf, 0, 2], dtype=np.float32)
    >>> with fastact.integrations.keras.enable():
    ...     keras.activations.leaky_relu(x, negative_slope=0.5).tolist()
    [-inf, 0.0, 2.0]
    """
    return _replacement.enable()


_CALLS = {"exponential": "exp"}
"""What `keras.activations` calls of the backend, where that is not of the same name."""


def _places() -> Iterator[Place]:
    if keras.backend.backend() != "numpy":
        raise RuntimeError(
            f"keras runs on {keras.backend.backend()}; fastact replaces what its NumPy backend computes "
            "(KERAS_BACKEND=numpy before keras is imported)"
        )
    for name in sorted({called(row.keras) for row in rows if not _is_otherwise(row)} - {""}):
        theirs = _CALLS.get(name, name)
        for module in (backend.nn, backend.numpy):
            if hasattr(module, theirs):
                yield Place(module, theirs, _ours(name, getattr(module, theirs)))
    # The one that keras writes as several calls of the backend.
    several = keras_activations.Mish.static_call
    yield Place(
        keras_activations.Mish, "static_call", staticmethod(_either(several, lambda given: _mish, {}))
    )


_replacement = Replacement("keras", _places)
disable = _replacement.disable


def _is_otherwise(row: Row) -> bool:
    """Whether keras computes what nothing here is under that name: its models go on with it."""
    return any(said.library == "keras" and said.differs and not said.call for said in row.conventions)


def _ours(name: str, theirs: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the backend, by fastact where an activation is the same."""
    defaults = _defaults(theirs)
    # Rows tell of keras.activations, whose defaults are not always those of the backend's functions.
    meant = {
        **defaults,
        **{n: d for n, d in _defaults(getattr(keras_activations, name)).items() if n in defaults},
    }
    found: list[Counterpart] = []
    for row in rows:
        if called(row.keras) == name and (read := of_text(row, row.keras, meant)):
            found.append(read[1])
    return _either(theirs, choice(found, defaults), defaults)


def _either(
    theirs: Callable[..., Any], chosen: Callable[[tuple[Any, ...]], Any], defaults: dict[str, Any]
) -> Callable[..., Any]:
    @functools.wraps(theirs)
    def function(x: Any, *args: Any, **kwargs: Any) -> Any:
        given = {**defaults, **dict(zip(defaults, args, strict=False)), **kwargs}
        # Tensors for arguments, and what is no argument, are for theirs.
        plain = len(given) == len(defaults) and all(isinstance(v, int | float) for v in given.values())
        activation = chosen(tuple(given.values())) if plain and _keeps_its_dtype(x) else None
        return theirs(x, *args, **kwargs) if activation is None else activation(x)

    return function


def _keeps_its_dtype(x: Any) -> bool:
    """Whether it is of floats, and of none that keras rounds to its floatx: float64, by some functions."""
    return computed(x) and (x.dtype != np.float64 or backend.result_type("float64") == "float64")


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """The arguments beside x, with their defaults."""
    _, *others = inspect.signature(function).parameters.values()
    return {parameter.name: parameter.default for parameter in others}
