"""Which activation another library's function is at the arguments that it is given: read from the rows."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .. import activations
from ..catalog import Row, expression
from ..core.bound import Activation


class Counterpart(NamedTuple):
    """An activation that a function is at some of its arguments."""

    row: Row
    parameters: dict[str, str]
    """Ours as expressions over the arguments."""
    arguments: dict[str, str]
    """Those it is at, as expressions over our parameters; one that is not here may be anything."""

    def at(self, arguments: dict[str, Any]) -> Activation | None:
        """The activation with its parameters bound; None where these arguments are another's, or nobody's."""
        parameters = {name: expression.function(text)(arguments) for name, text in self.parameters.items()}
        if any(arguments[n] != expression.function(text)(parameters) for n, text in self.arguments.items()):
            return None
        activation = activations[self.row.name]
        try:
            return activation.bind(**parameters) if parameters else activation
        except ValueError:  # more is allowed there
            return None


def of_text(
    row: Row, text: str, defaults: Mapping[str, Any], by_position: bool = True
) -> tuple[str, Counterpart] | None:
    """The function that a text such as ``leaky_relu(x, negative_slope)`` names, and when it is that row's.

    `defaults` are those of the function's arguments beside x, in their order; one that the text does not give
    is as there. None where the text needs more of them by position than there are.
    """
    call: Any = ast.parse(text, mode="eval").body
    given = call.args[1:]
    if len(given) > len(defaults) * by_position:
        return None
    values = dict(zip(defaults, given, strict=False)) | {k.arg: k.value for k in call.keywords}
    parameters = {value.id: name for name, value in values.items() if isinstance(value, ast.Name)}
    arguments = {name: repr(default) for name, default in defaults.items()}
    arguments |= {name: ast.unparse(value) for name, value in values.items()}
    return call.func.id, Counterpart(row, parameters, arguments)


def called(text: str) -> str:
    """The name of the function that a text calls, or nothing where it is no call."""
    call = ast.parse(text or "None", mode="eval").body
    return call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""


def choice(
    counterparts: Iterable[Counterpart], names: Iterable[str]
) -> Callable[[tuple[Any, ...]], Activation | None]:
    """What finds the activation for the arguments of these names, given in their order."""
    counterparts, names = tuple(counterparts), tuple(names)

    @lru_cache(maxsize=64)
    def chosen(arguments: tuple[Any, ...]) -> Activation | None:
        given = dict(zip(names, arguments, strict=True))
        found = (counterpart.at(given) for counterpart in counterparts)
        return next((activation for activation in found if activation is not None), None)

    return chosen


def computed(x: Any) -> bool:
    """Whether fastact gives such an array the dtype that other libraries do: floats, not integers."""
    return isinstance(x, np.ndarray | np.generic) and (x.dtype.kind == "f" or x.dtype.name == "bfloat16")
