// Elements, each for itself: the loop that becomes SIMD code, and the kernels of elementwise formulas.
//
// A plain loop, which the compiler vectorises for the CPU level it is compiled for. Input and output
// are the same memory or disjoint memory, never partly overlapping: `ivdep` tells the compiler so.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "call.hpp"
#include "formulas/unrolled.hpp"
#include "loops/blocks.hpp"
#include "loops/halves.hpp"
#include "loops/sums.hpp"
#include "math/bits.hpp"

namespace fastact {

// Elements in one register.
template <class T> inline constexpr Size in_register = width * 4 / Size(sizeof(T));

// Fewer elements than fill a register are read, with 0 behind them, or written: by masked loads and stores, where a
// level has them.
template <class T> void take(const T* from, Size count, T* copy) {
    const auto some = math::Bits<T>(count);
#pragma GCC unroll 1
    for (math::Bits<T> i = 0; i < in_register<T>; ++i) copy[i] = i < some ? from[i] : T(0);
}
template <class T> void take(T*, Size, T*) {}
template <class T> void give(const T*, Size, const T*) {}
template <class T> void give(const T* copy, Size count, T* to) {
    const auto some = math::Bits<T>(count);
#pragma GCC ivdep
#pragma GCC unroll 1
    for (math::Bits<T> i = 0; i < in_register<T>; ++i)
        if (i < some) to[i] = copy[i];
}

// body(start, i, arrays...) for element start + i of arrays, of which the constant ones are read and the others written.
// One loop takes whole registers, and then, in copies, the last few elements: of a long formula, loops for what is left
// would be most of the code.
template <class Body, class... Arrays> void whole_registers(Size count, Body body, Arrays*... arrays) {
    using T = std::common_type_t<std::remove_const_t<Arrays>...>;
    constexpr Size full = in_register<T>;
    alignas(line) T copies[sizeof...(arrays)][full];
    [&]<std::size_t... k>(std::index_sequence<k...>, auto... at) {
        for (Size start = 0, stop; start < count; start += stop) {
            const Size rest = count - start;
            stop = rest & -full;
            if (rest < full) {
                stop = full;
                (take(arrays + start, rest, copies[k]), ...);
                ((at = copies[k]), ...);
            }
#pragma GCC ivdep
#pragma GCC unroll 1
            for (Size i = 0; i < stop; ++i) body(start, i, at...);
            if (rest < full) (give(copies[k], rest, arrays + start), ...);
        }
    }(std::index_sequence_for<Arrays...>(), arrays...);
}

// The same with four registers a turn, of a formula of so few operations that the loop around them shows.
template <class Body, class... Arrays> void many_registers(Size count, Body body, Arrays*... arrays) {
#pragma GCC ivdep
#pragma GCC unroll 4
    for (Size i = 0; i < count; ++i) body(0, i, arrays...);
}

template <bool unrolled, class... Arguments> void registers(Arguments... arguments) {
    if constexpr (unrolled)
        many_registers(arguments...);
    else
        whole_registers(arguments...);
}

// The elements of a block: out[i] = formula(i, x[i]), or formula(i, dy[i], saved[i]).
template <bool unrolled = true, std::floating_point T, class Formula>
void elements(Size count, const T* x, T* out, Formula formula) {
    registers<unrolled>(
        count, [&](Size start, Size i, const T* x, T* out) { out[i] = formula(start + i, x[i]); }, x, out);
}

template <bool unrolled = true, std::floating_point T, class Formula>
void elements(Size count, const T* dy, const T* saved, T* out, Formula formula) {
    registers<unrolled>(
        count,
        [&](Size start, Size i, const T* dy, const T* saved, T* out) {
            out[i] = formula(start + i, dy[i], saved[i]);
        },
        dy, saved, out);
}

// Half precision is computed in float32 and rounded once. `together` elements are widened,
// computed and narrowed without leaving the registers, as long as the loop over them is left
// whole for the vectoriser (`unroll 1`). Fewer than that are left to the caller, who brings
// them here in copies of that size: every element is computed alike.
template <bool unrolled = true, Half T, class Formula> void elements(Size count, const T* x, T* out, Formula formula) {
    for (Size i = 0; i + together <= count; i += together) {
        float values[together];
        T::widen(x + i, values);
#pragma GCC ivdep
#pragma GCC unroll 1
        for (Size k = 0; k < together; ++k) values[k] = formula(i + T::position(k), values[k]);
        T::narrow(values, out + i);
    }
}

template <bool unrolled = true, Half T, class Formula>
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

template <class Op> inline constexpr bool is_unrolled = std::is_base_of_v<Unrolled, Op>;

// A formula on as many elements side by side, the first of them at this C-order position: all of a kernel that holds the
// formula, so that the way through an array is compiled once.
template <class T, class... Inputs>
using Run = void (*)(const void* formula, Size count, Size position, T* out, const Inputs*... inputs);

template <class T, class... Inputs>
[[gnu::noinline]] void each_run(const Call& call, Size first, Size last, const void* formula, Run<T, Inputs...> run,
                                const Inputs*... inputs) {
    const Size position = call.place.index + first;
    blocks(call.passing, output<T>(call) + first, last - first, [&](Size start, Size stop, T* to) {
        run(formula, stop - start, position + start, to, (inputs + start)...);
    }, inputs...);
}

// `flatten` inlines the whole formula: a loop with a call in it is not vectorised. Of a copy of the formula the compiler
// knows that no result changes it.
template <template <class> class Op, class T>
[[gnu::flatten]] void forward(const void* formula, Size count, Size position, T* out, const T* x) {
    using Formula = Op<Computed<T>>;
    const Formula op = *static_cast<const Formula*>(formula);
    if constexpr (InVectors<Formula, Computed<T>>)
        elements_in_vectors(count, x, out, op);
    else
        elements<is_unrolled<Formula>>(count, x, out, [&](Size i, auto value) {
            if constexpr (requires { op.forward(value, std::uint64_t(i)); })
                return op.forward(value, std::uint64_t(position + i));
            else
                return op.forward(value);
        });
    if constexpr (Half<T>)
        if (const Size rest = count % together, whole = count - rest; rest) {
            T copy[together] = {};
            std::copy_n(x + whole, rest, copy);
            forward<Op, T>(formula, together, position + whole, copy, copy);
            std::copy_n(copy, rest, out + whole);
        }
}

// The kernel.
template <template <class> class Op, class T> void elements_forward(const Call& call, Size first, Size last) {
    const Op<Computed<T>> op(call.parameters);
    each_run<T>(call, first, last, &op, forward<Op, T>, input<T>(call, 0) + first);
}

// How a formula is differentiated from what was saved.
struct FromInput {
    template <class Op> static constexpr bool is_unrolled = fastact::is_unrolled<Op>;

    template <class Op, class T, class... Index>
    static auto apply(const Op& op, T dy, T x, Index... i) -> decltype(op.backward_x(dy, x, i...)) {
        return op.backward_x(dy, x, i...);
    }
    template <class Op, class T> static constexpr bool in_vectors = BackwardInVectors<Op, T>;
};
struct FromOutput {
    template <class Op> static constexpr bool is_unrolled = true;

    template <class Op, class T, class... Index>
    static auto apply(const Op& op, T dy, T y, Index... i) -> decltype(op.backward_y(dy, y, i...)) {
        return op.backward_y(dy, y, i...);
    }
    template <class Op, class T> static constexpr bool in_vectors = false;
};

template <class From, template <class> class Op, class T>
[[gnu::flatten]] void backward(const void* formula, Size count, Size position, T* out, const T* dy, const T* saved) {
    using Formula = Op<Computed<T>>;
    const Formula op = *static_cast<const Formula*>(formula);
    if constexpr (From::template in_vectors<Formula, Computed<T>>)
        elements_in_vectors(count, dy, saved, out, op);
    else
        elements<From::template is_unrolled<Formula>>(count, dy, saved, out, [&](Size i, auto gradient, auto kept) {
            if constexpr (requires { From::apply(op, gradient, kept, std::uint64_t(i)); })
                return From::apply(op, gradient, kept, std::uint64_t(position + i));
            else
                return From::apply(op, gradient, kept);
        });
    if constexpr (Half<T>)
        if (const Size rest = count % together, whole = count - rest; rest) {
            T gradients[together] = {}, values[together] = {};
            std::copy_n(dy + whole, rest, gradients);
            std::copy_n(saved + whole, rest, values);
            backward<From, Op, T>(formula, together, position + whole, values, gradients, values);
            std::copy_n(values, rest, out + whole);
        }
}

template <class From, template <class> class Op, class T>
void elements_backward(const Call& call, Size first, Size last) {
    const Op<Computed<T>> op(call.parameters);
    each_run<T>(call, first, last, &op, backward<From, Op, T>, input<T>(call, 0) + first, input<T>(call, 1) + first);
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
