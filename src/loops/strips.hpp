// Half precision along an axis: strips of it are widened into a buffer (scratch.hpp), computed by
// the float kernel of their shape, and narrowed once. A strip fits into a cache close to the
// processor, and no array is copied as a whole. The results are float32's, rounded, to the bit.
#pragma once

#include <algorithm>

#include "call.hpp"
#include "formulas/rectifiers.hpp"
#include "loops/channels.hpp"
#include "loops/elements.hpp"
#include "loops/gated.hpp"
#include "loops/halves.hpp"
#include "loops/scratch.hpp"

namespace fastact {

// Elements of a strip that is read in one go: 8 KB as floats.
inline constexpr Size read_size = 1 << 11;

template <Half H> void widen(const H* from, float* to, Size size) {
    Size i = 0;
#pragma GCC unroll 4
    for (; i + width <= size; i += width) store(H::widened(load<Shorts>(from + i)), to + i);
    if (i < size) {
        H rest[width] = {};
        float values[width];
        std::copy_n(from + i, size - i, rest);
        store(H::widened(load<Shorts>(rest)), values);
        std::copy_n(values, size - i, to + i);
    }
}

template <Half H> void narrow(const float* from, H* to, Size size) {
    Size i = 0;
#pragma GCC unroll 2
    for (; i + together <= size; i += together) H::narrow_in_order(from + i, to + i);
    if (i < size) {
        H rest[together];
        float values[together] = {};
        std::copy_n(from + i, size - i, values);
        H::narrow_in_order(values, rest);
        std::copy_n(rest, size - i, to + i);
    }
}

// Some units of an array along an axis, and how they are seen in a buffer: `runs` runs of `run`
// elements, `stride` apart in the array and one after another in the buffer.
struct Strip {
    Size offset, runs, run, stride;
    Axis axis;
    Place place;

    template <Half H> void read(const void* array, float* buffer) const {
        const H* from = static_cast<const H*>(array) + offset;
        for (Size i = 0; i < runs; ++i) widen(from + i * stride, buffer + i * run, run);
    }
    template <Half H> void write(const float* buffer, void* array) const {
        H* to = static_cast<H*>(array) + offset;
        for (Size i = 0; i < runs; ++i) narrow(buffer + i * run, to + i * stride, run);
    }
    Size units() const { return axis.outer * axis.inner; }
};

// body(strip) for units first..last, each of at most `longest_half_row` elements.
template <class Body> void each_strip(Axis axis, Place place, Size first, Size last, Body body) {
    const auto [outer_, length, inner] = axis;
    const Size most = std::max(Size(1), (inner == 1 ? read_size : longest_half_row) / length);
    for (Size unit = first, count; unit < last; unit += count) {
        const Size outer = unit / inner, column = unit % inner, offset = outer * length * inner + column;
        count = std::min({most, last - unit, inner == 1 ? last - unit : inner - column});
        const Place at{place.index + outer * length * place.step + column, place.step};
        if (inner == 1)
            body(Strip{offset, 1, count * length, 0, {count, length, 1}, at});
        else
            body(Strip{offset, length, count, inner, {1, length, count}, at});
    }
}

// A channel's elements side by side need no buffer.
template <Half H>
[[gnu::flatten]] void prelu_in_registers(const H* x, const float* weight, H* out, Axis axis, Size first, Size last) {
    channels(axis, first, last, [&](Size at, Size stop, Size channel) {
        const Leaky<float> leaky(weight[channel]);
        const auto formula = [&](Size, float value) { return leaky(value); };
        elements(stop - at, x + at, out + at, formula);
        if (const Size rest = (stop - at) % together) {
            H copy[together] = {};
            std::copy_n(x + stop - rest, rest, copy);
            elements(together, copy, copy, formula);
            std::copy_n(copy, rest, out + stop - rest);
        }
    });
}

// Elements first..last: of a buffer's, the kernels are told where they stand in the array.
template <Kernel kernel, Half H> void staged_channels_forward(const Call& call, Size first, Size last) {
    const H* x = input<H>(call, 0);
    H* out = output<H>(call);
    if (call.axis.inner >= together)
        return prelu_in_registers(x, input<float>(call, 2), out, call.axis, first, last);
    const Scratch<float, read_size> buffer;
    for (Size at = first, count; at < last; at += count) {
        count = std::min(read_size, last - at);
        widen(x + at, buffer, count);
        kernel({nullptr, {buffer - at, nullptr, call.in[2]}, {buffer - at}, call.axis}, at, at + count);
        narrow(buffer, out + at, count);
    }
}

template <Kernel kernel, Half H> void staged_channels_backward(const Call& call, Size first, Size last) {
    const Scratch<float, read_size> gradients, kept;
    for (Size at = first, count; at < last; at += count) {
        count = std::min(read_size, last - at);
        widen(input<H>(call, 0) + at, gradients, count);
        widen(input<H>(call, 1) + at, kept, count);
        kernel({nullptr, {gradients - at, kept - at, call.in[2]}, {gradients - at}, call.axis}, at, at + count);
        narrow(gradients, output<H>(call) + at, count);
    }
}

// Ranges are of at most `longest_half_row` elements.
template <Kernel kernel, Half H> void staged_channels_gradient(const Call& call, Size first, Size last) {
    const Scratch<float, longest_half_row> gradients, kept;
    for (Size unit = first; unit < last; ++unit) {
        const Size at = unit * call.group, count = std::min(call.group, call.size - at);
        double* sums = static_cast<double*>(call.out[1]) + unit * call.axis.length;
        widen(input<H>(call, 0) + at, gradients, count);
        widen(input<H>(call, 1) + at, kept, count);
        const Place place{call.place.index + at, 1};
        kernel({nullptr, {gradients, kept}, {nullptr, sums}, call.axis, place, count, count}, 0, 1);
    }
}

// body(unit, at, count) for output elements side by side in a and in b, as `each_gated_run` (gated.hpp).
template <class Body> void each_gated_strip(Axis axis, Size first, Size last, Body body) {
    const Size half = axis.length * axis.inner;
    for (Size unit = first, count; unit < last; unit += count) {
        const Size row = unit / half;
        count = std::min({read_size / 2, last - unit, (row + 1) * half - unit});
        body(unit, unit + row * half, count);
    }
}

template <Kernel kernel, Half H> void staged_gated_forward(const Call& call, Size first, Size last) {
    const GatedPlaces x(input<H>(call, 0), input<H>(call, 2), gated_axis(call));
    const Scratch<float, read_size> both;
    const Scratch<float, read_size / 2> result;
    each_gated_strip(gated_axis(call), first, last, [&](Size unit, Size at, Size count) {
        widen(x.a + at, both, count);
        widen(x.b + at, both + count, count);
        kernel({nullptr, {both}, {result}, {1, count, 1}}, 0, count);
        narrow(result, output<H>(call) + unit, count);
    });
}

template <Kernel kernel, Half H> void staged_gated_backward(const Call& call, Size first, Size last) {
    const GatedPlaces x(input<H>(call, 1), input<H>(call, 2), gated_axis(call));
    const GatedPlaces out(output<H>(call), call.in[2] ? static_cast<H*>(call.out[1]) : nullptr, gated_axis(call));
    const Scratch<float, read_size / 2> gradients;
    const Scratch<float, read_size> both;
    each_gated_strip(gated_axis(call), first, last, [&](Size unit, Size at, Size count) {
        widen(input<H>(call, 0) + unit, gradients, count);
        widen(x.a + at, both, count);
        widen(x.b + at, both + count, count);
        kernel({nullptr, {gradients, both}, {both}, {1, count, 1}}, 0, count);
        narrow(both, out.a + at, count);
        narrow(both + count, out.b + at, count);
    });
}

}  // namespace fastact
