"""How many processors' time the control groups of the process leave it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

NO_LIMIT = float("inf")
V2 = "cgroup2"

Names = tuple[str, ...]
"""A path from the root by the names in it: to import pathlib takes long, beside the rest of fastact."""


class Mount(NamedTuple):
    """A place where the groups of one hierarchy are seen as folders."""

    hierarchy: str
    group: Names
    """The group that is seen at `folder`: not the topmost one in a container, as a rule."""
    folder: Names


def cpu_quota(root: str | os.PathLike[str] = "/") -> float:
    """The least quota of the process's own control group and all above it, in processors.

    Parameters
    ----------
    root : path
        Where ``proc`` and ``sys`` are looked for.

    Returns
    -------
    float
        Infinity where there is no limit, or none that can be read: a container may hide or fake any of these
        files, and its programs shall start nevertheless.
    """
    return min(chain([NO_LIMIT], *(_limits(root, folder) for folder in _folders(root))))


def _folders(root: str | os.PathLike[str]) -> Iterator[Names]:
    """The folder of each group whose limits hold for the process."""
    mounts = list(_mounts(root))
    for hierarchy, group in _own_groups(root):
        places = [mount for mount in mounts if mount.hierarchy == hierarchy]
        inside = [place for place in places if _holds(place.group, group)]
        for place in inside:
            below = group[len(place.group) :]
            yield from (place.folder + below[:depth] for depth in range(len(below) + 1))
        if not inside:
            # The group lies outside what the namespace shows: the limits at its top are those of the
            # container, as a rule, and all that there is to see.
            yield from (place.folder for place in places)


def _holds(above: Names, group: Names) -> bool:
    """Whether the path of a group leads down from that of another: ``/../x`` leads out of ``/``."""
    return group[: len(above)] == above and ".." not in group[len(above) :]


def _own_groups(root: str | os.PathLike[str]) -> Iterator[tuple[str, Names]]:
    """The hierarchies that may limit processors, and the process's group in each."""
    for line in _lines(root, ("proc", "self", "cgroup")):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "" and path:
            yield V2, _names(path)
        elif "cpu" in controllers.split(","):
            yield "cpu", _names(path)


def _mounts(root: str | os.PathLike[str]) -> Iterator[Mount]:
    for line in _lines(root, ("proc", "self", "mountinfo")):
        before, _, after = line.partition(" - ")
        place, system = before.split(), after.split()
        if len(place) < 5 or len(system) < 3:
            continue
        if system[0] == V2 or (system[0] == "cgroup" and "cpu" in system[2].split(",")):
            group, folder = (re.sub(r"\\([0-7]{3})", _character, field) for field in place[3:5])
            yield Mount(V2 if system[0] == V2 else "cpu", _names(group), _names(folder))


def _character(code: re.Match[str]) -> str:
    """A blank stands in mountinfo as ``\\040``."""
    return chr(int(code[1], 8))


def _names(path: str) -> Names:
    return tuple(name for name in path.split("/") if name)


def _limits(root: str | os.PathLike[str], folder: Names) -> Iterator[float]:
    """What a group's files say, of version 2 and of version 1: it has those of one of them."""
    yield _quotient(_lines(root, (*folder, "cpu.max")))
    yield _quotient(
        line for end in ("quota", "period") for line in _lines(root, (*folder, f"cpu.cfs_{end}_us"))
    )


def _quotient(lines: Iterable[str]) -> float:
    """Quota over period; neither ``max`` nor -1 is a limit, nor is anything else but two positive numbers."""
    try:
        quota, period = (int(word) for word in " ".join(lines).split())
        return quota / period if quota > 0 and period > 0 else NO_LIMIT
    except (ValueError, OverflowError):
        return NO_LIMIT


def _lines(root: str | os.PathLike[str], path: Names) -> list[str]:
    try:
        with open(os.path.join(root, *path), errors="surrogateescape") as file:
            return file.read().split("\n")
    except (OSError, ValueError):
        return []
