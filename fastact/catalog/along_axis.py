"""Along an axis: the largest of a group, and distributions over a row."""

from math import inf

from .properties import Claim, Properties
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
        properties=Properties(
            slope=(0, 1),
            breaks={1: "where the two largest of a group are equal"},
            curvature="convex",
            left="hard",
            mean=1.03,
        ),
        claims=(
            Claim(
                "It is zero-centred, since its outputs have both signs.",
                "The largest of 4 standard normal inputs has the mean 1.03.",
                "abs(mean()) < 0.01",
                ("4", "mean()"),
            ),
        ),
        strengths="It is the largest of several learned lines, so it learns its own shape: with two it can "
        "be relu or the absolute value, with more it comes near any curve that bends upwards. The "
        "largest has derivative 1, so its gradient passes undiminished.",
        weaknesses="Every piece has weights of its own, and one that is never the largest gets no gradient. "
        "It cannot bend downwards, and it is not zero-centred: its mean output is 1.03 for 4 "
        "pieces. Backward needs the input, or which piece was the largest.",
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
        properties=Properties(slope=(-0.25, 0.25), left="soft", right="soft", spectral=0.5),
        claims=(
            Claim(
                "It is not differentiable at zero.",
                "It is everywhere; at (0, 0) its derivatives are the largest there are, 0.25 and -0.25.",
                "len(breaks) > 0",
                ("0", "0", "jacobian([0, 0])[0, 0]", "jacobian([0, 0])[0, 1]"),
            ),
            Claim(
                "It has a dead half, as relu has.",
                "An output's derivative by its own input is positive everywhere: 0.00665 at (-5, 0).",
                "jacobian([-5, 0])[0, 0] <= 0",
                ("jacobian([-5, 0])[0, 0]", "-5", "0"),
            ),
            Claim(
                "Its Lipschitz constant is 1.",
                "It is 0.5 in the Euclidean norm, reached at (0, 0).",
                "lipschitz > 0.99",
                ("lipschitz", "0", "0"),
            ),
        ),
        strengths="Its outputs are positive and sum to one: probabilities of classes, or weights of "
        "attention. It is smooth, and the temperature leads from even shares to a single one. "
        "Backward needs the output alone, so the output can overwrite the input.",
        weaknesses="Where one share is nearly all, hardly any gradient comes back, and no share is exactly "
        "0. Its logarithm is infinite where a share is rounded to 0, so losses take log_softmax. "
        "It needs an exponential.",
        reference="Bridle (1990), Probabilistic Interpretation of Feedforward Classification Network Outputs",
        parameters=(
            Parameter("temperature", 1.0, "what x is divided by; flatter above 1", "temperature > 0"),
        ),
        takes_where=True,
        masked_kernel="masked_softmax",
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
        properties=Properties(slope=(-1, 1), curvature="concave", right="soft", spectral=inf),
        strengths="It is for losses: the logarithms of softmax, finite where a share itself would be "
        "rounded to zero. No single derivative is beyond -1 and 1. Backward needs the output "
        "alone, so the output can overwrite the input.",
        weaknesses="Outputs have no lower limit, so one confident mistake makes a large loss. Its Lipschitz "
        "constant grows with the length of the row. It needs an exponential and a logarithm.",
        reference="Goodfellow, Bengio, Courville (2016), Deep Learning",
        torch="log_softmax(x, axis)",
        torch_backward="_log_softmax_backward_data(dy, y, axis, y.dtype)",
        jax="log_softmax(x, axis)",
        onnx="LogSoftmax(x, axis=axis)",
        keras="log_softmax(x, axis)",
        masked_kernel="masked_log_softmax",
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
        properties=Properties(slope=(-0.25, 0.25), left="soft", right="soft", spectral=0.5),
        strengths="It is softmax of -x: the smallest input gets the largest share, as distances and costs "
        "ask for. It is smooth. Backward needs the output alone, so the output can overwrite the "
        "input.",
        weaknesses="Where one share is nearly all, hardly any gradient comes back, and no share is exactly "
        "zero. It has no temperature of its own. It needs an exponential.",
        reference="Bridle (1990), Probabilistic Interpretation of Feedforward Classification Network Outputs",
        torch="softmin(x, axis)",
        jax="softmax(-x, axis)",
        masked_kernel="masked_softmax",
        negates=True,
        conventions=(Convention("torch", "softmin(x, dim=None)", _DIM, "softmin(x, axis=dim)"),),
    ),
    Row(
        name="sparsemax",
        kind="rows",
        formula="maximum(x - max(x) - sparse_threshold(x - max(x)), 0)",
        derivatives={"y": "sign(y) * (dy - sum(sign(y) * dy) / sum(sign(y)))"},
        range="[0, 1]",
        properties=Properties(
            slope=(-0.5, 1),
            breaks={1: "where an output reaches 0"},
            left="hard",
            right="hard",
            spectral=1,
        ),
        strengths="Its outputs sum to one as softmax's do, and small ones are exactly 0, for attention to a "
        "few. It needs no exponential. Backward needs the output alone, so the output can "
        "overwrite the input.",
        weaknesses="An input whose share is 0 gets no gradient, and the logarithm of that share is infinite, "
        "so it needs a loss of its own. It has kinks where an output reaches 0. Each row needs "
        "the search for a threshold.",
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
        properties=Properties(slope=(-0.25, 0.25), left="soft", right="soft", spectral=0.5),
        strengths="It draws from a distribution over classes in a way that lets gradients through, for "
        "choices inside a network. At a small tau samples are nearly one-hot. Backward needs the "
        "output alone, unless samples are hard.",
        weaknesses="Its reference finds that gradients vary more from sample to sample as tau falls, and "
        "that samples are no choices where it is large. Each call needs a seed, an exponential "
        "and logarithms.",
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
