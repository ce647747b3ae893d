"""Kernels work within 32 KiB of stack: in threads of 64 KiB, which uWSGI or OMP_STACKSIZE may give them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import assembly
import instructions
import pytest

ROOT = Path(__file__).parents[2]
LIMIT = 32 << 10
OUTSIDE = 4 << 10
"""What functions of other libraries take, such as memcpy and the C library's part of thread-local memory."""

THREAD = """if True:
    import threading
    import numpy as np
    import fastact as fa
    from around import EXAMPLES
    from cases import CASES, DTYPES

    fa.set_num_threads(1)
    SHAPES = (4, 16), (70, 48), (2, 12_000), (1, 20_000)
    calls = [(case, case.draw(shape, dtype)) for case in CASES for dtype in DTYPES for shape in SHAPES]
    LENGTHS = 16, 48, 20_000
    passes = [
        (example, example.draw(dtype, (3,), n)) for example in EXAMPLES for dtype in DTYPES for n in LENGTHS
    ]
    done = []

    def work():
        for case, arrays in calls:
            case(*arrays)
            case(*map(np.asfortranarray, arrays))
            done.append(case)
        for example, arrays in passes:
            example(arrays)
            example({name: np.asfortranarray(array) for name, array in arrays.items()})
            done.append(example)

    threading.stack_size(64 << 10)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    print(len(done) == len(calls) + len(passes))"""

WORKERS = """if True:
    import fastact as fa
    from around import EXAMPLES
    from cases import CASES, DTYPES, same_bits

    for case in CASES:
        for dtype in DTYPES:
            arrays = case.draw((32, 4096), dtype)
            fa.set_num_threads(1)
            alone = case(*arrays)
            fa.set_num_threads(2)
            assert same_bits(case(*arrays), alone), f"{case} {dtype}"
    for example in EXAMPLES:
        for dtype in DTYPES:
            arrays = example.draw(dtype, (32,), 4096)
            fa.set_num_threads(1)
            alone = example(arrays)
            fa.set_num_threads(2)
            assert all(map(same_bits, example(arrays), alone)), f"{example} {dtype}"
    print(True)"""

TURNS = r"""
#include <cstdio>
#include <thread>
#include "loops/scratch.hpp"

// There is no memory for any thread's scratch.
void* operator new(std::size_t, std::align_val_t, const std::nothrow_t&) noexcept { return nullptr; }
void operator delete(void*, std::align_val_t) noexcept {}

int main() {
    std::atomic<long> disturbed{0}, done{0};
    const auto work = [&](double number) {
        for (int round = 0; round < 20000; ++round) {
            const fastact::Scratch<double, 100> first;
            const fastact::Scratch<double, 50> second;
            for (int i = 0; i < 100; ++i) first[i] = number;
            for (int i = 0; i < 50; ++i) second[i] = -number;
            for (int i = 0; i < 100; ++i) disturbed += first[i] != number;
            ++done;
        }
    };
    std::thread one(work, 1.0), two(work, 2.0), three(work, 3.0);
    one.join(), two.join(), three.join();
    std::printf("%ld %ld\n", disturbed.load(), done.load());
}
"""


def test_every_call_works_in_a_thread_of_64_KiB(fresh_python):
    run = fresh_python(THREAD)
    assert run.stdout.split() == ["True"], run.stderr or f"ended by signal {-run.returncode}"


def test_every_call_works_with_workers_of_64_KiB(fresh_python):
    run = fresh_python(WORKERS, OMP_STACKSIZE="64k", OMP_WAIT_POLICY="passive")
    assert run.stdout.split() == ["True"], run.stderr or f"ended by signal {-run.returncode}"


def beginnings(module: Path) -> set[int]:
    """Where functions begin, by the tables for unwinding: a module of a wheel has no names."""
    command = ["objdump", "--dwarf=frames", str(module)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {int(at, 16) for at in re.findall(r" FDE .*pc=([0-9a-f]+)", text)}


def functions(module: Path) -> Iterator[tuple[int, int, set[int]]]:
    """Every function of a module: its address, its frame in bytes, and the addresses it calls."""
    command = ["objdump", "-d", "--no-show-raw-insn", str(module)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    known, bodies = beginnings(module), {}
    for address, instruction in re.findall(r"^ *([0-9a-f]+):\t(.*)$", text, re.MULTILINE):
        if (at := int(address, 16)) in known or not bodies:
            bodies[at] = lines = []
        lines.append(instruction)
    for at, lines in bodies.items():
        frame = 8 * (1 + sum(line.startswith("push ") for line in lines))
        sizes = [size for line in lines for size in re.findall(r"^sub +\$0x([0-9a-f]{1,6}),%rsp", line)]
        calls = {int(to, 16) for line in lines for to in re.findall(r"^(?:call|jmp) +([0-9a-f]+) <", line)}
        yield at, frame + sum(int(size, 16) for size in sizes[:1]), calls


def deepest(module: Path) -> int:
    """Bytes of stack of the deepest chain of calls inside a module; what calls itself does so once."""
    known = {at: (frame, calls - {at}, at in calls) for at, frame, calls in functions(module)}

    @cache
    def depth(at: int) -> int:
        frame, calls, itself = known.get(at, (0, set(), False))
        return frame * (1 + itself) + max(map(depth, calls), default=0)

    return max(map(depth, known))


@pytest.mark.skipif(
    not instructions.readable() or not isinstance(assembly.HERE, assembly.X86),
    reason="needs objdump and kernels for x86-64",
)
@pytest.mark.parametrize("level", instructions.modules())
def test_no_chain_of_frames_is_deeper(level):
    assert deepest(instructions.modules()[level]) <= LIMIT - OUTSIDE


@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
def test_without_memory_threads_take_turns(tmp_path):
    source, program = tmp_path / "turns.cpp", tmp_path / "turns"
    source.write_text(TURNS)
    flags = ["-std=c++20", "-O2", "-pthread", f"-I{ROOT / 'src'}"]
    subprocess.run(["g++", *flags, source, "-o", program], check=True)
    run = subprocess.run([program], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == ["0", "60000"]
