"""Which thread begins where: at the same element in forward and backward, so pages stay near their thread.

A page lies with the memory of the processor that touched it first. What a thread takes over from one that is
late moves; what it begins with must not depend on what a call costs.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"

PROGRAM = r"""
#include <cstdio>
#include <cstdlib>

#include "runtime/plan.hpp"

// The unit that each thread of a call begins with.
int main(int, char** words) {
    using namespace fastact;
    const Size size = std::atoll(words[1]);
    const int available = std::atoi(words[2]);
    const double cost = std::atof(words[3]);
    judged.store(false);
    static Work work{};
    work.units = Units::elements;
    work.grain = 64;
    work.cost[0].store(float(cost));
    Call call{};
    call.size = size;
    call.axis = {1, size, 1};
    Plan plan;
    if (words[4]) plan.see(work, work, 0, call, false);
    if (!plan.shares(work, work, 0, call, available)) return 1;
    plan.begin_stage();
    for (int thread = 0; thread < plan.threads; ++thread)
        std::printf("%lld\n", (long long)plan.bound(plan.take(thread)));
}
"""


@pytest.fixture(scope="module")
def first_units(tmp_path_factory):
    """The unit that each thread begins with, by size, threads and nanoseconds of an element."""
    if not shutil.which("g++"):
        pytest.skip("needs g++")
    folder = tmp_path_factory.mktemp("partition")
    source, program = folder / "partition.cpp", folder / "partition"
    source.write_text(PROGRAM)
    flags = ["-std=c++20", "-fopenmp", f"-I{SOURCE}"]
    subprocess.run(
        ["g++", *flags, source, SOURCE / "runtime" / "team.cpp", "-o", program], check=True, timeout=300
    )

    def ask(*words):
        run = subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=True)
        return [int(line) for line in run.stdout.split()]

    return ask


@pytest.mark.parametrize("threads", [2, 3, 16, 64, 128])
@pytest.mark.parametrize("size", [2**24, 2**24 + 12_345])
def test_a_thread_begins_at_the_same_element_whatever_the_call_costs(first_units, size, threads):
    light, heavy, heaviest = (first_units(size, threads, cost) for cost in (0.1, 0.9, 5.0))
    assert len(light) == threads
    assert light == heavy == heaviest


def test_so_does_it_while_ways_through_memory_are_tried(first_units):
    """A trial wants 16 pieces: of three threads each has six then."""
    assert first_units(2**22, 3, 0.05, "trial") == first_units(2**22, 3, 0.05)
