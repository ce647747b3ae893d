// Registers of floats, spelled out: gcc's and clang's vector types, whose operators work on each element.
//
// Everything else in src/math is written for one number and left to the vectoriser. What that cannot
// say is a table that lies in registers: an element's entry is found by a permutation, for which there
// are intrinsics alone, and they stand here alone (half precision's in loops/halves.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace fastact::math {

using Index = std::ptrdiff_t;

// float32 elements in one register
#if defined(__AVX512F__)
inline constexpr Index width = 16;
#elif defined(__AVX2__)
inline constexpr Index width = 8;
#else
inline constexpr Index width = 4;
#endif

using Floats [[gnu::vector_size(4 * width)]] = float;
using Words [[gnu::vector_size(4 * width)]] = std::uint32_t;

template <class Vector> Vector load(const void* from) {
    Vector vector;
    std::memcpy(&vector, from, sizeof vector);
    return vector;
}

template <class Vector> void store(Vector vector, void* to) { std::memcpy(to, &vector, sizeof vector); }

// Whether the level has instructions for what follows: fused multiply-adds, and tables of eight in registers.
#if defined(__AVX2__) || defined(__aarch64__)
inline constexpr bool has_tables = true;
#else
inline constexpr bool has_tables = false;
#endif

// Eight floats, as often as a register holds them.
struct Table {
    alignas(4 * width) float entries[width < 8 ? 8 : width];

    constexpr explicit Table(const float (&eight)[8]) : entries() {
        for (Index i = 0; i < Index(sizeof entries / sizeof *entries); ++i) entries[i] = eight[i % 8];
    }
};

// The entries at the lowest three bits of each word.
inline Floats entries(const Table& table, Words index) {
#if defined(__AVX512F__)
    return Floats(_mm512_maskz_permutexvar_ps(0xffff, __m512i(index), _mm512_load_ps(table.entries)));
#elif defined(__AVX2__)
    return Floats(_mm256_permutevar8x32_ps(_mm256_load_ps(table.entries), __m256i(index)));
#elif defined(__aarch64__)
    // The four bytes of each entry, by their places among 32.
    const Words bytes = (index & 7) * 0x04040404 + 0x03020100;
    return Floats(vqtbl2q_u8(vld1q_u8_x2(reinterpret_cast<const std::uint8_t*>(table.entries)), uint8x16_t(bytes)));
#else
    Floats found{};
    for (Index i = 0; i < width; ++i) found[i] = table.entries[index[i] & 7];
    return found;
#endif
}

inline Floats fma(Floats a, Floats b, Floats c) {
#if defined(__AVX512F__)
    return Floats(_mm512_fmadd_ps(__m512(a), __m512(b), __m512(c)));
#elif defined(__AVX2__)
    return Floats(_mm256_fmadd_ps(__m256(a), __m256(b), __m256(c)));
#elif defined(__aarch64__)
    return Floats(vfmaq_f32(float32x4_t(c), float32x4_t(a), float32x4_t(b)));
#else
    return a * b + c;
#endif
}

// `value - 0` is value, the negative zero too.
inline Floats splat(float value) { return value - Floats{}; }

// As for numbers (bits.hpp): of x and a bound that are equal, or not to be compared, x.
inline Floats at_most(float high, Floats x) {
    const Floats bound = splat(high);
#if defined(__AVX512F__)
    return Floats(_mm512_maskz_min_ps(0xffff, __m512(bound), __m512(x)));
#elif defined(__AVX2__)
    return Floats(_mm256_min_ps(__m256(bound), __m256(x)));
#else
    return x > bound ? bound : x;
#endif
}
inline Floats at_least(float low, Floats x) {
    const Floats bound = splat(low);
#if defined(__AVX512F__)
    return Floats(_mm512_maskz_max_ps(0xffff, __m512(bound), __m512(x)));
#elif defined(__AVX2__)
    return Floats(_mm256_max_ps(__m256(bound), __m256(x)));
#else
    return x < bound ? bound : x;
#endif
}

inline Words larger(Words a, Words b) {
#if defined(__AVX512F__)
    return Words(_mm512_maskz_max_epu32(0xffff, __m512i(a), __m512i(b)));
#elif defined(__AVX2__)
    return Words(_mm256_max_epu32(__m256i(a), __m256i(b)));
#else
    return a > b ? a : b;
#endif
}
inline bool any_above(std::uint32_t bound, Words words) {
#if defined(__AVX512F__)
    return _mm512_cmpgt_epu32_mask(__m512i(words), _mm512_set1_epi32(int(bound)));
#elif defined(__AVX2__)
    const __m256i bounds = _mm256_set1_epi32(int(bound)), largest = _mm256_max_epu32(__m256i(words), bounds);
    return _mm256_movemask_epi8(_mm256_cmpeq_epi32(largest, bounds)) != -1;
#else
    std::uint32_t largest = 0;
    for (Index i = 0; i < width; ++i) largest = words[i] > largest ? words[i] : largest;
    return largest > bound;
#endif
}

}  // namespace fastact::math
