"""Of straight pieces, or of parabolas: clipped, gated, shrunk, or with a slope where x is negative."""

from .arguments import REQUIRED
from .row import Convention, Parameter, Row

_ANOTHER = "another parameter, at its default the same"

rows = (
    Row(
        name="identity",
        formula="x",
        derivatives={"y": "1", "x": "1"},
        range="(-inf, inf)",
        zero_centered=True,
        reference="Widrow, Hoff (1960), Adaptive Switching Circuits",
        jax="identity(x)",
        onnx="Identity(x)",
        keras="linear(x)",
    ),
    Row(
        name="relu",
        formula="maximum(x, 0)",
        derivatives={"y": "where(y > 0, 1, 0)", "x": "where(x > 0, 1, 0)"},
        range="[0, inf)",
        reference="Nair, Hinton (2010), Rectified Linear Units Improve Restricted Boltzmann Machines",
        torch="relu(x)",
        torch_backward="threshold_backward(dy, y, 0)",
        jax="relu(x)",
        onnx="Relu(x)",
        keras="relu(x)",
        conventions=(
            Convention(
                "keras",
                "relu(x, negative_slope=0.0, max_value=None, threshold=0.0)",
                "three more parameters, at their defaults the same",
                "leaky_relu(x, negative_slope), hardtanh(x, 0, max_value) or threshold(x, threshold, 0)",
            ),
            Convention("tensorflow", "nn.relu(features)"),
            Convention("thinc", "relu(X)"),
        ),
    ),
    Row(
        name="relu6",
        formula="minimum(maximum(x, 0), 6)",
        derivatives={
            "y": "where(y > 0, 1, 0) * where(y < 6, 1, 0)",
            "x": "where(x > 0, 1, 0) * where(x < 6, 1, 0)",
        },
        range="[0, 6]",
        saturates=True,
        reference="Krizhevsky (2010), Convolutional Deep Belief Networks on CIFAR-10",
        torch="relu6(x)",
        jax="relu6(x)",
        torch_backward="hardtanh_backward(dy, x, 0, 6)",
        keras="relu6(x)",
        conventions=(
            Convention("tensorflow", "nn.relu6(features)"),
            Convention("thinc", "relu_k(X, n=6.0)", _ANOTHER, "hardtanh(x, 0, n)"),
        ),
    ),
    Row(
        name="hardtanh",
        formula="minimum(maximum(x, min_val), max_val)",
        derivatives={
            "y": "where(y > min_val, 1, 0) * where(y < max_val, 1, 0)",
            "x": "where(x > min_val, 1, 0) * where(x < max_val, 1, 0)",
        },
        range="[min_val, max_val]",
        saturates=True,
        zero_centered=True,
        reference="Collobert (2004), Large Scale Machine Learning",
        parameters=(
            Parameter("min_val", -1.0, "smallest output"),
            Parameter("max_val", 1.0, "largest output", "min_val <= max_val"),
        ),
        torch="hardtanh(x, min_val, max_val)",
        torch_backward="hardtanh_backward(dy, x, min_val, max_val)",
        jax="hard_tanh(x)",
        onnx="Clip(x, min_val, max_val)",
        keras="hard_tanh(x)",
        conventions=(
            Convention(
                "jax", "hard_tanh(x)", "no parameters; derivative 1 at -1 and 1, here 0", "hardtanh(x)"
            ),
            Convention("keras", "hard_tanh(x)", "no parameters", "hardtanh(x)"),
            Convention("thinc", "hard_tanh(X)", "no parameters", "hardtanh(x)"),
        ),
    ),
    Row(
        name="threshold",
        formula="where(x <= threshold, value, x)",
        derivatives={"x": "where(x > threshold, 1, 0)"},
        range="(-inf, inf)",
        monotonic=False,
        reference="Collobert, Kavukcuoglu, Farabet (2011), Torch7: A Matlab-like Environment for Machine "
        "Learning",
        parameters=(
            Parameter("threshold", REQUIRED, "largest input that is replaced", example=0.1),
            Parameter("value", REQUIRED, "what it is replaced by", example=20.0),
        ),
        torch="threshold(x, threshold, value)",
        torch_backward="threshold_backward(dy, x, threshold)",
        keras="threshold(x, threshold, value)",
        conventions=(
            Convention("keras", "threshold(x, threshold, default_value)"),
            Convention("onnx", "ThresholdedRelu(x, alpha=1.0)", "the value is 0", "threshold(x, alpha, 0)"),
        ),
    ),
    Row(
        name="hardsigmoid",
        formula="minimum(maximum(slope * (x + float64(offset / slope)), 0), 1)",
        derivatives={
            "y": "slope * where(y > 0, 1, 0) * where(y < 1, 1, 0)",
            "x": "slope * where(x > -float64(offset / slope), 1, 0)"
            " * where(x < float64((1 - offset) / slope), 1, 0)",
        },
        range="[0, 1]",
        saturates=True,
        reference="Courbariaux, Bengio, David (2015), BinaryConnect: Training Deep Neural Networks with "
        "Binary Weights During Propagations",
        parameters=(
            Parameter("slope", 1 / 6, "slope between the two ends", "slope > 0"),
            Parameter("offset", 0.5, "output for an input of 0"),
        ),
        torch="hardsigmoid(x)",
        torch_backward="hardsigmoid_backward(dy, x)",
        jax="hard_sigmoid(x)",
        onnx="HardSigmoid(x, alpha=slope, beta=offset)",
        keras="hard_sigmoid(x)",
        conventions=(
            Convention(
                "onnx", "HardSigmoid(X, alpha=0.2, beta=0.5)", "the slope is 0.2", "hardsigmoid(x, 0.2)"
            ),
        ),
    ),
    Row(
        name="hardswish",
        formula="x * minimum(maximum(x + 3, 0), 6) / 6",
        derivatives={
            "x": "where(x > -3, 1, 0) * where(x < 3, 1, 0) * (minimum(maximum(x, -3), 3) / 3 + 0.5)"
            " + where(x >= 3, 1, 0)"
        },
        range="[-0.375, inf)",
        monotonic=False,
        reference="Howard, Sandler, Chu and others (2019), Searching for MobileNetV3",
        torch="hardswish(x)",
        torch_backward="hardswish_backward(dy, x)",
        jax="hard_swish(x)",
        onnx="HardSwish(x)",
        keras="hard_silu(x)",
        conventions=(
            Convention(
                "thinc",
                "hard_swish_mobilenet(X), hard_swish(X)",
                "the latter has slope 0.2; derivative of the former -0.5 and 1.5 at -3 and 3, here 0 and 1",
                "hardswish(x), x * hardsigmoid(x, slope=0.2)",
            ),
        ),
    ),
    Row(
        name="hardshrink",
        formula="x * where(abs(x) > lambd, 1, 0)",
        derivatives={"x": "where(abs(x) > lambd, 1, 0)"},
        range="(-inf, inf)",
        zero_centered=True,
        reference="Donoho, Johnstone (1994), Ideal Spatial Adaptation by Wavelet Shrinkage",
        parameters=(Parameter("lambd", 0.5, "half the width of the gap", "lambd >= 0"),),
        torch="hardshrink(x, lambd)",
        torch_backward="hardshrink_backward(dy, x, lambd)",
        onnx="Shrink(x, lambd=lambd)",
        keras="hard_shrink(x, lambd)",
        conventions=(
            Convention("keras", "hard_shrink(x, threshold=0.5)"),
            Convention("onnx", "Shrink(x, lambd=0.5, bias=0.0)", _ANOTHER, "hardshrink(x, lambd)"),
        ),
    ),
    Row(
        name="softshrink",
        formula="x - minimum(maximum(x, -lambd), lambd)",
        derivatives={"x": "where(abs(x) > lambd, 1, 0)"},
        range="(-inf, inf)",
        zero_centered=True,
        reference="Donoho, Johnstone (1994), Ideal Spatial Adaptation by Wavelet Shrinkage",
        parameters=(Parameter("lambd", 0.5, "half the width of the gap", "lambd >= 0"),),
        torch="softshrink(x, lambd)",
        torch_backward="softshrink_backward(dy, x, lambd)",
        onnx="Shrink(x, lambd=lambd, bias=lambd)",
        keras="soft_shrink(x, lambd)",
        conventions=(
            Convention(
                "onnx",
                "Shrink(input, bias=0.0, lambd=0.5)",
                "nothing is subtracted where `bias` is not given",
                "hardshrink(x, lambd)",
            ),
        ),
    ),
    Row(
        name="squared_relu",
        formula="maximum(x, 0) * maximum(x, 0)",
        derivatives={"x": "2 * maximum(x, 0)"},
        range="[0, inf)",
        reference="So, Manke, Liu, Dai, Shazeer, Le (2021), Primer: Searching for Efficient Transformers for "
        "Language Modeling",
    ),
    Row(
        name="sparse_plus",
        formula="maximum(x, (minimum(maximum(x, -1), 1) + 1) * (minimum(maximum(x, -1), 1) + 1) / 4)",
        derivatives={"x": "minimum(maximum(x + 1, 0), 2) / 2"},
        range="[0, inf)",
        reference="Martins, Astudillo (2016), From Softmax to Sparsemax",
        jax="sparse_plus(x)",
        keras="sparse_plus(x)",
    ),
    Row(
        name="sparse_sigmoid",
        formula="minimum(maximum(x + 1, 0), 2) / 2",
        derivatives={"x": "where(abs(x) < 1, 1, 0) / 2"},
        range="[0, 1]",
        saturates=True,
        reference="Martins, Astudillo (2016), From Softmax to Sparsemax",
        jax="sparse_sigmoid(x)",
        keras="sparse_sigmoid(x)",
    ),
    Row(
        name="leaky_relu",
        formula="where(x > 0, x, negative_slope * x)",
        derivatives={"y": "where(y > 0, 1, negative_slope)", "x": "where(x > 0, 1, negative_slope)"},
        range="(-inf, inf)",
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
