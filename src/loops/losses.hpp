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

// The target's shares of all classes of a segment, one after the other; and those in logits' loss.
template <class T>
[[gnu::flatten, gnu::noinline]] void copy_shares(const TargetShares<T>& shares, Size start, Size count, T* to) {
    const T kept = shares.kept, spread = shares.spread;
    if (shares.probabilities) {
        const T* probabilities = shares.probabilities + start;
#pragma GCC ivdep
        for (Size i = 0; i < count; ++i) to[i] = math::fma(probabilities[i], kept, spread);
    } else {
        std::fill(to, to + count, spread);
    }
    if (shares.weight) {
        const T* weight = shares.weight + start;
#pragma GCC ivdep
        for (Size i = 0; i < count; ++i) to[i] *= weight[i];
    }
}
template <class T>
[[gnu::flatten, gnu::noinline]] void add_shares(const T* x, Size length, const T* shares, T largest, LossSums& found) {
    const Sums<T, 1, true> sums(length, 1, [=](Size i, Size) { return shares[i]; });
    const Sums<T, 1, true> distances(length, 1, [=](Size i, Size) { return share_of_loss(shares[i], x[i], largest); });
    found.shares.add(sums.total[0]);
    found.distances.add(distances.total[0]);
}

// Terms to shares, less those of the target.
template <bool near, bool lessens, class T>
[[gnu::flatten, gnu::noinline]] void write_differences(const T* x, T* out, Size length, Peak<T> peak, Parts<T> times,
                                                       T factor, const T* shares) {
    each_element(Lines<1, Known<1>>{length, {}, {}, {}}, out, [=](Size i, Size) {
        const T term = shared_term<near>(x[i], peak), share = math::fma(term, times.high, term * times.low);
        if constexpr (lessens)
            out[i] = share - factor * shares[i];
        else
            out[i] = share;
    });
}

// The target of a row: the shares of all classes, and what class `index` has beside them.
template <class T> struct RowTarget {
    TargetShares<T> shares;
    Size index;
    double alone;
};

// Where the shares of a segment are: of probabilities these themselves, where nothing is made of them. Those that
// follow from the classes' weights alone are the same in every row.
template <class T> class ShareRoom {
  public:
    const T* of(const TargetShares<T>& shares, Size start, Size count) {
        if (!shares.any()) return nullptr;
        if (shares.probabilities && shares.kept == 1 && shares.spread == 0 && !shares.weight)
            return shares.probabilities + start;
        if (shares.probabilities || held != start) copy_shares(shares, start, count, static_cast<T*>(memory));
        held = start;
        return memory;
    }

  private:
    const Scratch<T, segment> memory;
    Size held = -1;
};

// A row segment by segment: its largest, its sums, and then its loss and its gradient times `factor`. The target's own
// logit is read before its segment is written, where the gradient takes the place of the logits.
template <class T> class RowLoss {
  public:
    RowLoss(const T* x, T* out, const RowTarget<T>& target, ShareRoom<T>& room, double factor)
        : x(x), out(out), target(target), room(room), factor(factor) {}

    T largest(Size start, Size count) const {
        T found;
        find_largest(Row(), x + start, &found, Lines<1, Known<1>>{count, {}, {}, {}});
        return found;
    }
    // The terms of the logits below the largest, as those of log_softmax.
    LossSums sums(Size start, Size count, T largest) const {
        const LogSoftmax<T> op(nullptr);
        LossSums found;
        Peaks<T, 1> peaks;
        peaks.largest[0] = largest;
        peaks.prepare(op, 1);
        with_known_nearness<LogSoftmax<T>>(peaks.near, [&](auto near) {
            add_terms<near.value>(op, x + start, static_cast<T*>(nullptr), peaks, &found.total, &found.ties,
                                  Lines<1, Known<1>>{count, {}, {}, {}});
        });
        if (const T* shares = room.of(target.shares, start, count))
            add_shares(x + start, count, shares, largest, found);
        return found;
    }
    double loss(const LossSums& sums, const Entropy<T>& entropy) const {
        double loss = 0;
        if (target.shares.any()) loss = value(sums.shares) * entropy.log_sum + value(sums.distances);
        if (target.alone) loss += target.alone * entropy.loss(x[target.index]);
        return loss;
    }
    void write(Size start, Size count, const LossSums& sums, const Entropy<T>& entropy) const {
        const Peak<T> peak{entropy.largest, math::Anchor<T>(entropy.largest)};
        if (math::Anchor<T>::holds(entropy.largest))
            write<true>(start, count, sums, entropy, peak);
        else
            write<false>(start, count, sums, entropy, peak);
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
        for (Size start = 0; start < length && out; start += segment)
            write(start, std::min(segment, length - start), found, entropy);
        return result;
    }
    static double value(const Total& total) { return total.high + total.low; }

  private:
    const T* x;
    T* out;
    const RowTarget<T>& target;
    ShareRoom<T>& room;
    double factor;

    template <bool near>
    void write(Size start, Size count, const LossSums& sums, const Entropy<T>& entropy, Peak<T> peak) const {
        const T* shares = room.of(target.shares, start, count);
        const double all = target.alone + value(sums.shares);
        const bool here = target.alone != 0 && owns(start, count);
        double own = 0;
        if (here) {
            const T logit = x[target.index], term = shared_term<near>(logit, peak);
            const double beside = shares ? double(shares[target.index - start]) : 0.0;
            own = entropy.gradient(logit, term, all, target.alone + beside);
        }
        const auto share = math::Pair<double>{factor} * math::Pair<double>{all} * entropy.reciprocal;
        const auto times = Parts<T>::of(share.high, share.low);
        if (shares)
            write_differences<near, true>(x + start, out + start, count, peak, times, T(factor), shares);
        else
            write_differences<near, false>(x + start, out + start, count, peak, times, T(factor), shares);
        if (here) out[target.index] = T(factor * own);
    }
};

// -- The kernels ------------------------------------------------------------------------------

// What the losses of a call are of. in[1] has the target's probabilities; else in[3] has its classes, of which one may
// be ignored. in[4] has the weights of the classes, in[2] what each row's gradient is multiplied by.
template <class S> class Losses {
    using T = Computed<S>;

  public:
    Losses(const Call& call, Size length, const T* dy)
        : length(length), smoothing(call.parameters[0]), factor(call.parameters[1]), ignored(call.parameters[2]),
          weight(input<T>(call, 4)), classes(input<std::int64_t>(call, 3)), dy(dy) {}

    bool given() const { return std::isnan(ignored); }
    bool spreads() const { return smoothing != 0; }
    double times(Size unit) const { return dy ? factor * double(dy[unit]) : factor; }

    // The target of row `unit`, of its probabilities where they are given; false where the row is ignored.
    bool find(Size unit, const T* probabilities, RowTarget<T>& target) const {
        const T spread = T(smoothing / double(length));
        if (given()) {
            target = {{probabilities, weight, T(1 - smoothing), spread}, 0, 0.0};
            return true;
        }
        const Size index = classes ? Size(classes[unit]) : 0;
        if (index < 0 || index >= length || double(index) == ignored) return false;
        const double alone = (1 - smoothing) * (weight ? double(weight[index]) : 1.0);
        target = {{nullptr, weight, T(0), smoothing == 0 ? T(0) : spread}, index, alone};
        return true;
    }

  private:
    Size length;
    double smoothing, factor, ignored;
    const T* weight;
    const std::int64_t* classes;
    const T* dy;
};

// The logarithms of the sums of columns, as that of a row.
template <class T>
[[gnu::flatten, gnu::noinline]] void write_entropies(const LineSums<T, tile>& sums, double* log_sums) {
    for (Size c = 0; c < tile; ++c) {
        const math::Pair<double> total{sums.total[c].high, sums.total[c].low};
        log_sums[c] = Entropy<T>(sums.peaks.largest[c], total, sums.ties[c].high + sums.ties[c].low).log_sum;
    }
}

// Losses of short rows, 64 at a time as columns (lines.hpp), where targets are classes alone; where the rest begins.
template <class S> Size losses_of_tiles(const Call& call, Size length, Computed<S>* losses, Size first, Size last) {
    using T = Computed<S>;
    const Losses<S> each(call, length, nullptr);
    if (each.given() || each.spreads() || length * Size(sizeof(T)) > short_row || first + tile > last) return first;
    const LogSoftmax<T> op(nullptr);
    const Staged<S> logits{};
    const Scratch<T, short_row / Size(sizeof(T)) * tile> memory;
    T* const columns = memory;
    for (; first + tile <= last; first += tile) {
        const T* x = logits.read(input<S>(call, 0) + first * length, tile * length);
        with_known_length(length, [&](auto known) { to_columns(x, columns, known); });
        const LineSums<T, tile> sums(op, static_cast<const T*>(columns),
                                     Lines<tile, Known<tile>>{length, tile, {}, {}});
        double log_sums[tile];
        write_entropies(sums, log_sums);
        for (Size c = 0; c < tile; ++c) {
            RowTarget<T> target;
            double loss = 0;
            if (each.find(first + c, nullptr, target) && target.alone) {
                const double below = double(sums.peaks.largest[c]) - double(x[c * length + target.index]);
                loss += target.alone * (below + log_sums[c]);
            }
            losses[first + c] = T(loss);
        }
    }
    return first;
}

// Losses are of the dtype that logits are computed in. Half precision is widened into buffers.
template <class S>
void losses_of_rows(const Call& call, Size length, S* out, Computed<S>* losses, const Computed<S>* dy, Size first,
                    Size last) {
    using T = Computed<S>;
    const Losses<S> each(call, length, dy);
    const Staged<S> logits, probabilities;
    const bool asks = asks_for_rows(call.passing, {call.axis.outer, length, 1});
    ShareRoom<T> room;
    RowTarget<T> target;
    for (Size unit = first; unit < last; ++unit) {
        const S* from = input<S>(call, 0) + unit * length;
        if (asks) prefetch(from + length, length);
        S* to = out ? out + unit * length : nullptr;
        const T* x = logits.read(from, length);
        const T* shares = each.given() ? probabilities.read(input<S>(call, 1) + unit * length, length) : nullptr;
        T* gradient = out ? logits.at(to) : nullptr;
        T result = 0;
        if (each.find(unit, shares, target))
            result = RowLoss<T>(x, gradient, target, room, each.times(unit)).whole(length);
        else if (out)
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
    const Losses<T> each(call, length, dy);
    ShareRoom<T> room;
    RowTarget<T> target;
    if (!each.find(row, each.given() ? input<T>(call, 1) + begin : nullptr, target)) {
        if (out && phase == 2)
            each_segment([&](Size start, Size count, Segment&) { std::fill(out + start, out + start + count, T(0)); });
        if (losses && phase == 2 && first == 0) losses[row] = 0;
        return;
    }
    const RowLoss<T> loss(x, out, target, room, each.times(row));
    if (phase == 0)
        return each_segment([&](Size start, Size count, Segment& part) { part.largest = loss.largest(start, count); });
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
}

// The losses alone: `group` is the length of a row, since the result's is 1.
template <class S> void cross_entropy(const Call& call, Size first, Size last) {
    using T = Computed<S>;
    T* losses = static_cast<T*>(call.out[0]);
    const Size length = std::max(call.axis.length, call.group);
    if constexpr (!Half<S>)
        if (call.segments) return share_losses<S>(call, length, nullptr, losses, nullptr, first, last);
    const Size rest = losses_of_tiles<S>(call, length, losses, first, last);
    losses_of_rows<S>(call, length, nullptr, losses, nullptr, rest, last);
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
