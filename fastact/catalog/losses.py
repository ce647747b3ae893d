"""What a row gives one number of: the logarithm of its sum of exponentials, and the loss made of it."""

from __future__ import annotations

from .passes import Pass
from .row import Convention

passes = (
    Pass(
        name="logsumexp",
        made_by="losses.LogSumExp",
        formula="max(scale * x + mask) + log(sum(exp(scale * x + mask - max(scale * x + mask))))",
        derivatives={"x": "dy * scale * softmax(scale * x + mask)"},
        reference="Blanchard, Higham, Higham (2021), Accurately computing the log-sum-exp and softmax "
        "functions",
        strengths="It is the smooth maximum of a row, and the logarithm of softmax's denominator: "
        "likelihoods, energies and attention in parts are put together by it. Nothing overflows, and a sum "
        "beside a dominating term keeps its digits.",
        weaknesses="Where the result is near 0 it is a difference of two numbers that are not, so errors are "
        "those of the largest logit.",
        allowed=(4, 4),
        torch="logsumexp(scale * x + mask, axis, keepdims)",
        conventions=(
            Convention(
                "jax",
                "nn.logsumexp(a, axis=None, b=None, keepdims=False, where=None)",
                "axis=None is all axes",
            ),
        ),
    ),
    Pass(
        name="cross_entropy",
        made_by="losses.CrossEntropy",
        formula="weight * (log(sum(exp(x))) - x[target])",
        derivatives={"x": "dy * weight * (softmax(x) - one_hot(target))"},
        reference="Good (1952), Rational Decisions",
        strengths="It is the loss of classifiers and language models: the negative logarithm of the "
        "probability that softmax gives the target. Its gradient is a difference of probabilities, bounded "
        "however wrong the logits are, and takes the place of the logits in the same pass.",
        weaknesses="One confident mistake makes a large loss, and it is lowest where logits are infinite: "
        "label smoothing holds them back.",
        allowed=(4, 4),
        torch="cross_entropy(x, target, weight, ignore_index=ignore_index, reduction=reduction, "
        "label_smoothing=label_smoothing)",
        conventions=(
            Convention(
                "torch",
                "cross_entropy(input, target, weight=None, ignore_index=-100, reduction='mean', "
                "label_smoothing=0.0)",
                "classes lie along axis 1, and the mean is the default",
                "cross_entropy(x, target, axis=1, reduction='mean')",
            ),
        ),
    ),
)
