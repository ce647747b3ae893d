"""Facts per kind: what is the same for all activations that share a shape of work, said here alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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

SHAPES = {
    "elementwise": Shape(by_element=True, counts=("n",)),
    "channels": Shape(by_element=True, along_axis=True, needs={"weight": 0.25}, names=("weight",)),
    "random": Shape(by_element=True, draws_slopes=True, may_have={"seed": 7}, names=("slope",)),
    "rows": Shape(
        _OF_ROWS, along_axis=True, by_row=True, names=("dy",), sums=True, counts=("rows", "length"),
        compiled_dtypes=("float32", "float64"), allowed=(4, 4),
    ),
    "random_rows": Shape(
        _OF_ROWS, along_axis=True, by_row=True, needs={"seed": 7}, names=("dy", "noise"),
        sums=True, allowed=(4, 4),
    ),
    "pieces": Shape(_OF_ROWS, along_axis=True, inputs=4, needs={"pieces": 4}, allowed=(0, 0)),
    "gated": Shape(
        "of the halves a and b of x along an axis", along_axis=True, inputs=2, halves=True,
        names=("a", "b", "dy"), sums=True, counts=("rows", "length"), allowed=(3, 4),
    ),
}  # fmt: skip
