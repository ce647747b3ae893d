// Formulas with a number drawn for each element, a function of the seed and the element's
// index: rrelu, Gumbel noise and dropout.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "formulas/rectifiers.hpp"
#include "formulas/unrolled.hpp"
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

    std::uint64_t bits(std::uint64_t index) const { return mixed(key + (index + 1) * step); }
    // `size` words from this index on: a sum takes from one to the next, where a vector of 64-bit products is long.
    void fill(std::uint64_t index, std::ptrdiff_t size, std::uint64_t* words) const {
        std::uint64_t counter = key + (index + 1) * step;
        for (std::ptrdiff_t i = 0; i < size; ++i, counter += step) words[i] = mixed(counter);
    }
    // The leading bits as a number in [0, 1).
    template <class T> T unit_interval(std::uint64_t index) const {
        if constexpr (sizeof(T) == 4)
            return std::bit_cast<float>(std::uint32_t(bits(index) >> 41) | 0x3f800000u) - 1;
        else
            return std::bit_cast<double>((bits(index) >> 12) | 0x3ff0000000000000u) - 1;
    }

  private:
    static constexpr std::uint64_t step = 0x9e3779b97f4a7c15u;
    std::uint64_t key;

    static std::uint64_t mixed(std::uint64_t z) {
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
};

// Training mode; evaluation is LeakyRelu at the mean slope. The slope of element
// i is lower + (upper - lower) * u(i), with u(i) in [0, 1).
template <class T> struct RRelu : Unrolled {
    T lower, width;
    Stream stream;

    explicit RRelu(const double* parameters)
        : lower(math::bounded<T>(parameters[0])),
          width(math::bounded<T>(parameters[1] - double(lower))),
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

// An element is dropped where the number that 32 random bits make, of 2^32, is below p, which is rounded to as many:
// the same elements in every dtype. Both are moved down by 2^31, since SSE2 and AVX2 compare integers with signs. A
// dropped NaN stays one, as with a mask that is multiplied.
template <class T> struct Dropout {
    std::int64_t least;
    std::int32_t least_word, some;
    T scale;
    Stream stream;

    // At p = 1 nothing is left to be scaled, and 0 times infinity would be NaN.
    explicit Dropout(const double* parameters)
        : least(std::int64_t(parameters[0] * 0x1p32 + 0.5) - (std::int64_t(1) << 31)),
          least_word(std::int32_t(least)),
          some(least == least_word ? -1 : 0),
          scale(T(parameters[0] < 1 ? 1 / (1 - parameters[0]) : 0)),
          stream(hashed("dropout"), parameters[1]) {}

    T kept(T x, std::int32_t drawn) const { return math::keep(mask(drawn) | math::mask_if<T>(x != x), x); }
    T forward(T x, std::int32_t drawn) const { return kept(x, drawn) * scale; }
    T forward(T x, std::int32_t drawn, T residual) const { return math::fma(kept(x, drawn), scale, residual); }

  private:
    // 2^31, which is above every word, is none in 32 bits. SSE2 has no comparison of 64-bit integers, but the sign of
    // a difference; a mask of 32 bits for elements of 64 would make gcc branch.
    math::Bits<T> mask(std::int32_t drawn) const {
        if constexpr (sizeof(T) == 4)
            return drawn >= least_word ? some : 0;
        else
            return (std::uint64_t(drawn - least) >> 63) - 1;
    }
};

}  // namespace fastact
