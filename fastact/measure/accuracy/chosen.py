"""What a run measures the errors of: activations and passes by their names, in some dtypes."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import numpy as np

from ... import activations
from . import errors, passes

HALVES = ("float16", "bfloat16")
"""Of passes; of activations these are float32's results, rounded once."""


def batches(
    names: Sequence[str], dtype: str = "", exhaustive: bool = False, few: int = 0
) -> list[errors.Batch | passes.Batch]:
    """The inputs of all cases, or about as `few` of each; `exhaustive` is of activations."""
    own = [kind for kind in errors.DTYPES if dtype in ("", str(kind))]
    cases = errors.cases([name for name in names if name in activations], own)
    around = passes.cases([name for name in names if name not in activations], [*own, *_halves(dtype)])
    return [
        *(batch for case in cases for batch in errors.batches(case, exhaustive, few or None)),
        *(batch for case in around for batch in case.batches(few)),
    ]


def _halves(dtype: str) -> list[np.dtype]:
    if importlib.util.find_spec("ml_dtypes"):
        import ml_dtypes  # noqa: F401  from which NumPy knows bfloat16
    known = [name for name in HALVES if name == "float16" or importlib.util.find_spec("ml_dtypes")]
    return [np.dtype(name) for name in known if dtype in ("", name)]
