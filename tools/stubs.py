"""What type checkers and editors know of fastact: ``fastact/__init__.pyi``, made from the catalog.

The build writes it (setup.py), so that it is never checked in and never behind. Where a row was changed and
nothing is built:

    python tools/stubs.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, NamedTuple

from source_catalog import catalog_of, write

KINDS = {
    "array_like": "_ArrayLike",
    "array_like, optional": "_ArrayLike | None",
    "array_like of bool, optional": "ArrayLike | None",
    "array_like of bool or float, optional": "ArrayLike | None",
    "bool": "bool",
    "bool or int": "bool | SupportsIndex",
    "float": "_Number",
    "float or None": "_Number | None",
    "float or array_like": "_ArrayLike",
    "float or array_like, optional": "_ArrayLike | None",
    "float or array_like, or a pair of them, optional": "_Biases | None",
    "int": "SupportsIndex",
    "int or None": "SupportsIndex | None",
    "int, None or tuple of int": "SupportsIndex | tuple[SupportsIndex, ...] | None",
    "tuple of float and int, optional": "tuple[_Number, SupportsIndex | None] | None",
}
"""The types of arguments by what docstrings call them; words stand for themselves."""

HEAD = '''\
"""Neural-network activation functions for NumPy arrays: forward and backward, in place, on all cores."""

# Written by tools/stubs.py from the catalog. A NumPy scalar is taken as an array is, but its result is none.
# mypy: disable-error-code="overload-overlap"
# pyright: reportOverlappingOverload=false
from array import array
from collections.abc import Sequence
from mmap import mmap
from typing import Any, Literal, Protocol, SupportsIndex, TypeAlias, TypeVar, overload, type_check_only

from numpy import bool_, float64, floating, int32, integer
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .core.bound import Activation as Activation
from .core.bound import Bound
from .core.compiled import get_include as get_include
from .core.passes import Around as _Around
from .core.processor import config as config
from .core.processor import show_config as show_config
from .core.threads import get_num_threads as get_num_threads
from .core.threads import num_threads as num_threads
from .core.threads import set_num_threads as set_num_threads

__version__: str
activations: dict[str, Activation]
passes: dict[str, _Around]

def get(name: str) -> Activation: ...

_Number: TypeAlias = float | floating[Any] | integer[Any]

@type_check_only
class _Array(Protocol):
    def __array__(self) -> NDArray[Any]: ...

@type_check_only
class _Lender(Protocol):
    def __dlpack__(self) -> Any: ...
    def __dlpack_device__(self) -> tuple[Any, Any]: ...

# Arrays of other libraries, by something that an ndarray has not.
@type_check_only
class _OfPandas(Protocol):
    @property
    def iloc(self) -> Any: ...

@type_check_only
class _OfXarray(Protocol):
    @property
    def dims(self) -> Any: ...

@type_check_only
class _OfPint(Protocol):
    @property
    def magnitude(self) -> Any: ...

@type_check_only
class _OfPolarsOrDask(Protocol):
    @property
    def rechunk(self) -> Any: ...

@type_check_only
class _OfTorch(Protocol):
    @property
    def requires_grad(self) -> Any: ...

_OfLibrary: TypeAlias = _OfPandas | _OfXarray | _OfPint | _OfPolarsOrDask | _OfTorch
_Buffer: TypeAlias = array[Any] | bytearray | memoryview[Any] | mmap
_ArrayLike: TypeAlias = (
    _Array
    | _Lender
    | _Buffer
    | float
    | Sequence[float]
    | Sequence[Sequence[float]]
    | Sequence[Sequence[Sequence[float]]]
    | Sequence[_Array]
)
_Biases: TypeAlias = _ArrayLike | tuple[_ArrayLike | None, _ArrayLike | None]
_A = TypeVar("_A", bound=NDArray[floating[Any]] | floating[Any])
_N = TypeVar("_N", bound=NDArray[floating[Any]])
_F = TypeVar("_F", bound=_OfLibrary)
_Out = TypeVar("_Out", bound=_Lender | _Buffer | _OfLibrary)
'''

ADDRESS = """\
    def address(self, dtype: DTypeLike, direction: str = "forward") -> int: ...
"""

METHODS = {
    "elementwise": """\
    def low_level_callable(self, **parameters: Any) -> Any: ...
""",
    "random_rows": """\
    def noise(
        self, shape: SupportsIndex | Sequence[SupportsIndex], dtype: DTypeLike = ..., *, seed: int
    ) -> NDArray[Any]: ...
""",
}
"""What the objects of a shape of work have beside calls and parameters."""

OUT = "_Out | tuple[_Out]"


class Overload(NamedTuple):
    """One way to call: which of the arguments have another type than theirs, and what it returns."""

    arguments: dict[str, str]
    result: str


def stub(catalog: Any) -> str:
    """The text of ``__init__.pyi``."""
    names = "".join(f'    "{row.name}",\n' for row in (*catalog.rows, *catalog.passes))
    others = ("Activation", "__version__", "activations", "config", "get", "get_include")
    others += ("get_num_threads", "num_threads", "passes", "set_num_threads", "show_config")
    listed = "".join(f'    "{name}",\n' for name in others)
    classes = "\n".join(_class(row, catalog.REQUIRED) for row in catalog.rows)
    passes = "".join(map(_pass, catalog.passes))
    return f"{HEAD}\n{classes}\n{passes}\n__all__ = [\n{listed}{names}]\n"


def _pass(row: Any) -> str:
    module, name = row.made_by.split(".")
    return f"from .core.{module} import {name} as _{name}\n\n{row.name}: _{name}\n"


def _class(row: Any, required: Any) -> str:
    forward, backward = row.arguments, row.backward_arguments
    in_both = [a for a in forward if a.name in {b.name for b in backward} - {"out"} and not a.fused]
    bind = ", ".join(["self", *(["*"] if in_both else []), *(f"{a.name}: {_type(a)} = ..." for a in in_both)])
    return (
        f"@type_check_only\nclass _{row.name}(Activation):\n"
        + _overloads("__call__", ["x"], forward, _of_forward(row), required)
        + _overloads("backward", ["dy"], backward, _of_backward(row), required)
        + f"    def bind({bind}) -> Bound: ...\n"
        + ADDRESS
        + METHODS.get(row.kind, "")
        + f'\n{row.name}: _{row.name}\n"""``{row.formula}``, {row.shape.of_what}."""\n'
    )


def _of_forward(row: Any) -> Iterator[Overload]:
    array = "_A" if row.shape.by_element else "_N"
    ways = [({"x": array}, array), ({"x": "_ArrayLike", "out": OUT}, "_Out")]
    ways += [({"x": "float | integer[Any] | bool_"}, "float64")] if row.shape.by_element else []
    ways += [({"x": "_F", **_any_axis(row.arguments)}, "_F")]
    ways += [({"x": "_ArrayLike"}, "NDArray[Any]")]
    yield from _with_more(row.arguments, ways, {"return_which": "NDArray[int32]"})


def _of_backward(row: Any) -> Iterator[Overload]:
    saved = [a.name for a in row.backward_arguments if a.kind == "array_like"]
    ways: list[tuple[dict[str, str], str]] = []
    for name in saved:
        nones = {other: "None = None" for other in saved if other != name}
        floats = "_ArrayLike" if name == "which" else "_N"
        ways += [
            ({"dy": "_N", name: floats, **nones}, "_N"),
            ({"dy": "_ArrayLike", name: "_ArrayLike", "out": OUT, **nones}, "_Out"),
            ({"dy": "_F", name: "_ArrayLike", **nones, **_any_axis(row.backward_arguments)}, "_F"),
            ({"dy": "_ArrayLike", name: "_ArrayLike", **nones}, "NDArray[Any]"),
        ]
    if any(a.name == "weight" for a in row.backward_arguments):
        ways = [(arguments, f"tuple[{result}, NDArray[Any]]") for arguments, result in ways]
    # That of a bias has its shape, or is a number as it is.
    learnt = [a.name for a in row.backward_arguments if a.name.endswith("_grad")]
    more = {name: "Any" if name == "bias_grad" else "floating[Any]" for name in learnt}
    if not row.shape.halves:
        yield from _with_more(row.backward_arguments, ways, more)
        return
    halves = [({**given, "gate": "None = None"}, result) for given, result in ways]
    yield from _with_more(row.backward_arguments, halves, more)
    two = {"gate": "_ArrayLike", "bias": "tuple[_ArrayLike | None, _ArrayLike | None] | None = None"}
    ways = [
        ({"dy": "_N", "x": "_N", **two}, "tuple[_N, _N]"),
        ({"dy": "_ArrayLike", "x": "_ArrayLike", "out": "tuple[_N, _N]", **two}, "tuple[_N, _N]"),
        ({"dy": "_ArrayLike", "x": "_ArrayLike", **two}, "tuple[NDArray[Any], NDArray[Any]]"),
    ]
    yield from _with_more(row.backward_arguments, ways, {"bias_grad": "tuple[Any, Any]"})


def _any_axis(arguments: Iterable[Any]) -> dict[str, str]:
    """An axis that may have a name of the library's."""
    return {a.name: f"Any = {a.default!r}" for a in arguments if a.name == "axis"}


def _with_more(
    arguments: Iterable[Any], ways: list[tuple[dict[str, str], str]], more: dict[str, str]
) -> Iterator[Overload]:
    """Each way, with each of the switches on and off that bring one more result, of this type."""
    switches = {name: second for name, second in more.items() if any(a.name == name for a in arguments)}
    for (given, result), ons in product(ways, product((False, True), repeat=len(switches))):
        literals = ["Literal[True]" if on else "Literal[False] = False" for on in ons]
        results = [second for second, on in zip(switches.values(), ons, strict=True) if on]
        types = result[6:-1] if result.startswith("tuple[") else result
        yield Overload(
            {**given, **dict(zip(switches, literals, strict=True))},
            f"tuple[{', '.join([types, *results])}]" if results else result,
        )


def _overloads(
    name: str, first: list[str], arguments: Iterable[Any], ways: Iterable[Overload], required: Any
) -> str:
    lines = []
    for way in ways:
        for form in _forms(way, arguments, required) if name == "__call__" else [list(arguments)]:
            by_position = [f"{array}: {way.arguments[array]}" for array in first]
            by_name = []
            for argument in form:
                text = f"{argument.name}: {_given(argument, way, required)}"
                (by_name if argument.by_name or name == "backward" else by_position).append(text)
            words = ", ".join(["self", *by_position, *["*"] * bool(by_name), *by_name])
            lines.append(f"    @overload\n    def {name}({words}) -> {way.result}: ...\n")
    return "".join(lines)


def _forms(way: Overload, arguments: Iterable[Any], required: Any) -> Iterator[list[Any]]:
    """The arguments of a forward call; a given `out` comes by name, or behind all that comes by position."""
    arguments = list(arguments)
    before = [a for a in arguments if not a.by_name and a.name != "out"]
    given = "out" in way.arguments
    if not given or any(a.default is not required for a in before):
        yield [a._replace(by_name=True) if given and a.name == "out" else a for a in arguments]
    if given:
        yield [a._replace(default=required) if a in before else a for a in arguments]


def _given(argument: Any, way: Overload, required: Any) -> str:
    if argument.name in way.arguments:
        return way.arguments[argument.name]
    if argument.name == "out":
        return "None = None"
    default = "" if argument.default is required else f" = {argument.default!r}"
    return _type(argument) + default


def _type(argument: Any) -> str:
    words = argument.kind
    return f"Literal[{words[1:-1]}]" if words.startswith("{") else KINDS[words]


def texts(catalog: Any) -> dict[str, str]:
    """What belongs into the file, by its place in the package."""
    return {"__init__.pyi": stub(catalog)}


if __name__ == "__main__":
    write(texts(catalog_of()))
