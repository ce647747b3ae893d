"""The objects of the passes around activations: what all of them say of themselves."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ..catalog import Pass
from . import docstring
from .described import WhenAsked

PUBLIC = ("name", "row", "formula", "reference", "backward")
"""What a pass's object has for its user."""


class Around:
    """A pass: called on arrays, with a `backward`; its class says in its signatures what both take."""

    own_names: tuple[str, ...] = ()
    """Public names beside `PUBLIC`."""

    def __init_subclass__(cls) -> None:
        # A class has a text of its own, which would hide that of its objects.
        lazily = WhenAsked(
            lambda self: docstring.of_pass(self.row, self.__signature__, type(self).__call__.__doc__),
            cls.__doc__,
        )
        lazily.__set_name__(cls, "__doc__")
        cls.__doc__ = lazily  # type: ignore[assignment]

    def __init__(self, row: Pass) -> None:
        self.row = row
        self.name = self.__name__ = row.name
        self.formula, self.reference = row.formula, row.reference
        # The interpreter's own errors call a method by this name, and a pass has its class to itself.
        for word, method in vars(type(self)).items():
            if isinstance(method, FunctionType) and (
                word == "__call__" or word in (*PUBLIC, *self.own_names)
            ):
                method.__qualname__ = row.name if word == "__call__" else f"{row.name}.{word}"

    @property
    def __signature__(self) -> inspect.Signature:
        return bare(self.__call__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    if TYPE_CHECKING:

        def backward(self, *args: Any, **kwargs: Any) -> Any: ...

    def __dir__(self) -> list[str]:
        """Public names alone: what a session completes."""
        return sorted((*PUBLIC, *self.own_names))

    def __repr__(self) -> str:
        return f"<fastact pass {self.name}{self.__signature__}>"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return named, (self.name,)


def bare(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function without its types, which docstrings say."""
    found = inspect.signature(function)
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values()]
    return found.replace(parameters=parameters, return_annotation=inspect.Signature.empty)


def made(row: Pass) -> Around:
    """The object of a row."""
    module, name = row.made_by.split(".")
    return getattr(import_module(f"fastact.core.{module}"), name)(row)  # type: ignore[no-any-return]


def named(name: str) -> Around:
    """The object of that name: what a pickle of one stands for."""
    from .. import passes

    return passes[name]
