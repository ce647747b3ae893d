// Formulas of rows: softmax and its kin, sparsemax.
//
// A forward formula says what a row's largest is sought among (`logit`), what is summed
// (`term`, or the cheaper `near_term` of a row that an anchor holds), what a row's results
// need of both (`scale`) and what they are (`result`): of the terms where it keeps those,
// else of the inputs. A backward one likewise, from dy and y: `gradient_term`,
// `gradient_scale`, `gradient`.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "formulas/random.hpp"
#include "math/bits.hpp"
#include "math/exp.hpp"
#include "math/log.hpp"

namespace fastact {

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
    static constexpr bool moves_logits = false;    // the largest is sought among what `logit` makes of x

    template <class T, class Index> T logit(T x, Index) const { return x; }
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
    static constexpr bool moves_logits = true;

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
    T power = 1;  // of a factor above 1 its exponent, of one beyond T, or subnormal there, the half of that

    explicit TemperedSoftmax(const double* parameters) : Softmax<T>(parameters), factor(T(1 / parameters[0])) {
        if (!std::isnormal(factor)) {
            int exponent;
            const double fraction = 1 / std::frexp(parameters[0], &exponent);
            power = math::bounded<T>(std::ldexp(1.0, std::clamp(-exponent / 2, -1000, 1000)));
            factor = math::bounded<T>(std::ldexp(fraction, std::clamp(-exponent - -exponent / 2, -1000, 1000)));
        } else {
            take_power();
        }
        high = T(std::min(2 / parameters[0], double(std::numeric_limits<T>::max())));
        const double product = double(high) * parameters[0];
        const double rest = (2 - product) - math::product_error(double(high), parameters[0], product);
        low = T(std::isfinite(rest) ? rest / parameters[0] : 0);
    }
    // By a factor in two parts in the place of 1 / temperature, without its sign.
    TemperedSoftmax(double scale, double rest) : Softmax<T>(nullptr), factor(T(scale)) {
        const double twice = 2 * std::abs(scale);
        high = T(std::min(twice, double(std::numeric_limits<T>::max())));
        const double error = (twice - double(high)) + std::copysign(2 * rest, rest * scale);
        low = T(std::abs(error) <= double(high) * std::numeric_limits<T>::epsilon() ? error : 0);
        take_power();
    }
    // It is multiplied in first, so that a subnormal gradient is rounded at its own size.
    void take_power() {
        if (!std::isfinite(factor) || std::abs(factor) <= 1) return;
        int exponent;
        factor = 2 * std::frexp(factor, &exponent);
        power = std::ldexp(T(1), exponent - 1);
    }
    T term(T x, Peak<T> peak, std::uint64_t) const { return tempered(x, T(0), peak.largest); }
    T gradient(T dy, T y, Parts<T> mean) const { return Softmax<T>::gradient(dy, y * power, mean) * factor; }
    T tempered(T x, T x_low, T largest) const {
        const auto [d, error] = math::difference(T(0.5) * x, T(0.5) * largest);
        const T u = d * high, u_error = math::product_error(d, high, u);
        const T u_low = math::fma(d, low, math::fma(math::fma(T(0.5), x_low, error), high, u_error));
        // More than a rounding error is lost where noise disappears beside a huge x.
        const T kept = math::keep(math::mask_if<T>(math::abs(u_low) < T(0.125)), u_low);
        return math::exp_sum(u, kept, raised<T>);
    }
};

// x + noise is rounded only where the largest is sought.
template <class T> struct GumbelSoftmax : TemperedSoftmax<T> {
    static constexpr bool moves_logits = true;
    GumbelNoise<T> noise;

    explicit GumbelSoftmax(const double* parameters) : TemperedSoftmax<T>(parameters), noise(parameters[1]) {}

    T logit(T x, T noise) const { return x + noise; }
    T term(T x, Peak<T> peak, T noise) const {
        const auto [sum, error] = math::difference(x, -noise);
        return this->tempered(sum, error, peak.largest);
    }
};

// (x - largest) - log(sum). The terms of the largest are 1 and only counted: beside them a
// small sum of the others would be lost, which is all that a dominating logit's result has.
// They are scaled up, so that many subnormal ones do not each round.
template <class T> struct LogSoftmax : Row {
    using Gradient = LogSoftmax;
    static constexpr bool counts_ties = true, has_anchor = true;

    explicit LogSoftmax(const double*) {}

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
    // The sum is negated here: of a NaN, a compiler negates the sign or does not.
    Parts<T> gradient_scale(double sum, double error, double) const { return Parts<T>::of(-(sum + error), 0); }
    T gradient(T dy, T y, Parts<T> negated) const {
        const auto e = math::exp_parts_negative(y);
        return math::fma(negated.high * e.m * e.lower, e.upper, dy);
    }
};

// max(z - t, 0) with z = x - largest and the t at which the sum is 1.
template <class T> struct Sparsemax : Row {
    using Gradient = Sparsemax;
    static constexpr bool counts_support = true;

    explicit Sparsemax(const double*) {}

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
