"""Calls of 16 elements, every shape of work: the way to a kernel, as the kernel itself costs next to nothing.

    pytest bench/test_small_calls.py --benchmark-only
    python bench/test_small_calls.py FOLDER

The second imports another build of fastact too, the one whose package lies in FOLDER, and takes turns between
the two in one process.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from timeit import Timer
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import fastact

SETUP = """
x = np.linspace(-2, 2, 16, dtype=np.float32)
dy, o, half = np.ones_like(x), np.empty_like(x), x.astype(np.float16)
rows, drows, orows, weight = x.reshape(4, 4), dy.reshape(4, 4), o.reshape(4, 4), x[:4].copy()
y, z, gated, pooled = fa.sigmoid(x), fa.softmax(rows), fa.swiglu(x), fa.maxout(x, 4)
wide = np.zeros((4, 8), np.float32)
part, one = wide[:, :4], np.array(0.5)
"""
CALLS = (
    "fa.silu(x)", "fa.silu(x, out=o)", "fa.silu(o, out=o)", "fa.silu(half)", "fa.leaky_relu(x, 0.01, out=o)",
    "fa.elu(x, alpha=1.0, out=o)", "fa.silu.backward(dy, x=x, out=o)", "fa.sigmoid.backward(dy, y=y, out=o)",
    "fa.softmax(rows)", "fa.softmax(rows, out=orows)", "fa.softmax(rows, axis=0)",
    "fa.softmax.backward(drows, y=z, out=orows)", "fa.log_softmax(rows)", "fa.sparsemax(rows)",
    "fa.softmax(rows, temperature=0.5)", "fa.gumbel_softmax(rows, seed=7)",
    "fa.swiglu(x)", "fa.swiglu(x, out=gated)", "fa.swiglu.backward(gated, x=x)",
    "fa.maxout(x, 4)", "fa.maxout(x, 4, out=pooled)", "fa.maxout.backward(pooled, x=x, pieces=4)",
    "fa.prelu(x, 0.25)", "fa.prelu(rows, weight)", "fa.prelu(rows, weight, out=orows)",
    "fa.prelu.backward(drows, x=rows, weight=weight)",
    "fa.silu(part)", "fa.silu(part, out=part)", "fa.silu.backward(drows, x=part, out=part)",
    "fa.swiglu(wide[:, 2:6])", "fa.silu(0.5)", "fa.silu(one)",
    "fa.rrelu(x)", "fa.rrelu(x, seed=7)", "fa.rrelu.backward(dy, x=x, seed=7)",
)  # fmt: skip
"""One or more of every shape of work, into a new array, into another and in place."""

ADDED = (
    "fa.silu(rows, bias=weight)", "fa.silu(rows, bias=weight, out=orows)", "fa.silu(rows, bias=0.5)",
    "fa.silu(part, bias=weight, out=part)", "fa.silu.backward(drows, x=rows, bias=weight, bias_grad=True)",
    "fa.swiglu(rows, bias=weight)", "fa.swiglu(rows, gate=drows)",
    "fa.swiglu.backward(rows, x=rows, gate=drows)", "fa.swiglu(rows, gate=drows, bias=(weight, weight))",
    "fa.prelu(rows, weight, bias=weight)", "fa.rrelu(rows, seed=7, bias=weight)",
    "fa.silu(rows, bias=weight, dropout=(0.1, 7))", "fa.relu.backward(drows, y=rows, dropout=(0.1, 7))",
)  # fmt: skip
"""What a build before them does not have."""

TURNS, LOOP = 41, 4000


def names(fa: ModuleType) -> dict[str, Any]:
    """What the calls are written with, of one build."""
    known: dict[str, Any] = {"np": np, "fa": fa}
    exec(SETUP, known)
    return known


@pytest.mark.parametrize("call", CALLS + ADDED)
def test_small_call(benchmark, call):
    benchmark.group = "16 elements"
    benchmark(eval(f"lambda: {call}", names(fastact)))


def other_build(folder: Path) -> ModuleType:
    """The fastact in another folder, beside the one that is imported already."""
    mine = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "fastact"}
    sys.path.insert(0, str(folder))
    try:
        import fastact as other
    finally:
        sys.path.remove(str(folder))
        sys.modules.update(mine)
    if Path(other.__file__).parents[1].resolve() != folder.resolve():
        raise SystemExit(f"there is no built fastact in {folder}: {other.__file__} was imported")
    return other


def main() -> None:
    other = other_build(Path(sys.argv[1]))
    print(f"ns of a call, medians of {TURNS} turns: {Path(sys.argv[1]).name}, this build, and their ratio")
    ratios = []
    for call in CALLS:
        timers = [Timer(call, globals=names(build)) for build in (other, fastact)]
        turns = [[timer.timeit(LOOP) / LOOP * 1e9 for timer in timers] for _ in range(TURNS)]
        before, now = map(statistics.median, zip(*turns, strict=True))
        ratios.append(statistics.median(b / a for a, b in turns))
        print(f"{call:<50} {before:7.0f} {now:7.0f} {ratios[-1]:7.3f}")
    print(f"{'geometric mean of the ratios':<66} {statistics.geometric_mean(ratios):7.3f}")


if __name__ == "__main__":
    main()
