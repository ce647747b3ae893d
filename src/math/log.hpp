// Logarithms: of a number, and of 1 + x.
#pragma once

#include <bit>
#include <limits>

#include "math/bits.hpp"
#include "math/coefficients.hpp"
#include "math/exp.hpp"

namespace fastact::math {

// log(1 + f) - f where -1/4 <= f <= 1/2. A polynomial is cheap enough for a float;
// for a double, s = f / (2 + f) makes 2 atanh(s) of it, of much faster convergence
// (as in fdlibm, Sun Microsystems 1993).
template <class T> T log1p_correction(T f) {
    if constexpr (sizeof(T) == 4) {
        return f * f * fma(f, polynomial(f, log1p_tail<T>), T(-0.5));
    } else {
        const T s = f / (2 + f), w = s * s, half_square = f * f * T(0.5);
        return fma(s, fma(w, polynomial(w, atanh_tail<T>), half_square), -half_square);
    }
}

// log(1 + e) where 0 <= e <= 1.
template <class T> T log1p01(T e) {
    const bool upper = e >= T(0.5);
    const T f = upper ? fma(T(0.5), e, T(-0.5)) : e;
    const T low = upper ? ln2_low<T> : T(0), high = upper ? ln2_high<T> : T(0);
    return high + (f + (log1p_correction(f) + low));
}

// x > 0 as m * 2^n with 3/4 <= m < 3/2.
template <class T> struct Logarithm {
    T n;
    Bits<T> power;

    explicit Logarithm(T x) {
        constexpr Bits<T> centre = one_bits<T> - std::bit_cast<Bits<T>>(T(0.75));
        constexpr T shift = T(sizeof(T) == 4 ? 0x1p23 : 0x1p52);
        const Bits<T> exponent = bits(x) + centre;
        power = (exponent & exponent_mask<T>)-one_bits<T>;
        n = from_bits<T>((exponent >> mantissa_bits<T>) | std::bit_cast<Bits<T>>(shift)) -
            (shift + exponent_bias<T>);
    }
};

// log(x) of a normal positive number.
template <class T> T log_normal(T x) {
    const Logarithm<T> parts(x);
    const T f = from_bits<T>(bits(x) - parts.power) - 1;
    return fma(parts.n, ln2_high<T>, f + fma(parts.n, ln2_low<T>, log1p_correction(f)));
}

// log(1 + x) for every x.
// Method: n from 1 + x, but f = (1 + x) / 2^n - 1 from x itself.
template <class T> T log1p(T x) {
    using Limits = std::numeric_limits<T>;
    const Logarithm<T> parts(1 + x);
    // 4 / 2^n, since 1 / 2^n is not a normal number for the largest n.
    const T scale = from_bits<T>(one_bits<T> + (Bits<T>(2) << mantissa_bits<T>)-parts.power);
    const T f = fma(x * T(0.25), scale, scale * T(0.25) - 1);
    const T finite = fma(parts.n, ln2_high<T>, f + fma(parts.n, ln2_low<T>, log1p_correction(f)));
    const T defined = abs(x) < Limits::epsilon() / 4 ? x : finite;
    const T positive = x < Limits::infinity() ? defined : x;
    const T inside = x < -1 ? Limits::quiet_NaN() : positive;
    return x == -1 ? -Limits::infinity() : inside;
}

}  // namespace fastact::math
