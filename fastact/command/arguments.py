"""Values of the command's options, read from text; an error names the value and what is allowed."""

from __future__ import annotations

import argparse
import difflib
import importlib.util
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import fastact as fa

from ..measure import work
from .ending import Mistake

T = TypeVar("T")

_UNITS = {"": 1, "K": 2**10, "M": 2**20}


class Joined(argparse.Action):
    """Several lists, and those of other arguments of the same name, as one, each value once."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: Any = None
    ) -> None:
        before = getattr(namespace, self.dest) or ()
        setattr(namespace, self.dest, list(dict.fromkeys(chain(before, *values))))


def add_activations(parser: argparse.ArgumentParser) -> None:
    """The option that chooses activations; names may be parted by commas, by spaces or by both."""
    parser.add_argument(
        "--activation", type=list_of(one_of(fa.activations)), nargs="+", action=Joined, default=(),
        metavar="NAME[,NAME]", help="only these; 'fastact list' shows all",
    )  # fmt: skip


def add_names(parser: argparse.ArgumentParser, passes: Iterable[str]) -> None:
    """What chooses activations and these passes: names, or the option that is also for activations alone."""
    lists = "'fastact list' and 'fastact list --passes' show all" if passes else "'fastact list' shows all"
    read = list_of(one_of([*fa.activations, *passes], lists))
    parser.add_argument(
        "activation", type=read, nargs="*", action=Joined, default=(), metavar="NAME",
        help=f"only these activations{' and passes' if passes else ''}; {lists}",
    )  # fmt: skip
    parser.add_argument(
        "--activation", type=read, nargs="+", action=Joined, default=(), metavar="NAME[,NAME]",
        help="the same, among other options",
    )  # fmt: skip


def activation_or_pass(name: str) -> Any:
    """The pass of a name, or what `activation` makes of it."""
    return fa.passes[name] if name in fa.passes else activation(name)


def activation(name: str) -> Any:
    """What `fa.get` makes of a name; where that is nothing, a line with the closest."""
    try:
        return fa.get(name)
    except ValueError as error:
        # All names there are would be many lines.
        why, known, _ = str(error).partition(" Known are ")
        why = why if why.endswith("?") else f"{why.rstrip(';')};"
        raise Mistake(f"{why} 'fastact list' shows all" if known else str(error)) from error


def list_of(read: Callable[[str], T]) -> Callable[[str], list[T]]:
    return lambda text: list(dict.fromkeys(read(word.strip()) for word in text.split(",")))


MANY = 12
"""So many choices are not named in a line."""


def one_of(choices: Iterable[str], shown_by: str = "'fastact list' shows all") -> Callable[[str], str]:
    names = list(choices)

    def read(word: str) -> str:
        if word not in names:
            few = len(names) < MANY
            known = f"allowed are {', '.join(names)}" if few else shown_by
            raise argparse.ArgumentTypeError(f"there is no {word!r}{closest(word, names)}; {known}")
        return word

    return read


def closest(word: str, names: Iterable[str]) -> str:
    """A question after the names that a word looks most like; nothing where it is like none."""
    lower = {name.lower(): name for name in names}
    found = difflib.get_close_matches(word.lower(), lower, n=3, cutoff=0.6)
    return f" (did you mean {' or '.join(lower[name] for name in found)}?)" if found else ""


def dtype(word: str) -> str:
    """A dtype to measure; bfloat16 where NumPy can learn it from the package that has it."""
    one_of(work.DTYPES + work.HALVES)(word)
    if word == "bfloat16" and importlib.util.find_spec("ml_dtypes") is None:
        raise argparse.ArgumentTypeError(f"{word!r}: needs the package ml_dtypes (pip install ml_dtypes)")
    return word


def size(word: str) -> int:
    digits, unit = (word[:-1], word[-1].upper()) if word[-1:].isalpha() else (word, "")
    if not (digits.isascii() and digits.isdigit() and int(digits) and unit in _UNITS):
        raise argparse.ArgumentTypeError(f"{word!r}: allowed are numbers of elements such as 16, 64K or 1M")
    return int(digits) * _UNITS[unit]


def size_text(size: int) -> str:
    """A size as `--size` reads it."""
    unit = next(unit for unit in ("M", "K", "") if size % _UNITS[unit] == 0)
    return f"{size // _UNITS[unit]}{unit}"


def whole(least: int, most: int) -> Callable[[str], int]:
    def read(word: str) -> int:
        if not (word.isascii() and word.isdigit() and least <= int(word) <= most):
            raise argparse.ArgumentTypeError(f"{word!r}: allowed are whole numbers from {least} to {most}")
        return int(word)

    return read


def new_file(word: str) -> Path:
    path = Path(word)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{word!r}: allowed is a file in a directory that exists")
    return path


def folder(word: str) -> Path:
    path = Path(word)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{word!r}: allowed is a directory that exists")
    return path


def new_file_ending(endings: Sequence[str]) -> Callable[[str], Path]:
    def read(word: str) -> Path:
        path = new_file(word)
        if path.suffix not in endings:
            raise argparse.ArgumentTypeError(f"{word!r}: allowed are names that end in {', '.join(endings)}")
        return path

    return read
