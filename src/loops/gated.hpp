// Gates: a * gate(b), a and b the halves of x along the axis. Any elementwise formula is a gate; one
// that can do better than multiply its rounded result offers `times`.
#pragma once

#include <algorithm>

#include "call.hpp"
#include "formulas/sigmoids.hpp"
#include "loops/blocks.hpp"
#include "loops/elements.hpp"

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

// What gates see: halves along the axis of the call, or, where in[2] is an array of its own for b, all elements
// side by side.
inline Axis gated_axis(const Call& call) {
    return call.in[2] ? Axis{1, call.axis.outer * call.axis.length * call.axis.inner, 1} : call.axis;
}

// Where a and b are: the halves of one array, or arrays of their own.
template <class T> struct GatedPlaces {
    T *a, *b;
    Size half;
    bool halves;

    GatedPlaces(T* first, T* second, Axis axis)
        : a(first), b(second ? second : first + axis.length * axis.inner), half(axis.length * axis.inner), halves(!second) {}
};

// Calls `run(unit, stop, at, prefetches)` for output elements unit..stop that lie side by side in a and in b, the
// first of them `at` elements behind the first of all: in arrays of their own there is one row.
template <class Run> void each_gated_run(Passing passing, Size half, Size first, Size last, Run run) {
    const Size span = passing.asks ? block : half;
    for (Size unit = first; unit < last;) {
        const Size row = unit / half, stop = std::min(last, (row + 1) * half);
        for (Size next; unit < stop; unit = next) {
            next = std::min(unit + span, stop);
            run(unit, next, unit + row * half, passing.asks && unit + ahead + block <= last);
        }
    }
}

// in[2] is b's array, null where a and b are halves of x.
template <template <class> class Gate, class T>
[[gnu::flatten]] void gated_forward(const Call& call, Size first, Size last) {
    const Gate<T> gate(nullptr);
    const GatedPlaces x(input<T>(call, 0), input<T>(call, 2), gated_axis(call));
    T* out = output<T>(call);
    each_gated_run(call.passing, x.half, first, last, [&](Size unit, Size stop, Size at, bool prefetches) {
        const T *a = x.a + at, *b = x.b + at;
        T* to = out + unit;
        if (prefetches) {
            prefetch(a + ahead);
            prefetch(b + ahead);
            prefetch(to + ahead);
        }
        elements<is_unrolled<Gate<T>>>(stop - unit, a, b, to, [&](Size, T a, T b) { return times_gate(gate, a, b); });
    });
}

// `out` may be the saved x: a and b are read before their gradients are written. out[1] takes b's, where b has an
// array of its own.
template <template <class> class Gate, class T>
[[gnu::flatten]] void gated_backward(const Call& call, Size first, Size last) {
    const Gate<T> gate(nullptr);
    const T* dy = input<T>(call, 0);
    const GatedPlaces x(input<T>(call, 1), input<T>(call, 2), gated_axis(call));
    const GatedPlaces out(output<T>(call), call.in[2] ? static_cast<T*>(call.out[1]) : nullptr, gated_axis(call));
    each_gated_run(call.passing, x.half, first, last, [&](Size unit, Size stop, Size at, bool prefetches) {
        const T *gradient = dy + unit, *a = x.a + at, *b = x.b + at;
        T *da = out.a + at, *db = out.b + at;
        if (prefetches) {
            prefetch(gradient + ahead);
            prefetch(a + ahead);
            prefetch(b + ahead);
            if (x.a != out.a) prefetch(da + ahead);
            if (x.b != out.b) prefetch(db + ahead);
        }
        const auto write = [&](Size, Size i, const T* dy, const T* a, const T* b, T* da, T* db) {
            const GatedGradients<T> gradients = times_gate_backward(gate, dy[i], a[i], b[i]);
            da[i] = gradients.a;
            db[i] = gradients.b;
        };
        registers<is_unrolled<Gate<T>>>(stop - unit, write, gradient, a, b, da, db);
    });
}

}  // namespace fastact
