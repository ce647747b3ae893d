"""What ``fastact list`` knows of an activation: one entry for each property.

A property that the catalog gains becomes a column, an option that filters, a value to sort by and data of
``--json`` by an entry in `PROPERTIES`, and nowhere else. In words, `Properties.facts` says it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import isinf
from typing import Any, get_args

from ..catalog import Parameter, Row
from ..catalog.arguments import REQUIRED
from ..catalog.properties import Smoothness
from ..catalog.spellings import spellings


@dataclass(frozen=True)
class Property:
    """Something that a row is or has: true or false, a number, a text, a tuple of words, or None."""

    name: str
    """The word of the option, and in JSON."""
    help: str
    of: Callable[[Row], Any] | None = None
    """Where it is no field of the row of that name."""
    spare: int | None = 1
    """When its column gives way on a narrow terminal (`table.Column.spare`); None for what has no column."""
    heading: str = ""
    order: tuple[str, ...] = ()
    """Its words from the least to the most, where that is not the order of the alphabet."""

    def __call__(self, row: Row) -> Any:
        return self.of(row) if self.of else getattr(row, self.name.replace("-", "_"))

    @property
    def title(self) -> str:
        return self.heading or self.name

    def rank(self, value: Any) -> Any:
        """What its values are sorted by."""
        return self.order.index(value) if value in self.order else value

    def choices(self, rows: Iterable[Row]) -> list[str] | None:
        """What its option may ask for; None where that is a number, or any part of a text."""
        found = [value for value in map(self, rows) if value is not None]
        if all(isinstance(value, bool) for value in found):
            return ["yes", "no"]
        if all(isinstance(value, tuple) for value in found):
            words = sorted({text(word) for value in found for word in value})
            return words if all(found) else [*words, "none"]
        if any(not isinstance(value, str) or " " in value for value in found):
            return None
        return sorted(set(found), key=self.rank)


def _parameters(row: Row) -> tuple[str, ...]:
    return tuple(p.name for p in row.parameters)


def _elsewhere(row: Row) -> tuple[str, ...]:
    """Libraries that have a name for it."""
    return tuple(
        library for library, names in spellings().items() if any(m.name == row.name for m in names.values())
    )


def _fact(name: str, help: str, **others: Any) -> Property:
    """A property that is the field of that name of `Properties`."""
    field = name.replace("-", "_")
    return Property(name, help, lambda row: getattr(row.properties, field), **others)


def _side(name: str, side: str, help: str) -> Property:
    def of(row: Row) -> str | None:
        how = getattr(row.properties, side)
        return "no" if how == "" else how

    return Property(name, help, of, spare=None, order=("no", "soft", "hard"))


def _sign(row: Row) -> str:
    return row.properties.sign.replace(" ", "-")


def _fixed_points(row: Row) -> str | None:
    return "none" if row.properties.fixed_points == "" else row.properties.fixed_points


NAME = Property("name", "its name", spare=0)
KIND = Property("kind", "the shape of its work", spare=8)

PROPERTIES = (
    NAME,
    KIND,
    Property("saves", "what backward accepts, the preferred first: y is the output, x the input"),
    _fact("monotonic", "whether it falls nowhere"),
    _fact("saturates", "whether it has a finite limit on both sides"),
    _side(
        "saturates-left", "left", "as x falls: comes near a limit (soft), reaches it (hard), has none (no)",
    ),
    _side("saturates-right", "right", "the same as x rises"),
    _fact(
        "smoothness", "how many derivatives are continuous; jumps: not even the function", spare=2,
        heading="smooth", order=get_args(Smoothness),
    ),
    _fact("differentiable", "whether it has a derivative everywhere", spare=None),
    _fact("lipschitz", "largest ratio of a change of the output to that of the input", spare=3),
    Property("least-slope", "infimum of the derivative", lambda row: row.properties.slope[0], spare=None),
    Property("largest-slope", "supremum of the derivative", lambda row: row.properties.slope[1], spare=None),
    Property("sign", "of the derivative", _sign, spare=None),
    _fact(
        "zero-centered", "whether the mean output of standard normal inputs is 0", spare=4,
        heading="centered",
    ),
    _fact("mean", "output of standard normal inputs", spare=7),
    _fact("nonlinear", "whether its graph is no straight line", spare=None),
    _fact("convex", "whether its graph lies nowhere above a chord", spare=5),
    _fact("concave", "whether its graph lies nowhere below a chord", spare=None),
    Property("fixed-points", "where the output is the input", _fixed_points, spare=None),
    Property("range", "of the output", spare=6),
    Property("parameters", "names of its parameters", _parameters, spare=9),
    Property("elsewhere", "libraries that have it", _elsewhere, spare=10),
    Property("reference", "who published it", spare=None),
)  # fmt: skip


def text(value: Any) -> str:
    """A value as a table shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(text, value)) if isinstance(value, tuple) else "" if value is None else str(value)


def is_number(value: Any) -> bool:
    """Whether its option takes a number; yes and no are none."""
    return type(value) in (int, float)


def matches(value: Any, wanted: str | float) -> bool:
    """Whether a value is what is asked for: the number, the word, one of the words, a part of the text."""
    if isinstance(wanted, float):
        return value == wanted
    if isinstance(value, tuple):
        return wanted in map(text, value) or (wanted == "none" and not value)
    if isinstance(value, str) and " " in value:
        return wanted.lower() in value.lower()
    return wanted == text(value)


def data(value: Any) -> Any:
    """A value as JSON has it, which knows no infinite numbers."""
    if isinstance(value, Mapping):
        return {text(key): data(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [data(one) for one in value]
    return text(value) if isinstance(value, float) and isinf(value) else value


def default(parameter: Parameter) -> str:
    """A parameter's default as a text."""
    return "required" if parameter.default is REQUIRED else text(parameter.default) or "None"
