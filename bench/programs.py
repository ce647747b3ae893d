"""Whole programs with matrix products between activations: what networks.py and adapters.py measure.

Each is written once and takes its activations from fastact or from NumPy, or from the library that it uses. A
step is what is timed; it returns the loss, or a sum of the outputs, by which the two are known to compute the
same. ``restart`` goes back to the first weights, so that values are those of a network at work however often
it is measured. The rates are so small that training is stable: a rounding error does not grow, and the losses
of thousands of steps agree.
"""

from __future__ import annotations

import math
import os
import warnings
from contextlib import nullcontext
from functools import partial
from typing import Any, ClassVar

import gpt
import numpy as np

import fastact as fa
from fastact.measure.formulas import numpy_calls


def fastact_pair(name: str, z: np.ndarray, y: np.ndarray, dy: np.ndarray) -> tuple[Any, Any]:
    """Forward from `z` into `y` and backward in place on `dy`, by fastact."""
    activation = fa.get(name)
    saved = {"y": y} if y is z else {"x": z}
    return partial(activation, z, out=y), partial(activation.backward, dy, **saved, out=dy)


def numpy_pair(name: str, z: np.ndarray, y: np.ndarray, dy: np.ndarray) -> tuple[Any, Any]:
    """The same by the best NumPy calls, without a temporary array that is not kept for the next step."""
    row = fa.get(name).row
    return numpy_calls.forward(row, z, out=y), numpy_calls.backward(row, row.saves[0], dy, y if y is z else z)


class NumpyNetwork:
    """Four layers as wide as their input, trained by gradient descent on a squared error, all in place."""

    name, packages, tolerance = "NumPy network", (), 1e-5
    LAYERS, RATE = 4, 0.1

    def __init__(self, by_fastact: bool, activation: str, batch: int, width: int) -> None:
        random = np.random.default_rng(0)
        self.first = random.normal(0, width**-0.5, (self.LAYERS, width, width)).astype("float32")
        self.x, self.target = random.normal(0, 1, (2, batch, width)).astype("float32")
        self.z = [np.empty_like(self.x) for _ in range(self.LAYERS)]
        in_place = fa.get(activation).saves[0] == "y"
        self.y = [z if in_place else np.empty_like(z) for z in self.z]
        self.dy = [np.empty_like(z) for z in self.z]
        self.dw, self.db = np.empty_like(self.first[0]), np.empty_like(self.x[0])
        pair = fastact_pair if by_fastact else numpy_pair
        self.pairs = [pair(activation, *arrays) for arrays in zip(self.z, self.y, self.dy, strict=True)]
        self.restart()

    def restart(self) -> None:
        self.w, self.b = self.first.copy(), np.zeros(self.first.shape[:2], "float32")

    def step(self) -> float:
        inputs = [self.x, *self.y[:-1]]
        for x, w, b, z, (forward, _) in zip(inputs, self.w, self.b, self.z, self.pairs, strict=True):
            np.matmul(x, w, out=z)
            z += b
            forward()
        dy = np.subtract(self.y[-1], self.target, out=self.dy[-1])
        loss = float(np.vdot(dy, dy)) / dy.size
        dy /= dy.size
        for k in reversed(range(self.LAYERS)):
            self.pairs[k][1]()
            np.matmul(inputs[k].T, self.dy[k], out=self.dw)
            np.sum(self.dy[k], axis=0, out=self.db)
            if k:
                np.matmul(self.dy[k], self.w[k].T, out=self.dy[k - 1])
            for weights, gradient in ((self.w[k], self.dw), (self.b[k], self.db)):
                gradient *= self.RATE
                weights -= gradient
        return loss


class ScikitLearn:
    """``MLPClassifier.fit`` on the digits; a step is a fit."""

    name, packages, tolerance = "scikit-learn MLPClassifier.fit", ("sklearn",), 1e-6
    HIDDEN, EPOCHS = (256, 256), 5
    NAMES: ClassVar = {"sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}

    def __init__(self, by_fastact: bool, activation: str) -> None:
        from sklearn.datasets import load_digits
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        from fastact.integrations import sklearn as adapter

        warnings.simplefilter("ignore", ConvergenceWarning)
        self.with_whose = adapter.enable if by_fastact else nullcontext
        self.data = load_digits(return_X_y=True)
        options = {"max_iter": self.EPOCHS, "random_state": 0}
        self.classifier = MLPClassifier(self.HIDDEN, activation=self.NAMES[activation], **options)

    def restart(self) -> None:
        """Nothing: each fit begins anew."""

    def step(self) -> list[float]:
        with self.with_whose():
            return self.classifier.fit(*self.data).loss_curve_


class Thinc:
    """thinc's training loop: three layers and a softmax, Adam, matrix products by NumPy's BLAS."""

    name, packages, tolerance = "thinc training loop", ("thinc",), 1e-5
    BATCH, WIDTH, CLASSES, RATE = 256, 512, 10, 1e-5
    LAYERS: ClassVar = {"relu": "Relu", "silu": "Swish", "gelu": "Gelu"}

    def __init__(self, by_fastact: bool, activation: str) -> None:
        from thinc import api

        from fastact.integrations.thinc import FastactOps

        random = np.random.default_rng(0)
        self.x = random.normal(0, 1, (self.BATCH, self.WIDTH)).astype("float32")
        self.digits = np.eye(self.CLASSES, dtype="float32")[random.integers(0, self.CLASSES, self.BATCH)]
        self.api, self.layer = api, getattr(api, self.LAYERS[activation])
        self.ops = (FastactOps if by_fastact else api.NumpyOps)(use_blis=False)
        self.restart()

    def restart(self) -> None:
        api = self.api
        api.set_current_ops(self.ops)
        api.fix_random_seed(0)
        layers = [self.layer(nO=self.WIDTH) for _ in range(3)]
        self.model = api.chain(*layers, api.Softmax()).initialize(X=self.x, Y=self.digits)
        self.optimizer = api.Adam(self.RATE)

    def step(self) -> float:
        y, backprop = self.model.begin_update(self.x)
        dy = (y - self.digits) / self.BATCH
        backprop(dy)
        self.model.finish_update(self.optimizer)
        return float(np.vdot(dy, dy))


class Keras:
    """Inference of a keras model on its NumPy backend: four layers, and a softmax."""

    name, packages, tolerance = "keras inference, NumPy backend", ("keras", "jax"), 1e-5
    LAYERS, CLASSES = 4, 10

    def __init__(self, by_fastact: bool, activation: str, batch: int, width: int) -> None:
        os.environ.setdefault("KERAS_BACKEND", "numpy")
        import keras

        from fastact.integrations import keras as adapter

        keras.utils.set_random_seed(0)
        layers = [keras.layers.Dense(width, activation=activation) for _ in range(self.LAYERS)]
        last = keras.layers.Dense(self.CLASSES, activation="softmax")
        self.model = keras.Sequential([keras.Input((width,)), *layers, last])
        self.x = np.random.default_rng(0).normal(0, 1, (batch, width)).astype("float32")
        self.replace = adapter.enable if by_fastact else adapter.disable
        self.restart()

    def restart(self) -> None:
        self.replace()

    def step(self) -> float:
        y = self.model(self.x, training=False)
        return float(np.vdot(y, y))


class Onnx:
    """Inference of a model by onnx's reference evaluator: four layers, and a softmax."""

    name, packages, tolerance = "onnx.reference inference", ("onnx",), 1e-5
    LAYERS = 4
    OPERATORS: ClassVar = {"relu": "Relu", "sigmoid": "Sigmoid", "gelu": "Gelu", "mish": "Mish"}

    def __init__(self, by_fastact: bool, activation: str, batch: int, width: int) -> None:
        from onnx import TensorProto, helper, numpy_helper
        from onnx.reference import ReferenceEvaluator

        from fastact.integrations.onnx import operators

        random = np.random.default_rng(0)
        self.x = random.normal(0, 1, (batch, width)).astype("float32")
        nodes, weights, y = [], [], "x"
        for i in range(self.LAYERS):
            for kind, shape in (("w", (width, width)), ("b", (width,))):
                values = random.normal(0, width**-0.5, shape).astype("float32")
                weights.append(numpy_helper.from_array(values, f"{kind}{i}"))
            nodes += [helper.make_node("Gemm", [y, f"w{i}", f"b{i}"], [f"z{i}"])]
            nodes += [helper.make_node(self.OPERATORS[activation], [f"z{i}"], [y := f"y{i}"])]
        nodes += [helper.make_node("Softmax", [y], ["y"])]
        x_and_y = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, self.x.shape)] for n in "xy"]
        graph = helper.make_graph(nodes, "layers", *x_and_y, weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
        self.evaluator = ReferenceEvaluator(model, new_ops=operators() if by_fastact else None)

    def restart(self) -> None:
        """Nothing: weights stay as they are."""

    def step(self) -> float:
        (y,) = self.evaluator.run(None, {"x": self.x})
        return float(np.vdot(y, y))


class GptOfFloat64:
    """A pass of a network like GPT-2 in plain NumPy, which np.sqrt makes one of float64."""

    name, packages, tolerance = "GPT-2-like pass in NumPy, with np.sqrt", (), 1e-6
    SIZES: ClassVar = {"layers": 6, "heads": 6, "width": 384}
    root, own_gelu = staticmethod(np.sqrt), staticmethod(gpt.gelu)

    def __init__(self, by_fastact: bool, activation: str, length: int) -> None:
        self.network = gpt.Gpt(**self.SIZES, length=length)
        gelu, softmax = (fa.get(activation), fa.softmax) if by_fastact else (self.own_gelu, gpt.softmax)
        self.functions = gelu, softmax, self.root

    def restart(self) -> None:
        """Nothing: weights stay as they are."""

    def step(self) -> float:
        logits = self.network.logits(*self.functions)
        return float(np.vdot(logits, logits)) / logits.size


class GptOfFloat32(GptOfFloat64):
    """The same with math.sqrt, whose results are Python's and leave arrays as they are."""

    name, tolerance = "GPT-2-like pass in NumPy, float32", 1e-5
    root, own_gelu = staticmethod(math.sqrt), staticmethod(gpt.gelu_of_float32)
