"""An activation with its parameters inside, so that arrays alone go in: what other libraries want to call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..catalog import Properties, Row


class Activation:
    """What is called on arrays, and has a `backward`: an activation, or one with parameters bound."""

    name: str
    row: Row
    parameters: dict[str, Any]
    formula: str
    range: str
    reference: str
    properties: Properties
    monotonic: bool
    saturates: bool
    zero_centered: bool
    saves: tuple[str, ...]

    if TYPE_CHECKING:

        def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any: ...
        def backward(self, dy: Any, *args: Any, **kwargs: Any) -> Any: ...
        def bind(self, *args: Any, **kwargs: Any) -> Bound: ...


class Bound(Activation):
    """An activation with some of its parameters fixed; `Described.bind` makes it."""

    def __init__(self, activation: Any, parameters: dict[str, Any]) -> None:
        self.activation, self.bound = activation, dict(parameters)
        self.name = self.__name__ = activation.name
        self.parameters = {**activation.parameters, **self.bound}

    def __call__(self, x: Any, out: Any = None, **others: Any) -> Any:
        """The activation of `x`; what it takes beside `out` and is not bound is given by name."""
        return self.activation(x, out=out, **self._with(others))

    def backward(self, dy: Any, *, out: Any = None, **others: Any) -> Any:
        """Gradient of the input, from `dy` and ``x=`` or ``y=``; see `backward` of the activation."""
        return self.activation.backward(dy, out=out, **self._with(others))

    def bind(self, **parameters: Any) -> Bound:
        """More parameters fixed; see `bind` of the activation."""
        return self.activation.bind(**self._with(parameters))

    def _with(self, others: dict[str, Any]) -> dict[str, Any]:
        for name in self.bound:
            if name in others:
                raise TypeError(f"{self!r} has {name} bound, and got {name}={others[name]!r}")
        return {**self.bound, **others}

    def __getattr__(self, name: str) -> Any:
        # What the activation says of itself, for those that ask an object of either kind.
        if name.startswith("_") or "activation" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.activation, name)

    def __dir__(self) -> list[str]:
        return sorted({*dir(self.activation), "activation", "bound"})

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.bound.items())
        return f"fastact.{self.name}.bind({given})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bound) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return self.name, *((name, hashable(self.bound[name])) for name in sorted(self.bound))

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        # The same in every process, so that a graph's keys are.
        return "fastact", *self._key()

    def __reduce__(self) -> tuple[Any, ...]:
        return Bound, (self.activation, self.bound)


def hashable(value: Any) -> Any:
    """What stands for a value where values are compared: an array's dtype, shape and bytes."""
    if isinstance(value, np.ndarray | list):
        array = np.asarray(value)
        return array.dtype.str, array.shape, array.tobytes()
    return value
