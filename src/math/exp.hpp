// Exponentials: of a number, of a difference, of a row relative to its largest; 1 + e^x and
// e^x - 1. What they begin with, an argument reduced by ln 2, is here for the others too.
#pragma once

#include <limits>

#include "math/bits.hpp"
#include "math/coefficients.hpp"

namespace fastact::math {

// ln 2 in two parts. The first has so few bits that its product with any exponent
// of a float (double) is exact without a fused multiply-add too.
template <class T> inline constexpr T ln2_high = T(sizeof(T) == 4 ? 0x1.62e4p-1 : 0x1.62e42fefa38p-1);
template <class T>
inline constexpr T ln2_low = T(sizeof(T) == 4 ? 0x1.7f7d1cf79abcap-20 : 0x1.ef35793c7673p-45);
template <class T> inline constexpr T log2_e = T(0x1.71547652b82fep0);

// Adding this to a float below 2^22 (double below 2^51) rounds it to an integer n
// and leaves n + offset in the lowest bits of the sum.
template <class T> constexpr T rounder(int offset) { return T(sizeof(T) == 4 ? 0x1.8p23 : 0x1.8p52) + T(offset); }
template <class T> inline constexpr int exponent_bias = std::numeric_limits<T>::max_exponent - 1;

// x = n ln 2 + r; n + offset in the lowest bits of `exponent`.
template <class T> struct Reduced {
    T r;
    Bits<T> exponent;
};

template <class T> Reduced<T> reduce_to(T x, T shifted, int offset) {
    const T n = shifted - rounder<T>(offset);
    return {fma(n, -ln2_low<T>, fma(n, -ln2_high<T>, x)), bits(shifted)};
}

// With |r| <= ln(2) / 2.
template <class T> Reduced<T> reduce(T x, int offset) {
    return reduce_to(x, fma(x, log2_e<T>, rounder<T>(offset)), offset);
}

// With r between -(1/2 + bias) ln 2 and (1/2 - bias) ln 2.
template <class T> Reduced<T> reduce_biased(T x, T bias, int offset) {
    return reduce_to(x, fma(x, log2_e<T>, bias) + rounder<T>(offset), offset);
}

// r as head + tail, for a sum that the tail is added to before the head.
template <class T> struct ReducedProduct {
    T r, head, tail;
    Bits<T> exponent;
};
// A product x (high + low) with n in `shifted`: rounded first, its error would be multiplied by its size.
template <class T> ReducedProduct<T> reduce_product(T x, T high, T low, T shifted, int offset) {
    const T n = shifted - rounder<T>(offset);
    const T head = accurate_fma(x, high, -(n * ln2_high<T>)), tail = fma(x, low, -(n * ln2_low<T>));
    return {head + tail, head, tail, bits(shifted)};
}

// 2^n of a reduction with this offset; n must be an exponent of normal numbers.
template <class T> inline constexpr int whole = exponent_bias<T>;
template <class T> T power(Bits<T> exponent) { return from_bits<T>(exponent << mantissa_bits<T>); }

// 1 / p of a power of two.
template <class T> T inverse_power(T p) { return from_bits<T>(2 * one_bits<T> - bits(p)); }

// 2^k and 2^(n - k), k = floor(n / 2), of a reduction with this offset, for n over
// twice the range of normal numbers.
template <class T> inline constexpr int halved = 2 * exponent_bias<T>;
template <class T> struct Powers {
    T lower, upper;
};
template <class T> Powers<T> powers(Bits<T> exponent) {
    const Bits<T> lower = (exponent << (mantissa_bits<T> - 1)) & exponent_mask<T>;
    return {from_bits<T>(lower), from_bits<T>((exponent << mantissa_bits<T>)-lower)};
}

// e^r where |r| <= ln(2) / 2.
template <class T> T exp_reduced(T r) { return fma(r, fma(r, polynomial(r, exp_tail<T>), T(1)), T(1)); }

// e^r - 1 where r^2 * tail = e^r - 1 - r.
template <class T> T expm1_reduced(T r, T tail) { return fma(r * r, tail, r); }

// e^x = m * lower * upper, where 0.7 < m < 1.5 and the others are powers of two. m * lower
// is always a normal number, so a formula that multiplies by `upper` last rounds a
// subnormal result once.
template <class T> struct Scaled {
    T m, lower, upper;

    T value() const { return m * lower * upper; }
};

// Beyond these, m * lower * upper is 0 or infinity, even after a product with a
// number up to 2^90 (2^945).
template <class T> inline constexpr T exp_limit = T(sizeof(T) == 4 ? 174 : 1416);

// e^x in parts, for every x; their product is within 0.91 ULP (float) and 0.94 ULP (double).
// Method: x = n ln 2 + r; e^r a polynomial of degree 6 (11). Cost 9 (14), and 2 for the product.
template <class T> Scaled<T> exp_parts_inside(T x) {
    const auto [r, exponent] = reduce(x, halved<T>);
    const auto [lower, upper] = powers<T>(exponent);
    return {exp_reduced(r), lower, upper};
}
template <class T> Scaled<T> exp_parts(T x) {
    // On the magnitude: gcc makes more of two comparisons of the same number.
    return exp_parts_inside(with_sign(at_most(exp_limit<T>, abs(x)), x));
}

// The same for x <= 0, with one comparison less.
template <class T> Scaled<T> exp_parts_negative(T x) { return exp_parts_inside(at_least(-exp_limit<T>, x)); }

// The same for x + low, where |low| is below the rounding error of x.
template <class T> Scaled<T> exp_parts(T x, T low) {
    const auto [r, exponent] = reduce(with_sign(at_most(exp_limit<T>, abs(x)), x), halved<T>);
    const auto [lower, upper] = powers<T>(exponent);
    return {exp_reduced(r + (abs(x) > exp_limit<T> ? T(0) : low)), lower, upper};
}

template <class T> T exp(T x) { return exp_parts(x).value(); }
template <class T> T exp_negative(T x) { return exp_parts_negative(x).value(); }

// a - b and its rounding error (TwoSum, Knuth 1969); the error is NaN where the difference
// is infinite.
template <class T> struct Difference {
    T high, error;
};
template <class T> Difference<T> difference(T a, T b) {
    const T high = a - b, part = high - a;
    return {high, (a - (high - part)) - (b + part)};
}

// x + low, where |low| is below the rounding error of x, reduced to r + rest.
template <class T> struct ReducedSum {
    T r, rest;
    Bits<T> exponent;
};
template <class T> ReducedSum<T> reduce_sum(T x, T low, int offset) {
    const T shifted = fma(x, log2_e<T>, rounder<T>(offset)), n = shifted - rounder<T>(offset);
    const T head = fma(n, -ln2_high<T>, x), tail = fma(n, -ln2_low<T>, low);
    const T r = head + tail;
    return {r, (head - r) + tail, bits(shifted)};
}

// e^(high + error) for high <= 0, or little more; any error is ignored where it does not matter.
// Times `scale`, a power of two, which may keep a small result from being subnormal.
template <class T> T exp_sum(T high, T error, T scale = 1) {
    const T low = high < -exp_limit<T> ? T(0) : error;
    const auto [r, rest, exponent] = reduce_sum(at_least(-exp_limit<T>, high), low, halved<T>);
    const auto [lower, upper] = powers<T>(exponent);
    return (1 + fma(r, fma(r, polynomial(r, exp_tail<T>), T(1)), rest)) * lower * (upper * scale);
}

// e^(a - b) for a <= b. The rounding error of a large difference would be hundreds
// of ULP of the result, so it is computed too. Cost 21 (26).
template <class T> T exp_difference(T a, T b, T scale = 1) {
    const auto [high, error] = difference(a, b);
    return exp_sum(high, error, scale);
}

// e^x of a row whose largest x is known, up to a power of two that all share: the largest is
// within a factor of 1.5 of 2^headroom. Where the largest is moderate, x - largest need not be
// computed, with its rounding error, for the power of two is an exponent to be added.
template <class T> inline constexpr int headroom = sizeof(T) == 4 ? 64 : 512;
template <class T> struct Anchor {
    T floor, rounder;

    static constexpr T moderate = 200;  // n ln2_high of every n from here down to `floor` is exact
    static constexpr T depth = T(sizeof(T) == 4 ? 131 : 1062);  // so far below, 2^16 results are 0

    static bool holds(T largest) { return abs(largest) <= moderate; }
    static T exponent(T largest) {
        return fma(largest, log2_e<T>, math::rounder<T>(0)) - math::rounder<T>(0);
    }

    explicit Anchor(T largest)
        : floor(largest - depth), rounder(math::rounder<T>(whole<T> + headroom<T>) - exponent(largest)) {}
    Anchor(T floor, T rounder) : floor(floor), rounder(rounder) {}

    // Within 0.91 (0.94) ULP. Cost 8 (13).
    T exp(T x) const {
        const T held = x < floor ? floor : x, shifted = fma(held, log2_e<T>, rounder), n = shifted - rounder;
        const T r = fma(n, -ln2_low<T>, fma(n, -ln2_high<T>, held));
        return exp_reduced(r) * power<T>(bits(shifted));
    }
    // The same of x (high + low), whose rounding error would be multiplied by its size; 0 where it is below the
    // floor. Cost 12 (17).
    T exp_product(T x, T high, T low) const {
        const T product = x * high, shifted = fma(product, log2_e<T>, rounder), n = shifted - rounder;
        const T r = accurate_fma(x, high, -(n * ln2_high<T>)) + fma(x, low, -(n * ln2_low<T>));
        return keep(mask_if<T>(!(product < floor)), exp_reduced(r) * power<T>(bits(shifted)));
    }
    // The same of x + low, where |low| is below the rounding error of x. Cost 9 (14).
    T exp_sum(T x, T low) const {
        const T shifted = fma(x, log2_e<T>, rounder), n = shifted - rounder;
        const T r = fma(n, -ln2_high<T>, x) + fma(n, -ln2_low<T>, low);
        return keep(mask_if<T>(!(x < floor)), exp_reduced(r) * power<T>(bits(shifted)));
    }
    // sum e^-(largest + low) for a sum of such, in float64; and in two parts.
    static double relative(double sum, T largest, double low = 0) {
        return fma(sum, beyond_one(largest, low), sum);
    }
    static Pair<double> relative(Pair<double> sum, T largest) {
        return sum * (Pair<double>{1} + Pair<double>{beyond_one(largest, 0)});
    }

  private:
    static double beyond_one(T largest, double low) {
        const double n = holds(largest) ? double(exponent(largest)) : 0.0;
        const double x = holds(largest) ? double(largest) : 0.0;
        const double r = fma(n, ln2_low<double>, fma(n, ln2_high<double>, -x)) - (holds(largest) ? low : 0.0);
        return expm1_reduced(r, polynomial(r, exp_tail<double>));
    }
};

// 1 + e^x = d / scale, `scale` a power of two which keeps d from overflow; `low` is what
// the last sum of d lost in rounding.
template <class T> struct OnePlusExp {
    T d, scale, low;
};

// Where e^x is lost beside 1.
template <class T> inline constexpr T exp_negligible = T(sizeof(T) == 4 ? -18 : -40);

// d = scale + upper (1 + em1): 1 + e^x times `scale`, where upper is 2^n scale.
template <class T> OnePlusExp<T> one_plus_power(T em1, T upper, T scale) {
    const T sum = upper + scale, lost = scale - (sum - upper);
    const T rest = fma(em1, upper, lost), d = rest + sum;
    return {d, scale, rest - (d - sum)};
}
template <class T> OnePlusExp<T> one_plus_power(T em1, Powers<T> powers) {
    return one_plus_power(em1, powers.upper, inverse_power(powers.lower));
}
template <class T> OnePlusExp<T> one_plus_exp_reduced(Reduced<T> reduced, Powers<T> powers) {
    return one_plus_power(expm1_reduced(reduced.r, polynomial(reduced.r, exp_tail<T>)), powers);
}
template <class T> OnePlusExp<T> one_plus_exp_reduced(Reduced<T> reduced) {
    return one_plus_exp_reduced(reduced, powers<T>(reduced.exponent));
}
template <class T> OnePlusExp<T> one_plus_exp_reduced(ReducedProduct<T> product) {
    const auto [r, head, tail, exponent] = product;
    return one_plus_power(head + fma(r * r, polynomial(r, exp_tail<T>), tail), powers<T>(exponent));
}
template <class T> T sum_range(T x) { return at_most(exp_limit<T>, at_least(exp_negligible<T>, x)); }

// For every x; d is within 1 ULP: e^x is not rounded before 1 is added, because
// 1 + 2^n e^r = (1 + 2^n) + 2^n (e^r - 1), where a 1 that is lost beside 2^n is found
// again (Fast2Sum, Dekker 1971) in the last two binades before it ceases to matter.
// Cost 16 (21).
template <class T> OnePlusExp<T> one_plus_exp(T x) {
    return one_plus_exp_reduced(reduce(sum_range(x), halved<T>));
}

// The same with d >= 1 >= scale, for a numerator that may be of any size.
template <class T> OnePlusExp<T> one_plus_exp_at_least_1(T x) {
    const auto reduced = reduce(sum_range(x), halved<T>);
    const T lower = powers<T>(reduced.exponent).lower, at_least_1 = lower > 1 ? lower : T(1);
    return one_plus_exp_reduced(
        reduced, {at_least_1, from_bits<T>((reduced.exponent << mantissa_bits<T>)-bits(at_least_1))});
}

// one_plus_exp at one scale for every x from exp_negligible to one_scale_limit, where 1 / (1 + e^x) is 0
// even times x. Cost 14 (19).
template <class T> inline constexpr T one_scale_limit = T(sizeof(T) == 4 ? 110 : 760);
template <class T> OnePlusExp<T> one_plus_exp_at_one_scale(T x) {
    constexpr int scale = whole<T> - (sizeof(T) == 4 ? 32 : 80);
    const auto [r, exponent] = reduce(x, scale);
    const T em1 = expm1_reduced(r, polynomial(r, exp_tail<T>));
    return one_plus_power(em1, power<T>(exponent), power<T>(scale));
}

// e^x - 1 for x <= 0.
// Method: x = n ln 2 + r with -3/4 ln 2 < r < 1/4 ln 2: with n = 0 as far down as
// x = -0.52 nothing cancels in 2^n (e^r - 1) + (2^n - 1). Cost 11 (16).
template <class T> T expm1_negative(T x) {
    const auto [r, exponent] = reduce_biased(at_least(T(-40), x), T(0.25), whole<T>);
    const T s = power<T>(exponent);
    const T p = expm1_reduced(r, polynomial(r, expm1_negative_tail<T>));
    return with_sign(fma(p, s, s - 1), x);
}

// e^x - 1 for every x.
// Method: as expm1_negative with the bias of the reduction on the side of x, so that
// n = 0 where |x| < 0.52, and at half its size, so that 2^n does not overflow. Cost 13 (18).
template <class T> T expm1(T x) {
    constexpr T largest = sizeof(T) == 4 ? 89 : 710;
    const T inside = at_most(largest, at_least(T(-40), x));
    const auto [r, exponent] = reduce_biased(inside, with_sign(T(0.25), -x), whole<T> - 1);
    const T half = power<T>(exponent);
    const T p = expm1_reduced(r, polynomial(r, expm1_tail<T>));
    return abs(x) < std::numeric_limits<T>::epsilon() / 4 ? x : 2 * fma(p, half, half - T(0.5));
}

// alpha (e^x - 1) for a finite x + low, where |low| is below the rounding error of x and
// `bias` is 1/4 with the sign of -x; within 2 ULP. Method: as expm1, with 2^n in two factors,
// so that neither overflows nor loses alpha before it must. Cost 18 (23).
template <class T> T times_expm1(T alpha, T x, T low, T bias) {
    const T inside = with_sign(at_most(exp_limit<T>, abs(x)), x);
    const auto [head, exponent] = reduce_biased(inside, bias, halved<T>);
    const auto [lower, upper] = powers<T>(exponent);
    const T r = head + (abs(x) > exp_limit<T> ? T(0) : low);
    const T p = expm1_reduced(r, polynomial(r, expm1_tail<T>)), half = T(0.5) * alpha, scaled = half * lower;
    const T power = fma(scaled, upper, -half);
    // Beyond all numbers, p may be below 0 and an infinity of the other sign. Of NaN, p alone is sure to be one.
    const T beyond = power + (p - p);
    return 2 * (abs(power) < std::numeric_limits<T>::infinity() ? fma(scaled * p, upper, power) : beyond);
}

}  // namespace fastact::math
