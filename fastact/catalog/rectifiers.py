"""Of straight pieces, or of parabolas: clipped, gated, shrunk, or with a slope where x is negative."""

from math import inf

from .arguments import REQUIRED
from .properties import Claim, Properties
from .row import Convention, Parameter, Row

_ANOTHER = "another parameter, at its default the same"

rows = (
    Row(
        name="identity",
        formula="x",
        derivatives={"y": "1", "x": "1"},
        range="(-inf, inf)",
        properties=Properties(
            slope=(1, 1), slope_at=("(-inf, inf)", "(-inf, inf)"), fixed_points="(-inf, inf)", mean=0
        ),
        strengths="It is for the last layer of a network whose outputs may be any number. It changes "
        "neither values nor gradients.",
        weaknesses="It is linear: layers with nothing else between them are one linear layer together.",
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
        properties=Properties(
            slope=(0, 1),
            slope_at=("(-inf, 0)", "(0, inf)"),
            breaks={1: (0,)},
            curvature="convex",
            left="hard",
            fixed_points="[0, inf)",
            mean=0.398942,
        ),
        claims=(
            Claim(
                "It is not differentiable, and so cannot be trained by gradients.",
                "It lacks a derivative at 0 alone, where backward gives 0.",
                "len(breaks) != 1 or isnan(backward(breaks[0]))",
                ("breaks[0]", "backward(0)"),
            ),
            Claim(
                "It does not saturate.",
                "It does where x is negative: its derivative is 0 at 50 % of standard normal inputs.",
                "share_flat() == 0",
                ("least", "100 * share_flat()"),
            ),
        ),
        strengths="Where x is positive its derivative is 1, so a gradient passes active units undiminished. "
        "It gives exact zeros, and needs one comparison and no exponential. Backward needs the "
        "output alone, so the output can overwrite the input.",
        weaknesses="A unit whose input is negative for every sample gets no gradient and stays dead. It is "
        "not zero-centred: outputs are never negative, and their mean is 0.399 for standard "
        "normal inputs.",
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
        properties=Properties(
            slope=(0, 1),
            slope_at=("(-inf, 0), (6, inf)", "(0, 6)"),
            breaks={1: (0, 6)},
            left="hard",
            right="hard",
            fixed_points="[0, 6]",
            mean=0.398942,
        ),
        strengths="It is relu with a largest output: all outputs fit into a number format of a small range. "
        "It needs two comparisons and no exponential. Backward needs the output alone, so the "
        "output can overwrite the input.",
        weaknesses="Its derivative is 0 below 0 and above 6, so a unit can die at either end. It is not "
        "zero-centred: its mean output is 0.399.",
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
        properties=Properties(
            slope=(0, 1),
            slope_at=("(-inf, -1), (1, inf)", "(-1, 1)"),
            breaks={1: (-1, 1)},
            left="hard",
            right="hard",
            fixed_points="[-1, 1]",
            mean=0,
        ),
        strengths="It is tanh in straight pieces: bounded, zero-centred, with no exponential, and the "
        "identity between -1 and 1. Backward needs the output alone, so the output can overwrite "
        "the input.",
        weaknesses="Beyond -1 and 1 its derivative is 0, so what lies there gets no gradient and a unit can "
        "die. It has kinks at both.",
        reference="Collobert (2004), Large Scale Machine Learning",
        parameters=(
            Parameter("min_val", -1.0, "smallest output", infinite=True),
            Parameter("max_val", 1.0, "largest output", "min_val <= max_val", infinite=True),
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
        range="(min(threshold, value), inf)",
        properties=Properties(
            slope=(-inf, 1),
            slope_at=("0.1", "(0.1, inf)"),
            breaks={0: (0.1,)},
            left="hard",
            fixed_points="(0.1, inf)",
            mean=11.1935,
        ),
        strengths="It passes what is above a threshold and replaces the rest by a value of choice. With "
        "both of them zero it is relu.",
        weaknesses="It jumps where the two differ: with 0.1 and 20, from 20 to 0.1. Below the threshold its "
        "derivative is 0, so a unit can die. Backward needs the input.",
        reference="Collobert, Kavukcuoglu, Farabet (2011), Torch7: A Matlab-like Environment for Machine "
        "Learning",
        parameters=(
            Parameter("threshold", REQUIRED, "largest input that is replaced", infinite=True, example=0.1),
            Parameter("value", REQUIRED, "what it is replaced by", infinite=True, example=20.0),
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
        properties=Properties(
            slope=(0, 0.166667),
            slope_at=("(-inf, -3), (3, inf)", "(-3, 3)"),
            breaks={1: (-3, 3)},
            left="hard",
            right="hard",
            fixed_points="0.6",
            mean=0.5,
        ),
        strengths="It is a sigmoid in straight pieces, for gates and probabilities: bounded, and exactly 0 "
        "below -3 and 1 above 3. It needs no exponential. Backward needs the output alone, so the "
        "output can overwrite the input.",
        weaknesses="Its derivative is at most 0.167, so gradients shrink with every layer, and 0 beyond -3 "
        "and 3, where a unit can die. It is not zero-centred: its mean output is 0.5.",
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
        properties=Properties(
            slope=(-0.5, 1.5),
            slope_at=("-3", "3"),
            turns="-1.5",
            breaks={1: (-3, 3)},
            left="hard",
            fixed_points="0, [3, inf)",
            mean=0.166217,
        ),
        claims=(
            Claim(
                "It is as smooth as swish.",
                "Its derivative jumps from 0 to -0.5 at -3, and from 1.5 to 1 at 3.",
                "len(breaks) == 0",
                (
                    "left(breaks[0])",
                    "right(breaks[0])",
                    "breaks[0]",
                    "left(breaks[1])",
                    "right(breaks[1])",
                    "breaks[1]",
                ),
            ),
        ),
        strengths="It has the shape of swish with no exponential, and was made for networks on mobile "
        "devices. Between -3 and 3 its derivative is 0 at -1.5 alone, so small negative inputs "
        "still get a gradient.",
        weaknesses="Below -3 its derivative is 0, so a unit can die. It has kinks at -3 and 3 and is not "
        "monotonic. Backward needs the input.",
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
        properties=Properties(
            slope=(0, inf),
            slope_at=("(-0.5, 0.5)", "-0.5, 0.5"),
            breaks={0: (-0.5, 0.5)},
            fixed_points="(-inf, -0.5), 0, (0.5, inf)",
            mean=0,
        ),
        strengths="It sets small inputs to exact zeros and leaves the others as they are; its reference "
        "does so to wavelet coefficients, against noise. It is zero-centred.",
        weaknesses="It jumps at -0.5 and 0.5. Between them its derivative is 0, so small inputs get no "
        "gradient. Backward needs the input.",
        reference="Donoho, Johnstone (1994), Ideal Spatial Adaptation by Wavelet Shrinkage",
        parameters=(Parameter("lambd", 0.5, "half the width of the gap", "lambd >= 0", infinite=True),),
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
        properties=Properties(
            slope=(0, 1),
            slope_at=("(-0.5, 0.5)", "(-inf, -0.5), (0.5, inf)"),
            breaks={1: (-0.5, 0.5)},
            fixed_points="0",
            mean=0,
        ),
        strengths="It sets small inputs to exact zeros and moves the others towards zero, without a jump; "
        "it is the proximal step of an absolute-value penalty. It is zero-centred.",
        weaknesses="Between -0.5 and 0.5 its derivative is 0, so small inputs get no gradient. All large "
        "inputs lose 0.5 of their size. Backward needs the input.",
        reference="Donoho, Johnstone (1994), Ideal Spatial Adaptation by Wavelet Shrinkage",
        parameters=(Parameter("lambd", 0.5, "half the width of the gap", "lambd >= 0", infinite=True),),
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
        properties=Properties(
            slope=(0, inf),
            slope_at=("(-inf, 0]", "inf"),
            breaks={2: (0,)},
            curvature="convex",
            left="hard",
            fixed_points="0, 1",
            mean=0.5,
        ),
        strengths="It gives exact zeros as relu does, with no kink and no exponential. Its reference, a "
        "search for more efficient Transformers, found it.",
        weaknesses="Its derivative grows without bound, so large inputs make outputs and gradients explode. "
        "Where x is negative it is 0, so a unit can die. It is not zero-centred: its mean output "
        "is 0.5, and backward needs the input.",
        reference="So, Manke, Liu, Dai, Shazeer, Le (2021), Primer: Searching for Efficient Transformers for "
        "Language Modeling",
    ),
    Row(
        name="sparse_plus",
        formula="maximum(x, (minimum(maximum(x, -1), 1) + 1) * (minimum(maximum(x, -1), 1) + 1) / 4)",
        derivatives={"x": "minimum(maximum(x + 1, 0), 2) / 2"},
        range="[0, inf)",
        properties=Properties(
            slope=(0, 1),
            slope_at=("(-inf, -1]", "[1, inf)"),
            breaks={2: (-1, 1)},
            curvature="convex",
            left="hard",
            fixed_points="[1, inf)",
            mean=0.46233,
        ),
        strengths="It is the integral of sparse_sigmoid, as softplus is that of sigmoid, and needs no "
        "exponential. It has no kink, and is exactly 0 below -1 and exactly x above 1.",
        weaknesses="Below -1 its derivative is 0, so a unit can die. It is not zero-centred: its mean output "
        "is 0.462. Backward needs the input.",
        reference="Martins, Astudillo (2016), From Softmax to Sparsemax",
        jax="sparse_plus(x)",
        keras="sparse_plus(x)",
    ),
    Row(
        name="sparse_sigmoid",
        formula="minimum(maximum(x + 1, 0), 2) / 2",
        derivatives={"x": "where(abs(x) < 1, 1, 0) / 2"},
        range="[0, 1]",
        properties=Properties(
            slope=(0, 0.5),
            slope_at=("(-inf, -1), (1, inf)", "(-1, 1)"),
            breaks={1: (-1, 1)},
            left="hard",
            right="hard",
            fixed_points="1",
            mean=0.5,
        ),
        strengths="It is sparsemax of the two values x and zero: a probability that is exactly 0 below -1 "
        "and exactly 1 above 1. It is bounded and needs no exponential.",
        weaknesses="Its derivative is at most 0.5, so gradients shrink with every layer, and 0 beyond -1 and "
        "1, where a unit can die. It is not zero-centred: its mean output is 0.5. Backward needs "
        "the input.",
        reference="Martins, Astudillo (2016), From Softmax to Sparsemax",
        jax="sparse_sigmoid(x)",
        keras="sparse_sigmoid(x)",
    ),
    Row(
        name="leaky_relu",
        formula="where(x > 0, x, negative_slope * x)",
        derivatives={"y": "where(y > 0, 1, negative_slope)", "x": "where(x > 0, 1, negative_slope)"},
        range="(-inf, inf)",
        properties=Properties(
            slope=(0.01, 1),
            slope_at=("(-inf, 0)", "(0, inf)"),
            breaks={1: (0,)},
            curvature="convex",
            fixed_points="[0, inf)",
            mean=0.394953,
        ),
        claims=(
            Claim(
                "It is zero-centred, since its outputs have both signs.",
                "The mean of its outputs is 0.39495 for standard normal inputs; that of relu is 0.39894.",
                "abs(mean()) < 0.01",
                ("mean()", 'mean("relu")'),
            ),
        ),
        strengths="A unit cannot die: where x is negative its derivative is 0.01, and where x is positive "
        "it is 1. It needs no exponential. Backward needs the output alone, so the output can "
        "overwrite the input.",
        weaknesses="Only 0.01 of a gradient comes back through a negative input, and the slope is one more "
        "number to choose. It gives no exact zeros there, has a kink, and is not zero-centred: "
        "its mean output is 0.395.",
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
        properties=Properties(
            slope=(0.25, 1),
            slope_at=("(-inf, 0)", "(0, inf)"),
            breaks={1: (0,)},
            curvature="convex",
            fixed_points="[0, inf)",
            mean=0.299207,
        ),
        strengths="The slope where x is negative is learned, for all units or for each channel. While it is "
        "not 0, a unit cannot die. It needs no exponential.",
        weaknesses="At learning rates that are too large the learned slopes can grow until outputs overflow. "
        "It has a kink and is not zero-centred: its mean output is 0.299 at a slope of 0.25. "
        "Backward needs the input.",
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
        properties=Properties(
            slope=(0.229167, 1),
            slope_at=("(-inf, 0)", "(0, inf)"),
            breaks={1: (0,)},
            curvature="convex",
            fixed_points="[0, inf)",
            mean=0.307518,
        ),
        strengths="In training each slope is drawn at random, from 0.125 to 0.333; its reference found that "
        "this reduces overfitting on small data sets. A unit cannot die, and it needs no "
        "exponential. Backward needs the output alone, so the output can overwrite the input.",
        weaknesses="Training needs a seed for every step, and its outputs differ from those in use, where "
        "the slope is the mean. It has a kink and is not zero-centred: its mean output is 0.308.",
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
