"""``fastact gallery``: a picture of every activation."""

from __future__ import annotations

import argparse
from pathlib import Path

import fastact as fa

from . import arguments as read
from . import ending
from .plot import ENDINGS
from .screen import Screen, progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``fastact gallery``."""
    parser.add_argument(
        "folder", type=folder, metavar="DIR", help="where the pictures go; made where missing"
    )
    formats = [ending.lstrip(".") for ending in ENDINGS]
    parser.add_argument("--format", choices=formats, default=formats[0], help=f"(default: {formats[0]})")
    read.add_activations(parser)


def folder(word: str) -> Path:
    path = Path(word)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{word!r}: allowed is a directory, or a new one")
    return path


def run(arguments: argparse.Namespace) -> int:
    from . import picture  # which needs matplotlib

    names = arguments.activation or list(fa.activations)
    done: list[str] = []
    with (
        ending.until_interrupted() as watch,
        ending.writing(arguments.folder),
        progress(len(names)) as advance,
    ):
        arguments.folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            advance(name)
            picture.draw_alone(fa.activations[name].row, arguments.folder / f"{name}.{arguments.format}")
            done.append(name)
            advance(weight=1)
    interrupted = "Interrupted: " if watch.interrupted else ""
    Screen().line(f"{interrupted}wrote {len(done)} of {len(names)} pictures to {arguments.folder}")
    return watch.status
