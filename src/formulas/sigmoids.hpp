// Formulas of the shape of an S, ramps with round corners (squareplus, dish), and what
// formulas with a sigmoid or a parameter in an exponential are made of.
//
// src/formulas holds one struct per activation, forward and backward, as on paper. A struct
// is built once per call from the parameters (float64, in the order of the catalog's row)
// and then applied to every element. `backward_x` takes the saved input and `backward_y` the
// saved output; a struct without `backward_y` cannot be differentiated from its output.
// Everything is branch-free, so that the loops around it become SIMD code.
//
// Comparisons are written so that NaN falls through to a branch that keeps it.
#pragma once

#include <cmath>
#include <limits>

#include "formulas/unrolled.hpp"
#include "math/bits.hpp"
#include "math/exp.hpp"
#include "math/normal.hpp"
#include "math/root.hpp"
#include "math/tanh.hpp"

namespace fastact {

using math::OnePlusExp;
using math::Pair;

// dy * sigma'(u) = dy * sigma(-a)(1 - sigma(-a)) with a = |u|: sigma(a) would round to 1.
// The power of two comes last, so that a large dy finds sigma(-a) not yet underflown.
template <class T> T sigmoid_backward(T dy, T u) {
    const auto [d, scale, low] = math::one_plus_exp(math::abs(u));
    const T inverse = 1 / d;
    return dy * (inverse * (1 - inverse * scale)) * scale;
}

// dy times the derivative of x sigma(u(x)), sigma(u)(1 + x u' sigma(-u)), from 1 + e^|u| and the
// growth x u', which has u's sign. With h(-a) = sigma(-a)(1 - |x u'| sigma(a)), a = |u|, it is
// h(-a) where u < 0 and 1 - h(-a) elsewhere. `low` is what |x u'| lost in rounding, where it
// lost anything.
template <class T, class... Low>
T gated_backward(T dy, T u, OnePlusExp<T> sum, T growth, Low... low) {
    const T inverse = 1 / sum.d, sigma = 1 - inverse * sum.scale;
    const T factor = math::accurate_fma(-growth, sigma, (T(1) - ... - (low * sigma)));
    T h = inverse * factor;
    // With a growth in two parts the quotient factor / (1 + e^|u|) too is rounded but once.
    if constexpr (sizeof...(low) > 0)
        h = math::fma(math::fma(-h, sum.low, math::accurate_fma(-h, sum.d, factor)), inverse, h);
    return math::times_reflected(dy, u < 0, h, sum.scale);
}

// The same for u sigma(u); `a_low` is what |u| lost in rounding.
template <class T, class... Low> T times_sigmoid_backward(T dy, T u, OnePlusExp<T> sum, Low... a_low) {
    return gated_backward(dy, u, sum, math::at_most(math::exp_limit<T>, math::abs(u)), a_low...);
}

// A factor in an exponential whose product with log2(e) is a number of type T: with a larger one the exponential is at
// its limit for all x but the smallest.
template <class T> double steep(double value) {
    constexpr double largest = std::numeric_limits<T>::max() / 2;
    return std::copysign(std::fmin(std::fabs(value), largest), value);
}

// factor * x in an exponential, for a parameter.
template <class T> struct Factor {
    T high, low, log2, reach;  // |factor x| is exp_limit at `reach`

    explicit Factor(double value)
        : high(math::bounded<T>(value)),
          low(std::fabs(value) <= std::numeric_limits<T>::max() ? T(value - double(high)) : T(0)),
          log2(math::bounded<T>(value * math::log2_e<double>)),
          reach(math::bounded<T>(math::exp_limit<T> / std::fabs(value))) {}

    // For |x| up to `reach`.
    math::ReducedProduct<T> reduce(T x) const {
        const T shifted = math::fma(x, log2, math::rounder<T>(math::halved<T>));
        return math::reduce_product(x, high, low, shifted, math::halved<T>);
    }
};

// 1 / (1 + e^(factor x)) as scale / d.
template <class T> struct SigmoidOf {
    Factor<T> factor;
    T far_low, far_high, near_low, near_high;

    explicit SigmoidOf(double given) : factor(steep<T>(given)) {
        const double value = steep<T>(given);
        constexpr T infinity = std::numeric_limits<T>::infinity(), largest = std::numeric_limits<T>::max();
        const T near = -math::bounded<T>(-math::exp_negligible<T> / std::fabs(value));
        far_low = value < 0 ? -factor.reach : -infinity, near_low = value > 0 ? near : -largest;
        far_high = value > 0 ? factor.reach : infinity, near_high = value < 0 ? -near : largest;
    }

    // x, held from where e^(factor x) is beyond all scales.
    T held(T x) const { return math::at_most(far_high, math::at_least(far_low, x)); }
    // Of x that is held.
    OnePlusExp<T> one_plus_exp(T x) const {
        return math::one_plus_exp_reduced(factor.reduce(math::at_most(near_high, math::at_least(near_low, x))));
    }
};

// sigma(x) = scale / d with d >= 1 >= scale, so that a / d * scale loses nothing of a small
// a, nor of a large one where sigma(x) alone underflows. At -inf it is 0 times any number.
template <class T> OnePlusExp<T> sigmoid_parts(T x) {
    const auto [d, scale, low] = math::one_plus_exp_at_least_1(-x);
    return {d, x < -math::exp_limit<T> ? T(0) : scale, low};
}

// dL/da and dL/db of a * gate(b). In the latter the product dy a is carried in two parts,
// as its rounding error would be one too many for the promise.
template <class T> struct GatedGradients {
    T a, b;
};

// What both gradients are made of: sigma(-|b|) = inverse * scale and sigma(|b|), and
// sigma(b) = factor * power.
template <class T> struct GateParts {
    T inverse, sigma, scale, factor, power;

    explicit GateParts(T b) {
        const auto sum = math::one_plus_exp(math::abs(b));
        inverse = 1 / sum.d;
        scale = math::abs(b) > math::exp_limit<T> ? T(0) : sum.scale;
        sigma = 1 - inverse * scale;
        factor = b < 0 ? inverse : sigma;
        power = b < 0 ? scale : T(1);
    }
};

template <class T> struct Sigmoid {
    explicit Sigmoid(const double*) {}

    T forward(T x) const {
        const T inside = math::at_most(-math::exp_negligible<T>, math::at_least(-math::one_scale_limit<T>, x));
        const auto [d, scale, low] = math::one_plus_exp_at_one_scale(-inside);
        return scale / d;
    }
    T times(T a, T x) const {
        const auto [d, scale, low] = sigmoid_parts(x);
        return a / d * scale;
    }
    GatedGradients<T> times_backward(T dy, T a, T x) const {
        const GateParts<T> gate(x);
        const T product = dy * a, low = math::finite_product_error(dy, a, product);
        return {dy * gate.factor * gate.power,
                math::times_in_parts(product, gate.inverse * gate.sigma, low) * gate.scale};
    }
    T backward_x(T dy, T x) const { return sigmoid_backward(dy, x); }
    T backward_y(T dy, T y) const { return dy * (y * (1 - y)); }
};

template <class T> struct Tanh {
    explicit Tanh(const double*) {}

    T forward(T x) const { return math::tanh(x); }
    T backward_x(T dy, T x) const { return 4 * sigmoid_backward(dy, 2 * x); }
    T backward_y(T dy, T y) const { return dy * ((1 - y) * (1 + y)); }
};

template <class T> struct Softsign : Unrolled {
    explicit Softsign(const double*) {}

    T forward(T x) const {
        const T a = math::at_most(std::numeric_limits<T>::max(), math::abs(x));
        return math::with_sign(a / (1 + a), x);
    }
    T backward_x(T dy, T x) const {
        const T d = 1 + math::abs(x);
        return dy / d / d;
    }
    T backward_y(T dy, T y) const {
        const T rest = 1 - math::abs(y);
        return dy * rest * rest;
    }
};

template <class T> struct Tanhshrink {
    explicit Tanhshrink(const double*) {}

    T forward(T x) const { return math::tanhshrink(x); }
    T backward_x(T dy, T x) const { return math::times_tanh_squared(dy, x); }
};

// dy h(x), h(a) = 1 - h(-a), from `scaled` = h(-|x|) / scale; a large dy meets it before the scale.
template <class T> T mirrored(T dy, T x, T scaled, T root_of_scale) {
    const T below = (x < 0 ? dy : T(1)) * scaled * root_of_scale * root_of_scale;
    return x < 0 ? below : dy * (1 - below);
}

// (x + s) / 2 with s = sqrt(x^2 + b), as max(x, 0) + (s - |x|) / 2, and s - a = b / (s + a).
template <class T> struct Squareplus {
    static constexpr T huge = std::numeric_limits<T>::max() * T(0x1p-20);
    T b, limit, part, rest;  // part * rest is b / 2, so that neither dy * part overflows nor a tiny part is lost

    explicit Squareplus(const double* parameters)
        // Of a smaller b a quarter would be 0.
        : b(std::fmax(4 * std::numeric_limits<T>::denorm_min(), math::bounded<T>(parameters[0]))),
          limit(math::bounded<T>((sizeof(T) == 4 ? 0x1p14 : 0x1p28) * std::sqrt(double(b)))),
          part(b < 1 ? b : T(b < huge ? 0.25 : 0x1p-20) * b),
          rest(T(b < 1 ? 0.5 : b < huge ? 2 : 0x1p19)) {}

    T forward(T x) const {
        const math::Hypotenuse<T> s(math::abs(x), b);
        const T sum = s.root + s.leg, lost = (s.root - sum) + s.leg + s.root_low;
        const T rest = T(0.5) * (b / sum);
        return (x < 0 ? T(0) : x) + math::fma(-rest, lost / sum, rest) * s.scale;
    }
    // (1 + x / s) / 2, which is b / (2 s (s + a)) at x = -a.
    T backward_x(T dy, T x) const {
        const math::Hypotenuse<T> s(math::abs(x), b);
        // dy comes before the quotient, which may be subnormal.
        const T below = (x < 0 ? dy : T(1)) * part / math::fma(s.root, s.leg, s.square) * rest * s.scale * s.scale;
        return x < 0 ? below : dy * (1 - below);
    }
    // y^2 / (y^2 + b / 4), of a y up to where that is 1.
    T backward_y(T dy, T y) const {
        const T inside = math::at_most(limit, y);
        return dy * (inside / math::fma(inside, inside, T(0.25) * b)) * inside;
    }
};

// (x + x^2 / s) / 2 with s = sqrt(1 + x^2), as max(x, 0) - (a - a^2 / s) / 2, a = |x|, and
// s (s - a) = s / (s + a).
template <class T> struct Dish {
    explicit Dish(const double*) {}

    T forward(T x) const {
        const math::Hypotenuse<T> s(math::abs(x), T(1));
        const T low = math::fma(s.root_low, s.leg, s.square_low);
        const T product = math::fma(s.root, s.leg, low), sum = s.square + product;
        const T lost = (s.square - sum) + product, rest = T(0.5) * s.leg / sum;
        return (x < 0 ? T(0) : x) - math::fma(-rest, lost / sum, rest) * s.scale;
    }
    // h(-a) = (1 - a (s^2 + 1) / s^3) / 2, and where that cancels, beyond a = 1/4, it is
    // (1 - a s) / (2 s^2 (s^2 + a s)), less what the denominator lost in rounding, where
    // s^2 counts as half of s^2 + a s.
    T backward_x(T dy, T x) const {
        const math::Hypotenuse<T> s(math::abs(x), T(1));
        const bool near = math::abs(x) < T(0.25);
        const T product = math::fma(s.root, s.leg, s.root_low * s.leg), sum = s.square + product;
        const T lost = math::fma(T(3), s.square_low, (s.square - sum) + product);
        const T numerator = near ? s.leg * (s.square + 1) : s.scale * s.scale - product;
        const T h = T(0.5) * (numerator / (near ? s.root : sum) / s.square);
        return mirrored(dy, x, near ? T(0.5) - h : math::fma(-h, lost / sum, h), s.scale);
    }
};

}  // namespace fastact
