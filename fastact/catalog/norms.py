"""Norms: layer_norm and rms_norm of rows, batch_norm of channels."""

from .passes import Convention, Pass

passes = (
    Pass(
        name="layer_norm",
        made_by="norms.LayerNorm",
        formula="(x - mean(x)) / sqrt(var(x) + eps) * weight + bias",
        derivatives={
            "x": "rstd * (dy * weight - mean(dy * weight) - y0 * mean(dy * weight * y0))",
            "weight": "sum(dy * y0)",
            "bias": "sum(dy)",
        },
        reference="Ba, Kiros, Hinton (2016), Layer Normalization",
        strengths="Each row is normalised by itself, so training and inference are the same and neither the "
        "size of a batch nor its order matters: what recurrent networks and transformers take.",
        weaknesses="It takes two looks at every row before the first result, and backward needs the input.",
        allowed=(4, 4),
        torch="layer_norm(x, x.shape[-1:], weight, bias, eps)",
        conventions=(
            Convention(
                "keras", "LayerNormalization(epsilon=0.001)", "eps is 0.001", "layer_norm(x, eps=0.001)"
            ),
            Convention("jax", "nn.standardize(x, epsilon=1e-05)", "no weights, and the variance in one pass"),
        ),
    ),
    Pass(
        name="rms_norm",
        made_by="norms.RmsNorm",
        formula="x / sqrt(mean(x ** 2) + eps) * weight",
        derivatives={
            "x": "rstd * (dy * weight - y0 * mean(dy * weight * y0))",
            "weight": "sum(dy * y0)",
        },
        reference="Zhang, Sennrich (2019), Root Mean Square Layer Normalization",
        strengths="layer_norm without the mean: one sum less each way, and as good in large language models.",
        weaknesses="It leaves the mean of a row where it is. Backward needs the input.",
        allowed=(4, 4),
        torch="rms_norm(x, x.shape[-1:], weight, eps)",
        conventions=(
            Convention("onnx", "RMSNormalization(epsilon=1e-05)", "eps is 1e-05", "rms_norm(x, eps=1e-05)"),
        ),
    ),
    Pass(
        name="batch_norm",
        made_by="batch_norm.BatchNorm",
        formula="(x - mean(x)) / sqrt(var(x) + eps) * weight + bias",
        derivatives={
            "x": "rstd * weight * (dy - mean(dy) - y0 * mean(dy * y0))",
            "weight": "sum(dy * y0)",
            "bias": "sum(dy)",
        },
        reference="Ioffe, Szegedy (2015), Batch Normalization: Accelerating Deep Network Training by "
        "Reducing Internal Covariate Shift",
        strengths="It keeps each channel where the activation behind it has a slope, so gradients neither "
        "vanish nor grow through many layers; in inference it is one multiplication and one addition.",
        weaknesses="What a sample becomes depends on the others of its batch, badly where they are few, and "
        "training and inference differ.",
        allowed=(4, 4),
        torch="batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)",
        conventions=(
            Convention(
                "keras", "BatchNormalization(momentum=0.99, epsilon=0.001)",
                "momentum is what is kept of the old statistics, channels are the last axis, eps is 0.001",
                "batch_norm(x, mean, var, weight, bias, training=True, momentum=0.01, eps=0.001, axis=-1)",
            ),
            Convention(
                "onnx", "BatchNormalization(momentum=0.9)",
                "momentum is what is kept, and the running variance is divided by n, not n - 1",
            ),
        ),
    ),
)  # fmt: skip
