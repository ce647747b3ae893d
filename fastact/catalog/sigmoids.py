"""The two classic squashing curves, which keep what they return between two limits."""

from .row import Convention, Row

rows = (
    Row(
        name="sigmoid",
        formula="1 / (1 + exp(-x))",
        derivatives={"y": "y * (1 - y)", "x": "sigmoid(x) * sigmoid(-x)"},
        range="(0, 1)",
        saturates=True,
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
)
