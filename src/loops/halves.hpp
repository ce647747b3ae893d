// Half precision: how 16-bit values become floats, and floats 16-bit values.
//
// float16 (IEEE 754 binary16) and bfloat16 (a float's upper half) are storage only:
// elements.hpp computes them in float32. `widen` is exact. `narrow` rounds to nearest,
// ties to even, keeps subnormals, overflows to infinity, and keeps NaN, made quiet, with
// the upper bits of its payload. Both give the same bits at every CPU level.
//
// Vectors are spelled out (math/vectors.hpp), and the intrinsics of F16C and NEON for halves stand here alone: gcc 12
// does not vectorise float16 by itself, and bfloat16 with twice the instructions (ARCHITECTURE.md, "Half precision").
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "call.hpp"
#include "math/vectors.hpp"

namespace fastact {

using math::Floats;
using math::load;
using math::store;
using math::width;
using math::Words;

// Elements that are widened, computed and narrowed at a time: few enough to stay in registers.
inline constexpr Size together = 2 * width;

using Shorts [[gnu::vector_size(2 * width)]] = std::uint16_t;

inline Words words(Shorts bits) {
#if defined(__aarch64__)
    return Words(vmovl_u16(uint16x4_t(bits)));  // gcc 12 converts them one by one
#else
    return __builtin_convertvector(bits, Words);
#endif
}

// Of two values in a word the lower becomes a float by a shift, the upper by a mask. So the
// values at even positions come first, those at odd positions after them.
struct BFloat16 {
    std::uint16_t bits;

    static constexpr Size position(Size k) { return k % width * 2 + k / width; }

    static void widen(const BFloat16* from, float* to) {
        const Words pairs = load<Words>(from);
        store(pairs << 16, to);
        store(pairs & 0xffff0000, to + width);
    }
    static void narrow(const float* from, BFloat16* to) {
        store(rounded(load<Floats>(from)) >> 16 | (rounded(load<Floats>(from + width)) & 0xffff0000), to);
    }

    // In order: one register of floats, and as many as `narrow` takes.
    static Floats widened(Shorts bits) { return Floats(words(bits) << 16); }
    static void narrow_in_order(const float* from, BFloat16* to) {
        using Both [[gnu::vector_size(4 * width)]] = std::uint16_t;
        const Words first = rounded(load<Floats>(from)), second = rounded(load<Floats>(from + width));
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            store(__builtin_shufflevector(Both(first), Both(second), int(2 * I + 1)...), to);
        }(std::make_index_sequence<2 * width>());
    }

  private:
    // The result is in the upper half. One less than half of its last place is added, and that
    // one where the last bit is odd. That may overflow a NaN, which the mask makes one again.
    static Words rounded(Floats values) {
        const Words bits = Words(values);
        return (bits + 0x7fff + (bits >> 16 & 1)) | (Words(values != values) & 0x7fc00000);
    }
};

struct Float16 {
    std::uint16_t bits;

    static constexpr Size position(Size k) { return k; }

    static void widen(const Float16* from, float* to) {
        store(widened(load<Shorts>(from)), to);
        store(widened(load<Shorts>(from + width)), to + width);
    }
    static void narrow(const float* from, Float16* to) {
        store(narrowed(load<Floats>(from)), to);
        store(narrowed(load<Floats>(from + width)), to + width);
    }
    static void narrow_in_order(const float* from, Float16* to) { narrow(from, to); }

#if defined(__AVX512F__)
    static Floats widened(Shorts bits) { return _mm512_maskz_cvtph_ps(0xffff, __m256i(bits)); }
    static Shorts narrowed(Floats values) {
        return Shorts(_mm512_maskz_cvtps_ph(0xffff, values, _MM_FROUND_TO_NEAREST_INT));
    }
#elif defined(__F16C__) && defined(__AVX2__)
    static Floats widened(Shorts bits) { return _mm256_cvtph_ps(__m128i(bits)); }
    static Shorts narrowed(Floats values) {
        return Shorts(_mm256_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT));
    }
#elif defined(__aarch64__)
    static Floats widened(Shorts bits) {
        Floats values = vcvt_f32_f16(float16x4_t(bits));
        asm("" : "+w"(values));  // gcc would leave out both conversions of what is not changed, and a NaN not quiet
        return values;
    }
    static Shorts narrowed(Floats values) { return Shorts(vcvt_f16_f32(values)); }
#else
    // A float16's bits, moved to a float's places, are those of a number 2^-112 as large;
    // infinity and NaN need that step of the exponent twice. A subnormal's, put behind the
    // exponent of 2^-14, are 2^-14 too large.
    static Floats widened(Shorts bits) {
        const Words wide = words(bits), magnitude = (wide & 0x7fff) << 13;
        const Words special = magnitude >= 0x7c00 << 13 ? Words{} + (112 << 23) : Words{};
        const Words quiet = magnitude > 0x7c00 << 13 ? Words{} + 0x400000 : Words{};
        const Words normal = (magnitude + (112 << 23) + special) | quiet;
        const Floats subnormal = Floats(magnitude + (113 << 23)) - 0x1p-14f;
        const Words absolute = magnitude < 0x0400 << 13 ? Words(subnormal) : normal;
        return Floats(absolute | (wide & 0x8000) << 16);
    }

    // Below 2^-14 the sum with 1/2, whose last place is that of float16's subnormals, rounds;
    // above, what rounds up from 65504 becomes infinity by itself, up to 2^16.
    static Shorts narrowed(Floats values) {
        const Words bits = Words(values), magnitude = bits & 0x7fffffff;
        const Words normal = (magnitude - (112 << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
        const Words subnormal = Words(Floats(magnitude) + 0.5f) - (126 << 23);
        const Words finite = magnitude < 113 << 23 ? subnormal : normal;
        const Words special = values == values ? Words{} + 0x7c00 : 0x7e00 | (magnitude >> 13 & 0x3ff);
        const Words absolute = magnitude < 143 << 23 ? finite : special;
        return __builtin_convertvector(absolute | (bits >> 16 & 0x8000), Shorts);
    }
#endif
};

template <class T>
concept Half = std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;

// The dtype that values of dtype T are computed in.
template <class T> using Computed = std::conditional_t<Half<T>, float, T>;

}  // namespace fastact
