"""softmax beside the hard maximum: what the temperature does, and why nothing learns by a maximum.

    python examples/softmax_temperature.py -o softmax_temperature.png

softmax turns scores into shares that add up to one. Divided by a temperature first, the scores differ more
or less: a low temperature gives nearly everything to the largest score, a high one gives all about the
same. The limit at zero is the hard maximum, 1 for the largest and 0 for the others.

Nothing can be learned through a hard maximum: a small change of a score changes no output, so the gradient
is zero. softmax lets a gradient through at every temperature, but less and less as it gets hard, and as it
gets even too. The figure shows both: the shares, and how much the largest share changes with its score. It
is most near the temperature where the largest score has about three quarters of all.
"""

from __future__ import annotations

import sys
from pathlib import Path

import experiment
import numpy as np
from experiment import Array

import fastact as fa

SCORES = np.array([3.0, 2.0, 1.0, 0.0, -1.0])


def shares(temperature: float) -> Array:
    return fa.softmax(SCORES, temperature=temperature)


def slope_of_the_largest(temperature: float) -> float:
    """How much the largest share changes with the largest score."""
    dy = np.zeros_like(SCORES)
    dy[0] = 1
    return float(fa.softmax.backward(dy, y=shares(temperature), temperature=temperature)[0])


def draw(temperatures: Array, path: Path) -> None:
    drawn = experiment.figure(10, 4)
    left, right = drawn.subplots(1, 2)
    found = np.array([shares(t) for t in temperatures])
    for score, values, (colour, dashes, _) in zip(SCORES, found.T, experiment.SERIES, strict=False):
        left.plot(temperatures, values, color=colour, linestyle=dashes, label=f"score {score:g}")
    right.plot(temperatures, [slope_of_the_largest(t) for t in temperatures], color="black")
    for axis in (left, right):
        axis.set_xscale("log")
    left.legend(fontsize=8)
    experiment.label(left, "Shares: a hard maximum to the left, even to the right", "temperature", "share")
    title = "What the largest score is told"
    experiment.label(right, title, "temperature", "slope of the largest share")
    experiment.save(drawn, path)


def main(arguments: list[str] | None = None) -> int:
    options = experiment.options(__doc__, arguments)
    temperatures = np.geomspace(0.01, 100, 81 if options.quick else 801)
    hard = (SCORES.max() == SCORES).astype(float)
    print("shares of five scores, and the slope of the largest share, by the temperature\n")
    rows = [
        [f"{t:g}", *(f"{share:.4f}" for share in shares(t)), f"{slope_of_the_largest(t):.2g}"]
        for t in (0.01, 0.1, 0.5, 1, 2, 10, 100)
    ]
    experiment.table(["temperature", *(f"score {score:g}" for score in SCORES), "slope"], rows)
    if options.output:
        draw(temperatures, options.output)
    found = np.array([shares(t) for t in temperatures])
    from_hard = np.abs(found - hard).max(axis=1)
    slopes = np.array([slope_of_the_largest(t) for t in temperatures])
    largest = float(found[slopes.argmax(), 0])
    print(f"steepest at temperature {temperatures[slopes.argmax()]:.2f}, the largest share {largest:.2f}\n")
    return experiment.verdict(
        {
            "shares add up to one": np.allclose(found.sum(axis=1), 1),
            "the lower the temperature, the nearer to a hard maximum": bool((np.diff(from_hard) >= 0).all()),
            "at 0.01 it is one": from_hard[0] < 1e-12,
            "at 100 all have about the same": bool((np.abs(found[-1] - 0.2) < 0.01).all()),
            "the gradient is gone where it is hard": slopes[0] < 1e-12,
            "and less than a fiftieth of its largest where it is even": slopes[-1] < slopes.max() / 50,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
