// What the dispatcher asks of the processor and the compiler: compiled for the baseline, so that it
// runs everywhere.
#pragma once

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

inline const char* compiler() { return __VERSION__; }

// The version date of the OpenMP specification, 0 where there is none.
inline int openmp() {
#if defined(_OPENMP)
    return _OPENMP;
#else
    return 0;
#endif
}

}  // namespace fastact
