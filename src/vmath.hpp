// Elementary functions for float and double that a compiler can vectorise.
//
// Plain inline templates without branches, libm or intrinsics: inside a loop each
// becomes straight SIMD code at every CPU level. Where the level has a fused
// multiply-add, the formulas use it explicitly and the compiler must not form
// others (-ffp-contract=off), so that vector body and scalar tail, v3 and v4,
// give the same bits. Without one (v1), results may differ within the errors given.
//
// Comparisons are written so that NaN falls through to the operand that keeps it.
// Errors are in ULP of the correctly rounded result, subnormal results included:
// over all 2^32 inputs for float, over 10^8 or more for double. The tables are
// minimax fits of tools/minimax.py, which prints them; "cost" is in operations on
// the multiply-add pipes, integer operations and blends beside them not counted.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

namespace fastact::math {

// -- Tables, printed by tools/minimax.py ------------------------------------

// (e^r - 1 - r) / r^2 where |r| <= ln(2) / 2, relative to e^r
template <class T> inline constexpr T exp_tail = 0;
// error 2^-27.78
template <> inline constexpr float exp_tail<float>[] = {
    0.49999994f,
    0.1666652f,
    0.041668396f,
    0.008368799f,
    0.0013814417f};
// error 2^-56.63
template <> inline constexpr double exp_tail<double>[] = {
    0.5000000000000011,
    0.1666666666666641,
    0.04166666666652891,
    0.008333333333495794,
    0.0013888888944005857,
    0.0001984126950464732,
    2.4801492667714793e-05,
    2.755758723795812e-06,
    2.7630415201373615e-07,
    2.5000061777155735e-08};
// (e^r - 1 - r) / r^2 where |r| <= 3/4 ln(2), relative to e^r - 1
template <class T> inline constexpr T expm1_tail = 0;
// error 2^-29.35
template <> inline constexpr float expm1_tail<float>[] = {
    0.5f,
    0.16666667f,
    0.041666657f,
    0.008333108f,
    0.0013889379f,
    0.0001998493f,
    2.4790006e-05f};
// error 2^-56.39
template <> inline constexpr double expm1_tail<double>[] = {
    0.5,
    0.16666666666666669,
    0.041666666666668066,
    0.008333333333332115,
    0.0013888888888463498,
    0.00019841269843166043,
    2.48015878480853e-05,
    2.7557317995531595e-06,
    2.755697990157073e-07,
    2.5052412638048115e-08,
    2.0977530226674763e-09,
    1.6060341687709202e-10};
// (e^r - 1 - r) / r^2 where -3/4 ln(2) <= r <= 1/4 ln(2), relative to e^r - 1
template <class T> inline constexpr T expm1_negative_tail = 0;
// error 2^-28.46
template <> inline constexpr float expm1_negative_tail<float>[] = {
    0.5f,
    0.16666669f,
    0.04166706f,
    0.00833334f,
    0.0013797347f,
    0.00017101686f};
// error 2^-58.47
template <> inline constexpr double expm1_negative_tail<double>[] = {
    0.5,
    0.1666666666666668,
    0.04166666666666679,
    0.008333333333314409,
    0.0013888888888223861,
    0.00019841269916356162,
    2.4801591877074196e-05,
    2.7557301883853224e-06,
    2.754986536103566e-07,
    2.481923554606078e-08,
    1.7813771803197456e-09};
// (tanh(x) - x) / x^3 in u = x^2 where |x| <= 0.55, relative to tanh(x)
template <class T> inline constexpr T tanh_tail = 0;
// error 2^-27.95
template <> inline constexpr float tanh_tail<float>[] = {
    -0.33333316f,
    0.13332585f,
    -0.053852197f,
    0.021071184f,
    -0.0062734964f};
// error 2^-55.37
template <> inline constexpr double tanh_tail<double>[] = {
    -0.3333333333333231,
    0.13333333333168199,
    -0.05396825387583147,
    0.02186948596890907,
    -0.008863194425023821,
    0.003591719058503604,
    -0.001453213583341265,
    0.000579127542742657,
    -0.00021028680983409303,
    5.101061284546364e-05};

// -- Bits ----------------------------------------------------------------------

template <class T> using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

template <class T> inline constexpr int mantissa_bits = std::numeric_limits<T>::digits - 1;
template <class T> inline constexpr Bits<T> sign_bit = Bits<T>(1) << (8 * sizeof(T) - 1);
template <class T> inline constexpr Bits<T> one_bits = std::bit_cast<Bits<T>>(T(1));

template <class T> Bits<T> bits(T x) { return std::bit_cast<Bits<T>>(x); }
template <class T> T from_bits(Bits<T> b) { return std::bit_cast<T>(b); }

template <class T> T abs(T x) { return from_bits<T>(bits(x) & ~sign_bit<T>); }

// `magnitude`, which must not be negative, with the sign of `sign`.
template <class T> T with_sign(T magnitude, T sign) {
    return from_bits<T>(bits(magnitude) | (bits(sign) & sign_bit<T>));
}

// a * b + c, rounded once where the CPU level can.
template <class T> T fma(T a, T b, T c) {
#if defined(__FMA__) || defined(__aarch64__)
    if constexpr (sizeof(T) == 4)
        return __builtin_fmaf(a, b, c);
    else
        return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
}

// c[0] + c[1] u + c[2] u^2 + ...
template <class T, std::size_t N> T horner(T u, const T (&c)[N]) {
    T sum = c[N - 1];
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        ((sum = fma(sum, u, c[N - 2 - I])), ...);
    }(std::make_index_sequence<N - 1>());
    return sum;
}

// -- Exponentials ----------------------------------------------------------------

// ln 2 in two parts. The first has so few bits that its product with any exponent
// of a float (double) is exact without a fused multiply-add too.
template <class T> inline constexpr T ln2_high = T(sizeof(T) == 4 ? 0x1.62e4p-1 : 0x1.62e42fefa38p-1);
template <class T>
inline constexpr T ln2_low = T(sizeof(T) == 4 ? 0x1.7f7d1cf79abcap-20 : 0x1.ef35793c7673p-45);
template <class T> inline constexpr T log2_e = T(0x1.71547652b82fep0);

// Adding this rounds to an integer n and leaves n in the lowest bits of the sum.
template <class T> inline constexpr T rounder = T(sizeof(T) == 4 ? 0x1.8p23 : 0x1.8p52);

// x = n ln 2 + r, where n is the integer nearest x / ln 2 + bias.
template <class T> struct Reduced {
    T r;
    Bits<T> n;

    // 2^(n + offset)
    T power(int offset = 0) const {
        return from_bits<T>((n << mantissa_bits<T>)+one_bits<T> + (Bits<T>(offset) << mantissa_bits<T>));
    }
};
template <class T> Reduced<T> reduce_to(T x, T shifted) {
    const T n = shifted - rounder<T>;
    return {fma(n, -ln2_low<T>, fma(n, -ln2_high<T>, x)), bits(shifted)};
}
template <class T> Reduced<T> reduce(T x) { return reduce_to(x, fma(x, log2_e<T>, rounder<T>)); }
template <class T> Reduced<T> reduce(T x, T bias) {
    return reduce_to(x, fma(x, log2_e<T>, bias) + rounder<T>);
}

// e^r where |r| <= ln(2) / 2.
template <class T> T exp_reduced(T r) { return fma(r, fma(r, horner(r, exp_tail<T>), T(1)), T(1)); }

// e^x = m * s * s.
template <class T> struct Scaled {
    T m, s;
};

// Beyond these, m * s * s is 0 or infinity, even times the largest finite number.
template <class T> inline constexpr T exp_limit = T(sizeof(T) == 4 ? 174 : 1416);

// e^x in parts that neither overflow nor underflow: 0.7 < m < 2.9 and s = 2^k, for
// every x. m is within 0.9 ULP (float) and 0.8 ULP (double).
// Method: x = (2k + i) ln 2 + r, m = 2^i e^r, a polynomial of degree 6 (11). Cost 10 (15).
template <class T> Scaled<T> exp_parts(T x) {
    const T above = x < -exp_limit<T> ? -exp_limit<T> : x;
    const T inside = above > exp_limit<T> ? exp_limit<T> : above;
    const auto [r, n] = reduce(inside);
    constexpr Bits<T> unit = Bits<T>(1) << mantissa_bits<T>;
    const Bits<T> half = n << (mantissa_bits<T> - 1);
    const T s = from_bits<T>((half & ~(unit - 1)) + one_bits<T>);
    const T odd = from_bits<T>(((half + half) & unit) + one_bits<T>);
    return {exp_reduced(r) * odd, s};
}

// e^x for every x. Cost 12 (17).
template <class T> T exp(T x) {
    const auto e = exp_parts(x);
    return e.m * e.s * e.s;
}

// e^r - 1 where r^2 * tail = e^r - 1 - r.
template <class T> T expm1_reduced(T r, T tail) { return fma(r * r, tail, r); }

// e^x - 1 for x <= 0.
// Method: x = n ln 2 + r with -3/4 ln 2 < r < 1/4 ln 2: with n = 0 as far down as
// x = -0.52 nothing cancels in 2^n (e^r - 1) + (2^n - 1).
template <class T> T expm1_negative(T x) {
    const T above = x < -40 ? T(-40) : x;
    const auto reduced = reduce(above, T(0.25));
    const T s = reduced.power();
    const T p = expm1_reduced(reduced.r, horner(reduced.r, expm1_negative_tail<T>));
    return with_sign(fma(p, s, s - 1), x);
}

// e^x - 1 for every x.
// Method: as expm1_negative with the bias of the reduction on the side of x, so
// that n = 0 where |x| < 0.52; halves of the powers of two do not overflow.
template <class T> T expm1(T x) {
    constexpr T largest = sizeof(T) == 4 ? 89 : 710;
    const T above = x < -40 ? T(-40) : x;
    const T inside = above > largest ? largest : above;
    const auto reduced = reduce(inside, with_sign(T(0.25), -x));
    const T s = reduced.power(-1);
    const T p = expm1_reduced(reduced.r, horner(reduced.r, expm1_tail<T>));
    return abs(x) < std::numeric_limits<T>::epsilon() / 4 ? x : 2 * fma(p, s, s - T(0.5));
}

// tanh(x) for every x; never beyond 1, and 1 from |x| = 9.02 (19.1) on.
// Method: x + x^3 q(x^2) where |x| <= 0.55, otherwise 1 - 2 / (1 + e^2x).
template <class T> T tanh(T x) {
    constexpr T largest = sizeof(T) == 4 ? 20 : 40;
    const T twice = 2 * abs(x);
    const auto reduced = reduce(twice > largest ? largest : twice);
    const T e = from_bits<T>(bits(exp_reduced(reduced.r)) + (reduced.n << mantissa_bits<T>));
    const T outer = with_sign(1 - 2 / (1 + e), x);
    const T u = x * x;
    const T inner = fma(x * u, horner(u, tanh_tail<T>), x);
    return twice > T(1.1) ? outer : inner;
}

}  // namespace fastact::math
