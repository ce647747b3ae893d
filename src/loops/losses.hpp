// The loops of losses along rows: cross-entropy, and its gradient in the place of the logits.
//
// A row is one line in memory. Its exponentials are computed twice, for the sum and for the gradient: that takes less
// time than to write them and to read them again.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "call.hpp"
#include "formulas/losses.hpp"
#include "loops/lines.hpp"
#include "loops/masked.hpp"
#include "loops/rows.hpp"
#include "loops/sums.hpp"

namespace fastact {

template <bool near, class T>
[[gnu::flatten, gnu::noinline]] void add_exponentials(const T* x, Size length, Peak<T> peak, Total& total, Total& ties) {
    const Sums<T, 1, true> sums(
        length, 1,
        [=](Size i, Size) {
            return math::keep(math::mask_if<T>(x[i] != peak.largest), shared_term<near>(x[i], peak));
        },
        [=](Size i, Size) { return math::keep(math::mask_if<T>(x[i] == peak.largest), T(1)); });
    total.add(sums.total[0]);
    ties.add(sums.count(0));
}

// term(i) summed over a row.
template <class T, class Term> [[gnu::flatten, gnu::noinline]] double sum_shares(Size length, Term term) {
    Total total;
    for (Size start = 0; start < length; start += segment) {
        const Sums<T, 1, true> sums(std::min(segment, length - start), 1,
                                    [=](Size i, Size) { return term(start + i); });
        total.add(sums.total[0]);
    }
    return total.high + total.low;
}

// Terms to shares, less those of the target.
template <bool near, class T, class Shares>
[[gnu::flatten, gnu::noinline]] void write_differences(const T* x, T* out, Size length, Peak<T> peak, Parts<T> times,
                                                       T factor, Shares shares) {
    each_element(Lines<1, Known<1>, Everything>{length, {}, {}, {}}, out, [=](Size i, Size) {
        const T term = shared_term<near>(x[i], peak), share = math::fma(term, times.high, term * times.low);
        out[i] = share - factor * shares(i);
    });
}
template <bool near, class T>
[[gnu::flatten, gnu::noinline]] void write_differences(const T* x, T* out, Size length, Peak<T> peak, Parts<T> times,
                                                       T, NoShares) {
    each_element(Lines<1, Known<1>, Everything>{length, {}, {}, {}}, out, [=](Size i, Size) {
        const T term = shared_term<near>(x[i], peak);
        out[i] = math::fma(term, times.high, term * times.low);
    });
}

// The target of a row: the shares of all classes, and what class `index` has beside them.
template <class Shares> struct RowTarget {
    Shares shares;
    Size index;
    double alone;
};

// The loss of a row; its gradient times `factor` goes to `out`, where that is not null.
template <bool near, class T, class Shares>
double loss_of_row(const T* x, T* out, Size length, RowTarget<Shares> target, double factor, Peak<T> peak) {
    const auto [shares, index, alone] = target;
    Total total, ties;
    for (Size start = 0; start < length; start += segment)
        add_exponentials<near>(x + start, std::min(segment, length - start), peak, total, ties);
    const Entropy<T> entropy(peak.largest, total.high + total.low, ties.high);
    double loss = 0, all = alone, own = 0;
    if constexpr (!std::is_same_v<Shares, NoShares>) {
        const double shared = sum_shares<T>(length, [shares = shares](Size i) { return shares(i); });
        loss = shared * entropy.log_sum +
               sum_shares<T>(length, [=, shares = shares](Size i) { return shares.loss(i, x[i], peak.largest); });
        all += shared;
    }
    if (alone) {
        loss += alone * entropy.loss(x[index]);
        const T term = shared_term<near>(x[index], peak);
        own = entropy.gradient(x[index], term, all, alone + double(shares(index)));
    }
    if (out) {
        const auto times = Parts<T>::of(factor * all * entropy.reciprocal, 0);
        write_differences<near>(x, out, length, peak, times, T(factor), shares);
        if (alone) out[index] = T(factor * own);
    }
    return loss;
}
template <class T, class Shares>
T loss_of_row(const T* x, T* out, Size length, RowTarget<Shares> target, double factor) {
    const Plainly<T, LogSoftmax<T>, AsGiven<T>> form{Factor::one()};
    T largest;
    find_largest(form, x, &largest, Lines<1, Known<1>, Everything>{length, {}, {}, {}});
    const Peak<T> peak{largest, math::Anchor<T>(largest)};
    if (math::Anchor<T>::holds(largest)) return T(loss_of_row<true>(x, out, length, target, factor, peak));
    return T(loss_of_row<false>(x, out, length, target, factor, peak));
}

// -- The kernels ------------------------------------------------------------------------------

// What the losses of a call are of. in[1] has the target's probabilities; else in[3] has its classes, of which one may
// be ignored. in[4] has the weights of the classes, in[2] what each row's gradient is multiplied by.
template <class S> class Losses {
    using T = Computed<S>;

  public:
    Losses(const Call& call, Size length)
        : call(call), length(length), smoothing(call.parameters[0]), factor(call.parameters[1]),
          ignored(call.parameters[2]), weight(input<T>(call, 4)), classes(input<std::int64_t>(call, 3)) {}

    // The loss of row `unit`, whose logits are `x` and whose probabilities are brought by `read`.
    template <class Read> T operator()(Size unit, const T* x, T* out, const T* dy, Read read) const {
        const double times = dy ? factor * double(dy[unit]) : factor;
        const T spread = T(smoothing / double(length));
        if (std::isnan(ignored)) {
            const T* given = read(input<S>(call, 1) + unit * length);
            return with_weight<true>(given, T(1 - smoothing), spread, [&](auto shares) {
                return loss_of_row(x, out, length, RowTarget{shares, Size(0), 0.0}, times);
            });
        }
        const Size index = classes ? Size(classes[unit]) : 0;
        if (index < 0 || index >= length || double(index) == ignored) {
            if (out) std::fill(out, out + length, T(0));
            return 0;
        }
        const double alone = (1 - smoothing) * (weight ? double(weight[index]) : 1.0);
        if (smoothing == 0) return loss_of_row(x, out, length, RowTarget{NoShares(), index, alone}, times);
        return with_weight<false>(nullptr, T(0), spread, [&](auto shares) {
            return loss_of_row(x, out, length, RowTarget{shares, index, alone}, times);
        });
    }

  private:
    const Call& call;
    Size length;
    double smoothing, factor, ignored;
    const T* weight;
    const std::int64_t* classes;

    template <bool given, class Body> T with_weight(const T* probabilities, T kept, T spread, Body body) const {
        if (weight) return body(TargetShares<T, given, true>{probabilities, weight, kept, spread});
        return body(TargetShares<T, given, false>{probabilities, nullptr, kept, spread});
    }
};

// Losses are of the dtype that logits are computed in. Half precision is widened into buffers.
template <class S>
void losses_of_rows(const Call& call, Size length, S* out, Computed<S>* losses, const Computed<S>* dy, Size first,
                    Size last) {
    using T = Computed<S>;
    const Losses<S> loss(call, length);
    const Staged<S> logits, probabilities;
    const bool prefetches = prefetches_rows<S>({call.axis.outer, length, 1}, first, last);
    for (Size unit = first; unit < last; ++unit) {
        const S* from = input<S>(call, 0) + unit * length;
        if (prefetches) prefetch(from + length, length);
        S* to = out ? out + unit * length : nullptr;
        const T* x = logits.read(from, length);
        const T result = loss(unit, x, out ? logits.room(to) : nullptr, dy,
                              [&](const S* row) { return probabilities.read(row, length); });
        if (losses) losses[unit] = result;
        if (out) logits.write(to, length);
    }
}

// The losses alone: `group` is the length of a row, since the result's is 1.
template <class S> void cross_entropy(const Call& call, Size first, Size last) {
    using T = Computed<S>;
    T* losses = static_cast<T*>(call.out[0]);
    losses_of_rows<S>(call, std::max(call.axis.length, call.group), nullptr, losses, nullptr, first, last);
}

// The gradient, and the losses too where out[1] is there for them.
template <class S> void cross_entropy_gradient(const Call& call, Size first, Size last) {
    using T = Computed<S>;
    T* losses = static_cast<T*>(call.out[1]);
    losses_of_rows<S>(call, call.axis.length, output<S>(call), losses, input<T>(call, 2), first, last);
}

}  // namespace fastact
