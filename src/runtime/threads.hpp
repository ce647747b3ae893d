// How many threads a call may use: what the process or `with num_threads(n)` says, within the limits that
// others set while it runs.
#pragma once

#include <algorithm>
#include <atomic>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(_OPENMP)
#include <omp.h>
#endif

#include "runtime/affinity.hpp"

namespace fastact {

inline std::atomic<int> process_threads{1};

// In a forked child the threads of the parent are gone, and a region would wait for them for ever (GCC PR
// 60035), so the child computes on one thread.
inline std::atomic<bool> forked{false};

inline void watch_forks() {
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(nullptr, nullptr, [] { forked = true; });
#endif
}

// What OpenMP would give a region of this thread without being asked. threadpoolctl and omp_set_num_threads
// change that, for the calling thread; the value at import is OMP_NUM_THREADS' or the processors', which
// the start value has taken into account, so it is a limit only where it has changed.
inline int openmp_threads() {
#if defined(_OPENMP)
    return omp_get_max_threads();
#else
    return 0;
#endif
}
inline int openmp_threads_at_import = 0;

inline int within_openmp([[maybe_unused]] int wanted) {
#if defined(_OPENMP)
    if (omp_in_parallel()) return 1;
    const int given = openmp_threads();
    if (given != openmp_threads_at_import) wanted = std::min(wanted, given);
    if (omp_get_dynamic()) wanted = std::min(wanted, omp_get_num_procs());
    return std::min(wanted, omp_get_thread_limit());
#else
    return 1;
#endif
}

inline int within_affinity(int wanted) {
    const Processors& allowed = allowed_processors();
    if (allowed == home.processors) return wanted;
    const int count = allowed.count();
    return count ? std::min(wanted, count) : wanted;
}

// `wanted` by the context, 0 where it says nothing.
inline int available_threads(int wanted) {
    if (forked.load(std::memory_order_relaxed)) return 1;
    if (!wanted) wanted = process_threads.load(std::memory_order_relaxed);
    return wanted == 1 ? 1 : within_affinity(within_openmp(wanted));
}

// At import: the processors of the process, and whether a thread that has others was narrowed.
inline void settle_in(const Processors& processors, bool followed) {
    home = {processors, processors_of_thread(), followed};
    openmp_threads_at_import = openmp_threads();
    watch_forks();
}

}  // namespace fastact
