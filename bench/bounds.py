"""float32 kernels beside the bound that a processor's ports set: writes the table of ARCHITECTURE.md.

llvm-mca (part of LLVM) says how many cycles a hot loop takes if nothing but issue slots and ports limits it:
at v4 for Ice Lake, a server core with two 512-bit FMA ports, and for Zen 4, where a 512-bit operation takes a
256-bit pipe for two cycles; at v3 for Zen 3. LLVM 14 does not know Zen 4, 19 does, which gives Zen 5 the
same model, though that has pipes of 512 bits: on one, half of Zen 4's bound may do. What is achieved is
measured on the processor at hand, at the level it runs, in cycles of a chain of dependent additions, on
arrays in the L1 cache; what a call itself takes drops out of the difference of two sizes. Run as a script:

    python bench/bounds.py

LLVM_MCA names another llvm-mca than the first in PATH.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from between_markers import heading, line, write

import fastact
from fastact import _dispatch, catalog
from fastact.measure.clock import fastest
from fastact.measure.machine import processor

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tools"))
import instructions  # noqa: E402

DOCUMENT = ROOT / "ARCHITECTURE.md"
MODELS = {"Ice Lake": ("v4", "icelake-server"), "Zen 4": ("v4", "znver4"), "Zen 3": ("v3", "znver3")}
"""The level at which a processor runs, and its model in llvm-mca."""
LEVELS = ("v4", "v3")
SHORT, LONG = 640, 1664
"""Elements of the arrays timed; three of the long ones fit into an L1 cache of 32 KB with room to spare."""
SECONDS = 0.01
"""What the calls of one figure may take: many are too short to be disturbed."""
ADDITIONS = 200_000
CLOCK = f"""
extern "C" void additions() {{
    for (long i = 0; i < {ADDITIONS} / 100; ++i) asm volatile(".rept 100\\nadd $1, %%rax\\n.endr" ::: "rax");
}}"""


def bound(loop: instructions.Loop, model: str) -> float:
    """Cycles per element that ports and issue slots allow."""
    lines = [re.sub(r"^(j\w+) .*", r"\1 here", line) for line in loop.body]
    command = [
        os.environ.get("LLVM_MCA", "llvm-mca"),
        f"-mcpu={model}",
        "-instruction-info=0",
        "-resource-pressure=0",
    ]
    text = "\n".join(["here:", *lines, ""])
    said = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return float(re.search(r"Block RThroughput: +([\d.]+)", said).group(1)) / loop.elements


def nearest(level: str) -> str:
    """The bounded processor that is most like the one at hand."""
    if level == "v3":
        return "Zen 3"
    return "Zen 4" if "AMD" in processor() else "Ice Lake"


def computing(kernels: dict[str, list[instructions.Loop]]) -> dict[str, list[instructions.Loop]]:
    """The loops that run on arrays in the caches: all but those that stream results past them."""
    return {
        name: [loop for loop in loops if not any("movnt" in line for line in loop.body)]
        for name, loops in kernels.items()
    }


def clock(folder: str) -> Callable[[], object]:
    """A function that takes a known number of cycles."""
    library = f"{folder}/clock.so"
    command = [os.environ.get("CXX", "g++"), "-O1", "-shared", "-fPIC", "-x", "c++", "-", "-o", library]
    subprocess.run(command, input=CLOCK, text=True, check=True)
    return ctypes.CDLL(library).additions


def best(call: Callable[[], object]) -> float:
    """Seconds of the fastest of many calls, on what is there already."""
    return fastest([call], lambda: None, SECONDS)


def at_a_line(size: int) -> np.ndarray:
    """A float32 array that begins at a cache line."""
    buffer = np.full(size + 16, 0.5, np.float32)
    start = -buffer.ctypes.data % 64 // 4
    return buffer[start : start + size]


def kernel_call(name: str, direction: str, size: int) -> Callable[[], object]:
    """One call of an elementwise kernel; `direction` is forward, or what backward is given."""
    row = next((row for row in catalog.rows if row.name == name), None)
    numbers = tuple(row.numbers.values()) if row else ()
    parameters = (*numbers, 0.0, 0.0, 0.0)[:3]
    kernels = _dispatch.Kernels(name)
    *inputs, out = [at_a_line(size) for _ in range(2 if direction == "forward" else 3)]
    return lambda: kernels._run_kernel(direction, inputs, [out], parameters)


def achieved(name: str, direction: str, ticks: Callable[[], object]) -> float:
    """Cycles per element of an elementwise kernel."""
    long, short = (kernel_call(name, direction, size) for size in (LONG, SHORT))
    with fastact.num_threads(1):
        cycles = [(best(long) - best(short)) * ADDITIONS / best(ticks) for _ in range(7)]
    return median(cycles) / (LONG - SHORT)


def rows() -> list[tuple[str, str, str]]:
    """Activation, direction and the kernel's name, in the order of the declarations."""
    declared = re.findall(
        r"elementwise<(\w+)(?:, \d+)?>\(\"(\w+)\"", (ROOT / "src/declarations.hpp").read_text()
    )
    templates = {"forward": "forward<", "x": "backward<FromInput, ", "y": "backward<FromOutput, "}
    return [
        (name, direction, f"{template}{struct}, float>")
        for struct, name in declared
        for direction, template in templates.items()
    ]


def table() -> str:
    modules = instructions.modules()
    level = fastact.config()["level"]
    loops = {at: computing(instructions.kernels(modules[at])) for at in LEVELS}
    near = nearest(level)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        ticks = clock(folder)
        for name, direction, kernel in rows():
            if kernel not in loops["v4"]:
                continue
            own = {at: loops[at][kernel] for at in LEVELS}
            counts = {at: sum(loop.per_element for loop in own[at]) for at in own}
            bounds = {
                core: sum(bound(loop, model) for loop in own[at]) for core, (at, model) in MODELS.items()
            }
            cycles = achieved(name, direction, ticks)
            label = direction if direction == "forward" else f"backward from {direction}"
            figures = [
                counts["v4"],
                bounds["Ice Lake"],
                bounds["Zen 4"],
                counts["v3"],
                bounds["Zen 3"],
                cycles,
            ]
            figures.append(bounds[near] / cycles)
            lines.append(line(f"{name}, {label}", *(f"{figure:.2f}" for figure in figures)))
    columns = ["v4: instructions", "Ice Lake's bound", "Zen 4's bound", "v3: instructions", "Zen 3's bound"]
    columns += [f"{level}: achieved", f"{near}'s bound / achieved"]
    where = "one thread, arrays in the L1 cache that begin at a line"
    about = f"Measured on {processor()} at level {level}, {where}."
    return "\n".join([about, "", *heading(["float32 kernel"], columns), *lines])


if __name__ == "__main__":
    write(DOCUMENT, "bounds", table())
