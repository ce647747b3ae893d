"""What is found of a function numerically, from its values alone: bends, slopes, limits, fixed points.

Nothing here reads derivatives or properties from the catalog: tests/numbers/test_properties.py compares.
Values are mpmath numbers of 40 digits, so that differences over 1e-12 have a derivative's first 24.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, cached_property
from typing import NamedTuple

import mpmath_reference as reference
import numpy as np
from mpmath_reference import mp

from fastact import catalog

STEP = mp.mpf(1) / 48
GRID = np.array([k * STEP + mp.mpf("0.00327") for k in range(-384, 385)], object)
"""From -8 to 8; no number at which a function bends is on it."""
NEAR = mp.mpf(10) ** -12
FAR = mp.mpf(10) ** 8
LIMIT = mp.mpf(10) ** -7
"""What is nearer than this to its limit at `FAR` has it: 1/x is."""
SAME = LIMIT**2
"""Of two derivatives that are found in two ways."""
EXACT = mp.mpf(10) ** -28
"""Of values: no tail is that flat on the grid."""

Curve = Callable[[np.ndarray], np.ndarray]


class Break(NamedTuple):
    """Where a derivative of this order jumps and none below, and by how much."""

    order: int
    x: float
    jump: float


def shown(value) -> float:
    """As the catalog writes a number."""
    return float(f"{float(value):.6g}") + 0.0 if abs(value) > LIMIT else 0.0


class Found:
    """A function of one number; `curve` takes and gives arrays of mpmath numbers."""

    def __init__(self, curve: Curve) -> None:
        self._curve = curve

    def __call__(self, x):
        with mp.workdps(40):
            array = np.atleast_1d(np.asarray(x, object))
            values = np.broadcast_to(np.asarray(self._curve(array), object), array.shape)
            exact = np.array([mp.mpf(int(v) if isinstance(v, np.integer) else v) for v in values], object)
            return exact if np.ndim(x) else exact[0]

    def slope(self, x):
        with mp.workdps(40):
            return (self(x + NEAR) - self(x - NEAR)) / (2 * NEAR)

    def side(self, x, sign: int, order: int = 1):
        """A derivative on one side of a number, from a step of 1e-6 on."""
        with mp.workdps(40):
            step = sign * mp.mpf(10) ** -6
            nodes = np.array([x + sign * mp.mpf(10) ** -9 + k * step for k in range(order + 4)], object)
            values = self(nodes) / step**order
            # The differences of the next orders take the error off: what is left is of the third in the step.
            first, second, third = (np.diff(values, order + k)[0] for k in range(3))
            weights = (0, 0) if order == 0 else (-mp.mpf(order) / 2, mp.mpf(order * (3 * order + 5)) / 24)
            return first + weights[0] * second + weights[1] * third

    @cached_property
    def values(self) -> np.ndarray:
        return self(GRID)

    @cached_property
    def slopes(self) -> np.ndarray:
        return self.slope(GRID)

    @cached_property
    def breaks(self) -> list[Break]:
        """Where seven values of an ever narrower window lie on no polynomial of degree 5."""
        with mp.workdps(40):
            rough = abs(np.diff(self.values, 6)) / np.maximum(1, abs(self.values[3:-3]))
            found = []
            for first, last in _runs(rough > 1e-7):
                middle = first + int(rough[first : last + 1].argmax())
                found.append(self._broken_at(self._narrowed(GRID[middle], GRID[middle + 6])))
            return [entry for entry in found if entry is not None]

    def _narrowed(self, low, high):
        for _ in range(32):
            quarter = (high - low) / 4
            windows = [(low + k * quarter, low + (k + 2) * quarter) for k in range(3)]
            nodes = [[a + (b - a) * j / 6 for j in range(7)] for a, b in windows]
            rough = abs(np.diff(self(np.array(nodes, object).ravel()).reshape(3, 7), 6)[:, 0])
            low, high = windows[int(rough.argmax())]
        return (low + high) / 2

    def _broken_at(self, x) -> Break | None:
        for order in range(4):
            jump = self.side(x, 1, order) - self.side(x, -1, order)
            if abs(jump) > 1e-3:
                return Break(order, shown(mp.nint(x * 10**7) / 10**7), float(jump))
        return None

    def least(self) -> tuple[float, str]:
        """The infimum of the derivative and where it is."""
        return self._bound(-1)

    def most(self) -> tuple[float, str]:
        return self._bound(1)

    def _bound(self, sign: int) -> tuple[float, str]:
        """The largest of sign * derivative, and where: at one number, in a limit or on an interval."""
        with mp.workdps(40):
            jumps = [(mp.inf, b.x) for b in self.breaks if b.order == 0 and sign * b.jump > 0]
            beside = [(sign * self.side(mp.mpf(b.x), s), b.x) for b in self.breaks for s in (1, -1)]
            inner = [(sign * self.slope(x), x) for x in self._extremes(sign)]
            limits = [(sign * self.slope(x), x) for x in (-FAR, FAR)]
            limits = [(mp.inf if v > FAR / 4 else v, mp.sign(x) * mp.inf) for v, x in limits]
            candidates = [*jumps, *beside, *inner, *limits]
            largest = max(v for v, _ in [*candidates, (max(sign * self.slopes), 0)])
            runs = [] if largest == mp.inf else self._intervals(abs(sign * self.slopes - largest) < SAME, 2)
            points = {shown(x) for v, x in candidates if v == largest or abs(v - largest) < LIMIT}
        inside = [(low, high) for low, high, _ in runs]
        points = {x for x in points if not any(low <= x <= high for low, high in inside)}
        texts = sorted([(low, text) for low, _, text in runs] + [(x, f"{x:g}") for x in points])
        texts = [(x, f"{x:.6g}" if x in points else text) for x, text in texts]
        return shown(sign * largest), ", ".join(text for _, text in texts)

    def _extremes(self, sign: int) -> list:
        """Where the derivative is largest between its neighbours, and smooth."""
        rising = np.diff(sign * self.slopes) > SAME
        falling = np.diff(sign * self.slopes) < -SAME
        tops = [k + 1 for k in range(len(rising) - 1) if rising[k] and falling[k + 1]]
        windows = [(GRID[k - 1], GRID[k + 1]) for k in tops]
        smooth = [w for w in windows if not any(w[0] < b.x < w[1] for b in self.breaks)]
        return [_zero(self._bend, *window) for window in smooth]

    def _bend(self, x):
        step = mp.mpf(10) ** -9
        low, middle, high = self(np.array([x - step, x, x + step], object))
        return low - 2 * middle + high

    def _intervals(self, holds: np.ndarray, closed_from: int | None = None) -> list[tuple[float, float, str]]:
        """Where something holds on more than one number of the grid: its ends are breaks or infinite.

        An end counts where the break's order is `closed_from` or more; without one, where f(x) is x.
        """
        found = []
        for first, last in _runs(holds):
            if last == first:
                continue
            low = self._end(GRID[first - 1], GRID[first]) if first else None
            high = self._end(GRID[last], GRID[last + 1]) if last + 1 < len(GRID) else None
            counts = [
                end is not None
                and (
                    abs(self(mp.mpf(end.x)) - end.x) < EXACT
                    if closed_from is None
                    else end.order >= closed_from
                )
                for end in (low, high)
            ]
            ends = (low.x if low else -np.inf, high.x if high else np.inf)
            text = f"{'(['[counts[0]]}{ends[0]:.6g}, {ends[1]:.6g}{')]'[counts[1]]}"
            found.append((*ends, text))
        return found

    def _end(self, low, high) -> Break:
        (end,) = (b for b in self.breaks if low <= b.x <= high)
        return end

    @cached_property
    def turns(self) -> list[float]:
        """Where the derivative goes from one sign to the other, and is no jump."""
        with mp.workdps(40):
            s = self.slopes
            changes = [k for k in range(len(s) - 1) if s[k] * s[k + 1] < -(SAME**2)]
            return [shown(_zero(self.slope, GRID[k], GRID[k + 1])) for k in changes]

    def saturation(self, sign: int) -> str:
        with mp.workdps(40):
            far, farther = self(sign * FAR), self(2 * sign * FAR)
            if abs(far - farther) > LIMIT:
                return ""
            near = self(sign * np.array([mp.mpf(7), mp.mpf(8), mp.mpf(9)], object))
            return "hard" if all(value == far for value in near) else "soft"

    @cached_property
    def curvature(self) -> str:
        with mp.workdps(40):
            bends = np.diff(self.values, 2)
            up, down = (bends >= -EXACT).all(), (bends <= EXACT).all()
        return "straight" if up and down else "convex" if up else "concave" if down else ""

    @cached_property
    def fixed_points(self) -> str:
        with mp.workdps(40):
            beyond = self.values - GRID
            runs = self._intervals(abs(beyond) < EXACT)
            jumps = [b.x for b in self.breaks if b.order == 0]
            changes = [k for k in range(len(GRID) - 1) if beyond[k] * beyond[k + 1] < -(EXACT**2)]
            windows = [(GRID[k], GRID[k + 1]) for k in changes]
            windows = [w for w in windows if not any(w[0] < x < w[1] for x in jumps)]
            points = [shown(_zero(lambda x: self(x) - x, *w)) for w in windows]
        texts = [(low, text) for low, _, text in runs]
        texts += [(x, f"{x:.6g}") for x in points if not any(low <= x <= high for low, high, _ in runs)]
        return ", ".join(text for _, text in sorted(texts))

    def mean_of(self, values: Curve) -> float:
        """Of what is made of a standard normal number, by Gauss and Legendre between the breaks."""
        nodes, weights = np.polynomial.legendre.leggauss(24)
        ends = np.unique([*np.arange(-12.0, 13.0), *(b.x for b in self.breaks)])
        halves, middles = np.diff(ends)[:, None] / 2, (ends[1:] + ends[:-1])[:, None] / 2
        x = (middles + halves * nodes).ravel()
        density = (halves * weights).ravel() * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
        exact = values(np.array([mp.mpf(v) for v in x], object))
        return float(np.dot(exact.astype(float), density))

    @cached_property
    def mean(self) -> float:
        return self.mean_of(self)

    def distance(self, other: Found) -> tuple[float, float]:
        """The largest difference from another function, and where that is."""
        with mp.workdps(40):
            apart = abs(self.values - other.values)
            largest = int(apart.argmax())
            # The parabola through it and its neighbours, between which the grid would miss the top.
            below, top, above = apart[largest - 1 : largest + 2]
            shift = (below - above) / (below - 2 * top + above) / 2
            return float(top - (below - above) * shift / 4), float(GRID[largest] + shift * STEP)

    def range(self) -> str:
        """Infimum and supremum of the output, and whether it reaches them."""
        with mp.workdps(40):
            turns = [self(mp.mpf(x)) for x in self.turns]
            at_breaks = [self(mp.mpf(b.x)) for b in self.breaks]
            taken = [*self.values, *turns, *at_breaks]
            beside = [self(mp.mpf(b.x) + s * NEAR**2) for b in self.breaks for s in (-1, 1)]
            far = [v if abs(v) < FAR / 100 else mp.sign(v) * mp.inf for v in (self(-FAR), self(FAR))]
            low, high = min([*taken, *beside, *far]), max([*taken, *beside, *far])
            reached = abs(min(taken) - low) < SAME, abs(max(taken) - high) < SAME
            return f"{'(['[reached[0]]}{shown(low):g}, {shown(high):g}{')]'[reached[1]]}"


@cache
def curve(row_name: str, **parameters: float) -> Found:
    """What is found of a row's formula, at its defaults and examples but for these parameters."""
    row = reference.row_of(row_name)
    numbers = {name: mp.mpf(value) for name, value in names_of(row, **parameters).items()}
    return Found(lambda x: reference.evaluate(row.formula, x=x, **numbers))


def names_of(row: catalog.Row, **parameters: float) -> dict[str, float]:
    """What a row's formula calls its parameters, and what a call must give beside them."""
    needed = {name: value for name, value in row.needs.items() if name in row.shape.names}
    return {**row.names(), **needed, **parameters}


def places(text: str) -> list[tuple[float, float]]:
    """The intervals and numbers of a text such as ``"(-inf, 0), 2"``, a number as both its ends."""
    parts = re.findall(r"[(\[]([^,]*),([^,]*)[)\]]|([^,()\[\]\s]+)", text)
    return [(float(low or point), float(high or point)) for low, high, point in parts]


def _runs(holds: np.ndarray) -> list[tuple[int, int]]:
    """First and last position of each stretch of what holds."""
    edges = np.diff(np.concatenate([[0], np.asarray(holds, bool).astype(int), [0]]))
    return [(int(a), int(b) - 1) for a, b in zip(*(np.flatnonzero(edges == e) for e in (1, -1)), strict=True)]


def _zero(function, low, high):
    """By halving: nothing is asked of the function but a change of its sign."""
    sign = mp.sign(function(high))
    for _ in range(70):
        middle = (low + high) / 2
        low, high = (low, middle) if mp.sign(function(middle)) == sign else (middle, high)
    return (low + high) / 2
