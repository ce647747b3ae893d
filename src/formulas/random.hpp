// Formulas with a number drawn for each element, a function of the seed and the element's
// index: rrelu, Gumbel noise and dropout.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "formulas/rectifiers.hpp"
#include "math/bits.hpp"
#include "math/log.hpp"

namespace fastact {

// FNV-1a.
consteval std::uint64_t hashed(const char* name) {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; ++name) hash = (hash ^ std::uint64_t(*name)) * 0x100000001b3u;
    return hash;
}

// SplitMix64 (Steele, Lea, Flood 2014) jumped to a position: no state, so no order. What draws has its own name in
// the key, so that one seed in two layers gives unrelated numbers.
class Stream {
  public:
    Stream(std::uint64_t name, double seed) : key(std::bit_cast<std::uint64_t>(seed) ^ name) {}

    std::uint64_t bits(std::uint64_t index) const {
        std::uint64_t z = key + (index + 1) * 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    // The leading bits as a number in [0, 1).
    template <class T> T unit_interval(std::uint64_t index) const {
        if constexpr (sizeof(T) == 4)
            return std::bit_cast<float>(std::uint32_t(bits(index) >> 41) | 0x3f800000u) - 1;
        else
            return std::bit_cast<double>((bits(index) >> 12) | 0x3ff0000000000000u) - 1;
    }

  private:
    std::uint64_t key;
};

// Training mode; evaluation is LeakyRelu at the mean slope. The slope of element
// i is lower + (upper - lower) * u(i), with u(i) in [0, 1).
template <class T> struct RRelu {
    T lower, width;
    Stream stream;

    explicit RRelu(const double* parameters)
        : lower(T(parameters[0])),
          width(T(parameters[1] - parameters[0])),
          stream(hashed("rrelu"), parameters[2]) {}

    T slope(std::uint64_t index) const { return math::fma(width, stream.unit_interval<T>(index), lower); }
    T forward(T x, std::uint64_t index) const { return Leaky<T>(slope(index))(x); }
    T backward_x(T dy, T x, std::uint64_t index) const { return x > 0 ? dy : slope(index) * dy; }
    T backward_y(T dy, T y, std::uint64_t index) const { return backward_x(dy, y, index); }
};

// The noise of element i is -log(-log(u(i))), u(i) in (0, 1).
template <class T> struct GumbelNoise {
    Stream stream;

    explicit GumbelNoise(double seed) : stream(hashed("gumbel_softmax"), seed) {}

    T operator()(std::uint64_t index) const {
        const T u = stream.unit_interval<T>(index) + std::numeric_limits<T>::epsilon() / 2;
        return -math::log_normal(-math::log_normal(u));
    }
};

// What the noise is, for whoever wants to know it: x + noise.
template <class T> struct Gumbel {
    GumbelNoise<T> noise;

    explicit Gumbel(const double* parameters) : noise(parameters[0]) {}

    T forward(T x, std::uint64_t index) const { return x + noise(index); }
};

// Element i is dropped where the number that 63 bits of its random word make, of 2^63, is below p: the same
// elements in every dtype. Of two numbers below 2^63 the difference says in its first bit which is the larger;
// SSE2 has no comparison of 64-bit integers. A dropped NaN stays one, as with a mask that is multiplied.
template <class T> struct Dropout {
    std::uint64_t dropped;
    T scale;
    Stream stream;

    // At p = 1 nothing is left to be scaled, and 0 times infinity would be NaN.
    explicit Dropout(const double* parameters)
        : dropped(std::uint64_t(parameters[0] * 0x1p63)),
          scale(T(parameters[0] < 1 ? 1 / (1 - parameters[0]) : 0)),
          stream(hashed("dropout"), parameters[1]) {}

    T kept(T x, std::uint64_t index) const {
        const std::uint64_t below = ((stream.bits(index) >> 1) - dropped) >> 63;
        return math::keep((math::Bits<T>(below) - 1) | math::mask_if<T>(x != x), x);
    }
    T forward(T x, std::uint64_t index) const { return kept(x, index) * scale; }
    T added(T x, T residual, std::uint64_t index) const { return math::fma(kept(x, index), scale, residual); }
};

}  // namespace fastact
