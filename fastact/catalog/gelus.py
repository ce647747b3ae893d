"""gelu, its approximations, and mish, whose curve is near theirs."""

from .row import Convention, Parameter, Row

_GELU_TANH = "sqrt(8 / pi) * (x + 0.044715 * x * x * x)"

rows = (
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
