"""Memory: a step of training in place, beside one that keeps the input of every activation.

    python examples/memory_in_place.py -o memory_in_place.png

Until the gradient comes back, a network keeps what backward will ask for. A layer's weights ask for what
went into the layer, which is the output of the activation before it. The activation asks for its input, so
there are two arrays for every layer: its input and its output.

elu, leaky_relu and softplus can tell their derivative from the output alone, as sigmoid, tanh and relu
can. With fastact the output overwrites the input then, and backward is given the output, y=: one array for
every layer. PyTorch does without the inputs of sigmoid, tanh and relu too; for elu, leaky_relu and
softplus, unless they are called in place, it keeps them, as the network to compare with does here. silu's
derivative cannot be told from its output, because two inputs can have the same one: nothing is saved
there.

What NumPy allocates in a step is counted by tracemalloc, at its peak, beside weights and images. Both ways
are computed with fastact and must end at the same weights.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import experiment
import numpy as np
from experiment import Array

import fastact as fa

ACTIVATIONS = "elu", "leaky_relu", "softplus", "silu"
FROM_OUTPUT = ACTIVATIONS[:3]
RATE = 0.01


def step(name: str, weights: list[Array], x: Array, in_place: bool) -> None:
    """Forward, backward and new weights, towards outputs that are zero."""
    activation = fa.get(name)
    in_place = in_place and "y" in activation.saves
    kept = []
    for weight in weights:
        z = x @ weight
        kept.append((x, z))
        x = activation(z, out=z) if in_place else activation(z)
    dy = x / x.size
    # The last outputs are not asked for again, where they are arrays of their own.
    del x
    for weight in reversed(weights):
        # What is kept of a layer is given up as soon as its gradient is known, as frameworks do.
        x, z = kept.pop()
        dy = activation.backward(dy, y=z, out=dy) if in_place else activation.backward(dy, x=z)
        weight_gradient = x.T @ dy
        dy = dy @ weight.T
        weight -= RATE * weight_gradient


def measured(name: str, depth: int, in_place: bool, width: int, batch: int) -> tuple[float, list[Array]]:
    """The most that a step holds at once, counted in arrays of a layer's outputs, and the new weights."""
    random = np.random.default_rng(0)
    weights = [random.normal(0, np.sqrt(2 / width), (width, width)) for _ in range(depth)]
    x = random.standard_normal((batch, width))
    tracemalloc.start()
    try:
        step(name, weights, x, in_place)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return peak / x.nbytes, weights


Found = Mapping[tuple[str, bool], list[float]]
"""By activation and whether in place, the peak at each depth."""


def draw(depths: list[int], found: Found, path: Path) -> None:
    drawn = experiment.figure(11, 3.6)
    for axis, name in zip(drawn.subplots(1, len(ACTIVATIONS), sharey=True), ACTIVATIONS, strict=True):
        axis.plot(depths, found[name, False], color="#d55e00", marker="o", label="inputs kept")
        axis.plot(depths, found[name, True], color="#0072b2", marker="s", linestyle="--", label="in place")
        axis.set_ylim(0, None)
        axis.legend(fontsize=8, loc="upper left")
        y = "" if name != ACTIVATIONS[0] else "peak memory (outputs of one layer)"
        experiment.label(axis, name, "layers", y)
    experiment.save(drawn, path)


def main(arguments: list[str] | None = None) -> int:
    options = experiment.options(__doc__, arguments)
    width, batch = (32, 1_000) if options.quick else (64, 4_000)
    depths = [5, 20] if options.quick else [5, 10, 20, 30, 40]
    found: dict[tuple[str, bool], list[float]] = {}
    same = True
    for name in ACTIVATIONS:
        runs = {way: [measured(name, depth, way, width, batch) for depth in depths] for way in (False, True)}
        for way, pairs in runs.items():
            found[name, way] = [peak for peak, _ in pairs]
        both = zip(runs[False][-1][1], runs[True][-1][1], strict=True)
        same = same and all(np.allclose(one, other, rtol=1e-6) for one, other in both)
    size = width * batch * 8 / 2**20
    print(
        f"peak of a step, in arrays of a layer's outputs ({batch:,} × {width} float64, {size:.2g} MiB each)\n"
    )
    rows = [
        [f"{name}, {'in place' if way else 'inputs kept'}", *(f"{peak:.1f}" for peak in peaks)]
        for (name, way), peaks in found.items()
    ]
    experiment.table(["layers", *map(str, depths)], rows)
    if options.output:
        draw(depths, found, options.output)
    return experiment.verdict({**claims(depths, found), "both ways end at the same weights": same})


def claims(depths: list[int], found: Found) -> dict[str, bool]:
    def per_layer(name: str, in_place: bool) -> float:
        peaks = found[name, in_place]
        return (peaks[-1] - peaks[0]) / (depths[-1] - depths[0])

    return {
        "where inputs are kept every layer costs two arrays": all(
            abs(per_layer(name, False) - 2) < 0.05 for name in ACTIVATIONS
        ),
        "in place it costs one, with elu, leaky_relu and softplus": all(
            abs(per_layer(name, True) - 1) < 0.05 for name in FROM_OUTPUT
        ),
        "so that a deep network takes not much more than half": all(
            found[name, True][-1] < 0.6 * found[name, False][-1] for name in FROM_OUTPUT
        ),
        "with silu nothing is gained": found["silu", True][-1] > 0.95 * found["silu", False][-1],
    }


if __name__ == "__main__":
    sys.exit(main())
