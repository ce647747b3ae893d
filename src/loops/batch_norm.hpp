// Norms of channels: each position along an axis has a mean and a spread over all other axes. Where elements of a
// channel follow each other they are taken run by run, otherwise many channels side by side, row after row. A thread
// goes over its channels as often as needed, so what fits into its cache comes from memory once.
#pragma once

#include <algorithm>

#include "call.hpp"
#include "formulas/norms.hpp"
#include "loops/blocks.hpp"
#include "loops/channels.hpp"
#include "loops/lines.hpp"
#include "loops/norms.hpp"
#include "loops/scratch.hpp"
#include "loops/strips.hpp"
#include "loops/sums.hpp"

namespace fastact {

// So many channels that lie side by side are worked on together: 1 KiB of each row in float32, of which fewer would be
// read from pages that are forgotten before the next pass.
inline constexpr Size channels_at_once = 256;

// As NormSums, of `channels_at_once` columns or fewer side by side: add(row, column, first, second).
template <int count, class T> class ColumnSums {
  public:
    template <class Columns, class Add> ColumnSums(Size rows, Columns columns, Add add) {
        Size row = 0;
        for (; row + deep <= rows; row += deep) add_rows<deep>(row, columns, add);
        for (; row < rows; ++row) add_rows<1>(row, columns, add);
    }
    double first(Size column) const { return value(0, column); }
    double second(Size column) const { return value(count - 1, column); }

  private:
    static constexpr Size deep = 8;
    static constexpr bool carries = sizeof(T) == 8;

    alignas(line) double sums[count][channels_at_once] = {};
    alignas(line) double errors[count][carries ? channels_at_once : 1] = {};

    double value(int k, Size column) const { return sums[k][column] + (carries ? errors[k][column] : 0.0); }

    template <Size depth, class Columns, class Add> void add_rows(Size row, Columns columns, Add add) {
        const Size width = columns;
#pragma GCC ivdep
        for (Size column = 0; column < width; ++column) {
            T first = 0, second = 0;
            each(Known<depth>(), [&](Size piece) { add(row + piece, column, first, second); });
            join(0, column, double(first));
            if constexpr (count > 1) join(1, column, double(second));
        }
    }
    void join(int k, Size column, double term) {
        const double before = sums[k][column], sum = before + term, part = sum - before;
        if constexpr (carries) errors[k][column] += (before - (sum - part)) + (term - part);
        sums[k][column] = sum;
    }
};

// How a kernel sees its channels: `width` of them, of `rows` runs of `length` elements, a `step` apart.
template <class T> struct Channels {
    Size width, rows, length, step;

    // What is done with an element is given as of(channel), of which runs have one for all of their elements.
    // What of(channel)(element, first, second) adds up of every channel, by result(channel, first, second).
    template <int count, class Of, class Result> void sum(Of of, Result result) const {
        if (length > 1)
            sum_runs<count>(of, result);
        else
            sum_columns<count>(width, of, result);
    }

    // of(channel)(element) for all elements.
    template <class Of> [[gnu::flatten]] void each_element(const T* out, Of of) const {
        for (Size row = 0; row < rows; ++row)
            if (length > 1)
                for (Size channel = 0; channel < width; ++channel) {
                    const Size at = row * step + channel * length;
                    const auto body = of(channel);
                    from_line(out + at, length, [=](Size start, Size stop) {
#pragma GCC ivdep
                        for (Size i = start; i < stop; ++i) body(at + i);
                    });
                }
            else
#pragma GCC ivdep
                for (Size channel = 0; channel < width; ++channel) of(channel)(row * step + channel);
    }

  private:
    template <int count, class Of, class Result> [[gnu::flatten]] void sum_runs(Of of, Result result) const {
        for (Size channel = 0; channel < width; ++channel) {
            const auto add = of(channel);
            Total first, second;
            for (Size row = 0; row < rows; ++row) {
                const Size at = row * step + channel * length;
                const NormSums<count, T> sums(length, [=](Size i, T& one, T& other) { add(at + i, one, other); });
                first.add(sums.first()), second.add(sums.second());
            }
            result(channel, first.high + first.low, second.high + second.low);
        }
    }
    template <int count, class Columns, class Of, class Result>
    [[gnu::flatten]] void sum_columns(Columns columns, Of of, Result result) const {
        const ColumnSums<count, T> sums(rows, columns, [=, step = step](Size row, Size channel, T& one, T& other) {
            of(channel)(row * step + channel, one, other);
        });
        for (Size channel = 0; channel < width; ++channel) result(channel, sums.first(channel), sums.second(channel));
    }
};

// What is known of the channels that are worked on together.
template <class T> struct Standards {
    T high[channels_at_once], low[channels_at_once], factor[channels_at_once], shift[channels_at_once];
    double mean[channels_at_once], rstd[channels_at_once], variance[channels_at_once];

    void set(Size channel, double of_mean, double of_rstd) {
        mean[channel] = of_mean, rstd[channel] = of_rstd;
        high[channel] = T(of_mean), low[channel] = T(of_mean - double(high[channel]));
    }
    Standard<T> of(Size channel) const { return {high[channel], low[channel], T(rstd[channel])}; }
};

// The corrected two-pass algorithm (norms.hpp).
template <class T>
[[gnu::noinline]] void find_standards(const Channels<T>& channels, const T* x, double eps, Standards<T>& known) {
    const double count = double(channels.rows * channels.length);
    T* const centre = known.high;
    channels.template sum<1>([=](Size) { return [=](Size i, T& sum, T&) { sum += x[i]; }; },
                             [&](Size channel, double sum, double) { centre[channel] = T(sum / count); });
    channels.template sum<2>(
        [=](Size channel) {
            return [=, centre = centre[channel]](Size i, T& distances, T& squares) {
                const T distance = x[i] - centre;
                distances += distance;
                squares = math::fma(distance, distance, squares);
            };
        },
        [&](Size channel, double sum, double squares) {
            const double offset = sum / count, variance = squares / count - offset * offset;
            known.variance[channel] = variance < 0 ? 0 : variance;
            known.rstd[channel] = 1 / math::sqrt(known.variance[channel] + eps);
            known.mean[channel] = double(centre[channel]) + offset;
            known.low[channel] = T(offset);
        });
}

// body(first, channels) for channels first..last of an array, as many at a time as are worked on together: one
// whose elements follow each other, otherwise those side by side.
template <class T, class Body> void each_channels(Axis axis, Size first, Size last, Body body) {
    const auto [outer, length, inner] = axis;
    for (Size channel = first, count; channel < last; channel += count) {
        count = inner > 1 ? 1 : std::min(channels_at_once, last - channel);
        body(channel, Channels<T>{count, outer, inner, length * inner});
    }
}

// in: x, residual, weight, bias; out: the result, of each channel its mean, rstd and variance.
template <class T> void batch_norm(const Call& call, Size first, Size last) {
    const T* weight = input<T>(call, 2);
    const T* bias = input<T>(call, 3);
    double* stats = static_cast<double*>(call.out[1]);
    const Scratch<Standards<T>, 1> memory;
    Standards<T>& known = *memory;
    each_channels<T>(call.axis, first, last, [&](Size channel, Channels<T> channels) {
        const Size at = channel * channels.length;
        const T* x = input<T>(call, 0) + at;
        T* out = output<T>(call) + at;
        if (const T* residual = input<T>(call, 1)) {
            residual += at;
            channels.each_element(out, [=](Size) { return [=](Size i) { out[i] = x[i] + residual[i]; }; });
            x = out;
        }
        find_standards(channels, x, call.parameters[0], known);
        for (Size c = 0; c < channels.width; ++c) {
            known.factor[c] = T(known.rstd[c] * (weight ? double(weight[channel + c]) : 1.0));
            known.shift[c] = bias ? bias[channel + c] : T(0);
            double* kept = stats + 3 * (channel + c);
            kept[0] = known.mean[c], kept[1] = known.rstd[c], kept[2] = known.variance[c];
        }
        const auto* standards = &known;
        channels.each_element(out, [=](Size c) {
            const T high = standards->high[c], low = standards->low[c];
            return [=, factor = standards->factor[c], shift = standards->shift[c]](Size i) {
                out[i] = math::fma((x[i] - high) - low, factor, shift);
            };
        });
    });
}

// in: dy, x, weight, the mean and rstd of each channel, or null: then they are found again; out: dx, of each
// channel the gradients of its weight and bias. The second parameter says whether the statistics are those of x.
template <class T> void batch_norm_backward(const Call& call, Size first, Size last) {
    const T* weight = input<T>(call, 2);
    const double* stats = input<double>(call, 3);
    double* gradients = static_cast<double*>(call.out[1]);
    const bool training = call.parameters[1] != 0;
    const Scratch<Standards<T>, 1> memory;
    Standards<T>& known = *memory;
    const Scratch<T, 2 * channels_at_once> more;
    T *const mean = more, *const product = mean + channels_at_once;
    each_channels<T>(call.axis, first, last, [&](Size channel, Channels<T> channels) {
        const Size at = channel * channels.length;
        const T *dy = input<T>(call, 0) + at, *x = input<T>(call, 1) + at;
        T* out = output<T>(call) + at;
        if (!stats) find_standards(channels, x, call.parameters[0], known);
        for (Size c = 0; c < channels.width; ++c) {
            if (stats) known.set(c, stats[2 * (channel + c)], stats[2 * (channel + c) + 1]);
            known.factor[c] = T(known.rstd[c] * (weight ? double(weight[channel + c]) : 1.0));
        }
        const auto* standards = &known;
        const double count = double(channels.rows * channels.length);
        channels.template sum<2>(
            [=](Size c) {
                return [=, standard = standards->of(c)](Size i, T& total, T& products) {
                    total += dy[i];
                    products = math::fma(dy[i], standard(x[i]), products);
                };
            },
            [&](Size c, double total, double products) {
                gradients[2 * (channel + c)] = products, gradients[2 * (channel + c) + 1] = total;
                mean[c] = training ? T(total / count) : T(0), product[c] = training ? T(products / count) : T(0);
            });
        channels.each_element(out, [=](Size c) {
            const NormGradient<T> gradient{mean[c], product[c], standards->factor[c]};
            return [=, standard = standards->of(c)](Size i) { out[i] = gradient(dy[i], standard(x[i])); };
        });
    });
}

// With known statistics: (x + residual - mean) * factor + shift.
// in: x, residual, the means of all channels, their factors and their shifts one after another.
template <class T>
[[gnu::flatten]] void batch_norm_inference(const Call& call, Size first, Size last) {
    const T *x = input<T>(call, 0), *residual = input<T>(call, 1);
    const T *means = input<T>(call, 2), *factors = means + call.axis.length, *shifts = factors + call.axis.length;
    T* out = output<T>(call);
    const auto single = [=](Size at, Size stop, Size channel, auto with_residual) {
        const T mean = means[channel], factor = factors[channel], shift = shifts[channel];
        const auto run = [=](Size start, Size end, T* to) {
#pragma GCC ivdep
            for (Size i = start; i < end; ++i) {
                const T value = with_residual.value ? x[at + i] + residual[at + i] : x[at + i];
                to[i - start] = math::fma(value - mean, factor, shift);
            }
        };
        if constexpr (with_residual.value)
            runs(out + at, stop - at, run, x + at, residual + at);
        else
            runs(out + at, stop - at, run, x + at);
    };
    const auto several = [=](Size at, Size stop, Size channel, auto with_residual) {
        const T *mean = means + channel - at, *factor = factors + channel - at, *shift = shifts + channel - at;
#pragma GCC ivdep
        for (Size i = at; i < stop; ++i) {
            const T value = with_residual.value ? x[i] + residual[i] : x[i];
            out[i] = math::fma(value - mean[i], factor[i], shift[i]);
        }
    };
    const auto all = [&](auto with_residual) {
        channels(call.axis, first, last, [&](Size at, Size stop, Size channel) {
            if (call.axis.inner > 1)
                single(at, stop, channel, with_residual);
            else
                several(at, stop, channel, with_residual);
        });
    };
    if (residual)
        all(std::true_type());
    else
        all(std::false_type());
}

template <Half H> void staged_batch_norm_inference(const Call& call, Size first, Size last) {
    const Scratch<float, read_size> values, residuals;
    for (Size at = first, count; at < last; at += count) {
        count = std::min(read_size, last - at);
        widen(input<H>(call, 0) + at, values, count);
        if (call.in[1]) widen(input<H>(call, 1) + at, residuals, count);
        const float* others = call.in[1] ? residuals - at : nullptr;
        batch_norm_inference<float>(
            {nullptr, {values - at, others, call.in[2]}, {values - at}, call.axis}, at, at + count);
        narrow(values, output<H>(call) + at, count);
    }
}

}  // namespace fastact
