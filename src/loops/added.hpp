// What is added to x before an activation: a bias along an axis, a residual. A chunk of the sum is made where the
// result goes, or in scratch memory, and the activation's own kernel runs on it there, in the L1 cache. So one
// function per dtype serves every formula, with the bits of the activation of the sum. A template per formula
// would save that pass through the cache (a tenth of a nanosecond per element at most) for half as much code again
// as all elementwise kernels have. In half precision the sum is float32's, as all that is computed there.
#pragma once

#include <algorithm>

#include "call.hpp"
#include "loops/blocks.hpp"
#include "loops/channels.hpp"
#include "loops/halves.hpp"
#include "loops/scratch.hpp"
#include "loops/streaming.hpp"
#include "loops/strips.hpp"
#include "loops/sums.hpp"
#include "ranges.hpp"

namespace fastact {

// Whether it pays to take several rows of channels as one; long ones are added as they lie.
inline bool gains_by_rows(Axis axis) { return writes_out(axis) && (axis.inner > 1 || axis.length < 2 * short_run); }

template <class T> void add_each(const T* a, const T* b, T* sum, Size count) {
#pragma GCC ivdep
#pragma GCC unroll 4
    for (Size i = 0; i < count; ++i) sum[i] = a[i] + b[i];
}

// The bias of a call, for `elements` in all, in chunks anywhere in an array.
template <class T> class Bias {
  public:
    Bias(const Call& call, Size elements)
        : bias(input<T>(call, 3)), axis(call.added->axis), period(axis.length * axis.inner) {
        repeats = bias && gains_by_rows(axis) && elements >= 8 * period;
        if (!repeats) return;
        T* to = memory;
        for (Size channel = 0; channel < axis.length; ++channel) to = std::fill_n(to, axis.inner, bias[channel]);
        const Size end = std::min(chunk, elements) + period;
        for (Size filled = period, more; filled < end; filled += more) {
            more = std::min(filled, end - filled);
            std::copy_n(static_cast<const T*>(memory), more, memory + filled);
        }
    }

    // x and the bias of as many elements from this C-order position on; `sum` may be x.
    void add(const T* x, T* sum, Size position, Size count) const {
        if (!bias) {
            if (x != sum) std::copy_n(x, count, sum);
        } else if (repeats) {
            add_each(x, memory + position % period, sum, count);
        } else {
            channels(axis, position, position + count, [&](Size at, Size stop, Size channel) {
                const T* from = x + (at - position);
                T* to = sum + (at - position);
                if (axis.inner == 1) return add_each(from, bias + channel, to, stop - at);
                const T one = bias[channel];
#pragma GCC ivdep
                for (Size i = 0; i < stop - at; ++i) to[i] = from[i] + one;
            });
        }
    }

  private:
    const T* bias;
    Axis axis;
    Size period;
    bool repeats;
    Scratch<T, 2 * chunk> memory;
};

// Elements at .. at + count of x, with all that is added to them, as they are computed. `sum` may lie where x or
// the residual does; `spare` is for a chunk.
template <class T, class C = Computed<T>>
void bring(const Call& call, const Bias<C>& bias, const T* x, Size at, Size count, C* sum, C* spare) {
    const T* residual = input<T>(call, 4);
    const Size position = call.place.index + at;
    if constexpr (Half<T>) {
        widen(x + at, sum, count);
        bias.add(sum, sum, position, count);
        if (!residual) return;
        widen(residual + at, spare, count);
        add_each(sum, spare, sum, count);
    } else {
        bias.add(x + at, residual ? spare : sum, position, count);
        if (residual) add_each(spare, residual + at, sum, count);
    }
}

template <class T> void added_forward(const Call& call, Size first, Size last) {
    using C = Computed<T>;
    const T* x = input<T>(call, 0);
    T* out = output<T>(call);
    const Bias<C> bias(call, last - first);
    const Scratch<C, chunk> memory, spare;
    const bool large = (last - first) * Size(sizeof(T)) > cached;
    const bool streams = !Half<T> && large && out != x && out != input<T>(call, 4);
    const Size lead = to_next_line(out + first);
    Call inner = call;
    for (Size at = first, stop = first + (lead ? lead : chunk); at < last; at = stop, stop += chunk) {
        stop = std::min(stop, last);
        const Size count = stop - at;
        if (large && stop + ahead + chunk <= last) prefetch(x + at + ahead, chunk);
        C* sum = memory;
        if constexpr (!Half<T>)
            if (!streams) sum = out + at;
        bring(call, bias, x, at, count, sum, static_cast<C*>(spare));
        inner.in[0] = inner.out[0] = sum - at;
        call.added->kernel(inner, at, stop);
        if constexpr (Half<T>)
            narrow(sum, out + at, count);
        else if (streams)
            stream(sum, out + at, count);
    }
    if (streams) end_of_stream();
}

// term[i] added to sum i. Sums of float64 carry what they lose, in as many numbers behind them: those of many rows
// that cancel would be off by far more than a term's last place. Those of float32 lose nothing that shows.
template <class T> inline constexpr bool carries_errors = sizeof(T) == 8;
template <class T> void add_terms(double* sums, double* errors, const T* terms, Size count) {
#pragma GCC ivdep
    for (Size i = 0; i < count; ++i) {
        const double term = double(terms[i]), before = sums[i], sum = before + term;
        if constexpr (carries_errors<T>) {
            const double part = sum - before;
            errors[i] += (before - (sum - part)) + (term - part);
        }
        sums[i] = sum;
    }
}

// The sum of elements side by side, in lanes that carry their errors where `add_terms` does.
template <class T> Twofold sum_of_run(const T* terms, Size count) {
    constexpr Size width = 64;
    double sums[width] = {}, errors[width] = {};
    for (Size start = 0; start < count; start += width)
        add_terms(sums, errors, terms + start, std::min(width, count - start));
    Total total;
    for (Size lane = 0; lane < std::min(width, count); ++lane) total.add({sums[lane], errors[lane]});
    return total;
}

// The sums per channel of one range of elements, in `to`: `sums_of` numbers.
template <class T> class ChannelSums {
  public:
    // `in_rows`: what is added comes in whole rows of channels, as many at a time as fit into a chunk.
    ChannelSums(Axis axis, double* to, bool in_rows) : axis(axis), to(to), wide(to && in_rows && gains_by_rows(axis)) {
        if (to) std::fill_n(to, sums_of(axis, carries_errors<T>), 0.0);
        if (wide) std::fill_n(static_cast<double*>(rows), chunk * (carries_errors<T> ? 2 : 1), 0.0);
    }
    ~ChannelSums() {
        if (!wide) return;
        const Size period = axis.length * axis.inner;
        for (Size row = 0; row < used; row += period)
            for (Size channel = 0, i = row; channel < axis.length && i < used; ++channel)
                for (const Size stop = i + axis.inner; i < stop; ++i)
                    add_twofold(channel, {rows[i], carries_errors<T> ? rows[chunk + i] : 0.0});
    }

    void add(const T* terms, Size position, Size count) {
        if (!to) return;
        if (wide) {
            used = std::max(used, count);
            return add_terms(rows, rows + chunk, terms, count);
        }
        channels(axis, position, position + count, [&](Size at, Size stop, Size channel) {
            const T* from = terms + (at - position);
            if (axis.inner == 1) return add_terms(to + channel, to + axis.length + channel, from, stop - at);
            add_twofold(channel, sum_of_run(from, stop - at));
        });
    }

  private:
    Axis axis;
    double* to;
    bool wide;
    Size used = 0;
    Scratch<double, chunk*(carries_errors<T> ? 2 : 1)> rows;

    void add_twofold(Size channel, Twofold term) {
        if constexpr (carries_errors<T>) {
            Total total{{to[channel], to[axis.length + channel]}};
            total.add(term);
            to[channel] = total.high, to[axis.length + channel] = total.low;
        } else {
            to[channel] += term.high + term.low;
        }
    }
};

// dx, where out[0] is given, and the gradient of the bias, where out[1] is, in one pass. Its units are ranges of
// `group` elements, which are whole rows of channels; each has sums of its own, for the caller to add up in
// order. Where nothing is added, the saved array is the output, or an x that holds the bias already.
template <class T> void added_backward(const Call& call, Size first, Size last) {
    using C = Computed<T>;
    const T *dy = input<T>(call, 0), *saved = input<T>(call, 1);
    T* out = output<T>(call);
    const Axis axis = call.added->axis;
    const bool adds = call.in[3] || call.in[4];
    const Size period = axis.length * axis.inner, step = writes_out(axis) ? chunk / period * period : chunk;
    const Bias<C> bias(call, (last - first) * call.group);
    const Scratch<C, chunk> kept, gradient, spare;
    Call inner = call;
    for (Size unit = first; unit < last; ++unit) {
        const Size from = unit * call.group, to = std::min(from + call.group, call.size);
        double* partial = static_cast<double*>(call.out[1]);
        ChannelSums<C> sums(axis, partial ? partial + unit * sums_of(axis, carries_errors<C>) : nullptr, true);
        for (Size at = from, stop; at < to; at = stop) {
            stop = std::min(at + step, to);
            const Size count = stop - at;
            const C *known = kept, *slope = gradient;
            C* result = gradient;
            if (adds) bring(call, bias, saved, at, count, static_cast<C*>(kept), static_cast<C*>(spare));
            if constexpr (Half<T>) {
                if (!adds) widen(saved + at, kept, count);
                widen(dy + at, gradient, count);
            } else {
                if (!adds) known = saved + at;
                if (out) result = out + at;
                slope = dy + at;
            }
            inner.in[0] = slope - at, inner.in[1] = known - at, inner.out[0] = result - at;
            call.added->kernel(inner, at, stop);
            sums.add(result, call.place.index + at, count);
            if constexpr (Half<T>)
                if (out) narrow(result, out + at, count);
        }
    }
}

// -- Gates: the bias is that of x, whose halves along the call's axis are a and b -------------------

template <class T> void added_gated_forward(const Call& call, Size first, Size last) {
    using C = Computed<T>;
    const T* x = input<T>(call, 0);
    T* out = output<T>(call);
    const Size half = call.axis.length * call.axis.inner;
    const Bias<C> bias(call, 2 * (last - first));
    const Scratch<C, 2 * chunk> both;
    const Scratch<C, chunk> result;
    each_gated_strip(call.axis, first, last, [&](Size unit, Size at, Size count) {
        bring(call, bias, x, at, count, static_cast<C*>(both), static_cast<C*>(result));
        bring(call, bias, x, at + half, count, both + count, static_cast<C*>(result));
        C* to = result;
        if constexpr (!Half<T>) to = out + unit;
        call.added->kernel({call.parameters, {both}, {to}, {1, count, 1}}, 0, count);
        if constexpr (Half<T>) narrow(to, out + unit, count);
    });
}

// As `added_backward`, over ranges of `group` elements of x, half as many outputs.
template <class T> void added_gated_backward(const Call& call, Size first, Size last) {
    using C = Computed<T>;
    const T *dy = input<T>(call, 0), *x = input<T>(call, 1);
    T* out = output<T>(call);
    const Axis axis = call.added->axis;
    const Size half = call.axis.length * call.axis.inner, outputs = call.axis.outer * half;
    const Bias<C> bias(call, (last - first) * call.group);
    const Scratch<C, 2 * chunk> both;
    const Scratch<C, chunk> gradient;
    for (Size unit = first; unit < last; ++unit) {
        const Size from = unit * (call.group / 2), to = std::min(from + call.group / 2, outputs);
        double* partial = static_cast<double*>(call.out[1]);
        ChannelSums<C> sums(axis, partial ? partial + unit * sums_of(axis, carries_errors<C>) : nullptr, false);
        each_gated_strip(call.axis, from, to, [&](Size output, Size at, Size count) {
            const C* slope = gradient;
            bring(call, bias, x, at, count, static_cast<C*>(both), static_cast<C*>(gradient));
            bring(call, bias, x, at + half, count, both + count, static_cast<C*>(gradient));
            if constexpr (Half<T>)
                widen(dy + output, gradient, count);
            else
                slope = dy + output;
            call.added->kernel({call.parameters, {slope, both}, {both}, {1, count, 1}}, 0, count);
            sums.add(both, call.place.index + at, count);
            sums.add(both + count, call.place.index + at + half, count);
            for (Size part = 0; part < 2 && out; ++part)
                if constexpr (Half<T>)
                    narrow(both + part * count, out + at + part * half, count);
                else
                    std::copy_n(both + part * count, count, out + at + part * half);
        });
    }
}

}  // namespace fastact
