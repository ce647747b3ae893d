// The threads behind the parallel region.
#pragma once

#include "runtime/clock.hpp"
#include "runtime/shares.hpp"

namespace fastact {

// Whether the region of share.pxi runs on the threads of team.cpp: gcc's calls of its OpenMP runtime are
// answered there, where symbols of a module go before those of a library. Elsewhere the compiler's own
// runtime runs it.
#if defined(_OPENMP) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define FASTACT_TEAM 1
#else
#define FASTACT_TEAM 0
#endif

// A worker waits so long for another region before it sleeps, and lets whoever wants its processor go
// first: a product of matrices that follows a call finds it free, and calls that follow each other find the
// workers awake.
inline constexpr Time linger_ns = 200'000;

#if FASTACT_TEAM
// Starts workers until there are so many, where the system gives them; how many there are.
int workers(int wanted);
// How many linger.
int awake_workers();
// Wakes all of them for the calls to come: a processor that has nothing to do takes long to begin.
void wake_workers();
#else
inline int workers(int wanted) { return wanted; }
inline int awake_workers() { return most_shares; }
inline void wake_workers() {}
#endif

}  // namespace fastact
