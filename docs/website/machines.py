"""The page of machines: what `fastact bench --peers --record` kept of each, from bench/results/."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from fastact.command.arguments import size_text
from fastact.measure.machine import threads_text
from fastact.measure.peers import errors, turns
from fastact.measure.peers.turns import Measurement

from . import markdown

RESULTS = Path(__file__).parents[2] / "bench" / "results"
COMMAND = "fastact bench --peers --record bench/results"

INTRODUCTION = f"""\
# Machines

Every machine on which fastact was timed beside other libraries ([how](benchmarks.md)), by

```sh
{COMMAND}
```

A cell is one activation in one direction, on arrays of one dtype and size, in place or into another array.
Its speed-up is how many times as fast fastact is as the fastest library that computes the same there; a mean
is the geometric one over cells. Cells are at a CPU level: `v4` has AVX-512, `v3` AVX2, to which torch is
held too then; the others use what they find.

Cells below 1, in which another library is faster, are all listed, with what its speed buys: the largest
errors of that library and of fastact, in units in the last place of the correctly rounded result
([accuracy](accuracy.md)), over a sample of all magnitudes, both tails included. Where no digit is right,
numbers that are small but not 0 became 0, most often far on the negative side. {turns.NOISE} to 1 may be
measured of two that are equally fast.
"""

NOTHING = f"No machine has been measured yet: `{COMMAND}` makes the first entry.\n"

OVERVIEW = "processor", "date", "commit", "level", "cells", "forward", "backward", "cells below 1"
MEANS = "level", "direction", "cells", "over the best"
BELOW = (
    *("speed-up", "over", "its error", "fastact's error", "activation", "direction", "result"),
    *("dtype", "elements", "threads", "level"),
)


@dataclass(frozen=True)
class Machine:
    """A run's record."""

    about: dict[str, Any]
    """What it says beside its measurements."""
    measured: list[Measurement]
    """Cells in which a peer took part."""

    @property
    def name(self) -> str:
        return f"{self.about['machine']}, {self.about['date']}"

    @property
    def levels(self) -> list[str]:
        return list(dict.fromkeys(m.level for m in self.measured))

    def part(self, level: str, direction: str = "") -> list[Measurement]:
        """The cells at a level, of one direction where it is named."""
        return [m for m in self.measured if m.level == level and direction in ("", m.direction)]


def write(docs: Path, results: Path = RESULTS) -> None:
    """Write ``machines.md`` below `docs`."""
    (docs / "machines.md").write_text("\n".join(_page(read(results))), encoding="utf-8")


def read(results: Path) -> list[Machine]:
    """All that was measured, the newest first."""
    found = []
    for path in sorted(results.glob("*.json")):
        about = json.loads(path.read_text(encoding="utf-8"))
        measured = [Measurement(**m) for m in about.pop("measurements")]
        found.append(Machine(about, [m for m in measured if m.speedup]))
    return sorted(found, key=lambda machine: machine.about["date"], reverse=True)


def _page(machines: Sequence[Machine]) -> Iterator[str]:
    yield INTRODUCTION
    if not machines:
        yield NOTHING
        return
    rows = [row for machine in machines for row in _overview(machine)]
    yield markdown.table(OVERVIEW, rows)
    for machine in machines:
        yield from _section(machine)


def _overview(machine: Machine) -> Iterator[tuple[str, ...]]:
    about = machine.about
    for level in machine.levels:
        cells = machine.part(level)
        means = [_mean(machine.part(level, direction)) for direction in ("forward", "backward")]
        below = sum(m.speedup[m.best_peer] < 1 for m in cells)
        place = about["machine"], about["date"], _commit(about), level
        yield (*place, str(len(cells)), *means, str(below))


def _mean(cells: Sequence[Measurement], peer: str = "") -> str:
    """Of the speed-up over the best peer of each cell, or over the one that is named."""
    speedups = [m.speedup[peer or m.best_peer] for m in cells if not peer or peer in m.speedup]
    return f"{geometric_mean(speedups):.2f}" if speedups else "–"


def _commit(about: dict[str, Any]) -> str:
    return f"`{about['commit']}`" if about["commit"] else "–"


def _section(machine: Machine) -> Iterator[str]:
    about = machine.about
    yield f"## {machine.name}\n"
    peers = ", ".join(f"{name} {version}" for name, version in about["peers"].items())
    threads = sorted({m.threads for m in machine.measured})
    said = f"fastact {about['version']} at commit {_commit(about)}, on "
    said += " and ".join(map(threads_text, threads))
    ended = " The run was ended before it had measured all." if about["partial"] else ""
    yield f"{said}, beside {peers}, with Python {about['python']}.{ended}\n"
    names = sorted({name for m in machine.measured for name in m.speedup})
    yield markdown.table((*MEANS, *(f"over {name}" for name in names)), _means(machine, names))
    yield from _below(machine)


def _means(machine: Machine, peers: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for level in machine.levels:
        for direction in ("forward", "backward"):
            cells = machine.part(level, direction)
            yield level, direction, str(len(cells)), _mean(cells), *(_mean(cells, peer) for peer in peers)


def _below(machine: Machine) -> Iterator[str]:
    below = [m for m in machine.measured if m.speedup[m.best_peer] < 1]
    if not below:
        yield "No cell is below 1.\n"
        return
    clear = sum(m.speedup[m.best_peer] < turns.NOISE for m in below)
    of = len(machine.measured)
    yield f"Below 1 are {len(below)} of {of} cells, {clear} of them below {turns.NOISE}.\n"
    yield markdown.table(BELOW, map(_cell, sorted(below, key=lambda m: m.speedup[m.best_peer])))


def _cell(m: Measurement) -> tuple[str, ...]:
    own, peer = (errors.text(m.error.get(name), m.dtype) for name in ("fastact", m.best_peer))
    place = "in place" if m.in_place else "another array"
    return (
        *(f"{m.speedup[m.best_peer]:.2f}", m.best_peer, peer, own, m.activation, m.call, place),
        *(m.dtype, size_text(m.size), str(m.threads), m.level),
    )
