"""Smooth curves of quotients and roots, and what tanh leaves of x."""

from .row import Convention, Parameter, Row

rows = (
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
)
