"""Dying relu: units that a training kills, by the learning rate and the initialisation, and what prevents it.

    python examples/dying_relu.py -o dying_relu.png

A relu unit whose input is negative gives 0, and lets no gradient back. Where one step too large makes it
negative for every image of the data, the unit never fires again: without a gradient its weights never
change. It is dead, and a smaller rate later does not revive it.

Networks of one hidden layer are trained on handwritten digits at several rates, from weights of Xavier's and
He's scale and from ones four times too large. Two shares of the units are counted then: of those that never
fire (their output is positive for no image), and of those that are dead (the slope is below 1/1000 for all
images, so that hardly any gradient comes back). For relu they are the same.

leaky_relu, prelu and rrelu units may never fire either, but their slope is not 0 where they do not, so
they go on learning and none is dead. Of maxout's pieces the largest always has slope 1. elu is between:
its slope exp(x) is small for very negative x only, so its units survive rates of up to 1 and die at larger
ones. A rate that is too large has its price without dead units too: prelu, which multiplies by slopes that
it learns, ends in infinities there ("-"), and the others may learn nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import experiment
import numpy as np
from deep_network import INITIALISATIONS, Network, he
from digits_mlp import digits_data
from experiment import Array

ACTIVATIONS = "relu", "leaky_relu", "prelu", "rrelu", "elu", "maxout"
LEAKY = "leaky_relu", "prelu", "rrelu", "maxout"
STARTS = {**INITIALISATIONS, "4 × He": lambda inputs, outputs: 4 * he(inputs, outputs)}
WIDTHS = [64, 128, 10]
SMALL_RATE, DEAD_SLOPE = 0.1, 1e-3


class Shares(NamedTuple):
    """Of the hidden units, after training; NaN where the training ended in infinities."""

    silent: float
    dead: float
    dead_later: float


def counted(network: Network, images: Array) -> tuple[float, float]:
    """The share of hidden units that never fire, and of those that are dead."""
    network.forward(images)
    units = network.layers[0].units
    assert units
    y = units.forward(units.z)
    if not np.isfinite(y).all():
        return np.nan, np.nan
    slopes = np.abs(units.backward(np.ones_like(y))).max(axis=0)
    # A maxout unit has a slope for each of its pieces: it lives while one of them does.
    slopes = slopes.reshape(WIDTHS[1], -1).max(axis=1)
    return float((y <= 0).all(axis=0).mean()), float((slopes < DEAD_SLOPE).mean())


def trained(name: str, start: str, rate: float, epochs: int, data: tuple[Array, ...]) -> Shares:
    """Train at the rate, count, train on at a small rate, and count again."""
    images, digits = data[0], data[1].astype(np.intp)
    network = Network(name, WIDTHS, STARTS[start])
    # Some of these trainings are meant to fail.
    with np.errstate(over="ignore", invalid="ignore"):
        network.train(images, digits, rate, epochs)
        silent, dead = counted(network, images)
        network.train(images, digits, SMALL_RATE, epochs)
        _, dead_later = counted(network, images)
    return Shares(silent, dead, dead_later)


Found = dict[tuple[str, str], list[Shares]]
"""By initialisation and activation, the shares at each rate."""


def draw(rates: list[float], found: Found, path: Path) -> None:
    drawn = experiment.figure(11, 6.5)
    axes = drawn.subplots(2, len(STARTS), sharex=True, sharey=True)
    for column, start in enumerate(STARTS):
        for name in ACTIVATIONS:
            shares = found[start, name]
            experiment.line(axes[0, column], name, rates, [100 * share.silent for share in shares])
            experiment.line(axes[1, column], name, rates, [100 * share.dead for share in shares])
        axes[0, column].set_xscale("log")
        axes[0, column].set_xticks(rates, map(str, rates))
        axes[0, column].set_xticks([], minor=True)
        y = "" if column else "share of units (%)"
        experiment.label(axes[0, column], f"{start}: units that never fire", "", y)
        experiment.label(axes[1, column], f"{start}: dead units", "learning rate", y)
    handles, names = axes[0, 0].get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside lower center", ncols=len(names), fontsize=9, frameon=False)
    experiment.save(drawn, path)


def claims(rates: list[float], found: Found) -> dict[str, bool]:
    """What is said above, with room for the chance of a training."""
    relu = [found[start, "relu"] for start in STARTS]
    leaky = [shares for start in STARTS for name in LEAKY for shares in found[start, name]]
    elu = [found[start, "elu"] for start in STARTS]
    one = rates.index(1)
    return {
        "at a rate of 0.1 less than a tenth of relu's units die": all(s[0].dead < 0.1 for s in relu),
        "at a rate of 3 more than half of them do": all(s[-1].dead > 0.5 for s in relu),
        "relu's units that never fire are the dead ones": all(s.dead == s.silent for r in relu for s in r),
        "and none of them revives at a smaller rate": all(s.dead_later >= s.dead for r in relu for s in r),
        "no unit of leaky_relu, prelu, rrelu or maxout dies": not any(s.dead > 0 for s in leaky),
        "though many of leaky_relu's never fire": found["He", "leaky_relu"][-1].silent > 0.5,
        "elu's survive a rate of 1": all(s[one].dead < 0.1 for s in elu),
        "but not one of 3": all(s[-1].dead > 0.25 for s in elu),
    }


def main(arguments: list[str] | None = None) -> int:
    options = experiment.options(__doc__, arguments)
    data = digits_data()
    rates = [0.1, 1.0, 3.0] if options.quick else [0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0]
    epochs = 2 if options.quick else 10
    found = {
        (start, name): [trained(name, start, rate, epochs, data) for rate in rates]
        for start in STARTS
        for name in ACTIVATIONS
    }
    print("units that never fire / dead units, by the learning rate\n")
    rows = [[f"{start}, {name}", *map(shown, shares)] for (start, name), shares in found.items()]
    experiment.table(["", *map(str, rates)], rows)
    if options.output:
        draw(rates, found, options.output)
    return experiment.verdict(claims(rates, found))


def shown(shares: Shares) -> str:
    return "-" if np.isnan(shares.dead) else f"{shares.silent:.0%} / {shares.dead:.0%}"


if __name__ == "__main__":
    sys.exit(main())
