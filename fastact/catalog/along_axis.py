"""Along an axis: the largest of a group, and distributions over a row."""

from .row import Convention, Parameter, Row

_DIM = "`dim=None` is axis 0 where x has 0, 1 or 3 dimensions, otherwise axis 1, with a warning"
_OPSET = "before opset 13 axis=1, and all axes from there on are one"

rows = (
    Row(
        name="maxout",
        kind="pieces",
        formula="max(x)",
        derivatives={"x": "where(x == max(x), 1, 0)"},
        range="(-inf, inf)",
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
            Convention("onnx", "Softmax(x, axis=-1)", _OPSET, "softmax(x.reshape(len(x), -1))"),
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
        reference="Goodfellow, Bengio, Courville (2016), Deep Learning",
        torch="log_softmax(x, axis)",
        torch_backward="_log_softmax_backward_data(dy, y, axis, y.dtype)",
        jax="log_softmax(x, axis)",
        onnx="LogSoftmax(x, axis=axis)",
        keras="log_softmax(x, axis)",
        conventions=(
            Convention("torch", "log_softmax(x, dim=None)", _DIM, "log_softmax(x, axis=dim)"),
            Convention("onnx", "LogSoftmax(x, axis=-1)", _OPSET, "log_softmax(x.reshape(len(x), -1))"),
            Convention("tensorflow", "nn.log_softmax(logits, axis=None)"),
        ),
        scipy="log_softmax(x, axis)",
    ),
    Row(
        name="softmin",
        kind="rows",
        formula="exp(-x - max(-x)) / sum(exp(-x - max(-x)))",
        derivatives={"y": "y * (sum(dy * y) - dy)"},
        range="(0, 1)",
        monotonic=False,
        saturates=True,
        reference="Bridle (1990), Probabilistic Interpretation of Feedforward Classification Network Outputs",
        torch="softmin(x, axis)",
        jax="softmax(-x, axis)",
        conventions=(Convention("torch", "softmin(x, dim=None)", _DIM, "softmin(x, axis=dim)"),),
    ),
    Row(
        name="sparsemax",
        kind="rows",
        formula="maximum(x - max(x) - sparse_threshold(x - max(x)), 0)",
        derivatives={"y": "sign(y) * (dy - sum(sign(y) * dy) / sum(sign(y)))"},
        range="[0, 1]",
        monotonic=False,
        saturates=True,
        reference="Martins, Astudillo (2016), From Softmax to Sparsemax",
        keras="sparsemax(x, axis)",
        conventions=(
            Convention(
                "keras",
                "sparsemax(x, axis=-1)",
                "wrong where more than one value of a row stays above 0, which then do not sum to 1 (3.15)",
            ),
        ),
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
        reference="Jang, Gu, Poole (2017), Categorical Reparameterization with Gumbel-Softmax",
        parameters=(Parameter("tau", 1.0, "temperature: towards 0 the samples become one-hot", "tau > 0"),),
        conventions=(
            Convention(
                "torch",
                "gumbel_softmax(logits, tau=1, hard=False, dim=-1)",
                "noise from torch's generator; here it follows from the seed",
                "gumbel_softmax(x, seed=seed)",
            ),
        ),
    ),
)
