"""The two classic squashing curves, which keep what they return between two limits."""

from .properties import Claim, Properties
from .row import Convention, Row

rows = (
    Row(
        name="sigmoid",
        formula="1 / (1 + exp(-x))",
        derivatives={"y": "y * (1 - y)", "x": "sigmoid(x) * sigmoid(-x)"},
        range="(0, 1)",
        properties=Properties(
            slope=(0, 0.25),
            slope_at=("-inf, inf", "0"),
            left="soft",
            right="soft",
            fixed_points="0.659046",
            mean=0.5,
        ),
        claims=(
            Claim(
                "Gradients vanish only where it saturates.",
                "Its derivative is at most 0.25, at 0: ten layers leave 9.54e-07 of a gradient, or less.",
                "most >= 1",
                ("most", "most_at", "most ** 10"),
            ),
        ),
        strengths="It is bounded by zero and one, for the probability of a yes-or-no answer and for gates. "
        "It is smooth. Backward needs the output alone, so the output can overwrite the input.",
        weaknesses="Its derivative is at most 0.25, so gradients vanish in deep networks, saturated or not. "
        "It is not zero-centred: outputs are positive, of mean 0.5, and weights behind it move in "
        "a zig-zag. It needs an exponential.",
        reference="Rumelhart, Hinton, Williams (1986), Learning representations by back-propagating errors",
        torch="sigmoid(x)",
        torch_backward="sigmoid_backward(dy, y)",
        jax="sigmoid(x)",
        onnx="Sigmoid(x)",
        keras="sigmoid(x)",
        conventions=(
            Convention("tensorflow", "nn.sigmoid(x)"),
            Convention(
                "thinc",
                "sigmoid(X)",
                "`x` is clipped to [-20, 20] first: the output stays above 2.1e-9",
                "sigmoid(np.clip(x, -20, 20))",
            ),
        ),
        scipy="expit(x)",
    ),
    Row(
        name="tanh",
        formula="tanh(x)",
        derivatives={"y": "(1 - y) * (1 + y)", "x": "4 * sigmoid(2 * x) * sigmoid(-2 * x)"},
        range="(-1, 1)",
        properties=Properties(
            slope=(0, 1), slope_at=("-inf, inf", "0"), left="soft", right="soft", fixed_points="0", mean=0
        ),
        claims=(
            Claim(
                "Gradients do not vanish, since its derivative reaches 1.",
                "It is 1 at 0 alone, and 0.6057 in the mean over standard normal inputs.",
                "mean_slope() > 0.99",
                ("most", "most_at", "mean_slope()"),
            ),
        ),
        strengths="It is bounded and zero-centred, so updates of the weights behind it can take every "
        "direction. It is smooth. Backward needs the output alone, so the output can overwrite "
        "the input.",
        weaknesses="Its derivative is 1 at 0 alone, and 0.6057 in the mean over standard normal inputs, so "
        "gradients still shrink from layer to layer and from step to step of a recurrence. It "
        "needs an exponential.",
        reference="LeCun, Bottou, Orr, Mueller (1998), Efficient BackProp",
        torch="tanh(x)",
        torch_backward="tanh_backward(dy, y)",
        jax="tanh(x)",
        onnx="Tanh(x)",
        keras="tanh(x)",
        conventions=(Convention("tensorflow", "nn.tanh(x)"),),
    ),
)
