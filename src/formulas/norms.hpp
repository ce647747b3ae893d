// Norms: what is made of an element by what is known of all that are normalised with it, a row or a channel.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <type_traits>

#include "math/bits.hpp"

namespace fastact {

// What a few numbers of a row or a channel are computed in: its roundings would add up to those of the elements, of
// which a gradient has the cube of rstd (float64: 7.3 ULP of the largest term).
template <class T> using Finer = std::conditional_t<sizeof(T) == 4, double, math::Pair<double>>;

// What is known of a row or a channel: the mean in two parts, the variance (or the mean square), and
// 1 / sqrt(variance + eps). As numbers: the mean, rstd, the variance, what the mean loses, what rstd loses.
inline constexpr std::ptrdiff_t kept_moments = 5;

template <class T> struct Moments {
    double centre;
    Finer<T> offset, variance, rstd;

    double mean() const { return centre + math::value(offset); }
    // What it loses in rounding (Knuth 1969): of 1e14 + noise a hundredth of the noise.
    double lost() const {
        const double shift = math::value(offset), sum = mean(), part = sum - centre;
        return ((centre - (sum - part)) + (shift - part)) + math::beside_value(offset);
    }
    void keep(double* to) const {
        to[0] = mean(), to[1] = math::value(rstd), to[2] = math::value(variance);
        to[3] = lost(), to[4] = math::beside_value(rstd);
    }
    Moments scaled(double unit) const {
        const Finer<T> times{unit}, over{1 / unit};
        return {centre * unit, offset * times, variance * times * times, rstd * over};
    }
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

// What the sums of `count` distances and of their squares say, without a branch.
template <class T> struct Spread {
    Finer<T> offset, variance, rstd;
    double square;

    Spread(Finer<T> distances, Finer<T> squares, double count, double eps) {
        const Finer<T> number{count}, added{eps};
        offset = distances / number;
        const Finer<T> found = squares / number - offset * offset;
        square = math::value(found);
        variance = math::positive_part(found, square);
        rstd = math::inverse_root(variance + added);
    }
    // Whether that is all: the centre was near enough, and all numbers within the range.
    bool holds(double eps) const {
        const double away = math::value(offset);
        return (away * away <= square) & (square - square == 0) &
               ((square >= Range<T>::smallest) | (eps >= Range<T>::negligible));
    }
};

// What the distances of a row or a channel are taken from, and at which scale: first as they are from the mean of a few
// elements, and again where the sums say that this was too far off or beyond the range.
template <class T> struct Centre {
    T at;
    T scale = 1;
    bool moved = false;

    // Whether the sums of `count` distances and of their squares do not do; otherwise what they say.
    bool moves(Finer<T> distances, Finer<T> squares, double count, double eps, Moments<T>& found) {
        const double unit = double(scale);
        const Spread<T> spread(distances, squares, count, eps * unit * unit);
        const double offset = math::value(spread.offset), square = spread.square;
        found = {double(at), spread.offset, spread.variance, spread.rstd};
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
    const T sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    return count == most_samples ? sum * (1 / T(most_samples)) : sum / T(count);
}

// Where values lie and how far they spread. A mean beside which the spread is small takes two parts: of
// 1e4 + noise the nearest float32 is wrong by a thousandth of the noise. The difference to the larger one is exact
// then (Sterbenz 1974), and what the smaller one takes off is known beforehand, so a value is off by its own rounding
// and by a share of it for that.
template <class T> struct Standard {
    T high, rstd, shift;

    // Where the mean is so far from `high`.
    static Standard around(T high, Finer<T> offset, Finer<T> rstd) {
        return {high, T(math::value(rstd)), T(-math::value(offset * rstd))};
    }
    T operator()(T value) const { return math::fma(value - high, rstd, shift); }
};

// What an element of a channel becomes with its weights: (x - mean) * factor + shift. What the mean loses in the dtype
// is in the shift.
template <class T> struct ChannelForm {
    T mean, factor, shift;

    static ChannelForm of(double mean, double lost, Finer<T> rstd, double weight, double bias) {
        const Finer<T> factor = rstd * Finer<T>{weight}, shift{(double(T(mean)) - mean) - lost};
        return {T(mean), T(math::value(factor)), T(math::value(shift * factor + Finer<T>{bias}))};
    }
};

// Of a norm that leaves the mean where it is.
template <class T> struct Scaled {
    T rstd;

    static Scaled around(T, Finer<T>, Finer<T> rstd) { return {T(math::value(rstd))}; }
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
template <class T> struct Share {
    double unit;
    Finer<T> share, rest;

    // Where the mean is so far from what distances are taken from. The power of 2 is a number of the dtype.
    static Share of(Finer<T> offset, Finer<T> rstd) {
        constexpr double least = std::numeric_limits<T>::min(), most = sizeof(T) == 4 ? 0x1p127 : 0x1p1023;
        const double power = math::from_bits<double>(math::bits(math::value(rstd)) & math::exponent_mask<double>);
        const double unit = std::min(std::max(power, least), most);
        return {unit, rstd * Finer<T>{1 / unit}, -(offset * rstd)};
    }
    // Of all elements together.
    Finer<T> value(Finer<T> distances, Finer<T> ones) const { return distances * share + ones * rest; }
};

// dL/dx of a row, rstd (g - mean - product * value): of g = dy * weight, and of g times the normalised value, the means
// are what the mean and the spread of the row take back. It is made of distances; without a fused operation the last one
// would put 4.3 ULP of the largest term where 4 are allowed.
template <class T> struct NormGradient {
    T rstd, mean, product;

    static NormGradient of(Finer<T> mean, Finer<T> product, Finer<T> rstd, const Share<T>& of) {
        return {T(math::value(rstd)), T(-math::value((mean + product * of.rest) * rstd)),
                T(-math::value(product * of.share * rstd))};
    }
    T operator()(T gradient, T distance) const {
        return math::accurate_fma(product, distance, math::fma(gradient, rstd, mean));
    }
};

}  // namespace fastact
