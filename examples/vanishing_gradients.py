"""Vanishing gradients: why a deep network of sigmoids does not learn, and what helps.

    python examples/vanishing_gradients.py -o vanishing_gradients.png

A gradient goes back through a network layer by layer, and each layer multiplies it by the slope of its
activation. The slope of sigmoid is at most 1/4, so after two layers at most 1/16 is left, and after ten
1/1,048,576, whatever the inputs are. The weights are factors too, but with the usual initialisations they
do not make up for it. The slopes of tanh, relu and leaky_relu reach 1, so a gradient can pass; those of
silu and gelu even reach a little more than 1.

The second part shows it in a network that recognises handwritten digits, with ten hidden layers: the norm
of the gradient of each layer's weights before training. With sigmoid the first layers are given next to
nothing, under Xavier's and under He's initialisation, and after training the network still guesses. Batch
normalisation (fa.batch_norm) is a cure: it stretches what enters each sigmoid, and by the same factor what
comes back, which is what the small slope takes away. The initialisation matters for the others: Xavier's is
made for tanh, He's for relu. Under the other one all layers may get equally little or much, which is
another matter than a gradient that falls from layer to layer.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import experiment
import numpy as np
from deep_network import INITIALISATIONS, Network
from digits_mlp import digits_data

import fastact as fa

ACTIVATIONS = "sigmoid", "tanh", "relu", "leaky_relu", "elu", "silu", "gelu"
DEPTH, WIDTH, RATE = 10, 64, 0.1
WIDTHS = [64, *[WIDTH] * DEPTH, 10]
NETWORKS = {
    (initialisation, normed): f"{initialisation}, {'with' if normed else 'no'} batch normalisation"
    for normed in (False, True)
    for initialisation in INITIALISATIONS
}
TRAINED = "sigmoid", "tanh", "relu"

PerName = Mapping[str, float]
PerNetwork = Mapping[tuple[str, bool], PerName]


def largest_slope(name: str) -> float:
    """The gradient that comes out of the activation where 1 goes in, at its largest over x."""
    x = np.linspace(-10, 10, 20_001)
    return float(fa.get(name).backward(np.ones_like(x), x=x).max())


def gradient_norms(data: tuple[np.ndarray, ...]) -> dict[tuple[str, bool], dict[str, list[float]]]:
    """Of each hidden layer's weights before training, by network and activation."""
    found: dict[tuple[str, bool], dict[str, list[float]]] = {key: {} for key in NETWORKS}
    for initialisation, normed in NETWORKS:
        for name in ACTIVATIONS:
            network = Network(name, WIDTHS, INITIALISATIONS[initialisation], normed)
            network.gradients(data[0], data[1])
            found[initialisation, normed][name] = network.gradient_norms()[:-1]
    return found


def accuracies(data: tuple[np.ndarray, ...], epochs: int) -> dict[tuple[str, bool], dict[str, float]]:
    """The share of right answers after training."""
    images, digits, test_images, test_digits = data
    found: dict[tuple[str, bool], dict[str, float]] = {key: {} for key in NETWORKS}
    for initialisation, normed in NETWORKS:
        for name in TRAINED:
            network = Network(name, WIDTHS, INITIALISATIONS[initialisation], normed)
            network.train(images, digits, RATE, epochs)
            found[initialisation, normed][name] = network.accuracy(test_images, test_digits)
    return found


def draw(
    slopes: Mapping[str, float], norms: Mapping[tuple[str, bool], Mapping[str, list[float]]], path: Path
) -> None:
    drawn = experiment.figure(11, 6.5)
    panels = [f"{key}" for key in NETWORKS]
    axes = drawn.subplot_mosaic([["bound", *panels[:2]], ["bound", *panels[2:]]], width_ratios=[1.2, 1, 1])
    layers = np.arange(1, DEPTH + 1)
    for name, slope in slopes.items():
        experiment.line(axes["bound"], name, layers, slope**layers)
    title = "At most this much of a gradient is left by slopes\n(tanh, relu, leaky_relu and elu: 1, one line)"
    experiment.label(axes["bound"], title, "layers passed", "largest product of slopes")
    axes["bound"].set_yscale("log")
    for (key, title), panel in zip(NETWORKS.items(), panels, strict=True):
        for name, values in norms[key].items():
            experiment.line(axes[panel], name, layers, values)
        axes[panel].set_yscale("log")
        axes[panel].set_ylim(1e-7, 10)
        experiment.label(axes[panel], title, "hidden layer (1 is next to the image)", "norm of the gradient")
    handles, names = axes["bound"].get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside lower center", ncols=len(names), fontsize=9, frameon=False)
    experiment.save(drawn, path)


def main(arguments: list[str] | None = None) -> int:
    options = experiment.options(__doc__, arguments)
    data = digits_data()
    slopes = {name: largest_slope(name) for name in ACTIVATIONS}
    print("largest slope, and what of a gradient can pass ten layers\n")
    rows = [[name, f"{slope:.6g}", f"{slope**DEPTH:.6g}"] for name, slope in slopes.items()]
    experiment.table(["", "one layer", "ten layers"], rows)

    norms = gradient_norms(data)
    print("norm of the gradient before training: first hidden layer / tenth\n")
    ratios = {key: {name: v[0] / v[-1] for name, v in found.items()} for key, found in norms.items()}
    experiment.table(
        ["", *ACTIVATIONS],
        [[NETWORKS[key], *(f"{ratio:.2g}" for ratio in found.values())] for key, found in ratios.items()],
    )
    right = accuracies(data, epochs=3 if options.quick else 10)
    print("right answers on digits that were not trained on\n")
    rows = [[NETWORKS[key], *(f"{v:.1%}" for v in found.values())] for key, found in right.items()]
    experiment.table(["", *TRAINED], rows)
    if options.output:
        draw(slopes, norms, options.output)
    return experiment.verdict(claims(slopes, ratios, right))


def claims(slopes: PerName, ratios: PerNetwork, right: PerNetwork) -> dict[str, bool]:
    others = ACTIVATIONS[1:]
    plain = [key for key in NETWORKS if not key[1]]
    normed = [key for key in NETWORKS if key[1]]
    return {
        "ten sigmoids leave at most 1/1,048,576 of a gradient": slopes["sigmoid"] ** DEPTH == 4.0**-10,
        "the slopes of all others reach 1": min(slopes[name] for name in others) >= 1,
        "with sigmoid the first layer's gradient is less than a thousandth of the tenth's": all(
            ratios[key]["sigmoid"] < 1e-3 for key in plain
        ),
        "with every other it is between a third and three times the tenth's": all(
            1 / 3 < ratios[key][name] < 3 for key in plain for name in others
        ),
        "with batch normalisation so it is with sigmoid": all(
            1 / 3 < ratios[key]["sigmoid"] < 3 for key in normed
        ),
        "a network of sigmoids guesses after training": all(right[key]["sigmoid"] < 0.2 for key in plain),
        "and learns with batch normalisation": all(right[key]["sigmoid"] > 0.8 for key in normed),
    }


if __name__ == "__main__":
    sys.exit(main())
