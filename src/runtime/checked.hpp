// Parameters that were checked last, so that the next call with the same need not check them.
#pragma once

#include <atomic>

namespace fastact {

// A reader that meets a writer sees that the count is odd or has moved on, and takes nothing of what it
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
