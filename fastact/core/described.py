"""What every activation says of itself, and how the parameters of a call are read and checked."""

from __future__ import annotations

import inspect
import math
from functools import cache, lru_cache
from types import CodeType
from typing import Any

import numpy as np

from ..catalog import REQUIRED, Parameter, Row
from . import compiled, docstring

KEYWORD, EITHER = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD


KINDS: dict[str, Any] = {}
"""The class of an activation's object, by the kind of its row."""


class Described:
    """What every activation says of itself, taken from its row of the catalog."""

    backward_doc: str
    """Docstring of `backward`, where that is compiled."""

    extra: tuple[tuple[str, Any], ...] = ()
    """Parameters that belong to the shape of work, after those of the row."""
    keywords: tuple[tuple[str, Any], ...] = ()
    """Keyword-only parameters beside ``out``."""
    own_by = EITHER
    """How the row's parameters are given: in EITHER way, or by KEYWORD only, after those of the shape."""

    def __init_subclass__(cls, kind: str) -> None:
        KINDS[kind] = cls
        if hasattr(cls, "backward_doc"):
            cls.backward.__doc__ = cls.backward_doc  # type: ignore[attr-defined]

    def _describe(self, row: Row) -> None:
        self.row = row
        self._numeric = tuple(p for p in row.parameters if not p.choices)
        self._names = tuple(p.name for p in row.parameters)
        # A call's numbers are mostly those of the last; checking them takes longer than a small array.
        self._violated = lru_cache(maxsize=32)(self._first_violated)
        self.name = self.__name__ = row.name
        self.formula, self.range, self.reference = row.formula, row.range, row.reference
        self.monotonic, self.saturates = row.monotonic, row.saturates
        self.zero_centered, self.saves = row.zero_centered, row.saves
        own = tuple((p.name, p.default) for p in row.parameters)
        self.parameters = {name: None if d is inspect.Parameter.empty else d for name, d in own + self.extra}
        self.__signature__ = inspect.Signature(
            sorted(
                [inspect.Parameter("x", EITHER)]
                + [inspect.Parameter(name, self.own_by, default=d) for name, d in own]
                + [inspect.Parameter(name, EITHER, default=d) for name, d in self.extra]
                + [
                    inspect.Parameter(name, KEYWORD, default=d) for name, d in (("out", None), *self.keywords)
                ],
                key=lambda parameter: parameter.kind,
            )
        )
        self.__doc__ = docstring.forward(row, self.__signature__)

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

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The row's parameters of a call by name, as they were given."""
        names = self._names
        if len(args) > len(names):
            raise TypeError(
                f"{self.name} takes x and {len(names)} parameters {list(names)}; {len(args)} were given"
            )
        given = dict(zip(names, args, strict=False))
        for key, value in kwargs.items():
            if key not in names:
                raise TypeError(
                    f"{self.name} has no parameter {key!r}; it takes {list(names) or 'none'} and out"
                )
            if key in given:
                raise TypeError(f"{self.name} got {key} twice, by position and by name")
            given[key] = value
        return given

    def _read_parameters(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[float, ...]:
        """The row's numbers of a call, checked, in the order of the kernel."""
        return self._numbers(self._bind(args, kwargs))

    def _numbers(self, given: dict[str, Any]) -> tuple[float, ...]:
        values = tuple([self._number(p.name, given.get(p.name, p.default), p.none) for p in self._numeric])
        violated = self._violated(values)
        if violated is not None:
            named = self._by_name(values)
            raise ValueError(
                f"{self.name}: {violated.name}={named[violated.name]}; allowed is {violated.constraint} "
                f"(given {', '.join(f'{name}={value}' for name, value in named.items())})"
            )
        return values

    def _by_name(self, values: tuple[float, ...]) -> dict[str, float]:
        return {p.name: value for p, value in zip(self._numeric, values, strict=True)}

    def _first_violated(self, values: tuple[float, ...]) -> Parameter | None:
        named = self._by_name(values)
        for parameter in self.row.parameters:
            if parameter.constraint and not eval(_condition(parameter.constraint), {}, named):
                return parameter
        return None

    def _number(self, name: str, value: Any, none: float | None) -> float:
        if type(value) is float and value == value:
            return value
        value = none if value is None else value
        if value is REQUIRED:
            raise TypeError(f"{self.name} needs the parameter {name}")
        if isinstance(value, np.ndarray) and value.ndim:
            raise TypeError(f"{self.name}: {name} is an array of shape {value.shape}; allowed is one number")
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"{self.name}: {name}={value!r}; allowed is a number") from None
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
        if condition and not eval(_condition(condition), {"inf": math.inf}, named):
            given = ", ".join(f"{n}={v}" for n, v in named.items())
            raise ValueError(
                f"{self.name}.backward from y= needs {condition}, given {given}: "
                "the output does not tell on which side of the bend the input was then, so pass x="
            )


@cache
def _condition(text: str) -> CodeType:
    """A condition of the catalog, compiled: that takes longer than a small array."""
    return compile(text, "<catalog>", "eval")


def activation(name: str) -> Any:
    """The object of that name: what a pickle of one stands for."""
    from .. import activations

    return activations[name]
