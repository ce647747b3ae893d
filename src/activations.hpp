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

#include "vmath.hpp"

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
    const auto [d, scale] = math::one_plus_exp(math::abs(u));
    const T inverse = 1 / d;
    return dy * (inverse * (1 - inverse * scale)) * scale;
}

// dy * h(u), h(u) = d(u sigma(u))/du = sigma(u)(1 + u sigma(-u)), from 1 + e^|u|.
// h(-a) = sigma(-a)(1 - a sigma(a)), and h(a) = 1 - h(-a). `a_low` is what |u| lost in
// rounding, where it lost anything.
template <class T, class... Low> T times_sigmoid_backward(T dy, T u, OnePlusExp<T> sum, Low... a_low) {
    const T a = math::at_most(math::exp_limit<T>, math::abs(u)), inverse = 1 / sum.d;
    const T sigma = 1 - inverse * sum.scale;
    const T h = inverse * math::fma(-a, sigma, (T(1) - ... - (a_low * sigma)));
    return dy * (u < 0 ? h : 1 - h * sum.scale) * (u < 0 ? sum.scale : T(1));
}

// sigma(x) = scale / d with d >= 1 >= scale, so that a / d * scale loses nothing of a small
// a, nor of a large one where sigma(x) alone underflows. At -inf it is 0 times any number.
template <class T> OnePlusExp<T> sigmoid_parts(T x) {
    const auto [d, scale] = math::one_plus_exp_at_least_1(-x);
    return {d, x < -math::exp_limit<T> ? T(0) : scale};
}

// dL/da and dL/db of a * gate(b).
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
        const auto [d, scale] = math::one_plus_exp(-x);
        return scale / d;
    }
    T times(T a, T x) const {
        const auto [d, scale] = sigmoid_parts(x);
        return a / d * scale;
    }
    GatedGradients<T> times_backward(T dy, T a, T x) const {
        const GateParts<T> gate(x);
        return {dy * gate.factor * gate.power, dy * a * (gate.inverse * gate.sigma) * gate.scale};
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
        const T below = slope * math::at_least(lowest, x);
        return x > 0 ? x : below;
    }
};

template <class T> struct Relu {
    explicit Relu(const double*) {}

    T forward(T x) const { return x < 0 ? T(0) : x; }
    T backward_x(T dy, T x) const { return x > 0 ? dy : T(0); }
    T backward_y(T dy, T y) const { return y > 0 ? dy : T(0); }
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

template <class T> struct Silu {
    explicit Silu(const double*) {}

    // Where sigma underflows even times x, x is held, so that -inf gives 0.
    T forward(T x) const {
        const auto [d, scale] = math::one_plus_exp(-x);
        return math::at_least(-math::exp_limit<T>, x) / d * scale;
    }
    // a comes before the division where x is small, after it where a x might overflow.
    T times(T a, T x) const {
        const auto [d, scale] = sigmoid_parts(x);
        const T held = math::at_least(-math::exp_limit<T>, x);
        const bool small = math::abs(x) < 1;
        return (small ? a : T(1)) * held / d * (small ? T(1) : a) * scale;
    }
    // The product dy a is carried in two parts, as its error is one too many for the promise.
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

// beta * x is carried in two parts: rounded to one, its error would be multiplied by
// its size in the exponential.
template <class T> struct Swish {
    T beta, beta_low;

    explicit Swish(const double* parameters)
        : beta(T(parameters[0])), beta_low(T(parameters[0] - double(beta))) {}

    struct Product {
        T high, low;
    };
    // Of a finite x, so that beta = 0 gives x / 2 at infinity too.
    Product times_beta(T x) const {
        constexpr T largest = std::numeric_limits<T>::max();
        const T finite = math::at_most(largest, math::at_least(-largest, x)), high = beta * finite;
        return {high, math::fma(beta_low, finite, math::product_error(beta, finite, high))};
    }
    T forward(T x) const {
        const auto u = times_beta(x);
        const auto [d, scale] = math::one_plus_exp(-u.high, -u.low);
        return (u.high < -math::exp_limit<T> ? T(0) : x) / d * scale;
    }
    T backward_x(T dy, T x) const {
        const auto u = times_beta(x);
        const T a = math::abs(u.high), low = math::with_sign_of(u.low, u.high);
        return times_sigmoid_backward(dy, u.high, math::one_plus_exp(a, low),
                                      a > math::exp_limit<T> ? T(0) : low);
    }
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

// -- Rows ------------------------------------------------------------------------
//
// A forward formula says what a row's largest is sought among (`logit`), what is summed
// (`term`), what a row's results need of both (`scale`) and what they are (`result`): of
// the terms where it keeps those, else of the inputs. A backward one likewise, from dy
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
    static constexpr bool counts_support = false;  // `gradient_scale` needs how many `supports`
};

// e^(logit - largest) over the sum of all: one exponential per element, and the largest
// term is exactly 1, so nothing overflows. `factor` is the logit's slope in x.
template <class T> struct Softmax : Row {
    using Gradient = Softmax;
    static constexpr bool keeps_terms = true;
    T factor;

    explicit Softmax(const double*, double factor = 1) : factor(T(factor)) {}

    T logit(T x, std::uint64_t) const { return x; }
    T term(T x, T largest, std::uint64_t) const { return math::exp_difference(x, largest); }
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
    T gradient(T dy, T y, Parts<T> mean) const { return y * ((dy - mean.high) - mean.low) * factor; }
};

template <class T> struct Softmin : Softmax<T> {
    explicit Softmin(const double* parameters) : Softmax<T>(parameters, -1) {}

    T logit(T x, std::uint64_t) const { return -x; }
    T term(T x, T largest, std::uint64_t) const { return math::exp_difference(-x, largest); }
};

// The difference is halved, so that it does not overflow before it is divided, and its
// quotient kept in two parts: rounded to one, its error would be multiplied by its size.
template <class T> struct TemperedSoftmax : Softmax<T> {
    T high, low;

    explicit TemperedSoftmax(const double* parameters) : Softmax<T>(parameters, 1 / parameters[0]) {
        high = T(std::min(2 / parameters[0], double(std::numeric_limits<T>::max())));
        const double product = double(high) * parameters[0];
        const double rest = (2 - product) - math::product_error(double(high), parameters[0], product);
        low = T(std::isfinite(rest) ? rest / parameters[0] : 0);
    }
    T term(T x, T largest, std::uint64_t) const { return tempered(x, T(0), largest); }
    T tempered(T x, T x_low, T largest) const {
        const auto [d, error] = math::difference(T(0.5) * x, T(0.5) * largest);
        const T u = d * high, lost = math::fma(math::fma(T(0.5), x_low, error), high, math::product_error(d, high, u));
        // More than a rounding error is lost where noise disappears beside a huge x.
        const T u_low = math::fma(d, low, lost);
        return math::exp_sum(u, math::keep(math::mask_if<T>(math::abs(u_low) < T(0.125)), u_low));
    }
};

// The noise of element i is -log(-log(u(i))), u(i) in (0, 1) from `random_bits`.
template <class T> T gumbel_noise(std::uint64_t seed, std::uint64_t index) {
    const T u = unit_interval<T>(random_bits(seed, index)) + std::numeric_limits<T>::epsilon() / 2;
    return -math::log(-math::log(u));
}

// x + noise is rounded only where the largest is sought.
template <class T> struct GumbelSoftmax : TemperedSoftmax<T> {
    std::uint64_t seed;

    explicit GumbelSoftmax(const double* parameters)
        : TemperedSoftmax<T>(parameters), seed(std::bit_cast<std::uint64_t>(parameters[1])) {}

    T logit(T x, std::uint64_t index) const { return x + gumbel_noise<T>(seed, index); }
    T term(T x, T largest, std::uint64_t index) const {
        const auto [sum, error] = math::difference(x, -gumbel_noise<T>(seed, index));
        return this->tempered(sum, error, largest);
    }
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
    static constexpr double scaling = 0x1p64;
    static constexpr bool counts_ties = true;

    explicit LogSoftmax(const double*) {}

    T logit(T x, std::uint64_t) const { return x; }
    T term(T x, T largest, std::uint64_t) const {
        return math::keep(math::mask_if<T>(x != largest), math::exp_difference(x, largest, T(scaling)));
    }
    // NaN where the largest is infinite.
    Parts<T> scale(double sum, double error, double ties, T largest) const {
        return Parts<T>::of(math::log1p((ties - 1) + (sum + error) / scaling), double(largest - largest));
    }
    T result(T x, T largest, Parts<T> log) const {
        const auto [d, error] = math::difference(x, largest);
        // The error is NaN where it overflows on the way.
        const T low = math::keep(math::mask_if<T>(math::abs(error) < std::numeric_limits<T>::max()), error);
        return (d - log.high) + (low - log.low);
    }

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
