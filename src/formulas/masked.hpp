// Formulas of rows with a scale, of which some elements are not seen: softmax, log_softmax, logsumexp.
//
// An element that is not seen has the logit -inf, so a row has the bits of the plain formula (rows.hpp) of such a
// row. Here a logit is made of x and of what the mask says of the element: nothing, bits that keep it or not, or a
// number to be added. A form says what a row's largest is sought among (`logit`), at what exponent that is (`level`),
// and then what a formula of rows.hpp says, each also of what is seen.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "formulas/rows.hpp"
#include "math/bits.hpp"
#include "math/exp.hpp"
#include "math/log.hpp"
#include "visible.hpp"

namespace fastact {

// What the mask says of element i of a row; in the place of its index.
struct Everything {
    std::true_type operator()(Size, Size) const { return {}; }
    Everything from(Size) const { return {}; }
};
template <class T> struct Kept {
    const unsigned char* mask;

    math::Bits<T> operator()(Size i, Size) const { return math::mask_if<T>(mask[i] != 0); }
    Kept from(Size start) const { return {mask + start}; }
};
template <class T> struct AddedMask {
    const T* mask;

    T operator()(Size i, Size) const { return mask[i]; }
    AddedMask from(Size start) const { return {mask + start}; }
};

template <class T> inline constexpr T minus_infinity = -std::numeric_limits<T>::infinity();

// `x` where it is seen, else `other`.
template <class T> T where_seen(std::true_type, T x, T) { return x; }
template <class T> T where_seen(std::type_identity_t<math::Bits<T>> seen, T x, T other) {
    return math::from_bits<T>((math::bits(x) & seen) | (math::bits(other) & ~seen));
}
inline float where_seen(float added, float x, float other) { return added == minus_infinity<float> ? other : x; }
inline double where_seen(double added, double x, double other) { return added == minus_infinity<double> ? other : x; }

// The scale of a call, in two parts, and the temperature, 0 where that is in the scale.
struct Scaling {
    double high, low, temperature;

    explicit Scaling(const double* parameters)
        : high(parameters[0]), low(parameters[1]), temperature(parameters[2]) {}
    static Scaling one() {
        const double parameters[] = {1, 0, 0};
        return Scaling(parameters);
    }
    bool is_one() const { return high == 1 && low == 0; }
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

// Logits as they are given.
template <class T> struct AsGiven {
    AsGiven() = default;
    explicit AsGiven(const Scaling&) {}

    template <class Seen> T operator()(T x, Seen seen) const { return where_seen(seen, x, minus_infinity<T>); }
};

// Times a power of two that is at most 1 in magnitude, or 0: exactly, but where that no longer matters.
template <class T> struct Shifted {
    T times;

    explicit Shifted(const Scaling& factor) : times(T(factor.high)) {}
    static bool fits(const Scaling& factor) {
        if (T(factor.high) == 0) return true;
        int exponent;
        const bool power = factor.low == 0 && std::abs(std::frexp(factor.high, &exponent)) == 0.5;
        return power && exponent <= 1 && exponent > -60;
    }

    template <class Seen> T operator()(T x, Seen seen) const { return where_seen(seen, x * times, minus_infinity<T>); }
};

// scale x + added, and what it lost. Of a power of two the product is exact.
template <class T, bool exact = false> struct Biased {
    T times, rest;

    explicit Biased(const Scaling& factor)
        : times(bounded<T>(factor.high)), rest(remainder(factor.high, factor.low, times)) {}

    T operator()(T x, T added) const {
        return where_seen(added, x * times + added, minus_infinity<T>);
    }
    // By TwoSum (Knuth 1969) and the product's error; nothing where that would be more than a rounding error is to
    // an exponential. (TwoSum of a product that is not rounded: 7 ULP float64, where the sum cancels.)
    T lost(T x, T added, T logit) const {
        const T product = x * times, part = logit - product;
        const T error = (product - (logit - part)) + (added - part);
        const T low = exact ? error : math::fma(x, rest, error + math::product_error(x, times, product));
        return math::keep(math::mask_if<T>(math::abs(low) < T(0.125)), low);
    }
};

// A formula of rows.hpp on logits that are numbers of T.
template <class T, class Op, class Logits> struct Plainly {
    static constexpr bool keeps_terms = Op::keeps_terms, counts_ties = Op::counts_ties, has_anchor = Op::has_anchor;
    Op op;
    Logits logits;

    explicit Plainly(const Scaling& factor) : op(&factor.temperature), logits(factor) {}
    explicit Plainly(const Op& op) : op(op), logits() {}

    // The same formula of what `logit` gives, with nothing that is not seen.
    Plainly<T, Op, AsGiven<T>> of_logits() const { return Plainly<T, Op, AsGiven<T>>(op); }

    template <class Seen> T logit(T x, Seen seen) const { return logits(x, seen); }
    T level(T largest) const { return largest; }
    template <class Seen> T near_term(T x, Seen seen, Peak<T> peak) const {
        return op.near_term(logits(x, seen), peak);
    }
    template <class Seen> T term(T x, Seen seen, Peak<T> peak) const {
        return op.term(logits(x, seen), peak, std::uint64_t(0));
    }
    Parts<T> scale(double sum, double error, double ties, T largest) const {
        return op.scale(sum, error, ties, largest);
    }
    template <class Seen> T result(T kept, Seen seen, T largest, Parts<T> parts) const {
        if constexpr (keeps_terms)
            return op.result(kept, largest, parts);
        else
            return op.result(logits(kept, seen), largest, parts);
    }
    // log(sum(exp(logit))) of log_softmax's sum; the largest itself where that is infinite.
    double log_sum(double sum, double ties, T largest) const {
        const double rest = math::Anchor<T>::relative(sum, largest) / double(raised<T>);
        const bool finite = math::abs(largest) < std::numeric_limits<T>::infinity();
        return double(largest) + (finite ? math::log1p((ties - 1) + rest) : sum);
    }
};

// Times a scale: the largest is sought among x, or among -x where the scale is negative, so that nothing overflows
// before it must. `high` and `low` are twice the scale.
template <class T> struct ScaledSoftmax : TemperedSoftmax<T> {
    static constexpr bool has_anchor = true;
    math::Bits<T> sign;
    T times, rest;

    explicit ScaledSoftmax(const Scaling& factor) : TemperedSoftmax<T>(factor.high, factor.low) {
        sign = std::signbit(factor.high) ? math::sign_bit<T> : math::Bits<T>(0);
        times = T(0.5) * this->high, rest = T(0.5) * this->low;
    }
    ScaledSoftmax of_logits() const {
        ScaledSoftmax same = *this;
        same.sign = 0;
        return same;
    }
    T turned(T x) const { return math::from_bits<T>(math::bits(x) ^ sign); }
    template <class Seen> T logit(T x, Seen seen) const { return where_seen(seen, turned(x), minus_infinity<T>); }
    T level(T largest) const { return largest * times; }
    template <class Seen> T near_term(T x, Seen seen, Peak<T> peak) const {
        return where_seen(seen, peak.anchor.exp_product(turned(x), times, rest), T(0));
    }
    template <class Seen> T term(T x, Seen seen, Peak<T> peak) const {
        return where_seen(seen, this->tempered(turned(x), T(0), peak.largest), T(0));
    }
    template <class Seen> T result(T kept, Seen, T largest, Parts<T> inverse) const {
        return Softmax<T>::result(kept, largest, inverse);
    }
};

// scale (x - largest) - log(sum), in which the largest only counts, as in LogSoftmax.
template <class T> struct ScaledLogSoftmax : ScaledSoftmax<T> {
    static constexpr bool keeps_terms = false, counts_ties = true;

    using ScaledSoftmax<T>::ScaledSoftmax;

    ScaledLogSoftmax of_logits() const {
        ScaledLogSoftmax same = *this;
        same.sign = 0;
        return same;
    }
    static T below(T term, T x, T largest) { return math::keep(math::mask_if<T>(x != largest), term); }
    template <class Seen> T near_term(T x, Seen seen, Peak<T> peak) const {
        return below(ScaledSoftmax<T>::near_term(x, seen, peak), this->turned(x), peak.largest);
    }
    template <class Seen> T term(T x, Seen seen, Peak<T> peak) const {
        return below(ScaledSoftmax<T>::term(x, seen, peak), this->turned(x), peak.largest);
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
    template <class Seen> T result(T x, Seen seen, T largest, Parts<T> log) const {
        const T d = T(0.5) * this->turned(x) - T(0.5) * largest;
        const T finite = math::keep(math::mask_if<T>(d != minus_infinity<T>), d);  // `low` may be 0
        const T y = math::fma(d, this->high, math::fma(finite, this->low, -log.high)) - log.low;
        return where_seen(seen, y, minus_infinity<T>);
    }
    double log_sum(double sum, double ties, T largest) const {
        const double level = double(this->level(largest));
        return level + (std::isfinite(level) ? below_level(largest) + log_relative(sum, ties, largest) : sum);
    }
};

// Of scale x + added with what that lost in rounding, which the exponential would multiply.
template <class T, bool exact = false> struct BiasedSoftmax : Softmax<T> {
    Biased<T, exact> logits;

    explicit BiasedSoftmax(const Scaling& factor) : Softmax<T>(nullptr), logits(factor) {}

    T logit(T x, T added) const { return logits(x, added); }
    T level(T largest) const { return largest; }
    T near_term(T x, T added, Peak<T> peak) const {
        const T high = logits(x, added);
        return peak.anchor.exp_sum(high, logits.lost(x, added, high));
    }
    T term(T x, T added, Peak<T> peak) const {
        const T logit = logits(x, added);
        const auto [high, error] = math::difference(logit, peak.largest);
        return math::exp_sum(high, error + logits.lost(x, added, logit), raised<T>);
    }
    template <class Seen> T result(T kept, Seen, T largest, Parts<T> inverse) const {
        return Softmax<T>::result(kept, largest, inverse);
    }
};

// A form whose results are multiplied by a number.
template <class T, class Form> struct Times : Form {
    T factor;

    Times(const Form& form, T factor) : Form(form), factor(factor) {}
    auto of_logits() const
        requires requires(const Form& form) { form.of_logits(); }
    {
        return Times<T, decltype(Form::of_logits())>(Form::of_logits(), factor);
    }
    template <class Seen> T result(T kept, Seen seen, T largest, Parts<T> parts) const {
        return Form::result(kept, seen, largest, parts) * factor;
    }
};

// A form as a formula of rows.hpp, with what is added in the place of an index, or where all is seen.
template <class T, class Form> struct AsFormula : Form {
    explicit AsFormula(const Form& form) : Form(form) {}

    template <class Index> T logit(T x, Index index) const { return Form::logit(x, told(index)); }
    template <class Index> T near_term(T x, Peak<T> peak, Index index) const {
        return Form::near_term(x, told(index), peak);
    }
    template <class Index> T term(T x, Peak<T> peak, Index index) const { return Form::term(x, told(index), peak); }
    T result(T kept, T largest, Parts<T> parts) const {
        return Form::result(kept, std::true_type(), largest, parts);
    }

  private:
    static std::true_type told(std::uint64_t) { return {}; }
    static T told(T added) { return added; }
};

// What a result is that nothing was seen of, and which forms there are.
struct AsShares {
    static constexpr bool logarithm = false;
    template <class T> using Given = Plainly<T, Softmax<T>, AsGiven<T>>;
    template <class T> using Shifted = Plainly<T, Softmax<T>, fastact::Shifted<T>>;
    template <class T> using Scaled = ScaledSoftmax<T>;
    template <class T> using Biased = BiasedSoftmax<T>;
    template <class T> using BiasedExactly = BiasedSoftmax<T, true>;
};
struct AsLogarithms {
    static constexpr bool logarithm = true;
    template <class T> using Given = Plainly<T, LogSoftmax<T>, AsGiven<T>>;
    template <class T> using Shifted = Plainly<T, LogSoftmax<T>, fastact::Shifted<T>>;
    template <class T> using Scaled = ScaledLogSoftmax<T>;
    template <class T> using Biased = Plainly<T, LogSoftmax<T>, fastact::Biased<T>>;
};

// body(form, mask), the mask a function of where a row's part of it begins; what it adds is stored as S.
template <class Family, class T, class S, class Body>
void with_form(const Scaling& factor, Size kind, const void* mask, Body body) {
    const auto with_mask = [&](auto form) {
        if (kind == keeping_mask)
            body(form, [=](Size at) { return Kept<T>{static_cast<const unsigned char*>(mask) + at}; });
        else
            body(form, [](Size) { return Everything(); });
    };
    if (kind == added_mask) {
        const auto added = [=](Size at) {
            return AddedMask<T>{reinterpret_cast<const T*>(static_cast<const S*>(mask) + at)};
        };
        if constexpr (!Family::logarithm)
            if (Shifted<T>::fits(factor)) return body(typename Family::template BiasedExactly<T>(factor), added);
        return body(typename Family::template Biased<T>(factor), added);
    }
    if constexpr (!Family::logarithm)
        if (factor.temperature) return with_mask(Plainly<T, TemperedSoftmax<T>, AsGiven<T>>(factor));
    if (factor.is_one())
        with_mask(typename Family::template Given<T>(factor));
    else if (Shifted<T>::fits(factor))
        with_mask(typename Family::template Shifted<T>(factor));
    else
        with_mask(typename Family::template Scaled<T>(factor));
}

// Gradients from y, times the scale.
template <class T> struct ScaledGradient : Softmax<T> {
    T factor;

    explicit ScaledGradient(const Scaling& by) : Softmax<T>(nullptr), factor(bounded<T>(by.high)) {}
    T gradient(T dy, T y, Parts<T> mean) const { return Softmax<T>::gradient(dy, y, mean) * factor; }
};
// What was not seen is -inf, and its dy is of a constant.
template <class T> struct ScaledLogGradient : LogSoftmax<T> {
    T factor;

    explicit ScaledLogGradient(const Scaling& by) : LogSoftmax<T>(nullptr), factor(bounded<T>(by.high)) {}
    static math::Bits<T> seen(T y) { return math::mask_if<T>(y != minus_infinity<T>); }
    T gradient_term(T dy, T y) const { return math::keep(seen(y), dy); }
    T gradient(T dy, T y, Parts<T> sum) const {
        return math::keep(seen(y), LogSoftmax<T>::gradient(dy, y, sum) * factor);
    }
};

}  // namespace fastact
