"""Train a small network on scikit-learn's digits, with fastact and beside it with plain NumPy.

    python examples/digits_mlp.py --hidden silu --epochs 10

Activations run in place: where backward can work from the output, the output
overwrites the pre-activation and nothing else is kept for training. Both
networks start from the same weights and see the same batches, so their losses
must agree; the exit status says whether they did. They take turns, an epoch
each, so that what else the machine does disturbs both alike.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

import fastact as fa
from fastact.measure.formulas import numpy_calls

BATCH, UNITS, PIECES, RATE = 64, 512, 2, 0.1
TOLERANCE = 1e-5


class FastactLayer:
    """An activation on fixed arrays of pre-activations `z` and gradients `dy`, by fastact."""

    def __init__(self, name: str, z: np.ndarray, settings: dict[str, Any]) -> None:
        self.activation, self.z, self.settings = fa.get(name), z, settings
        self.from_output = self.activation.saves[0] == "y"
        # A derivative that needs x must find it again, so y goes elsewhere.
        self.y = z if self.from_output else output_like(name, z)
        self.dy = np.empty_like(self.y)
        self.weight_gradient = None

    def forward(self) -> np.ndarray:
        self.activation(self.z, **self.settings, out=self.y)
        return self.y

    def backward(self) -> np.ndarray:
        saved = {"y": self.y} if self.from_output else {"x": self.z}
        out = self.dy if self.dy.shape == self.z.shape else self.z
        result = self.activation.backward(self.dy, **saved, **self.settings, out=out)
        if "weight" in self.settings:
            _, self.weight_gradient = result
        return out


class NumpyLayer:
    """The same by NumPy calls in place, made from the activation's formula."""

    def __init__(self, name: str, z: np.ndarray, settings: dict[str, Any]) -> None:
        row = fa.get(name).row
        saves = row.saves[0]
        self.y = z if saves == "y" else output_like(name, z)
        self.dy = np.empty_like(self.y)
        arrays = {key: value for key, value in settings.items() if key not in {*row.numbers, "seed"}}
        arrays["parameters"] = {key: value for key, value in settings.items() if key in row.numbers}
        noise = fa.gumbel_softmax.noise(z.shape, seed=settings["seed"]) if "seed" in settings else None
        self.forward = numpy_calls.forward(row, z, out=self.y, noise=noise, **arrays)
        saved = self.y if saves == "y" else z
        self.backward = numpy_calls.backward(row, saves, self.dy, saved, **arrays)

    @property
    def weight_gradient(self) -> np.ndarray | None:
        return self.backward.weight_gradient


Layer = type[FastactLayer] | type[NumpyLayer]


def output_like(name: str, z: np.ndarray) -> np.ndarray:
    return np.empty((z.shape[0], z.shape[1] // inputs_of_a_unit(name)), z.dtype)


def inputs_of_a_unit(name: str) -> int:
    row = fa.get(name).row
    return PIECES if "pieces" in row.needs else row.shape.inputs


class Network:
    """64 pixels, one hidden layer, a log_softmax over ten digits; trained on the cross-entropy."""

    def __init__(self, layer: Layer, hidden: str, batch: int) -> None:
        random = np.random.default_rng(0)
        self.settings = settings_of(hidden)
        width = UNITS * inputs_of_a_unit(hidden)
        self.w1, self.b1 = random.normal(0, np.sqrt(2 / 64), (64, width)), np.zeros(width)
        self.w2, self.b2 = random.normal(0, np.sqrt(1 / UNITS), (UNITS, 10)), np.zeros(10)
        self.z1, self.z2 = np.empty((batch, width)), np.empty((batch, 10))
        self.hidden = layer(hidden, self.z1, self.settings)
        self.output = layer("log_softmax", self.z2, {})

    def forward(self, images: np.ndarray) -> np.ndarray:
        np.matmul(images, self.w1, out=self.z1)
        self.z1 += self.b1
        np.matmul(self.hidden.forward(), self.w2, out=self.z2)
        self.z2 += self.b2
        return self.output.forward()

    def step(self, images: np.ndarray, digits: np.ndarray) -> float:
        """One step of gradient descent; returns the mean loss before it."""
        chosen = np.arange(len(digits)), digits
        loss = -float(self.forward(images)[chosen].mean())
        self.output.dy[:] = 0
        self.output.dy[chosen] = -1 / len(digits)
        dz2 = self.output.backward()
        dw2, db2 = self.hidden.y.T @ dz2, dz2.sum(axis=0)
        np.matmul(dz2, self.w2.T, out=self.hidden.dy)
        dz1 = self.hidden.backward()
        gradients = [(self.w2, dw2), (self.b2, db2), (self.w1, images.T @ dz1), (self.b1, dz1.sum(axis=0))]
        if "weight" in self.settings:
            gradients.append((self.settings["weight"], self.hidden.weight_gradient))
        for parameter, gradient in gradients:
            parameter -= RATE * gradient
        return loss

    def copy_weights(self, other: Network) -> None:
        """Take over what `other` has learned."""
        self.w1, self.b1, self.w2, self.b2 = other.w1, other.b1, other.w2, other.b2
        if "weight" in self.settings:
            self.settings["weight"][:] = other.settings["weight"]


def settings_of(hidden: str) -> dict[str, Any]:
    """What the activation is called with beside its input."""
    special: dict[str, dict[str, Any]] = {
        "prelu": {"weight": np.full(UNITS, 0.25)},
        "maxout": {"pieces": PIECES},
        "gumbel_softmax": {"seed": 0},
    }
    return special.get(hidden) or dict(fa.get(hidden).row.required)


class Outcome(NamedTuple):
    loss: float
    accuracy: float
    seconds: float


class Training:
    """A network, what it has learned so far and the seconds that took."""

    def __init__(self, layer: Layer, hidden: str) -> None:
        self.layer, self.network = layer, Network(layer, hidden, BATCH)
        self.order, self.hidden = np.random.default_rng(1), hidden
        self.loss, self.seconds = float("nan"), 0.0

    def epoch(self, images: np.ndarray, digits: np.ndarray) -> None:
        """Learn from every image once, in an order that is the same for all networks."""
        start = perf_counter()
        shuffled = self.order.permutation(len(images))
        batches = shuffled[: len(shuffled) // BATCH * BATCH].reshape(-1, BATCH)
        losses = [self.network.step(images[batch], digits[batch]) for batch in batches]
        self.loss = float(np.mean(losses))
        self.seconds += perf_counter() - start

    def outcome(self, images: np.ndarray, digits: np.ndarray) -> Outcome:
        """The last epoch's loss, and the share of these images that are recognized."""
        trained = Network(self.layer, self.hidden, len(images))
        trained.copy_weights(self.network)
        accuracy = np.mean(trained.forward(images).argmax(axis=1) == digits)
        return Outcome(self.loss, float(accuracy), self.seconds)


def train(
    layers: Iterable[type[FastactLayer] | type[NumpyLayer]],
    hidden: str,
    epochs: int,
    data: tuple[np.ndarray, ...],
) -> list[Outcome]:
    """Train on the first arrays, the networks in turn; count right answers on the others."""
    images, digits, test_images, test_digits = data
    trainings = [Training(layer, hidden) for layer in layers]
    for _ in range(epochs):
        for training in trainings:
            training.epoch(images, digits)
    return [training.outcome(test_images, test_digits) for training in trainings]


def digits_data() -> tuple[np.ndarray, ...]:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        sys.exit("this example needs scikit-learn; install it with: pip install scikit-learn")
    loaded: Any = load_digits(return_X_y=True)
    images, digits = map(np.asarray, loaded)
    order = np.random.default_rng(2).permutation(len(digits))
    images, digits = images[order] / 16, digits[order]
    return images[:1437], digits[:1437], images[1437:], digits[1437:]


def positive(word: str) -> int:
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r}: allowed are whole numbers from 1")
    return int(word)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Train on scikit-learn's digits with fastact and with NumPy."
    )
    parser.add_argument("--hidden", choices=sorted(fa.activations), default="elu", help="default: elu")
    parser.add_argument("--epochs", type=positive, default=20, help="default: 20")
    chosen = parser.parse_args(arguments)
    data = digits_data()
    layers: dict[str, Layer] = {"fastact": FastactLayer, "NumPy": NumpyLayer}
    outcomes = dict(zip(layers, train(layers.values(), chosen.hidden, chosen.epochs, data), strict=True))
    print(f"{chosen.hidden}, {chosen.epochs} epochs")
    print(f"{'':8} {'loss':>11} {'accuracy':>9} {'seconds':>8}")
    for name, outcome in outcomes.items():
        print(f"{name:8} {outcome.loss:11.8f} {outcome.accuracy:9.2%} {outcome.seconds:8.2f}")
    difference = abs(outcomes["fastact"].loss - outcomes["NumPy"].loss)
    # Written so that a NaN does not count as equal.
    if not difference <= TOLERANCE:
        print(f"the losses differ by {difference:.2g}, more than {TOLERANCE:g}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
