"""A call of 16 elements by pointer, in code of numba, beside one from Python: a table of docs/compiled.md.

Both write into an array that is there, in turns, and the median of the turns is kept. Run as a script,
where numba is installed:

    python bench/pointer_calls.py
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter_ns

import numba
import numpy as np
from between_markers import heading, line, write

import fastact as fa
from fastact.measure.machine import processor

DOCUMENT = Path(__file__).parents[1] / "docs" / "compiled.md"
SIZE = 16
ACTIVATIONS = ("relu", "sigmoid", "silu", "gelu", "mish")
TURNS, CALLS = 30, 20_000
FORM = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ssize_t)


def by_pointer(activation) -> Callable[[np.ndarray, np.ndarray], None]:
    """Many calls of the function at its address."""
    function = FORM(activation.address("float32", "forward"))

    @numba.njit
    def call(x, out):
        for _ in range(CALLS):
            function(x.ctypes, out.ctypes, x.size)

    return call


def from_python(activation) -> Callable[[np.ndarray, np.ndarray], None]:
    def call(x, out):
        for _ in range(CALLS):
            activation(x, out=out)

    return call


def nanoseconds(activation) -> tuple[float, float]:
    """Of a call by pointer, and of one from Python."""
    x = np.linspace(-4, 4, SIZE, dtype=np.float32)
    out = np.empty_like(x)
    calls = (by_pointer(activation), from_python(activation))
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(TURNS + 1):
        for call, taken in zip(calls, times, strict=True):
            start = perf_counter_ns()
            call(x, out)
            if turn:  # the first compiles
                taken.append((perf_counter_ns() - start) / CALLS)
    return median(times[0]), median(times[1])


def table() -> str:
    lines = heading(["ns a call"], ["by pointer", "from Python"])
    for name in ACTIVATIONS:
        pointer, python = nanoseconds(fa.get(name))
        lines.append(line(name, f"{pointer:.1f}", f"{python:.0f}"))
    where = (
        f"{processor()} at level {fa.config()['level']}, numba {numba.__version__}, NumPy {np.__version__}"
    )
    return f"Measured on {where}: {SIZE} float32.\n\n" + "\n".join(lines)


if __name__ == "__main__":
    write(DOCUMENT, "pointer", table())
