// The formulas: one struct per activation, forward and backward, as on paper.
//
// A struct is built once per call from the parameters (float64, in the order of
// the catalog's row) and then applied to every element. `backward_x` takes the
// saved input and `backward_y` the saved output; a struct without `backward_y`
// cannot be differentiated from its output. Everything is branch-free, so that
// the loops of loops.hpp become SIMD code.
//
// Comparisons are written so that NaN falls through to a branch that keeps it.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "math/bits.hpp"
#include "math/coefficients.hpp"
#include "math/exp.hpp"
#include "math/log.hpp"
#include "math/normal.hpp"
#include "math/root.hpp"
#include "math/tanh.hpp"

namespace fastact {

using math::exp_parts_negative;

// The leading bits of a random word as a number in [0, 1).
template <class T> T unit_interval(std::uint64_t bits) {
    if constexpr (sizeof(T) == 4)
        return std::bit_cast<float>(std::uint32_t(bits >> 41) | 0x3f800000u) - 1;
    else
        return std::bit_cast<double>((bits >> 12) | 0x3ff0000000000000u) - 1;
}

using math::OnePlusExp;

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

// A number in two parts, and the quotient of two such.
template <class T> struct Pair {
    T high, low;
};
template <class T> Pair<T> operator/(Pair<T> a, Pair<T> b) {
    const T inverse = 1 / b.high, quotient = a.high * inverse;
    const T error = math::accurate_fma(-quotient, b.high, a.high);
    return {quotient, (error + (a.low - quotient * b.low)) * inverse};
}

// factor * x in an exponential, for a parameter.
template <class T> struct Factor {
    T high, low, log2, reach;  // |factor x| is exp_limit at `reach`

    explicit Factor(double value)
        : high(T(value)),
          low(T(value - double(high))),
          log2(T(value * math::log2_e<double>)),
          reach(T(std::fmin(math::exp_limit<T> / std::fabs(value), std::numeric_limits<T>::max()))) {}

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

    explicit SigmoidOf(double value) : factor(value) {
        constexpr T infinity = std::numeric_limits<T>::infinity(), largest = std::numeric_limits<T>::max();
        const T near = factor.reach * (math::exp_negligible<T> / math::exp_limit<T>);
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

// slope * x where x is not positive, and the limit 0 of a slope of 0 at -inf.
template <class T> struct Leaky {
    T slope, lowest;

    explicit Leaky(T slope)
        : slope(slope),
          lowest(slope == 0 ? std::numeric_limits<T>::lowest() : -std::numeric_limits<T>::infinity()) {}

    T operator()(T x) const {
        // Named, or gcc makes one condition of both choices, at twice the cost.
        const T below = slope * (x < lowest ? lowest : x);
        return x > 0 ? x : below;
    }
};

template <class T> struct Relu {
    explicit Relu(const double*) {}

    T forward(T x) const { return math::at_least(T(0), x); }
    T backward_x(T dy, T x) const { return x > 0 ? dy : T(0); }
    T backward_y(T dy, T y) const { return y > 0 ? dy : T(0); }
};

// `value` rounded up or down: a number of type T is above (below) the one as it is the other.
template <class T> T rounded_up(double value) {
    const T nearest = T(value);
    return double(nearest) < value ? std::nextafter(nearest, std::numeric_limits<T>::infinity()) : nearest;
}
template <class T> T rounded_down(double value) { return -rounded_up<T>(-value); }

// The numbers between two bounds, those not among them.
template <class T> struct Between {
    T low, high;

    bool operator()(T value) const { return (value > low) & (value < high); }
};

// An output on a bound is that bound as rounded to its type, an input may be just beside it.
template <class T> struct Hardtanh {
    Between<T> inputs, outputs;

    explicit Hardtanh(const double* parameters)
        : inputs{rounded_down<T>(parameters[0]), rounded_up<T>(parameters[1])},
          outputs{T(parameters[0]), T(parameters[1])} {}

    T forward(T x) const { return math::at_most(outputs.high, math::at_least(outputs.low, x)); }
    T backward_x(T dy, T x) const { return inputs(x) ? dy : T(0); }
    T backward_y(T dy, T y) const { return outputs(y) ? dy : T(0); }
};

template <class T> struct Relu6 : Hardtanh<T> {
    static constexpr double bounds[] = {0, 6};

    explicit Relu6(const double*) : Hardtanh<T>(bounds) {}
};

// slope * x + offset between its ends at 0 and 1, as slope * (x - start).
template <class T> struct Hardsigmoid {
    Factor<T> slope, shift;
    T above;
    Between<T> inputs;

    explicit Hardsigmoid(const double* parameters)
        : slope(parameters[0]),
          shift(parameters[1] / parameters[0]),
          above(T(2 / parameters[0])),
          inputs{rounded_down<T>(-(parameters[1] / parameters[0])),
                 rounded_up<T>((1 - parameters[1]) / parameters[0])} {}

    T forward(T x) const {
        const T rise = math::at_most(above, math::at_least(T(0), (x + shift.high) + shift.low));
        return math::at_most(T(1), math::fma(rise, slope.high, rise * slope.low));
    }
    T backward_x(T dy, T x) const { return inputs(x) ? dy * slope.high : T(0); }
    T backward_y(T dy, T y) const { return Between<T>{0, 1}(y) ? dy * slope.high : T(0); }
};

// x (x + 3) / 6 where |x| < 3, with what x + 3 loses in rounding. Nothing is divided: that takes
// longer than all the rest.
template <class T> struct Hardswish {
    explicit Hardswish(const double*) {}

    T forward(T x) const {
        const T inside = math::at_most(T(3), math::at_least(T(-3), x));
        const T sum = inside + 3, low = inside - (sum - 3);
        return x > 3 ? x : math::accurate_fma(inside, sum, inside * low) * T(1.0 / 6);
    }
    T backward_x(T dy, T x) const {
        const T inner = dy * ((x + T(1.5)) * T(1.0 / 3)), below = x <= -3 ? T(0) : inner;
        return x >= 3 ? dy : below;
    }
};

template <class T> struct Threshold {
    T threshold, value;

    explicit Threshold(const double* parameters)
        : threshold(rounded_down<T>(parameters[0])), value(T(parameters[1])) {}

    T forward(T x) const { return x <= threshold ? value : x; }
    T backward_x(T dy, T x) const { return x > threshold ? dy : T(0); }
};

template <class T> struct Hardshrink {
    T lambd;

    explicit Hardshrink(const double* parameters) : lambd(rounded_down<T>(parameters[0])) {}

    T forward(T x) const { return math::abs(x) <= lambd ? T(0) : x; }
    T backward_x(T dy, T x) const { return math::abs(x) > lambd ? dy : T(0); }
};

template <class T> struct Softshrink : Hardshrink<T> {
    T shift;

    explicit Softshrink(const double* parameters) : Hardshrink<T>(parameters), shift(T(parameters[0])) {}

    T forward(T x) const { return x - math::at_most(shift, math::at_least(-shift, x)); }
};

template <class T> struct SquaredRelu {
    explicit SquaredRelu(const double*) {}

    T forward(T x) const {
        const T positive = x < 0 ? T(0) : x;
        return positive * positive;
    }
    T backward_x(T dy, T x) const { return 2 * (dy * (x < 0 ? T(0) : x)); }
};

// 0 below -1, x above 1 and the parabola between that meets both with their slopes; from the
// left up to 1 it is the larger of the two.
template <class T> struct SparsePlus {
    explicit SparsePlus(const double*) {}

    static T half(T x) { return T(0.5) * math::at_most(T(2), math::at_least(T(0), x + 1)); }

    T forward(T x) const {
        const T root = half(x), square = root * root;
        return x > square ? x : square;
    }
    T backward_x(T dy, T x) const { return dy * half(x); }
};

// The derivative of SparsePlus.
template <class T> struct SparseSigmoid {
    explicit SparseSigmoid(const double*) {}

    T forward(T x) const { return SparsePlus<T>::half(x); }
    T backward_x(T dy, T x) const { return math::abs(x) < 1 ? T(0.5) * dy : T(0); }
};

template <class T> struct LeakyRelu {
    Leaky<T> leaky;

    explicit LeakyRelu(const double* parameters) : leaky(T(parameters[0])) {}

    T forward(T x) const { return leaky(x); }
    T backward_x(T dy, T x) const { return x > 0 ? dy : leaky.slope * dy; }
    T backward_y(T dy, T y) const { return backward_x(dy, y); }
};

// SplitMix64 (Steele, Lea, Flood 2014) jumped to a position: no state, so no order.
inline std::uint64_t random_bits(std::uint64_t seed, std::uint64_t index) {
    std::uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Training mode; evaluation is LeakyRelu at the mean slope. The slope of element
// i is lower + (upper - lower) * u(i), with u(i) from `random_bits`.
template <class T> struct RRelu {
    T lower, width;
    std::uint64_t seed;

    explicit RRelu(const double* parameters)
        : lower(T(parameters[0])),
          width(T(parameters[1] - parameters[0])),
          seed(std::bit_cast<std::uint64_t>(parameters[2])) {}

    T slope(std::uint64_t index) const {
        return math::fma(width, unit_interval<T>(random_bits(seed, index)), lower);
    }
    T forward(T x, std::uint64_t index) const { return Leaky<T>(slope(index))(x); }
    T backward_x(T dy, T x, std::uint64_t index) const { return x > 0 ? dy : slope(index) * dy; }
    T backward_y(T dy, T y, std::uint64_t index) const { return backward_x(dy, y, index); }
};

template <class T> struct Elu {
    T alpha;

    explicit Elu(const double* parameters) : alpha(T(parameters[0])) {}

    T forward(T x) const { return x > 0 ? x : alpha * math::expm1_negative(x > 0 ? T(0) : x); }
    T backward_x(T dy, T x) const {
        const auto e = exp_parts_negative(x > 0 ? T(0) : x);
        return x > 0 ? dy : dy * (alpha * e.m * e.lower) * e.upper;
    }
    T backward_y(T dy, T y) const { return y > 0 ? dy : dy * (y + alpha); }
};

template <class T> struct Celu {
    T alpha, bias;
    Pair<T> inverse;

    explicit Celu(const double* parameters) : alpha(T(parameters[0])), bias(T(parameters[0] > 0 ? 0.25 : -0.25)) {
        const double rounded = 1 / parameters[0], rest = std::fma(-rounded, parameters[0], 1) / parameters[0];
        inverse.high = T(rounded);
        inverse.low = T((rounded - double(inverse.high)) + rest);
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
        return x > 0 ? x : below;
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

template <class T> struct Softsign {
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
    T b, limit;

    explicit Squareplus(const double* parameters)
        : b(math::at_least(std::numeric_limits<T>::min(), T(parameters[0]))),
          limit(T((sizeof(T) == 4 ? 0x1p14 : 0x1p28) * std::sqrt(parameters[0]))) {}

    T forward(T x) const {
        const math::Hypotenuse<T> s(math::abs(x), b);
        const T sum = s.root + s.leg, lost = (s.root - sum) + s.leg + s.root_low;
        const T rest = T(0.5) * b / sum;
        return (x < 0 ? T(0) : x) + math::fma(-rest, lost / sum, rest) * s.scale;
    }
    // (1 + x / s) / 2, which is b / (2 s (s + a)) at x = -a.
    T backward_x(T dy, T x) const {
        const math::Hypotenuse<T> s(math::abs(x), b);
        const T h = T(0.5) * b / math::fma(s.root, s.leg, s.square);
        return mirrored(dy, x, h, s.scale);
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

template <class T> struct Silu {
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
    T backward_x(T dy, T x) const {
        return times_sigmoid_backward(dy, x, math::one_plus_exp(math::abs(x)));
    }
};

template <class T> struct Swish {
    Factor<T> steepness;
    SigmoidOf<T> gate;
    T sign;

    explicit Swish(const double* parameters)
        : steepness(std::fabs(parameters[0])), gate(-parameters[0]), sign(T(parameters[0])) {}

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
    explicit Gelu(const double*) {}

    T forward(T x) const { return math::times_normal_cdf(x); }
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

// log(1 + e^(beta x)) / beta. Beyond `bound`, where beta x is above the threshold, it is x.
template <class T> struct Softplus {
    SigmoidOf<T> gate;
    T beta, inverse, bound;

    explicit Softplus(const double* parameters)
        : gate(-parameters[0]),
          beta(T(parameters[0])),
          inverse(T(1 / parameters[0])),
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

// -- Rows ------------------------------------------------------------------------
//
// A forward formula says what a row's largest is sought among (`logit`), what is summed
// (`term`, or the cheaper `near_term` of a row that an anchor holds), what a row's results
// need of both (`scale`) and what they are (`result`): of the terms where it keeps those,
// else of the inputs. A backward one likewise, from dy
// and y: `gradient_term`, `gradient_scale`, `gradient`.

// A float64 in two parts, which rounds once more than it would in one.
template <class T> struct Parts {
    T high = 0, low = 0;

    static Parts of(double high, double low) {
        const T rounded = T(high);
        return {rounded, T((high - double(rounded)) + low)};
    }
};

struct Row {
    static constexpr bool keeps_terms = false;     // the terms are stored, and results made of them
    static constexpr bool counts_ties = false;     // `scale` needs how many logits are the largest
    static constexpr bool has_anchor = false;      // terms can be had without x - largest
    static constexpr bool counts_support = false;  // `gradient_scale` needs how many `supports`
};

// What the terms of a row are relative to: its largest logit.
template <class T> struct Peak {
    T largest;
    math::Anchor<T> anchor;
};

// 2^headroom, which keeps the terms of a row from being subnormal.
template <class T> inline constexpr T raised = T(sizeof(T) == 4 ? 0x1p64 : 0x1p512);

// e^(logit - largest) over the sum of all.
template <class T> struct Softmax : Row {
    using Gradient = Softmax;
    static constexpr bool keeps_terms = true, has_anchor = true;

    explicit Softmax(const double*) {}

    T logit(T x, std::uint64_t) const { return x; }
    T near_term(T x, Peak<T> peak) const { return peak.anchor.exp(x); }
    T term(T x, Peak<T> peak, std::uint64_t) const {
        return math::exp_difference(x, peak.largest, raised<T>);
    }
    // The reciprocal in two parts: one rounding less for every element.
    Parts<T> scale(double sum, double error, double, T) const {
        const double reciprocal = 1 / sum;
        const T high = T(reciprocal);
        return {high, T((math::fma(-double(high), sum, 1.0) - double(high) * error) * reciprocal)};
    }
    T result(T e, T, Parts<T> inverse) const { return math::fma(e, inverse.high, e * inverse.low); }

    // y (dy - sum(dy y)); the sum is kept in two parts, since dy may be close to it.
    T gradient_term(T dy, T y) const { return dy * y; }
    Parts<T> gradient_scale(double sum, double error, double) const { return Parts<T>::of(sum + error, 0); }
    T gradient(T dy, T y, Parts<T> mean) const { return y * ((dy - mean.high) - mean.low); }
};

template <class T> struct Softmin : Softmax<T> {
    using Gradient = Softmin;

    using Softmax<T>::Softmax;

    T logit(T x, std::uint64_t) const { return -x; }
    T near_term(T x, Peak<T> peak) const { return peak.anchor.exp(-x); }
    T term(T x, Peak<T> peak, std::uint64_t) const {
        return math::exp_difference(-x, peak.largest, raised<T>);
    }
    T gradient(T dy, T y, Parts<T> mean) const { return y * ((mean.high - dy) + mean.low); }
};

// The difference is halved, so that it does not overflow before it is divided, and its
// quotient kept in two parts: rounded to one, its error would be multiplied by its size.
template <class T> struct TemperedSoftmax : Softmax<T> {
    using Gradient = TemperedSoftmax;
    static constexpr bool has_anchor = false;
    T factor, high, low;

    explicit TemperedSoftmax(const double* parameters) : Softmax<T>(parameters), factor(T(1 / parameters[0])) {
        high = T(std::min(2 / parameters[0], double(std::numeric_limits<T>::max())));
        const double product = double(high) * parameters[0];
        const double rest = (2 - product) - math::product_error(double(high), parameters[0], product);
        low = T(std::isfinite(rest) ? rest / parameters[0] : 0);
    }
    T term(T x, Peak<T> peak, std::uint64_t) const { return tempered(x, T(0), peak.largest); }
    T gradient(T dy, T y, Parts<T> mean) const { return Softmax<T>::gradient(dy, y, mean) * factor; }
    T tempered(T x, T x_low, T largest) const {
        const auto [d, error] = math::difference(T(0.5) * x, T(0.5) * largest);
        const T u = d * high, u_error = math::product_error(d, high, u);
        const T u_low = math::fma(d, low, math::fma(math::fma(T(0.5), x_low, error), high, u_error));
        // More than a rounding error is lost where noise disappears beside a huge x.
        const T kept = math::keep(math::mask_if<T>(math::abs(u_low) < T(0.125)), u_low);
        return math::exp_sum(u, kept, raised<T>);
    }
};

// The noise of element i is -log(-log(u(i))), u(i) in (0, 1) from `random_bits`.
template <class T> T gumbel_noise(std::uint64_t seed, std::uint64_t index) {
    const T u = unit_interval<T>(random_bits(seed, index)) + std::numeric_limits<T>::epsilon() / 2;
    return -math::log_normal(-math::log_normal(u));
}

// x + noise is rounded only where the largest is sought.
template <class T> struct GumbelSoftmax : TemperedSoftmax<T> {
    std::uint64_t seed;

    explicit GumbelSoftmax(const double* parameters)
        : TemperedSoftmax<T>(parameters), seed(std::bit_cast<std::uint64_t>(parameters[1])) {}

    T noise(std::uint64_t index) const { return gumbel_noise<T>(seed, index); }
    T logit(T x, T noise) const { return x + noise; }
    T logit(T x, std::uint64_t index) const { return logit(x, noise(index)); }
    T term(T x, Peak<T> peak, T noise) const {
        const auto [sum, error] = math::difference(x, -noise);
        return this->tempered(sum, error, peak.largest);
    }
    T term(T x, Peak<T> peak, std::uint64_t index) const { return term(x, peak, noise(index)); }
};

// What the noise is, for whoever wants to know it: x + noise.
template <class T> struct Gumbel {
    std::uint64_t seed;

    explicit Gumbel(const double* parameters) : seed(std::bit_cast<std::uint64_t>(parameters[0])) {}

    T forward(T x, std::uint64_t index) const { return x + gumbel_noise<T>(seed, index); }
};

// (x - largest) - log(sum). The terms of the largest are 1 and only counted: beside them a
// small sum of the others would be lost, which is all that a dominating logit's result has.
// They are scaled up, so that many subnormal ones do not each round.
template <class T> struct LogSoftmax : Row {
    using Gradient = LogSoftmax;
    static constexpr bool counts_ties = true, has_anchor = true;

    explicit LogSoftmax(const double*) {}

    T logit(T x, std::uint64_t) const { return x; }
    T near_term(T x, Peak<T> peak) const {
        return math::keep(math::mask_if<T>(x != peak.largest), peak.anchor.exp(x));
    }
    T term(T x, Peak<T> peak, std::uint64_t) const {
        const T raised_term = math::exp_difference(x, peak.largest, raised<T>);
        return math::keep(math::mask_if<T>(x != peak.largest), raised_term);
    }
    // largest + log(sum) in two parts; NaN where the largest is infinite.
    Parts<T> scale(double sum, double error, double ties, T largest) const {
        const double rest = math::Anchor<T>::relative(sum + error, largest) / double(raised<T>);
        const auto [high, low] = math::difference(double(largest), -math::log1p((ties - 1) + rest));
        return Parts<T>::of(high, low + double(largest - largest));
    }
    // Where x - high is not exact, low is small beside it.
    T result(T x, T, Parts<T> log) const { return (x - log.high) - log.low; }

    // dy - e^y sum(dy), the last factor of the exponential multiplied in last.
    T gradient_term(T dy, T) const { return dy; }
    Parts<T> gradient_scale(double sum, double error, double) const { return Parts<T>::of(sum + error, 0); }
    T gradient(T dy, T y, Parts<T> sum) const {
        const auto e = math::exp_parts_negative(y);
        return math::fma(-(sum.high * e.m * e.lower), e.upper, dy);
    }
};

// max(z - t, 0) with z = x - largest and the t at which the sum is 1.
template <class T> struct Sparsemax : Row {
    using Gradient = Sparsemax;
    static constexpr bool counts_support = true;

    explicit Sparsemax(const double*) {}

    T logit(T x, std::uint64_t) const { return x; }
    // One step towards t: the sum and the size of what is above it now.
    double inside(double z, double t) const { return z <= t ? 0 : z; }
    double counts(double z, double t) const { return z <= t ? 0 : 1; }
    double threshold(double sum, double error, double count) const { return ((sum - 1) + error) / count; }
    T result(T x, T largest, Parts<T> t) const {
        const T z = x - largest, y = (z - t.high) - t.low;
        return y < 0 ? T(0) : y;
    }

    // dy - mean(dy) over the support; NaN in y makes the count NaN.
    T gradient_term(T dy, T y) const { return y == 0 ? T(0) : dy; }
    T supports(T y) const { return y == 0 ? T(0) : 1 + (y - y); }
    Parts<T> gradient_scale(double sum, double error, double count) const {
        return Parts<T>::of((sum + error) / count, 0);
    }
    T gradient(T dy, T y, Parts<T> mean) const { return y == 0 ? T(0) : (dy - mean.high) - mean.low; }
};

}  // namespace fastact
