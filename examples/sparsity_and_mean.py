"""What comes out of an activation: how much of it is zero, and how far its mean is from zero.

    python examples/sparsity_and_mean.py -o sparsity_and_mean.png

relu gives an exact 0 for every negative input. On inputs as a well-made network has them, spread around
zero, that is half of them: the output is sparse. Zeros need no computing by whoever skips them, and a unit
speaks for few inputs only. No other activation here gives zeros, however near to zero its outputs are.

The price is a mean: what relu gives is never negative, so its outputs are 0.40 on average, and the next
layer is shifted by that (examples/zigzag.py shows what is bad about it). elu gives negative outputs for
negative inputs, which brings its mean down to 0.16. It is often said to be zero-centred: it is nearer than
relu, not there. tanh is, as it is odd; sigmoid is at 1/2, the farthest.

The second part looks for both in networks that have learned handwritten digits, where nobody arranged the
inputs of the layers: more than a third of relu's outputs are zeros there.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import experiment
import numpy as np
from deep_network import Network, he, xavier
from digits_mlp import digits_data
from experiment import Array

import fastact as fa

ACTIVATIONS = "sigmoid", "tanh", "relu", "leaky_relu", "elu", "silu", "gelu"
INITIALISATION = {"sigmoid": xavier, "tanh": xavier}
"""He's for the others."""

WIDTHS, RATE = [64, 128, 128, 10], 0.1


class Outputs(NamedTuple):
    zeros: float
    mean: float


def of_normal_inputs(name: str) -> Outputs:
    """Over a sample of the normal distribution."""
    x = np.random.default_rng(0).standard_normal(400_000)
    # Each with its opposite: the sample's own mean is zero too.
    y = fa.get(name)(np.concatenate([x, -x]))
    return Outputs(float((y == 0).mean()), float(y.mean()))


def of_a_trained_network(name: str, epochs: int, data: tuple[Array, ...]) -> tuple[Outputs, Array]:
    """Of its second hidden layer over images it has not seen, and the outputs themselves."""
    images, digits, test_images, _ = data
    network = Network(name, WIDTHS, INITIALISATION.get(name, he))
    network.train(images, digits.astype(np.intp), RATE, epochs)
    network.forward(test_images)
    y = network.layers[2].x
    return Outputs(float((y == 0).mean()), float(y.mean())), y


def draw(normal: Mapping[str, Outputs], trained: Mapping[str, Outputs], relu: Array, path: Path) -> None:
    drawn = experiment.figure(11, 4)
    zeros, means, images = drawn.subplots(1, 3, width_ratios=[1, 1, 0.9])
    places = np.arange(len(ACTIVATIONS))
    bars = ("normal inputs", normal, -0.2, "#0072b2", ""), ("trained network", trained, 0.2, "#e69f00", "//")
    for name, found, shift, colour, hatch in bars:
        style = {"height": 0.36, "label": name, "edgecolor": "black", "facecolor": colour, "hatch": hatch}
        zeros.barh(places + shift, [100 * found[n].zeros for n in ACTIVATIONS], **style)
        means.barh(places + shift, [found[n].mean for n in ACTIVATIONS], **style)
    for axis in (zeros, means):
        axis.set_yticks(places, ACTIVATIONS)
        axis.invert_yaxis()
    zeros.set_xlim(0, 100)
    zeros.legend(fontsize=8)
    means.axvline(0, color="black", linewidth=1)
    experiment.label(zeros, "Zeros", "share of outputs (%)", "")
    experiment.label(means, "Mean", "mean of outputs", "")
    images.imshow(relu[:64, :64] > 0, cmap="Greys", aspect="auto", interpolation="nearest")
    experiment.label(images, "relu in the trained network:\nblack where it is not 0", "unit", "image")
    images.grid(visible=False)
    experiment.save(drawn, path)


def main(arguments: list[str] | None = None) -> int:
    options = experiment.options(__doc__, arguments)
    data = digits_data()
    epochs = 3 if options.quick else 15
    normal = {name: of_normal_inputs(name) for name in ACTIVATIONS}
    networks = {name: of_a_trained_network(name, epochs, data) for name in ACTIVATIONS}
    trained = {name: outputs for name, (outputs, _) in networks.items()}
    print("outputs for normal inputs, and of the second layer of a trained network\n")
    rows = [
        [name, *(f"{v.zeros:.1%}  {v.mean:+.3f}" for v in (normal[name], trained[name]))]
        for name in ACTIVATIONS
    ]
    experiment.table(["", "normal: zeros, mean", "trained: zeros, mean"], rows)
    if options.output:
        draw(normal, trained, networks["relu"][1], options.output)
    others = [name for name in ACTIVATIONS if name != "relu"]
    return experiment.verdict(
        {
            "half of relu's outputs are zeros": normal["relu"].zeros == 0.5,
            "and more than a third in a trained network": trained["relu"].zeros > 1 / 3,
            "nothing else gives zeros": not any(normal[n].zeros or trained[n].zeros for n in others),
            "relu's mean is 0.40": abs(normal["relu"].mean - 0.399) < 0.005,
            "elu's is 0.16, nearer to zero and not there": abs(normal["elu"].mean - 0.161) < 0.005,
            "tanh's is zero": abs(normal["tanh"].mean) < 1e-9,
            "elu's mean is nearer to zero in a trained network too": abs(trained["elu"].mean)
            < trained["relu"].mean,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
