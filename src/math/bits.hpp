// What every function of src/math is made of: the bits of a number, operations that round
// once or tell what they lost, and choices.
//
// src/math holds elementary functions for float and double that a compiler can vectorise:
// plain inline templates without branches, libm or intrinsics. Inside a loop each
// becomes straight SIMD code at every CPU level. Where the level has a fused
// multiply-add, the formulas use it explicitly and the compiler must not form
// others (-ffp-contract=off), so that vector body and scalar tail, v3 and v4,
// give the same bits. Without one (v1), results may differ within the errors given.
//
// Comparisons are written so that NaN falls through to the operand that keeps it.
// Errors are in ULP of the correctly rounded result, subnormal results included:
// over all 2^32 inputs for float, over 10^8 or more for double. "Cost" is in operations on
// the multiply-add pipes, integer operations and blends beside them not counted.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace fastact::math {

template <class T> using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

template <class T> inline constexpr int mantissa_bits = std::numeric_limits<T>::digits - 1;
template <class T> inline constexpr Bits<T> sign_bit = Bits<T>(1) << (8 * sizeof(T) - 1);
template <class T> inline constexpr Bits<T> exponent_mask = std::bit_cast<Bits<T>>(std::numeric_limits<T>::infinity());
template <class T> inline constexpr Bits<T> one_bits = std::bit_cast<Bits<T>>(T(1));

template <class T> Bits<T> bits(T x) { return std::bit_cast<Bits<T>>(x); }
template <class T> T from_bits(Bits<T> b) { return std::bit_cast<T>(b); }

template <class T> T abs(T x) { return from_bits<T>(bits(x) & ~sign_bit<T>); }

// `magnitude`, which must not be negative, with the sign of `sign`.
template <class T> T with_sign(T magnitude, T sign) {
    return from_bits<T>(bits(magnitude) | (bits(sign) & sign_bit<T>));
}

// `x` negated where `sign` is negative: |sign + x| = |sign| + this, for small x.
template <class T> T with_sign_of(T x, T sign) { return from_bits<T>(bits(x) ^ (bits(sign) & sign_bit<T>)); }

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

// The rounding error of `product` = a * b, exactly (without fma: Dekker 1971, and 0
// where its parts overflow or are subnormal).
template <class T> T product_error(T a, T b, T product) {
#if defined(__FMA__) || defined(__aarch64__)
    return fma(a, b, -product);
#else
    constexpr T splitter = T(sizeof(T) == 4 ? 4097 : 134217729);
    const T a_high = splitter * a - (splitter * a - a), a_low = a - a_high;
    const T b_high = splitter * b - (splitter * b - b), b_low = b - b_high;
    const T error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
    constexpr T smallest = std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon();
    const T finite = error - error == 0 ? error : T(0);
    return abs(product) < smallest ? T(0) : finite;
#endif
}

// product_error that is 0 where the product is not finite.
template <class T> T finite_product_error(T a, T b, T product) {
    const T error = product_error(a, b, product);
    return error - error == 0 ? error : T(0);
}

// As fma, and nearly as exact where the CPU level has none (TwoSum, Knuth 1969).
template <class T> T accurate_fma(T a, T b, T c) {
#if defined(__FMA__) || defined(__aarch64__)
    return fma(a, b, c);
#else
    const T product = a * b, sum = product + c, part = sum - product;
    return sum + (((product - (sum - part)) + (c - part)) + product_error(a, b, product));
#endif
}

// A number in two parts, and what is made of two such: about twice the digits of the dtype (Dekker 1971).
template <class T> struct Pair {
    T high, low = 0;

    T value() const { return high + low; }
};
template <class T> Pair<T> operator-(Pair<T> a) { return {-a.high, -a.low}; }
template <class T> Pair<T> operator+(Pair<T> a, Pair<T> b) {
    const T sum = a.high + b.high, part = sum - a.high;
    return {sum, ((a.high - (sum - part)) + (b.high - part)) + (a.low + b.low)};
}
template <class T> Pair<T> operator-(Pair<T> a, Pair<T> b) { return a + -b; }
template <class T> Pair<T> operator*(Pair<T> a, Pair<T> b) {
    const T product = a.high * b.high;
    return {product, product_error(a.high, b.high, product) + (a.high * b.low + a.low * b.high)};
}
template <class T> Pair<T> operator/(Pair<T> a, Pair<T> b) {
    const T inverse = 1 / b.high, quotient = a.high * inverse;
    const T error = accurate_fma(-quotient, b.high, a.high);
    return {quotient, (error + fma(-quotient, b.low, a.low)) * inverse};
}

template <class T> T sqrt(T x) {
    if constexpr (sizeof(T) == 4)
        return __builtin_sqrtf(x);
    else
        return __builtin_sqrt(x);
}

// 1 / sqrt(x), by a step of Newton's method; of 0 infinity.
inline double inverse_root(double x) { return 1 / sqrt(x); }
inline Pair<double> inverse_root(Pair<double> x) {
    const double inverse = 1 / sqrt(x.high), root = x.high * inverse;
    const double rest = accurate_fma(-root, inverse, 1.0) - (product_error(x.high, inverse, root) + x.low * inverse) * inverse;
    const double low = 0.5 * rest * inverse;
    return {inverse, low - low == 0 ? low : 0};
}

// x, of which `value` is the value, or 0 where that is below it.
inline double positive_part(double x, double value) { return value < 0 ? 0 : x; }
inline Pair<double> positive_part(Pair<double> x, double value) {
    return {value < 0 ? 0 : x.high, value < 0 ? 0 : x.low};
}

inline double value(double x) { return x; }
inline double value(Pair<double> x) { return x.value(); }
// What is left of a number beside its value.
inline double beside_value(double) { return 0; }
inline double beside_value(Pair<double> x) { return (x.high - x.value()) + x.low; }

// Choices by mask, where gcc would make two paths of what follows the choice.
template <class T> Bits<T> mask_if(bool condition) { return Bits<T>(0) - Bits<T>(condition); }
template <class T> T keep(std::type_identity_t<Bits<T>> mask, T x) { return from_bits<T>(bits(x) & mask); }

// A constant that the compiler does not know: of a select between it and a variable gcc 12
// makes the processor's min or max, of one between a known constant and a variable up to
// four operations.
template <class T> inline Bits<T> nothing = 0;
template <class T> T unknown(T constant) { return from_bits<T>(bits(constant) ^ nothing<T>); }

// gcc 12 turns the comparison of a choice around, and NEON has none that a NaN passes: of a choice it makes six
// operations there, of a mask two.
#if defined(__aarch64__)
inline constexpr bool choose_by_mask = true;
#else
inline constexpr bool choose_by_mask = false;
#endif
template <class T> T by_mask(bool condition, T yes, T no) {
    return from_bits<T>((bits(yes) & mask_if<T>(condition)) | (bits(no) & ~mask_if<T>(condition)));
}
template <class T> T at_least(T low, T x) {
    const T bound = unknown(low);
    if constexpr (choose_by_mask)
        return by_mask(x < bound, bound, x);
    else
        return x < bound ? bound : x;
}
template <class T> T at_most(T high, T x) {
    const T bound = unknown(high);
    if constexpr (choose_by_mask)
        return by_mask(x > bound, bound, x);
    else
        return x > bound ? bound : x;
}

// A parameter in the range of T: beyond it the largest number there is, whose products with 0 are no NaN.
template <class T> T bounded(double value) {
    constexpr double largest = std::numeric_limits<T>::max();
    return T(value > largest ? largest : value < -largest ? -largest : value);
}

}  // namespace fastact::math
