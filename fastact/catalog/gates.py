"""x times a gate, one half of x times a gate of the other, and the sigmoid's integral and logarithm."""

from math import inf

from .properties import Claim, Properties
from .row import Convention, Parameter, Row

_GATED = {"kind": "gated", "range": "(-inf, inf)"}
_GATED_SHAPE = {
    "slope": (-inf, inf), "left": None, "right": None, "mean": 0,
}  # fmt: skip
_NOT_RISING = Claim(
    "Its derivative is positive everywhere.",
    "It is negative below -1.2785, and least at -2.3994, where it is -0.0998.",
    "least >= 0",
    ("turns[0]", "least_at", "least"),
)
_GLU_VARIANTS = "Shazeer (2020), GLU Variants Improve Transformer"
_GELU_TANH = "sqrt(8 / pi) * (x + 0.044715 * x * x * x)"

rows = (
    Row(
        name="silu",
        formula="x * sigmoid(x)",
        derivatives={"x": "sigmoid(x) * (1 + x * sigmoid(-x))"},
        range="[-0.278465, inf)",
        properties=Properties(
            slope=(-0.0998393, 1.09984),
            slope_at=("-2.39936", "2.39936"),
            turns="-1.27846",
            left="soft",
            fixed_points="0",
            mean=0.206621,
        ),
        claims=(_NOT_RISING,),
        strengths="It is smooth, and its derivative is 0 at -1.28 alone, so negative inputs still get a "
        "gradient. Slopes reach 1.09984, so gradients can pass many layers.",
        weaknesses="It needs an exponential. It is not monotonic, so two inputs can have the same output, "
        "and backward needs the input. It is not zero-centred: its mean output is 0.207.",
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
        formula="x * sigmoid(beta * x)",
        derivatives={"x": "sigmoid(beta * x) * (1 + beta * x * sigmoid(-beta * x))"},
        range="[-0.278465 / beta, inf)",
        properties=Properties(
            slope=(-0.0998393, 1.09984),
            slope_at=("-2.39936", "2.39936"),
            turns="-1.27846",
            left="soft",
            fixed_points="0",
            mean=0.206621,
        ),
        claims=(_NOT_RISING,),
        strengths="It is silu with a steepness that can be learned: at a small one it is nearly half of x, "
        "at a large one nearly relu. It is smooth, and its derivative is 0 at -1.28 alone, so "
        "negative inputs still get a gradient.",
        weaknesses="The steepness is one more number to choose or to learn, and it needs an exponential. It "
        "is not monotonic, and backward needs the input. It is not zero-centred: its mean output "
        "is 0.207.",
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
            Convention("onnx", "Swish(x, alpha=1.0)", "the parameter is `alpha`", "swish(x, alpha)"),
            Convention("tensorflow", "nn.swish(features, beta=1.0)"),
        ),
    ),
    Row(
        name="glu",
        **_GATED,
        properties=Properties(**_GATED_SHAPE),
        formula="a * sigmoid(b)",
        derivatives={"x": "join(dy * sigmoid(b), dy * a * sigmoid(b) * sigmoid(-b))"},
        strengths="One half of the input says how much of the other half passes, a share between none and "
        "all. That other half has no curve of its own, so a gradient passes an open gate "
        "undiminished.",
        weaknesses="It needs an input twice as wide as its output, and an exponential. It is a product, so "
        "its slopes grow without bound with the other half. Backward needs the input.",
        reference="Dauphin, Fan, Auli, Grangier (2017), Language Modeling with Gated Convolutional Networks",
        torch="glu(x, axis)",
        torch_backward="glu_backward(dy, x, axis)",
        jax="glu(x, axis)",
        keras="glu(x, axis)",
    ),
    Row(
        name="reglu",
        **_GATED,
        properties=Properties(**_GATED_SHAPE, breaks={1: "where b is 0 and a is not"}),
        formula="a * maximum(b, 0)",
        derivatives={"x": "join(dy * maximum(b, 0), dy * a * where(b > 0, 1, 0))"},
        strengths="It is glu with relu as its gate: closed gates give exact zeros, and it needs no "
        "exponential. Its reference tries it in the feed-forward layers of Transformers.",
        weaknesses="It needs an input twice as wide as its output. Where the gate is closed neither half "
        "gets a gradient, and it has a kink there. Its slopes grow without bound, and backward "
        "needs the input.",
        reference=_GLU_VARIANTS,
        torch="a * relu(b)",
        jax="a * relu(b)",
    ),
    Row(
        name="geglu",
        **_GATED,
        properties=Properties(**_GATED_SHAPE),
        formula="a * (b / 2 * erfc(-b / sqrt(2)))",
        derivatives={
            "x": "join(dy * (b / 2 * erfc(-b / sqrt(2))), "
            "dy * a * (erfc(-b / sqrt(2)) / 2 + b * exp(-b * b / 2) / sqrt(2 * pi)))",
        },
        strengths="It is glu with gelu as its gate, which is smooth and has no largest value. Its reference "
        "tries it in the feed-forward layers of Transformers.",
        weaknesses="It needs an input twice as wide as its output, an error function and, backward, an "
        "exponential. Its slopes grow without bound. Backward needs the input.",
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
        **_GATED,
        properties=Properties(**_GATED_SHAPE),
        formula="a * (b * sigmoid(b))",
        derivatives={"x": "join(dy * (b * sigmoid(b)), dy * a * (sigmoid(b) * (1 + b * sigmoid(-b))))"},
        strengths="It is glu with silu as its gate, which is smooth and has no largest value. Its reference "
        "tries it in the feed-forward layers of Transformers.",
        weaknesses="It needs an input twice as wide as its output, and an exponential. Its slopes grow "
        "without bound. Backward needs the input.",
        reference=_GLU_VARIANTS,
        torch="a * silu(b)",
        jax="a * silu(b)",
    ),
    Row(
        name="softplus",
        formula="where(beta * x > threshold, x, (maximum(beta * x, 0) + log1p(exp(-abs(beta * x)))) / beta)",
        derivatives={"y": "-expm1(-beta * y)", "x": "where(beta * x > threshold, 1, sigmoid(beta * x))"},
        range="(0, inf)",
        properties=Properties(
            slope=(0, 1),
            slope_at=("-inf", "inf"),
            curvature="convex",
            left="soft",
            fixed_points="",
            mean=0.806059,
        ),
        strengths="It is relu with its corner rounded: it is smooth and convex, for outputs that have to be "
        "positive. Its derivative is positive everywhere. Backward needs the output alone, so the "
        "output can overwrite the input.",
        weaknesses="It needs an exponential and a logarithm, and gives no exact zeros. It is not "
        "zero-centred: its mean output is 0.806. With a threshold backward needs x.",
        reference="Dugas, Bengio, Bélisle, Nadeau, Garcia (2001), Incorporating Second-Order Functional "
        "Knowledge for Better Option Pricing",
        parameters=(
            Parameter("beta", 1.0, "steepness of the bend", "beta > 0"),
            Parameter(
                "threshold",
                None,
                "value of beta * x beyond which the result is x itself",
                infinite=True,
                none=inf,
            ),
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
        formula="minimum(x, 0) - log1p(exp(-abs(x)))",
        derivatives={"y": "-expm1(y)", "x": "sigmoid(-x)"},
        range="(-inf, 0)",
        properties=Properties(
            slope=(0, 1),
            slope_at=("inf", "-inf"),
            curvature="concave",
            right="soft",
            fixed_points="",
            mean=-0.806059,
        ),
        strengths="It is the logarithm of a probability, for the loss of yes-or-no decisions. It stays "
        "finite where the probability itself would be rounded to 0. Backward needs the output "
        "alone, so the output can overwrite the input.",
        weaknesses="It is for losses more than for hidden layers: outputs are negative, of mean -0.806, and "
        "as x rises its derivative tends to 0. It needs an exponential and a logarithm.",
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
        formula="x * erfc(-x / sqrt(2)) / 2",
        derivatives={"x": "erfc(-x / sqrt(2)) / 2 + x * exp(-x * x / 2) / sqrt(2 * pi)"},
        range="[-0.169971, inf)",
        properties=Properties(
            slope=(-0.128904, 1.1289),
            slope_at=("-1.41421", "1.41421"),
            turns="-0.751792",
            left="soft",
            fixed_points="0",
            mean=0.282095,
        ),
        claims=(
            Claim(
                "It is monotonic.",
                "It falls until x is -0.75179 and it is -0.16997.",
                "least >= 0",
                ("turns[0]", "f(turns[0])"),
            ),
            Claim(
                "Its derivative lies between nought and one, as that of relu does.",
                "It goes from -0.1289 to 1.1289, at -1.41421 and 1.41421.",
                "least >= 0 and most <= 1",
                ("least", "most", "least_at", "most_at"),
            ),
        ),
        strengths="It is x times the probability that a standard normal number is below x. It is smooth, "
        "and its derivative is 0 at -0.752 alone, so negative inputs still get a gradient. Slopes "
        "reach 1.1289, so gradients can pass many layers.",
        weaknesses="It needs an error function and, backward, an exponential. It is not monotonic, and "
        "backward needs the input. It is not zero-centred: its mean output is 0.282.",
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
        formula=f"x * sigmoid({_GELU_TANH})",
        derivatives={
            "x": f"sigmoid({_GELU_TANH}) * (1 + sqrt(8 / pi) * x * (1 + 3 * (0.044715 * x * x))"
            f" * sigmoid(-{_GELU_TANH}))"
        },
        range="[-0.170041, inf)",
        properties=Properties(
            slope=(-0.128993, 1.12899),
            slope_at=("-1.4185", "1.4185"),
            turns="-0.752461",
            left="soft",
            fixed_points="0",
            mean=0.282039,
        ),
        claims=(
            Claim(
                "It is gelu.",
                "They differ by up to 0.00047, and float32 has steps of 1.2e-07 near 1.",
                'distance("gelu")[0] < 2 ** -23',
                ('distance("gelu")[0]', "2 ** -23", "1"),
            ),
        ),
        strengths="It differs from gelu by 0.00047 at most, and needs an exponential in place of an error "
        "function. It is smooth, and its derivative is 0 at -0.752 alone, so negative inputs "
        "still get a gradient.",
        weaknesses="A model that was trained with gelu gives other numbers with it: the difference is far "
        "above rounding in float32. It is not monotonic, and backward needs the input. It is not "
        "zero-centred: its mean output is 0.282.",
        reference="Hendrycks, Gimpel (2016), Gaussian Error Linear Units (GELUs)",
        torch="gelu(x, approximate='tanh')",
        torch_backward="gelu_backward(dy, x, approximate='tanh')",
        jax="gelu(x, approximate=True)",
        onnx="Gelu(x, approximate='tanh')",
        keras="gelu(x, approximate=True)",
    ),
    Row(
        name="quick_gelu",
        formula="x * sigmoid(1.702 * x)",
        derivatives={"x": "sigmoid(1.702 * x) * (1 + 1.702 * x * sigmoid(-1.702 * x))"},
        range="[-0.16361, inf)",
        properties=Properties(
            slope=(-0.0998393, 1.09984),
            slope_at=("-1.40973", "1.40973"),
            turns="-0.751154",
            left="soft",
            fixed_points="0",
            mean=0.282331,
        ),
        claims=(
            Claim(
                "It is gelu.",
                "They differ by up to 0.0203; gelu_tanh and gelu differ by 0.00047.",
                'distance("gelu")[0] < 0.001',
                ('distance("gelu")[0]', 'curve("gelu_tanh").distance(curve("gelu"))[0]'),
            ),
        ),
        strengths="It has the shape of gelu, and needs an exponential in place of an error function. It is "
        "smooth, and its derivative is 0 at -0.751 alone, so negative inputs still get a "
        "gradient.",
        weaknesses="It differs from gelu by up to 0.0203, far more than gelu_tanh does. It is not monotonic, "
        "and backward needs the input. It is not zero-centred: its mean output is 0.282.",
        reference="Hendrycks, Gimpel (2016), Gaussian Error Linear Units (GELUs)",
    ),
    Row(
        name="mish",
        formula="x * tanh(log1p(exp(x)))",
        derivatives={
            "x": "tanh(log1p(exp(x))) + x * sigmoid(x) * (1 - tanh(log1p(exp(x))) * tanh(log1p(exp(x))))"
        },
        range="[-0.308843, inf)",
        properties=Properties(
            slope=(-0.112526, 1.0885),
            slope_at=("-2.25638", "1.49057"),
            turns="-1.19243",
            left="soft",
            fixed_points="0",
            mean=0.240404,
        ),
        strengths="It is x times tanh of softplus. It is smooth, and its derivative is 0 at -1.19 alone, so "
        "negative inputs still get a gradient. Slopes reach 1.0885, so gradients can pass many "
        "layers.",
        weaknesses="It needs an exponential. It is not monotonic, and backward needs the input. It is not "
        "zero-centred: its mean output is 0.240.",
        reference="Misra (2019), Mish: A Self Regularized Non-Monotonic Activation Function",
        torch="mish(x)",
        torch_backward="mish_backward(dy, x)",
        jax="mish(x)",
        onnx="Mish(x)",
        keras="mish(x)",
        conventions=(Convention("thinc", "mish(X, threshold=20.0)", "x itself where x >= 20"),),
    ),
)
