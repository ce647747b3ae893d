// Norms of channels: each position along an axis has a mean and a spread over all other axes.
//
// Channels of which each lies in runs and fits into a cache are taken whole, one after another, so that what is summed
// comes from memory once (`batch_norm`, `batch_norm_backward`). All others are summed in ranges of all channels, which
// threads share (`channel_sums`); the caller adds the ranges up in order, and a second kernel goes over the elements.
#pragma once

#include <algorithm>

#include "call.hpp"
#include "formulas/norms.hpp"
#include "loops/blocks.hpp"
#include "loops/channels.hpp"
#include "loops/norms.hpp"
#include "loops/scratch.hpp"
#include "loops/strips.hpp"
#include "loops/sums.hpp"
#include "ranges.hpp"

namespace fastact {

// -- Sums -------------------------------------------------------------------------------------

// What is added up of channel c is of(c)(i, first, second) of its elements i in memory, counted from the first or, of
// from(start), from there.

// Distances from a centre and their squares.
template <class T> struct Distances {
    const T *x, *centre;

    Distances from(Size start) const { return {x + start, centre}; }
    void ask(Size at, Size size) const { prefetch(x + at, size); }

    auto of(Size c) const {
        return [x = x, centre = centre[c]](Size i, T& distances, T& squares) {
            const T distance = x[i] - centre;
            distances += distance;
            squares = math::fma(distance, distance, squares);
        };
    }
};
template <class T> struct DistancesOfSums {
    const T *x, *residual, *centre;

    DistancesOfSums from(Size start) const { return {x + start, residual + start, centre}; }
    void ask(Size at, Size size) const { prefetch(x + at, size), prefetch(residual + at, size); }
    auto of(Size c) const {
        return [x = x, residual = residual, centre = centre[c]](Size i, T& distances, T& squares) {
            const T distance = (x[i] + residual[i]) - centre;
            distances += distance;
            squares = math::fma(distance, distance, squares);
        };
    }
};
// At a scale of each channel, its centre too; `residual` may be null.
template <class T> struct ScaledDistances {
    const T *x, *residual, *centre, *scale;

    ScaledDistances from(Size start) const {
        return {x + start, residual ? residual + start : nullptr, centre, scale};
    }
    void ask(Size, Size) const {}
    auto of(Size c) const {
        return [x = x, residual = residual, centre = centre[c], scale = scale[c]](Size i, T& distances, T& squares) {
            const T distance = (residual ? x[i] + residual[i] : x[i]) * scale - centre;
            distances += distance;
            squares = math::fma(distance, distance, squares);
        };
    }
};

// The gradient times the distance from the mean, and the gradient.
template <class T> struct Slopes {
    const T *dy, *x, *high, *unit;

    Slopes from(Size start) const { return {dy + start, x + start, high, unit}; }
    void ask(Size at, Size size) const { prefetch(dy + at, size), prefetch(x + at, size); }
    auto of(Size c) const {
        return [dy = dy, x = x, distance = Distance<T>{high[c], unit[c]}](Size i, T& products, T& total) {
            products = math::fma(dy[i], distance(x[i]), products);
            total += dy[i];
        };
    }
};

// Rows of `width` columns side by side: `chain` rows add what they have in the dtype before it joins a float64 sum.
template <class T, class Terms>
[[gnu::flatten, gnu::noinline]] void sum_columns(Terms terms, Size rows, Size width, Size step, PairedSums<T> sums) {
    Size row = 0;
    for (; row + chained_rows <= rows; row += chained_rows)
#pragma GCC ivdep
        for (Size c = 0; c < width; ++c) {
            T first = 0, second = 0;
            const auto add = terms.of(c);
            each(Known<chained_rows>(), [&](Size k) { add((row + k) * step + c, first, second); });
            sums.add(c, double(first), double(second));
        }
    for (; row < rows; ++row)
#pragma GCC ivdep
        for (Size c = 0; c < width; ++c) {
            T first = 0, second = 0;
            terms.of(c)(row * step + c, first, second);
            sums.add(c, double(first), double(second));
        }
}

// A run of one channel.
template <class T, class Terms>
[[gnu::flatten, gnu::noinline]] void sum_run(Terms terms, Size at, Size length, Size channel, PairedSums<T> sums) {
    const NormSums<2, T> found(length, [=](Size start) { return terms.from(at + start).of(channel); });
    sums.add(channel, math::value(found.first()), math::value(found.second()));
}

// Numbers of each channel, repeated until a row of them fills vectors.
template <class T> class Repeated {
  public:
    Repeated(Size channels, Size times) : channels(channels), times(times) {}
    const T* operator()(const T* numbers) {
        if (times == 1) return numbers;
        T* const to = memory + used;
        for (Size k = 0; k < times; ++k) std::copy_n(numbers, channels, to + k * channels);
        used += channels * times;
        return to;
    }

  private:
    const Size channels, times;
    Size used = 0;
    const Scratch<T, 4 * widest_repeated> memory;
};

// The rows of a range, of which several are taken as one where channels are few.
template <class T, class Make>
void sum_rows(Axis axis, Size row, Size rows, Size tile, Make make, PairedSums<T> sums) {
    const Size channels = axis.length, times = rows_side_by_side(axis), width = times * channels;
    if (times == 1) {
        const Size c = tile * channels_at_once, count = std::min(channels_at_once, channels - c);
        const auto of_tile = [=](const T* numbers) { return numbers + c; };
        return sum_columns(make(row * channels + c, of_tile), rows, count, channels, sums.from(c));
    }
    const Scratch<double, 4 * widest_repeated> memory;
    std::fill_n(static_cast<double*>(memory), 4 * width, 0.0);
    const auto wide = PairedSums<T>::at(memory, width, 2 * width);
    Repeated<T> repeated(channels, times);
    const Size rest = rows % times;
    sum_columns(make(row * channels, repeated), rows / times, width, width, wide);
    for (Size c = 0; c < width; ++c) {
        sums.add(c % channels, wide.first[c], wide.second[c]);
        if (wide.twofold) sums.add(c % channels, wide.lost_first[c], wide.lost_second[c]);
    }
    const auto as_they_are = [](const T* numbers) { return numbers; };
    sum_columns(make((row + rows - rest) * channels, as_they_are), rest, channels, channels, sums);
}

// make(at, numbers) gives the terms of elements from `at` on, of whose channels `numbers` finds the numbers.
// out[1]: of each range the sums of all channels, to which its elements are added. There are `place.step` channels in
// all, of which these are some from `place.index` on.
template <class T, class Make> void each_channel_range(const Call& call, Size first, Size last, Make make) {
    using Sums = PairedSums<T>;
    const auto [outer, channels, inner] = call.axis;
    const Size tiles = tiles_of(call.axis), columns = 2 * call.place.step, positions = positions_of(call.axis);
    for (Size unit = first; unit < last; ++unit) {
        const Size range = unit / tiles, tile = unit % tiles, from = range * call.group;
        const Size count = std::min(call.group, positions - from);
        double* partial = static_cast<double*>(call.out[1]) + range * (Sums::twofold ? 2 : 1) * columns;
        const Sums sums = Sums::at(partial, call.place.step, columns).from(call.place.index);
        if (inner == 1) {
            sum_rows<T>(call.axis, from, count, tile, make, sums);
            continue;
        }
        const auto terms = make(0, [](const T* numbers) { return numbers; });
        const Size pieces = (inner + segment - 1) / segment;
        for (Size piece = from; piece < from + count; ++piece) {
            const Size row = piece / pieces, start = piece % pieces * segment;
            sum_run<T>(terms, (row * channels + tile) * inner + start, std::min(segment, inner - start), tile, sums);
        }
    }
}

// in: x, residual, the centres of all channels, and their scales or null.
template <class T> void channel_sums(const Call& call, Size first, Size last) {
    const T *x = input<T>(call, 0), *residual = input<T>(call, 1);
    const T *centre = input<T>(call, 2), *scale = input<T>(call, 3);
    if (scale)
        each_channel_range<T>(call, first, last, [=](Size at, auto&& numbers) {
            return ScaledDistances<T>{x + at, residual ? residual + at : nullptr, numbers(centre), numbers(scale)};
        });
    else if (residual)
        each_channel_range<T>(call, first, last, [=](Size at, auto&& numbers) {
            return DistancesOfSums<T>{x + at, residual + at, numbers(centre)};
        });
    else
        each_channel_range<T>(call, first, last,
                              [=](Size at, auto&& numbers) { return Distances<T>{x + at, numbers(centre)}; });
}

// in: dy, x, and of all channels the members of a Distance, one after another.
template <class T> void channel_gradient_sums(const Call& call, Size first, Size last) {
    const T *dy = input<T>(call, 0), *x = input<T>(call, 1);
    const T *high = input<T>(call, 2), *unit = high + call.place.step;
    each_channel_range<T>(call, first, last, [=](Size at, auto&& numbers) {
        return Slopes<T>{dy + at, x + at, numbers(high), numbers(unit)};
    });
}

// -- Elements ---------------------------------------------------------------------------------

// What is written of an element of channel c is of(c)(i), element i in memory.

// (x + residual - mean) * factor + shift.
template <class T> struct Normalized {
    const T *x, *mean, *factor, *shift;

    auto of(Size c) const {
        return [x = x, mean = mean[c], factor = factor[c], shift = shift[c]](Size i) {
            return math::fma(x[i] - mean, factor, shift);
        };
    }
};
template <class T> struct NormalizedSum {
    const T *x, *residual, *mean, *factor, *shift;

    auto of(Size c) const {
        return [x = x, residual = residual, mean = mean[c], factor = factor[c], shift = shift[c]](Size i) {
            return math::fma((x[i] + residual[i]) - mean, factor, shift);
        };
    }
};

// What the mean and the spread of the channel take back of its gradient is in the latter.
template <class T> struct ChannelGradients {
    const T *dy, *x, *high, *unit, *factor, *mean, *product;

    auto of(Size c) const {
        return [dy = dy, x = x, distance = Distance<T>{high[c], unit[c]},
                gradient = NormGradient<T>{factor[c], mean[c], product[c]}](Size i) {
            return gradient(dy[i], distance(x[i]));
        };
    }
};
// Of known statistics, which do not depend on x.
template <class T> struct ScaledGradients {
    const T *dy, *factor;

    auto of(Size c) const {
        return [dy = dy, factor = factor[c]](Size i) { return dy[i] * factor; };
    }
};

// The numbers of channels as a row of them that goes on past its end, so that a block of elements may begin anywhere.
template <class T> class Wrapped {
  public:
    static constexpr Size most = 2048;

    explicit Wrapped(Size channels) : channels(channels) {}
    const T* operator()(const T* numbers) {
        T* const to = memory + used;
        const Size size = channels + block;
        std::copy_n(numbers, channels, to);
        for (Size filled = channels, more; filled < size; filled += more) {
            more = std::min(filled, size - filled);
            std::copy_n(to, more, to + filled);
        }
        used += size;
        return to;
    }

  private:
    const Size channels;
    Size used = 0;
    const Scratch<T, 6 * (most + block)> memory;
};

// make(numbers) gives the elements, of whose channels `numbers` finds the numbers.
template <class T, class Make, class... Inputs>
[[gnu::flatten]] void each_channel_element(const Call& call, Size first, Size last, Make make,
                                           const Inputs*... inputs) {
    const Axis axis = call.axis;
    T* const out = output<T>(call);
    if (axis.inner == 1 && axis.length <= Wrapped<T>::most && last - first >= std::max(8 * block, 4 * axis.length)) {
        Wrapped<T> wrapped(axis.length);
        const auto elements = make(wrapped);
        blocks(
            call.passing, out + first, last - first,
            [&](Size start, Size stop, T* to) {
                for (Size from = start, end; from < stop; from = end) {
                    end = std::min(from + block, stop);
                    const Size channel = (first + from) % axis.length - from;
                    T* const target = to - start;
#pragma GCC ivdep
                    for (Size i = from; i < end; ++i) target[i] = elements.of(channel + i)(first + i);
                }
            },
            (inputs + first)...);
        return;
    }
    const auto elements = make([](const T* numbers) { return numbers; });
    channels(axis, first, last, [&](Size at, Size stop, Size channel) {
        if (axis.inner == 1) {
#pragma GCC ivdep
            for (Size i = at; i < stop; ++i) out[i] = elements.of(channel + i - at)(i);
            return;
        }
        const auto one = elements.of(channel);
        const auto run = [=](Size start, Size end, T* to) {
#pragma GCC ivdep
            for (Size i = start; i < end; ++i) to[i - start] = one(at + i);
        };
        runs(call.passing, out + at, stop - at, run, (inputs + at)...);
    });
}

// in: x, residual, and of all channels the means, the factors and the shifts, one after another.
template <class T> void channel_elements(const Call& call, Size first, Size last) {
    const Size channels = call.axis.length;
    const T *x = input<T>(call, 0), *residual = input<T>(call, 1);
    const T *mean = input<T>(call, 2), *factor = mean + channels, *shift = factor + channels;
    if (residual)
        each_channel_element<T>(
            call, first, last,
            [=](auto&& numbers) {
                return NormalizedSum<T>{x, residual, numbers(mean), numbers(factor), numbers(shift)};
            },
            x, residual);
    else
        each_channel_element<T>(
            call, first, last,
            [=](auto&& numbers) { return Normalized<T>{x, numbers(mean), numbers(factor), numbers(shift)}; }, x);
}

// in: dy, x, and of all channels the members of a Distance and of a NormGradient, one after another; whether the
// statistics are those of x is the first parameter.
template <class T> void channel_gradient_elements(const Call& call, Size first, Size last) {
    const Size channels = call.axis.length;
    const T *dy = input<T>(call, 0), *x = input<T>(call, 1), *table = input<T>(call, 2);
    if (call.parameters[0] == 0)
        return each_channel_element<T>(
            call, first, last,
            [=](auto&& numbers) { return ScaledGradients<T>{dy, numbers(table + 2 * channels)}; }, dy);
    each_channel_element<T>(
        call, first, last,
        [=](auto&& numbers) {
            const auto row = [&](Size k) { return numbers(table + k * channels); };
            return ChannelGradients<T>{dy, x, row(0), row(1), row(2), row(3), row(4)};
        },
        dy, x);
}

template <Half H> void staged_channel_elements(const Call& call, Size first, Size last) {
    const Scratch<float, read_size> values, residuals;
    for (Size at = first, count; at < last; at += count) {
        count = std::min(read_size, last - at);
        widen(input<H>(call, 0) + at, values, count);
        if (call.in[1]) widen(input<H>(call, 1) + at, residuals, count);
        const float* others = call.in[1] ? residuals - at : nullptr;
        channel_elements<float>({nullptr, {values - at, others, call.in[2]}, {values - at}, call.axis}, at, at + count);
        narrow(values, output<H>(call) + at, count);
    }
}

template <Half H> void staged_channel_gradient_elements(const Call& call, Size first, Size last) {
    const Scratch<float, read_size> gradients, values;
    for (Size at = first, count; at < last; at += count) {
        count = std::min(read_size, last - at);
        widen(input<H>(call, 0) + at, gradients, count);
        widen(input<H>(call, 1) + at, values, count);
        channel_gradient_elements<float>(
            {call.parameters, {gradients - at, values - at, call.in[2]}, {gradients - at}, call.axis}, at, at + count);
        narrow(gradients, output<H>(call) + at, count);
    }
}

// -- Whole channels ---------------------------------------------------------------------------

// A channel that lies in runs. Terms and elements are those of one channel, number 0.
struct Channel {
    Axis axis;
    Size channel;

    Size count() const { return axis.outer * axis.inner; }
    Size run(Size row) const { return (row * axis.length + channel) * axis.inner; }
    Size place(Size i) const { return run(i / axis.inner) + i % axis.inner; }

    template <class T, class Terms> [[gnu::flatten, gnu::noinline]] NormSums<2, T> sum(Terms terms) const {
        NormSums<2, T> sums;
        // The next run lies elsewhere, where the hardware does not look for it.
        const bool asks = asks_ahead<T>(axis.inner, axis.outer * axis.length * axis.inner * Size(sizeof(T)));
        for (Size row = 0; row < axis.outer; ++row) {
            if (asks && row + 1 < axis.outer) terms.ask(run(row + 1), axis.inner);
            sums.include(axis.inner, [=, at = run(row)](Size start) { return terms.from(at + start).of(0); });
        }
        sums.finish();
        return sums;
    }
    template <class T, class Elements> [[gnu::flatten, gnu::noinline]] void write(T* out, Elements elements) const {
        const auto element = elements.of(0);
        for (Size row = 0; row < axis.outer; ++row) {
            const Size at = run(row);
            from_line(out + at, axis.inner, [=](Size start, Size stop) {
#pragma GCC ivdep
                for (Size i = at + start; i < at + stop; ++i) out[i] = element(i);
            });
        }
    }
};

template <class T> Moments<T> channel_moments(Channel channel, const T* x, const T* residual, double eps) {
    Centre<T> centre{sampled_mean<T>(channel.count(), [&](Size i) {
        const Size at = channel.place(i);
        return residual ? x[at] + residual[at] : x[at];
    })};
    const auto sum = [&] {
        if (centre.scale != 1) return channel.sum<T>(ScaledDistances<T>{x, residual, &centre.at, &centre.scale});
        return residual ? channel.sum<T>(DistancesOfSums<T>{x, residual, &centre.at})
                        : channel.sum<T>(Distances<T>{x, &centre.at});
    };
    for (Moments<T> found;;) {
        const auto sums = sum();
        if (!centre.moves(sums.first(), sums.second(), double(channel.count()), eps, found)) return found;
    }
}

// in: x, residual, weight, bias; out: the result, of each channel its moments.
template <class T> void batch_norm(const Call& call, Size first, Size last) {
    const T *x = input<T>(call, 0), *residual = input<T>(call, 1);
    const T *weight = input<T>(call, 2), *bias = input<T>(call, 3);
    double* stats = static_cast<double*>(call.out[1]);
    for (Size c = first; c < last; ++c) {
        const Channel channel{call.axis, c};
        const Moments<T> found = channel_moments(channel, x, residual, call.parameters[0]);
        const auto form =
            ChannelForm<T>::of(found.mean(), found.lost(), found.rstd, weight ? weight[c] : 1, bias ? bias[c] : 0);
        if (residual)
            channel.write(output<T>(call), NormalizedSum<T>{x, residual, &form.mean, &form.factor, &form.shift});
        else
            channel.write(output<T>(call), Normalized<T>{x, &form.mean, &form.factor, &form.shift});
        found.keep(stats + kept_moments * c);
    }
}

// in: dy, x, weight, the mean and rstd of each channel, or null: then they are found again; out: dx, of each
// channel the gradients of its weight and bias. The second parameter says whether the statistics are those of x.
template <class T> void batch_norm_backward(const Call& call, Size first, Size last) {
    const T *dy = input<T>(call, 0), *x = input<T>(call, 1), *weight = input<T>(call, 2);
    const double* stats = input<double>(call, 3);
    double* gradients = static_cast<double*>(call.out[1]);
    const double eps = call.parameters[0];
    const bool training = call.parameters[1] != 0;
    for (Size c = first; c < last; ++c) {
        const Channel channel{call.axis, c};
        double mean, lost = 0;
        Finer<T> rstd;
        if (stats) {
            mean = stats[2 * c], rstd = Finer<T>{stats[2 * c + 1]};
        } else {
            const Moments<T> found = channel_moments<T>(channel, x, nullptr, eps);
            mean = found.mean(), lost = found.lost(), rstd = found.rstd;
        }
        const T high = T(mean);
        const auto share = Share<T>::of(Finer<T>{(mean - double(high)) + lost}, rstd);
        const Distance<T> distance{high, T(share.unit)};
        const auto sums = channel.sum<T>(Slopes<T>{dy, x, &distance.high, &distance.unit});
        const Finer<T> count{double(channel.count())}, total = sums.second();
        const Finer<T> products = share.value(sums.first(), total);
        const Finer<T> factor = rstd * Finer<T>{weight ? double(weight[c]) : 1.0};
        const auto gradient = NormGradient<T>::of(total / count, products / count, factor, share);
        if (training)
            channel.write(output<T>(call), ChannelGradients<T>{dy, x, &distance.high, &distance.unit, &gradient.rstd,
                                                               &gradient.mean, &gradient.product});
        else
            channel.write(output<T>(call), ScaledGradients<T>{dy, &gradient.rstd});
        gradients[2 * c] = math::value(products), gradients[2 * c + 1] = math::value(total);
    }
}

}  // namespace fastact
