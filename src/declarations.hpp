// The declarations: which formula runs in which loop, one line per activation.
#pragma once

#include "call.hpp"
#include "formulas/exponentials.hpp"
#include "formulas/gates.hpp"
#include "formulas/random.hpp"
#include "formulas/rectifiers.hpp"
#include "formulas/rows.hpp"
#include "formulas/sigmoids.hpp"
#include "loops/channels.hpp"
#include "loops/elements.hpp"
#include "loops/gated.hpp"
#include "loops/halves.hpp"
#include "loops/pieces.hpp"
#include "loops/rows.hpp"
#include "loops/strips.hpp"

namespace fastact {

// Elements that a cache line holds at most: shares of threads that begin at multiples of it write to
// lines of their own.
inline constexpr Size grain = 64;

template <class... Kernels> constexpr Work elements_of(Kernels... kernels) {
    return {{kernels...}, Units::elements, grain};
}
template <class... Kernels> constexpr Work outputs_of(Kernels... kernels) {
    return {{kernels...}, Units::outputs, grain};
}
template <class... Kernels> constexpr Work ranges_of(Kernels... kernels) {
    return {{kernels...}, Units::ranges, 1};
}
template <class... Kernels> constexpr Work columns_of(int phases, Kernels... kernels) {
    return {{kernels...}, Units::columns, 1, phases};
}

template <class From, template <class> class Op, class T> constexpr Kernel backward_or_null() {
    using C = Computed<T>;
    constexpr bool plain = requires(Op<C> op, C value) { From::apply(op, value, value); };
    constexpr bool indexed = requires(Op<C> op, C value) { From::apply(op, value, value, std::uint64_t()); };
    if constexpr (plain || indexed)
        return backward<From, Op, T>;
    else
        return nullptr;
}

template <template <class> class Op, class T> constexpr Kernel parameter_gradient_or_null() {
    if constexpr (requires(Op<T> op, T value) { op.parameter_gradient(value, value); })
        return parameter_gradient<Op, T>;
    else
        return nullptr;
}

template <template <class> class Op, class... T> constexpr Entry elementwise_of(const char* name) {
    return {name, elements_of(forward<Op, T>...), elements_of(backward_or_null<FromInput, Op, T>()...),
            elements_of(backward_or_null<FromOutput, Op, T>()...),
            ranges_of(parameter_gradient_or_null<Op, float>(), parameter_gradient_or_null<Op, double>())};
}

template <template <class> class Op> constexpr Entry elementwise(const char* name) {
    return elementwise_of<Op, float, double, Float16, BFloat16>(name);
}

template <template <class> class Op, class... H> constexpr Entry rows_of(const char* name) {
    constexpr bool shared = can_be_shared<Op<float>>;
    return {name,
            columns_of(shared ? forward_phases : 0, rows_forward<Op, float>, rows_forward<Op, double>,
                       staged_rows_forward<rows_forward<Op, float>, H>...),
            {},
            columns_of(backward_phases, rows_backward<Op, float>, rows_backward<Op, double>,
                       staged_rows_backward<rows_backward<Op, float>, H>...)};
}

template <template <class> class Op> constexpr Entry rows(const char* name) {
    return rows_of<Op, Float16, BFloat16>(name);
}

template <class... H> constexpr Entry one_hot_of(const char* name) {
    return {name, columns_of(0, one_hot<float>, one_hot<double>, staged_rows_forward<one_hot<float>, H>...)};
}

template <template <class> class Gate, class... H> constexpr Entry gated_of(const char* name) {
    return {name,
            outputs_of(gated_forward<Gate, float>, gated_forward<Gate, double>,
                       staged_gated_forward<gated_forward<Gate, float>, H>...),
            outputs_of(gated_backward<Gate, float>, gated_backward<Gate, double>,
                       staged_gated_backward<gated_backward<Gate, float>, H>...)};
}

template <template <class> class Gate> constexpr Entry gated(const char* name) {
    return gated_of<Gate, Float16, BFloat16>(name);
}

template <class... H> constexpr Entry channels_of(const char* name) {
    return {name,
            elements_of(prelu<float>, prelu<double>, staged_channels_forward<prelu<float>, H>...),
            elements_of(prelu_backward<float>, prelu_backward<double>,
                        staged_channels_backward<prelu_backward<float>, H>...),
            {},
            ranges_of(prelu_gradient<float>, prelu_gradient<double>,
                      staged_channels_gradient<prelu_gradient<float>, H>...)};
}

inline constinit Entry entries[] = {
    elementwise<Sigmoid>("sigmoid"),
    elementwise<Tanh>("tanh"),
    elementwise<Identity>("identity"),
    elementwise<Relu>("relu"),
    elementwise<LeakyRelu>("leaky_relu"),
    elementwise<RRelu>("rrelu"),
    elementwise<Elu>("elu"),
    elementwise<Relu6>("relu6"),
    elementwise<Hardtanh>("hardtanh"),
    elementwise<Threshold>("threshold"),
    elementwise<Hardsigmoid>("hardsigmoid"),
    elementwise<Hardswish>("hardswish"),
    elementwise<Hardshrink>("hardshrink"),
    elementwise<Softshrink>("softshrink"),
    elementwise<SquaredRelu>("squared_relu"),
    elementwise<SparsePlus>("sparse_plus"),
    elementwise<SparseSigmoid>("sparse_sigmoid"),
    elementwise<Celu>("celu"),
    elementwise<Selu>("selu"),
    elementwise<Exponential>("exponential"),
    elementwise<Softsign>("softsign"),
    elementwise<Tanhshrink>("tanhshrink"),
    elementwise<Squareplus>("squareplus"),
    elementwise<Dish>("dish"),
    elementwise<Silu>("silu"),
    elementwise<Swish>("swish"),
    elementwise<QuickGelu>("quick_gelu"),
    elementwise<Gelu>("gelu"),
    elementwise<GeluTanh>("gelu_tanh"),
    elementwise<Mish>("mish"),
    elementwise<Softplus>("softplus"),
    elementwise<LogSigmoid>("logsigmoid"),
    elementwise_of<Gumbel, float, double>("gumbel"),
    rows<Softmax>("softmax"),
    rows<TemperedSoftmax>("tempered_softmax"),
    rows<Softmin>("softmin"),
    rows<LogSoftmax>("log_softmax"),
    rows<GumbelSoftmax>("gumbel_softmax"),
    rows<Sparsemax>("sparsemax"),
    one_hot_of<Float16, BFloat16>("one_hot"),
    gated<Sigmoid>("glu"),
    gated<Relu>("reglu"),
    gated<Gelu>("geglu"),
    gated<Silu>("swiglu"),
    channels_of<Float16, BFloat16>("prelu"),
    {"maxout", outputs_of(maxout<float>, maxout<double>), outputs_of(maxout_backward<float>, maxout_backward<double>)},
};

inline constexpr Table table = entries;

}  // namespace fastact
