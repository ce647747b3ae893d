// How many threads a call is worth, and what each of them takes.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <utility>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "call.hpp"

namespace fastact {

// Thread counts: one for the process, and one for the calling thread inside
// `with num_threads(n)`. In a forked child the OpenMP runtime's threads are gone
// and a parallel region would wait for them for ever (GCC PR 60035), so the child
// computes on one thread.
inline std::atomic<int> process_threads{1};
inline thread_local int scoped_threads = 0;
inline std::atomic<bool> forked{false};

inline int current_threads() {
    if (forked.load(std::memory_order_relaxed)) return 1;
    return scoped_threads ? scoped_threads : process_threads.load(std::memory_order_relaxed);
}

inline void set_process_threads(int count) { process_threads = count; }
inline int exchange_scoped_threads(int count) { return std::exchange(scoped_threads, count); }

inline void watch_forks() {
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(nullptr, nullptr, [] { forked = true; });
#endif
}

// A thread is worth waking for this many nanoseconds of work: entering a parallel
// region costs about two microseconds.
inline constexpr float share_ns = 4000;

// Elements on which a kernel's cost is measured; arrays no larger run on one thread.
inline constexpr Size sample_size = 512;

// Nanoseconds per element, measured where a kernel is first asked whether threads pay, on memory that
// holds ordinary numbers of any dtype: the fastest of a few runs, each of several calls, since reading
// the clock takes as long as a light one. So the answer is right for the processor, the CPU level, the
// direction and the dtype; it stays for the life of the process. Threads that measure at once come to
// the same, and any of their figures will do.
inline float measured_cost(const Work& work, int dtype, const double* parameters) {
    static const auto sample = [] {
        std::array<double, sample_size> numbers;
        std::memset(&numbers, 0x3f, sizeof numbers);
        return numbers;
    }();
    double result[sample_size];
    Call call{parameters, {&sample, &sample, &sample}, {result, nullptr}, {1, 1, sample_size}, {0, 1}, sample_size, 2};
    if (work.units == Units::outputs) call.axis = {1, sample_size / 2, 1}, call.in[2] = nullptr;
    if (work.units == Units::columns) call.axis = {1, sample_size, 1};
    if (work.units == Units::ranges) call.group = sample_size, call.out[1] = result;
    using Clock = std::chrono::steady_clock;
    constexpr int runs = 4, calls = 4;
    Clock::duration least = Clock::duration::max();
    for (int run = 0; run < runs; ++run) {
        const Clock::time_point start = Clock::now();
        for (int repeat = 0; repeat < calls; ++repeat) work.kernel[dtype](call, 0, work.count(call));
        least = std::min(least, Clock::now() - start);
    }
    // Not 0, by the coarsest of clocks: that means not measured.
    return std::max(std::chrono::duration<float, std::nano>(least).count(), 1.0f) / float(calls * sample_size);
}

inline float cost(const Work& work, int dtype, const double* parameters) {
    float known = work.cost[dtype].load(std::memory_order_relaxed);
    if (known == 0) {
        known = measured_cost(work, dtype, parameters);
        work.cost[dtype].store(known, std::memory_order_relaxed);
    }
    return known;
}

// Threads, and the units of each: where they share one row after another, its segments, in `stages`
// that all of them end before the next begins.
struct Plan {
    int threads;
    Size units, grain, stages;

    Size bound(int thread) const {
        return thread == threads ? units : units / grain * thread / threads * grain;
    }
};

inline Plan plan(const Work& work, int dtype, const Call& call) {
    const Size units = work.count(call);
    const int available = current_threads();
    if (available == 1 || call.size <= sample_size) return {1, units, 1, 1};
    const float shares = float(call.size) * cost(work, dtype, call.parameters) / share_ns;
    const int worth = shares < 2 ? 1 : int(std::min(shares, float(available)));
    if (work.phases && units < worth && call.axis.inner == 1 && call.axis.length >= worth * segment)
        return {worth, (call.axis.length + segment - 1) / segment, 1, call.axis.outer * work.phases};
    return {int(std::min(units, Size(worth))), units, work.grain, 1};
}

// Parameters that were checked last, so that the next call with the same need not check them. A
// reader that meets a writer sees that the count is odd or has moved on, and takes nothing of what it
// read: half of one pair and half of another was never checked.
template <int most> class Checked {
  public:
    bool equal(const double* values, int count) const {
        const unsigned before = sequence.load(std::memory_order_acquire);
        bool same = before % 2 == 0;
        for (int i = 0; i < count; ++i) same &= numbers[i].load(std::memory_order_relaxed) == values[i];
        std::atomic_thread_fence(std::memory_order_acquire);
        return same && sequence.load(std::memory_order_relaxed) == before;
    }

    // One writer at a time; what another one would have kept is checked again when it is next met.
    void keep(const double* values, int count) {
        unsigned before = sequence.load(std::memory_order_relaxed);
        if (before % 2 || !sequence.compare_exchange_strong(before, before + 1, std::memory_order_acquire)) return;
        std::atomic_thread_fence(std::memory_order_release);
        for (int i = 0; i < count; ++i) numbers[i].store(values[i], std::memory_order_relaxed);
        sequence.store(before + 2, std::memory_order_release);
    }

  private:
    std::atomic<unsigned> sequence{0};
    std::atomic<double> numbers[most] = {};
};

}  // namespace fastact
