"""Networks of any depth on fastact's activations: how weights start, forward, backward, a step of training.

Everything is kept that a backward pass may ask for, and a layer's gradients stay beside its weights, because
the experiments look at them. examples/digits_mlp.py shows how to train in place instead.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from experiment import Array
from numpy.typing import NDArray

import fastact as fa

PIECES = 2
"""What a maxout unit takes the largest of."""


def xavier(inputs: int, outputs: int) -> float:
    """Glorot and Bengio (2010): neither signals nor gradients grow where the slope is 1, as tanh's at 0."""
    return float(np.sqrt(2 / (inputs + outputs)))


def he(inputs: int, outputs: int) -> float:
    """He et al. (2015): twice the variance, because relu lets only half of a signal through."""
    return float(np.sqrt(2 / inputs))


INITIALISATIONS: dict[str, Callable[[int, int], float]] = {"Xavier": xavier, "He": he}
"""The standard deviation of a weight, from the numbers of inputs and outputs of its layer."""


class Units:
    """The activation of a layer, with what its backward and its own parameters need."""

    def __init__(self, name: str, count: int) -> None:
        self.name, self.activation, self.inputs = name, fa.get(name), count
        self.settings: dict[str, Any] = {}
        self.slope_gradient: Array | None = None
        if name == "prelu":
            self.settings["weight"] = np.full(count, 0.25)
        elif name == "maxout":
            self.inputs, self.settings["pieces"] = PIECES * count, PIECES
        # rrelu draws other slopes at every step.
        self.seeds = itertools.count()

    def forward(self, z: Array) -> Array:
        if self.name == "rrelu":
            self.settings["seed"] = next(self.seeds)
        self.z = z
        result: Array = self.activation(z, **self.settings)
        return result

    def backward(self, dy: Array) -> Array:
        result = self.activation.backward(dy, x=self.z, **self.settings)
        dz: Array
        if self.name == "prelu":
            dz, self.slope_gradient = result
        else:
            dz = result
        return dz

    def step(self, rate: float) -> None:
        if self.slope_gradient is not None:
            self.settings["weight"] -= rate * self.slope_gradient


class BatchNorm:
    """Each pre-activation less its mean over the batch, divided by its deviation there."""

    def forward(self, z: Array) -> Array:
        self.z = z
        normal: Array = fa.batch_norm(z, training=True)
        return normal

    def backward(self, dy: Array) -> Array:
        dz: Array = fa.batch_norm.backward(dy, x=self.z, training=True)[0]
        return dz


class Layer:
    """Weights, a bias, batch normalisation where it is wanted, and units; the last layer has no units."""

    def __init__(self, weight: Array, units: Units | None, norm: BatchNorm | None) -> None:
        self.weight, self.bias = weight, np.zeros(weight.shape[1])
        self.units, self.norm = units, norm

    def forward(self, x: Array) -> Array:
        self.x, z = x, x @ self.weight + self.bias
        if self.norm:
            z = self.norm.forward(z)
        return self.units.forward(z) if self.units else z

    def backward(self, dy: Array) -> Array:
        dz = self.units.backward(dy) if self.units else dy
        if self.norm:
            dz = self.norm.backward(dz)
        self.weight_gradient, self.bias_gradient = self.x.T @ dz, dz.sum(axis=0)
        result: Array = dz @ self.weight.T
        return result

    def step(self, rate: float) -> None:
        self.weight -= rate * self.weight_gradient
        self.bias -= rate * self.bias_gradient
        if self.units:
            self.units.step(rate)


class Network:
    """Layers of `widths` units of one activation; the last width is that of the classes' logits."""

    def __init__(
        self,
        activation: str,
        widths: Sequence[int],
        deviation: Callable[[int, int], float],
        batch_norm: bool = False,
        seed: int = 0,
    ) -> None:
        random = np.random.default_rng(seed)
        self.layers: list[Layer] = []
        for i, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
            hidden = i < len(widths) - 2
            units = Units(activation, outputs) if hidden else None
            shape = inputs, units.inputs if units else outputs
            weight = random.normal(0, deviation(inputs, outputs), shape)
            self.layers.append(Layer(weight, units, BatchNorm() if hidden and batch_norm else None))

    def forward(self, x: Array) -> Array:
        """The logits of the classes."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def gradients(self, x: Array, classes: NDArray[np.intp]) -> float:
        """Leave the gradients of the cross-entropy in the layers; returns its mean."""
        logits = self.forward(x)
        loss, dy = fa.cross_entropy.with_gradient(logits, classes, reduction="mean", out=logits)
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return float(loss)

    def gradient_norms(self) -> list[float]:
        """Of each layer's weights, the first layer first."""
        return [float(np.linalg.norm(layer.weight_gradient)) for layer in self.layers]

    def train(
        self, x: Array, classes: NDArray[np.intp], rate: float, epochs: int, batch: int = 64, seed: int = 1
    ) -> None:
        """Plain gradient descent, batch by batch, in a new order every epoch."""
        random = np.random.default_rng(seed)
        for _ in range(epochs):
            order = random.permutation(len(x))
            for part in order[: len(x) // batch * batch].reshape(-1, batch):
                self.gradients(x[part], classes[part])
                for layer in self.layers:
                    layer.step(rate)

    def accuracy(self, x: Array, classes: NDArray[np.intp]) -> float:
        return float((self.forward(x).argmax(axis=1) == classes).mean())
