// How arrays beyond the caches are gone through (call.hpp, Passing), found out where it first matters.
//
// What asking for lines ahead and streaming past the caches are worth is a property of the processor: they double
// a kernel's speed on one and cost it a third on another (ARCHITECTURE.md, "Large arrays"). So the first large calls
// of a kernel try: pieces of the array take the ways in turns, and the best pieces of each are compared. Bits do not
// depend on it, nothing is computed twice, and what a trial costs is what the worse ways lose on their pieces.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <tuple>

#include "call.hpp"

namespace fastact {

// Ways by number: 1 asks, 2 streams. In place nothing is streamed.
inline constexpr int most_ways = 4, ways_in_place = 2;
inline Passing way(int number) { return {bool(number & 1), bool(number & 2)}; }

// Nanoseconds per unit of the fastest piece of each way.
using Fastest = std::array<std::atomic<float>, most_ways>;

// What one kernel does with arrays of one dtype, in place or not.
class Choice {
  public:
    static constexpr int trials = 3;
    // Another way than the plain one has to be so much faster, or it is taken for noise.
    static constexpr float gain = 0.97f;

    int chosen() const { return found.load(std::memory_order_relaxed); }
    // How much slower each way was than the best one, as the mean of the trials.
    float loss(int number) const { return losses[number].load(std::memory_order_relaxed) / trials; }
    int ended() const { return tried.load(std::memory_order_relaxed); }

    // Threads that end trials at once may lose one of each other, which is then made again.
    void settle(const Fastest& fastest, int ways) {
        if (chosen() >= 0) return;
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
    std::atomic<int> found{-1}, tried{0};
    std::array<std::atomic<float>, most_ways> losses{};
};

class Choices {
  public:
    // `priced`: the work itself, or what its kernel brings arrays to.
    Choice& of(const Work& work, const Work& priced, int dtype, bool in_place) {
        const std::lock_guard held(lock);
        return choices[{&work, &priced, dtype, in_place}];
    }
    // Null where there was no trial.
    const Choice* known(const Work& work, int dtype, bool in_place) {
        const std::lock_guard held(lock);
        const auto found = choices.find({&work, &work, dtype, in_place});
        return found == choices.end() ? nullptr : &found->second;
    }
    // Every choice is that way, -1 for what is measured.
    std::atomic<int> fixed{-1};

  private:
    std::mutex lock;
    std::map<std::tuple<const Work*, const Work*, int, bool>, Choice> choices;
};

inline Choices choices;

}  // namespace fastact
