// The normal distribution's Phi(x) times x, and the derivative of that. Its last step,
// times_reflected, serves the gradients of silu and swish as well: any slope that is 1 - h(-a)
// at a where it is h(-a) at -a.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "math/bits.hpp"
#include "math/coefficients.hpp"
#include "math/exp.hpp"
#include "math/pieces.hpp"

namespace fastact::math {

// Phi(-a) = R(a) e^(-a^2 / 2) for a >= 0; R is Mills' ratio over sqrt(2 pi).
template <class T> struct Mills {
    static constexpr bool single = sizeof(T) == 4;
    // Below the join Phi(x) is a series, from there on a R(a) one in (a - centre) / (a + pole).
    static constexpr T join = T(0.8), centre = T(single ? 1.53125 : 1.546875), pole = 3;
    // R(a) = 1/2 - a fall is one for every a.
    static constexpr T fall_centre = 1.75, fall_pole = 3.5;
    // Where e^(-a^2 / 2) is beyond all scales.
    static constexpr T largest = T(single ? 18.5 : 53);
};

template <class T> inline constexpr T inverse_sqrt_2_pi = T(0x1.9884533d43651p-2);

// Phi(x) for |x| < join: 1/2 and what is odd. Cost 6 (11).
template <class T> T normal_cdf_near(T x, T square) {
    const T slope = accurate_fma(square, polynomial(square, normal_near<T>), inverse_sqrt_2_pi<T>);
    return accurate_fma(x, slope, T(0.5));
}

// a Phi(-a) = part * upper, for a >= join; `upper` is a power of two that comes last.
// Method: 1/4 e^(-a^2/2) (1 + s) with s = 4 a R(a) - 1 and e^r = 1 + g: of 1 + (g (1 + s) + s)
// the last sum alone is rounded at its size, and nothing follows it but powers of two.
template <class T> struct NormalTail {
    T part, upper;
};
template <class T> NormalTail<T> normal_tail(T a, T square) {
    constexpr int quarter = halved<T> - 2;
    const T s = polynomial_accurate((a - Mills<T>::centre) / (a + Mills<T>::pole), normal_far<T>);
    // a^2 in two parts, and the reduced argument twice as large and of the other sign.
    const T square_low = product_error(a, a, square);
    const T shifted = fma(square, T(-0.5) * log2_e<T>, rounder<T>(quarter)), n = shifted - rounder<T>(quarter);
    const T twice = fma(n, 2 * ln2_high<T>, square) + fma(n, 2 * ln2_low<T>, square_low), r = T(-0.5) * twice;
    const T growth = accurate_fma(r * r, polynomial(r, exp_tail<T>), r);
    const T w = accurate_fma(growth, s, growth) + s;
    const auto [lower, upper] = powers<T>(bits(shifted));
    return {fma(w, lower, lower), upper};
}

// x Phi(x) for every x, with its relative accuracy in the negative tail, down to subnormal
// results: within 1.84 ULP (float, every one) and 1.72 ULP (double). Cost 36 (60) and a division.
template <class T> T times_normal_cdf(T x) {
    const T a = at_most(Mills<T>::largest, abs(x)), square = a * a;
    const auto [part, upper] = normal_tail(a, square);
    const T far = (x > 0 ? x : T(-0.0)) - part * upper;
    return a < Mills<T>::join ? x * normal_cdf_near(x, square) : far;
}

// x Phi(x) in float32, in pieces: a Phi(-a) of a = |x|, subtracted from x or from 0. Within 1.84 ULP (every one).
// Below the pieces it is the tail; above them a Phi(-a) is less than x's last place.
// Cost 12 and 11 permutations.
struct TimesNormalCdf {
    static constexpr Pieces table{normal_pieces};
    static constexpr float step = 0.703125f, reach = 5.27f;
    // As words numbers below 0 are the larger the lower they are, and above all others.
    static constexpr std::uint32_t beyond = std::bit_cast<std::uint32_t>(-reach);

    static Words order(Words x) { return x; }
    static Floats result(Floats sum, Floats x) { return at_least(-0.0f, x) - sum; }
    static float otherwise(float x) {
        const float a = at_most(Mills<float>::largest, abs(x));
        const auto tail = normal_tail(a, a * a);
        return -tail.part * tail.upper;
    }
};

// a x Phi(x) for every a. At x = -inf it meets a zero.
template <class T> T times_normal_cdf(T a, T x) {
    const T size = at_most(Mills<T>::largest, abs(x)), square = size * size;
    const auto [part, upper] = normal_tail(size, square);
    const T vanishing = keep(mask_if<T>(!(x < -Mills<T>::largest)), upper);
    const T below = -part * a * vanishing, above = (x - part * upper) * a;
    const T far = x < 0 ? below : above;
    return size < Mills<T>::join ? a * x * normal_cdf_near(x, square) : far;
}

// (a + a_low) * b, rounded once or nearly so.
template <class T> T times_in_parts(T a, T b, T a_low) { return fma(a, b, a_low * b); }

// dy p scale where `below`, dy (1 - p scale) elsewhere, p scale <= 1/2 there. 1/2 - p scale is exact
// where p scale is near 1/2, and dy meets both halves in one rounding; it is never 0, which would
// make NaN of an infinite dy.
template <class T, class... Low> T times_reflected(T dy, bool below, T p, T scale, Low... dy_low) {
    const T rest = at_least(std::numeric_limits<T>::min(), fma(-p, scale, T(0.5)));
    const T factor = below ? p : rest, half = below ? T(0) : T(0.5), halved_dy = below ? T(0) : T(0.5) * dy;
    return fma(dy, factor, (halved_dy + ... + (dy_low * (factor + half)))) * (below ? scale : T(1));
}

// dy (Phi(x) + x phi(x)), the derivative of x Phi(x) times dy, for every x.
// Beyond 1 from its zero at -0.75 within 3.5 ULP, nearer within 0.9 eps |dy|. `dy_low` is what dy
// lost in rounding, where it lost anything.
// Method: Phi(-a) - a phi(a) = (R - a / sqrt(2 pi)) e^(-a^2/2) with R = 1/2 - a fall, so that near
// the zero, where R is close to 1/2, what fall lost is multiplied by a; fall is a series in
// (a - 1.75) / (a + 3.5), whose terms are small where factor and result are.
// Cost 33 (49) and a division.
template <class T, class... Low> T times_normal_cdf_backward(T dy, T x, Low... dy_low) {
    const T a = at_most(Mills<T>::largest, abs(x));
    const T inverse = 1 / (a + Mills<T>::fall_pole), t = (a - Mills<T>::fall_centre) * inverse;
    const T fall = polynomial(t, mills_fall<T>) * inverse;
    const T square = a * a, square_low = product_error(a, a, square);
    const auto [r, exponent] = reduce(T(-0.5) * square, halved<T>);
    const auto [lower, upper] = powers<T>(exponent);
    const T factor = accurate_fma(-a, fall, accurate_fma(-inverse_sqrt_2_pi<T>, a, T(0.5)));
    // factor * e^s, rounded once.
    const T s = fma(T(-0.5), square_low, r), em1 = accurate_fma(s * s, polynomial(s, exp_tail<T>), s);
    const T tail = accurate_fma(factor, em1, factor) * lower;
    return times_reflected(dy, x < 0, tail, upper, dy_low...);
}

}  // namespace fastact::math
