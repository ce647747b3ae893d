"""The catalog: one row per activation.

Everything a user can see of an activation follows from its row: the callable
object, its docstring, its tests and its benchmarks. The formulas are plain
mathematics in the vocabulary of `VOCABULARY`; the tests evaluate them with
mpmath at high precision and the benchmarks with NumPy in place. The kernels in
``src/activations.hpp`` are written separately, so each checks the other.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

VOCABULARY = (
    "exp", "expm1", "log", "log1p", "sqrt", "tanh", "sigmoid", "erf", "erfc",
    "abs", "sign", "where", "maximum", "minimum", "max", "sum", "sparse_threshold", "join", "pi",
    "x_minus_tanh", "float64",
)  # fmt: skip
"""Names a formula may use beside ``x``, ``y`` and its parameters.

``max`` and ``sum`` run along ``axis``; ``sparse_threshold(x)`` is the t for which ``sum(maximum(x - t, 0))``
is 1; ``join(da, db)`` puts two halves together along it. The halves of a gated activation's ``x`` are ``a``
and ``b``. ``x_minus_tanh(x)`` is ``x - tanh(x)`` without its cancellation, ``float64`` rounds to that type.
"""

REQUIRED: Any = inspect.Parameter.empty
"""The default of a parameter that every call must give; a class, so that it is itself after pickling too."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of an activation, in the order of its kernel's constructor."""

    name: str
    default: float | str | None
    """Its value where a call does not give it, or `REQUIRED`."""
    meaning: str
    constraint: str = ""
    """An expression over the activation's parameters that must hold; empty where every number does."""
    none: float | None = None
    """The number that None stands for, as default too; without one, None is no value."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """Where the value is a word: the row that each word hands the call over to."""
    example: float | None = None
    """What examples, tests and measurements give where it is required."""
    gradient: str = ""
    """dy/dparameter over ``x``, where backward can be asked for it by the parameter's name and ``_grad``."""

    @property
    def number(self) -> float | None:
        """The default as the kernel gets it, or the example where there is none."""
        if self.default is REQUIRED:
            return self.example
        return self.none if self.default is None else self.default  # type: ignore[return-value]


@dataclass(frozen=True)
class Convention:
    """How another library spells an activation, where that is not the row's own text or not the same."""

    library: str
    """torch, jax, keras, onnx, tensorflow or thinc."""
    theirs: str
    """Its call, with its defaults."""
    differs: str = ""
    """What is not as here; empty where nothing is."""
    call: str = ""
    """How to get theirs; empty where the plain call does, or nothing can."""


@dataclass(frozen=True)
class Row:
    """What fastact knows of one activation."""

    name: str
    kind: str
    """Shape of its work: elementwise, channels, random, rows, random_rows, pieces or gated."""
    formula: str
    derivatives: dict[str, str]
    """dy/dx as a function of what backward saves, the preferred first."""
    range: str
    monotonic: bool
    saturates: bool
    zero_centered: bool
    reference: str
    parameters: tuple[Parameter, ...] = ()
    takes_where: bool = False
    """Whether a mask can leave elements of a row out: 0, and not counted."""
    output_determines: str = ""
    """A condition on the parameters under which the derivative can be had from ``y``."""
    torch: str = ""
    """The same in ``torch.nn.functional``, over ``x`` (or its halves) and the parameters; likewise below."""
    torch_backward: str = ""
    """The ATen operator that has an ``out=`` form, over ``dy``, ``x`` or ``y``; else autograd serves."""
    jax: str = ""
    """In ``jax.nn``."""
    onnx: str = ""
    """An operator of ONNX and its attributes."""
    keras: str = ""
    """In ``keras.activations``."""
    conventions: tuple[Convention, ...] = ()
    """What docs/conventions.md says of other libraries beyond the texts above."""
    scipy: str = ""
    """In ``scipy.special``."""

    @property
    def numbers(self) -> dict[str, float]:
        """The parameters that the formula and the kernel know, with their defaults or examples."""
        return {p.name: p.number for p in self.parameters if not p.choices}  # type: ignore[misc]

    @property
    def saves(self) -> tuple[str, ...]:
        return tuple(self.derivatives)

    @property
    def required(self) -> dict[str, float]:
        """The examples of the parameters without a default."""
        return {p.name: p.example for p in self.parameters if p.default is REQUIRED}  # type: ignore[misc]


_SLOPE = "slope where x is negative"
_CLIPPED = "`x` is clipped to [-20, 20] first: the output stays above 2.1e-9"
_DIM = "`dim=None` is axis 0 where x has 0, 1 or 3 dimensions, otherwise axis 1, with a warning"
_GLU_VARIANTS = "Shazeer (2020), GLU Variants Improve Transformer"
_GELU_TANH = "sqrt(8 / pi) * (x + 0.044715 * x * x * x)"

rows = (
    Row(
        name="sigmoid",
        kind="elementwise",
        formula="1 / (1 + exp(-x))",
        derivatives={"y": "y * (1 - y)", "x": "sigmoid(x) * sigmoid(-x)"},
        range="(0, 1)",
        monotonic=True,
        saturates=True,
        zero_centered=False,
        reference="Rumelhart, Hinton, Williams (1986), Learning representations by back-propagating errors",
        torch="sigmoid(x)",
        torch_backward="sigmoid_backward(dy, y)",
        jax="sigmoid(x)",
        onnx="Sigmoid(x)",
        keras="sigmoid(x)",
        conventions=(
            Convention("tensorflow", "nn.sigmoid(x)"),
            Convention("thinc", "sigmoid(X)", _CLIPPED, "sigmoid(np.clip(x, -20, 20))"),
        ),
        scipy="expit(x)",
    ),
    Row(
        name="tanh",
        kind="elementwise",
        formula="tanh(x)",
        derivatives={"y": "(1 - y) * (1 + y)", "x": "4 * sigmoid(2 * x) * sigmoid(-2 * x)"},
        range="(-1, 1)",
        monotonic=True,
        saturates=True,
        zero_centered=True,
        reference="LeCun, Bottou, Orr, Mueller (1998), Efficient BackProp",
        torch="tanh(x)",
        torch_backward="tanh_backward(dy, y)",
        jax="tanh(x)",
        onnx="Tanh(x)",
        keras="tanh(x)",
        conventions=(Convention("tensorflow", "nn.tanh(x)"),),
    ),
    Row(
        name="relu",
        kind="elementwise",
        formula="maximum(x, 0)",
        derivatives={"y": "where(y > 0, 1, 0)", "x": "where(x > 0, 1, 0)"},
        range="[0, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=False,
        reference="Nair, Hinton (2010), Rectified Linear Units Improve Restricted Boltzmann Machines",
        torch="relu(x)",
        torch_backward="threshold_backward(dy, y, 0)",
        jax="relu(x)",
        onnx="Relu(x)",
        keras="relu(x)",
        conventions=(
            Convention(
                "keras",
                "relu(x, negative_slope=0.0, max_value=None, threshold=0.0)",
                "three more parameters, at their defaults the same",
                "leaky_relu(x, negative_slope), hardtanh(x, 0, max_value) or threshold(x, threshold, 0)",
            ),
            Convention("tensorflow", "nn.relu(features)"),
            Convention("thinc", "relu(X)"),
        ),
    ),
    Row(
        name="relu6",
        kind="elementwise",
        formula="minimum(maximum(x, 0), 6)",
        derivatives={
            "y": "where(y > 0, 1, 0) * where(y < 6, 1, 0)",
            "x": "where(x > 0, 1, 0) * where(x < 6, 1, 0)",
        },
        range="[0, 6]",
        monotonic=True,
        saturates=True,
        zero_centered=False,
        reference="Krizhevsky (2010), Convolutional Deep Belief Networks on CIFAR-10",
        torch="relu6(x)",
        jax="relu6(x)",
        torch_backward="hardtanh_backward(dy, x, 0, 6)",
        keras="relu6(x)",
        conventions=(
            Convention("tensorflow", "nn.relu6(features)"),
            Convention(
                "thinc", "relu_k(X, n=6.0)", "another parameter, at its default the same", "hardtanh(x, 0, n)"
            ),
        ),
    ),
    Row(
        name="hardtanh",
        kind="elementwise",
        formula="minimum(maximum(x, min_val), max_val)",
        derivatives={
            "y": "where(y > min_val, 1, 0) * where(y < max_val, 1, 0)",
            "x": "where(x > min_val, 1, 0) * where(x < max_val, 1, 0)",
        },
        range="[min_val, max_val]",
        monotonic=True,
        saturates=True,
        zero_centered=True,
        reference="Collobert (2004), Large Scale Machine Learning",
        parameters=(
            Parameter("min_val", -1.0, "smallest output"),
            Parameter("max_val", 1.0, "largest output", "min_val <= max_val"),
        ),
        torch="hardtanh(x, min_val, max_val)",
        torch_backward="hardtanh_backward(dy, x, min_val, max_val)",
        jax="hard_tanh(x)",
        onnx="Clip(x, min_val, max_val)",
        keras="hard_tanh(x)",
        conventions=(
            Convention(
                "jax", "hard_tanh(x)", "no parameters; derivative 1 at -1 and 1, here 0", "hardtanh(x)"
            ),
            Convention("keras", "hard_tanh(x)", "no parameters", "hardtanh(x)"),
            Convention("thinc", "hard_tanh(X)", "no parameters", "hardtanh(x)"),
        ),
    ),
    Row(
        name="threshold",
        kind="elementwise",
        formula="where(x <= threshold, value, x)",
        derivatives={"x": "where(x > threshold, 1, 0)"},
        range="(-inf, inf)",
        monotonic=False,
        saturates=False,
        zero_centered=False,
        reference="Collobert, Kavukcuoglu, Farabet (2011), Torch7: A Matlab-like Environment for Machine "
        "Learning",
        parameters=(
            Parameter("threshold", REQUIRED, "largest input that is replaced", example=0.1),
            Parameter("value", REQUIRED, "what it is replaced by", example=20.0),
        ),
        torch="threshold(x, threshold, value)",
        torch_backward="threshold_backward(dy, x, threshold)",
        keras="threshold(x, threshold, value)",
        conventions=(
            Convention("keras", "threshold(x, threshold, default_value)"),
            Convention("onnx", "ThresholdedRelu(x, alpha=1.0)", "the value is 0", "threshold(x, alpha, 0)"),
        ),
    ),
    Row(
        name="hardsigmoid",
        kind="elementwise",
        formula="minimum(maximum(slope * (x + float64(offset / slope)), 0), 1)",
        derivatives={
            "y": "slope * where(y > 0, 1, 0) * where(y < 1, 1, 0)",
            "x": "slope * where(x > -float64(offset / slope), 1, 0)"
            " * where(x < float64((1 - offset) / slope), 1, 0)",
        },
        range="[0, 1]",
        monotonic=True,
        saturates=True,
        zero_centered=False,
        reference="Courbariaux, Bengio, David (2015), BinaryConnect: Training Deep Neural Networks with "
        "Binary Weights During Propagations",
        parameters=(
            Parameter("slope", 1 / 6, "slope between the two ends", "slope > 0"),
            Parameter("offset", 0.5, "output for an input of 0"),
        ),
        torch="hardsigmoid(x)",
        torch_backward="hardsigmoid_backward(dy, x)",
        jax="hard_sigmoid(x)",
        onnx="HardSigmoid(x, alpha=slope, beta=offset)",
        keras="hard_sigmoid(x)",
        conventions=(
            Convention(
                "onnx", "HardSigmoid(X, alpha=0.2, beta=0.5)", "the slope is 0.2", "hardsigmoid(x, 0.2)"
            ),
        ),
    ),
    Row(
        name="hardswish",
        kind="elementwise",
        formula="x * minimum(maximum(x + 3, 0), 6) / 6",
        derivatives={
            "x": "where(x > -3, 1, 0) * where(x < 3, 1, 0) * (minimum(maximum(x, -3), 3) / 3 + 0.5)"
            " + where(x >= 3, 1, 0)"
        },
        range="[-0.375, inf)",
        monotonic=False,
        saturates=False,
        zero_centered=False,
        reference="Howard, Sandler, Chu and others (2019), Searching for MobileNetV3",
        torch="hardswish(x)",
        torch_backward="hardswish_backward(dy, x)",
        jax="hard_swish(x)",
        onnx="HardSwish(x)",
        keras="hard_silu(x)",
        conventions=(
            Convention(
                "thinc",
                "hard_swish_mobilenet(X), hard_swish(X)",
                "the latter has slope 0.2; derivative of the former -0.5 and 1.5 at -3 and 3, here 0 and 1",
                "hardswish(x), x * hardsigmoid(x, slope=0.2)",
            ),
        ),
    ),
    Row(
        name="hardshrink",
        kind="elementwise",
        formula="x * where(abs(x) > lambd, 1, 0)",
        derivatives={"x": "where(abs(x) > lambd, 1, 0)"},
        range="(-inf, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=True,
        reference="Donoho, Johnstone (1994), Ideal Spatial Adaptation by Wavelet Shrinkage",
        parameters=(Parameter("lambd", 0.5, "half the width of the gap", "lambd >= 0"),),
        torch="hardshrink(x, lambd)",
        torch_backward="hardshrink_backward(dy, x, lambd)",
        onnx="Shrink(x, lambd=lambd)",
        keras="hard_shrink(x, lambd)",
        conventions=(
            Convention("keras", "hard_shrink(x, threshold=0.5)"),
            Convention(
                "onnx",
                "Shrink(x, lambd=0.5, bias=0.0)",
                "another parameter, at its default the same",
                "hardshrink(x, lambd)",
            ),
        ),
    ),
    Row(
        name="softshrink",
        kind="elementwise",
        formula="x - minimum(maximum(x, -lambd), lambd)",
        derivatives={"x": "where(abs(x) > lambd, 1, 0)"},
        range="(-inf, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=True,
        reference="Donoho, Johnstone (1994), Ideal Spatial Adaptation by Wavelet Shrinkage",
        parameters=(Parameter("lambd", 0.5, "half the width of the gap", "lambd >= 0"),),
        torch="softshrink(x, lambd)",
        torch_backward="softshrink_backward(dy, x, lambd)",
        onnx="Shrink(x, lambd=lambd, bias=lambd)",
        keras="soft_shrink(x, lambd)",
        conventions=(
            Convention(
                "onnx",
                "Shrink(input, bias=0.0, lambd=0.5)",
                "nothing is subtracted where `bias` is not given",
                "hardshrink(x, lambd)",
            ),
        ),
    ),
    Row(
        name="squared_relu",
        kind="elementwise",
        formula="maximum(x, 0) * maximum(x, 0)",
        derivatives={"x": "2 * maximum(x, 0)"},
        range="[0, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=False,
        reference="So, Manke, Liu, Dai, Shazeer, Le (2021), Primer: Searching for Efficient Transformers for "
        "Language Modeling",
    ),
    Row(
        name="sparse_plus",
        kind="elementwise",
        formula="maximum(x, (minimum(maximum(x, -1), 1) + 1) * (minimum(maximum(x, -1), 1) + 1) / 4)",
        derivatives={"x": "minimum(maximum(x + 1, 0), 2) / 2"},
        range="[0, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=False,
        reference="Martins, Astudillo (2016), From Softmax to Sparsemax",
        jax="sparse_plus(x)",
        keras="sparse_plus(x)",
    ),
    Row(
        name="sparse_sigmoid",
        kind="elementwise",
        formula="minimum(maximum(x + 1, 0), 2) / 2",
        derivatives={"x": "where(abs(x) < 1, 1, 0) / 2"},
        range="[0, 1]",
        monotonic=True,
        saturates=True,
        zero_centered=False,
        reference="Martins, Astudillo (2016), From Softmax to Sparsemax",
        jax="sparse_sigmoid(x)",
        keras="sparse_sigmoid(x)",
    ),
    Row(
        name="leaky_relu",
        kind="elementwise",
        formula="where(x > 0, x, negative_slope * x)",
        derivatives={"y": "where(y > 0, 1, negative_slope)", "x": "where(x > 0, 1, negative_slope)"},
        range="(-inf, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=False,
        reference="Maas, Hannun, Ng (2013), Rectifier Nonlinearities Improve Neural Network Acoustic Models",
        parameters=(Parameter("negative_slope", 0.01, _SLOPE),),
        output_determines="negative_slope > 0",
        torch="leaky_relu(x, negative_slope)",
        torch_backward="leaky_relu_backward(dy, x, negative_slope, False)",
        jax="leaky_relu(x, negative_slope)",
        onnx="LeakyRelu(x, alpha=negative_slope)",
        keras="leaky_relu(x, negative_slope)",
        conventions=(
            Convention("jax", "leaky_relu(x, negative_slope=0.01)", "derivative 1 at 0, here the slope"),
            Convention(
                "keras",
                "leaky_relu(x, negative_slope=0.2)",
                "slope 0.2; the layer LeakyReLU has 0.3",
                "leaky_relu(x, 0.2)",
            ),
            Convention("tensorflow", "nn.leaky_relu(features, alpha=0.2)", "slope 0.2", "leaky_relu(x, 0.2)"),
        ),
    ),
    Row(
        name="prelu",
        kind="channels",
        formula="where(x > 0, x, weight * x)",
        derivatives={"x": "where(x > 0, 1, weight)"},
        range="(-inf, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=False,
        reference="He, Zhang, Ren, Sun (2015), Delving Deep into Rectifiers",
        torch="prelu(x, weight)",
        onnx="PRelu(x, weight)",
        conventions=(
            Convention(
                "keras",
                "layers.PReLU(shared_axes=None)",
                "a weight for every position of a sample, not for a channel, unless axes are shared",
            ),
            Convention(
                "onnx",
                "PRelu(X, slope)",
                "the slope is broadcast from the last axis, not along axis 1",
                "prelu(x, slope, axis=-1)",
            ),
        ),
    ),
    Row(
        name="rrelu",
        kind="random",
        formula="where(x > 0, x, slope * x)",
        derivatives={"y": "where(y > 0, 1, slope)", "x": "where(x > 0, 1, slope)"},
        range="(-inf, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=False,
        reference="Xu, Wang, Chen, Li (2015), Empirical Evaluation of Rectified Activations in Convolutional "
        "Network",
        parameters=(
            Parameter("lower", 1 / 8, "smallest slope where x is negative"),
            Parameter("upper", 1 / 3, "largest slope where x is negative", "lower <= upper"),
        ),
        output_determines="lower > 0",
        conventions=(
            Convention(
                "torch",
                "rrelu(x, lower=1/8, upper=1/3, training=False)",
                "slopes of training come from torch's generator and are stored; here from the seed alone",
                "rrelu(x), in training rrelu(x, seed=seed)",
            ),
        ),
    ),
    Row(
        name="elu",
        kind="elementwise",
        formula="where(x > 0, x, alpha * expm1(x))",
        derivatives={"y": "where(y > 0, 1, y + alpha)", "x": "where(x > 0, 1, alpha * exp(x))"},
        range="(-alpha, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=True,
        reference="Clevert, Unterthiner, Hochreiter (2016), Fast and Accurate Deep Network Learning by ELUs",
        parameters=(Parameter("alpha", 1.0, "minus the limit at -inf"),),
        output_determines="alpha > 0",
        torch="elu(x, alpha)",
        torch_backward="elu_backward(dy, alpha, 1, 1, True, y)",
        jax="elu(x, alpha)",
        onnx="Elu(x, alpha=alpha)",
        keras="elu(x, alpha)",
        conventions=(Convention("tensorflow", "nn.elu(features)", "no parameter", "elu(x)"),),
    ),
    Row(
        name="celu",
        kind="elementwise",
        formula="where(x > 0, x, alpha * expm1(x / alpha))",
        derivatives={"y": "where(y > 0, 1, 1 + y / alpha)", "x": "where(x > 0, 1, exp(x / alpha))"},
        range="(-alpha, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=True,
        reference="Barron (2017), Continuously Differentiable Exponential Linear Units",
        parameters=(Parameter("alpha", 1.0, "minus the limit at -inf", "alpha != 0"),),
        output_determines="alpha > 0",
        torch="celu(x, alpha)",
        torch_backward="elu_backward(dy, alpha, 1, 1 / alpha, True, y)",
        jax="celu(x, alpha)",
        onnx="Celu(x, alpha=alpha)",
        keras="celu(x, alpha)",
    ),
    Row(
        name="selu",
        kind="elementwise",
        formula="where(x > 0, 1.0507009873554805 * x, 1.7580993408473768 * expm1(x))",
        derivatives={
            "y": "where(y > 0, 1.0507009873554805, y + 1.7580993408473768)",
            "x": "where(x > 0, 1.0507009873554805, 1.7580993408473768 * exp(x))",
        },
        range="(-1.7580993408473768, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=True,
        reference="Klambauer, Unterthiner, Mayr, Hochreiter (2017), Self-Normalizing Neural Networks",
        torch="selu(x)",
        torch_backward="elu_backward(dy, 1.6732632423543772, 1.0507009873554805, 1, True, y)",
        jax="selu(x)",
        onnx="Selu(x)",
        keras="selu(x)",
        conventions=(
            Convention(
                "onnx", "Selu(x)", "alpha and gamma rounded to float32: up to 3.4e-8 of the value", "selu(x)"
            ),
            Convention("tensorflow", "nn.selu(features)"),
        ),
    ),
    Row(
        name="exponential",
        kind="elementwise",
        formula="exp(x)",
        derivatives={"y": "y", "x": "exp(x)"},
        range="(0, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=False,
        reference="Chollet and others (2015), Keras",
        onnx="Exp(x)",
        keras="exponential(x)",
        conventions=(Convention("tensorflow", "math.exp(x)"),),
    ),
    Row(
        name="softsign",
        kind="elementwise",
        formula="x / (1 + abs(x))",
        derivatives={"y": "(1 - abs(y)) * (1 - abs(y))", "x": "1 / ((1 + abs(x)) * (1 + abs(x)))"},
        range="(-1, 1)",
        monotonic=True,
        saturates=True,
        zero_centered=True,
        reference="Bergstra, Desjardins, Lamblin, Bengio (2009), Quadratic Polynomials Learn Better Image "
        "Features",
        torch="softsign(x)",
        jax="soft_sign(x)",
        onnx="Softsign(x)",
        keras="softsign(x)",
        conventions=(Convention("tensorflow", "nn.softsign(features)"),),
    ),
    Row(
        name="tanhshrink",
        kind="elementwise",
        formula="x_minus_tanh(x)",
        derivatives={"x": "tanh(x) * tanh(x)"},
        range="(-inf, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=True,
        reference="Collobert, Kavukcuoglu, Farabet (2011), Torch7: A Matlab-like Environment for Machine "
        "Learning",
        torch="tanhshrink(x)",
        keras="tanh_shrink(x)",
    ),
    # (x + sqrt(x^2 + b)) / 2, and below x / 2 (1 + x / sqrt(1 + x^2)), so that nothing cancels.
    Row(
        name="squareplus",
        kind="elementwise",
        formula="maximum(x, 0) + b / (2 * (abs(x) + sqrt(x * x + b)))",
        derivatives={
            "y": "y * y / (y * y + b / 4)",
            "x": "where(x >= 0, 1, 0) + (1 - 2 * where(x >= 0, 1, 0)) * b"
            " / (2 * (x * x + b + abs(x) * sqrt(x * x + b)))",
        },
        range="(0, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=False,
        reference="Barron (2021), Squareplus: A Softplus-Like Algebraic Rectifier",
        parameters=(
            Parameter("b", 4.0, "roundness of the bend: four times the squared output at 0", "b > 0"),
        ),
        jax="squareplus(x, b)",
        keras="squareplus(x, b)",
    ),
    Row(
        name="dish",
        kind="elementwise",
        formula="maximum(x, 0) - abs(x) / (2 * sqrt(1 + x * x) * (abs(x) + sqrt(1 + x * x)))",
        derivatives={
            "x": "where(x >= 0, 1, 0) + (1 - 2 * where(x >= 0, 1, 0))"
            " * (1 - abs(x) * sqrt(1 + x * x))"
            " / (2 * (1 + x * x) * (1 + x * x + abs(x) * sqrt(1 + x * x)))"
        },
        range="[-0.15015, inf)",
        monotonic=False,
        saturates=False,
        zero_centered=False,
        reference="Honnibal and others (2022), thinc",
        conventions=(Convention("thinc", "dish(X)"),),
    ),
    Row(
        name="maxout",
        kind="pieces",
        formula="max(x)",
        derivatives={"x": "where(x == max(x), 1, 0)"},
        range="(-inf, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=True,
        reference="Goodfellow, Warde-Farley, Mirza, Courville, Bengio (2013), Maxout Networks",
        conventions=(
            Convention(
                "thinc",
                "maxout(X)",
                "the pieces have an axis of their own, the last of three",
                "maxout(X.reshape(len(X), -1), pieces=X.shape[2])",
            ),
        ),
    ),
    Row(
        name="softmax",
        kind="rows",
        formula="exp((x - max(x)) / temperature) / sum(exp((x - max(x)) / temperature))",
        derivatives={"y": "y * (dy - sum(dy * y)) / temperature"},
        range="(0, 1)",
        monotonic=False,
        saturates=True,
        zero_centered=False,
        reference="Bridle (1990), Probabilistic Interpretation of Feedforward Classification Network Outputs",
        parameters=(
            Parameter("temperature", 1.0, "what x is divided by; flatter above 1", "temperature > 0"),
        ),
        takes_where=True,
        torch="softmax(x / temperature, axis)",
        torch_backward="_softmax_backward_data(dy, y, axis, y.dtype)",
        jax="softmax(x / temperature, axis)",
        onnx="Softmax(Div(x, temperature), axis=axis)",
        keras="softmax(x / temperature, axis)",
        conventions=(
            Convention("torch", "softmax(x, dim=None)", _DIM, "softmax(x, axis=dim)"),
            Convention(
                "onnx",
                "Softmax(x, axis=-1)",
                "before opset 13 axis=1, and all axes from there on are one",
                "softmax(x.reshape(len(x), -1))",
            ),
            Convention("tensorflow", "nn.softmax(logits, axis=None)"),
            Convention("thinc", "softmax(x, axis=-1, temperature=1.0)"),
        ),
        scipy="softmax(x, axis)",
    ),
    Row(
        name="log_softmax",
        kind="rows",
        formula="x - max(x) - log(sum(exp(x - max(x))))",
        derivatives={"y": "dy - exp(y) * sum(dy)"},
        range="(-inf, 0)",
        monotonic=False,
        saturates=False,
        zero_centered=False,
        reference="Goodfellow, Bengio, Courville (2016), Deep Learning",
        torch="log_softmax(x, axis)",
        torch_backward="_log_softmax_backward_data(dy, y, axis, y.dtype)",
        jax="log_softmax(x, axis)",
        onnx="LogSoftmax(x, axis=axis)",
        keras="log_softmax(x, axis)",
        conventions=(
            Convention("torch", "log_softmax(x, dim=None)", _DIM, "log_softmax(x, axis=dim)"),
            Convention(
                "onnx",
                "LogSoftmax(x, axis=-1)",
                "before opset 13 axis=1, and all axes from there on are one",
                "log_softmax(x.reshape(len(x), -1))",
            ),
            Convention("tensorflow", "nn.log_softmax(logits, axis=None)"),
        ),
        scipy="log_softmax(x, axis)",
    ),
    Row(
        name="softmin",
        kind="rows",
        formula="exp(-x - max(-x)) / sum(exp(-x - max(-x)))",
        derivatives={"y": "y * (sum(dy * y) - dy)"},
        range="(0, 1)",
        monotonic=False,
        saturates=True,
        zero_centered=False,
        reference="Bridle (1990), Probabilistic Interpretation of Feedforward Classification Network Outputs",
        torch="softmin(x, axis)",
        jax="softmax(-x, axis)",
        conventions=(Convention("torch", "softmin(x, dim=None)", _DIM, "softmin(x, axis=dim)"),),
    ),
    Row(
        name="sparsemax",
        kind="rows",
        formula="maximum(x - max(x) - sparse_threshold(x - max(x)), 0)",
        derivatives={"y": "sign(y) * (dy - sum(sign(y) * dy) / sum(sign(y)))"},
        range="[0, 1]",
        monotonic=False,
        saturates=True,
        zero_centered=False,
        reference="Martins, Astudillo (2016), From Softmax to Sparsemax",
        keras="sparsemax(x, axis)",
    ),
    Row(
        name="gumbel_softmax",
        kind="random_rows",
        formula="exp((x - max(x) + noise - max(x - max(x) + noise)) / tau)"
        " / sum(exp((x - max(x) + noise - max(x - max(x) + noise)) / tau))",
        derivatives={"y": "y * (dy - sum(dy * y)) / tau"},
        range="(0, 1)",
        monotonic=False,
        saturates=True,
        zero_centered=False,
        reference="Jang, Gu, Poole (2017), Categorical Reparameterization with Gumbel-Softmax",
        parameters=(Parameter("tau", 1.0, "temperature: towards 0 the samples become one-hot", "tau > 0"),),
        conventions=(
            Convention(
                "torch",
                "gumbel_softmax(logits, tau=1, hard=False, dim=-1)",
                "noise from torch's generator; here it follows from the seed",
                "gumbel_softmax(x, seed=seed)",
            ),
        ),
    ),
    Row(
        name="silu",
        kind="elementwise",
        formula="x * sigmoid(x)",
        derivatives={"x": "sigmoid(x) * (1 + x * sigmoid(-x))"},
        range="[-0.27846, inf)",
        monotonic=False,
        saturates=False,
        zero_centered=False,
        reference="Elfwing, Uchibe, Doya (2018), Sigmoid-Weighted Linear Units for Neural Network Function "
        "Approximation",
        torch="silu(x)",
        torch_backward="silu_backward(dy, x)",
        jax="silu(x)",
        keras="silu(x)",
        conventions=(
            Convention(
                "tensorflow",
                "nn.silu(features, beta=1.0)",
                "another parameter, at its default the same",
                "swish(x, beta)",
            ),
            Convention(
                "thinc",
                "swish(X)",
                "`x` is clipped to [-20, 20] in the gate",
                "x * sigmoid(np.clip(x, -20, 20))",
            ),
        ),
    ),
    Row(
        name="swish",
        kind="elementwise",
        formula="x * sigmoid(beta * x)",
        derivatives={"x": "sigmoid(beta * x) * (1 + beta * x * sigmoid(-beta * x))"},
        range="[-0.27846 / beta, inf)",
        monotonic=False,
        saturates=False,
        zero_centered=False,
        reference="Ramachandran, Zoph, Le (2017), Searching for Activation Functions",
        parameters=(
            Parameter(
                "beta",
                1.0,
                "steepness of the gate",
                gradient="x * x * sigmoid(beta * x) * sigmoid(-beta * x)",
            ),
        ),
        conventions=(
            Convention("jax", "swish(x)", "no parameter", "silu(x)"),
            Convention("keras", "swish(x)", "no parameter", "silu(x)"),
            Convention("tensorflow", "nn.swish(features, beta=1.0)"),
        ),
    ),
    Row(
        name="glu",
        kind="gated",
        formula="a * sigmoid(b)",
        derivatives={"x": "join(dy * sigmoid(b), dy * a * sigmoid(b) * sigmoid(-b))"},
        range="(-inf, inf)",
        monotonic=False,
        saturates=False,
        zero_centered=True,
        reference="Dauphin, Fan, Auli, Grangier (2017), Language Modeling with Gated Convolutional Networks",
        torch="glu(x, axis)",
        torch_backward="glu_backward(dy, x, axis)",
        jax="glu(x, axis)",
        keras="glu(x, axis)",
    ),
    Row(
        name="reglu",
        kind="gated",
        formula="a * maximum(b, 0)",
        derivatives={"x": "join(dy * maximum(b, 0), dy * a * where(b > 0, 1, 0))"},
        range="(-inf, inf)",
        monotonic=False,
        saturates=False,
        zero_centered=True,
        reference=_GLU_VARIANTS,
        torch="a * relu(b)",
        jax="a * relu(b)",
    ),
    Row(
        name="geglu",
        kind="gated",
        formula="a * (b / 2 * erfc(-b / sqrt(2)))",
        derivatives={
            "x": "join(dy * (b / 2 * erfc(-b / sqrt(2))), "
            "dy * a * (erfc(-b / sqrt(2)) / 2 + b * exp(-b * b / 2) / sqrt(2 * pi)))",
        },
        range="(-inf, inf)",
        monotonic=False,
        saturates=False,
        zero_centered=True,
        reference=_GLU_VARIANTS,
        torch="a * gelu(b)",
        jax="a * gelu(b, False)",
        conventions=(
            Convention(
                "jax",
                "a * gelu(b)",
                "its gelu is the approximation by tanh by default",
                'a * gelu(b, approximate="tanh")',
            ),
        ),
    ),
    Row(
        name="swiglu",
        kind="gated",
        formula="a * (b * sigmoid(b))",
        derivatives={
            "x": "join(dy * (b * sigmoid(b)), dy * a * (sigmoid(b) * (1 + b * sigmoid(-b))))",
        },
        range="(-inf, inf)",
        monotonic=False,
        saturates=False,
        zero_centered=True,
        reference=_GLU_VARIANTS,
        torch="a * silu(b)",
        jax="a * silu(b)",
    ),
    Row(
        name="softplus",
        kind="elementwise",
        formula="where(beta * x > threshold, x, (maximum(beta * x, 0) + log1p(exp(-abs(beta * x)))) / beta)",
        derivatives={
            "y": "-expm1(-beta * y)",
            "x": "where(beta * x > threshold, 1, sigmoid(beta * x))",
        },
        range="(0, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=False,
        reference="Dugas, Bengio, Bélisle, Nadeau, Garcia (2001), Incorporating Second-Order Functional "
        "Knowledge for Better Option Pricing",
        parameters=(
            Parameter("beta", 1.0, "steepness of the bend", "beta > 0"),
            Parameter("threshold", None, "value of beta * x beyond which the result is x itself", none=inf),
        ),
        output_determines="threshold == inf",
        torch="softplus(x, beta, threshold)",
        torch_backward="softplus_backward(dy, x, beta, threshold)",
        jax="softplus(x)",
        onnx="Softplus(x)",
        scipy="softplus(x)",
        keras="softplus(x)",
        conventions=(
            Convention(
                "torch",
                "softplus(x, beta=1.0, threshold=20.0)",
                "x itself where `beta * x` is above 20",
                "softplus(x, beta, threshold=20.0)",
            ),
            Convention("tensorflow", "nn.softplus(features)"),
        ),
    ),
    Row(
        name="logsigmoid",
        kind="elementwise",
        formula="minimum(x, 0) - log1p(exp(-abs(x)))",
        derivatives={"y": "-expm1(y)", "x": "sigmoid(-x)"},
        range="(-inf, 0)",
        monotonic=True,
        saturates=False,
        zero_centered=False,
        reference="Mikolov, Sutskever, Chen, Corrado, Dean (2013), Distributed Representations of Words and "
        "Phrases and their Compositionality",
        torch="logsigmoid(x)",
        scipy="log_expit(x)",
        jax="log_sigmoid(x)",
        keras="log_sigmoid(x)",
        conventions=(Convention("tensorflow", "math.log_sigmoid(x)"),),
    ),
    Row(
        name="gelu",
        kind="elementwise",
        formula="x * erfc(-x / sqrt(2)) / 2",
        derivatives={"x": "erfc(-x / sqrt(2)) / 2 + x * exp(-x * x / 2) / sqrt(2 * pi)"},
        range="[-0.169972, inf)",
        monotonic=False,
        saturates=False,
        zero_centered=False,
        reference="Hendrycks, Gimpel (2016), Gaussian Error Linear Units (GELUs)",
        parameters=(
            Parameter(
                "approximate",
                "none",
                "'none' for the formula itself, 'tanh' for that of gelu_tanh",
                choices={"none": "gelu", "tanh": "gelu_tanh"},
            ),
        ),
        torch="gelu(x)",
        torch_backward="gelu_backward(dy, x)",
        jax="gelu(x, approximate=False)",
        onnx="Gelu(x)",
        keras="gelu(x)",
        conventions=(
            Convention(
                "jax", "gelu(x, approximate=True)", "the tanh form by default", "gelu(x, approximate='tanh')"
            ),
            Convention("tensorflow", "nn.gelu(features, approximate=False)"),
        ),
    ),
    Row(
        name="gelu_tanh",
        kind="elementwise",
        formula=f"x * sigmoid({_GELU_TANH})",
        derivatives={
            "x": f"sigmoid({_GELU_TANH}) * (1 + sqrt(8 / pi) * x * (1 + 3 * (0.044715 * x * x))"
            f" * sigmoid(-{_GELU_TANH}))"
        },
        range="[-0.170041, inf)",
        monotonic=False,
        saturates=False,
        zero_centered=False,
        reference="Hendrycks, Gimpel (2016), Gaussian Error Linear Units (GELUs)",
        torch="gelu(x, approximate='tanh')",
        torch_backward="gelu_backward(dy, x, approximate='tanh')",
        jax="gelu(x, approximate=True)",
        onnx="Gelu(x, approximate='tanh')",
        keras="gelu(x, approximate=True)",
    ),
    Row(
        name="quick_gelu",
        kind="elementwise",
        formula="x * sigmoid(1.702 * x)",
        derivatives={"x": "sigmoid(1.702 * x) * (1 + 1.702 * x * sigmoid(-1.702 * x))"},
        range="[-0.163611, inf)",
        monotonic=False,
        saturates=False,
        zero_centered=False,
        reference="Hendrycks, Gimpel (2016), Gaussian Error Linear Units (GELUs)",
    ),
    Row(
        name="mish",
        kind="elementwise",
        formula="x * tanh(log1p(exp(x)))",
        derivatives={
            "x": "tanh(log1p(exp(x))) + x * sigmoid(x) * (1 - tanh(log1p(exp(x))) * tanh(log1p(exp(x))))"
        },
        range="[-0.308844, inf)",
        monotonic=False,
        saturates=False,
        zero_centered=False,
        reference="Misra (2019), Mish: A Self Regularized Non-Monotonic Activation Function",
        torch="mish(x)",
        torch_backward="mish_backward(dy, x)",
        jax="mish(x)",
        onnx="Mish(x)",
        keras="mish(x)",
        conventions=(Convention("thinc", "mish(X, threshold=20.0)", "x itself where x >= 20"),),
    ),
)
