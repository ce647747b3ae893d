// Lines: the rows and columns of an array along an axis, one by one or side by side, and the ways to
// them through memory.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "call.hpp"
#include "loops/blocks.hpp"
#include "loops/halves.hpp"
#include "loops/scratch.hpp"
#include "loops/streaming.hpp"

namespace fastact {

// Columns that are side by side in memory are reduced together, `tile` at a time.
inline constexpr Size tile = 64;

// Rows of up to so many bytes, of all inputs together, are transposed into a buffer, `tile` at a
// time, and reduced as columns: one by one they would fill neither vectors nor lanes.
inline constexpr Size short_row = 256;

// The C-order index of element i of a column in the whole array, for random formulas.
struct Indices {
    std::uint64_t origin, along, across;

    std::uint64_t operator()(Size i, Size column) const {
        return origin + std::uint64_t(i) * along + std::uint64_t(column) * across;
    }
    Indices from(Size start) const { return {(*this)(start, 0), along, across}; }
};

// In its place, what a random formula drew for each element.
template <class T, Size Width> struct Drawn {
    const T* noise;

    T operator()(Size i, Size column) const { return noise[i * Width + column]; }
    Drawn from(Size start) const { return {noise + start * Width}; }
};

// `columns` columns of `length` elements, `stride` apart, side by side; Width is 1 for a
// single contiguous row, and what it is worked on with has room for Width columns.
template <Size Width_, class Columns, class Index = Indices> struct Lines {
    static constexpr Size Width = Width_;
    Size length;
    std::conditional_t<Width_ == 1, Known<1>, Size> stride;
    Columns columns;
    Index index;

    Lines part(Size start, Size count) const { return {count, stride, columns, index.from(start)}; }
};

// body(i, column) for every element, in a loop that becomes SIMD code.
template <class Lines, class T, class Body> void each_element(Lines lines, const T* out, Body body) {
    const Size length = lines.length, columns = lines.columns;
    if constexpr (Lines::Width == 1) {
        from_line(out, length, [&](Size start, Size stop) {
#pragma GCC ivdep
#pragma GCC unroll 4
            for (Size i = start; i < stop; ++i) body(i, 0);
        });
    } else {
        for (Size i = 0; i < length; ++i)
#pragma GCC ivdep
#pragma GCC unroll 8
            for (Size c = 0; c < columns; ++c) body(i, c);
    }
}

// body(start, lines) for the segments of the lines: sums over longer rows are those of their
// segments, in order, whether threads share the row or not.
template <class Lines, class Body> void segments(Lines lines, Body body) {
    for (Size start = 0; start < lines.length; start += segment)
        body(start, lines.part(start, std::min(segment, lines.length - start)));
}

// A square of as many elements a side as a register holds, as vectors (halves.hpp): what gcc makes of a loop that
// transposes is a copy of each element by itself.
template <class T> struct Square {
    static constexpr Size side = width * 4 / Size(sizeof(T));
    typedef T Vector [[gnu::vector_size(side * sizeof(T))]];
    Vector rows[side];

    // Blocks of `step` elements change places across the diagonal of each block of twice that.
    template <Size step> void exchange() {
        each(Known<side>(), [&](Size i) {
            if (i & step) return;
            [&]<std::size_t... K>(std::index_sequence<K...>) {
                const Vector above = rows[i], below = rows[i + step];
                rows[i] = __builtin_shufflevector(above, below, int(K & step ? side + K - step : K)...);
                rows[i + step] = __builtin_shufflevector(above, below, int(K & step ? side + K : K + step)...);
            }(std::make_index_sequence<side>());
        });
        if constexpr (step > 1) exchange<step / 2>();
    }
    void copy(const T* from, Size from_stride, T* to, Size to_stride) {
        each(Known<side>(), [&](Size i) { rows[i] = load<Vector>(from + i * from_stride); });
        exchange<side / 2>();
        each(Known<side>(), [&](Size i) { store(rows[i], to + i * to_stride); });
    }
};

// body(first), …, body(length - 1), without a loop where the length is known and `first` is 0.
template <class Length, class Body> void each_other(Size first, Length length, Body body) {
    if constexpr (std::is_same_v<Length, Size>)
        for (Size i = first; i < length; ++i) body(i);
    else
        each(length, body);
}

// Copies between `tile` rows, `step` apart, and columns side by side. Where the length is
// known, the copies of a row are written out, which lets the compiler transpose in registers.
template <class T, class Length, class Step>
[[gnu::flatten]] void to_columns(const T* __restrict rows, T* __restrict columns, Length length, Step step) {
    Size first = 0;
    if constexpr (std::is_same_v<Length, Size>)
        for (constexpr Size side = Square<T>::side; first + side <= length; first += side)
            for (Size row = 0; row < tile; row += side)
                Square<T>().copy(rows + row * step + first, step, columns + first * tile + row, tile);
    for (Size row = 0; row < tile && first < length; ++row)
        each_other(first, length, [&](Size i) { columns[i * tile + row] = rows[row * step + i]; });
}
template <class T, class Length> void to_columns(const T* rows, T* columns, Length length) {
    to_columns(rows, columns, length, length);
}
template <class T, class Length, class Step>
[[gnu::flatten]] void to_rows(const T* __restrict columns, T* __restrict rows, Length length, Step step) {
    Size first = 0;
    if constexpr (std::is_same_v<Length, Size>)
        for (constexpr Size side = Square<T>::side; first + side <= length; first += side)
            for (Size row = 0; row < tile; row += side)
                Square<T>().copy(columns + first * tile + row, tile, rows + row * step + first, step);
    for (Size row = 0; row < tile && first < length; ++row)
        each_other(first, length, [&](Size i) { rows[row * step + i] = columns[i * tile + row]; });
}
template <class T, class Length> void to_rows(const T* columns, T* rows, Length length) {
    to_rows(columns, rows, length, length);
}
template <class Body> void with_known_length(Size length, Body body) {
    switch (length) {
        case 2: return body(Known<2>());
        case 4: return body(Known<4>());
        case 8: return body(Known<8>());
        default: return body(length);
    }
}

// Whether rows can be asked for one ahead: whole rows lie in memory one after another and fit into the L1 cache. A row
// is read more than once, so without that the memory may idle while the caches work.
inline bool asks_for_rows(Passing passing, Axis axis) {
    return passing.asks && axis.inner == 1 && axis.length <= 2048;
}

// So many rows, at most, go through each phase of their reduction before any goes through the next, and all arrays of
// them have so many bytes: what is found of one row, a few numbers after a long chain of operations, is then waited for
// by none of the others, and they fit into the L1 cache.
inline constexpr Size bundle = 16, bundled = 32 << 10;

// `count` contiguous rows, `step` apart in each input and in the results.
template <std::size_t N> struct Bundle {
    Size count = 1;
    std::array<Size, N + 1> step{};
};

// body(inputs, out, lines) for units first..last of arrays seen along an axis, or body(inputs, out, lines, bundle) for
// rows of which it takes several. Rows may be apart: `rows` is how far, in each input and in the results, or null.
template <class T, std::size_t N, class Body>
void each_lines(Passing passing, std::array<const T*, N> inputs, T* out, Axis axis, Place place, const Size* rows,
                Size first, Size last, Body body) {
    const Size length = axis.length, inner = axis.inner;
    const auto at = [&](Size offset) {
        auto moved = inputs;
        for (auto& input : moved) input += offset;
        return moved;
    };
    const auto step = std::uint64_t(place.step), start = std::uint64_t(place.index);
    const bool asks = !rows && asks_for_rows(passing, axis);
    Size unit = first;
    if (inner == 1 && length * Size(N * sizeof(T)) <= short_row && unit + tile <= last) {
        constexpr Size room = short_row / N / sizeof(T) * tile;
        const Scratch<T, N * room> memory;
        T* const columns = memory;
        for (; unit + tile <= last; unit += tile) {
            std::array<const T*, N> moved;
            for (std::size_t k = 0; k < N; ++k) moved[k] = columns + k * room;
            if (rows)
                for (std::size_t k = 0; k < N; ++k)
                    to_columns(inputs[k] + unit * rows[k], columns + k * room, length, rows[k]);
            else
                with_known_length(length, [&](auto known) {
                    for (std::size_t k = 0; k < N; ++k) {
                        if (asks) prefetch(inputs[k] + (unit + tile) * length, tile * length);
                        to_columns(inputs[k] + unit * length, columns + k * room, known);
                    }
                });
            const Indices index{start + std::uint64_t(unit) * length * step, step, length * step};
            body(moved, columns, Lines<tile, Known<tile>>{length, tile, {}, index});
            if (rows)
                to_rows<T>(columns, out + unit * rows[N], length, rows[N]);
            else
                with_known_length(length, [&](auto known) { to_rows(columns, out + unit * length, known); });
        }
    }
    if (inner == 1) {
        std::array<Size, N + 1> step_of;
        for (std::size_t k = 0; k <= N; ++k) step_of[k] = rows ? rows[k] : length;
        auto moved = inputs;
        for (std::size_t k = 0; k < N; ++k) moved[k] += unit * step_of[k];
        constexpr bool takes_bundles = std::is_invocable_v<Body, decltype(moved), T*, Lines<1, Known<1>>, Bundle<N>>;
        constexpr Size fit = bundled / Size((N + 1) * sizeof(T));
        const Size together = takes_bundles ? std::clamp(fit / (length + 1), Size(1), bundle) : 1;
        T* to = out + unit * step_of[N];
        for (Size count; unit < last; unit += count, to += count * step_of[N]) {
            count = std::min(together, last - unit);
            if (asks)
                for (const T* input : moved) prefetch(input + count * length, count * length);
            const Indices index{start + std::uint64_t(unit) * length * step, step, 0};
            const Lines<1, Known<1>> row{length, {}, {}, index};
            if constexpr (takes_bundles)
                body(moved, to, row, Bundle<N>{count, step_of});
            else
                body(moved, to, row);
            for (std::size_t k = 0; k < N; ++k) moved[k] += count * step_of[k];
        }
    }
    for (Size count; unit < last; unit += count) {
        const Size outer = unit / inner, column = unit % inner, offset = outer * length * inner + column;
        count = std::min({tile, inner - column, last - unit});
        const Indices index{start + std::uint64_t(outer) * length * step + column, step, 1};
        if (count == tile)
            body(at(offset), out + offset, Lines<tile, Known<tile>>{length, inner, {}, index});
        else
            body(at(offset), out + offset, Lines<tile, Size>{length, inner, count, index});
    }
}

}  // namespace fastact
