"""Rectifiers with a slope where x is negative: fixed, learnt or random."""

from .row import Convention, Parameter, Row

rows = (
    Row(
        name="leaky_relu",
        kind="elementwise",
        formula="where(x > 0, x, negative_slope * x)",
        derivatives={"y": "where(y > 0, 1, negative_slope)", "x": "where(x > 0, 1, negative_slope)"},
        range="(-inf, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=False,
        reference="Maas, Hannun, Ng (2013), Rectifier Nonlinearities Improve Neural Network Acoustic Models",
        parameters=(Parameter("negative_slope", 0.01, "slope where x is negative"),),
        output_determines="negative_slope > 0",
        torch="leaky_relu(x, negative_slope)",
        torch_backward="leaky_relu_backward(dy, x, negative_slope, False)",
        jax="leaky_relu(x, negative_slope)",
        onnx="LeakyRelu(x, alpha=negative_slope)",
        keras="leaky_relu(x, negative_slope)",
        conventions=(
            Convention("jax", "leaky_relu(x, negative_slope=0.01)", "derivative 1 at 0, here the slope"),
            Convention(
                "keras",
                "leaky_relu(x, negative_slope=0.2)",
                "slope 0.2; the layer LeakyReLU has 0.3",
                "leaky_relu(x, 0.2)",
            ),
            Convention("tensorflow", "nn.leaky_relu(features, alpha=0.2)", "slope 0.2", "leaky_relu(x, 0.2)"),
        ),
    ),
    Row(
        name="prelu",
        kind="channels",
        formula="where(x > 0, x, weight * x)",
        derivatives={"x": "where(x > 0, 1, weight)"},
        range="(-inf, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=False,
        reference="He, Zhang, Ren, Sun (2015), Delving Deep into Rectifiers",
        torch="prelu(x, weight)",
        onnx="PRelu(x, weight)",
        conventions=(
            Convention(
                "keras",
                "layers.PReLU(shared_axes=None)",
                "a weight for every position of a sample, not for a channel, unless axes are shared",
            ),
            Convention(
                "onnx",
                "PRelu(X, slope)",
                "the slope is broadcast from the last axis, not along axis 1",
                "prelu(x, slope, axis=-1)",
            ),
        ),
    ),
    Row(
        name="rrelu",
        kind="random",
        formula="where(x > 0, x, slope * x)",
        derivatives={"y": "where(y > 0, 1, slope)", "x": "where(x > 0, 1, slope)"},
        range="(-inf, inf)",
        monotonic=True,
        saturates=False,
        zero_centered=False,
        reference="Xu, Wang, Chen, Li (2015), Empirical Evaluation of Rectified Activations in Convolutional "
        "Network",
        parameters=(
            Parameter("lower", 1 / 8, "smallest slope where x is negative"),
            Parameter("upper", 1 / 3, "largest slope where x is negative", "lower <= upper"),
        ),
        output_determines="lower > 0",
        conventions=(
            Convention(
                "torch",
                "rrelu(x, lower=1/8, upper=1/3, training=False)",
                "slopes of training come from torch's generator and are stored; here from the seed alone",
                "rrelu(x), in training rrelu(x, seed=seed)",
            ),
        ),
    ),
)
