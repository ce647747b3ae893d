"""x times a sigmoid of itself, and one half of x times a gate of the other."""

from .row import Convention, Parameter, Row

_GLU_VARIANTS = "Shazeer (2020), GLU Variants Improve Transformer"

rows = (
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
)
