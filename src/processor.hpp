// What the dispatcher asks of the machine and of the process: compiled for the
// baseline, so that it runs everywhere.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <type_traits>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(_OPENMP)
#include <omp.h>
#endif

namespace fastact {

// The highest x86-64 level that processor and operating system support; 0 on
// other architectures. The compiler's own test includes the OS's saved state.
inline int supported_level() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2");
    const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
    return v4 ? 4 : v3 ? 3 : 1;
#else
    return 0;
#endif
}

// Nanoseconds per element of a kernel that these arguments run on `elements` of them: the fastest of
// a few runs, each of several calls, since reading the clock takes as long as a light one.
template <class... Parameters>
float measured_cost(std::ptrdiff_t elements, void (*kernel)(Parameters...),
                    std::type_identity_t<Parameters>... arguments) {
    using Clock = std::chrono::steady_clock;
    constexpr int runs = 4, calls = 4;
    Clock::duration least = Clock::duration::max();
    for (int run = 0; run < runs; ++run) {
        const Clock::time_point start = Clock::now();
        for (int call = 0; call < calls; ++call) kernel(arguments...);
        least = std::min(least, Clock::now() - start);
    }
    // Not 0, by the coarsest of clocks: that means not measured.
    return std::max(std::chrono::duration<float, std::nano>(least).count(), 1.0f) / float(calls * elements);
}

inline const char* compiler() { return __VERSION__; }

// The version date of the OpenMP specification, 0 where there is none.
inline int openmp() {
#if defined(_OPENMP)
    return _OPENMP;
#else
    return 0;
#endif
}

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

inline void watch_forks() {
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(nullptr, nullptr, [] { forked = true; });
#endif
}

}  // namespace fastact
