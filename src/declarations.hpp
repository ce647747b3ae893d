// The declarations: which formula runs in which loop, one line per activation.
#pragma once


#include "formulas/exponentials.hpp"
#include "formulas/gates.hpp"
#include "formulas/random.hpp"
#include "formulas/rectifiers.hpp"
#include "formulas/rows.hpp"
#include "formulas/sigmoids.hpp"
#include "halves.hpp"
#include "loops.hpp"
#include "rows.hpp"
#include "staged.hpp"
#include "tables.hpp"

namespace fastact {

template <class From, template <class> class Op, class T> constexpr Backward backward_or_null() {
    using C = Computed<T>;
    constexpr bool plain = requires(Op<C> op, C value) { From::apply(op, value, value); };
    constexpr bool indexed = requires(Op<C> op, C value) { From::apply(op, value, value, std::uint64_t()); };
    if constexpr (plain || indexed)
        return backward<From, Op, T>;
    else
        return nullptr;
}

template <template <class> class Op, class T> constexpr ParameterGradient parameter_gradient_or_null() {
    if constexpr (requires(Op<T> op, T value) { op.parameter_gradient(value, value); })
        return parameter_gradient<Op, T>;
    else
        return nullptr;
}

template <template <class> class Op, class... T>
constexpr Elementwise elementwise_of(const char* name) {
    return {name,
            {forward<Op, T>...},
            {backward_or_null<FromInput, Op, T>()...},
            {backward_or_null<FromOutput, Op, T>()...},
            {parameter_gradient_or_null<Op, float>(), parameter_gradient_or_null<Op, double>()}};
}

template <template <class> class Op> constexpr Elementwise elementwise(const char* name) {
    return elementwise_of<Op, float, double, Float16, BFloat16>(name);
}

template <template <class> class Op, class... H> constexpr Rows rows_of(const char* name) {
    Rows entry = {name,
                  {rows_forward<Op, float>, rows_forward<Op, double>,
                   staged_rows_forward<rows_forward<Op, float>, H>...},
                  {rows_backward<Op, float>, rows_backward<Op, double>,
                   staged_rows_backward<rows_backward<Op, float>, H>...},
                  {nullptr, nullptr},
                  {row_backward<Op, float>, row_backward<Op, double>}};
    if constexpr (requires { &Op<float>::scale; }) {
        entry.share_forward[0] = row_forward<Op, float>;
        entry.share_forward[1] = row_forward<Op, double>;
    }
    return entry;
}

template <template <class> class Op> constexpr Rows rows(const char* name) {
    return rows_of<Op, Float16, BFloat16>(name);
}

inline constexpr Elementwise elementwise_table[] = {
    elementwise<Sigmoid>("sigmoid"),
    elementwise<Tanh>("tanh"),
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
};

inline constexpr Rows rows_table[] = {
    rows<Softmax>("softmax"),
    rows<TemperedSoftmax>("tempered_softmax"),
    rows<Softmin>("softmin"),
    rows<LogSoftmax>("log_softmax"),
    rows<GumbelSoftmax>("gumbel_softmax"),
    rows<Sparsemax>("sparsemax"),
    {"one_hot",
     {one_hot<float>, one_hot<double>, staged_rows_forward<one_hot<float>, Float16>,
      staged_rows_forward<one_hot<float>, BFloat16>},
     {},
     {},
     {}},
};

template <template <class> class Gate, class... H> constexpr Gated gated_of(const char* name) {
    return {name,
            {gated_forward<Gate, float>, gated_forward<Gate, double>,
             staged_gated_forward<gated_forward<Gate, float>, H>...},
            {gated_backward<Gate, float>, gated_backward<Gate, double>,
             staged_gated_backward<gated_backward<Gate, float>, H>...}};
}

template <template <class> class Gate> constexpr Gated gated(const char* name) {
    return gated_of<Gate, Float16, BFloat16>(name);
}

inline constexpr Gated gated_table[] = {
    gated<Sigmoid>("glu"),
    gated<Relu>("reglu"),
    gated<Gelu>("geglu"),
    gated<Silu>("swiglu"),
};

inline constexpr Tables tables = {
    elementwise_table,
    rows_table,
    gated_table,
    {prelu<float>, prelu<double>, staged_channels_forward<prelu<float>, Float16>,
     staged_channels_forward<prelu<float>, BFloat16>},
    {prelu_backward<float>, prelu_backward<double>, staged_channels_backward<prelu_backward<float>, Float16>,
     staged_channels_backward<prelu_backward<float>, BFloat16>},
    {prelu_gradient<float>, prelu_gradient<double>, staged_channels_gradient<prelu_gradient<float>, Float16>,
     staged_channels_gradient<prelu_gradient<float>, BFloat16>},
    {maxout<float>, maxout<double>},
    {maxout_backward<float>, maxout_backward<double>},
};

}  // namespace fastact
