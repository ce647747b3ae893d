"""Exploding gradients: how large a weight, and how near an input, a sigmoid needs to amplify a gradient.

    python examples/exploding_gradients.py -o exploding_gradients.png

A layer sigmoid(w x + b) multiplies the gradient that goes back through it by w sigmoid'(w x + b). The
slope is at most 1/4, so nothing can grow before abs(w) is larger than 4. But a larger weight also drives w
x + b into the flat parts of the sigmoid sooner, where the slope is next to nothing: the gradient grows for
the x of a short interval alone. That interval is widest near abs(w) = 6.9, and even there about 0.45 wide;
with larger weights it shrinks again. The bias moves the interval and changes nothing of its width.

So a sigmoid's gradients explode only where large weights meet inputs that happen to lie in a narrow place,
in layer after layer. examples/vanishing_or_exploding.py shows how seldom that is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import experiment
import numpy as np
from experiment import Array

import fastact as fa


def factor(w: Array, x: Array, b: float) -> Array:
    """What a gradient is multiplied by on its way back through sigmoid(w x + b)."""
    return fa.sigmoid.backward(np.abs(w), x=w * x + b)


def ends(w: Array, b: float) -> tuple[Array, Array]:
    """The interval of x in which the factor is 1 or more, by bisection; empty where abs(w) < 4.

    On both sides of its largest value, at w x + b = 0, the factor only falls.
    """
    middle = -b / w
    found = []
    for side in (-1.0, 1.0):
        inside, outside = middle.copy(), middle + side * 10
        for _ in range(60):
            x = (inside + outside) / 2
            grows = factor(w, x, b) >= 1
            inside, outside = np.where(grows, x, inside), np.where(grows, outside, x)
        found.append(inside)
    return found[0], found[1]


def draw(weights: Array, biases: list[float], path: Path) -> None:
    drawn = experiment.figure(10, 4)
    left, right = drawn.subplots(1, 2)
    x = np.linspace(-1.5, 1.5, 601)
    for w, (colour, dashes, _) in zip((2, 4, 6.9, 20), experiment.SERIES, strict=False):
        values = factor(np.full_like(x, w), x, 0.0)
        left.plot(x, values, color=colour, linestyle=dashes, label=f"w = {w:g}")
    left.axhline(1, color="grey", linewidth=0.8)
    left.legend(fontsize=8)
    left.set_yscale("log")
    left.set_ylim(1e-3, 10)
    experiment.label(left, "Above 1 the gradient grows (b = 0)", "x", "w sigmoid'(w x)")
    for b, (colour, dashes, _) in zip(biases, experiment.SERIES, strict=False):
        low, high = ends(weights, b)
        right.plot(weights, high - low, color=colour, linestyle=dashes, label=f"width, b = {b:g}")
    low, high = ends(weights, 0.0)
    best = int((high - low).argmax())
    right.plot(weights[best], (high - low)[best], "k*", label=f"widest: w = {weights[best]:.2f}")
    right.legend(fontsize=8)
    experiment.label(right, "Width of the interval where it grows", "w", "width of the interval of x")
    experiment.save(drawn, path)


def main(arguments: list[str] | None = None) -> int:
    options = experiment.options(__doc__, arguments)
    weights = np.linspace(1, 40, 3_901 if options.quick else 39_001)
    biases = [0.0, 3.0]
    low, high = ends(weights, biases[0])
    width = high - low
    shown = [np.searchsorted(weights, w - 1e-9) for w in (2, 4, 5, 6, 6.9, 8, 10, 20, 40)]
    print("where sigmoid(w x) amplifies a gradient\n")
    rows = [
        [f"{weights[i]:.4g}", *(f"{v:.4f}" if width[i] > 0 else "-" for v in (low[i], high[i], width[i]))]
        for i in shown
    ]
    experiment.table(["w", "from x", "to x", "width"], rows)
    best = int(width.argmax())
    print(f"widest: {width[best]:.4f}, at w = {weights[best]:.3f}\n")
    if options.output:
        draw(weights, biases, options.output)
    moved_low, moved_high = ends(weights, biases[1])
    negative_low, negative_high = ends(-weights, biases[1])
    return experiment.verdict(
        {
            "nothing grows where w is less than 4": not width[weights < 4].any(),
            "beyond 4 something does": bool((width[weights > 4.005] > 0).all()),
            "the interval is widest near w = 6.9, about 0.45": abs(weights[best] - 6.9) < 0.05
            and abs(width[best] - 0.45) < 0.005,
            "a bias moves the interval and keeps its width": np.allclose(moved_high - moved_low, width),
            "so does the sign of w": np.allclose(negative_high - negative_low, width),
        }
    )


if __name__ == "__main__":
    sys.exit(main())
