"""How many threads a call takes, decided by what threads have brought: with a clock that the test turns.

The program below is the runtime's own plan of a call, compiled with that clock. Its machine is a story: one
element takes a nanosecond, and `late` is by how much the call is over later than its own part.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CLOCK = """
#pragma once
namespace fastact {
using Time = long long;
inline Time turned = 1'000'000'000;
inline Time now() { return turned; }
inline Time computed() { return turned; }
}
"""

MACHINE = """
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include "runtime/plan.hpp"

namespace fastact {
int lingering = 1, woken = 0;
int workers(int wanted) { return wanted; }
int awake_workers() { return lingering; }
void wake_workers() { ++woken; turned += 1500; }
}
using namespace fastact;

void kernel(const Call& call, Size first, Size last) { turned += last - first; }

Work work{{kernel, kernel, kernel, kernel}, Units::elements, 1, 0, {}};

// Calls of so many elements, each of which begins `gap` after the last one. Where threads share it, the
// caller does its half and waits until all is over: after `late` more, or at once. Prints what share of the
// calls had two threads, how long all of them took to what one thread takes, and how often workers were
// woken.
void calls(int count, Size size, Time late, Time gap) {
    Time spent = 0;
    int shared = 0;
    woken = 0;
    for (int i = 0; i < count; ++i) {
        turned += gap;
        const Time start = turned;
        double none = 0;
        Call call{&none, {&none}, {&none}, {1, 1, size}, {0, 1}, size, 0, nullptr, 0};
        Plan plan;
        if (plan.shares(work, work, 0, call, 2)) {
            ++shared;
            plan.begin_stage();
            int theirs = 0;
            for (Size half = 0; half < size / 2; half = plan.bound(++theirs)) plan.take(1);
            take_part(kernel, call, plan, 0);
            turned += late;
        } else {
            kernel(call, 0, size);
        }
        plan.end();
        spent += turned - start;
    }
    std::printf("%.4f %.4f %d\\n", double(shared) / count, double(spent) / double(count * size), woken);
}

int main(int, char** words) {
    // The first call of all measures what an element costs.
    for (++words; *words; words += 5) {
        lingering = std::atoi(words[0]);
        calls(std::atoi(words[1]), std::atol(words[2]), std::atol(words[3]), std::atol(words[4]));
    }
}
"""

AWAKE, ASLEEP = 1, 0
SMALL, LARGE = 30_000, 1_000_000
GAINS, SOON, LATER = 0, 1_000, 1_000_000


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """Tells a story, each sentence (awake, calls, size, late, gap); gives share, time and wakings of each."""
    if not shutil.which("g++"):
        pytest.skip("needs g++")
    folder = tmp_path_factory.mktemp("machine")
    (folder / "runtime").mkdir()
    (folder / "runtime" / "clock.hpp").write_text(CLOCK)
    source, program = folder / "machine.cpp", folder / "machine"
    source.write_text(MACHINE)
    flags = ["-std=c++20", "-fopenmp", f"-I{folder}", f"-I{ROOT / 'src'}"]
    subprocess.run(["g++", *flags, source, "-o", program], check=True)

    def tell(*sentences):
        words = [str(word) for sentence in sentences for word in sentence]
        run = subprocess.run([program, *words], capture_output=True, text=True, check=True)
        return [tuple(map(float, line.split())) for line in run.stdout.splitlines()]

    return tell


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_threads_that_gain_are_used_in_every_call(machine, size):
    [(share, time, _)] = machine((AWAKE, 1000, size, GAINS, SOON))
    assert share == 1
    assert time == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("times", [0.6, 1, 10, 100])
def test_threads_that_always_lose_cost_a_twentieth_at_most(machine, size, times):
    [(share, time, _)] = machine((AWAKE, 5000, size, int(size * times), SOON))
    assert 0 < share < 0.2
    assert time < 1.06 if size == LARGE else time < 1.1


def test_they_are_tried_again_at_growing_intervals(machine):
    story = machine(*[(AWAKE, 1000, LARGE, 3_000_000, SOON)] * 6)
    shares = [share for share, _, _ in story]
    assert shares[0] > 2 * shares[1]
    assert 0 < sum(shares[3:]) < shares[0]


def test_threads_that_gain_again_are_used_again(machine):
    lose, regain = (AWAKE, 300, LARGE, 3_000_000, SOON), (AWAKE, 4000, LARGE, GAINS, SOON)
    *_, (share, time, _) = machine(lose, regain, (AWAKE, 1000, LARGE, GAINS, SOON))
    assert share == 1
    assert time == pytest.approx(0.5, rel=0.01)


def test_one_interruption_among_many_that_gained_changes_nothing(machine):
    gain, interruption = (AWAKE, 1000, LARGE, GAINS, SOON), (AWAKE, 1, LARGE, 3_000_000, SOON)
    story = machine(gain, interruption, gain)
    assert [share for share, _, _ in story] == [1, 1, 1]


def test_calls_of_one_length_say_nothing_of_those_of_another(machine):
    """What an interruption costs is much for a short one, and little for a long one."""
    (short, _, _), (long, _, _) = machine((AWAKE, 1000, SMALL, SMALL, SOON), (AWAKE, 100, LARGE, GAINS, SOON))
    assert short < 0.2
    assert long == 1


def test_workers_that_sleep_are_not_woken_by_a_short_call_between_other_work(machine):
    [(share, time, woken)] = machine((ASLEEP, 1000, SMALL, GAINS, LATER))
    assert (share, woken) == (0, 0)
    assert time == pytest.approx(1, rel=0.01)


def test_they_are_woken_by_short_calls_that_follow_each_other(machine):
    [(share, _, woken)] = machine((ASLEEP, 20, SMALL, GAINS, SOON))
    assert share == 0
    assert woken > 10


def test_a_long_call_wakes_them_itself(machine):
    [(share, _, _)] = machine((ASLEEP, 100, LARGE, GAINS, LATER))
    assert share == 1
