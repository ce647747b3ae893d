"""Logarithms of what does not overflow: softplus and logsigmoid."""

from math import inf

from .row import Convention, Parameter, Row

rows = (
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
)
