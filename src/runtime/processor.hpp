// What the dispatcher asks of the processor and the compiler: compiled for the baseline, so that it
// runs everywhere.
#pragma once

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace fastact {

#if defined(__x86_64__)
// What decides the level: words of CPUID, a bit per feature, and which registers the operating system
// saves (XCR0).
struct Features {
    unsigned basic, structured, extended;  // ecx of leaf 1, ebx of leaf 7, ecx of leaf 0x80000001
    unsigned saved;
};

// The highest level of which there is every feature, and not only those that the kernels are known to use: a
// compiler told -march=x86-64-v3 may write any of its instructions, and one that is missing need not stop the
// process (LZCNT runs as BSR, and gives other numbers). The bits themselves, since gcc 11 and older clangs cannot be
// asked for a level by name.
constexpr int level_of(const Features& has) {
    constexpr Features v3{
        // What v2 has is the first line.
        bit_SSE3 | bit_SSSE3 | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT | bit_CMPXCHG16B |
            bit_AVX | bit_F16C | bit_FMA | bit_MOVBE | bit_OSXSAVE,
        bit_AVX2 | bit_BMI | bit_BMI2,
        bit_LAHF_LM | bit_LZCNT,
        0x06,  // xmm, ymm
    };
    constexpr Features v4{
        0,
        unsigned(bit_AVX512F) | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL,
        0,
        0xe0,  // masks, zmm
    };
    const auto all = [&has](const Features& of) {
        return (has.basic & of.basic) == of.basic && (has.structured & of.structured) == of.structured &&
               (has.extended & of.extended) == of.extended && (has.saved & of.saved) == of.saved;
    };
    return !all(v3) ? 1 : !all(v4) ? 3 : 4;
}

// Of the processor at hand: no bits where it does not know a leaf.
inline Features features() {
    Features found{};
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d)) found.basic = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) found.structured = b;
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) found.extended = c;
    if (found.basic & bit_OSXSAVE) __asm__("xgetbv" : "=a"(found.saved), "=d"(d) : "c"(0));
    return found;
}
#endif

// The highest x86-64 level that processor and operating system support; 0 on other architectures.
inline int supported_level() {
#if defined(__x86_64__)
    return level_of(features());
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
