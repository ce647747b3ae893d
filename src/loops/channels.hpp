// Channels: one weight for each position along an axis, or one for all.
#pragma once

#include <algorithm>

#include "call.hpp"
#include "formulas/rectifiers.hpp"
#include "loops/blocks.hpp"
#include "loops/elements.hpp"
#include "loops/scratch.hpp"
#include "loops/sums.hpp"

namespace fastact {

// `run(at, stop, channel)` is called for consecutive elements: of one channel, or, where the axis is
// the last one, of the channels from `channel` on.
template <class Run> void channels(Axis axis, Size first, Size last, Run run) {
    const bool single = axis.inner > 1;
    const Size length = single ? axis.inner : axis.length;
    Size channel = first / axis.inner % axis.length, stop = first - first % length + length;
    for (Size at = first; at < last; at = stop, stop += length) {
        run(at, std::min(stop, last), channel);
        channel = single && channel + 1 < axis.length ? channel + 1 : 0;
    }
}

// body(at, stop, weights) for elements whose axis is the last one, each with the weight of its place. Short
// rows are taken many at a time, with the weights repeated.
template <class T, class Body>
void weighted(const T* weight, const T* out, Size length, Size first, Size last, Body body) {
    constexpr Size room = 1024;
    const Size unit = length <= 64 ? 16 * length : length, span = room / unit * unit;
    if (span == 0 || last - first < 64 * length)
        return channels({1, length, 1}, first, last,
                        [&](Size at, Size stop, Size channel) { body(at, stop, weight + channel); });
    const Scratch<T, 2 * room> memory;
    T* const repeated = memory;
    std::copy_n(weight, length, repeated);
    for (Size filled = length, end = std::min(span, last - first) + length, more; filled < end; filled += more) {
        more = std::min(filled, end - filled);
        std::copy_n(repeated, more, repeated + filled);
    }
    const Size lead = to_next_line(out + first);
    for (Size at = first, stop = first + (lead ? lead : span); at < last; at = stop, stop += span)
        body(at, std::min(stop, last), repeated + at % length);
}

template <class T>
[[gnu::flatten]] void prelu(const Call& call, Size first, Size last) {
    const T* x = input<T>(call, 0);
    const T* weight = input<T>(call, 2);
    T* out = output<T>(call);
    const Axis axis = call.axis;
    if (axis.inner == 1)
        return weighted(weight, out, axis.length, first, last, [&](Size at, Size stop, const T* slopes) {
            from_line(out + at, stop - at, [&](Size start, Size end) {
                elements(end - start, x + at + start, slopes + start, out + at + start,
                         [](Size, T value, T slope) { return Leaky<T>(slope)(value); });
            });
        });
    channels(axis, first, last, [&](Size at, Size stop, Size channel) {
        const Leaky<T> leaky(weight[channel]);
        const auto run = [&](Size start, Size end, T* to) {
            elements(end - start, x + at + start, to, [&](Size, T value) { return leaky(value); });
        };
        runs(call.passing, out + at, stop - at, run, x + at);
    });
}

template <class T>
[[gnu::flatten]] void prelu_backward(const Call& call, Size first, Size last) {
    const T* dy = input<T>(call, 0);
    const T* x = input<T>(call, 1);
    const T* weight = input<T>(call, 2);
    T* out = output<T>(call);
    const Axis axis = call.axis;
    if (axis.inner == 1)
        return weighted(weight, out, axis.length, first, last, [&](Size at, Size stop, const T* slopes) {
            from_line(out + at, stop - at, [&](Size start, Size end) {
                const T* w = slopes - at;
#pragma GCC ivdep
                for (Size i = at + start; i < at + end; ++i) out[i] = x[i] > 0 ? dy[i] : w[i] * dy[i];
            });
        });
    channels(axis, first, last, [&](Size at, Size stop, Size channel) {
        const T slope = weight[channel];
        const auto run = [&](Size start, Size end, T* to) {
            elements(end - start, dy + at + start, x + at + start, to,
                     [&](Size, T gradient, T value) { return value > 0 ? gradient : slope * gradient; });
        };
        runs(call.passing, out + at, stop - at, run, dy + at, x + at);
    });
}

// The gradient of the weights, summed over ranges of the elements, of which the first has C-order
// position `place.index`: range r goes to row r of the sums. The caller adds the rows up in order, so
// neither the number of threads nor the way in which elements were brought here changes the sum.
template <class T>
[[gnu::flatten]] void prelu_gradient(const Call& call, Size first, Size last) {
    const Axis axis = call.axis;
    const Size size = call.size, range = call.group, index = call.place.index;
    double* partial = static_cast<double*>(call.out[1]);
    const T* dy = input<T>(call, 0) - index;
    const T* x = input<T>(call, 1) - index;
    const auto term = [&](Size i) {
        const double product = double(dy[i]) * double(x[i]);
        return x[i] > 0 ? 0.0 : product;
    };
    for (Size unit = first; unit < last; ++unit) {
        const Size from = index + unit * range, to = index + std::min((unit + 1) * range, size);
        double* sum = partial + unit * axis.length;
        channels(axis, from, to, [&](Size at, Size stop, Size channel) {
            if (axis.inner == 1)
                for (Size i = at; i < stop; ++i) sum[channel + i - at] += term(i);
            else
                sum[channel] += Sums<double, 1, false, 2048>(stop - at, 1, [&](Size i, Size) {
                                    return term(at + i);
                                }).value(0);
        });
    }
}

}  // namespace fastact
