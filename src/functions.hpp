// What compiled callers call: C functions with pointers and counts for arguments, then the parameters. Each
// runs a kernel on the thread that calls it, and touches nothing of Python's.
#pragma once

#include <concepts>
#include <cstdint>
#include <tuple>
#include <utility>

#include "call.hpp"

namespace fastact {

template <int> using Number = double;
template <int count> using Numbers = std::make_integer_sequence<int, count>;

// Through a pointer that the compiler does not see through: it would make copies of the kernel for calls
// that begin at 0.
template <Kernel kernel> void run_all(const Call& call, Size units) {
    Kernel hidden = kernel;
    asm("" : "+r"(hidden));
    hidden(call, 0, units);
}

// -- Forms: the arguments of a function, and what they mean --------------------------------------

// Nothing is tried here: arrays of 16 MB on are asked for ahead and streamed, which more processors gain by than not.
inline Passing untried(Size bytes) {
    const bool large = bytes >= 8 * cached;
    return {large, large};
}

template <Kernel kernel, class T>
void on_elements(const T* first, const T* saved, T* out, Size size, const double* parameters) {
    run_all<kernel>({parameters, {first, saved}, {out}, {1, 1, size}, {0, 1}, size, 0, nullptr, 0, nullptr, nullptr,
                     nullptr, untried(size * Size(sizeof(T)))},
                    size);
}

template <class Parameters> struct Elements;
template <int... parameter> struct Elements<std::integer_sequence<int, parameter...>> {
    template <Kernel kernel, class T>
    static void call(const T* x, T* out, Size size, Number<parameter>... numbers) noexcept {
        const double parameters[] = {numbers..., 0};
        on_elements<kernel, T>(x, nullptr, out, size, parameters);
    }
};

template <class Parameters> struct ElementsBackward;
template <int... parameter> struct ElementsBackward<std::integer_sequence<int, parameter...>> {
    template <Kernel kernel, class T>
    static void call(const T* dy, const T* saved, T* out, Size size, Number<parameter>... numbers) noexcept {
        const double parameters[] = {numbers..., 0};
        on_elements<kernel, T>(dy, saved, out, size, parameters);
    }
};

template <class Parameters> struct OneNumber;
template <int... parameter> struct OneNumber<std::integer_sequence<int, parameter...>> {
    template <Kernel kernel, std::floating_point T> static T call(T x, Number<parameter>... numbers) noexcept {
        const double parameters[] = {numbers..., 0};
        T y;
        on_elements<kernel, T>(&x, nullptr, &y, 1, parameters);
        return y;
    }
};

// For callers that hand on one pointer of ours, to the parameters.
struct OneNumberBound {
    template <Kernel kernel, std::floating_point T> static T call(T x, const void* parameters) noexcept {
        T y;
        on_elements<kernel, T>(&x, nullptr, &y, 1, static_cast<const double*>(parameters));
        return y;
    }
};

// Rows one after another in memory; `length` is that of a row of the result.
template <Kernel kernel, Units units, int inputs>
void on_rows(const void* first, const void* saved, void* out, Size rows, Size length) {
    if (rows <= 0 || length <= 0) return;
    const Size size = rows * length * inputs;
    run_all<kernel>({nullptr, {first, saved}, {out}, {rows, length, 1}, {0, 1}, size, inputs, nullptr, 0},
                    units == Units::columns ? rows : rows * length);
}

// A kernel of columns takes rows of half precision up to a length only, and there is nobody to tell.
template <Units units, class T> concept Served = units != Units::columns || std::floating_point<T>;

template <Units units, int inputs> struct Rows {
    template <Kernel kernel, class T>
        requires Served<units, T>
    static void call(const T* x, T* out, Size rows, Size length) noexcept {
        on_rows<kernel, units, inputs>(x, nullptr, out, rows, length);
    }
};
template <Units units, int inputs> struct RowsBackward {
    template <Kernel kernel, class T>
        requires Served<units, T>
    static void call(const T* dy, const T* saved, T* out, Size rows, Size length) noexcept {
        on_rows<kernel, units, inputs>(dy, saved, out, rows, length);
    }
};

struct NotServed {};

// -- The functions of a direction, in the order of its kernels -----------------------------------

template <class Form, Kernel kernel, class T> Function function_or_null() {
    if constexpr (requires { &Form::template call<kernel, T>; })
        return reinterpret_cast<Function>(&Form::template call<kernel, T>);
    else
        return nullptr;
}

template <class Form, Kernel... kernel> Function functions(int dtype) {
    using Stored = std::tuple<float, double, std::uint16_t, std::uint16_t>;
    return [dtype]<std::size_t... k>(std::index_sequence<k...>) {
        static const Function all[dtypes] = {function_or_null<Form, kernel, std::tuple_element_t<k, Stored>>()...};
        return all[dtype];
    }(std::make_index_sequence<sizeof...(kernel)>());
}

// Told by the template's argument: with its sanitizer of undefined behaviour gcc compares no pointer to a function at
// compile time.
template <Kernel kernel> inline constexpr bool is_there = true;
template <> inline constexpr bool is_there<nullptr> = false;

template <class Form, Kernel... kernel> constexpr Functions functions_or_null() {
    if constexpr ((is_there<kernel> && ...))
        return functions<Form, kernel...>;
    else
        return nullptr;
}

}  // namespace fastact
