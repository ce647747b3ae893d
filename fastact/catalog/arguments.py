"""The arguments of calls: their names, defaults and meanings, from which signatures and docstrings follow."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

REQUIRED: Any = inspect.Parameter.empty
"""The default of what every call must give; a class, so that it is itself after pickling too."""


class Argument(NamedTuple):
    """One argument of a call, forward or backward or both."""

    name: str
    default: Any
    """Its value where a call does not give it, or `REQUIRED`."""
    kind: str
    """Its type, in the words of a docstring; ``tools/stubs.py`` has those of type checkers."""
    meaning: str
    by_name: bool = False
    """Whether forward takes it by name only, as backward takes all."""
    only: str = ""
    """``forward`` or ``backward``, where the other one does not take it."""
    fused: bool = False
    """Whether it is of a pass beside the activation, made in the same one: of one call, never bound."""


OUT = Argument("out", None, "numpy.ndarray or tuple of one, optional", "Where the result goes.")
WHERE = Argument(
    "where",
    None,
    "array_like of bool, optional",
    "Boolean mask that broadcasts to `x`: what it leaves out gets 0 and does not count.",
    by_name=True,
    only="forward",
)
OF_SCORES = (
    Argument(
        "scale", 1.0, "float", "What x is multiplied by, in the same pass; a finite number.", by_name=True
    ),
    Argument(
        "causal",
        False,
        "bool or int",
        "Whether query i, on the axis before `axis`, sees the keys up to i alone, as with torch's "
        "``is_causal``. An integer is how many more it sees, or fewer where it is negative: "
        "``keys - queries`` where the queries are the last ones, as in a step over a cache.",
        by_name=True,
    ),
    Argument(
        "mask",
        None,
        "array_like of bool or float, optional",
        "Broadcasts to `x`: where it is False an element is not seen; numbers of x's dtype are added to "
        "``scale * x``, and -inf is as False. What a row does not see takes no part in it, whatever it is, "
        "and a row that sees nothing is 0 (a logarithm -inf).",
        by_name=True,
    ),
)
"""What attention does with its scores."""

BIAS = Argument(
    "bias",
    None,
    "float or array_like, optional",
    "Number, or one per position along `bias_axis`, that is added to `x` first, in the same pass: the\n"
    "    result is that of ``x + bias``, to the bit in float32 and float64; float16 and bfloat16 keep the\n"
    "    sum in float32.",
    by_name=True,
    fused=True,
)
BIAS_AXIS = Argument(
    "bias_axis",
    -1,
    "int",
    "Axis of `x` that a bias of several numbers lies along, counted from the end where negative.",
    by_name=True,
    fused=True,
)
BIAS_GRAD = Argument(
    "bias_grad",
    False,
    "bool",
    "Whether to return the gradient of a bias too: summed in float64, in an order that the shape decides.",
    by_name=True,
    only="backward",
    fused=True,
)
BIASES = BIAS._replace(
    kind="float or array_like, or a pair of them, optional",
    meaning=BIAS.meaning + " Beside `gate` it is a pair, of `x` and of `gate`, each of which may be None.",
)
"""That of a gate, of which both halves may be arrays of their own."""
DROPOUT = Argument(
    "dropout",
    None,
    "tuple of float and int, optional",
    "Pair ``(p, seed)``: the result is ``dropout(y, p, seed=seed)`` of the activation's y, in the same\n"
    "    pass, to the bit in float32 and float64; float16 and bfloat16 keep y in float32. `backward`\n"
    "    finds what was left out from the same pair. It takes ``y=``, that result, only where the\n"
    "    derivative depends on y's sign alone, which a division by 1 - p leaves as it is.",
    by_name=True,
    fused=True,
)
RESIDUAL = Argument(
    "residual",
    None,
    "array_like, optional",
    "Array of the shape of `x` that is added to it behind the bias.",
    by_name=True,
    fused=True,
)
