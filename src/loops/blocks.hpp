// Blocks: how arrays are gone through, whatever is done with their elements.
#pragma once

#include <algorithm>
#include <type_traits>
#include <utility>

#include "call.hpp"
#include "loops/streaming.hpp"

namespace fastact {

// Where the hardware's prefetcher does not keep up with loops this heavy, arrays are
// taken in blocks, and each block first asks for the lines of a later one. Whether it
// does is measured (runtime/passing.hpp).
inline constexpr Size block = 256, ahead = 2048;

// Shorter arrays are not worth beginning anew at a line beside a long formula.
inline constexpr Size long_run = 4 * block;

template <class T> void prefetch(const T* start, Size size = block) {
    for (Size line = 0; line < Size(size * sizeof(T)); line += 64)
        __builtin_prefetch(reinterpret_cast<const char*>(start) + line);
}

// How the blocks of an output are written: computed into `buffer` and streamed, or where
// they belong. Without either way of passing there is one block.
template <class T> struct Target {
    T* out;
    Size size, span;
    bool asks, streams;
    alignas(line) T buffer[block];

    Target(Passing passing, T* out, Size size, bool in_place)
        : out(out), size(size), asks(passing.asks), streams(passing.streams && !in_place) {
        span = asks || streams ? block : size;
    }
    ~Target() {
        if (streams) end_of_stream();
    }

    // The first block ends where a line of the output begins, as in `from_line`.
    Size stop(Size start) const {
        const Size lead = start == 0 && size >= long_run ? to_next_line(out) : 0;
        return std::min(start + (lead ? lead : span), size);
    }
    bool prefetches(Size start) const { return asks && start + ahead + block <= size; }
    T* begin(Size start) { return streams ? buffer : out + start; }
    void end(Size start, Size stop) {
        if (streams) stream(buffer, out + start, stop - start);
    }
};

// body(start, stop, to) for the blocks of an array: elements start..stop of the inputs to memory at `to`.
template <class T, class Body, class... Inputs>
void blocks(Passing passing, T* out, Size size, Body body, const Inputs*... inputs) {
    Target<T> target(passing, out, size, ((static_cast<const void*>(inputs) == out) || ...));
    for (Size start = 0, stop; start < size; start = stop) {
        stop = target.stop(start);
        if (target.prefetches(start)) (prefetch(inputs + start + ahead), ...);
        body(start, stop, target.begin(start));
        target.end(start, stop);
    }
}

// As `blocks`, for runs that may be short.
template <class T, class Body, class... Inputs>
void runs(Passing passing, T* out, Size size, Body body, const Inputs*... inputs) {
    if (size < long_run)
        from_line(out, size, [&](Size start, Size stop) { body(start, stop, out + start); });
    else
        blocks(passing, out, size, body, inputs...);
}

// A number that the compiler knows, where a loop can be told one: with known strides it is vectorised.
template <Size value> using Known = std::integral_constant<Size, value>;

// body(0), …, body(count - 1), without a loop where the count is known.
template <class Count, class Body> void each(Count count, Body body) {
    if constexpr (std::is_same_v<Count, Size>)
        for (Size piece = 0; piece < count; ++piece) body(piece);
    else
        [&]<Size... piece>(std::integer_sequence<Size, piece...>) {
            (body(piece), ...);
        }(std::make_integer_sequence<Size, Count::value>());
}

}  // namespace fastact
