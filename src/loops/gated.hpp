// Gates: a * gate(b), a and b the halves of x along the axis. Any elementwise formula is a gate; one
// that can do better than multiply its rounded result offers `times`.
#pragma once

#include <algorithm>

#include "call.hpp"
#include "formulas/sigmoids.hpp"
#include "loops/blocks.hpp"

namespace fastact {

template <class Gate, class T> T times_gate(const Gate& gate, T a, T b) {
    if constexpr (requires { gate.times(a, b); })
        return gate.times(a, b);
    else
        return a * gate.forward(b);
}
template <class Gate, class T> GatedGradients<T> times_gate_backward(const Gate& gate, T dy, T a, T b) {
    if constexpr (requires { gate.times_backward(dy, a, b); })
        return gate.times_backward(dy, a, b);
    else
        return {times_gate(gate, dy, b), gate.backward_x(dy * a, b)};
}

// Calls `run(unit, stop, at, prefetches)` for output elements unit..stop that lie side by side
// in both halves: the first of them has its a at x + at, and its b `half` elements further on.
template <class T, class Run> void each_gated_run(Size half, Size first, Size last, Run run) {
    const bool large = (last - first) * Size(sizeof(T)) > cached / 2;
    const Size span = large ? block : half;
    for (Size unit = first; unit < last;) {
        const Size row = unit / half, stop = std::min(last, (row + 1) * half);
        for (Size next; unit < stop; unit = next) {
            next = std::min(unit + span, stop);
            run(unit, next, unit + row * half, large && unit + ahead + block <= last);
        }
    }
}

template <template <class> class Gate, class T>
[[gnu::flatten]] void gated_forward(const Call& call, Size first, Size last) {
    const Gate<T> gate(nullptr);
    const T* x = input<T>(call, 0);
    T* out = output<T>(call);
    const Size half = call.axis.length * call.axis.inner;
    each_gated_run<T>(half, first, last, [&](Size unit, Size stop, Size at, bool prefetches) {
        const T *a = x + at, *b = a + half;
        T* to = out + unit;
        if (prefetches) {
            prefetch(a + ahead);
            prefetch(b + ahead);
            prefetch(to + ahead);
        }
#pragma GCC ivdep
#pragma GCC unroll 4
        for (Size i = 0; i < stop - unit; ++i) to[i] = times_gate(gate, a[i], b[i]);
    });
}

// `out` may be the saved x: a and b are read before their gradients are written.
template <template <class> class Gate, class T>
[[gnu::flatten]] void gated_backward(const Call& call, Size first, Size last) {
    const Gate<T> gate(nullptr);
    const T* dy = input<T>(call, 0);
    const T* x = input<T>(call, 1);
    T* out = output<T>(call);
    const Size half = call.axis.length * call.axis.inner;
    each_gated_run<T>(half, first, last, [&](Size unit, Size stop, Size at, bool prefetches) {
        const T *gradient = dy + unit, *a = x + at, *b = a + half;
        T *da = out + at, *db = da + half;
        if (prefetches) {
            prefetch(gradient + ahead);
            prefetch(a + ahead);
            prefetch(b + ahead);
            if (x != out) prefetch(da + ahead);
            if (x != out) prefetch(db + ahead);
        }
#pragma GCC ivdep
        for (Size i = 0; i < stop - unit; ++i) {
            const GatedGradients<T> gradients = times_gate_backward(gate, gradient[i], a[i], b[i]);
            da[i] = gradients.a;
            db[i] = gradients.b;
        }
    });
}

}  // namespace fastact
