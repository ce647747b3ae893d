// The declarations: which formula runs in which loop, one line per activation.
#pragma once

#include <type_traits>

#include "call.hpp"
#include "formulas/cells.hpp"
#include "formulas/exponentials.hpp"
#include "formulas/gates.hpp"
#include "formulas/norms.hpp"
#include "formulas/random.hpp"
#include "formulas/rectifiers.hpp"
#include "formulas/rows.hpp"
#include "formulas/sigmoids.hpp"
#include "functions.hpp"
#include "loops/added.hpp"
#include "loops/batch_norm.hpp"
#include "loops/cells.hpp"
#include "loops/channels.hpp"
#include "loops/dropped.hpp"
#include "loops/elements.hpp"
#include "loops/gated.hpp"
#include "loops/half_rows.hpp"
#include "loops/halves.hpp"
#include "loops/losses.hpp"
#include "loops/masked.hpp"
#include "loops/norms.hpp"
#include "loops/pieces.hpp"
#include "loops/rows.hpp"
#include "loops/strips.hpp"

namespace fastact {

// Elements that a cache line holds at most: shares of threads that begin at multiples of it write to
// lines of their own.
inline constexpr Size grain = 64;

template <class Form, Kernel... kernel> constexpr Work elements_of() {
    return {{kernel...}, Units::elements, grain, 0, functions_or_null<Form, kernel...>()};
}
template <class Form, Kernel... kernel> constexpr Work outputs_of() {
    return {{kernel...}, Units::outputs, grain, 0, functions_or_null<Form, kernel...>()};
}
template <Kernel... kernel> constexpr Work ranges_of() {
    return {{kernel...}, Units::ranges, 1};
}
template <int phases, class Form, Kernel... kernel> constexpr Work columns_of() {
    return {{kernel...}, Units::columns, 1, phases, functions_or_null<Form, kernel...>()};
}

// The same where rows of half precision may be longer than a buffer.
template <int phases, class Form, Kernel... kernel> constexpr Work rows_in_segments() {
    return {{kernel...}, Units::columns, 1, phases, functions_or_null<Form, kernel...>(), true};
}

template <class From, template <class> class Op, class T> constexpr Kernel backward_or_null() {
    using C = Computed<T>;
    constexpr bool plain = requires(Op<C> op, C value) { From::apply(op, value, value); };
    constexpr bool indexed = requires(Op<C> op, C value) { From::apply(op, value, value, std::uint64_t()); };
    if constexpr (plain || indexed || From::template in_vectors<Op<C>, C>)
        return elements_backward<From, Op, T>;
    else
        return nullptr;
}

template <template <class> class Op, class T> constexpr Kernel parameter_gradient_or_null() {
    if constexpr (requires(Op<T> op, T value) { op.parameter_gradient(value, value); })
        return parameter_gradient<Op, T>;
    else
        return nullptr;
}

template <template <class> class Op, int parameters, class... T> constexpr Entry elementwise_of(const char* name) {
    return {name,
            elements_of<Elements<Numbers<parameters>>, elements_forward<Op, T>...>(),
            elements_of<ElementsBackward<Numbers<parameters>>, backward_or_null<FromInput, Op, T>()...>(),
            elements_of<ElementsBackward<Numbers<parameters>>, backward_or_null<FromOutput, Op, T>()...>(),
            ranges_of<parameter_gradient_or_null<Op, float>(), parameter_gradient_or_null<Op, double>()>(),
            parameters,
            functions<OneNumber<Numbers<parameters>>, elements_forward<Op, T>...>,
            functions<OneNumberBound, elements_forward<Op, T>...>,
            elements_of<NotServed, elements_biased<Op, float>, elements_biased<Op, double>>()};
}

template <template <class> class Op, int parameters = 0> constexpr Entry elementwise(const char* name) {
    return elementwise_of<Op, parameters, float, double, Float16, BFloat16>(name);
}

template <template <class> class Op, int parameters, class... H> constexpr Entry rows_of(const char* name) {
    using Form = std::conditional_t<parameters == 0, Rows<Units::columns, 1>, NotServed>;
    using BackwardForm = std::conditional_t<parameters == 0, RowsBackward<Units::columns, 1>, NotServed>;
    constexpr int phases = can_be_shared<Op<float>> ? forward_phases : 0;
    constexpr bool keeps = Op<float>::keeps_terms;
    constexpr auto forward = [] {
        if constexpr (phases > 0)
            return rows_in_segments<phases, Form, rows_forward<Op, float>, rows_forward<Op, double>,
                                    staged_rows_forward<rows_forward<Op, float>, phases, keeps, H>...>;
        else
            return rows_in_segments<0, Form, rows_forward<Op, float>, rows_forward<Op, double>,
                                    staged_projection<Op, H>...>;
    }();
    return {name,
            forward(),
            {},
            rows_in_segments<backward_phases, BackwardForm, rows_backward<Op, float>, rows_backward<Op, double>,
                             staged_rows_backward<rows_backward<Op, float>, H>...>(),
            {},
            parameters};
}

template <template <class> class Op, int parameters = 0> constexpr Entry rows(const char* name) {
    return rows_of<Op, parameters, Float16, BFloat16>(name);
}

template <class... H> constexpr Entry one_hot_of(const char* name) {
    return {name,
            rows_in_segments<0, NotServed, one_hot<float>, one_hot<double>, staged_one_hot<one_hot<float>, H>...>()};
}

template <template <class> class Gate, class... H> constexpr Entry gated_of(const char* name) {
    return {name,
            outputs_of<Rows<Units::outputs, 2>, gated_forward<Gate, float>, gated_forward<Gate, double>,
                       staged_gated_forward<gated_forward<Gate, float>, H>...>(),
            outputs_of<RowsBackward<Units::outputs, 2>, gated_backward<Gate, float>, gated_backward<Gate, double>,
                       staged_gated_backward<gated_backward<Gate, float>, H>...>()};
}

template <template <class> class Gate> constexpr Entry gated(const char* name) {
    return gated_of<Gate, Float16, BFloat16>(name);
}

template <class... H> constexpr Entry channels_of(const char* name) {
    return {name,
            elements_of<NotServed, prelu<float>, prelu<double>, staged_channels_forward<prelu<float>, H>...>(),
            elements_of<NotServed, prelu_backward<float>, prelu_backward<double>,
                        staged_channels_backward<prelu_backward<float>, H>...>(),
            {},
            ranges_of<prelu_gradient<float>, prelu_gradient<double>,
                      staged_channels_gradient<prelu_gradient<float>, H>...>()};
}

constexpr Entry pieces(const char* name) {
    return {name, outputs_of<NotServed, maxout<float>, maxout<double>>(),
            outputs_of<NotServed, maxout_backward<float>, maxout_backward<double>>()};
}

template <bool centred, class... H> constexpr Entry norm_of(const char* name) {
    return {name,
            columns_of<0, NotServed, norm_rows<centred, float>, norm_rows<centred, double>,
                       staged_norm_rows<centred, H>...>(),
            {{norm_rows_backward<centred, float>, norm_rows_backward<centred, double>,
              staged_norm_rows_backward<centred, H>...},
             Units::bundles,
             1},
            {},
            {},
            1};
}

constexpr Entry batch_norm_of(const char* name) {
    return {name,
            {{batch_norm<float>, batch_norm<double>}, Units::channels, 1},
            {{batch_norm_backward<float>, batch_norm_backward<double>}, Units::channels, 1},
            {},
            {},
            2};
}

constexpr Entry channel_sums_of(const char* name) {
    return {name,
            {{channel_sums<float>, channel_sums<double>}, Units::tiles, 1},
            {{channel_gradient_sums<float>, channel_gradient_sums<double>}, Units::tiles, 1}};
}

template <class... H> constexpr Entry channel_elements_of(const char* name) {
    return {name,
            elements_of<NotServed, channel_elements<float>, channel_elements<double>, staged_channel_elements<H>...>(),
            elements_of<NotServed, channel_gradient_elements<float>, channel_gradient_elements<double>,
                        staged_channel_gradient_elements<H>...>(),
            {},
            {},
            1};
}

template <template <class> class Forward, template <class> class Backward, class... T>
constexpr Entry cell_of(const char* name) {
    return {name, {{cells<Forward, T>...}, Units::states, grain}, {{cells<Backward, T>...}, Units::states, grain}};
}

template <template <class> class Forward, template <class> class Backward> constexpr Entry cell(const char* name) {
    return cell_of<Forward, Backward, float, double, Float16, BFloat16>(name);
}

// The gradient is the same of dy as the result is of x, so there is one direction.
template <class... T> constexpr Entry dropout_of(const char* name) {
    return {name, elements_of<NotServed, dropout<T>...>(), {}, {}, {}, 2};
}

template <class... T> constexpr Entry residual_dropout_of(const char* name) {
    return {name, elements_of<NotServed, residual_dropout<T>...>(), {}, {}, {}, 2};
}

// Rows of which some elements are not seen, and losses. Threads share long ones.
template <int phases, Kernel... kernel> constexpr Work lines_of() {
    return columns_of<phases, NotServed, kernel...>();
}

template <template <class> class Family, template <class> class Gradient, class... T> constexpr Entry masked_of(const char* name) {
    return {name,
            lines_of<forward_phases, masked_forward<Family, T>...>(),
            {},
            lines_of<backward_phases, masked_backward<Gradient, T>...>(),
            {},
            3};
}
template <template <class> class Family, template <class> class Gradient> constexpr Entry masked(const char* name) {
    return masked_of<Family, Gradient, float, double, Float16, BFloat16>(name);
}

template <class... T> constexpr Entry logsumexp_of(const char* name) {
    return {name,
            lines_of<forward_phases, logsumexp<T>...>(),
            lines_of<forward_phases, logsumexp_backward<T>...>(),
            {},
            {},
            3};
}
template <class... T> constexpr Entry cross_entropy_of(const char* name) {
    return {name,
            lines_of<forward_phases, cross_entropy<T>...>(),
            lines_of<forward_phases, cross_entropy_gradient<T>...>(),
            {},
            {},
            3};
}

// What brings x + bias to the kernels of others: backward over ranges, with the gradient of the bias.
template <class... T> constexpr Entry added_of(const char* name) {
    return {name, elements_of<NotServed, added_forward<T>...>(), ranges_of<added_backward<T>...>()};
}
template <class... T> constexpr Entry added_gated_of(const char* name) {
    return {name, outputs_of<NotServed, added_gated_forward<T>...>(), ranges_of<added_gated_backward<T>...>(),
            outputs_of<NotServed, added_gated_outputs<T>...>()};
}

inline constinit Entry entries[] = {
    elementwise<Sigmoid>("sigmoid"),
    elementwise<Tanh>("tanh"),
    elementwise<Identity>("identity"),
    elementwise<Relu>("relu"),
    elementwise<LeakyRelu, 1>("leaky_relu"),
    elementwise<RRelu, 3>("rrelu"),
    elementwise<Elu, 1>("elu"),
    elementwise<Relu6>("relu6"),
    elementwise<Hardtanh, 2>("hardtanh"),
    elementwise<Threshold, 2>("threshold"),
    elementwise<Hardsigmoid, 2>("hardsigmoid"),
    elementwise<Hardswish>("hardswish"),
    elementwise<Hardshrink, 1>("hardshrink"),
    elementwise<Softshrink, 1>("softshrink"),
    elementwise<SquaredRelu>("squared_relu"),
    elementwise<SparsePlus>("sparse_plus"),
    elementwise<SparseSigmoid>("sparse_sigmoid"),
    elementwise<Celu, 1>("celu"),
    elementwise<Selu>("selu"),
    elementwise<Exponential>("exponential"),
    elementwise<Softsign>("softsign"),
    elementwise<Tanhshrink>("tanhshrink"),
    elementwise<Squareplus, 1>("squareplus"),
    elementwise<Dish>("dish"),
    elementwise<Silu>("silu"),
    elementwise<Swish, 1>("swish"),
    elementwise<QuickGelu>("quick_gelu"),
    elementwise<Gelu>("gelu"),
    elementwise<GeluTanh>("gelu_tanh"),
    elementwise<Mish>("mish"),
    elementwise<Softplus, 2>("softplus"),
    elementwise<LogSigmoid>("logsigmoid"),
    elementwise_of<Gumbel, 1, float, double>("gumbel"),
    rows<Softmax>("softmax"),
    rows<TemperedSoftmax, 1>("tempered_softmax"),
    rows<Softmin>("softmin"),
    rows<LogSoftmax>("log_softmax"),
    rows<GumbelSoftmax, 2>("gumbel_softmax"),
    rows<Sparsemax>("sparsemax"),
    one_hot_of<Float16, BFloat16>("one_hot"),
    masked<AsShares, ScaledGradient>("masked_softmax"),
    masked<AsLogarithms, ScaledLogGradient>("masked_log_softmax"),
    logsumexp_of<float, double, Float16, BFloat16>("logsumexp"),
    cross_entropy_of<float, double, Float16, BFloat16>("cross_entropy"),
    gated<Sigmoid>("glu"),
    gated<Relu>("reglu"),
    gated<Gelu>("geglu"),
    gated<Silu>("swiglu"),
    channels_of<Float16, BFloat16>("prelu"),
    pieces("maxout"),
    norm_of<true, Float16, BFloat16>("layer_norm"),
    norm_of<false, Float16, BFloat16>("rms_norm"),
    batch_norm_of("batch_norm"),
    channel_sums_of("channel_sums"),
    channel_elements_of<Float16, BFloat16>("channel_elements"),
    dropout_of<float, double, Float16, BFloat16>("dropout"),
    residual_dropout_of<float, double, Float16, BFloat16>("residual_dropout"),
    cell<LstmCell, LstmCellBackward>("lstm_cell"),
    cell<GruCell, GruCellBackward>("gru_cell"),
    added_of<float, double, Float16, BFloat16>("added"),
    added_gated_of<float, double, Float16, BFloat16>("added_gated"),
};

inline constexpr Table table = entries;

}  // namespace fastact
