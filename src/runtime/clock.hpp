// Nanoseconds: of a clock that never goes back, and of what the calling thread has computed.
#pragma once

#include <chrono>
#include <ctime>

namespace fastact {

using Time = long long;

inline Time now() {
    using namespace std::chrono;
    return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

// Without the time in which others had its processor, where the system tells.
inline Time computed() {
#if defined(CLOCK_THREAD_CPUTIME_ID)
    timespec time;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0) return Time(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
#endif
    return now();
}

}  // namespace fastact
