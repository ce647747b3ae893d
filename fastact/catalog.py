"""The catalog: one row per activation.

Everything a user can see of an activation follows from its row: the callable
object, its docstring, its tests and its benchmarks. The formulas are plain
mathematics in the vocabulary of `VOCABULARY`; the tests evaluate them with
mpmath at high precision and the benchmarks with NumPy in place. The kernels in
``src/activations.hpp`` are written separately, so each checks the other.
"""

from __future__ import annotations

from dataclasses import dataclass

VOCABULARY = (
    "exp", "expm1", "log", "log1p", "sqrt", "tanh", "sigmoid", "erf", "erfc",
    "abs", "sign", "where", "maximum", "minimum", "max", "sum", "sparse_threshold", "join", "pi",
)  # fmt: skip
"""Names a formula may use beside ``x``, ``y`` and its parameters.

``max`` and ``sum`` run along ``axis``; ``sparse_threshold(x)`` is the t for which ``sum(maximum(x - t, 0))``
is 1; ``join(da, db)`` puts two halves together along it. The halves of a gated activation's ``x`` are ``a``
and ``b``.
"""


@dataclass(frozen=True)
class Parameter:
    """A parameter of an activation, in the order of its kernel's constructor."""

    name: str
    default: float | None
    meaning: str
    constraint: str = ""
    """An expression over the activation's parameters that must hold; empty where every number does."""


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
    def saves(self) -> tuple[str, ...]:
        return tuple(self.derivatives)


_SLOPE = "slope where x is negative"
_CLIPPED = "`x` is clipped to [-20, 20] first: the output stays above 2.1e-9"
_DIM = "`dim=None` is axis 0 where x has 0, 1 or 3 dimensions, otherwise axis 1, with a warning"
_GLU_VARIANTS = "Shazeer (2020), GLU Variants Improve Transformer"

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
        parameters=(Parameter("beta", 1.0, "steepness of the gate"),),
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
)
