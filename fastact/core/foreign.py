"""Arrays that are not NumPy's own: which library computes a call on them, and what it is handed.

A library is known here by the name of its module alone; what is to be done with its arrays is said in
``fastact/integrations``, in a module that is imported when such an array first comes.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .arrays import Part
from .bound import hashable

INTEGRATIONS = {
    "xarray": "xarray",
    "pandas": "pandas",
    "polars": "polars",
    "dask": "dask",
    "torch": "torch",
    "pint": "pint",
    "astropy": "astropy",
    "sparse": "sparse",
    "scipy": "scipy_sparse",
    "numpy": "masked",
}
"""The module of `fastact.integrations` for the package that a type comes from; of two, the first."""

AS_NDARRAY = {
    "xarray": ".to_numpy()",
    "pandas": ".to_numpy()",
    "polars": ".to_numpy()",
    "dask": ".compute()",
    "pint": ".magnitude",
    "astropy": ".value",
    "sparse": ".todense()",
    "scipy_sparse": ".toarray()",
    "masked": ".filled(number)",
}
"""What gives an ndarray of the numbers in an array, by the module for its library."""

OF_PYTHON = (type(None), np.ndarray, np.generic, bool, int, float, complex, str, list, tuple)
OF_TABLES = ("__arrow_c_stream__", "__arrow_c_array__", "__dataframe__")
"""What data with labels or validity offers, which an ndarray would lose."""


class Operation:
    """One direction of an activation with its parameters inside: arrays alone go in, as into a ufunc.

    What `__array_ufunc__` is given, so it has what libraries ask a ufunc for.
    """

    signature = None
    identity = None
    nout = 1

    def __init__(self, activation: Any, names: tuple[str, ...], parameters: dict[str, Any]) -> None:
        self.activation, self.names, self.parameters = activation, names, parameters
        self.__name__ = activation.name if self.forward else f"{activation.name}.backward"

    @property
    def forward(self) -> bool:
        return self.names[0] == "x"

    @property
    def nin(self) -> int:
        return len(self.names)

    @property
    def nargs(self) -> int:
        return self.nin + self.nout

    @property
    def row(self) -> Any:
        return self.activation.row

    @property
    def gives_pair(self) -> bool:
        """Whether a second result comes with the first: a parameter's gradient, or who was the largest."""
        asked = [name for name, value in self.parameters.items() if value is True]
        learns = "weight" in self.parameters and not self.forward
        return learns or any(name == "return_which" or name.endswith("_grad") for name in asked)

    @property
    def by_element(self) -> bool:
        """Whether an element of the result comes from the values at its place alone, wherever that is."""
        shape = self.row.shape
        return shape.by_element and not (shape.along_axis or self.gives_pair or self.draws)

    @property
    def draws(self) -> bool:
        """Whether an element of the result depends on its place in the whole array."""
        return self.parameters.get("seed") is not None

    @property
    def axis(self) -> Any:
        """The axis of the call; None where it has none."""
        return self.parameters.get("axis")

    def with_parameters(self, **changed: Any) -> Operation:
        """The same with other parameters."""
        return Operation(self.activation, self.names, {**self.parameters, **changed})

    def __call__(self, *arrays: Any, out: Any = None) -> Any:
        if len(arrays) != self.nin:
            raise TypeError(f"{self.__name__} takes {self.nin} arrays here; {len(arrays)} were given")
        call = self.activation if self.forward else self.activation.backward
        return call(
            arrays[0], **dict(zip(self.names[1:], arrays[1:], strict=True)), out=out, **self.parameters
        )

    def _on_part(self, part: Part, *arrays: Any) -> Any:
        """The result on a part of an array where every element draws by its place in the whole."""
        return self.activation._on_part(part, self.names, arrays, self.parameters)

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"<fastact {self.__name__}({', '.join(self.names)}) with {given or 'no parameters'}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Operation) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        given = ((name, hashable(self.parameters[name])) for name in sorted(self.parameters))
        return (self.activation.name, self.names, *given)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        # The same in every process, so that a graph's keys are.
        return "fastact", *self._key()

    def __reduce__(self) -> tuple[Any, ...]:
        return Operation, (self.activation, self.names, self.parameters)


def compute(activation: Any, arrays: dict[str, Any], out: Any, parameters: dict[str, Any]) -> Any:
    """What another library makes of a call; NotImplemented where every array is NumPy's or Python's own.

    Parameters
    ----------
    activation
        Its object.
    arrays : dict
        ``x``, or ``dy`` and what was saved, by name.
    out
        As it was given.
    parameters : dict
        All else that was given, by name, checked already.

    Raises
    ------
    TypeError
        If no library knows what to do, or it cannot do this.
    """
    given = (*arrays.values(), out)
    others = [a for a in given if type(a) is not np.ndarray and not _is_own(a)]
    beside = [a for a in parameters.values() if not _is_own(a)]
    if not (others or beside):
        return NotImplemented
    operation = Operation(activation, tuple(arrays), parameters)
    inputs = tuple(arrays.values())
    for module in _integrations(others + beside):
        result = module.compute(operation, inputs, out)
        if result is not NotImplemented:
            return result
    for other in others:
        if _refuses(other):
            raise TypeError(_refusal(f"{operation.__name__} does not take a", other))
    if any(_overrides(a) for a in others):
        if operation.by_element:
            return through_protocol(operation, inputs, out)
        overriding = next(a for a in others if _overrides(a))
        raise TypeError(_refusal(f"{operation.__name__} does not take a", overriding))
    wrapping = [a for a in others if hasattr(type(a), "__array_wrap__")]
    return _wrapped(operation, inputs, out, wrapping) if wrapping else NotImplemented


def on_memory(called: str, given: dict[str, Any], call: Callable[..., Any]) -> Any:
    """What a call makes of memory that tensors lend; NotImplemented where none is of a tensor.

    For calls of several arrays, of which labels, masks or units would fit one and not the others.

    Parameters
    ----------
    called : str
        What the call is named in an error.
    given : dict
        Its arrays, and those of its results, by name: each one, None, or a tuple of them.
    call : callable
        Takes them by name, gives an array or a tuple of them. What is new of these comes back as a tensor,
        what was given as itself.

    Raises
    ------
    TypeError
        If an array holds more than numbers.
    """
    refuse(called, **given)
    if not any(_integration(array) == "torch" for value in given.values() for array in _each(value)):
        return NotImplemented
    return importlib.import_module("fastact.integrations.torch").on_memory(given, call)


def refuse(called: str, **given: Any) -> None:
    """TypeError where an array would lose in an ndarray what it holds beside numbers."""
    for name, value in given.items():
        for array in _each(value):
            if _holds_more(array):
                raise TypeError(_refusal(f"{called}: {name} is a", array))


def _each(value: Any) -> Iterator[Any]:
    """The arrays of an argument: itself, or those of a tuple."""
    if type(value) is tuple:
        yield from value
    else:
        yield value


def _holds_more(array: Any) -> bool:
    """Whether an ndarray in its place would lose anything: not one of Python, nor memory alone."""
    if _is_own(array) or type(array) is np.memmap or _integration(array) == "torch":
        return False
    wraps = _overrides(array) or _refuses(array) or hasattr(type(array), "__array_wrap__")
    return wraps or bool(_integration(array))


def through_protocol(operation: Operation, inputs: tuple[Any, ...], out: Any) -> Any:
    """What `__array_ufunc__` of the arrays makes of a call, asked in NumPy's order (NEP 13)."""
    asked: list[Any] = []
    for array in (*inputs, out):
        if _overrides(array) and type(array) not in map(type, asked):
            later = [k for k, other in enumerate(asked) if issubclass(type(array), type(other))]
            asked.insert(later[0] if later else len(asked), array)
    words = {} if out is None else {"out": (out,)}
    for array in asked:
        result = type(array).__array_ufunc__(array, operation, "__call__", *inputs, **words)
        if result is not NotImplemented:
            return result if out is None else out
    kinds = ", ".join(type(array).__name__ for array in asked)
    raise TypeError(f"{operation.__name__}: none of {kinds} knows what to do with the others")


def _is_own(array: Any) -> bool:
    """Whether it is what NumPy or Python has for one number or several."""
    return type(array) in OF_PYTHON or isinstance(array, np.generic)


def _integration(array: Any) -> str:
    """The module of `fastact.integrations` for an array; empty where there is none."""
    for base in type(array).__mro__:
        name = INTEGRATIONS.get(base.__module__.partition(".")[0])
        if name and (name != "masked" or base.__module__.startswith("numpy.ma")):
            return name
    return ""


def _integrations(arrays: list[Any]) -> list[Any]:
    """The modules of those arrays that have one, in their order of precedence."""
    names = set(map(_integration, arrays))
    ordered = [name for name in INTEGRATIONS.values() if name in names]
    return [importlib.import_module(f"fastact.integrations.{name}") for name in ordered]


def _overrides(array: Any) -> bool:
    """Whether its type has an `__array_ufunc__` of its own."""
    own = getattr(type(array), "__array_ufunc__", None)
    return own is not None and own is not np.ndarray.__array_ufunc__


def _refuses(array: Any) -> bool:
    """Whether an ndarray made of it would lose what it holds, or it wants none made."""
    if getattr(type(array), "__array_ufunc__", False) is None:
        return True
    return not _overrides(array) and any(inspect.getattr_static(array, name, None) for name in OF_TABLES)


def _refusal(words: str, array: Any) -> str:
    kind = f"{type(array).__module__}.{type(array).__qualname__}"
    instead = AS_NDARRAY.get(_integration(array))
    made = f"its {instead}" if instead else "one that is made of it"
    return f"{words} {kind}: an ndarray would lose what it holds beside numbers; pass {made}"


def _wrapped(operation: Operation, inputs: tuple[Any, ...], out: Any, wrapping: list[Any]) -> Any:
    """The result as ufuncs give it: an array that the type of highest priority wraps."""
    arrays = [np.asarray(array) if array is not None else None for array in inputs]
    if out is not None:
        operation(*arrays, out=np.asarray(out) if isinstance(out, np.ndarray) else out)
        return out
    result = operation(*arrays)
    wrapper = max(wrapping, key=lambda array: getattr(array, "__array_priority__", 0.0))
    first = result[0] if operation.gives_pair else result
    wrapped = wrapper.__array_wrap__(np.asarray(first), None, isinstance(first, np.generic))
    return (wrapped, result[1]) if operation.gives_pair else wrapped
