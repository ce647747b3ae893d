"""The largest of a group."""

from .row import Convention, Row

rows = (
    Row(
        name="maxout",
        kind="pieces",
        formula="max(x)",
        derivatives={"x": "where(x == max(x), 1, 0)"},
        range="(-inf, inf)",
        monotonic=True,
        saturates=False,
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
)
