"""Smooth curves: of exponentials, by themselves or where x is negative, and of quotients and roots."""

from .row import Convention, Parameter, Row

rows = (
    Row(
        name="elu",
        formula="where(x > 0, x, alpha * expm1(x))",
        derivatives={"y": "where(y > 0, 1, y + alpha)", "x": "where(x > 0, 1, alpha * exp(x))"},
        range="(-alpha, inf)",
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
        formula="where(x > 0, x, alpha * expm1(x / alpha))",
        derivatives={"y": "where(y > 0, 1, 1 + y / alpha)", "x": "where(x > 0, 1, exp(x / alpha))"},
        range="(-alpha, inf)",
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
        formula="where(x > 0, 1.0507009873554805 * x, 1.7580993408473768 * expm1(x))",
        derivatives={
            "y": "where(y > 0, 1.0507009873554805, y + 1.7580993408473768)",
            "x": "where(x > 0, 1.0507009873554805, 1.7580993408473768 * exp(x))",
        },
        range="(-1.7580993408473768, inf)",
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
        formula="exp(x)",
        derivatives={"y": "y", "x": "exp(x)"},
        range="(0, inf)",
        reference="Chollet and others (2015), Keras",
        onnx="Exp(x)",
        keras="exponential(x)",
        conventions=(Convention("tensorflow", "math.exp(x)"),),
    ),
    Row(
        name="softsign",
        formula="x / (1 + abs(x))",
        derivatives={"y": "(1 - abs(y)) * (1 - abs(y))", "x": "1 / ((1 + abs(x)) * (1 + abs(x)))"},
        range="(-1, 1)",
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
        formula="x_minus_tanh(x)",
        derivatives={"x": "tanh(x) * tanh(x)"},
        range="(-inf, inf)",
        zero_centered=True,
        reference="Collobert, Kavukcuoglu, Farabet (2011), Torch7: A Matlab-like Environment for Machine "
        "Learning",
        torch="tanhshrink(x)",
        keras="tanh_shrink(x)",
    ),
    # (x + sqrt(x^2 + b)) / 2, and below x / 2 (1 + x / sqrt(1 + x^2)), so that nothing cancels.
    Row(
        name="squareplus",
        formula="maximum(x, 0) + b / (2 * (abs(x) + sqrt(x * x + b)))",
        derivatives={
            "y": "y * y / (y * y + b / 4)",
            "x": "where(x >= 0, 1, 0) + (1 - 2 * where(x >= 0, 1, 0)) * b"
            " / (2 * (x * x + b + abs(x) * sqrt(x * x + b)))",
        },
        range="(0, inf)",
        reference="Barron (2021), Squareplus: A Softplus-Like Algebraic Rectifier",
        parameters=(
            Parameter("b", 4.0, "roundness of the bend: four times the squared output at 0", "b > 0"),
        ),
        jax="squareplus(x, b)",
        keras="squareplus(x, b)",
    ),
    Row(
        name="dish",
        formula="maximum(x, 0) - abs(x) / (2 * sqrt(1 + x * x) * (abs(x) + sqrt(1 + x * x)))",
        derivatives={
            "x": "where(x >= 0, 1, 0) + (1 - 2 * where(x >= 0, 1, 0))"
            " * (1 - abs(x) * sqrt(1 + x * x))"
            " / (2 * (1 + x * x) * (1 + x * x + abs(x) * sqrt(1 + x * x)))"
        },
        range="[-0.15015, inf)",
        monotonic=False,
        reference="Honnibal and others (2022), thinc",
        conventions=(Convention("thinc", "dish(X)"),),
    ),
)
