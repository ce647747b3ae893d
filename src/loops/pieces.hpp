// Pieces: consecutive positions on an axis make a group, of which the largest is the result.
#pragma once

#include <algorithm>
#include <cstdint>

#include "call.hpp"
#include "loops/blocks.hpp"
#include "math/bits.hpp"

namespace fastact {

// The first of the largest of x[0], x[stride], …; the first NaN counts as the largest.
// Two selects in a row, because gcc 12 makes a branch of two conditions joined.
template <class T, class Stride, class Count>
math::Bits<T> winner(const T* x, Stride stride, Count count) {
    math::Bits<T> best = 0;
    T largest = x[0];
    each(count, [&](Size piece) {
        const T value = x[piece * stride];
        const math::Bits<T> next = value <= largest ? best : math::Bits<T>(piece);
        const T greater = value <= largest ? largest : value;
        best = largest == largest ? next : best;
        largest = largest == largest ? greater : largest;
    });
    return best;
}

// Calls `run(unit, stop, at, count, step, stride)` for output elements unit..stop whose
// groups lie side by side: the first value of the first group is at `at`, the next group's
// `step` on, and the `count` values of a group are `stride` apart.
template <class Run> void groups(Size inner, Size pieces, Size first, Size last, Run run) {
    if (inner == 1) {
        const Known<1> adjacent;
        if (pieces == 2)
            run(first, last, first * 2, Known<2>(), Known<2>(), adjacent);
        else if (pieces == 4)
            run(first, last, first * 4, Known<4>(), Known<4>(), adjacent);
        else
            run(first, last, first * pieces, pieces, pieces, adjacent);
        return;
    }
    for (Size unit = first; unit < last;) {
        const Size stop = std::min(last, unit + inner - unit % inner);
        const Size at = unit / inner * pieces * inner + unit % inner;
        if (pieces == 2)
            run(unit, stop, at, Known<2>(), Known<1>(), inner);
        else
            run(unit, stop, at, pieces, Known<1>(), inner);
        unit = stop;
    }
}

// Without `which` the maximum alone is needed, which is less work.
template <class T>
[[gnu::flatten]] void maxout(const Call& call, Size first, Size last) {
    const T* x = input<T>(call, 0);
    T* out = output<T>(call);
    std::int32_t* which = static_cast<std::int32_t*>(call.out[1]);
    groups(call.axis.inner, call.group, first, last, [&](Size unit, Size stop, Size at, auto count, auto step,
                                                auto stride) {
        const T* group = x + at;
        if (which) {
#pragma GCC ivdep
            for (Size i = 0; i < stop - unit; ++i) {
                const auto best = winner(group + i * step, stride, count);
                out[unit + i] = group[i * step + Size(best) * stride];
                which[unit + i] = std::int32_t(best);
            }
            return;
        }
#pragma GCC ivdep
        for (Size i = 0; i < stop - unit; ++i) {
            T largest = group[i * step];
            each(count, [&](Size piece) {
                const T value = group[i * step + piece * stride];
                const T greater = value <= largest ? largest : value;
                largest = largest == largest ? greater : largest;
            });
            out[unit + i] = largest;
        }
    });
}

// `out` may be the saved x: a group is read whole before it is written.
template <class T>
[[gnu::flatten]] void maxout_backward(const Call& call, Size first, Size last) {
    const T* dy = input<T>(call, 0);
    const T* x = input<T>(call, 1);
    const std::int32_t* which = input<std::int32_t>(call, 2);
    T* out = output<T>(call);
    groups(call.axis.inner, call.group, first, last, [&](Size unit, Size stop, Size at, auto count, auto step,
                                                auto stride) {
        const auto spread = [&](auto winner_of) {
#pragma GCC ivdep
            for (Size i = 0; i < stop - unit; ++i) {
                T* group = out + at + i * step;
                const T gradient = dy[unit + i];
                const math::Bits<T> best = winner_of(i);
                each(count, [&](Size piece) {
                    group[piece * stride] = best == math::Bits<T>(piece) ? gradient : T(0);
                });
            }
        };
        if (which)
            spread([&](Size i) { return math::Bits<T>(which[unit + i]); });
        else
            spread([&](Size i) { return winner(x + at + i * step, stride, count); });
    });
}

}  // namespace fastact
