"""What is known of an activation as a function, and what is said of it and is not so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Smoothness = Literal["jumps", "C0", "C1", "C2", "Cinf"]
Saturation = Literal["", "soft", "hard"]
"""No limit, one that is only approached, or one that is reached and kept."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Properties:
    """What an activation is as a function; what follows from other facts is computed from them.

    All of it holds at the default parameters; where there is no default, at the row's example, and for random
    slopes at their mean. Numbers are rounded to six digits. Places are written as `range` is:
    ``"(-inf, 0), 2"`` are all numbers below 0, and 2; ``"inf"`` by itself is a limit.

    Along an axis each output is a function of its whole row (its group, its two halves): slopes are its
    derivatives with respect to every input, in rows of any length; left and right is where its own input goes
    while the others stay. What makes no sense there is None, or left out.
    """

    slope: tuple[float, float]
    """Infimum and supremum of the derivative; at a jump it is infinite."""
    slope_at: tuple[str, str] | None = None
    """Where it is, or comes near, the one and the other."""
    turns: str = ""
    """Where the derivative changes its sign."""
    breaks: Mapping[int, tuple[float, ...] | str] = field(default_factory=dict)
    """Where it is not smooth, by the order of the first derivative that jumps; along an axis in words."""
    curvature: Literal["", "convex", "concave"] = ""
    """Empty where it bends both ways, and where it is straight."""
    left: Saturation | None = ""
    """Whether the output has a finite limit as x falls."""
    right: Saturation | None = ""
    """The same as x rises."""
    fixed_points: str | None = None
    """Where the output is the input; empty where it never is."""
    mean: float | None = None
    """Of the outputs where inputs are standard normal."""
    spectral: float | None = None
    """Largest norm of the Jacobian of a row, where the Lipschitz constant is more than that of one output."""

    @property
    def nonlinear(self) -> bool:
        """Whether its graph is no straight line."""
        return self.slope[0] != self.slope[1]

    @property
    def monotonic(self) -> bool:
        """Whether the output falls nowhere as x rises."""
        return self.slope[0] >= 0

    @property
    def sign(self) -> str:
        """That of the derivative: "positive" everywhere, "not negative", or "both"."""
        least, places = self.slope[0], (self.slope_at or ("0",))[0]
        only_in_the_limit = {place.strip() for place in places.split(",")} <= {"-inf", "inf"}
        if least < 0:
            return "both"
        return "positive" if least > 0 or only_in_the_limit else "not negative"

    @property
    def lipschitz(self) -> float:
        """Largest ratio of a change of the output to that of the input; along an axis as Euclidean norms."""
        return max(map(abs, self.slope)) if self.spectral is None else self.spectral

    @property
    def smoothness(self) -> Smoothness:
        """How many derivatives are continuous; "jumps" where the function itself is not."""
        order = min(self.breaks, default=math.inf)
        if order == 0:
            return "jumps"
        return "Cinf" if order == math.inf else f"C{int(order) - 1}"  # type: ignore[return-value]

    @property
    def differentiable(self) -> bool:
        """Whether it has a derivative everywhere."""
        return self.smoothness not in ("jumps", "C0")

    @property
    def not_differentiable_at(self) -> tuple[float, ...] | str:
        """Where it has none: at jumps and kinks; along an axis in words."""
        places = [self.breaks[order] for order in (0, 1) if order in self.breaks]
        words = "; ".join(place for place in places if isinstance(place, str))
        return words or tuple(sorted(x for place in places for x in place if not isinstance(x, str)))

    @property
    def convex(self) -> bool:
        """Whether its graph lies nowhere above a chord."""
        return self.curvature == "convex" or not self.nonlinear

    @property
    def concave(self) -> bool:
        """Whether its graph lies nowhere below a chord."""
        return self.curvature == "concave" or not self.nonlinear

    @property
    def saturates(self) -> bool:
        """Whether the output has a finite limit on both sides."""
        return bool(self.left and self.right)

    @property
    def zero_centered(self) -> bool:
        """Whether the outputs of standard normal inputs have the mean 0."""
        return self.mean == 0

    def facts(self) -> dict[str, str]:
        """All of it in words, by what it is called."""
        sides = (("left", self.left), ("right", self.right))
        saturating = ", ".join(f"{side} ({how})" for side, how in sides if how) or "no"
        shape = (("convex", self.convex), ("concave", self.concave))
        least, most = self.slope_at or ("", "")
        facts = {
            "nonlinear": _yes(self.nonlinear),
            "smoothness": self.smoothness + _at(_listed(self.breaks.get(min(self.breaks, default=0), ()))),
            "differentiable": _yes(self.differentiable) + _at(_listed(self.not_differentiable_at)),
            "derivative": f"from {self.slope[0]:g}{_at(least)} to {self.slope[1]:g}{_at(most)}",
            "sign of the derivative": f"{self.sign}, changing{_at(self.turns)}" if self.turns else self.sign,
            "Lipschitz constant": f"{self.lipschitz:g}",
            "monotonic": _yes(self.monotonic),
            "curvature": " and ".join(name for name, holds in shape if holds) or "neither convex nor concave",
            "saturating": None if self.left is None else saturating,
            "fixed points": None if self.fixed_points is None else self.fixed_points or "none",
            "mean output": None if self.mean is None else f"{self.mean:g}",
            "zero-centred": None if self.mean is None else _yes(self.zero_centered),
        }
        return {name: text for name, text in facts.items() if text is not None}

    def __repr__(self) -> str:
        return "\n".join(f"{name:24}{text}" for name, text in self.facts().items())


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _at(places: str) -> str:
    return f" {'' if places.startswith('where') else 'at '}{places}" if places else ""


def _listed(places: tuple[float, ...] | str) -> str:
    return places if isinstance(places, str) else ", ".join(f"{x:g}" for x in places)


class Claim(NamedTuple):
    """What is widely said of an activation and is not so."""

    said: str
    why: str
    """Why it is not, with every number in digits."""
    formally: str
    """The claim as a condition over what is found numerically; it must come out false."""
    figures: tuple[str, ...]
    """What each number of `why` is, in its order, over the same."""
