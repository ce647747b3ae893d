"""The passes that draw."""

from __future__ import annotations

from .passes import Pass
from .row import Convention
from .shapes import Shape

passes = (
    Pass(
        name="dropout",
        made_by="dropout.Dropout",
        formula="residual + where(drawn < p, 0, x / (1 - p))",
        derivatives={"x": "where(drawn < p, 0, dy / (1 - p))", "residual": "dy"},
        reference="Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov (2014), Dropout: A Simple Way to "
        "Prevent Neural Networks from Overfitting",
        strengths="Units that may be missing at every step cannot rely on one another, which reduces "
        "overfitting. What is kept is scaled up, so that the mean is the same in use, where nothing is left "
        "out. The seed alone says what was, so no mask is stored.",
        weaknesses="Training takes longer, since every step sees a part of the network. The variance of "
        "what is normalised behind it is another in training than in use.",
        allowed=(2, 1.5),
        torch="dropout(x, p)",
        conventions=(
            Convention(
                "torch",
                "dropout(x, p=0.5, training=True)",
                "what is left out comes from torch's generator and is stored; here it comes from the seed "
                "alone. A dropped infinity is NaN there and 0 here",
                "dropout(x, p, seed=seed if training else None)",
            ),
        ),
        shape=Shape(by_element=True),
    ),
)
