"""maxout learns the shape of its activation: one unit becomes relu, abs(x), or a parabola.

    python examples/maxout_shape.py -o maxout_shape.png

A maxout unit is the largest of several straight lines, its pieces, whose slopes and heights are learned.
With two pieces it can be relu (0 and x) or abs(x) (-x and x) exactly. With more it comes near to any curve
that bends upwards, as a parabola does: every piece becomes a tangent. It cannot bend downwards: its best
answer to sin(x) is poor, however many pieces there are.

One unit learns each shape from samples, by gradient descent from random lines. Only the piece that is the
largest is given a gradient, so a piece that nowhere wins stays as it is, unused: maxout's kind of death.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import experiment
import numpy as np
from experiment import Array

import fastact as fa

RATE = 0.1


class Shape(NamedTuple):
    formula: Callable[[Array], Array]
    pieces: int
    near: float
    """The largest root mean square error that counts as learned."""


SHAPES = {
    "relu(x)": Shape(fa.relu, 2, 0.02),
    "abs(x)": Shape(np.abs, 2, 0.02),
    "x * x": Shape(np.square, 6, 0.1),
    "sin(3 x)": Shape(lambda x: np.sin(3 * x), 6, 0.1),
}


class Unit:
    """The largest of lines slope * x + height."""

    def __init__(self, pieces: int) -> None:
        random = np.random.default_rng(0)
        self.pieces = pieces
        self.slopes, self.heights = random.standard_normal(pieces), random.normal(0, 0.1, pieces)

    def forward(self, x: Array) -> Array:
        self.x, self.z = x, x[:, None] * self.slopes + self.heights
        return fa.maxout(self.z, pieces=self.pieces)[:, 0]

    def step(self, dy: Array) -> None:
        dz = fa.maxout.backward(dy[:, None], x=self.z, pieces=self.pieces)
        self.slopes -= RATE * (self.x @ dz)
        self.heights -= RATE * dz.sum(axis=0)


def learned(shape: Shape, steps: int) -> tuple[Unit, float]:
    """A unit after training, and its root mean square error."""
    x = np.linspace(-2, 2, 201)
    unit, y = Unit(shape.pieces), shape.formula(x)
    for _ in range(steps):
        unit.step(2 * (unit.forward(x) - y) / len(x))
    return unit, float(np.sqrt(np.mean((unit.forward(x) - y) ** 2)))


def draw(found: Mapping[str, tuple[Unit, float]], path: Path) -> None:
    drawn = experiment.figure(12, 3.8)
    x = np.linspace(-2, 2, 401)
    for axis, (name, (unit, error)) in zip(drawn.subplots(1, len(found)), found.items(), strict=True):
        wanted, y = SHAPES[name].formula(x), unit.forward(x)
        for number, line in enumerate(unit.z.T):
            axis.plot(x, line, color="grey", linewidth=0.6, label=None if number else "pieces")
        axis.plot(x, wanted, color="#e69f00", linewidth=4, label=name)
        axis.plot(x, y, color="#0072b2", linestyle="--", label="maxout")
        axis.set_ylim(wanted.min() - 0.7, wanted.max() + 0.9)
        axis.legend(fontsize=8, loc="upper center", ncols=3, handlelength=1.2, columnspacing=0.8)
        experiment.label(axis, f"{unit.pieces} pieces, error {error:.2g}", "x", "y")
    experiment.save(drawn, path)


def main(arguments: list[str] | None = None) -> int:
    options = experiment.options(__doc__, arguments)
    found = {name: learned(shape, 2_000 if options.quick else 20_000) for name, shape in SHAPES.items()}
    print("what a maxout unit learned, on x from -2 to 2\n")
    rows = [[name, str(unit.pieces), f"{error:.3g}"] for name, (unit, error) in found.items()]
    experiment.table(["", "pieces", "root mean square error"], rows)
    if options.output:
        draw(found, options.output)
    return experiment.verdict(
        {
            f"maxout {'learns' if name != 'sin(3 x)' else 'cannot learn'} {name}": (
                (error < SHAPES[name].near) == (name != "sin(3 x)")
            )
            for name, (_, error) in found.items()
        }
    )


if __name__ == "__main__":
    sys.exit(main())
