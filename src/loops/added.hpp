// What is added to x before an activation: a bias along an axis, a residual; and dropout behind it. A bias alone has a
// loop with the formula in it, forward, since beside a light formula one more pass through the L1 cache shows. For all
// else a chunk of the sum is made where the result goes, or in scratch memory, and the kernels of the activation and of
// dropout run on it there: one function per dtype for every formula. Both have the bits of the activation of the sum.
// In half precision that is float32's, as all that is computed there.
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
    Bias(const T* bias, Axis axis, Size elements) : bias(bias), axis(axis), period(axis.length * axis.inner) {
        repeats = bias && gains_by_rows(axis) && elements >= 8 * period;
        if (!repeats) return;
        T* to = memory;
        for (Size channel = 0; channel < axis.length; ++channel) to = std::fill_n(to, axis.inner, bias[channel]);
        const Size end = std::min(chunk, elements) + period;
        for (Size more; filled < end; filled += more) {
            more = filled ? std::min(filled, end - filled) : period;
            if (filled) std::copy_n(static_cast<const T*>(memory), more, memory + filled);
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

    // Where an element is among the biases: a cursor, since a division per block shows beside a light formula.
    struct Cursor {
        Size channel, within;
    };
    Cursor cursor(Size position) const {
        if (repeats) return {0, position % period};
        return axis.inner == 1 ? Cursor{0, position % axis.length}
                               : Cursor{position / axis.inner % axis.length, position % axis.inner};
    }

    // run(start, stop, values) for the next `count` elements: those that have their biases side by side.
    template <class Run> void each_run(Cursor& at, Size count, Run run) const {
        const bool constant = !repeats && axis.inner > 1;
        const Size length = constant ? axis.inner : axis.length;
        for (Size start = 0, stop; start < count; start = stop) {
            stop = std::min(count, start + (repeats || constant ? chunk : length));
            if (repeats) {
                if (at.within + stop - start > filled) at.within %= period;
            } else {
                stop = std::min(stop, start + length - at.within);
            }
            const T* values = (repeats ? static_cast<const T*>(memory) : bias) + at.within;
            if (constant) {
                std::fill_n(static_cast<T*>(memory), stop - start, bias[at.channel]);
                values = memory;
            }
            run(start, stop, values);
            at.within += stop - start;
            if (repeats || at.within < length) continue;
            at.within = 0;
            if (++at.channel == axis.length) at.channel = 0;
        }
    }

  private:
    const T* bias;
    Axis axis;
    Size period, filled = 0;
    bool repeats;
    Scratch<T, 2 * chunk> memory;
};

// A formula on the sums of x and biases that lie side by side.
template <template <class> class Op, class T>
[[gnu::flatten]] void biased_forward(const void* formula, Size count, Size position, T* out, const T* x,
                                     const T* biases) {
    const Op<T> op = *static_cast<const Op<T>*>(formula);
    const auto of_sums = [&](auto formula) {
        elements<is_unrolled<Op<T>>>(count, x, biases, out,
                                     [&](Size i, T value, T added) { return formula(i, value + added); });
    };
    if constexpr (InVectors<Op<T>, T>) {
        of_sums([](Size, T sum) { return sum; });
        op.forward(count, out, out);
    } else {
        of_sums([&](Size i, T sum) {
            if constexpr (requires { op.forward(sum, std::uint64_t(i)); })
                return op.forward(sum, std::uint64_t(position + i));
            else
                return op.forward(sum);
        });
    }
}

template <class T>
[[gnu::noinline]] void each_biased_run(const Call& call, Size first, Size last, const void* formula, Run<T, T, T> run) {
    const T* x = input<T>(call, 0) + first;
    const Size position = call.place.index + first;
    const Bias<T> bias(input<T>(call, 3), call.added->axis, last - first);
    auto cursor = bias.cursor(position);
    blocks(call.passing, output<T>(call) + first, last - first, [&](Size start, Size stop, T* to) {
        bias.each_run(cursor, stop - start, [&](Size at, Size end, const T* values) {
            run(formula, end - at, position + start + at, to + at, x + start + at, values);
        });
    }, x);
}

// The activation of x and a bias.
template <template <class> class Op, class T> void elements_biased(const Call& call, Size first, Size last) {
    const Op<T> op(call.parameters);
    each_biased_run<T>(call, first, last, &op, biased_forward<Op, T>);
}

// `count` elements of x from this C-order position on, as they are computed, with the bias; `sum` may lie where x does.
template <class T, class C = Computed<T>>
void add_bias(const Bias<C>& bias, const T* x, Size position, Size count, C* sum) {
    if constexpr (Half<T>) {
        widen(x, sum, count);
        bias.add(sum, sum, position, count);
    } else {
        bias.add(x, sum, position, count);
    }
}

// Elements at .. at + count of x, with all that is added to them, as they are computed. `sum` may lie where x or
// the residual does; `spare` is for a chunk.
template <class T, class C = Computed<T>>
void bring(const Call& call, const Bias<C>& bias, const T* x, Size at, Size count, C* sum, C* spare) {
    const T* residual = input<T>(call, 4);
    const Size position = call.place.index + at;
    if constexpr (Half<T>) {
        add_bias(bias, x + at, position, count, sum);
        if (!residual) return;
        widen(residual + at, spare, count);
        add_each(sum, spare, sum, count);
    } else {
        bias.add(x + at, residual ? spare : sum, position, count);
        if (residual) add_each(spare, residual + at, sum, count);
    }
}

// What is no larger, in bytes, stays in the L1 cache with its result.
inline constexpr Size nearest = 1 << 14;

// Runs the call's own kernel on a chunk, which begins at this C-order position of the whole array: so kernels are
// told, for whom an element's place matters.
template <class C> void run_kernel(const Call& call, Call& inner, const C* x, C* out, Size position, Size count) {
    inner.place = {0, 1}, inner.axis = call.added->weights, inner.passing = {};
    inner.in[0] = x - position, inner.out[0] = out - position;
    call.added->kernel(inner, position, position + count);
}

// Dropout of a chunk, of results or of their gradients; `to` may be `from`.
template <class C> void leave_out(const Added& added, const C* from, C* to, Size position, Size count) {
    added.dropout({added.left_out, {from - position}, {to - position}, {}, {0, 1}}, position, position + count);
}

// The same of a chunk in place, in pieces, between which lines of the next chunk are asked for: they come while a piece
// is drawn; all asked for at once they would wait for one another. `out` is null where its lines are not read.
template <class C, class T>
void leave_out_ahead(const Added& added, C* of, Size position, Size count, const T* x, const T* out) {
    for (Size at = 0, piece; at < count; at += piece) {
        piece = std::min(block, count - at);
        prefetch(x + at, piece);
        if (out) prefetch(out + at, piece);
        leave_out(added, of + at, of + at, position + at, piece);
    }
}

template <class T> void added_forward(const Call& call, Size first, Size last) {
    using C = Computed<T>;
    const T* x = input<T>(call, 0);
    T* out = output<T>(call);
    const bool adds = Half<T> || call.in[3] || call.in[4];
    const Bias<C> bias(input<C>(call, 3), call.added->axis, last - first);
    const Scratch<C, chunk> memory, spare;
    const bool draws = call.added->dropout, draws_ahead = draws && (last - first) * Size(sizeof(T)) > nearest;
    const bool asks = call.passing.asks && !draws;
    const bool streams = !Half<T> && call.passing.streams && out != x && out != input<T>(call, 4);
    const Size lead = to_next_line(out + first);
    Call inner = call;
    for (Size at = first, stop = first + (lead ? lead : chunk); at < last; at = stop, stop += chunk) {
        stop = std::min(stop, last);
        const Size count = stop - at;
        if (asks && stop + ahead + chunk <= last) prefetch(x + at + ahead, chunk);
        C* sum = memory;
        const C* from = sum;
        if constexpr (!Half<T>) {
            if (!streams) sum = out + at;
            from = adds ? sum : x + at;
        }
        if (adds) bring(call, bias, x, at, count, sum, static_cast<C*>(spare));
        const Size position = call.place.index + at;
        run_kernel(call, inner, from, sum, position, count);
        if (draws_ahead && stop + chunk <= last)
            leave_out_ahead(*call.added, sum, position, count, x + stop, streams || out == x ? nullptr : out + stop);
        else if (draws)
            leave_out(*call.added, sum, sum, position, count);
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

// dx, where out[0] is given, and the gradient of the bias, where out[2] is, in one pass. Its units are ranges of
// `group` elements, which are whole rows of channels; each has sums of its own, for the caller to add up in
// order. Where nothing is added, the saved array is the output, or an x that holds the bias already.
template <class T> void added_backward(const Call& call, Size first, Size last) {
    using C = Computed<T>;
    const T *dy = input<T>(call, 0), *saved = input<T>(call, 1);
    T* out = output<T>(call);
    const Axis axis = call.added->axis;
    const bool adds = call.in[3] || call.in[4];
    const Size period = axis.length * axis.inner, step = writes_out(axis) ? chunk / period * period : chunk;
    const Bias<C> bias(input<C>(call, 3), axis, (last - first) * call.group);
    const Scratch<C, chunk> kept, gradient, spare;
    Call inner = call;
    for (Size unit = first; unit < last; ++unit) {
        const Size from = unit * call.group, to = std::min(from + call.group, call.size);
        double* partial = static_cast<double*>(call.out[2]);
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
            const Size position = call.place.index + at;
            if (call.added->dropout) {
                leave_out(*call.added, slope, static_cast<C*>(gradient), position, count);
                slope = gradient;
            }
            inner.in[1] = known - position;
            run_kernel(call, inner, slope, result, position, count);
            sums.add(result, position, count);
            if constexpr (Half<T>)
                if (out) narrow(result, out + at, count);
        }
    }
}

// -- Gates: halves a and b of an x that has one bias, or arrays of their own, each with a bias (in[3], in[4]) --------

template <class T> class GatedBias {
  public:
    GatedBias(const Call& call, Size outputs)
        : pair(call.in[2]),
          first(input<T>(call, 3), call.added->axis, pair ? outputs : 2 * outputs),
          second(pair ? input<T>(call, 4) : nullptr, call.added->axis, outputs) {}

    const Bias<T>& of_a() const { return first; }
    const Bias<T>& of_b() const { return pair ? second : first; }

  private:
    bool pair;
    Bias<T> first, second;
};

// Elements of a and of b, of which the first are at `at` in their arrays, with what is added to them.
template <class T, class C = Computed<T>>
void bring_both(const Call& call, const GatedBias<C>& bias, GatedPlaces<const T> x, Size at, Size count, C* both) {
    const Size position = (x.halves ? 2 : 1) * call.place.index + at;
    add_bias(bias.of_a(), x.a + at, position, count, both);
    add_bias(bias.of_b(), x.b + at, position + (x.halves ? x.half : 0), count, both + count);
}

template <class T> void added_gated_forward(const Call& call, Size first, Size last) {
    using C = Computed<T>;
    const GatedPlaces x(input<T>(call, 0), input<T>(call, 2), gated_axis(call));
    T* out = output<T>(call);
    const GatedBias<C> bias(call, last - first);
    const Scratch<C, 2 * chunk> both;
    const Scratch<C, chunk> result;
    each_gated_strip(gated_axis(call), first, last, [&](Size unit, Size at, Size count) {
        bring_both(call, bias, x, at, count, static_cast<C*>(both));
        C* to = result;
        if constexpr (!Half<T>) to = out + unit;
        call.added->kernel({call.parameters, {both}, {to}, {1, count, 1}}, 0, count);
        if (call.added->dropout) leave_out(*call.added, to, to, call.place.index + unit, count);
        if constexpr (Half<T>) narrow(to, out + unit, count);
    });
}

// The gradients of outputs first..last, where out[0] and, for b's own array, out[1] are given; `sum` is told of those
// of a and of b, and where they are.
template <class T, class Sum>
void gated_gradients(const Call& call, const GatedBias<Computed<T>>& bias, Size first, Size last, Sum sum) {
    using C = Computed<T>;
    const GatedPlaces x(input<T>(call, 1), input<T>(call, 2), gated_axis(call));
    const T* dy = input<T>(call, 0);
    T* const da = output<T>(call);
    T* const db = x.halves && da ? da + x.half : static_cast<T*>(call.out[1]);
    const Scratch<C, 2 * chunk> both;
    const Scratch<C, chunk> gradient;
    each_gated_strip(gated_axis(call), first, last, [&](Size unit, Size at, Size count) {
        const Size position = call.place.index + unit;
        const C* slope = gradient;
        bring_both(call, bias, x, at, count, static_cast<C*>(both));
        if constexpr (Half<T>)
            widen(dy + unit, gradient, count);
        else
            slope = dy + unit;
        if (call.added->dropout) {
            leave_out(*call.added, slope, static_cast<C*>(gradient), position, count);
            slope = gradient;
        }
        call.added->kernel({call.parameters, {slope, both}, {both}, {1, count, 1}}, 0, count);
        sum(static_cast<const C*>(both), at, count);
        for (Size part = 0; part < 2 && da; ++part) {
            T* to = (part ? db : da) + at;
            if constexpr (Half<T>)
                narrow(both + part * count, to, count);
            else
                std::copy_n(both + part * count, count, to);
        }
    });
}

// As `added_backward`, over ranges of `group` elements of x, or of both arrays: half as many outputs. The sums of b's
// own array are behind all of those of a's.
template <class T> void added_gated_backward(const Call& call, Size first, Size last) {
    using C = Computed<T>;
    const Axis axis = call.added->axis;
    const bool pair = call.in[2];
    const Size half = call.axis.length * call.axis.inner, outputs = call.axis.outer * half;
    const Size ranges = (call.size + call.group - 1) / call.group;
    const GatedBias<C> bias(call, (last - first) * call.group / 2);
    double* const partial = static_cast<double*>(call.out[2]);
    const auto sums_at = [&](Size range) { return partial ? partial + range * sums_of(axis, carries_errors<C>) : nullptr; };
    for (Size unit = first; unit < last; ++unit) {
        const Size from = unit * (call.group / 2), to = std::min(from + call.group / 2, outputs);
        ChannelSums<C> of_a(axis, sums_at(unit), false), of_b(axis, pair ? sums_at(ranges + unit) : nullptr, false);
        ChannelSums<C>& of_gate = pair ? of_b : of_a;
        gated_gradients<T>(call, bias, from, to, [&](const C* both, Size at, Size count) {
            of_a.add(both, at, count);
            of_gate.add(both + count, pair ? at : at + half, count);
        });
    }
}

// The same without sums, so that its units are outputs and arrays may be in rows.
template <class T> void added_gated_outputs(const Call& call, Size first, Size last) {
    gated_gradients<T>(call, {call, last - first}, first, last, [](const Computed<T>*, Size, Size) {});
}

}  // namespace fastact
