"""Gates: why an LSTM remembers over 100 steps what a tanh recurrence has forgotten.

    python examples/lstm_gates.py -o lstm_gates.png

A recurrence reads a sequence step by step, and to learn from its beginning a gradient has to go back
through all steps. Where the state is h = tanh(W h + U x), each step multiplies the gradient by W and by
slopes of tanh of at most 1. With an orthogonal W, which changes no length, it vanishes as in a deep
network. Larger weights make up for the slopes at some size, but a little beyond the gradient explodes: it
is an edge to stand on.

An LSTM has a cell, c = f c + i g. On the way back along it the gradient is multiplied by f alone, the
output of a sigmoid that is called the forget gate. Where f is near 1 the gradient survives. Whether it is
near 1 is up to its bias: with 0 f starts at 1/2, and the gradient vanishes here too; with 1, as is often
advised, f is 0.73, which is good for some ten steps; with 4.6, the logarithm of 100 steps, f is 0.99, and
a third is left after a hundred of them (what goes by way of the gates comes on top). So the gate does not
save every gradient. It saves those that it is open for, which an LSTM can learn, or start with.

The gradient of each input is followed back in time through random recurrences, by fa.tanh and fa.lstm_cell
forward and backward, gates and outputs overwriting what they were computed from. Nothing is trained: what
survives says what could be learned from, not that it is learned.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import experiment
import numpy as np
from experiment import Array

import fastact as fa

STEPS, INPUTS, UNITS, BATCH = 100, 2, 16, 32
OPEN = float(np.log(STEPS))
"""The bias of a forget gate that forgets over as many steps."""


class Recurrence:
    """Orthogonal weights of the state, times `gain`, weights of the input, and a bias."""

    def __init__(self, outputs: int, gain: float, seed: int) -> None:
        random = np.random.default_rng(seed)
        blocks = [np.linalg.qr(random.standard_normal((UNITS, UNITS)))[0] for _ in range(outputs // UNITS)]
        self.state = gain * np.hstack(blocks)
        self.input, self.bias = random.normal(0, 0.5, (INPUTS, outputs)), np.zeros(outputs)

    def forward(self, x: Array) -> Array:
        """The last state, from inputs of shape (steps, batch, inputs)."""
        raise NotImplementedError

    def backward(self, dh: Array) -> list[Array]:
        """The gradient of each step's input, the last step first, from that of the last state."""
        raise NotImplementedError


class Tanh(Recurrence):
    """h = tanh(W h + U x + b)"""

    def __init__(self, gain: float, seed: int) -> None:
        super().__init__(UNITS, gain, seed)

    def forward(self, x: Array) -> Array:
        self.h = [np.zeros((x.shape[1], UNITS))]
        for step in x:
            z = self.h[-1] @ self.state + step @ self.input
            self.h.append(fa.tanh(z, bias=self.bias, out=z))
        return self.h[-1]

    def backward(self, dh: Array) -> list[Array]:
        found = []
        for h in reversed(self.h[1:]):
            dz = fa.tanh.backward(dh, y=h)
            found.append(dz @ self.input.T)
            dh = dz @ self.state.T
        return found


class Lstm(Recurrence):
    """Gates i, f and o and the candidate g, in the order i, f, g, o; c = f c + i g, h = o tanh(c)."""

    def __init__(self, forget_bias: float, seed: int) -> None:
        super().__init__(4 * UNITS, 1, seed)
        self.bias[UNITS : 2 * UNITS] = forget_bias

    def forward(self, x: Array) -> Array:
        zeros = np.zeros((x.shape[1], UNITS))
        self.h, self.c, self.gates = [zeros], [zeros], list[Array]()
        for step in x:
            z = self.h[-1] @ self.state + step @ self.input
            h, c = fa.lstm_cell(z, self.c[-1], bias=self.bias, gates_out=z)
            self.gates.append(z)
            self.h.append(h)
            self.c.append(c)
        return self.h[-1]

    def backward(self, dh: Array) -> list[Array]:
        dc, found = np.zeros_like(dh), []
        for t, gates in reversed(list(enumerate(self.gates))):
            dz, dc = fa.lstm_cell.backward(dh, dc, gates=gates, c=self.c[t], c_next=self.c[t + 1])
            found.append(dz @ self.input.T)
            dh = dz @ self.state.T
        return found


RECURRENCES: dict[str, Callable[[int], Recurrence]] = {
    "tanh, orthogonal W": lambda seed: Tanh(1, seed),
    "tanh, 1.5 times that": lambda seed: Tanh(1.5, seed),
    "tanh, 3 times that": lambda seed: Tanh(3, seed),
    "LSTM, forget bias 0": lambda seed: Lstm(0, seed),
    "LSTM, forget bias 1": lambda seed: Lstm(1, seed),
    f"LSTM, forget bias {OPEN:.1f}": lambda seed: Lstm(OPEN, seed),
}


def left_of_a_gradient(make: Callable[[int], Recurrence], seeds: range) -> Array:
    """The norm of each input's gradient, over that of the last input; by steps back, median over seeds."""
    found = []
    for seed in seeds:
        random = np.random.default_rng(seed)
        recurrence = make(seed)
        recurrence.forward(random.standard_normal((STEPS + 1, BATCH, INPUTS)))
        gradients = recurrence.backward(random.standard_normal((BATCH, UNITS)))
        norms = np.array([np.linalg.norm(gradient) for gradient in gradients])
        found.append(norms / norms[0])
    result: Array = np.median(found, axis=0)
    return result


def draw(found: Mapping[str, Array], path: Path) -> None:
    drawn = experiment.figure(8, 5)
    axis = drawn.subplots()
    for (name, left), (colour, dashes, marker) in zip(found.items(), experiment.SERIES, strict=False):
        axis.plot(left, label=name, color=colour, linestyle=dashes, marker=marker, markersize=4, markevery=10)
    axis.set_yscale("log")
    axis.axhline(1, color="grey", linewidth=0.8)
    x, y = "steps back in time", "norm of the gradient / at the last step"
    experiment.label(axis, "What is left of a gradient", x, y)
    drawn.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    experiment.save(drawn, path)


def main(arguments: list[str] | None = None) -> int:
    options = experiment.options(__doc__, arguments)
    seeds = range(3 if options.quick else 20)
    found = {name: left_of_a_gradient(make, seeds) for name, make in RECURRENCES.items()}
    print("norm of an input's gradient over that of the last input, by steps back in time\n")
    shown = 1, 10, 25, 50, 100
    rows = [[name, *(f"{left[step]:.2g}" for step in shown)] for name, left in found.items()]
    experiment.table(["steps back", *map(str, shown)], rows)
    if options.output:
        draw(found, options.output)
    tanh, _, exploding, shut, _, opened = found.values()
    return experiment.verdict(
        {
            "after 100 steps the tanh recurrence has less than a billionth of a gradient": tanh[STEPS] < 1e-9,
            "with three times the weights it explodes": exploding[STEPS] > 1e3,
            "the LSTM with an open forget gate has between a tenth and 100 times, at every step": (
                opened.min() > 0.1 and opened.max() < 100
            ),
            "with a forget gate half shut it has less than a billionth too": shut[STEPS] < 1e-9,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
