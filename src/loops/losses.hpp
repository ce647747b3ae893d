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

// What is found of a row, or of a segment of it.
struct LossSums {
    Total total, ties, shares, distances;

    void add(const LossSums& other) {
        total.add(other.total), ties.add(other.ties);
        shares.add(other.shares), distances.add(other.distances);
    }
};

template <bool near, class T>
[[gnu::flatten, gnu::noinline]] void add_exponentials(const T* x, Size length, Peak<T> peak, LossSums& found) {
    const Sums<T, 1, true> sums(
        length, 1,
        [=](Size i, Size) {
            return math::keep(math::mask_if<T>(x[i] != peak.largest), shared_term<near>(x[i], peak));
        },
        [=](Size i, Size) { return math::keep(math::mask_if<T>(x[i] == peak.largest), T(1)); });
    found.total.add(sums.total[0]);
    found.ties.add(sums.count(0));
}

// The target's shares, and how far below the largest their logits lie.
template <class T> void add_shares(const T*, Size, NoShares, T, LossSums&) {}
template <class T, class Shares>
[[gnu::flatten, gnu::noinline]] void add_shares(const T* x, Size length, Shares shares, T largest, LossSums& found) {
    const Sums<T, 1, true> sums(length, 1, [=](Size i, Size) { return shares(i); });
    const Sums<T, 1, true> distances(length, 1, [=](Size i, Size) { return shares.loss(i, x[i], largest); });
    found.shares.add(sums.total[0]);
    found.distances.add(distances.total[0]);
}

// Terms to shares, less those of the target.
template <bool near, class T, class Shares>
[[gnu::flatten, gnu::noinline]] void write_differences(const T* x, T* out, Size length, Peak<T> peak, Parts<T> times,
                                                       T factor, Shares shares) {
    each_element(Lines<1, Known<1>, Everything>{length, {}, {}, {}}, out, [=](Size i, Size) {
        const T term = shared_term<near>(x[i], peak), share = math::fma(term, times.high, term * times.low);
        if constexpr (std::is_same_v<Shares, NoShares>)
            out[i] = share;
        else
            out[i] = share - factor * shares(i);
    });
}

// The target of a row: the shares of all classes, and what class `index` has beside them.
template <class Shares> struct RowTarget {
    Shares shares;
    Size index;
    double alone;
};

// A row segment by segment: its largest, its sums, and then its loss and its gradient times `factor`. The target's own
// logit is read before its segment is written, where the gradient takes the place of the logits.
template <class T, class Shares> class RowLoss {
  public:
    RowLoss(const T* x, T* out, RowTarget<Shares> target, double factor)
        : x(x), out(out), target(target), factor(factor) {}

    T largest(Size start, Size count) const {
        const Plainly<T, LogSoftmax<T>, AsGiven<T>> form{Scaling::one()};
        T found;
        find_largest(form, x + start, &found, Lines<1, Known<1>, Everything>{count, {}, {}, {}});
        return found;
    }
    LossSums sums(Size start, Size count, T largest) const {
        LossSums found;
        with_peak(largest, [&](auto near, Peak<T> peak) {
            add_exponentials<near.value>(x + start, count, peak, found);
        });
        add_shares(x + start, count, target.shares.from(start), largest, found);
        return found;
    }
    double loss(const LossSums& sums, const Entropy<T>& entropy) const {
        double loss = 0;
        if constexpr (!std::is_same_v<Shares, NoShares>)
            loss = value(sums.shares) * entropy.log_sum + value(sums.distances);
        if (target.alone) loss += target.alone * entropy.loss(x[target.index]);
        return loss;
    }
    void write(Size start, Size count, const LossSums& sums, const Entropy<T>& entropy) const {
        const double all = target.alone + value(sums.shares);
        const bool here = target.alone != 0 && owns(start, count);
        with_peak(entropy.largest, [&](auto near, Peak<T> peak) {
            double own = 0;
            if (here) {
                const T logit = x[target.index], term = shared_term<near.value>(logit, peak);
                own = entropy.gradient(logit, term, all, target.alone + double(target.shares(target.index)));
            }
            const auto share = math::Pair<double>{factor} * math::Pair<double>{all} * entropy.reciprocal;
            const auto times = Parts<T>::of(share.high, share.low);
            write_differences<near.value>(x + start, out + start, count, peak, times, T(factor),
                                          target.shares.from(start));
            if (here) out[target.index] = T(factor * own);
        });
    }
    // Whether the segment is the one of the target's class; where none has its own, of the first.
    bool owns(Size start, Size count) const { return start <= target.index && target.index < start + count; }
    T whole(Size length) const {
        T most = largest(0, std::min(segment, length));
        for (Size start = segment; start < length; start += segment) {
            const T other = largest(start, std::min(segment, length - start));
            most = other > most ? other : most;
        }
        LossSums found;
        for (Size start = 0; start < length; start += segment)
            found.add(sums(start, std::min(segment, length - start), most));
        const Entropy<T> entropy(most, {found.total.high, found.total.low}, value(found.ties));
        const T result = T(loss(found, entropy));
        if (out) write(0, length, found, entropy);
        return result;
    }
    static double value(const Total& total) { return total.high + total.low; }

  private:
    const T* x;
    T* out;
    RowTarget<Shares> target;
    double factor;

    template <class Body> static void with_peak(T largest, Body body) {
        const Peak<T> peak{largest, math::Anchor<T>(largest)};
        if (math::Anchor<T>::holds(largest))
            body(std::true_type(), peak);
        else
            body(std::false_type(), peak);
    }
};

// -- The kernels ------------------------------------------------------------------------------

// What the losses of a call are of. in[1] has the target's probabilities; else in[3] has its classes, of which one may
// be ignored. in[4] has the weights of the classes, in[2] what each row's gradient is multiplied by.
template <class S> class Losses {
    using T = Computed<S>;

  public:
    Losses(const Call& call, Size length)
        : length(length), smoothing(call.parameters[0]), factor(call.parameters[1]), ignored(call.parameters[2]),
          weight(input<T>(call, 4)), classes(input<std::int64_t>(call, 3)) {}

    bool given() const { return std::isnan(ignored); }

    // body(RowLoss) of row `unit`, with its probabilities where they are given; false where the row is ignored.
    template <class Body>
    bool operator()(Size unit, const T* x, T* out, const T* dy, const T* probabilities, Body body) const {
        const double times = dy ? factor * double(dy[unit]) : factor;
        const T spread = T(smoothing / double(length));
        const auto run = [&](auto shares, Size index, double alone) {
            body(RowLoss<T, decltype(shares)>(x, out, {shares, index, alone}, times));
            return true;
        };
        if (given()) {
            const T kept = T(1 - smoothing);
            if (weight) return run(TargetShares<T, true, true>{probabilities, weight, kept, spread}, 0, 0.0);
            return run(TargetShares<T, true, false>{probabilities, nullptr, kept, spread}, 0, 0.0);
        }
        const Size index = classes ? Size(classes[unit]) : 0;
        if (index < 0 || index >= length || double(index) == ignored) return false;
        const double alone = (1 - smoothing) * (weight ? double(weight[index]) : 1.0);
        if (smoothing == 0) return run(NoShares(), index, alone);
        if (weight) return run(TargetShares<T, false, true>{nullptr, weight, T(0), spread}, index, alone);
        return run(TargetShares<T, false, false>{nullptr, nullptr, T(0), spread}, index, alone);
    }

  private:
    Size length;
    double smoothing, factor, ignored;
    const T* weight;
    const std::int64_t* classes;
};

// Losses are of the dtype that logits are computed in. Half precision is widened into buffers.
template <class S>
void losses_of_rows(const Call& call, Size length, S* out, Computed<S>* losses, const Computed<S>* dy, Size first,
                    Size last) {
    using T = Computed<S>;
    const Losses<S> each(call, length);
    const Staged<S> logits, probabilities;
    const bool prefetches = prefetches_rows<S>({call.axis.outer, length, 1}, first, last);
    for (Size unit = first; unit < last; ++unit) {
        const S* from = input<S>(call, 0) + unit * length;
        if (prefetches) prefetch(from + length, length);
        S* to = out ? out + unit * length : nullptr;
        const T* x = logits.read(from, length);
        const T* shares = each.given() ? probabilities.read(input<S>(call, 1) + unit * length, length) : nullptr;
        T* gradient = out ? logits.at(to) : nullptr;
        T result = 0;
        if (!each(unit, x, gradient, dy, shares, [&](const auto& loss) { result = loss.whole(length); }) && out)
            std::fill(gradient, gradient + length, T(0));
        if (losses) losses[unit] = result;
        if (out) logits.write(to, length);
    }
}

// A row that all threads share, as in rows.hpp: a thread's segments first <= k < last of it.
template <class T>
void share_losses(const Call& call, Size length, T* results, T* losses, const T* dy, Size first, Size last) {
    const Size row = call.stage / forward_phases, begin = row * length, phase = call.stage % forward_phases;
    const T* x = input<T>(call, 0) + begin;
    T* const out = results ? results + begin : nullptr;
    Segment* shared = call.segments;
    const auto each_segment = [&](auto body) {
        for (Size k = first; k < last; ++k) body(k * segment, std::min(segment, length - k * segment), shared[k]);
    };
    T largest = phase > 0 ? T(shared[0].largest) : T(0);
    LossSums found;
    for (Size k = 0; k * segment < length && phase > 0; ++k) {
        largest = T(shared[k].largest) > largest ? T(shared[k].largest) : largest;
        if (phase > 1)
            found.add({{shared[k].total}, {shared[k].count}, {shared[k].shares}, {shared[k].distances}});
    }
    const Losses<T> each(call, length);
    const T* probabilities = each.given() ? input<T>(call, 1) + begin : nullptr;
    const auto run = [&](const auto& loss) {
        const auto seek = [&](Size start, Size count, Segment& part) { part.largest = loss.largest(start, count); };
        if (phase == 0) return each_segment(seek);
        if (phase == 1)
            return each_segment([&](Size start, Size count, Segment& part) {
                const LossSums sums = loss.sums(start, count, largest);
                part.total = sums.total, part.count = sums.ties;
                part.shares = sums.shares, part.distances = sums.distances;
            });
        const Entropy<T> entropy(largest, {found.total.high, found.total.low}, loss.value(found.ties));
        each_segment([&](Size start, Size count, Segment&) {
            if (losses && loss.owns(start, count)) losses[row] = T(loss.loss(found, entropy));
            if (out) loss.write(start, count, found, entropy);
        });
    };
    if (!each(row, x, out, dy, probabilities, run) && phase == 2) {
        if (out)
            each_segment([&](Size start, Size count, Segment&) { std::fill(out + start, out + start + count, T(0)); });
        if (losses && first == 0) losses[row] = 0;
    }
}

// The losses alone: `group` is the length of a row, since the result's is 1.
template <class S> void cross_entropy(const Call& call, Size first, Size last) {
    using T = Computed<S>;
    T* losses = static_cast<T*>(call.out[0]);
    const Size length = std::max(call.axis.length, call.group);
    if constexpr (!Half<S>)
        if (call.segments) return share_losses<S>(call, length, nullptr, losses, nullptr, first, last);
    losses_of_rows<S>(call, length, nullptr, losses, nullptr, first, last);
}

// The gradient, and the losses too where out[1] is there for them.
template <class S> void cross_entropy_gradient(const Call& call, Size first, Size last) {
    using T = Computed<S>;
    T* losses = static_cast<T*>(call.out[1]);
    const T* dy = input<T>(call, 2);
    if constexpr (!Half<S>)
        if (call.segments)
            return share_losses<S>(call, call.axis.length, output<S>(call), losses, dy, first, last);
    losses_of_rows<S>(call, call.axis.length, output<S>(call), losses, dy, first, last);
}

}  // namespace fastact
