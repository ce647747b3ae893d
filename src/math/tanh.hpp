// The hyperbolic tangent, 1 minus it, its square, and x minus it.
#pragma once

#include "math/bits.hpp"
#include "math/coefficients.hpp"
#include "math/exp.hpp"

namespace fastact::math {

// tanh(a) where 0 <= a <= 0.7.
template <class T> T tanh_near(T a) {
    const T square = a * a;
    return fma(a * square, polynomial(square, tanh_tail<T>), a);
}

// 1 - tanh(a) = 2 / (1 + e^2a) for a >= 0.7; not of NaN.
template <class T> T one_minus_tanh(T a) {
    const auto [r, exponent] = reduce(at_most(T(40), 2 * a), 0);
    return 2 / (1 + from_bits<T>(bits(exp_reduced(r)) + (exponent << mantissa_bits<T>)));
}

// tanh(x) = above / below for |x| <= 20, its sign with `above`.
// Method: with e^-2|x| = s (1 + p), s a power of two, (1 - s - s p) / (1 + s + s p); s p is exact, so that what
// both sums lose in rounding can be told (Fast2Sum, Dekker 1971).
template <class T> struct TanhQuotient {
    Pair<T> above, below;
};
template <class T> TanhQuotient<T> tanh_quotient(T x) {
    const T a = at_most(T(20), abs(x));
    // -2a = n ln 2 + 2r: nothing waits for the doubled number.
    const T shifted = fma(a, -2 * log2_e<T>, rounder<T>(whole<T>)), n = shifted - rounder<T>(whole<T>);
    const T r = fma(n, T(-0.5) * (ln2_high<T> + ln2_low<T>), -a);
    const T s = power<T>(bits(shifted)), p = expm1_reduced(r + r, polynomial(r + r, exp_tail<T>));
    const T less = 1 - s, more = 1 + s, above = fma(-s, p, less), below = fma(s, p, more);
    return {{with_sign(above, x), with_sign_of(fma(-s, p, less - above), x)}, {below, fma(s, p, more - below)}};
}

// tanh(x) for every x in two parts, whose sum is within 1.5 ULP; what is left is the rounding of p.
template <class T> Pair<T> tanh_pair(T x) {
    const auto [above, below] = tanh_quotient(x);
    return above / below;
}

// tanh(x) for every x; never beyond 1, and 1 from |x| = 8.5 (19.1) on.
// Method for a float: with e^-2|x| = s (1 + p), s a power of two, (1 - s - s p) / (1 + s + s p). Both
// sums are rounded once (where s is lost beside 1, twice: 1.83 ULP there), and as one rises the other
// falls, so that the quotient never falls where p does not. Cost 15 and a division. The three roundings
// can add up to 2.4 ULP; of all floats none loses more than 1.96 (v1: 1.99), but some doubles lose 2.1.
// For a double: a polynomial where |x| <= 0.7, 1 - 2 / (1 + e^2x) beyond, where 1.1 were seen. Cost 28
// and a division.
template <class T> T tanh(T x) {
    if constexpr (sizeof(T) == 4) {
        const T a = at_most(T(20), abs(x));
        // -2a = n ln 2 + 2r: nothing waits for the doubled number.
        const T shifted = fma(a, -2 * log2_e<T>, rounder<T>(whole<T>)), n = shifted - rounder<T>(whole<T>);
        const T r = fma(n, T(-0.5) * (ln2_high<T> + ln2_low<T>), -a);
        static constexpr T tail[] = {4 * exp_tail<T>[0], 8 * exp_tail<T>[1], 16 * exp_tail<T>[2],
                                     32 * exp_tail<T>[3], 64 * exp_tail<T>[4]};
        const T s = power<T>(bits(shifted)), p = fma(r * r, polynomial(r, tail), r + r);
        return with_sign(fma(-s, p, 1 - s) / fma(s, p, 1 + s), x);
    } else {
        const T a = abs(x);
        return with_sign(a > T(0.7) ? 1 - one_minus_tanh(a) : tanh_near(a), x);
    }
}

// dy tanh(x)^2 for every x, within 3.4 ULP (double at v1: 3.73). Method: with q = 1 - tanh(x), tanh(x)^2
// is q^2 + (1 - 2 q), of which the second part is exact where q > 1/4.
template <class T> T times_tanh_squared(T dy, T x) {
    const T a = abs(x), near = tanh_near(a), q = one_minus_tanh(a);
    const bool far = a > T(0.7);
    return dy * (far ? fma(q, q, fma(T(-2), q, T(1))) : near) * (far ? T(1) : near);
}

// x - tanh(x) for every x.
// Method: x (x^2 q(x^2)) below the join, the second factor in two parts, which are normal
// numbers where the result is; above it nothing cancels in (x - 1) + (1 - tanh(x)).
// Cost 22 (35) and a division.
template <class T> T tanhshrink(T x) {
    constexpr T join = T(1.1875), centre = T(sizeof(T) == 4 ? 0.7734375 : 0.765625);
    const T a = abs(x), square = a * a;
    const T q = polynomial_accurate(square - centre, tanhshrink_factor<T>), ratio = square * q;
    const T ratio_low = fma(product_error(a, a, square), q, product_error(square, q, ratio));
    return with_sign(a > join ? (a - 1) + one_minus_tanh(a) : accurate_fma(a, ratio, a * ratio_low), x);
}

}  // namespace fastact::math
