"""The threads behind the parallel region sleep when there is nothing to do, and wake when called."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src"

TEAM = """
#include <chrono>
#include <cstdio>
#include <thread>
#include "runtime/team.cpp"

// Whether so many workers are awake within five seconds.
bool awake_in_time(int count) {
    for (int wait = 0; wait < 5000; ++wait) {
        if (fastact::awake_workers() == count) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
}

// A worker lingers for 200 microseconds: who waits for it must not sleep, and calls again, since it may have
// been put aside for longer than that.
bool wakes() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (std::chrono::steady_clock::now() < end) {
        fastact::wake_workers();
        if (fastact::awake_workers() > 0) return true;
    }
    return false;
}

int main() {
    fastact::home.processors = fastact::processors_of_thread();
    std::printf("%d", fastact::workers(1));
    fastact::wake_workers();
    for (int round = 0; round < 5; ++round) std::printf(" %d%d", awake_in_time(0), wakes());
}
"""


@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
def test_a_worker_that_sleeps_wakes_whenever_it_is_called(tmp_path):
    """Also where it was called while it started, and had not slept yet."""
    source, program = tmp_path / "team.cpp", tmp_path / "team"
    source.write_text(TEAM)
    flags = ["-std=c++20", "-O2", "-fopenmp", "-pthread", f"-I{SOURCES}"]
    subprocess.run(["g++", *flags, source, "-o", program], check=True)
    run = subprocess.run([program], capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout.split() == ["1"] + ["11"] * 5
