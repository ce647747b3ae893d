"""Facts per kind: what is the same for all activations that share a shape of work, said here alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .arguments import BIAS, BIAS_AXIS, BIAS_GRAD, BIASES, DROPOUT, REQUIRED, RESIDUAL, Argument


@dataclass(frozen=True, eq=False)
class Shape:
    """What is known of a row by its kind."""

    of_what: str = "of each element"
    """What the formula is of, in words for the docstring."""
    along_axis: bool = False
    """Whether a call has an `axis`."""
    by_element: bool = False
    """Whether an element of the result comes from one of x, so that x may have any shape."""
    by_row: bool = False
    """Whether it comes from a whole row."""
    inputs: int = 1
    """Elements of x for one of the result, with the `pieces` of `needs`; above 1 nothing is in place."""
    halves: bool = False
    """Whether the texts call the halves of x along the axis `a` and `b`."""
    draws_slopes: bool = False
    """Whether a seed draws the formula's `slope` from between `lower` and `upper`."""
    needs: Mapping[str, float] = field(default_factory=dict)
    """Arguments that a call must give beside the row's own, with examples."""
    may_have: Mapping[str, float] = field(default_factory=dict)
    """Those that make another computation of it where they are given, with examples."""
    arguments: tuple[Argument, ...] = ()
    """What calls take beside the row's parameters, which come before these."""
    parameters_by_name: bool = False
    """Whether forward takes the row's parameters by name only."""
    also_saves: tuple[str, ...] = ()
    """What backward takes in place of what the row says that it saves."""
    names: tuple[str, ...] = ()
    """What the texts may name beside x, y and the parameters."""
    sums: bool = False
    """Whether gradients are sums that cancel, so that errors are counted in ULP of the largest term."""
    counts: tuple[str, ...] = ()
    """What a compiled caller says of its arrays: how many elements they have, or how many rows and the
    length of one of the result; empty where it is not served."""
    compiled_dtypes: tuple[str, ...] = ("float32", "float64", "float16", "bfloat16")
    """What it can have computed."""
    allowed: tuple[float, float] = (2, 4)
    """Errors that the contract allows forward and backward, at the default parameters."""

    @property
    def shrinks(self) -> bool:
        """Whether the result is smaller than x."""
        return self.inputs > 1


_OF_ROWS = "of each row along an axis"
_AXIS = Argument(
    "axis",
    -1,
    "int",
    "Axis along which groups or both halves lie, counted from the end where negative.",
)
_ROW_AXES = Argument(
    "axis",
    -1,
    "int, None or tuple of int",
    "Axis of a row, counted from the end where negative; several, or None for all of them, are one row.",
)

_ADDED = (BIAS, BIAS_AXIS, RESIDUAL, DROPOUT, BIAS_GRAD)

SHAPES = {
    "elementwise": Shape(by_element=True, counts=("n",), arguments=_ADDED),
    "channels": Shape(
        by_element=True, along_axis=True, needs={"weight": 0.25}, names=("weight",),
        arguments=(
            Argument(
                "weight", REQUIRED, "float or array_like", "One slope, or one per position along `axis`.",
            ),
            Argument(
                "axis", 1, "int", "Axis that the weights lie along, counted from the end where negative.",
            ),
            *_ADDED,
        ),
    ),
    "random": Shape(
        by_element=True, draws_slopes=True, may_have={"seed": 7}, names=("slope",),
        arguments=(
            Argument(
                "seed", None, "int or None",
                "None for evaluation (the mean slope); an integer for training (each its own slope).",
            ),
            *_ADDED,
        ),
    ),
    "rows": Shape(
        _OF_ROWS, along_axis=True, by_row=True, names=("dy",), sums=True, allowed=(4, 4),
        counts=("rows", "length"), compiled_dtypes=("float32", "float64"),
        arguments=(_ROW_AXES,), parameters_by_name=True,
    ),
    "random_rows": Shape(
        _OF_ROWS, along_axis=True, by_row=True, needs={"seed": 7}, names=("dy", "noise"),
        sums=True, allowed=(4, 4), also_saves=("x",),
        arguments=(
            Argument(
                "hard", False, "bool",
                "Whether to give 1 to the largest value of a row and 0 to the others.",
            ),
            _ROW_AXES,
            Argument(
                "seed", REQUIRED, "int",
                "What the noise is made of, with each element's position in C order.",
                by_name=True, only="forward",
            ),
            Argument(
                "seed", None, "int or None", "Seed of the forward call; needed where `hard` is.",
                only="backward",
            ),
        ),
    ),
    "pieces": Shape(
        _OF_ROWS, along_axis=True, inputs=4, needs={"pieces": 4}, allowed=(0, 0), also_saves=("which",),
        arguments=(
            Argument(
                "pieces", REQUIRED, "int",
                "Size of a group of consecutive values; divides the extent along `axis`.",
            ),
            _AXIS,
            Argument(
                "return_which", False, "bool",
                "Whether to return the position of the largest value in its group too.",
                by_name=True, only="forward",
            ),
        ),
    ),
    "gated": Shape(
        "of the halves a and b of x along an axis", along_axis=True, inputs=2, halves=True,
        names=("a", "b", "dy"), sums=True, counts=("rows", "length"), allowed=(3, 4),
        arguments=(
            _AXIS,
            Argument(
                "gate", None, "array_like, optional",
                "The array b, where `x` is a alone: both of one shape, which the result has, and no halves.",
                by_name=True, fused=True,
            ),
            BIASES, BIAS_AXIS, DROPOUT, BIAS_GRAD,
        ),
    ),
}  # fmt: skip
