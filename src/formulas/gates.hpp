// Formulas of x times something between 0 and 1: silu and swish, gelu and what approximates
// it, mish.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "formulas/sigmoids.hpp"
#include "math/bits.hpp"
#include "math/coefficients.hpp"
#include "math/exp.hpp"
#include "math/normal.hpp"
#include "math/pieces.hpp"

namespace fastact {

// dy times silu's derivative in float32, in pieces: h(-a) = sigma(-a)(1 - a sigma(a)) of a = |x| where x < 0, 1 - h(-a)
// elsewhere. Cost 10 and 10 permutations, where the function for all x has 20 and a division.
struct TimesSiluSlope {
    static constexpr math::Pieces table{math::silu_slope_pieces};
    static constexpr float step = 1.34375f, reach = 10.07f;
    static constexpr std::uint32_t beyond = std::bit_cast<std::uint32_t>(reach);

    static math::Words order(math::Words x) { return x & ~math::sign_bit<float>; }
    static math::Floats result(math::Floats h, math::Floats x, math::Floats dy) {
        return dy * (x < 0 ? h : 1 - h);
    }
    static float otherwise(float x, float dy) {
        return times_sigmoid_backward(dy, x, math::one_plus_exp(math::abs(x)));
    }
};

template <class T> struct Silu {
    static constexpr bool in_vectors = math::has_tables && sizeof(T) == 4;

    explicit Silu(const double*) {}

    // x is the result where sigma is 1, and held where sigma underflows even times x.
    T forward(T x) const {
        constexpr T largest = -math::exp_negligible<T>;
        const T inside = math::at_most(largest, math::at_least(-math::one_scale_limit<T>, x));
        const auto [d, scale, low] = math::one_plus_exp_at_one_scale(-inside);
        return x > largest ? x : inside / d * scale;
    }
    // a comes before the division where x is small, after it where a x might overflow.
    T times(T a, T x) const {
        const auto [d, scale, low] = sigmoid_parts(x);
        const T held = math::at_least(-math::exp_limit<T>, x);
        const bool small = math::abs(x) < 1;
        return (small ? a : T(1)) * held / d * (small ? T(1) : a) * scale;
    }
    GatedGradients<T> times_backward(T dy, T a, T x) const {
        const GateParts<T> gate(x);
        const T held = math::at_least(-math::exp_limit<T>, x), u = math::at_most(math::exp_limit<T>, math::abs(x));
        const T h = gate.inverse * math::fma(-u, gate.sigma, T(1)), slope = x < 0 ? h : 1 - h * gate.scale;
        const T product = dy * a, low = math::finite_product_error(dy, a, product);
        return {dy * held * gate.factor * gate.power,
                math::times_in_parts(product, slope, low) * gate.power};
    }
    T backward_x(T dy, T x) const
        requires(!in_vectors)
    {
        return times_sigmoid_backward(dy, x, math::one_plus_exp(math::abs(x)));
    }
    void backward_x(Size count, const T* dy, const T* x, T* out) const
        requires in_vectors
    {
        math::in_pieces<TimesSiluSlope>(count, out, x, dy);
    }
};

template <class T> struct Swish {
    Factor<T> steepness;
    SigmoidOf<T> gate;
    T sign;

    explicit Swish(const double* parameters)
        : steepness(steep<T>(std::fabs(parameters[0]))),
          gate(-parameters[0]),
          sign(T(std::copysign(1.0, parameters[0]))) {}

    T forward(T x) const {
        const T held = gate.held(x);
        const auto [d, scale, low] = gate.one_plus_exp(held);
        return held / d * scale;
    }
    T backward_x(T dy, T x) const {
        const T a = math::at_most(steepness.reach, math::abs(x)), growth = steepness.high * a;
        const T low = math::fma(steepness.low, a, math::product_error(steepness.high, a, growth));
        const auto sum = math::one_plus_exp_reduced(steepness.reduce(a));
        return gated_backward(dy, math::with_sign_of(x, sign), sum, growth, low);
    }
    // dy x^2 sigma(beta x) sigma(-beta x). In float64, whose range the product does not leave.
    double parameter_gradient(T dy, T x) const {
        const T a = math::at_most(steepness.reach, math::abs(x));
        const auto [d, scale, low] = math::one_plus_exp_reduced(steepness.reduce(a));
        const T inverse = 1 / d, sigmas = inverse * (1 - inverse * scale);
        const double square = double(a) * double(a);
        return double(dy) * (square * (double(sigmas) * double(scale)));
    }
};

template <class T> struct QuickGelu : Swish<T> {
    static constexpr double beta = 1.702;

    explicit QuickGelu(const double*) : Swish<T>(&beta) {}
};

template <class T> struct Gelu {
    static constexpr bool in_vectors = math::has_tables && sizeof(T) == 4;

    explicit Gelu(const double*) {}

    T forward(T x) const
        requires(!in_vectors)
    {
        return math::times_normal_cdf(x);
    }
    void forward(Size count, const T* x, T* out) const
        requires in_vectors
    {
        math::in_pieces<math::TimesNormalCdf>(count, out, x);
    }
    T backward_x(T dy, T x) const { return math::times_normal_cdf_backward(dy, x); }
    T times(T a, T x) const { return math::times_normal_cdf(a, x); }
    GatedGradients<T> times_backward(T dy, T a, T x) const {
        const T product = dy * a, low = math::finite_product_error(dy, a, product);
        return {times(dy, x), math::times_normal_cdf_backward(product, x, low)};
    }
};

// x (1 + tanh u) / 2 = x sigma(2u), with nothing that cancels; 2u = sqrt(8 / pi)(x + 0.044715 x^3)
// is reduced as swish's beta * x is.
template <class T> struct GeluTanh {
    static constexpr bool single = sizeof(T) == 4;
    // sqrt(8 / pi), the first part a multiple of what `slope` below is a multiple of, and
    // sqrt(8 / pi) 0.044715.
    static constexpr T linear = T(single ? 0x1.98846p0 : 0x1.9884533d4364p0);
    static constexpr T linear_low = T(single ? -0x1.9857935ee5e07p-21 : 0x1.08d0fcb3c500cp-48);
    static constexpr T cubic = T(single ? 0x1.2444f2p-4 : 0x1.2444f2a4d8b4bp-4);
    static constexpr T cubic_low = T(single ? 0x1.49b169567ee28p-29 : -0x1.3023b0e5fbc6ep-58);
    // Where 2u is exp_limit, and the slope still short enough.
    static constexpr T largest = T(single ? 12.9 : 26.75);

    explicit GeluTanh(const double*) {}

    // 2u / x = linear + cubic x^2: `bend` is what x^2 adds to it, and lacks `lost`.
    struct Slope {
        T high, low, bend, lost;
    };
    // These two of |x| at most `largest`.
    Slope slope(T x) const {
        const T square = x * x, square_low = math::product_error(x, x, square);
        const T high = math::fma(cubic, square, linear), bend = high - linear;  // exactly
        const T low = math::fma(cubic, square_low, cubic_low * square);
        const T lost = math::accurate_fma(cubic, square, -bend) + low;
        return {high, lost + linear_low, bend, lost};
    }
    OnePlusExp<T> one_plus_exp(T x, Slope slope) const {
        const T shifted = math::fma(x * slope.high, math::log2_e<T>, math::rounder<T>(math::halved<T>));
        return math::one_plus_exp_reduced(
            math::reduce_product(x, slope.high, slope.low, shifted, math::halved<T>));
    }
    T forward(T x) const {
        const T above = math::at_least(-largest, x), inside = math::at_most(largest, above);
        const auto [d, scale, low] = one_plus_exp(-inside, slope(inside));
        return above / d * scale;
    }
    // The slope of 2u is linear + 3 cubic x^2; times x, it is `growth`.
    T backward_x(T dy, T x) const {
        const T a = math::at_most(largest, math::abs(x));
        const Slope s = slope(a);
        const T high = a * s.high, rest = math::fma(a, s.low, math::product_error(a, s.high, high));
        const T further = 2 * s.bend * a, growth = high + further;
        const T further_low = math::fma(2 * a, s.lost, math::product_error(2 * s.bend, a, further));
        const T low = (further - (growth - high)) + (further_low + rest);
        return gated_backward(dy, x, one_plus_exp(a, s), growth, low);
    }
};

// x tanh(log(1 + e^x)) = x n / (n + 2), n = e^x (e^x + 2).
template <class T> struct Mish {
    // From here on the quotient is 1, in the derivative too.
    static constexpr T largest = T(sizeof(T) == 4 ? 12 : 22);

    explicit Mish(const double*) {}

    // e^x = 2^k (1 + q); t = e^x + 2, m = n / 2^k and d = n + 2 with their rounding errors.
    struct Parts {
        T q, lower, upper, power;
        Pair<T> t, m, d;
    };
    Parts parts(T x) const {
        const auto [r, exponent] = math::reduce(x, math::halved<T>);
        const auto [lower, upper] = math::powers<T>(exponent);
        const T power = lower * upper, q = math::fma(r * r, math::polynomial(r, math::exp_tail<T>), r);
        // `lost` is what 2^k loses beside 2; where it is the larger, the sum is exact.
        const T base = power + 2, lost = power - (base - 2), t = math::fma(power, q, base);
        const T t_low = math::fma(power, q, base - t) + lost;
        const T m = math::fma(q, t, t), m_low = math::fma(q, t_low, math::accurate_fma(q, t, t - m) + t_low);
        const T d = math::fma(power, m, T(2)), d_low = math::fma(power, m, 2 - d);
        return {q, lower, upper, power, {t, t_low}, {m, m_low}, {d, math::fma(power, m_low, d_low)}};
    }
    T forward(T x) const {
        const T inside = math::at_most(largest, math::at_least(-math::exp_limit<T>, x));
        const auto e = parts(inside);
        const auto g = e.m / e.d;
        return x > largest ? x : math::fma(inside, g.high, inside * g.low) * e.lower * e.upper;
    }
    // dy e^x (t d + 4 x + 4 x e^x) / d^2.
    T backward_x(T dy, T x) const {
        const T inside = math::at_most(largest, math::at_least(-math::exp_limit<T>, x));
        const auto e = parts(inside);
        const T t = e.t.high, d = e.d.high, square = d * d;
        // The sums' and products' rounding errors go to the numerator's second part.
        const T product = t * d, base = product + 4 * inside, part = base - product;
        const T base_low = (product - (base - part)) + (4 * inside - part);
        const T power = math::fma(e.power, e.q, e.power), sum = math::fma(4 * inside, power, base);
        const T sum_low = math::fma(4 * inside, power, base - sum) + (base_low + math::product_error(t, d, product));
        const Pair<T> numerator = {sum, math::fma(t, e.d.low, e.t.low * d) + sum_low};
        const Pair<T> denominator = {square, math::fma(2 * d, e.d.low, math::product_error(d, d, square))};
        const auto g = numerator / denominator;
        return dy * ((g.high + math::fma(g.high, e.q, math::fma(g.low, e.q, g.low))) * e.lower) * e.upper;
    }
};

}  // namespace fastact
