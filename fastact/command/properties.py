"""What ``fastact list`` and ``fastact show`` know of an activation: one line for each property.

A property that the catalog gains becomes a column, an option that filters, a value to sort by and a line of
``fastact show`` by an entry in `PROPERTIES`, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..catalog import Parameter, Row
from ..catalog.arguments import REQUIRED
from ..catalog.spellings import spellings


@dataclass(frozen=True)
class Property:
    """Something that a row is or has: true or false, a text, or a tuple of words."""

    name: str
    """The word of the option, and in JSON."""
    help: str
    of: Callable[[Row], Any] | None = None
    """Where it is no field of the row of that name."""
    spare: int | None = 1
    """When its column gives way on a narrow terminal (`table.Column.spare`); None for what has no column."""
    heading: str = ""

    def __call__(self, row: Row) -> Any:
        return self.of(row) if self.of else getattr(row, self.name.replace("-", "_"))

    @property
    def title(self) -> str:
        return self.heading or self.name


def _parameters(row: Row) -> tuple[str, ...]:
    return tuple(p.name for p in row.parameters)


def _elsewhere(row: Row) -> tuple[str, ...]:
    """Libraries that have a name for it."""
    return tuple(
        library for library, names in spellings().items() if any(m.name == row.name for m in names.values())
    )


NAME = Property("name", "its name", spare=0)

PROPERTIES = (
    NAME,
    Property("kind", "the shape of its work", spare=2),
    Property("saves", "what backward accepts, the preferred first: y is the output, x the input", spare=0),
    Property("monotonic", "whether it falls nowhere", spare=0),
    Property("saturates", "whether it has a finite limit on both sides", spare=0),
    Property("zero-centered", "whether outputs lie well on both sides of 0", spare=0, heading="centered"),
    Property("range", "of the output", spare=1),
    Property("parameters", "names of its parameters", _parameters, spare=3),
    Property("elsewhere", "libraries that have it", _elsewhere, spare=4),
    Property("reference", "who published it", spare=None),
)


def text(value: Any) -> str:
    """A value as a table shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(text, value)) if isinstance(value, tuple) else "" if value is None else str(value)


def matches(value: Any, wanted: str) -> bool:
    """Whether a value is what an option asks for: the word, one of the words, or a part of the text."""
    if isinstance(value, tuple):
        return wanted in map(text, value) or (wanted == "none" and not value)
    if isinstance(value, str) and " " in value:
        return wanted.lower() in value.lower()
    return wanted == text(value)


def choices(values: Iterable[Any]) -> list[str] | None:
    """What an option may ask for; None where that is any part of a text."""
    found = list(values)
    if all(isinstance(value, bool) for value in found):
        return ["yes", "no"]
    if all(isinstance(value, tuple) for value in found):
        words = sorted({text(word) for value in found for word in value})
        return words if all(found) else [*words, "none"]
    spaced = any(not isinstance(value, str) or " " in value for value in found)
    return None if spaced else sorted(set(found))


def default(parameter: Parameter) -> str:
    """A parameter's default as a text."""
    return "required" if parameter.default is REQUIRED else text(parameter.default) or "None"
