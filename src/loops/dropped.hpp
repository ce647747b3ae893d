// Dropout of a run of elements. A random word of 64 bits has the numbers of two elements, so those of a piece are made
// first, in the L1 cache: in one loop with the formula the compiler would make each word twice.
#pragma once

#include <algorithm>
#include <cstdint>

#include "call.hpp"
#include "formulas/random.hpp"
#include "loops/blocks.hpp"
#include "loops/halves.hpp"
#include "loops/strips.hpp"

namespace fastact {

// The numbers of up to `block` elements in C order, of which element i has half i % 2 of word i / 2.
class DrawnHalves {
  public:
    using Half [[gnu::may_alias]] = std::int32_t;

    const Half* draw(const Stream& stream, std::uint64_t index, Size count) {
        const Size odd = index % 2, size = (odd + count + 1) / 2;
        stream.fill(index / 2, size, words);
        return reinterpret_cast<const Half*>(words) + odd;
    }

  private:
    alignas(line) std::uint64_t words[block / 2 + 1];
};

// x, or x and the residual that it is added to.
template <class T, class... Residual>
void drop_each(const Dropout<T>& op, const DrawnHalves::Half* drawn, Size count, T* out, const T* x,
               const Residual*... residual) {
#pragma GCC ivdep
#pragma GCC unroll 4
    for (Size i = 0; i < count; ++i) out[i] = op.forward(x[i], drawn[i], residual[i]...);
}

template <class T, class... Residual>
void dropped(const Call& call, Size first, Size last, const T* x, const Residual*... residual) {
    using C = Computed<T>;
    const Dropout<C> op(call.parameters);
    DrawnHalves halves;
    blocks(call.passing, output<T>(call) + first, last - first, [&](Size start, Size stop, T* to) {
        for (Size at = start, count; at < stop; at += count, to += count) {
            count = std::min(block, stop - at);
            const auto* drawn = halves.draw(op.stream, call.place.index + first + at, count);
            if constexpr (Half<T>) {
                alignas(line) C values[2][block];
                Size k = 0;
                widen(x + at, values[0], count);
                (widen(residual + at, values[++k], count), ...);
                drop_each(op, drawn, count, values[0], values[0], (static_cast<void>(residual), values[1])...);
                narrow(values[0], to, count);
            } else {
                drop_each(op, drawn, count, to, x + at, residual + at...);
            }
        }
    }, x, residual...);
}

template <class T> [[gnu::flatten]] void dropout(const Call& call, Size first, Size last) {
    dropped(call, first, last, input<T>(call, 0) + first);
}
template <class T> [[gnu::flatten]] void residual_dropout(const Call& call, Size first, Size last) {
    dropped(call, first, last, input<T>(call, 0) + first, input<T>(call, 1) + first);
}

}  // namespace fastact
