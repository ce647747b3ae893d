// Elements, each for itself: the loop that becomes SIMD code, and the kernels of elementwise formulas.
//
// A plain loop, which the compiler vectorises for the CPU level it is compiled for. Input and output
// are the same memory or disjoint memory, never partly overlapping: `ivdep` tells the compiler so.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>

#include "call.hpp"
#include "loops/blocks.hpp"
#include "loops/halves.hpp"
#include "loops/sums.hpp"

namespace fastact {

// The elements of a block: out[i] = formula(i, x[i]), or formula(i, dy[i], saved[i]).
template <std::floating_point T, class Formula>
void elements(Size count, const T* x, T* out, Formula formula) {
#pragma GCC ivdep
#pragma GCC unroll 4
    for (Size i = 0; i < count; ++i) out[i] = formula(i, x[i]);
}

template <std::floating_point T, class Formula>
void elements(Size count, const T* dy, const T* saved, T* out, Formula formula) {
#pragma GCC ivdep
#pragma GCC unroll 4
    for (Size i = 0; i < count; ++i) out[i] = formula(i, dy[i], saved[i]);
}

// Half precision is computed in float32 and rounded once. `together` elements are widened,
// computed and narrowed without leaving the registers, as long as the loop over them is left
// whole for the vectoriser (`unroll 1`). Fewer than that are left to the caller, who brings
// them here in copies of that size: every element is computed alike.
template <Half T, class Formula> void elements(Size count, const T* x, T* out, Formula formula) {
    for (Size i = 0; i + together <= count; i += together) {
        float values[together];
        T::widen(x + i, values);
#pragma GCC ivdep
#pragma GCC unroll 1
        for (Size k = 0; k < together; ++k) values[k] = formula(i + T::position(k), values[k]);
        T::narrow(values, out + i);
    }
}

template <Half T, class Formula>
void elements(Size count, const T* dy, const T* saved, T* out, Formula formula) {
    for (Size i = 0; i + together <= count; i += together) {
        float gradients[together], values[together];
        T::widen(dy + i, gradients);
        T::widen(saved + i, values);
#pragma GCC ivdep
#pragma GCC unroll 1
        for (Size k = 0; k < together; ++k)
            values[k] = formula(i + T::position(k), gradients[k], values[k]);
        T::narrow(values, out + i);
    }
}

// Formulas that go through elements by themselves, in vectors of their own (math/pieces.hpp).
template <class Op, class T>
concept InVectors = requires(const Op& op, const T* x, T* out) { op.forward(Size(), x, out); };
template <class Op, class T>
concept BackwardInVectors = requires(const Op& op, const T* x, T* out) { op.backward_x(Size(), x, x, out); };

template <std::floating_point T, InVectors<T> Op> void elements_in_vectors(Size count, const T* x, T* out, const Op& op) {
    op.forward(count, x, out);
}
template <Half T, InVectors<float> Op> void elements_in_vectors(Size count, const T* x, T* out, const Op& op) {
    for (Size i = 0; i + together <= count; i += together) {
        float values[together];
        T::widen(x + i, values);
        op.forward(together, values, values);
        T::narrow(values, out + i);
    }
}
template <std::floating_point T, BackwardInVectors<T> Op>
void elements_in_vectors(Size count, const T* dy, const T* x, T* out, const Op& op) {
    op.backward_x(count, dy, x, out);
}
template <Half T, BackwardInVectors<float> Op>
void elements_in_vectors(Size count, const T* dy, const T* x, T* out, const Op& op) {
    for (Size i = 0; i + together <= count; i += together) {
        float gradients[together], values[together];
        T::widen(dy + i, gradients);
        T::widen(x + i, values);
        op.backward_x(together, gradients, values, values);
        T::narrow(values, out + i);
    }
}

// `flatten` inlines the whole formula: a loop with a call in it is not vectorised.
template <template <class> class Op, class T>
[[gnu::flatten]] void forward(const Call& call, Size first, Size last) {
    const Op<Computed<T>> op(call.parameters);
    const T* x = input<T>(call, 0) + first;
    const Size index = call.place.index + first;
    blocks(call.passing, output<T>(call) + first, last - first, [&](Size start, Size stop, T* to) {
        if constexpr (InVectors<Op<Computed<T>>, Computed<T>>)
            elements_in_vectors(stop - start, x + start, to, op);
        else
            elements(stop - start, x + start, to, [&](Size i, auto value) {
                if constexpr (requires { op.forward(value, std::uint64_t(i)); })
                    return op.forward(value, std::uint64_t(index + start + i));
                else
                    return op.forward(value);
            });
        if constexpr (Half<T>)
            if (const Size rest = (stop - start) % together) {
                T copy[together] = {};
                std::copy_n(x + stop - rest, rest, copy);
                forward<Op, T>({call.parameters, {copy}, {copy}, {}, {index + stop - rest, 1}}, 0, together);
                std::copy_n(copy, rest, to + (stop - start) - rest);
            }
    }, x);
}

// How a formula is differentiated from what was saved.
struct FromInput {
    template <class Op, class T, class... Index>
    static auto apply(const Op& op, T dy, T x, Index... i) -> decltype(op.backward_x(dy, x, i...)) {
        return op.backward_x(dy, x, i...);
    }
    template <class Op, class T> static constexpr bool in_vectors = BackwardInVectors<Op, T>;
};
struct FromOutput {
    template <class Op, class T, class... Index>
    static auto apply(const Op& op, T dy, T y, Index... i) -> decltype(op.backward_y(dy, y, i...)) {
        return op.backward_y(dy, y, i...);
    }
    template <class Op, class T> static constexpr bool in_vectors = false;
};

template <class From, template <class> class Op, class T>
[[gnu::flatten]] void backward(const Call& call, Size first, Size last) {
    const Op<Computed<T>> op(call.parameters);
    const T* dy = input<T>(call, 0) + first;
    const T* saved = input<T>(call, 1) + first;
    const Size index = call.place.index + first;
    blocks(call.passing, output<T>(call) + first, last - first, [&](Size start, Size stop, T* to) {
        if constexpr (From::template in_vectors<Op<Computed<T>>, Computed<T>>)
            elements_in_vectors(stop - start, dy + start, saved + start, to, op);
        else
            elements(stop - start, dy + start, saved + start, to, [&](Size i, auto gradient, auto kept) {
                if constexpr (requires { From::apply(op, gradient, kept, std::uint64_t(i)); })
                    return From::apply(op, gradient, kept, std::uint64_t(index + start + i));
                else
                    return From::apply(op, gradient, kept);
            });
        if constexpr (Half<T>)
            if (const Size rest = (stop - start) % together) {
                T gradients[together] = {}, values[together] = {};
                std::copy_n(dy + stop - rest, rest, gradients);
                std::copy_n(saved + stop - rest, rest, values);
                const Size at = index + stop - rest;
                backward<From, Op, T>({call.parameters, {gradients, values}, {values}, {}, {at, 1}}, 0, together);
                std::copy_n(values, rest, to + (stop - start) - rest);
            }
    }, dy, saved);
}

// The gradient of a parameter, summed over ranges of the elements.
template <template <class> class Op, class T>
[[gnu::flatten]] void parameter_gradient(const Call& call, Size first, Size last) {
    const Op<T> op(call.parameters);
    double* partial = static_cast<double*>(call.out[1]);
    for (Size unit = first; unit < last; ++unit) {
        const T* dy = input<T>(call, 0) + unit * call.group;
        const T* x = input<T>(call, 1) + unit * call.group;
        partial[unit] = Sums<double, 1, true, 2048>(std::min(call.group, call.size - unit * call.group), 1, [&](Size i, Size) {
                            return op.parameter_gradient(dy[i], x[i]);
                        }).value(0);
    }
}

}  // namespace fastact
