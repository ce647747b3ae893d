"""How the command ends where it does not end well: a line on stderr, and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FAILED, MISTAKEN, INTERRUPTED, UNREAD = 1, 2, 130, 141
"""Exit statuses: of what is missing or failed, of a mistake in what was typed, and those that shells give to
what SIGINT (Ctrl-C) and SIGPIPE (the reader of a pipe is gone) have ended."""


class Failure(Exception):
    """What cannot be done, in a line."""

    status = FAILED


class Mistake(Failure):
    """What cannot be meant, in a line."""

    status = MISTAKEN


class Interruption(Failure):
    """Ctrl-C where nothing is measured."""

    status = INTERRUPTED


class Missing(Failure):
    """What is not installed, and how it comes here."""

    def __init__(self, package: str, what_to_install: str) -> None:
        super().__init__(f"needs {package}; install it with: pip install {what_to_install}")


class Watch:
    """Whether a measurement was ended by Ctrl-C."""

    interrupted = False

    @property
    def status(self) -> int:
        return INTERRUPTED if self.interrupted else 0


@contextmanager
def until_interrupted() -> Iterator[Watch]:
    """Ctrl-C ends the block alone, so that what was measured until then can be shown and written."""
    watch = Watch()
    try:
        yield watch
    except KeyboardInterrupt:
        watch.interrupted = True


def partial_line(done: int, planned: int) -> str:
    """What is said of a run that was interrupted."""
    return f"Interrupted: {done} of {planned} figures were measured, and this is of those alone."


@contextmanager
def writing(path: Path | None) -> Iterator[None]:
    """A file that cannot be written is named."""
    try:
        yield
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from error


def say(command: str, failure: Failure) -> int:
    """Print it on stderr, after the words of the command; its exit status."""
    between = " " if isinstance(failure, Missing) else ": "
    print(f"{command}{between}{failure}", file=sys.stderr)
    return failure.status


def abandon_output() -> None:
    """Forget what the standard output still holds: the interpreter would try to write it once more."""
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
