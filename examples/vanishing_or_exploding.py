"""Which comes first with sigmoid as weights grow: gradients that vanish, or gradients that explode?

    python examples/vanishing_or_exploding.py -o vanishing_or_exploding.png

Random networks of ten hidden layers are drawn with weights of every scale, from a tenth of what Xavier's
initialisation draws to a hundred times that, and a gradient is sent back through each. Where what arrives
at the first layer is less than a hundredth of what left the last one it vanished, where it is more than a
hundred times that it exploded.

With tanh both lie close to where a training starts: Xavier's scale, made for it, is between them. With
sigmoid gradients vanish there, and still with weights several times as large, because no slope is larger
than 1/4. They explode only at weights some forty times Xavier's, because large weights drive most units
into their flat parts. So vanishing comes first, by far, and that is what sigmoid is known for.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import experiment
import numpy as np
from deep_network import Network, xavier
from experiment import Array
from numpy.typing import NDArray

ACTIVATIONS = "sigmoid", "tanh"
DEPTH, WIDTH, BATCH = 10, 64, 32
VANISHED, EXPLODED = 1e-2, 1e2


def growth(name: str, scale: float, seed: int) -> float:
    """The gradient at the first hidden layer over that at the last, in a random network."""
    random = np.random.default_rng(seed)
    x, classes = random.standard_normal((BATCH, WIDTH)), random.integers(0, 10, BATCH)
    widths = [WIDTH] * (DEPTH + 1) + [10]
    network = Network(name, widths, lambda n, m: scale * xavier(n, m), seed=seed)
    network.gradients(x, classes)
    # Of the biases: a weight's gradient also has the size of what enters the layer.
    first, last = network.layers[0], network.layers[-2]
    return float(np.linalg.norm(first.bias_gradient) / np.linalg.norm(last.bias_gradient))


def draw(scales: Array, found: Mapping[str, Array], path: Path) -> None:
    drawn = experiment.figure(7, 4.5)
    axis = drawn.subplots()
    for name, ratios in found.items():
        experiment.line(axis, name, scales, np.median(ratios, axis=1))
        colour = experiment.STYLES[name].colour
        axis.fill_between(scales, ratios.min(axis=1), ratios.max(axis=1), color=colour, alpha=0.2)
    axis.axhspan(VANISHED, EXPLODED, color="grey", alpha=0.15, label="neither vanished nor exploded")
    axis.axvline(1, color="grey", linewidth=0.8)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.legend(fontsize=8, loc="lower right")
    x, y = "scale of the weights (1: Xavier)", "gradient at layer 1 / at layer 10"
    experiment.label(axis, "Random networks of ten hidden layers: median and range", x, y)
    experiment.save(drawn, path)


def threshold(scales: Array, happened: NDArray[np.bool_]) -> float:
    """The smallest of the scales at which it happens to most networks, or infinity."""
    most = happened.mean(axis=1) > 0.5
    return float(scales[most.argmax()]) if most.any() else float("inf")


def main(arguments: list[str] | None = None) -> int:
    options = experiment.options(__doc__, arguments)
    scales = np.geomspace(0.1, 100, 13 if options.quick else 25)
    seeds = range(3 if options.quick else 20)
    found = {
        name: np.array([[growth(name, scale, seed) for seed in seeds] for scale in scales])
        for name in ACTIVATIONS
    }
    print("gradient at layer 1 / at layer 10, median of random networks\n")
    medians = {name: np.median(ratios, axis=1) for name, ratios in found.items()}
    rows = [[f"{s:.3g}", *(f"{medians[n][i]:.2g}" for n in ACTIVATIONS)] for i, s in enumerate(scales)]
    experiment.table(["scale", *ACTIVATIONS], rows)
    ends = {name: threshold(scales, ratios >= VANISHED) for name, ratios in found.items()}
    begins = {name: threshold(scales, ratios > EXPLODED) for name, ratios in found.items()}
    rows = [[name, f"{ends[name]:.2g}", f"{begins[name]:.2g}"] for name in ACTIVATIONS]
    experiment.table(["", "vanishes below scale", "explodes from scale"], rows)
    if options.output:
        draw(scales, found, options.output)
    at_xavier = int(np.abs(scales - 1).argmin())
    return experiment.verdict(
        {
            "at Xavier's scale sigmoid's gradients vanish in every network": bool(
                (found["sigmoid"][at_xavier] < VANISHED).all()
            ),
            "and still at three times that": ends["sigmoid"] > 3,
            "they explode only beyond twenty times that": begins["sigmoid"] > 20,
            "tanh's neither vanish nor explode at Xavier's scale": ends["tanh"] <= 1 < begins["tanh"],
        }
    )


if __name__ == "__main__":
    sys.exit(main())
