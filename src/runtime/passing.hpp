// How arrays beyond the caches are gone through (call.hpp, Passing), found out where it first matters.
//
// What asking for lines ahead and streaming past the caches are worth is a property of the processor: they double
// a kernel's speed on one and cost it a third on another (ARCHITECTURE.md, "Large arrays"). So the first large calls
// of a kernel try: pieces of the array take the ways in turns, and the best pieces of each are compared. Bits do not
// depend on it, nothing is computed twice, and what a trial costs is what the worse ways lose on their pieces.
//
// A result that a cache may keep is read from there by the next step of a program, which streaming would send to memory:
// a kernel gains less by it than whoever reads the result next loses (ARCHITECTURE.md, bench/read_next.py). No trial of a
// kernel alone sees that, so streaming is tried for large results only. And a page that nobody has touched is cleared by
// the system first, into the caches: a result on such pages is not streamed.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <compare>
#include <cstdint>
#include <map>
#include <mutex>
#include <tuple>

#include "call.hpp"

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace fastact {

// Ways by number: 1 asks, 2 streams.
inline constexpr int most_ways = 4;
inline Passing way(int number) { return {bool(number & 1), bool(number & 2)}; }

// Where results go: where an input is, to memory that was written before, or to memory that never was.
enum class Result { in_place, written, untouched };

// Whether nobody has touched the memory there, where a system says so.
inline bool is_untouched([[maybe_unused]] const void* address) {
#ifdef __linux__
    static const auto page = std::uintptr_t(sysconf(_SC_PAGESIZE));
    unsigned char resident = 1;
    const auto start = reinterpret_cast<std::uintptr_t>(address) / page * page;
    return mincore(reinterpret_cast<void*>(start), page, &resident) == 0 && !(resident & 1);
#else
    return false;
#endif
}

// What a choice holds for: arrays of about one size, and where their results go.
struct Situation {
    int reach;
    Result result;

    // 0 up to twice `cached`, then one more for each fourfold.
    static int reach_of(Size bytes) {
        int reach = 0;
        for (Size limit = 2 * cached; bytes > limit && reach < 3; limit *= 4) ++reach;
        return reach;
    }
    static Situation of(Size bytes, const void* out, bool in_place) {
        if (in_place) return {reach_of(bytes), Result::in_place};
        const bool fresh = out && is_untouched(static_cast<const char*>(out) + bytes / 2);
        return {reach_of(bytes), fresh ? Result::untouched : Result::written};
    }
    int ways() const { return result == Result::written && reach >= 2 ? most_ways : most_ways / 2; }
    auto operator<=>(const Situation&) const = default;
};

// Nanoseconds per unit of the fastest piece of each way.
using Fastest = std::array<std::atomic<float>, most_ways>;

// What one kernel does with arrays of one dtype in one situation.
class Choice {
  public:
    static constexpr int trials = 3;
    // Another way than the plain one has to be so much faster, or it is taken for noise.
    static constexpr float gain = 0.97f;

    int chosen() const { return found.load(std::memory_order_relaxed); }
    // How much slower each way was than the best one, as the mean of the trials.
    float loss(int number) const { return losses[number].load(std::memory_order_relaxed) / trials; }
    int ended() const { return tried.load(std::memory_order_relaxed); }
    int ways() const { return compared.load(std::memory_order_relaxed); }

    // Threads that end trials at once may lose one of each other, which is then made again.
    void settle(const Fastest& fastest, int ways) {
        if (chosen() >= 0) return;
        compared.store(ways);
        float best = fastest[0];
        for (int k = 1; k < ways; ++k) best = std::min(best, fastest[k].load());
        for (int k = 0; k < ways; ++k) losses[k].store(losses[k].load() + fastest[k] / best);
        const int count = tried.load() + 1;
        tried.store(count);
        if (count < trials) return;
        int least = 0;
        for (int k = 1; k < ways; ++k)
            if (losses[k].load() < losses[least].load() * (least ? 1 : gain)) least = k;
        found.store(least);
    }

  private:
    std::atomic<int> found{-1}, tried{0}, compared{0};
    std::array<std::atomic<float>, most_ways> losses{};
};

class Choices {
  public:
    // `priced`: the work itself, or what its kernel brings arrays to.
    Choice& of(const Work& work, const Work& priced, int dtype, Situation situation) {
        const std::lock_guard held(lock);
        return choices[{&work, &priced, dtype, situation}];
    }
    // Null where there was no trial.
    const Choice* known(const Work& work, int dtype, Size bytes, int result) {
        const std::lock_guard held(lock);
        const auto found = choices.find({&work, &work, dtype, {Situation::reach_of(bytes), Result(result)}});
        return found == choices.end() ? nullptr : &found->second;
    }
    // Every choice is that way, -1 for what is measured.
    std::atomic<int> fixed{-1};

  private:
    std::mutex lock;
    std::map<std::tuple<const Work*, const Work*, int, Situation>, Choice> choices;
};

inline Choices choices;

}  // namespace fastact
