"""What is kept from call to call is never read torn: threads with changing parameters disturb no other."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest
from cases import CASES, other_parameters, output_determines, same_bits

from fastact import _dispatch

ROOT = Path(__file__).parents[2]
OVERLAPS = {
    "small": (6, 3, (8, 16)),
    "without the GIL": (16, 4, (4, 1024)),
    "on several threads": (16, 1, (2, 20_000)),
}
"""Threads, their rounds, and arrays. Where calls let go of the GIL, they meet at once what kernels keep."""
TORN = r"""
#include <cstdio>
#include <thread>
#include "runtime/checked.hpp"

// Writers keep triples of one number; a reader that accepts a mixed one has read a torn pair.
int main() {
    static fastact::Checked<3> checked;
    std::atomic<bool> ends{false};
    std::atomic<long> mixed{0}, whole{0};
    const auto write = [&](double number) {
        const double values[3] = {number, number, number};
        while (!ends) checked.keep(values, 3);
    };
    const auto read = [&] {
        // More where others have the processors and no triple was seen that stood still.
        for (int i = 0; i < 2000000 || (whole == 0 && i < 200000000); ++i) {
            const double one[3] = {1, 1, 1}, torn[3] = {1, 2, 2}, back[3] = {2, 2, 1}, far[3] = {2, 1, 1};
            whole += checked.equal(one, 3);
            mixed += checked.equal(torn, 3) || checked.equal(back, 3) || checked.equal(far, 3);
        }
    };
    std::thread first(write, 1.0), second(write, 2.0), third(read), fourth(read);
    third.join(), fourth.join();
    ends = true;
    first.join(), second.join();
    std::printf("%ld %ld\n", mixed.load(), whole.load());
}
"""


def calls(shape: tuple[int, ...] = (8, 16)):
    """Every activation in every direction with several parameters, arrays and what they give."""
    for case in CASES:
        for parameters in [{}, *other_parameters(case.row)]:
            if case.saved != "y" or output_determines(case.row, parameters):
                arrays = case.draw(shape, np.float32)
                yield case, arrays, parameters, np.array(case(*arrays, **parameters))


@pytest.mark.parametrize(("count", "rounds", "shape"), OVERLAPS.values(), ids=OVERLAPS)
def test_threads_with_changing_parameters_get_what_one_alone_gets(count, rounds, shape):
    every = list(calls(shape))
    wrong: list[str] = []

    def work(first: int) -> None:
        for case, arrays, parameters, expected in islice(cycle(every), first, first + rounds * len(every)):
            if not same_bits(case(*arrays, **parameters), expected):
                wrong.append(f"{case} {parameters}")

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        # Neighbours in the list are one activation with other parameters: most threads are at the same one.
        threads = [threading.Thread(target=work, args=[start]) for start in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not wrong


def test_threads_that_measure_costs_at_once_get_the_same_bits(fresh_python):
    """In a new process every kernel is first asked what it costs, here by several threads."""
    code = """if True:
        import threading
        import numpy as np
        import fastact as fa
        fa.set_num_threads(2)
        x = np.linspace(-5, 5, 50_000).astype(np.float32)
        results = {}
        gate = threading.Barrier(6)
        def work(k):
            gate.wait()
            results[k] = [fa.activations[n](x).tobytes() for n in ("silu", "tanh", "softmax", "elu")]
        threads = [threading.Thread(target=work, args=[k]) for k in range(6)]
        [t.start() for t in threads], [t.join() for t in threads]
        print(len({b"".join(r) for r in results.values()}), len(results))"""
    run = fresh_python(code)
    assert run.stdout.split() == ["1", "6"], run.stderr


@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
def test_parameters_that_were_checked_together_are_read_together(tmp_path):
    """Without the sequence count the readers accept mixed triples within a second."""
    source, program = tmp_path / "torn.cpp", tmp_path / "torn"
    source.write_text(TORN)
    flags = ["-std=c++20", "-O2", "-pthread", f"-I{ROOT / 'src'}"]
    subprocess.run(["g++", *flags, source, "-o", program], check=True)
    mixed, whole = map(
        int, subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    )
    assert mixed == 0
    assert whole > 0


def test_nothing_is_written_past_the_arrays_of_a_call():
    """More parameters or arrays than a call has room for would be."""
    kernels, x = _dispatch.Kernels("silu"), np.ones(8)
    with pytest.raises(ValueError, match="4 parameters"):
        kernels._run_kernel("forward", [x], [x.copy()], (1.0, 2.0, 3.0, 4.0))
    with pytest.raises(ValueError, match="6 inputs, 1 outputs"):
        kernels._run_kernel("forward", [x] * 6, [x.copy()])
    with pytest.raises(TypeError, match="int32"):
        kernels._run_kernel("forward", [x.astype(np.int32)], [x.copy()])
