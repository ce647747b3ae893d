"""Programs of libraries that have an adapter, as they are and with fastact's activations: a table of docs.

They are measured as bench/networks.py does: a process for each side, in turns of as many steps each, with
results that must agree. ``--write`` puts the table into docs/adapters.md:

    python bench/adapters.py --write
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import networks
import numpy as np
from between_markers import heading, line
from networks import DEFAULT, ONE, SIDES, WITHOUT, Case, Measurement, Table, by
from programs import GptOfFloat32, GptOfFloat64, Keras, Onnx, ScikitLearn, Thinc

import fastact as fa
from fastact.measure import busy, machine

DOCUMENT = Path(__file__).parents[1] / "docs" / "adapters.md"
SHAPE = (256, 512)
"""Batch and width of inference."""
LIBRARIES = ("thinc", "scikit-learn", "keras", "onnx")


def cases() -> Iterator[Case]:
    yield from (Case(Thinc, activation) for activation in Thinc.LAYERS)
    yield from (Case(ScikitLearn, activation) for activation in ScikitLearn.NAMES)
    yield from (Case(Keras, activation, SHAPE) for activation in ("relu", "silu", "gelu"))
    yield from (Case(Onnx, activation, SHAPE) for activation in Onnx.OPERATORS)
    yield from (Case(gpt, "gelu_tanh", (256,)) for gpt in (GptOfFloat64, GptOfFloat32))


def row(m: Measurement) -> str:
    times = (f"{1e3 * m.step[side].mean:.3g} ({1e3 * m.step[side].median:.3g})" for side in SIDES)
    faster = [m.step[WITHOUT].mean / m.step[side].mean for side in (ONE, DEFAULT)]
    return line(m.program, m.activation, by(m.shape), *times, *(f"{ratio:.2f}" for ratio in faster))


def head(processes: int) -> list[str]:
    beside = f", beside {busy.processes_text(processes)}" if processes else ""
    installed = [name for name in LIBRARIES if importlib.util.find_spec(name.replace("scikit-", "sk"))]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in installed)
    about = (
        f"Milliseconds of a step, means (medians in brackets){beside}, and how many times as fast the means "
        f"are. Measured on {machine.processor()} at level {fa.config()['level']} with "
        f"{machine.threads_text(fa.get_num_threads())}, NumPy {np.__version__} and its BLAS, {versions}."
    )
    figures = ["by itself", "fastact, 1 thread", "fastact", "× with 1 thread", "×"]
    return [about, "", *heading(["program", "activation", "size"], figures)]


def summary(found: list[Measurement]) -> str:
    least, most = (f(found, key=attrgetter("default_over_without")) for f in (max, min))
    return (
        f"Of {len(found)} programs the one that gains least is {1 / least.default_over_without:.2f} times as "
        f"fast ({least}), the one that gains most {1 / most.default_over_without:.2f} times ({most})."
    )


def main(arguments: list[str] | None = None) -> None:
    networks.run(Table(__doc__, DOCUMENT, "adapters", head, row, summary), cases(), arguments)


if __name__ == "__main__":
    main()
