// Formulas with a number drawn for each element, a function of the seed and the element's
// index: rrelu and Gumbel noise.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "formulas/rectifiers.hpp"
#include "math/bits.hpp"
#include "math/log.hpp"

namespace fastact {

// SplitMix64 (Steele, Lea, Flood 2014) jumped to a position: no state, so no order.
inline std::uint64_t random_bits(std::uint64_t seed, std::uint64_t index) {
    std::uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// The leading bits of a random word as a number in [0, 1).
template <class T> T unit_interval(std::uint64_t bits) {
    if constexpr (sizeof(T) == 4)
        return std::bit_cast<float>(std::uint32_t(bits >> 41) | 0x3f800000u) - 1;
    else
        return std::bit_cast<double>((bits >> 12) | 0x3ff0000000000000u) - 1;
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

// The noise of element i is -log(-log(u(i))), u(i) in (0, 1) from `random_bits`.
template <class T> T gumbel_noise(std::uint64_t seed, std::uint64_t index) {
    const T u = unit_interval<T>(random_bits(seed, index)) + std::numeric_limits<T>::epsilon() / 2;
    return -math::log_normal(-math::log_normal(u));
}

// What the noise is, for whoever wants to know it: x + noise.
template <class T> struct Gumbel {
    std::uint64_t seed;

    explicit Gumbel(const double* parameters) : seed(std::bit_cast<std::uint64_t>(parameters[0])) {}

    T forward(T x, std::uint64_t index) const { return x + gumbel_noise<T>(seed, index); }
};

}  // namespace fastact
