"""Not zero-centred: why weights behind a sigmoid go in a zig-zag, drawn as a path of two weights.

    python examples/zigzag.py -o zigzag.png

A neuron adds up two inputs, each times a weight, and its inputs are the outputs of the layer before it.
Its gradient is the same error times each input. All outputs of a sigmoid are positive, so both weights are
told to go up, or both are told to go down, whatever the error is. Where one of them has to go up and the
other down, as from (0, 0) to (1, -1) here, no single update points there. The path overshoots to one side
and comes back from the other: a zig-zag, and many updates. Outputs of tanh have both signs, so updates
have every direction.

To see that it is the mean of the outputs that matters, and not that sigmoid is flatter than tanh, the same
is done with sigmoid(x) - 1/2, which is as flat and has mean zero. Each takes a sample at a time, at the
rates of a grid, and is judged at the rate that brings it there with the fewest updates.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import experiment
import numpy as np
from experiment import Array

import fastact as fa

TARGET = np.array([1.0, -1.0])
NEAR, MOST_UPDATES, FAR = 0.05, 2_000, 100
RATES = 2.0 ** np.arange(-3, 5)

INPUTS: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda z: fa.sigmoid(z),
    "sigmoid - 1/2": lambda z: fa.sigmoid(z) - 0.5,
    "tanh": lambda z: fa.tanh(z),
}


def path_of_weights(name: str, rate: float, seed: int) -> Array:
    """From (0, 0) until the weights are near the target, far away, or all updates are spent."""
    samples = INPUTS[name](np.random.default_rng(seed).standard_normal((MOST_UPDATES, 2)))
    weights = [np.zeros(2)]
    for h in samples:
        error = h @ weights[-1] - h @ TARGET
        weights.append(weights[-1] - rate * error * h)
        if not NEAR < np.linalg.norm(weights[-1] - TARGET) < FAR:
            break
    return np.array(weights)


class Judged(NamedTuple):
    """Medians over random samples, at the best rate."""

    rate: float
    updates: float
    detour: float
    together: float


def judged(name: str, seeds: range) -> Judged:
    def at(rate: float) -> Judged:
        paths = [path_of_weights(name, rate, seed) for seed in seeds]
        steps = [np.diff(path, axis=0) for path in paths]
        arrived = [np.linalg.norm(path[-1] - TARGET) <= NEAR for path in paths]
        updates = [len(s) if there else np.inf for s, there in zip(steps, arrived, strict=True)]
        lengths = [np.linalg.norm(s, axis=1).sum() / np.linalg.norm(TARGET) for s in steps]
        together = [(s[:, 0] * s[:, 1] > 0).mean() for s in steps]
        return Judged(rate, *(float(np.median(values)) for values in (updates, lengths, together)))

    return min((at(rate) for rate in RATES), key=lambda found: found.updates)


def draw(found: dict[str, Judged], path: Path) -> None:
    drawn = experiment.figure(11, 4.2)
    axes = drawn.subplots(1, 3, sharex=True, sharey=True)
    for axis, (name, best) in zip(axes, found.items(), strict=True):
        weights = path_of_weights(name, best.rate, seed=0)
        style = experiment.STYLES[name.split()[0]]
        axis.plot(*weights.T, color=style.colour, marker=style.marker, markersize=3, linewidth=1)
        axis.plot([0], [0], "ks", label="start")
        axis.plot(*TARGET, "k*", markersize=11, label="target")
        axis.set_aspect("equal", adjustable="box")
        axis.legend(fontsize=8, loc="lower left")
        title = f"inputs from {name}: {len(weights) - 1} updates, rate {best.rate:g}"
        experiment.label(axis, title, "first weight", "second weight")
    experiment.save(drawn, path)


def main(arguments: list[str] | None = None) -> int:
    options = experiment.options(__doc__, arguments)
    seeds = range(21 if options.quick else 101)
    found = {name: judged(name, seeds) for name in INPUTS}
    print("from (0, 0) to (1, -1), each at its best rate; medians\n")
    rows = [
        [name, f"{best.rate:g}", f"{best.updates:.0f}", f"{best.detour:.1f}", f"{best.together:.0%}"]
        for name, best in found.items()
    ]
    experiment.table(["inputs", "rate", "updates", "path / distance", "both weights the same way"], rows)
    if options.output:
        draw(found, options.output)
    sigmoid, centred, tanh = found.values()
    return experiment.verdict(
        {
            "behind sigmoid both weights go the same way at every update": sigmoid.together == 1,
            "behind zero-centred inputs at about half of them": 0.3
            < min(tanh.together, centred.together)
            <= max(tanh.together, centred.together)
            < 0.7,
            "sigmoid needs at least 1.5 times the updates of tanh": sigmoid.updates >= 1.5 * tanh.updates,
            "and of sigmoid - 1/2": sigmoid.updates >= 1.5 * centred.updates,
            "on a path at least 1.5 times as long as either's": sigmoid.detour
            >= 1.5 * max(tanh.detour, centred.detour),
        }
    )


if __name__ == "__main__":
    sys.exit(main())
