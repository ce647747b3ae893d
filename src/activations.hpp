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

#include <bit>
#include <cstdint>
#include <limits>

#include "vmath.hpp"

namespace fastact {

using math::exp_parts;

// The leading bits of a random word as a number in [0, 1).
template <class T> T unit_interval(std::uint64_t bits) {
    if constexpr (sizeof(T) == 4)
        return std::bit_cast<float>(std::uint32_t(bits >> 41) | 0x3f800000u) - 1;
    else
        return std::bit_cast<double>((bits >> 12) | 0x3ff0000000000000u) - 1;
}

// sigma(u) and sigma(-u) from one exponential of -|u|, which never overflows.
// sigma(u) = upper * tail: `tail` is the last power of two of a small value,
// multiplied in at the end of a formula, so that products with sigma(u) keep
// their relative accuracy where sigma(u) itself would be subnormal.
template <class T> struct Gate {
    T upper, tail, lower;

    explicit Gate(T u) {
        const auto e = exp_parts(-math::abs(u));
        const T small = e.m * e.s * e.s, ratio = 1 / (1 + small);
        upper = (u < 0 ? e.m * e.s : T(1)) * ratio;
        tail = u < 0 ? e.s : T(1);
        lower = (u < 0 ? T(1) : small) * ratio;
    }
};

// dy * sigma'(u) = dy * e / (1 + e)^2 with e = exp(-|u|): sigma(1 - sigma) would
// cancel where sigma rounds to 1.
template <class T> T sigmoid_backward(T dy, T u) {
    const auto e = exp_parts(-math::abs(u));
    const T ratio = 1 / (1 + e.m * e.s * e.s);
    return dy * (e.m * e.s) * (ratio * ratio) * e.s;
}

// x * sigma(u). The division comes last: x / (1 + e) rounds once less than
// x * (1 / (1 + e)). Where sigma(u) underflows even times the largest x, x is
// replaced by zero, so that -inf gives the limit 0 and not -inf * 0.
template <class T> T times_sigmoid(T x, T u) {
    const auto e = exp_parts(-math::abs(u));
    const T factor = u < 0 ? e.m * e.s : T(1);
    const T finite = u < -math::exp_limit<T> ? T(0) : x;
    return finite * factor / (1 + e.m * e.s * e.s) * (u < 0 ? e.s : T(1));
}

// dy * d(x sigma(u))/dx with u = beta * x, where beta drops out: sigma(u)(1 + u sigma(-u)).
template <class T> T times_sigmoid_backward(T dy, T u) {
    const Gate<T> gate(u);
    const T above = u < -math::exp_limit<T> ? -math::exp_limit<T> : u;
    const T finite = above > math::exp_limit<T> ? math::exp_limit<T> : above;
    return dy * (gate.upper * math::fma(finite, gate.lower, T(1))) * gate.tail;
}

template <class T> struct Sigmoid {
    explicit Sigmoid(const double*) {}

    T forward(T x) const {
        const T e = math::exp(-math::abs(x));
        return (x < 0 ? e : T(1)) / (1 + e);
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
template <class T> T leaky(T x, T slope) {
    const T product = slope * x;
    return x > 0 ? x : slope == 0 && x < 0 ? T(0) : product;
}

template <class T> struct Relu {
    explicit Relu(const double*) {}

    T forward(T x) const { return x < 0 ? T(0) : x; }
    T backward_x(T dy, T x) const { return x > 0 ? dy : T(0); }
    T backward_y(T dy, T y) const { return y > 0 ? dy : T(0); }
};

template <class T> struct LeakyRelu {
    T negative_slope;

    explicit LeakyRelu(const double* parameters) : negative_slope(T(parameters[0])) {}

    T forward(T x) const { return leaky(x, negative_slope); }
    T backward_x(T dy, T x) const { return x > 0 ? dy : negative_slope * dy; }
    T backward_y(T dy, T y) const { return backward_x(dy, y); }
};

// Training mode; evaluation is LeakyRelu at the mean slope. The slope of element
// i is lower + (upper - lower) * u(i), with u(i) from SplitMix64 (Steele, Lea,
// Flood 2014) jumped to position i: no state, so no order.
template <class T> struct RRelu {
    T lower, width;
    std::uint64_t seed;

    explicit RRelu(const double* parameters)
        : lower(T(parameters[0])),
          width(T(parameters[1] - parameters[0])),
          seed(std::bit_cast<std::uint64_t>(parameters[2])) {}

    T slope(std::uint64_t index) const {
        std::uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return math::fma(width, unit_interval<T>(z ^ (z >> 31)), lower);
    }
    T forward(T x, std::uint64_t index) const { return leaky(x, slope(index)); }
    T backward_x(T dy, T x, std::uint64_t index) const { return x > 0 ? dy : slope(index) * dy; }
    T backward_y(T dy, T y, std::uint64_t index) const { return backward_x(dy, y, index); }
};

template <class T> struct Elu {
    T alpha;

    explicit Elu(const double* parameters) : alpha(T(parameters[0])) {}

    T forward(T x) const { return x > 0 ? x : alpha * math::expm1_negative(x > 0 ? T(0) : x); }
    T backward_x(T dy, T x) const {
        const auto e = exp_parts(x > 0 ? T(0) : x);
        return x > 0 ? dy : dy * (alpha * e.m * e.s) * e.s;
    }
    T backward_y(T dy, T y) const { return y > 0 ? dy : dy * (y + alpha); }
};

template <class T> struct Silu {
    explicit Silu(const double*) {}

    T forward(T x) const { return times_sigmoid(x, x); }
    T backward_x(T dy, T x) const { return times_sigmoid_backward(dy, x); }
};

template <class T> struct Swish {
    T beta;

    explicit Swish(const double* parameters) : beta(T(parameters[0])) {}

    // Finite, so that beta = 0 gives x / 2 at infinity too.
    T gate(T x) const {
        constexpr T largest = std::numeric_limits<T>::max();
        const T above = x < -largest ? -largest : x;
        return beta * (above > largest ? largest : above);
    }
    T forward(T x) const { return times_sigmoid(x, gate(x)); }
    T backward_x(T dy, T x) const { return times_sigmoid_backward(dy, gate(x)); }
};

}  // namespace fastact
