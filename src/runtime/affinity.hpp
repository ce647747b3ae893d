// The processors that a call may use, now: others narrow a process after it was started, or a thread.
#pragma once

#include <array>
#include <bit>
#include <numeric>

#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "runtime/clock.hpp"

namespace fastact {

// Numbers of processors; none of them where the system does not tell, or has more than fit.
struct Processors {
    static constexpr int most = 4096, bits = 8 * sizeof(unsigned long);
    std::array<unsigned long, most / bits> words{};

    void add(int processor) {
        if (processor < most) words[processor / bits] |= 1ul << processor % bits;
    }
    void remove(int processor) {
        if (0 <= processor && processor < most) words[processor / bits] &= ~(1ul << processor % bits);
    }
    int count() const {
        return std::accumulate(words.begin(), words.end(), 0,
                               [](int sum, unsigned long word) { return sum + std::popcount(word); });
    }
    bool operator==(const Processors&) const = default;
};

inline Processors processors_of_thread() {
    Processors processors;
#if defined(__linux__)
    // The system call itself: the C library's masks end at 1,024.
    if (syscall(SYS_sched_getaffinity, 0, sizeof processors.words, processors.words.data()) < 0) return {};
#endif
    return processors;
}

// Those of the process, and what the importing thread was left with by an OpenMP runtime that binds its
// threads to places. Where the environment asks for such places, a thread's own processors say nothing of
// what a call may use.
struct Home {
    Processors processors, bound;
    bool followed = false;
};
inline Home home;

inline const Processors& allowed_processors() {
    constexpr Time fresh = 1'000'000;
    struct Known {
        Processors processors;
        Time since = -fresh;
    };
    thread_local Known known;
    if (!home.followed) return home.processors;
    const Time time = now();
    if (time - known.since > fresh) {
        const Processors own = processors_of_thread();
        known.processors = own == home.bound ? home.processors : own;
        known.since = time;
    }
    return known.processors;
}

}  // namespace fastact
