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

using math::exp_parts_negative;

// The leading bits of a random word as a number in [0, 1).
template <class T> T unit_interval(std::uint64_t bits) {
    if constexpr (sizeof(T) == 4)
        return std::bit_cast<float>(std::uint32_t(bits >> 41) | 0x3f800000u) - 1;
    else
        return std::bit_cast<double>((bits >> 12) | 0x3ff0000000000000u) - 1;
}

// In all sigmoid-like formulas e = exp(-|u|), which never overflows, and u < 0 decides
// on which side of 1/2 the result lies. A power of two is multiplied in last where
// e itself may be subnormal while its product with something large is not.

// dy * sigma'(u) = dy * e / (1 + e)^2: sigma(1 - sigma) would cancel where sigma
// rounds to 1.
template <class T> T sigmoid_backward(T dy, T u) {
    const auto e = exp_parts_negative(-math::abs(u));
    const T ratio = 1 / (1 + e.value());
    return dy * (e.m * e.lower) * (ratio * ratio) * e.upper;
}

// x * sigma(u), where `inside` is x, but finite where u < 0. Where the numerator is
// subnormal the denominator is 1, so nothing is rounded twice.
template <class T> T times_sigmoid(T x, T inside, T u) {
    const auto e = exp_parts_negative(-math::abs(u));
    return (u < 0 ? inside * e.m * e.lower * e.upper : x) / (1 + e.value());
}

// dy * d(x sigma(u))/dx with u = beta * x, where beta drops out: h(u) = sigma(u)(1 + u sigma(-u)).
// h(-|u|) = e / (1 + e) * (1 - |u| / (1 + e)), and h(u) + h(-u) = 1.
template <class T> T times_sigmoid_backward(T dy, T u) {
    const T inside = math::at_least(-math::exp_limit<T>, -math::abs(u));
    const auto e = exp_parts_negative(inside);
    const T ratio = 1 / (1 + e.value());
    const T h = e.m * e.lower * (ratio * math::fma(inside, ratio, T(1)));
    return dy * (u < 0 ? h : 1 - h * e.upper) * (u < 0 ? e.upper : T(1));
}

template <class T> struct Sigmoid {
    explicit Sigmoid(const double*) {}

    T forward(T x) const {
        const T e = math::exp_negative(-math::abs(x));
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
template <class T> struct Leaky {
    T slope, lowest;

    explicit Leaky(T slope)
        : slope(slope),
          lowest(slope == 0 ? std::numeric_limits<T>::lowest() : -std::numeric_limits<T>::infinity()) {}

    T operator()(T x) const { return x > 0 ? x : slope * math::at_least(lowest, x); }
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

    T forward(T x) const { return times_sigmoid(x, math::at_least(-math::exp_limit<T>, x), x); }
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
    T forward(T x) const {
        const T u = gate(x);
        return times_sigmoid(x, u < -math::exp_limit<T> ? T(0) : x, u);
    }
    T backward_x(T dy, T x) const { return times_sigmoid_backward(dy, gate(x)); }
};

}  // namespace fastact
