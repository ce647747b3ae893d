"""Levels v3 and v4 give the same bits; v1, which has no fused multiply-add, stays within the same bounds.

A processor runs the level of which it has everything.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import fastact as fa

DIGESTS = """if True:
    import hashlib, json
    import numpy as np
    from cases import ALONE, CASES, FLOATS
    import fastact as fa
    from fastact.measure.accuracy import samples

    def digest(*arrays):
        return hashlib.blake2b(b"".join(array.tobytes() for array in arrays)).hexdigest()

    assert fa.config()["level"] == "{level}"
    numbers = {{value for case in CASES for value in case.row.numbers.values()}}
    points = sorted(sign * value for value in numbers for sign in (-1, 1))
    digests = {{}}
    for dtype in FLOATS:
        # Numbers from every region, those around each activation's parameters among them.
        x = np.concatenate([samples.stratified(np.dtype(dtype), number, points=points) for number in (0, 1)])
        dy = samples.gradients(np.dtype(dtype), 1, x.size)
        for case in ALONE:
            saved = case.activation(x, **case.needs) if case.saved == "y" else x
            arrays = (dy, saved) if case.saved else (x,)
            digests[f"{{case}} {{dtype.__name__}}, every region"] = digest(case(*arrays))
        for case in CASES:
            for shape in ((3, 5, 7), (2, 64, 33), (37, 1013), (70_001, 4), (4, 70_001)):
                arrays = case.draw(shape, dtype)
                results = [case(*arrays)]
                if "weight" in case.row.needs and case.saved:
                    results.append(case.activation.backward(arrays[0], x=arrays[1], weight=0.25)[1])
                digests[f"{{case}} {{dtype.__name__}} {{shape}}"] = digest(*results)
    print(json.dumps(digests))"""

MEASURE = """if True:
    import json
    import fastact as fa
    from fastact.measure.accuracy import errors as accuracy

    assert fa.config()["level"] == "{level}"
    cases = accuracy.cases(list(fa.activations), list(accuracy.DTYPES))
    work = [batch for case in cases for batch in accuracy.batches(case, count=1)]
    found = [m for m in accuracy.measure(work) if not m.within]
    print(json.dumps([[m.activation, m.direction, m.dtype, m.error, m.unit, m.place] for m in found]))"""

FUSED = [level for level in fa.config()["levels"] if level in ("v3", "v4")]


def _output(fresh_python, code: str, level: str, threads: int = 1):
    run = fresh_python(code.format(level=level), FASTACT_CPU=level, FASTACT_NUM_THREADS=str(threads))
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.skipif(not FUSED, reason="this processor has neither level v3 nor v4")
def test_v3_and_v4_give_the_same_bits_in_every_process(fresh_python):
    """One thread at the lower level, two at the higher; where there is one level, at that."""
    lower, higher = (_output(fresh_python, DIGESTS, FUSED[i], threads) for i, threads in ((0, 1), (-1, 2)))
    assert lower.keys() == higher.keys()
    assert [case for case in lower if lower[case] != higher[case]] == []


@pytest.mark.skipif("v1" not in fa.config()["levels"], reason="this processor has no level v1")
@pytest.mark.skipif(fa.config()["level"] == "v1", reason="test_accuracy.py says it of the level that is used")
def test_v1_stays_within_the_bounds(fresh_python):
    assert _output(fresh_python, MEASURE, "v1") == []


WITHOUT = r"""
#include <cstdio>
#include "runtime/processor.hpp"

// For each word of CPUID and each bit: the level of a processor that has everything but that.
int main() {
    using F = fastact::Features;
    constexpr unsigned all = ~0u;
    unsigned F::*const words[] = {&F::basic, &F::structured, &F::extended, &F::saved};
    for (unsigned F::*word : words)
        for (int bit = 0; bit < 32; ++bit) {
            F has{all, all, all, all};
            has.*word &= ~(1u << bit);
            std::printf("%d ", fastact::level_of(has));
        }
}
"""
PLACES = {
    "basic": {
        **{"SSE3": 0, "SSSE3": 9, "FMA": 12, "GCC_HAVE_SYNC_COMPARE_AND_SWAP_16": 13, "SSE4_1": 19},
        **{"SSE4_2": 20, "CRC32": 20, "MOVBE": 22, "POPCNT": 23, "XSAVE": 27, "AVX": 28, "F16C": 29},
    },
    "structured": {
        **{"BMI": 3, "AVX2": 5, "BMI2": 8},
        **{"AVX512F": 16, "AVX512DQ": 17, "AVX512CD": 28, "AVX512BW": 30, "AVX512VL": 31},
    },
    "extended": {"LAHF_SAHF": 0, "LZCNT": 5},
    "saved": {"xmm": 1, "ymm": 2, "mask": 5, "zmm": 6, "higher zmm": 7},
}
"""Where a processor says that it has a feature, by the compiler's macro; XSAVE: that the system uses it."""
SAVED = {"v3": {"xmm", "ymm"}, "v4": {"xmm", "ymm", "mask", "zmm", "higher zmm"}}
x86_compiler = pytest.mark.skipif(
    not shutil.which("g++") or platform.machine().lower() not in ("x86_64", "amd64"),
    reason="needs g++ for x86-64",
)


def _features(level: str) -> set[str]:
    """Those that the compiler takes for granted at a level and not at the baseline."""

    def macros(march: str) -> set[str]:
        command = ["g++", f"-march={march}", "-dM", "-E", "-x", "c++", "/dev/null"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return set(re.findall(r"^#define __(\w+?)(?:__)? 1$", said, re.MULTILINE))

    added = macros(f"x86-64-{level}") - macros("x86-64")
    return {name for name in added if not name.startswith(("FP_FAST", "EVEX512"))} | SAVED[level]


@x86_compiler
def test_a_level_asks_for_every_feature_that_its_instructions_may_use(tmp_path):
    """Without LZCNT its code runs as BSR, which gives other numbers and no error."""
    source, program = tmp_path / "without.cpp", tmp_path / "without"
    source.write_text(WITHOUT)
    include = Path(__file__).parents[2] / "src"
    subprocess.run(["g++", "-std=c++20", f"-I{include}", source, "-o", program], check=True)
    said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    levels = iter(said.split())
    found = {(word, bit): next(levels) for word in PLACES for bit in range(32)}
    v3, v4 = _features("v3"), _features("v4")
    named = {name: (word, bit) for word, bits in PLACES.items() for name, bit in bits.items()}
    needed = {named[name]: "3" for name in v4} | {named[name]: "1" for name in v3}
    assert found == {place: needed.get(place, "4") for place in found}
