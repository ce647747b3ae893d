// Norms: what is made of an element by what is known of all that are normalised with it, a row or a channel.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include "math/bits.hpp"

namespace fastact {

// What is known of a row or a channel: the mean in two parts, the variance (or the mean square), and
// 1 / sqrt(variance + eps).
inline constexpr std::ptrdiff_t kept_moments = 4;

struct Moments {
    double centre, offset, variance, rstd;

    double mean() const { return centre + offset; }
    // What it loses in rounding (Knuth 1969): of 1e14 + noise a hundredth of the noise.
    double lost() const {
        const double sum = mean(), part = sum - centre;
        return (centre - (sum - part)) + (offset - part);
    }
    void keep(double* to) const { to[0] = mean(), to[1] = rstd, to[2] = variance, to[3] = lost(); }
    Moments scaled(double unit) const { return {centre * unit, offset * unit, variance * unit * unit, rstd / unit}; }
};

// Squares beyond these, or sums of them, leave the dtype's range: they are made again of elements at another scale, a
// power of 2, which rounds nothing.
template <class T> struct Range {
    static constexpr double smallest = sizeof(T) == 4 ? 0x1p-100 : 0x1p-960;
    static constexpr double negligible = sizeof(T) == 4 ? 0x1p-70 : 0x1p-900;  // beside an eps of so much
    static constexpr T up = sizeof(T) == 4 ? T(0x1p100) : T(0x1p600);  // subnormals too
    static constexpr T down = sizeof(T) == 4 ? T(0x1p-70) : T(0x1p-530);

    // Whether a factor of this size, and the differences it goes with, are normal numbers of the dtype.
    static bool divides(double rstd) {
        constexpr double most = sizeof(T) == 4 ? 0x1p100 : 0x1p480;
        return rstd <= most && rstd >= 1 / most;
    }
};

// What the distances of a row or a channel are taken from, and at which scale: first as they are from the mean of a few
// elements, and again where the sums say that this was too far off or beyond the range.
template <class T> struct Centre {
    T at;
    T scale = 1;
    bool moved = false;

    // Whether the sums of `count` distances and of their squares do not do; otherwise what they say.
    bool moves(double distances, double squares, double count, double eps, Moments& found) {
        const double unit = double(scale), offset = distances / count, square = squares / count - offset * offset;
        const double raised = eps * unit * unit;
        found = {double(at), offset, square < 0 ? 0 : square, 1 / math::sqrt((square < 0 ? 0 : square) + raised)};
        if (!moved && offset * offset > square) [[unlikely]] {
            at = T(double(at) + offset);
            return moved = true;
        }
        const bool finite = square - square == 0;
        if (scale != 1) [[unlikely]] {
            found = found.scaled(1 / unit);
            return false;
        }
        if (finite && (square >= Range<T>::smallest || eps >= Range<T>::negligible)) [[likely]]
            return false;
        scale = finite ? Range<T>::up : Range<T>::down;
        at = at - at == 0 ? at * scale : T(0), moved = false;
        return true;
    }
};

// The mean of a few elements all over a row or a channel: mostly a quarter of the spread from its mean, and read at
// once.
inline constexpr std::ptrdiff_t most_samples = 16;

template <class T, class Value> T sampled_mean(std::ptrdiff_t length, Value value) {
    const std::ptrdiff_t count = std::min(most_samples, length);
    const std::ptrdiff_t step = std::max(length / most_samples, std::ptrdiff_t(1));
    T sums[4] = {};
    for (std::ptrdiff_t k = 0; k < count; ++k) sums[k % 4] += value(k * step);
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) / T(count);
}

// Where values lie and how far they spread. A mean beside which the spread is small takes two parts: of
// 1e4 + noise the nearest float32 is wrong by a thousandth of the noise. The difference to the larger one is exact
// then (Sterbenz 1974), and what the smaller one takes off is known beforehand, so a value is off by its own rounding
// and by a share of it for that.
template <class T> struct Standard {
    T high, rstd, shift;

    // Where the mean is so far from `high`.
    static Standard around(T high, double offset, double rstd) { return {high, T(rstd), T(-offset * rstd)}; }
    T operator()(T value) const { return math::fma(value - high, rstd, shift); }
};

// What an element of a channel becomes with its weights: (x - mean) * factor + shift. What the mean loses in the dtype
// is in the shift.
template <class T> struct ChannelForm {
    T mean, factor, shift;

    static ChannelForm of(double mean, double lost, double rstd, double weight, double bias) {
        const double factor = rstd * weight;
        return {T(mean), T(factor), T(((double(T(mean)) - mean) - lost) * factor + bias)};
    }
};

// Of a norm that leaves the mean where it is.
template <class T> struct Scaled {
    T rstd;

    static Scaled around(T, double, double rstd) { return {T(rstd)}; }
    T operator()(T value) const { return value * rstd; }
};

// The distance from a mean, and that from 0 of a norm that leaves the mean where it is, at the scale of the spread by a
// power of 2: it is rounded once. A gradient has the normalised value in two of its terms, where the roundings of that
// would add up: rows of 2 to 7 elements were off by 5.7 ULP of the largest term.
template <class T> struct Distance {
    T high, unit;

    T operator()(T value) const { return (value - high) * unit; }
};
template <class T> struct Length {
    T high, unit;

    T operator()(T value) const { return value * unit; }
};

// What makes the normalised value of a distance: distance * share + rest.
struct Share {
    double unit, share, rest;

    // Where the mean is so far from what distances are taken from. The power of 2 is a number of the dtype.
    template <class T> static Share of(double offset, double rstd) {
        constexpr double least = std::numeric_limits<T>::min(), most = sizeof(T) == 4 ? 0x1p127 : 0x1p1023;
        const double power = math::from_bits<double>(math::bits(rstd) & math::exponent_mask<double>);
        const double unit = std::min(std::max(power, least), most);
        return {unit, rstd / unit, -offset * rstd};
    }
    // Of all elements together.
    double value(double distances, double ones) const { return distances * share + ones * rest; }
};

// dL/dx of a row, rstd (g - mean - product * value): of g = dy * weight, and of g times the normalised value, the means
// are what the mean and the spread of the row take back. It is made of distances.
template <class T> struct NormGradient {
    T rstd, mean, product;

    static NormGradient of(double mean, double product, double rstd, const Share& of) {
        return {T(rstd), T(-(mean + product * of.rest) * rstd), T(-product * of.share * rstd)};
    }
    T operator()(T gradient, T distance) const {
        return math::fma(product, distance, math::fma(gradient, rstd, mean));
    }
};

}  // namespace fastact
