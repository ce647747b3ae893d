// Formulas of rows with a scale, of which some elements are not seen: softmax, log_softmax, logsumexp.
//
// The logits of a row are written before anything is made of them: x times a number, plus what a mask adds; -inf where
// an element is not seen. So a row has the bits of the plain formula (rows.hpp) of such a row, and its code. What is
// here are the formulas of logits that are no single number without losing what an exponential would multiply.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "formulas/rows.hpp"
#include "math/bits.hpp"
#include "math/exp.hpp"
#include "math/log.hpp"

namespace fastact {

template <class T> inline constexpr T minus_infinity = -std::numeric_limits<T>::infinity();

// A logit, if a byte keeps it.
template <class T> T where_kept(unsigned char kept, T logit) {
    const auto seen = math::mask_if<T>(kept != 0);
    return math::from_bits<T>((math::bits(logit) & seen) | (math::bits(minus_infinity<T>) & ~seen));
}

// The scale of a call, in two parts, and the temperature, 0 where that is in the scale.
struct Scaling {
    double high, low, temperature;

    explicit Scaling(const double* parameters)
        : high(parameters[0]), low(parameters[1]), temperature(parameters[2]) {}
    bool is_one() const { return high == 1 && low == 0; }
    // Whether times T's x it is exact, but where that no longer matters: a power of two of at most 1, or 0.
    template <class T> bool shifts() const {
        if (T(high) == 0) return true;
        int exponent;
        const bool power = low == 0 && std::abs(std::frexp(high, &exponent)) == 0.5;
        return power && exponent <= 1 && exponent > -60;
    }
};

template <class T> T bounded(double number) {
    constexpr double most = std::numeric_limits<T>::max();
    return T(std::clamp(number, -most, most));
}
// What `T(high)` leaves of a number; 0 where it is beyond T's range.
template <class T> T remainder(double high, double low, T rounded) {
    const double rest = (high - double(rounded)) + low;
    return std::abs(rest) <= std::abs(double(rounded)) * std::numeric_limits<T>::epsilon() ? T(rest) : T(0);
}

// scale x + added, and what it lost.
template <class T> struct Biased {
    T times, rest;

    explicit Biased(const Scaling& factor)
        : times(bounded<T>(factor.high)), rest(remainder(factor.high, factor.low, times)) {}

    T operator()(T x, T added) const {
        return added == minus_infinity<T> ? minus_infinity<T> : x * times + added;
    }
    // By TwoSum (Knuth 1969) and the product's error; nothing where that would be more than a rounding error is to
    // an exponential. (TwoSum of a product that is not rounded: 7 ULP float64, where the sum cancels.)
    T lost(T x, T added, T logit) const {
        const T product = x * times;
        return little(math::fma(x, rest, sum_error(product, added, logit) + math::product_error(x, times, product)));
    }
    // Where the product is exact.
    T lost_sum(T x, T added, T logit) const { return little(sum_error(x * times, added, logit)); }

  private:
    static T sum_error(T product, T added, T logit) {
        const T part = logit - product;
        return (product - (logit - part)) + (added - part);
    }
    static T little(T low) { return math::keep(math::mask_if<T>(math::abs(low) < T(0.125)), low); }
};

// Of logits that are yet to be multiplied by the magnitude of a scale, so that nothing overflows before it must; `high`
// and `low` are twice that.
template <class T> struct ScaledSoftmax : TemperedSoftmax<T> {
    static constexpr bool has_anchor = true;
    T times, rest;

    explicit ScaledSoftmax(const Scaling& factor) : TemperedSoftmax<T>(factor.high, factor.low) {
        times = T(0.5) * this->high, rest = T(0.5) * this->low;
    }
    T level(T largest) const { return largest * times; }
    T near_term(T x, Peak<T> peak) const { return peak.anchor.exp_product(x, times, rest); }
};

// scale (x - largest) - log(sum), in which the largest only counts, as in LogSoftmax.
template <class T> struct ScaledLogSoftmax : ScaledSoftmax<T> {
    static constexpr bool keeps_terms = false, counts_ties = true;

    using ScaledSoftmax<T>::ScaledSoftmax;

    static T below(T term, T x, T largest) { return math::keep(math::mask_if<T>(x != largest), term); }
    T near_term(T x, Peak<T> peak) const { return below(ScaledSoftmax<T>::near_term(x, peak), x, peak.largest); }
    T term(T x, Peak<T> peak, std::uint64_t index) const {
        return below(ScaledSoftmax<T>::term(x, peak, index), x, peak.largest);
    }
    // What `level` lost in rounding.
    double below_level(T largest) const {
        const T level = this->level(largest);
        return double(math::fma(largest, this->rest, math::finite_product_error(largest, this->times, level)));
    }
    double log_relative(double sum, double ties, T largest) const {
        const double rest = math::Anchor<T>::relative(sum, this->level(largest), below_level(largest));
        return math::log1p((ties - 1) + rest / double(raised<T>));
    }
    Parts<T> scale(double sum, double error, double ties, T largest) const {
        return Parts<T>::of(log_relative(sum + error, ties, largest) + double(largest - largest), 0);
    }
    T result(T x, T largest, Parts<T> log) const {
        const T d = T(0.5) * x - T(0.5) * largest;
        const T finite = math::keep(math::mask_if<T>(d != minus_infinity<T>), d);  // `low` may be 0
        return math::fma(d, this->high, math::fma(finite, this->low, -log.high)) - log.low;
    }
};

// log(sum(exp(logit))) of the sums of such a formula; the largest itself where that is infinite.
template <class T> double log_sum(const LogSoftmax<T>&, double sum, double ties, T largest) {
    const double rest = math::Anchor<T>::relative(sum, largest) / double(raised<T>);
    const bool finite = math::abs(largest) < std::numeric_limits<T>::infinity();
    return double(largest) + (finite ? math::log1p((ties - 1) + rest) : sum);
}
template <class T> double log_sum(const ScaledLogSoftmax<T>& op, double sum, double ties, T largest) {
    const double level = double(op.level(largest));
    return level + (std::isfinite(level) ? op.below_level(largest) + op.log_relative(sum, ties, largest) : sum);
}

// Of logits with what they lost in rounding, which the exponential would multiply, in the place of an index.
template <class T> struct PartedSoftmax : Softmax<T> {
    PartedSoftmax() : Softmax<T>(nullptr) {}

    T near_term(T x, Peak<T> peak, T lost) const { return peak.anchor.exp_sum(x, lost); }
    T term(T x, Peak<T> peak, T lost) const {
        const auto [high, error] = math::difference(x, peak.largest);
        return math::exp_sum(high, error + lost, raised<T>);
    }
};

// Shares times a number.
template <class T> struct TimesShares : Softmax<T> {
    T factor;

    explicit TimesShares(T factor) : Softmax<T>(nullptr), factor(factor) {}
    T result(T e, T largest, Parts<T> inverse) const { return Softmax<T>::result(e, largest, inverse) * factor; }
};

// How the logits of a call are made: times x, and what a mask adds to that; and which formula they are then of.
template <class T> struct Logits {
    enum Formula { plain, tempered, scaled, parted };

    Formula formula = plain;
    T times = 1;
    bool is_exact;
    Biased<T> biased;

    Logits(const Scaling& factor, bool adds, bool loses) : is_exact(factor.shifts<T>()), biased(factor) {
        if (adds)
            formula = loses ? parted : plain;
        else if (loses && factor.temperature)
            formula = tempered;
        else if (factor.is_one() || is_exact)
            times = T(factor.high);
        else
            formula = scaled, times = std::signbit(factor.high) ? T(-1) : T(1);
    }
};

// What a result is that nothing was seen of, and body(formula) of a call's logits.
template <class T> class AsShares {
  public:
    using Number = T;
    static constexpr bool logarithm = false, loses = true;

    explicit AsShares(const Scaling& factor) : scaled(factor) {
        const double temperature = factor.temperature ? factor.temperature : 1;
        tempered = TemperedSoftmax<T>(&temperature);
    }
    template <class Body> void operator()(typename Logits<T>::Formula formula, Body body) const {
        switch (formula) {
            case Logits<T>::plain: return body(Softmax<T>(nullptr));
            case Logits<T>::tempered: return body(tempered);
            case Logits<T>::scaled: return body(scaled);
            case Logits<T>::parted: return body(PartedSoftmax<T>());
        }
    }
    // The results of all are made alike.
    static Softmax<T> results(const Softmax<T>& op) { return op; }

  private:
    ScaledSoftmax<T> scaled;
    TemperedSoftmax<T> tempered{1, 0};
};
template <class T> class AsLogarithms {
  public:
    using Number = T;
    static constexpr bool logarithm = true, loses = false;

    explicit AsLogarithms(const Scaling& factor) : scaled(factor) {}
    template <class Body> void operator()(typename Logits<T>::Formula formula, Body body) const {
        if (formula == Logits<T>::scaled)
            body(scaled);
        else
            body(LogSoftmax<T>(nullptr));
    }
    template <class Op> static Op results(const Op& op) { return op; }

  private:
    ScaledLogSoftmax<T> scaled;
};

// Gradients from y, times the scale; and what y is where nothing was seen.
template <class T> struct ScaledGradient : TemperedSoftmax<T> {
    static constexpr T hidden = 0;

    explicit ScaledGradient(const Scaling& by) : TemperedSoftmax<T>(1, 0) { this->factor = bounded<T>(by.high); }
};
// What was not seen is -inf, and its dy is of a constant.
template <class T> struct ScaledLogGradient : LogSoftmax<T> {
    using Gradient = ScaledLogGradient;
    static constexpr T hidden = minus_infinity<T>;
    T factor;

    explicit ScaledLogGradient(const Scaling& by) : LogSoftmax<T>(nullptr), factor(bounded<T>(by.high)) {}
    static math::Bits<T> seen(T y) { return math::mask_if<T>(y != minus_infinity<T>); }
    T gradient_term(T dy, T y) const { return math::keep(seen(y), dy); }
    T gradient(T dy, T y, Parts<T> sum) const {
        return math::keep(seen(y), LogSoftmax<T>::gradient(dy, y, sum) * factor);
    }
};

}  // namespace fastact
