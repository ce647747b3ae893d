"""Smooth curves: of exponentials, by themselves or where x is negative, and of quotients and roots."""

from math import inf

from .properties import Claim, Properties
from .row import Convention, Parameter, Row

rows = (
    Row(
        name="elu",
        formula="where(x > 0, x, alpha * expm1(x))",
        derivatives={"y": "where(y > 0, 1, y + alpha)", "x": "where(x > 0, 1, alpha * exp(x))"},
        range="(-alpha, inf)",
        properties=Properties(
            slope=(0, 1),
            slope_at=("-inf", "[0, inf)"),
            breaks={2: (0,)},
            curvature="convex",
            left="soft",
            fixed_points="[0, inf)",
            mean=0.160521,
        ),
        claims=(
            Claim(
                "It is zero-centred.",
                "The mean of its outputs is 0.16052 for standard normal inputs; that of relu is 0.39894.",
                "abs(mean()) < 0.01",
                ("mean()", 'mean("relu")'),
            ),
            Claim(
                "It is smooth.",
                "Its second derivative jumps from 1 to 0 at 0; with alpha=2 the first does, from 2 to 1.",
                "abs(left(0, 2) - right(0, 2)) < 0.01",
                (
                    "left(0, 2)",
                    "right(0, 2)",
                    "breaks[0]",
                    "2",
                    "given(alpha=2).side(0, -1)",
                    "given(alpha=2).side(0, 1)",
                ),
            ),
        ),
        strengths="Negative inputs give negative outputs, which brings its mean output to 0.161, nearer to "
        "zero than relu's. Its derivative is positive everywhere and, at alpha=1, has no jump. "
        "Backward needs the output alone, so the output can overwrite the input.",
        weaknesses="It needs an exponential. Where x is very negative its derivative is next to 0, so at "
        "large learning rates units stop learning there. It is not zero-centred.",
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
        properties=Properties(
            slope=(0, 1),
            slope_at=("-inf", "[0, inf)"),
            breaks={2: (0,)},
            curvature="convex",
            left="soft",
            fixed_points="[0, inf)",
            mean=0.160521,
        ),
        strengths="It is elu with a derivative that is positive everywhere and has no jump, at any alpha. "
        "Its mean output is 0.161, nearer to zero than relu's. Backward needs the output alone, "
        "so the output can overwrite the input.",
        weaknesses="It needs an exponential. Where x is very negative its derivative is next to 0, so units "
        "hardly learn there. It is not zero-centred.",
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
        properties=Properties(
            slope=(0, 1.7581),
            slope_at=("-inf", "0"),
            breaks={1: (0,)},
            left="soft",
            fixed_points="-1.25882, 0",
            mean=0,
        ),
        claims=(
            Claim(
                "It is differentiable everywhere, as elu is.",
                "Its derivative jumps from 1.7581 to 1.0507 where x is 0.",
                "abs(left(0) - right(0)) < 0.01",
                ("left(0)", "right(0)", "breaks[0]"),
            ),
        ),
        strengths="Its constants draw outputs to mean zero and variance one from layer to layer, without "
        "normalisation, so that gradients neither vanish nor explode. It is zero-centred. "
        "Backward needs the output alone, so the output can overwrite the input.",
        weaknesses="That holds for weights of mean zero and variance one over the number of inputs alone. It "
        "needs an exponential. It has a kink at 0, and where x is very negative its derivative is "
        "next to 0.",
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
        properties=Properties(
            slope=(0, inf),
            slope_at=("-inf", "inf"),
            curvature="convex",
            left="soft",
            fixed_points="",
            mean=1.64872,
        ),
        strengths="Its outputs are positive, as a rate or a scale has to be, and it is its own derivative. "
        "Backward needs the output alone, so the output can overwrite the input.",
        weaknesses="Output and derivative grow without bound, so one large input can overflow or make "
        "gradients explode. It needs an exponential and is not zero-centred: its mean output is "
        "1.65.",
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
        properties=Properties(
            slope=(0, 1),
            slope_at=("-inf, inf", "0"),
            breaks={2: (0,)},
            left="soft",
            right="soft",
            fixed_points="0",
            mean=0,
        ),
        claims=(
            Claim(
                "It is tanh, cheaper to compute.",
                "They differ by up to 0.306, and where x is 5 it has 0.833 of its limit, tanh 0.9999.",
                'distance("tanh")[0] < 0.1',
                ('distance("tanh")[0]', "5", "f(5)", 'curve("tanh")(5)'),
            ),
        ),
        strengths="It is bounded and zero-centred, and needs no exponential. It comes near its limits "
        "slowly, so large inputs keep more of a gradient than with tanh. Backward needs the "
        "output alone, so the output can overwrite the input.",
        weaknesses="Its derivative is 1 at 0 alone and less everywhere else, so gradients shrink with every "
        "layer. Where x is 5 it has 0.833 of its limit only.",
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
        properties=Properties(slope=(0, 1), slope_at=("0", "-inf, inf"), fixed_points="0", mean=0),
        strengths="It moves large inputs towards zero by nearly one, and small ones to nearly zero, with no "
        "threshold to choose. It is zero-centred and is smooth.",
        weaknesses="Its derivative is 0 at 0, so small inputs get hardly any gradient. It needs an "
        "exponential, and backward needs the input.",
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
        properties=Properties(
            slope=(0, 1),
            slope_at=("-inf", "inf"),
            curvature="convex",
            left="soft",
            fixed_points="",
            mean=1.10931,
        ),
        strengths="It has the shape of softplus, positive and with no kink, and needs a square root and no "
        "exponential. Its derivative is positive everywhere. Backward needs the output alone, so "
        "the output can overwrite the input.",
        weaknesses="It gives no exact zeros, and as x falls it comes near 0 more slowly than softplus. It is "
        "not zero-centred: its mean output is 1.11.",
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
        range="[-0.150142, inf)",
        properties=Properties(
            slope=(-0.0443311, 1.04433),
            slope_at=("-1.41421", "1.41421"),
            turns="-0.786151",
            left="soft",
            fixed_points="0",
            mean=0.282445,
        ),
        strengths="It has the shape of silu and is smooth, and needs a square root and no exponential. "
        "Small negative inputs still get a gradient.",
        weaknesses="It is not monotonic: it falls below -0.786. It is not zero-centred: its mean output is "
        "0.282. Backward needs the input.",
        reference="Honnibal and others (2022), thinc",
        conventions=(Convention("thinc", "dish(X)"),),
    ),
)
