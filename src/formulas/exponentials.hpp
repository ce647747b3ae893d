// Formulas of e^x, e^x - 1 and log(1 + e^x): elu and its kin, the exponential, softplus.
#pragma once

#include <cmath>
#include <limits>

#include "formulas/sigmoids.hpp"
#include "math/bits.hpp"
#include "math/exp.hpp"
#include "math/log.hpp"

namespace fastact {

using math::exp_parts_negative;

template <class T> struct Elu {
    T alpha;

    explicit Elu(const double* parameters) : alpha(math::bounded<T>(parameters[0])) {}

    T forward(T x) const { return x > 0 ? x : alpha * math::expm1_negative(x > 0 ? T(0) : x); }
    T backward_x(T dy, T x) const {
        const auto e = exp_parts_negative(x > 0 ? T(0) : x);
        return x > 0 ? dy : dy * (alpha * (e.m * e.lower)) * e.upper;
    }
    T backward_y(T dy, T y) const { return y > 0 ? dy : dy * (y + alpha); }
};

template <class T> struct Celu {
    T alpha, bias, near;  // from here on it is x to half an ULP, which a subnormal quotient would not tell
    Pair<T> inverse;

    explicit Celu(const double* parameters)
        : alpha(math::bounded<T>(parameters[0])),
          bias(T(parameters[0] > 0 ? 0.25 : -0.25)),
          near(-math::bounded<T>(std::fabs(parameters[0]) * (std::numeric_limits<T>::epsilon() / 4))) {
        const double rounded = 1 / parameters[0], rest = std::fma(-rounded, parameters[0], 1) / parameters[0];
        inverse.high = math::bounded<T>(rounded);
        const double low = (rounded - double(inverse.high)) + rest;
        // Of an alpha so small that its inverse is beyond T, every x but 0 is at the limit.
        inverse.low = T(std::fabs(low) < std::fabs(double(inverse.high)) * std::numeric_limits<T>::epsilon() ? low : 0);
    }

    // x / alpha in two parts: rounded to one, its error would be multiplied by its size in the exponential.
    Pair<T> quotient(T x) const {
        constexpr T largest = std::numeric_limits<T>::max();
        const T finite = math::at_most(largest, math::at_least(-largest, x)), high = inverse.high * finite;
        return {high, math::fma(inverse.low, finite, math::product_error(inverse.high, finite, high))};
    }
    T forward(T x) const {
        const auto u = quotient(x);
        const T below = math::with_sign(math::times_expm1(alpha, u.high, u.low, bias), x);
        return x > near ? x : below;
    }
    T backward_x(T dy, T x) const {
        const auto u = quotient(x);
        const auto e = math::exp_parts(u.high, u.low);
        return x > 0 ? dy : dy * (e.m * e.lower) * e.upper;
    }
    T backward_y(T dy, T y) const { return y > 0 ? dy : dy * math::fma(y, inverse.high, T(1)); }
};

// The constants for which a normalised input stays so; the product with alpha in two parts,
// as the gradient from an output near its limit needs it.
template <class T> struct Selu {
    static constexpr double product = 1.7580993408473768;
    static constexpr T lambda = T(1.0507009873554805);
    static constexpr T high = T(product), low = T(product - double(high));

    explicit Selu(const double*) {}

    T forward(T x) const {
        const T e = math::expm1_negative(x > 0 ? T(0) : x);
        return x > 0 ? lambda * x : math::fma(high, e, low * e);
    }
    T backward_x(T dy, T x) const {
        const auto e = exp_parts_negative(x > 0 ? T(0) : x);
        return x > 0 ? lambda * dy : dy * (high * e.m * e.lower) * e.upper;
    }
    T backward_y(T dy, T y) const { return y > 0 ? lambda * dy : dy * ((y + high) + low); }
};

template <class T> struct Exponential {
    explicit Exponential(const double*) {}

    T forward(T x) const { return math::exp(x); }
    T backward_x(T dy, T x) const {
        const auto e = math::exp_parts(x);
        return dy * (e.m * e.lower) * e.upper;
    }
    T backward_y(T dy, T y) const { return dy * y; }
};

// log(1 + e^(beta x)) / beta. Beyond `bound`, where beta x is above the threshold, it is x.
template <class T> struct Softplus {
    SigmoidOf<T> gate;
    T beta, inverse, bound;

    explicit Softplus(const double* parameters)
        : gate(-parameters[0]),
          beta(math::bounded<T>(parameters[0])),
          inverse(math::bounded<T>(1 / parameters[0])),
          bound(T(parameters[1] / parameters[0])) {
        // x > threshold / beta exactly where beta x > threshold: the quotient rounded down.
        if (std::fma(double(bound), parameters[0], -parameters[1]) > 0)
            bound = std::nextafter(bound, -std::numeric_limits<T>::infinity());
    }

    T forward(T x) const {
        const auto reduced = gate.factor.reduce(math::at_most(gate.factor.reach, math::abs(x)));
        const auto [lower, upper] = math::powers<T>(reduced.exponent);
        const T e = math::exp_reduced(reduced.r) * lower;
        const T curved = math::fma(inverse, math::log1p01(e * upper), x < 0 ? T(0) : x);
        // Where 1 + e^(beta x) is 1: a subnormal result is rounded once.
        const T tail = inverse * e * upper;
        const T exact = x < -gate.near_high ? tail : curved;
        return x > bound ? x : exact;
    }
    T backward_x(T dy, T x) const {
        const auto [d, scale, low] = gate.one_plus_exp(gate.held(x));
        return x > bound ? dy : dy / d * scale;
    }
    T backward_y(T dy, T y) const { return dy * -math::expm1_negative(-(beta * y)); }
};

template <class T> struct LogSigmoid {
    explicit LogSigmoid(const double*) {}

    T forward(T x) const {
        return (x > 0 ? T(0) : x) - math::log1p01(math::exp_negative(-math::abs(x)));
    }
    T backward_x(T dy, T x) const {
        const auto [d, scale, low] = math::one_plus_exp(x);
        return dy / d * scale;
    }
    T backward_y(T dy, T y) const { return dy * -math::expm1_negative(y); }
};

}  // namespace fastact
