"""What compiled callers can call: names and C signatures of functions on plain memory, made from the rows.

The functions are those of ``src/functions.hpp``. What the build writes for compiled callers
(``tools/headers.py``) and what a running fastact hands out (``fastact/core/compiled.py``) both ask here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .row import Row

STORED = {
    "float32": ("f32", "float"),
    "float64": ("f64", "double"),
    "float16": ("f16", "uint16_t"),
    "bfloat16": ("bf16", "uint16_t"),
}
"""How a function's name says its dtype, and what the elements are in C; in the order of the kernels."""


class Function(NamedTuple):
    """One function that compiled callers can call."""

    name: str
    dtype: str
    direction: str
    """forward, backward (from what the row prefers), backward_x, backward_y; or scalar, of one number."""
    kernel: str
    """The direction in the words of the kernels."""
    result: str
    arguments: tuple[tuple[str, str], ...]
    """C type and name of each."""

    @property
    def signature(self) -> str:
        """Its type, as the capsule spells it."""
        return f"{self.result} ({', '.join(kind for kind, _ in self.arguments)})"


def functions(row: Row) -> Iterator[Function]:
    """All functions of a row; none where its shape of work has no form for compiled callers."""
    for dtype in row.shape.compiled_dtypes if row.shape.counts else ():
        suffix, element = STORED[dtype]
        array, result = f"const {element} *", (f"{element} *", "out")
        numbers = tuple(("double", name) for name in row.numbers) if row.shape.by_element else ()
        rest = (result, *(("ptrdiff_t", count) for count in row.shape.counts), *numbers)
        yield Function(f"{row.name}_{suffix}", dtype, "forward", "forward", "void", ((array, "x"), *rest))
        for direction, saved in _backward(row):
            arguments = ((array, "dy"), (array, saved), *rest)
            yield Function(f"{row.name}_{direction}_{suffix}", dtype, direction, saved, "void", arguments)
        if row.shape.by_element and element != "uint16_t":
            arguments = ((element, "x"), *numbers)
            yield Function(f"{row.name}_scalar_{suffix}", dtype, "scalar", "scalar", element, arguments)


def _backward(row: Row) -> list[tuple[str, str]]:
    """The directions backward, and the array that each takes."""
    return [("backward", row.saves[0]), *((f"backward_{saved}", saved) for saved in row.saves)]
