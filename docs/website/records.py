"""The records under docs/measured/, which figures and tables are drawn from: what was measured and when.

`python docs/measure.py` writes them. An activation that is measured anew takes its place among the others
where those were measured alike: on the same machine, with the same versions and settings.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import fastact as fa
from fastact.measure import machine

FOLDER = Path(__file__).parents[1] / "measured"
SPEED, ERRORS = "speed", "errors"

DIGITS = 4
"""Of every number that is kept: what is beyond them differs from run to run."""

MIDDLE = 10.0
"""Up to where intervals of an error record are of one size, and from where they grow."""
NO_DIGIT = 2.0**23
"""ULP from which on no digit of a float32 is right; more is kept as this, NaN and infinity too."""

Record = dict[str, Any]


class Differs(ValueError):
    """The record that is there was not measured alike."""


def path_of(name: str) -> Path:
    return FOLDER / f"{name}.json"


@cache
def load(name: str) -> Record:
    """A record as it is checked in."""
    return read(path_of(name))


def read(path: Path) -> Record:
    return json.loads(path.read_text(encoding="utf-8"))


def about(packages: Sequence[str]) -> Record:
    """What figures depend on beside the activation."""
    built = fa.config()
    return {
        "processor": machine.processor(),
        "threads": fa.get_num_threads(),
        "level": built["level"],
        "versions": {
            "fastact": built["version"],
            "compiler": built["compiler"],
            "python": built["python"],
            **{package: metadata.version(package) for package in packages},
        },
    }


def today() -> str:
    return datetime.date.today().isoformat()


def rounded(numbers: Sequence[float]) -> list[float]:
    """With `DIGITS` digits, and whole numbers without a point, which JSON would write."""
    short = (float(f"{number:.{DIGITS}g}") for number in numbers)
    return [int(number) if number.is_integer() else number for number in short]


def check_alike(old: Record, head: Record) -> None:
    """Raise where what a record says of all its activations is not what `head` says."""
    for name in (old.keys() | head.keys()) - {"activations"}:
        if old.get(name) != head.get(name):
            raise Differs(f"{name!r} is {old.get(name)} there, {head.get(name)} now")


def record_of(head: Record, activations: Mapping[str, Any]) -> Record:
    """A record, in the catalog's order."""
    return {
        **head,
        "activations": {name: activations[name] for name in fa.activations if name in activations},
    }


def write(record: Mapping[str, Any], path: Path) -> None:
    path.write_text(_text(record) + "\n", encoding="utf-8")


def _text(value: Any, indent: str = "") -> str:
    """JSON with a list on one line, so that a difference of two records shows what changed."""
    if not isinstance(value, Mapping):
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    inner = indent + " "
    items = [f"{inner}{json.dumps(key)}: {_text(value[key], inner)}" for key in value]
    return "{\n" + ",\n".join(items) + f"\n{indent}}}"


def machine_words(record: Record) -> str:
    """Processor, level and versions, as one sentence under a figure or a table."""
    said = record["about"]
    versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
    return f"{said['processor']}, level {said['level']}, {versions}"


def dates(record: Record) -> str:
    """When it was measured: a day, or the first and the last."""
    days = sorted({entry["date"] for entry in record["activations"].values()})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
