// Rows of half precision: in strips (strips.hpp), and those longer than a buffer segment by segment, in the phases
// in which threads share a row, with the same bits.
#pragma once

#include <algorithm>
#include <limits>

#include "call.hpp"
#include "loops/halves.hpp"
#include "loops/lines.hpp"
#include "loops/rows.hpp"
#include "loops/scratch.hpp"
#include "loops/strips.hpp"
#include "loops/sums.hpp"

namespace fastact {

// What a phase has to know of a row from all of its segments: as of a row of one segment.
inline Segment combined(const Segment* parts, Size length, int phases, int phase) {
    Segment all{};
    Total total, count;
    if (phases == forward_phases && phase > 0) {
        all.largest = parts[0].largest;
        for (Size k = 1; k < segments_of(length); ++k)
            all.largest = parts[k].largest > all.largest ? parts[k].largest : all.largest;
    }
    for (Size k = 0; phase == phases - 1 && k < segments_of(length); ++k)
        total.add(parts[k].total), count.add(parts[k].count);
    all.total = total, all.count = count;
    return all;
}

// One phase of a row, segments first..last. The kernel is told of each as of a row of its own, whose sums are those
// of the whole; what threads may look at meanwhile is left as it is. Terms that a formula keeps for its results are
// computed again: there is room for one segment's.
template <Kernel kernel, int phases, bool keeps_terms, Half H>
void half_segments(const Call& call, Size first, Size last) {
    constexpr int concluding = phases - 1;
    const Size length = call.axis.length, row = call.stage / phases;
    const int phase = int(call.stage % phases);
    const Segment all = combined(call.segments, length, phases, phase);
    const Scratch<float, segment> values, kept;
    for (Size k = first; k < last; ++k) {
        const Size start = k * segment, size = std::min(segment, length - start), at = row * length + start;
        const Place place{call.place.index + at * call.place.step, call.place.step};
        Segment own = all;
        const auto run = [&](int phase) {
            kernel({call.parameters, {values, kept}, {values}, {1, size, 1}, place, size, 0, &own, phase}, 0, 1);
        };
        widen(input<H>(call, 0) + at, values, size);
        if constexpr (phases == backward_phases) widen(input<H>(call, 1) + at, kept, size);
        if (keeps_terms && phase == concluding) run(phase - 1), own = all;
        run(phase);
        if (phase == concluding)
            narrow(values, output<H>(call) + at, size);
        else if (phase == concluding - 1)
            call.segments[k].total = own.total, call.segments[k].count = own.count;
        else
            call.segments[k].largest = own.largest;
    }
}

template <Kernel kernel, int phases, bool keeps_terms, Half H>
void half_long_rows(const Call& call, Size first, Size last) {
    constexpr auto in_segments = half_segments<kernel, phases, keeps_terms, H>;
    if (call.segments) return in_segments(call, first, last);
    const Scratch<Segment, longest_half_row_alone / segment> found;
    Call row = call;
    row.segments = found;
    for (row.stage = first * phases; row.stage < last * phases; ++row.stage)
        in_segments(row, 0, segments_of(call.axis.length));
}

// Columns side by side are no longer than a buffer, nor are rows of a kernel without phases.
template <Kernel kernel, int phases, bool keeps_terms, Half H>
void staged_rows_forward(const Call& call, Size first, Size last) {
    if constexpr (phases > 0)
        if (call.axis.length > longest_half_row || call.segments)
            return half_long_rows<kernel, phases, keeps_terms, H>(call, first, last);
    const Scratch<float, longest_half_row> buffer;
    each_strip(call.axis, call.place, first, last, [&](const Strip& strip) {
        strip.read<H>(call.in[0], buffer);
        kernel({call.parameters, {buffer}, {buffer}, strip.axis, strip.place}, 0, strip.units());
        strip.write<H>(buffer, call.out[0]);
    });
}

template <Kernel kernel, Half H> void staged_rows_backward(const Call& call, Size first, Size last) {
    if (call.axis.length > longest_half_row || call.segments)
        return half_long_rows<kernel, backward_phases, false, H>(call, first, last);
    const Scratch<float, longest_half_row> gradients, kept;
    each_strip(call.axis, call.place, first, last, [&](const Strip& strip) {
        strip.read<H>(call.in[0], gradients);
        strip.read<H>(call.in[1], kept);
        kernel({call.parameters, {gradients, kept}, {gradients}, strip.axis, strip.place}, 0, strip.units());
        strip.write<H>(gradients, call.out[0]);
    });
}

// Rows whose formula finds a threshold, by one thread each: a long one is widened again for every step.
template <template <class> class Op, Half H>
[[gnu::flatten]] void staged_projection(const Call& call, Size first, Size last) {
    const Size length = call.axis.length;
    if (length <= longest_half_row)
        return staged_rows_forward<rows_forward<Op, float>, 0, false, H>(call, first, last);
    const Op<float> op(call.parameters);
    const Lines<1, Known<1>> line{length, {}, {}, {}};
    const Scratch<float, segment> values;
    for (Size row = first; row < last; ++row) {
        const H* x = input<H>(call, 0) + row * length;
        H* out = output<H>(call) + row * length;
        const auto read = [&](Size start, Size size) {
            widen(x + start, values, size);
            return static_cast<const float*>(values);
        };
        float largest = -std::numeric_limits<float>::infinity();
        double threshold;
        segments(line, [&](Size start, auto part) {
            float found;
            find_largest(sought_by(op), read(start, part.length), &found, part);
            largest = start == 0 || found > largest ? found : largest;
        });
        find_threshold(op, &largest, &threshold, line, read);
        segments(line, [&](Size start, auto part) {
            write_above(op, read(start, part.length), static_cast<float*>(values), &largest, &threshold, part);
            narrow(values, out + start, part.length);
        });
    }
}

// 1 at the first of the largest values of a row, as `choose` (rows.hpp) of rows that fit into a buffer.
template <Kernel kernel, Half H> void staged_one_hot(const Call& call, Size first, Size last) {
    const Size length = call.axis.length;
    if (length <= longest_half_row) return staged_rows_forward<kernel, 0, false, H>(call, first, last);
    const Scratch<float, segment> values;
    for (Size row = first; row < last; ++row) {
        const H* y = input<H>(call, 0) + row * length;
        H* out = output<H>(call) + row * length;
        float largest = 0;
        Size winner = 0;
        for (Size start = 0; start < length; start += segment) {
            const Size size = std::min(segment, length - start);
            widen(y + start, values, size);
            if (start == 0) largest = values[0];
            for (Size i = 0; i < size; ++i)
                if (values[i] > largest) largest = values[i], winner = start + i;
        }
        const float ends[] = {largest - largest, 1 + (largest - largest)};
        H bits[2];
        narrow(ends, bits, 2);
        std::fill(out, out + length, bits[0]);
        out[winner] = bits[1];
    }
}

}  // namespace fastact
