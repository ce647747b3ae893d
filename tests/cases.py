"""Every activation in every direction, called in one way whatever the shape of its work."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

import fastact as fa
from fastact import catalog

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None  # test_halves.py says that bfloat16 is left out then

FLOATS = (np.float32, np.float64)
HALVES = (np.float16,) if ml_dtypes is None else (np.float16, ml_dtypes.bfloat16)
DTYPES = (*FLOATS, *HALVES)
"""The scalar types of the dtypes that are computed as they are."""


@lru_cache(maxsize=16)
def _normal(shape: tuple[int, ...], *seed: int) -> np.ndarray:
    """Drawn once for the activations, directions and dtypes that one test goes through."""
    values = np.random.default_rng(seed).standard_normal(shape)
    values.flags.writeable = False
    return values


@dataclass(frozen=True)
class Case:
    """One activation forward (`saved` empty) or backward from the array it saved."""

    row: catalog.Row
    saved: str = ""
    parameters: dict = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"{self.row.name}-{'backward-' + self.saved if self.saved else 'forward'}"

    @property
    def activation(self):
        return fa.activations[self.row.name]

    @property
    def keeps_shape(self) -> bool:
        return not self.row.shape.shrinks

    @property
    def needs(self) -> dict:
        """What a call cannot go without, and what makes it draw where it can."""
        return {**self.row.needs, **self.row.shape.may_have}

    def __call__(self, *arrays, out=None, **parameters):
        """The result for `(x,)` or `(dy, saved)`; of prelu's backward only dx."""
        given = {**self.needs, **self.parameters, **parameters}
        if not self.saved:
            return self.activation(arrays[0], **given, out=out)
        result = self.activation.backward(arrays[0], **{self.saved: arrays[1]}, **given, out=out)
        return result[0] if isinstance(result, tuple) else result

    def draw(self, shape, dtype, seed: int = 0) -> tuple[np.ndarray, ...]:
        """Arrays to call it with; `shape` is that of the activation's output."""
        wide = shape if self.keeps_shape else (*shape[:-1], shape[-1] * self.row.shape.inputs)
        x = (3 * _normal(wide, seed, 0)).astype(dtype)
        if not self.saved:
            return (x,)
        dy = _normal(shape, seed, 1).astype(dtype)
        return dy, (x if self.saved == "x" else np.asarray(Case(self.row, "", self.parameters)(x)))


CASES = [Case(row, saved) for row in catalog.rows for saved in ("", *row.saves)]
BACKWARD = [case for case in CASES if case.saved]
SAME_SHAPE = [case for case in CASES if case.keeps_shape]
SAME_SHAPE_BACKWARD = [case for case in SAME_SHAPE if case.saved]
ELEMENTWISE = [case for case in CASES if case.row.shape.by_element]
ALONE = [case for case in ELEMENTWISE if not case.row.shape.may_have]
"""Those whose every element of the result depends on nothing but its value."""
IN_GROUPS = [case for case in CASES if case.row.kind in ("rows", "pieces", "gated")]
"""Those whose elements of one row or group depend on each other."""


def other_parameters(row: catalog.Row) -> list[dict]:
    """Parameters that are not the defaults but meet every constraint: scaled, nought and negative."""
    if "weight" in row.needs:
        return [{"weight": weight} for weight in (0.3, 2.5, 0.0, -1.5)]
    # A bound that is nowhere by default is tried in the midst.
    numbers = {name: value if np.isfinite(value) else 8.0 for name, value in row.numbers.items()}
    scaled = [{name: factor * value for name, value in numbers.items()} for factor in (0.3, 2.5, 0.0, -1.5)]
    constraints = [parameter.constraint for parameter in row.parameters if parameter.constraint]
    return [values for values in scaled if values and all(eval(text, {}, values) for text in constraints)]


def output_determines(row: catalog.Row, parameters: dict) -> bool:
    """Whether backward takes `y` with these parameters."""
    values = {"inf": np.inf, **row.numbers, **parameters}
    return not row.output_determines or bool(eval(row.output_determines, {}, values))


def same_bits(a, b) -> bool:
    """Whether two arrays hold the same bytes in C order (so -0.0 differs from 0.0 and NaN equals itself)."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    integers = f"u{a.itemsize}"
    return np.array_equal(np.ascontiguousarray(a).view(integers), np.ascontiguousarray(b).view(integers))
