"""Functions of another library replaced by fastact's, and put back: `enable` and `disable` of an adapter."""

from __future__ import annotations

import importlib.metadata
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

_ABSENT = object()


class Place(NamedTuple):
    """Where a function is found, and what shall be found there."""

    holder: Any
    """A dictionary, or a module or class, whose attribute it is."""
    name: str
    ours: Any


class Enabled:
    """What `enable` returns: at the end of a ``with`` block things are as they were before it."""

    def __init__(self, undo: Callable[[], None] | None) -> None:
        self._undo = undo

    def __enter__(self) -> Enabled:
        return self

    def __exit__(self, *error: object) -> None:
        if self._undo:
            self._undo()


class Replacement:
    """The places of one library, all of them fastact's or all its own."""

    def __init__(self, library: str, places: Callable[[], Iterable[Place]]) -> None:
        self._library, self._places = library, places
        self._before: list[Place] | None = None
        self._lock = threading.Lock()

    def enable(self) -> Enabled:
        """Replace what is not replaced yet; the block of another `enable` within one ends nothing."""
        with self._lock:
            if self._before is not None:
                return Enabled(None)
            try:
                # Read whole before the first is replaced: a library that lacks a place stays as it is.
                places = list(self._places())
            except (AttributeError, ImportError, KeyError) as error:
                version = importlib.metadata.version(self._library)
                raise RuntimeError(
                    f"{self._library} {version} has not what fastact replaces in it: {error}"
                ) from error
            self._before = [Place(p.holder, p.name, _items(p.holder).get(p.name, _ABSENT)) for p in places]
            for place in places:
                _put(place)
            return Enabled(self.disable)

    def disable(self) -> None:
        """Put back what was there before `enable`; nothing where nothing is replaced."""
        with self._lock:
            before, self._before = self._before, None
            for place in reversed(before or []):
                _put(place)


def _items(holder: Any) -> Any:
    """By name what a holder has itself, without what a class inherits."""
    return holder if isinstance(holder, dict) else vars(holder)


def _put(place: Place) -> None:
    holder, name, value = place
    if isinstance(holder, dict):
        holder.pop(name) if value is _ABSENT else holder.__setitem__(name, value)
    else:
        delattr(holder, name) if value is _ABSENT else setattr(holder, name, value)
