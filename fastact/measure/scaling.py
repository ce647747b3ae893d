"""How speed grows with threads: a model, calibrated on few of them.

A thread computes an element in c nanoseconds, from its cache. Memory gives one thread b bytes per
nanosecond, and all threads of a NUMA node at most B:

    b(t) = B (1 - (1 - b / B)^t)

Each further thread gets its share of what those before it left. Nothing derives that form: it has the right
ends, b for one thread and B for many, and just the two numbers that one and two threads tell. An array that
one thread touched first lies on that thread's node, and all threads share B of it; where threads touched the
shares that they compute, there is B of every node. A call on n elements takes the longer of computing and
moving, and then what a parallel region costs:

    max(n c / t, n bytes / b(t)) + (r if t > 1)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import geometric_mean
from typing import Protocol

REGION_NS = 2000.0
"""What entering a parallel region of awake threads costs (runtime/plan.hpp)."""
FARTHEST = 64
"""Memory that gives two threads twice as much says nothing of its end: so many threads' worth is assumed."""


@dataclass(frozen=True)
class Memory:
    """The bytes per nanosecond that memory gives: to one thread, and at most to those of one node."""

    one: float
    node: float
    nodes: int = 1

    def bytes_per_ns(self, threads: int, first_touch: bool = True) -> float:
        """To so many threads, spread evenly over the nodes; of one node where one thread touched it all."""
        if not first_touch or self.nodes == 1:
            return self._of_node(threads)
        whole, rest = divmod(threads, self.nodes)
        return rest * self._of_node(whole + 1) + (self.nodes - rest) * self._of_node(whole)

    def _of_node(self, threads: int) -> float:
        return self.node * (1 - (1 - self.one / self.node) ** threads)


def calibrated(measured: Mapping[int, float], nodes: int = 1) -> Memory:
    """The memory that gives one thread, and the next larger number of threads, the measured bytes per ns."""
    one = measured[1]
    threads = min((count for count in measured if count > 1), default=1)
    low, high = one, FARTHEST * one
    # The more a node gives at most, the more it gives to any number of threads.
    while high - low > 1e-6 * one:
        middle = (low + high) / 2
        if Memory(one, middle, nodes).bytes_per_ns(threads, first_touch=False) < measured[threads]:
            low = middle
        else:
            high = middle
    return Memory(one, high, nodes)


def nanoseconds(
    size: int,
    threads: int,
    cost: float,
    bytes_per_element: float,
    memory: Memory,
    first_touch: bool = True,
    region: float = REGION_NS,
) -> float:
    """What a call of so many elements takes; `cost` is that of an element on one thread, from its cache."""
    moved = size * bytes_per_element / memory.bytes_per_ns(threads, first_touch)
    return max(size * cost / threads, moved) + (region if threads > 1 else 0)


class Timed(Protocol):
    """What a curve is made of."""

    size: int
    threads: int
    ns_per_element: float
    predicted_ns_per_element: float | None


@dataclass(frozen=True)
class Point:
    """How many times as fast as the fewest threads so many are, as the geometric mean over calls."""

    size: int
    threads: int
    measured: float
    predicted: float


def curve(timed: Sequence[Timed]) -> Iterator[Point]:
    """A point for each size and number of threads, where a model was asked."""
    for size in dict.fromkeys(m.size for m in timed):
        whole = [m for m in timed if m.size == size and m.predicted_ns_per_element]
        of = {count: [m for m in whole if m.threads == count] for count in sorted({m.threads for m in whole})}
        fewest = next(iter(of.values()), [])
        for count, some in of.items():
            pairs = list(zip(fewest, some, strict=True))
            measured_ratios = (one.ns_per_element / m.ns_per_element for one, m in pairs)
            predicted_ratios = (_predicted(one) / _predicted(m) for one, m in pairs)
            yield Point(size, count, geometric_mean(measured_ratios), geometric_mean(predicted_ratios))


def _predicted(m: Timed) -> float:
    return m.predicted_ns_per_element or 0.0
