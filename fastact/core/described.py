"""What every activation says of itself, and how the parameters of a call are read and checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from types import FunctionType
from typing import Any

from .. import _dispatch
from ..catalog import REQUIRED, Argument, Parameter, Row, expression, rows
from . import arrays, compiled, docstring
from .bound import Activation, Bound

KINDS: dict[str, Any] = {}
"""The class of an activation's object, by the kind of its row."""


_ELSEWHERE = {
    "dim": "; dim= of other libraries is axis= here, where an activation works along one",
    "inplace": "; inplace=True of other libraries is out={array} here",
    "dtype": "; the dtype is that of {array}: give {array}.astype(dtype)",
    "where": "; where= is for the forward call of {masked}, whose backward finds what it left out as 0 in y",
}
"""What other libraries call something, and its name here."""


class WhenAsked:
    """An attribute that an object makes of itself when it is first asked for; its class has another.

    The docstrings and signatures of all activations would take longer than the rest of their import.
    """

    def __init__(self, make: Callable[[Any], Any], of_class: Any = None) -> None:
        self.make, self.of_class = make, of_class

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self.of_class
        made = self.make(instance)
        # Not through __dict__: an object that has shown it is slower to read from.
        setattr(instance, self.name, made)
        return made


class OfItsClass:
    """`backward` where it was not asked for yet: then it becomes a method of the activation's own class.

    A method has the signature and the docstring of its class, and is found faster than what an object holds.
    """

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        owner.backward = instance._backward_of_its_own()  # type: ignore[attr-defined]
        return instance.backward


class Described(Activation):
    """What every activation says of itself, taken from its row of the catalog."""

    own_names: tuple[str, ...] = ()
    """Public names beside `PUBLIC`."""
    gradients = docstring.Gradients("Gradient of the input from the gradient of the output.")
    """What the docstring of `backward` says beside its arguments."""

    __signature__ = WhenAsked(lambda self: docstring.signature(["x"], self.row.arguments))

    # A call's numbers are mostly those of the last; checking them takes longer than a small array.
    _violated = WhenAsked(lambda self: lru_cache(maxsize=32)(self._first_violated))

    backward = OfItsClass()

    def __init_subclass__(cls, kind: str = "") -> None:
        if not kind:
            return  # the class of one activation
        KINDS[kind] = cls
        lazily = WhenAsked(lambda self: docstring.forward(self.row, self.__signature__), cls.__doc__)
        lazily.__set_name__(cls, "__doc__")
        cls.__doc__ = lazily  # type: ignore[assignment]

    def __new__(cls, row: Row) -> Described:
        """An object of a class that is its own, for the sake of `backward`."""
        names = {"__doc__": vars(cls)["__doc__"], "__module__": cls.__module__}
        return super().__new__(type(cls.__name__, (cls,), names))

    def _describe(self, row: Row) -> None:
        self.row = row
        self._numeric = tuple(p for p in row.parameters if not p.choices)
        self._names = tuple(p.name for p in row.parameters)
        self.name = self.__name__ = row.name
        self.formula, self.range, self.reference = row.formula, row.range, row.reference
        self.monotonic, self.saturates = row.monotonic, row.saturates
        self.zero_centered, self.saves = row.zero_centered, row.saves
        self.properties = row.properties
        by_position = [a for a in row.shape.arguments if not (a.by_name or a.only)]
        self.parameters = {
            a.name: None if a.default is REQUIRED else a.default for a in (*row.parameters, *by_position)
        }

    def _backward_of_its_own(self) -> Any:
        """`backward` for a class that has this activation alone, with its signature and docstring."""
        arguments = self.row.backward_arguments
        text = docstring.backward(self.row, self.gradients)
        if isinstance(self, _dispatch.Kernels):
            # The interpreter takes the signature from a first line of this form.
            words = ", ".join(["$self", "dy", "*", *map(_as_written, arguments)])
            return _dispatch.Described(self, f"backward({words})\n--\n\n{text}").method
        shared = type(self)._backward  # type: ignore[attr-defined]
        own = FunctionType(
            shared.__code__, shared.__globals__, "backward", shared.__defaults__, shared.__closure__
        )
        own.__kwdefaults__, own.__doc__, own.__module__ = shared.__kwdefaults__, text, shared.__module__
        own.__qualname__ = f"{type(self).__qualname__}.backward"
        own.__signature__ = docstring.signature(["self", "dy"], arguments, True)  # type: ignore[attr-defined]
        return own

    def __dir__(self) -> list[str]:
        """Public names alone: what a session completes."""
        return sorted(name for name in (*PUBLIC, *type(self).own_names) if hasattr(self, name))

    def bind(self, **parameters: Any) -> Bound:
        """The activation with some of its parameters fixed.

        Parameters
        ----------
        **parameters
            What both the call and `backward` take by name, but arrays and `out`.

        Returns
        -------
        activation
            Called as ``bound(x, out=None)`` and ``bound.backward(dy, x=x, out=None)``; equal to another of
            the same activation and parameters, hashable, and the same after pickling.

        Raises
        ------
        TypeError
            If there is no such parameter.
        ValueError
            If a parameter is out of its range.

        Examples
        --------
        >>> import fastact as fa
        >>> fa.leaky_relu.bind(negative_slope=0.2)
        fastact.leaky_relu.bind(negative_slope=0.2)
        """
        taken = {a.name for a in self.row.backward_arguments} - {"out"}
        allowed = [a.name for a in self.row.arguments if a.name in taken and not a.fused]
        for name in parameters:
            if name not in allowed:
                raise TypeError(
                    f"{self.name} has no parameter {name!r} to bind; allowed are {allowed or 'none'}"
                )
        own = {name: value for name, value in parameters.items() if name in self._names}
        self._check({**self.row.required, **own})
        return Bound(self, parameters)

    def _check(self, given: dict[str, Any]) -> None:
        """Whether a call may have these of the row's parameters: its errors."""
        self._numbers(given)

    def __repr__(self) -> str:
        return f"<fastact activation {self.name}{self.__signature__}>"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return activation, (self.name,)

    def address(self, dtype: Any, direction: str = "forward") -> int:
        """Address of a C function that computes on plain memory, without Python and on one thread.

        For numba, cffi, ctypes and whoever else calls pointers. The memory is contiguous and aligned; a
        result may be written where an input lies, never across its beginning or end. The results are those
        of the array call, to the bit. Parameters are not checked.

        Parameters
        ----------
        dtype : dtype
            "float32", "float64", "float16" or "bfloat16", the last two as ``uint16_t``; rows (softmax and its
            like) have the first two.
        direction : str, default "forward"
            What it computes, and its arguments; ``T`` is the dtype's type in C. An activation with parameters
            takes each as one more ``double``, in their order.

            * "forward": ``void(const T *x, T *out, ptrdiff_t n)``
            * "backward": ``void(const T *dy, const T *saved, T *out, ptrdiff_t n)``, `saved` being the first
              of `saves`; "backward_x" and "backward_y" say which
            * "scalar": ``T(T x)``, in float32 and float64

            Rows and gates have ``ptrdiff_t rows, ptrdiff_t length`` in the place of ``n``, `length` being
            that of a row of the output; softmax's temperature is 1.

        Returns
        -------
        int
            The address; good for the life of the process.

        Raises
        ------
        ValueError
            If there is no such function; the message says which there are.

        Examples
        --------
        >>> import ctypes
        >>> import numpy as np
        >>> import fastact as fa
        >>> form = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_double)
        >>> leaky_relu = form(fa.leaky_relu.address("float32", "forward"))
        >>> x = np.array([-2.0, 3.0], dtype=np.float32)
        >>> leaky_relu(x.ctypes.data, x.ctypes.data, x.size, 0.5)
        >>> x.tolist()
        [-1.0, 3.0]
        """
        return compiled.address(self.row, dtype, direction)

    def _refuse_unknown(self, names: Iterable[str], backward: bool = False) -> None:
        """TypeError that lists what a call takes, where it was given another name."""
        arguments = self.row.backward_arguments if backward else self.row.arguments
        taken = ["dy" if backward else "x", *(a.name for a in arguments)]
        for name in names:
            # Why an array that forward has is not taken, `_read_saved` knows.
            if name not in (*taken, "x", "y"):
                of_call = f"{self.name}.backward" if backward else self.name
                meant = _ELSEWHERE.get(name, "").format(
                    masked=", ".join(row.name for row in rows if row.takes_where),
                    array="dy" if backward else "x",
                )
                raise TypeError(f"{of_call} has no argument {name!r}; it takes {', '.join(taken)}{meant}")

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any], backward: bool = False) -> dict[str, Any]:
        """The row's parameters of a call by name, as they were given."""
        names = self._names
        if len(args) > len(names):
            words = ", ".join(("x", *names, "out"))
            raise TypeError(
                f"{self.name} takes {words} by position, out there or by name; {len(args) + 1} were given"
            )
        given = dict(zip(names, args, strict=False))
        for key, value in kwargs.items():
            if key not in names:
                self._refuse_unknown([key], backward)
            if key in given:
                raise TypeError(f"{self.name} got {key} twice, by position and by name")
            given[key] = value
        return given

    def _read_parameters(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], backward: bool = False
    ) -> tuple[float, ...]:
        """The row's numbers of a call, checked, in the order of the kernel."""
        return self._numbers(self._bind(args, kwargs, backward))

    def _numbers(self, given: dict[str, Any]) -> tuple[float, ...]:
        values = tuple([self._number(p.name, given.get(p.name, p.default), p.none) for p in self._numeric])
        violated = self._violated(values)
        if violated is not None:
            named = self._by_name(values)
            raise ValueError(
                f"{self.name}: {violated.name}={named[violated.name]}; allowed is {violated.allowed} "
                f"(given {', '.join(f'{name}={value}' for name, value in named.items())})"
            )
        return values

    def _needs_float64(self, values: tuple[float, ...]) -> bool:
        """Whether float32's arithmetic may leave its normal numbers with these, or with quotients of two.

        Such a call is computed in float64 and rounded; no short path remembers it. What may be infinite is
        compared with and not computed with.
        """
        pairs = zip(self._numeric, values, strict=False)  # kernels of the defaults are given none
        computed = [abs(value) for p, value in pairs if value and not p.infinite]
        return bool(computed) and not 2.0**-63 <= min(computed) <= max(computed) <= 2.0**63

    def _by_name(self, values: tuple[float, ...]) -> dict[str, float]:
        return {p.name: value for p, value in zip(self._numeric, values, strict=True)}

    def _first_violated(self, values: tuple[float, ...]) -> Parameter | None:
        named = self._by_name(values)
        for parameter in self._numeric:
            if math.isinf(named[parameter.name]) and not parameter.infinite:
                return parameter
            if parameter.constraint and not expression.function(parameter.constraint)(named):
                return parameter
        return None

    def _number(self, name: str, value: Any, none: float | None) -> float:
        if type(value) is float and value == value:
            return value
        value = none if value is None else value
        if value is REQUIRED:
            raise TypeError(f"{self.name} needs the parameter {name}")
        number = arrays.number(self.name, name, value)
        if math.isnan(number):
            raise ValueError(f"{self.name}: {name}={value!r}; allowed is a number that is not NaN")
        return number

    def _read_saved(self, x: Any, y: Any) -> str:
        """Which of the arrays that backward can use was given."""
        direction = "y" if x is None else "x"
        if (x is None) is not (y is None) and direction in self.saves:
            return direction
        given = [name for name, value in (("x", x), ("y", y)) if value is not None]
        accepted = " or ".join(f"{name}=" for name in self.saves)
        raise TypeError(
            f"{self.name}.backward takes exactly one of {accepted} "
            f"({self._why(given)}); given were {', '.join(f'{g}=' for g in given) or 'none'}"
        )

    def _why(self, given: list[str]) -> str:
        if given == ["y"]:
            return "its derivative is not a function of the output, so pass the forward input"
        if given == ["x"]:
            return "its derivative is computed from the forward output, so pass that"
        return "x is the forward input, y the forward output"

    def _check_output_determines(self, values: tuple[float, ...]) -> None:
        condition = self.row.output_determines
        named = self._by_name(values)
        if condition and not expression.function(condition)({"inf": math.inf, **named}):
            given = ", ".join(f"{n}={v}" for n, v in named.items())
            raise ValueError(
                f"{self.name}.backward from y= needs {condition}, given {given}: "
                "the output does not tell on which side of the bend the input was then, so pass x="
            )


PUBLIC = (
    *("name", "row", "parameters", "formula", "range", "reference"),
    *("properties", "monotonic", "saturates", "zero_centered", "saves", "backward", "bind", "address"),
)
"""What an activation's object has for its user."""


def _as_written(argument: Argument) -> str:
    return argument.name if argument.default is REQUIRED else f"{argument.name}={argument.default!r}"


def activation(name: str) -> Any:
    """The object of that name: what a pickle of one stands for."""
    from .. import activations

    return activations[name]
