// How many threads a call is worth, and what each of them takes.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cfenv>
#include <cstring>
#include <limits>

#include "call.hpp"
#include "runtime/clock.hpp"
#include "runtime/judgement.hpp"
#include "runtime/passing.hpp"
#include "runtime/shares.hpp"
#include "runtime/team.hpp"

namespace fastact {

// A thread is worth this many nanoseconds of work where it is awake, since the last call is a moment ago:
// entering a parallel region costs about two microseconds. One that sleeps takes tens of them to come, so a
// call of less only wakes it, if another one has just ended, for those that follow.
inline constexpr float share_ns = 4000, waking_share_ns = 20000;

// Threads' shares are cut in pieces of at least so long, which others take from one that is late.
inline constexpr float piece_ns = 50000;
inline constexpr int most_pieces = 8;

inline constexpr float often_interrupted_ns = 100000;

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
    double result[2 * sample_size] = {};
    Call call{parameters, {&sample, &sample, &sample}, {result, nullptr}, {1, 1, sample_size}, {0, 1}, sample_size, 2};
    if (work.units == Units::outputs) call.axis = {1, sample_size / 2, 1}, call.in[2] = nullptr;
    if (work.units == Units::columns) call.axis = {1, sample_size, 1};
    if (work.units == Units::ranges) call.group = sample_size, call.out[1] = result;
    if (work.units == Units::bundles || work.units == Units::tiles)
        call.axis = {4, sample_size / 4, 1}, call.place = {0, sample_size / 4}, call.group = 4,
        call.out[1] = result + sample_size;
    if (work.units == Units::channels) call.axis = {4, 1, sample_size / 4}, call.out[1] = result + sample_size;
    if (work.units == Units::states) {
        call.axis = {1, sample_size / most_parts, 1};
        call.in[3] = call.in[4] = &sample, call.out[1] = call.out[2] = result;
    }
    constexpr int runs = 4, calls = 4;
    Time least = 1'000'000'000;
    for (int run = 0; run < runs; ++run) {
        const Time start = now();
        for (int repeat = 0; repeat < calls; ++repeat) work.kernel[dtype](call, 0, work.count(call));
        least = std::min(least, now() - start);
    }
    // Not 0, by the coarsest of clocks: that means not measured.
    return float(std::max(least, Time(1))) / float(calls * sample_size);
}

inline float cost(const Work& work, int dtype, const double* parameters) {
    float known = work.cost[dtype].load(std::memory_order_relaxed);
    if (known == 0) {
        known = measured_cost(work, dtype, parameters);
        work.cost[dtype].store(known, std::memory_order_relaxed);
    }
    return known;
}

// No thread is worth asking for; what is not measured yet may be.
inline bool one_thread_will_do(const Work& work, int dtype, Size size) {
    const float known = work.cost[dtype].load(std::memory_order_relaxed);
    return size <= sample_size || (known != 0 && float(size) * known < 2 * share_ns);
}

inline Accounts accounts;

// False where threads shall be used wherever there is work for them, so that a test of their bits tests them
// on a busy machine too.
inline std::atomic<bool> judged{true};

inline std::atomic<Time> last_end{0};

// The caller's floating-point mode (rounding, flushing to zero) holds on all threads of a call, so that
// bits do not depend on who computes them.
class FloatMode {
  public:
    FloatMode(const std::fenv_t& wanted, bool differs) : differs(differs) {
        if (differs) std::fegetenv(&own), std::fesetenv(&wanted);
    }
    ~FloatMode() {
        if (differs) std::fesetenv(&own);
    }

  private:
    bool differs;
    std::fenv_t own;
};

// The threads of a call, and the units of each piece of it. Where threads share one row after another,
// the units are its segments, in `stages` that all of them end before the next begins.
class Plan {
  public:
    int threads = 1;
    Size units, grain = 1, stages = 1;
    std::fenv_t mode;

    // Whether the call is worth more than one thread, of those available, at the cost of `priced`: the work
    // itself, or what a kernel brings arrays to.
    bool shares(const Work& work, const Work& priced, int dtype, const Call& call, int available) {
        one_thread = float(call.size) * cost(priced, dtype, call.parameters);
        if (one_thread < 2 * share_ns) return false;
        start = now();
        const int most = std::min({int(one_thread / share_ns), available, most_shares});
        if (!judged.load(std::memory_order_relaxed)) {
            divide(work, dtype, call, most);
        } else if (Account& account = accounts.of(one_thread); account.trusts(one_thread)) {
            const int worth = std::max(1 + awake_workers(), int(one_thread / waking_share_ns));
            if (worth < most && start - last_end.load(std::memory_order_relaxed) < linger_ns) {
                workers(most - 1);
                const Time begin = now();
                wake_workers();
                account.settle(0, float(now() - begin));
            }
            divide(work, dtype, call, std::min(worth, most));
        }
        if (threads > 1) std::fegetenv(&mode);
        return threads > 1;
    }

    // How the call goes through its arrays, on whatever threads: as was found to be best, or in all ways in turns.
    // Where threads share a row in stages there is no trial.
    void see(const Work& work, const Work& priced, int dtype, Call& call, bool in_place) {
        call.passing = {};
        const Size bytes = call.size * (dtype == 0 ? 4 : dtype == 1 ? 8 : 2);
        if (bytes <= cached || work.in_stages(dtype, call.axis)) return;
        const Situation situation = Situation::of(bytes, call.out[0], in_place);
        const int fixed = choices.fixed.load(std::memory_order_relaxed);
        Choice* const choice = fixed < 0 ? &choices.of(work, priced, dtype, situation) : nullptr;
        const int known = choice ? choice->chosen() : fixed;
        if (known >= 0) {
            call.passing = way(known);
        } else if (ways = situation.ways(); work.count(call) >= ways * trial_pieces) {
            trial = choice;
            for (auto& time : fastest) time.store(std::numeric_limits<float>::max(), std::memory_order_relaxed);
        }
    }
    // On the calling thread alone, where it needs pieces: for a trial.
    bool tries_alone(const Work& work, const Call& call) {
        if (!trial) return false;
        threads = 1;
        units = work.count(call), grain = work.grain;
        count = int(std::min(units, Size(ways * trial_pieces)));
        begin_stage();
        return true;
    }
    void compute(Kernel kernel, const Call& call, int piece) {
        if (!trial) return kernel(call, bound(piece), bound(piece + 1));
        const int number = (piece + trial->ended()) % ways;
        Call own = call;
        own.passing = way(number);
        const Time begin = now();
        kernel(own, bound(piece), bound(piece + 1));
        const float time = float(now() - begin) / float(bound(piece + 1) - bound(piece));
        float known = fastest[number].load(std::memory_order_relaxed);
        while (time < known && !fastest[number].compare_exchange_weak(known, time, std::memory_order_relaxed)) {}
    }

    // The next piece for a thread; -1 where all are taken.
    int take(int thread) { return pieces.take(int(Size(thread) * pieces.size() / threads)); }

    Size bound(int piece) const {
        return piece == pieces.size() ? units : units / grain * piece / pieces.size() * grain;
    }

    void begin_stage() { pieces.open(count); }

    // Where the system gives fewer. That workers had to be started first is nothing to judge them by.
    void reduce(int available) {
        threads = std::min(threads, available);
        start = now();
    }

    // By the calling thread: how much it did in how long says what the call would have taken on it alone, at
    // the memory's speed. Interruptions are left out, since threads bring them about: where there is just one
    // processor to spare, the caller itself has to wait for it. Asking for that takes longer than to read a
    // clock, and is worth it where a call is long enough to be interrupted often.
    Time own_clock() const { return one_thread > often_interrupted_ns ? computed() : now(); }
    void note(Time begin, int done) { own_time += own_clock() - begin, own_pieces += done; }

    void end() {
        if (trial && count >= ways * trial_pieces) trial->settle(fastest, ways);
        if (!start) return;
        const Time time = now();
        last_end.store(time, std::memory_order_relaxed);
        if (own_pieces) {
            const float alone = float(own_time) * float(stages) * float(count) / float(own_pieces);
            accounts.of(one_thread).settle(alone, float(time - start));
        }
    }

  private:
    // Of each way in a trial.
    static constexpr int trial_pieces = 4;

    Choice* trial = nullptr;
    int ways = 1;
    Fastest fastest;
    Shares pieces;
    int count = 1, own_pieces = 0;
    float one_thread = 0;
    Time start = 0, own_time = 0;

    void divide(const Work& work, int dtype, const Call& call, int worth) {
        units = work.count(call);
        threads = worth;
        const bool shared = work.phases && units < worth && call.axis.inner == 1 && call.axis.length >= worth * segment;
        if (shared || work.in_stages(dtype, call.axis)) {
            units = segments_of(call.axis.length);
            threads = int(std::min(units, Size(worth)));
            stages = call.axis.outer * work.phases;
            count = threads;
            trial = nullptr;
            return;
        }
        threads = int(std::min(units, Size(worth)));
        grain = work.grain;
        const float cuts = std::clamp(one_thread / float(threads) / piece_ns, 1.0f, float(most_pieces));
        // As many pieces for each thread, so that it begins at the same unit whatever they cost: pages stay near it.
        const int tried = trial ? (ways * trial_pieces + threads - 1) / threads : 1;
        count = int(std::min(units, Size(std::min(threads * std::max(int(cuts), tried), most_shares))));
    }
};

// A thread's part in the parallel region: pieces until all are taken.
inline void take_part(Kernel kernel, const Call& call, Plan& plan, int thread) {
    const FloatMode mode(plan.mode, thread != 0);
    const Time begin = thread ? 0 : plan.own_clock();
    int done = 0;
    for (int piece; (piece = plan.take(thread)) >= 0; ++done) plan.compute(kernel, call, piece);
    if (thread == 0) plan.note(begin, done);
}

}  // namespace fastact
