// Work in numbered shares, each done once, by whichever thread asks first.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace fastact {

inline constexpr int most_shares = 1024;

// A thread begins at a place of its own, so that on a quiet machine it meets the same share of the same
// array in every call, which its cache then holds; what others have not begun by then it takes from them.
class Shares {
  public:
    // While no other thread looks.
    void open(int number) {
        count = number;
        for (int word = 0; word * bits < number; ++word) taken[word].store(0, std::memory_order_relaxed);
    }

    // The first share from `place` on, round the end, that nobody has; -1 where there is none.
    int take(int place) {
        for (int step = 0; step < count; ++step) {
            const int share = place + step < count ? place + step : place + step - count;
            std::atomic<std::uint64_t>& word = taken[share / bits];
            const std::uint64_t bit = std::uint64_t(1) << share % bits;
            if (word.load(std::memory_order_relaxed) & bit) continue;
            if (!(word.fetch_or(bit, std::memory_order_relaxed) & bit)) return share;
        }
        return -1;
    }

    int size() const { return count; }

  private:
    static constexpr int bits = 64;
    int count = 0;
    std::array<std::atomic<std::uint64_t>, most_shares / bits> taken;
};

}  // namespace fastact
