// Half precision along an axis: strips of it are widened into a buffer on the stack, computed by
// the float kernel of their shape, and narrowed once. A strip fits into a cache close to the
// processor, and no array is copied as a whole; rows longer than a buffer come as float32
// (fastact/arrays.py). The results are float32's, rounded, to the bit.
#pragma once

#include <algorithm>

#include "formulas/rectifiers.hpp"
#include "halves.hpp"
#include "loops.hpp"
#include "rows.hpp"
#include "tables.hpp"

namespace fastact {

// Elements of a strip that is read in one piece: 8 KB as floats.
inline constexpr Size piece = 1 << 11;

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

// body(strip) for units first..last, each of at most `staged` elements.
template <class Body> void each_strip(Axis axis, Place place, Size first, Size last, Body body) {
    const auto [outer_, length, inner] = axis;
    const Size most = std::max(Size(1), (inner == 1 ? piece : staged) / length);
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

template <RowsForward kernel, Half H>
void staged_rows_forward(const double* parameters, const void* x, void* out, Axis axis, Place place, Size first,
                         Size last) {
    alignas(line) float buffer[staged];
    each_strip(axis, place, first, last, [&](const Strip& strip) {
        strip.read<H>(x, buffer);
        kernel(parameters, buffer, buffer, strip.axis, strip.place, 0, strip.units());
        strip.write<H>(buffer, out);
    });
}

template <RowsBackward kernel, Half H>
void staged_rows_backward(const double* parameters, const void* dy, const void* y, void* out, Axis axis,
                          Size first, Size last) {
    alignas(line) float gradients[staged], kept[staged];
    each_strip(axis, {0, 0}, first, last, [&](const Strip& strip) {
        strip.read<H>(dy, gradients);
        strip.read<H>(y, kept);
        kernel(parameters, gradients, kept, gradients, strip.axis, 0, strip.units());
        strip.write<H>(gradients, out);
    });
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
template <ChannelsForward kernel, Half H>
void staged_channels_forward(const void* x, const void* weight, void* out, Axis axis, Size first, Size last) {
    if (axis.inner >= together)
        return prelu_in_registers(static_cast<const H*>(x), static_cast<const float*>(weight), static_cast<H*>(out),
                                  axis, first, last);
    alignas(line) float buffer[piece];
    for (Size at = first, count; at < last; at += count) {
        count = std::min(piece, last - at);
        widen(static_cast<const H*>(x) + at, buffer, count);
        kernel(buffer - at, weight, buffer - at, axis, at, at + count);
        narrow(buffer, static_cast<H*>(out) + at, count);
    }
}

template <ChannelsBackward kernel, Half H>
void staged_channels_backward(const void* dy, const void* x, const void* weight, void* out, Axis axis, Size first,
                              Size last) {
    alignas(line) float gradients[piece], kept[piece];
    for (Size at = first, count; at < last; at += count) {
        count = std::min(piece, last - at);
        widen(static_cast<const H*>(dy) + at, gradients, count);
        widen(static_cast<const H*>(x) + at, kept, count);
        kernel(gradients - at, kept - at, weight, gradients - at, axis, at, at + count);
        narrow(gradients, static_cast<H*>(out) + at, count);
    }
}

// Ranges are of at most `staged` elements.
template <ChannelsGradient kernel, Half H>
void staged_channels_gradient(const void* dy, const void* x, double* partial, Axis axis, Size index, Size size,
                              Size range, Size first, Size last) {
    alignas(line) float gradients[staged], kept[staged];
    for (Size unit = first; unit < last; ++unit) {
        const Size at = unit * range, count = std::min(range, size - at);
        widen(static_cast<const H*>(dy) + at, gradients, count);
        widen(static_cast<const H*>(x) + at, kept, count);
        kernel(gradients, kept, partial + unit * axis.length, axis, index + at, count, range, 0, 1);
    }
}

// body(unit, at, count) for output elements side by side in both halves of x, as `halves` (loops.hpp).
template <class Body> void each_gated_piece(Axis axis, Size first, Size last, Body body) {
    const Size half = axis.length * axis.inner;
    for (Size unit = first, count; unit < last; unit += count) {
        const Size row = unit / half;
        count = std::min({piece / 2, last - unit, (row + 1) * half - unit});
        body(unit, unit + row * half, count);
    }
}

template <GatedForward kernel, Half H>
void staged_gated_forward(const void* x_, void* out_, Axis axis, Size first, Size last) {
    const H* x = static_cast<const H*>(x_);
    H* out = static_cast<H*>(out_);
    const Size half = axis.length * axis.inner;
    alignas(line) float both[piece], result[piece / 2];
    each_gated_piece(axis, first, last, [&](Size unit, Size at, Size count) {
        widen(x + at, both, count);
        widen(x + at + half, both + count, count);
        kernel(both, result, {1, count, 1}, 0, count);
        narrow(result, out + unit, count);
    });
}

template <GatedBackward kernel, Half H>
void staged_gated_backward(const void* dy_, const void* x_, void* out_, Axis axis, Size first, Size last) {
    const H* dy = static_cast<const H*>(dy_);
    const H* x = static_cast<const H*>(x_);
    H* out = static_cast<H*>(out_);
    const Size half = axis.length * axis.inner;
    alignas(line) float gradients[piece / 2], both[piece];
    each_gated_piece(axis, first, last, [&](Size unit, Size at, Size count) {
        widen(dy + unit, gradients, count);
        widen(x + at, both, count);
        widen(x + at + half, both + count, count);
        kernel(gradients, both, both, {1, count, 1}, 0, count);
        narrow(both, out + at, count);
        narrow(both + count, out + at + half, count);
    });
}

}  // namespace fastact
