"""What is said of a pass that is measured: its arrays, and its calls as texts over their names.

For each direction there are the call of fastact, NumPy's steps for the same, and the texts of other
libraries; ``out`` is where the result goes. `work.PassWork` makes calls of them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from types import MappingProxyType
from typing import Any

import numpy as np

import fastact as fa

from ...catalog import Pass, Row, expression
from ..formulas import numpy_calls
from ..formulas.numpy_calls import Binder, Calls

Names = dict[str, Any]
"""Arrays of a call by name, and what else its texts name."""
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Step:
    """A formula that NumPy writes into the array `target`, with sums and maxima along `axis`."""

    target: str
    text: str
    axis: int | tuple[int, ...] = -1
    reads: tuple[tuple[str, str], ...] = ()
    """What the formula calls arrays, where it is a row's, and their names."""
    numbers: tuple[tuple[str, float], ...] = ()
    """And its parameters."""

    def bind(self, names: Names, scratch: list[np.ndarray]) -> Calls:
        given = {word: names[name] for word, name in self.reads} if self.reads else names
        arrays = {name: value for name, value in given.items() if isinstance(value, np.ndarray)}
        constants = {name: value for name, value in names.items() if isinstance(value, int | float)}
        constants |= dict(self.numbers)
        target = names[self.target]
        # What is summed keeps its axis with the extent 1.
        if target.ndim < max(array.ndim for array in arrays.values()):
            target = np.expand_dims(target, self.axis)
        tree = numpy_calls.root(self.text, tuple(constants.items()), tuple(arrays))
        return Binder(arrays, target, self.axis, scratch).bind(tree)


def of_row(target: str, name: str, saves: str = "", **reads: str) -> Step:
    """The formula of an activation, or of its gradient, at the default parameters."""
    row = fa.activations[name].row
    return Step(target, row.text(saves), reads=tuple(reads.items()), numbers=tuple(row.names().items()))


@dataclass(frozen=True)
class Other:
    """A step that is no formula: `make` is given the names and gives the call."""

    make: Callable[[Names], Callable[[], Any]]

    def bind(self, names: Names, scratch: list[np.ndarray]) -> Calls:
        return Calls(names["out"], [self.make(names)], [self.make.__doc__ or ""])


@dataclass(frozen=True)
class Way:
    """One direction of a form."""

    call: str
    """fastact's; where it does not write `out`, the result is what it returns, or the first of that."""
    numpy: tuple[Step | Other, ...]
    result: str = "x"
    """The array that `out` has the shape of, and in place is."""
    in_place: bool = True
    """Whether it can be."""
    also: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    """What else is written, and the array that it has the shape of, and in place is."""
    torch: tuple[str, ...] = ()
    """Calls of torch, its functions and ATen's operators."""
    graph: str = ""
    """What torch's autograd differentiates, where no operator of ATen does."""
    leaves: tuple[str, ...] = ("x",)
    """By these, the first of which is that of `out`."""
    whole: bool = False
    """Whether a call makes the graph, too."""
    onnx: str = ""
    scipy: str = ""
    drops: str = ""
    """What random elements are in the result; other libraries have others."""

    @property
    def writes(self) -> bool:
        return "out" in names_in(self.call)


@dataclass(frozen=True, eq=False)
class Form:
    """A pass, or an activation with something in its pass, as it is measured."""

    name: str
    row: Pass | Row
    arrays: Callable[[int, str], Names]
    """All that calls name, for so many elements of a dtype."""
    forward: Way
    backward: Way | None = None
    saves: tuple[str, ...] = ("x",)
    """What backward is from, for the tables."""
    views: Callable[[Names], Names] = field(default=lambda names: {})
    """Parts of the arrays that texts name too."""

    def ways(self) -> dict[str, Way]:
        return {"forward": self.forward} | ({"backward": self.backward} if self.backward else {})

    def bytes_per_element(self, direction: str, dtype: str) -> float:
        """Memory that a call must read and write: arrays that it names, of weights next to nothing."""
        return _bytes(self, direction, dtype)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return named, (self.name,)


def named(name: str) -> Form:
    """That of a name: what another process is sent of it."""
    from .forms import FORMS

    return FORMS[name]


@cache
def _bytes(form: Form, direction: str, dtype: str, size: int = 2**14) -> float:
    way, names = form.ways()[direction], form.arrays(size, dtype)
    names |= {written: names[like] for written, like in {"out": way.result, **way.also}.items()}
    named = (names[word] for word in names_in(way.call) if word in names)
    return sum(array.nbytes for array in named if isinstance(array, np.ndarray)) / size


@cache
def names_in(text: str) -> tuple[str, ...]:
    """The names that a text reads, each once."""
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]
    made = {node.id for node in found if isinstance(node.ctx, ast.Store)}
    return tuple(dict.fromkeys(node.id for node in found if node.id not in made))


def bound(text: str, names: Names) -> Callable[[], Any]:
    """fastact's call of a text, with its arguments evaluated."""
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)

    name, _, method = ast.unparse(call.func).partition(".")
    found = (fa.activations | fa.passes)[name]
    keywords = {str(k.arg): expression.read(k.value)(names) for k in call.keywords}
    arguments = [expression.read(argument)(names) for argument in call.args]
    return partial(getattr(found, method) if method else found, *arguments, **keywords)


def numpy_calls_of(way: Way, names: Names, scratch: list[np.ndarray]) -> Calls:
    """NumPy's steps, one after the other; what is `scratch` is for all calls."""
    whole = Calls(names["out"])
    for step in way.numpy:
        calls = step.bind(names, scratch)
        whole.steps += calls.steps
        whole.lines += calls.lines
    return whole
