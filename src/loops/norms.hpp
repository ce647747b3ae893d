// Norms of rows, one after another in memory: forward a row at a time, which comes from memory once and from a
// cache for the passes after the first; backward the rows of a range, with the sums of their weights' gradients.
//
// The mean and the squares around it are summed by the corrected two-pass algorithm (Chan, Golub, LeVeque 1983):
// the first pass finds a centre, the second sums distances from it and their squares, and the mean of the distances,
// which would be 0 without rounding, corrects both. Where one pass over the squares of 1e4 + noise keeps no digit of
// the variance in float32, this loses nothing.
#pragma once

#include <algorithm>
#include <type_traits>

#include "call.hpp"
#include "formulas/norms.hpp"
#include "loops/blocks.hpp"
#include "loops/halves.hpp"
#include "loops/lines.hpp"
#include "loops/scratch.hpp"
#include "loops/streaming.hpp"
#include "loops/strips.hpp"
#include "loops/sums.hpp"

namespace fastact {

// One or two sums over a row in one go. add(i, first, second) adds what element i has to each.
// Up to `deep` elements of a lane are added in the dtype's own precision, in registers; what these come to is
// added in float64, that of float64 with what it loses in rounding. So the error does not grow with the row.
template <int count, class T> class RowSums {
  public:
    template <class Add> RowSums(Size length, Add add) {
        Size start = 0;
        for (; start + deep * lanes <= length; start += deep * lanes) add_block<deep>(start, add);
        add_rest<deep / 2>(start, length, add);
        fold<half / 2>();
    }
    double first() const { return value(0); }
    double second() const { return value(count - 1); }

  private:
    static constexpr Size deep = 8, half = lanes / 2;
    static constexpr bool carries = sizeof(T) == 8;

    alignas(line) T partial[count][lanes];
    alignas(line) double sums[count][half] = {};
    alignas(line) double errors[count][carries ? half : 1] = {};

    double value(int k) const { return sums[k][0] + errors[k][0]; }

    template <Size depth, class Add> void add_block(Size start, Add add) {
#pragma GCC ivdep
        for (Size lane = 0; lane < lanes; ++lane) {
            T first = 0, second = 0;
            each(Known<depth>(), [&](Size piece) { add(start + piece * lanes + lane, first, second); });
            partial[0][lane] = first;
            if constexpr (count > 1) partial[1][lane] = second;
        }
        collect();
    }
    template <Size depth, class Add> void add_rest(Size start, Size length, Add add) {
        if constexpr (depth > 0) {
            const bool fits = start + depth * lanes <= length;
            if (fits) add_block<depth>(start, add);
            add_rest<depth / 2>(fits ? start + depth * lanes : start, length, add);
        } else if (start < length) {
            std::fill(&partial[0][0], &partial[0][0] + count * lanes, T(0));
#pragma GCC ivdep
            for (Size i = start; i < length; ++i) {
                T first = 0, second = 0;
                add(i, first, second);
                partial[0][i - start] = first;
                if constexpr (count > 1) partial[1][i - start] = second;
            }
            collect();
        }
    }

    void collect() {
        for (int k = 0; k < count; ++k)
#pragma GCC ivdep
            for (Size i = 0; i < half; ++i) {
                double error = 0;
                const double both = joined(double(partial[k][i]), double(partial[k][i + half]), error);
                sums[k][i] = joined(sums[k][i], both, error);
                if constexpr (carries) errors[k][i] += error;
            }
    }
    template <Size width> void fold() {
        for (int k = 0; k < count; ++k)
#pragma GCC ivdep
            for (Size i = 0; i < width; ++i) {
                double error = 0;
                sums[k][i] = joined(sums[k][i], sums[k][i + width], error);
                if constexpr (carries) errors[k][i] += errors[k][i + width] + error;
            }
        if constexpr (width > 1) fold<width / 2>();
    }
    static double joined(double a, double b, double& error) {
        const double sum = a + b, part = sum - a;
        if constexpr (carries) error += (a - (sum - part)) + (b - part);
        return sum;
    }
};

// Squares beyond these, or sums of them, leave the dtype's range: such rows are gone over again, scaled by a power
// of 2, which rounds nothing.
template <class T> struct Range {
    static constexpr double smallest = sizeof(T) == 4 ? 0x1p-100 : 0x1p-960;
    static constexpr double negligible = sizeof(T) == 4 ? 0x1p-70 : 0x1p-900;  // beside an eps of so much
    static constexpr T scale = sizeof(T) == 4 ? T(0x1p70) : T(0x1p530);
};

// What is known of a row: the mean in two parts, the variance (or the mean square), and 1 / sqrt(variance + eps).
template <class T> struct Moments {
    double centre, offset, variance, rstd;

    template <class Standard> Standard standard() const {
        if constexpr (std::is_same_v<Standard, Scaled<T>>)
            return {T(rstd)};
        else
            return {T(centre), T(offset), T(rstd)};
    }
};

template <bool centred, bool scaled, class T>
[[gnu::flatten]] Moments<T> scaled_moments(const T* x, Size length, double eps, T scale) {
    const double count = double(length);
    const auto value = [=](Size i) {
        if constexpr (scaled)
            return x[i] * scale;
        else
            return x[i];
    };
    T centre = 0;
    double offset = 0, square;
    if constexpr (centred) {
        centre = T(RowSums<1, T>(length, [&](Size i, T& sum, T&) { sum += value(i); }).first() / count);
        const RowSums<2, T> sums(length, [=](Size i, T& distances, T& squares) {
            const T distance = value(i) - centre;
            distances += distance;
            squares = math::fma(distance, distance, squares);
        });
        offset = sums.first() / count;
        square = sums.second() / count - offset * offset;
        square = square < 0 ? 0 : square;
    } else {
        const RowSums<1, T> sums(length, [=](Size i, T& squares, T&) { squares = math::fma(value(i), value(i), squares); });
        square = sums.first() / count;
    }
    const double unit = double(scale);
    return {double(centre) / unit, offset / unit, square / unit / unit, unit / math::sqrt(square + eps * unit * unit)};
}

template <bool centred, class T> Moments<T> moments(const T* x, Size length, double eps) {
    using Bounds = Range<T>;
    const auto found = scaled_moments<centred, false>(x, length, eps, T(1));
    const bool finite = found.variance - found.variance == 0;
    if (finite && (found.variance >= Bounds::smallest || eps >= Bounds::negligible)) [[likely]]
        return found;
    return scaled_moments<centred, true>(x, length, eps, finite ? Bounds::scale : 1 / Bounds::scale);
}

// -- Forward ----------------------------------------------------------------------------------

// body(weighted, biased), as types.
template <class Body> void with_known_weights(bool weighted, bool biased, Body body) {
    using Yes = std::true_type;
    using No = std::false_type;
    if (weighted && biased) return body(Yes(), Yes());
    if (weighted) return body(Yes(), No());
    if (biased) return body(No(), Yes());
    body(No(), No());
}

template <bool weighted, bool biased, class Standard, class T>
[[gnu::flatten, gnu::noinline]] void write_normalized(const T* x, const T* weight, const T* bias, T* out, Size length,
                                                      Standard standard) {
    from_line(out, length, [=](Size start, Size stop) {
#pragma GCC ivdep
#pragma GCC unroll 2
        for (Size i = start; i < stop; ++i) {
            const T value = standard(x[i]);
            if constexpr (weighted && biased)
                out[i] = math::fma(value, weight[i], bias[i]);
            else if constexpr (weighted)
                out[i] = value * weight[i];
            else if constexpr (biased)
                out[i] = value + bias[i];
            else
                out[i] = value;
        }
    });
}

template <class T> void add_residual(const T* x, const T* residual, T* out, Size length) {
#pragma GCC ivdep
    for (Size i = 0; i < length; ++i) out[i] = x[i] + residual[i];
}

template <bool centred, class T> using StandardOf = std::conditional_t<centred, Standard<T>, Scaled<T>>;

// in: x, residual, weight, bias; out: the result, of each row its mean and rstd, x + residual.
template <bool centred, class T> void norm_rows(const Call& call, Size first, Size last) {
    const Size length = call.axis.length;
    const T* residual = input<T>(call, 1);
    const T* weight = input<T>(call, 2);
    const T* bias = input<T>(call, 3);
    double* stats = static_cast<double*>(call.out[1]);
    T* sums = static_cast<T*>(call.out[2]);
    const bool prefetches = prefetches_rows<T>(call.axis, first, last);
    for (Size row = first; row < last; ++row) {
        const Size at = row * length;
        const T* x = input<T>(call, 0) + at;
        T* out = output<T>(call) + at;
        if (prefetches) prefetch(x + length, length);
        if (residual) {
            if (prefetches) prefetch(residual + at + length, length);
            T* sum = sums ? sums + at : out;
            add_residual(x, residual + at, sum, length);
            x = sum;
        }
        const auto found = moments<centred>(x, length, call.parameters[0]);
        const auto standard = found.template standard<StandardOf<centred, T>>();
        with_known_weights(weight, bias, [&](auto weighted, auto biased) {
            write_normalized<weighted.value, biased.value>(x, weight, bias, out, length, standard);
        });
        if (stats) stats[2 * row] = found.centre + found.offset, stats[2 * row + 1] = found.rstd;
    }
}

template <bool centred, Half H> void staged_norm_rows(const Call& call, Size first, Size last) {
    const Scratch<float, longest_half_row> values, residuals;
    each_strip(call.axis, call.place, first, last, [&](const Strip& strip) {
        const Size row = strip.offset / call.axis.length;
        const bool adds = call.in[1];
        strip.read<H>(call.in[0], values);
        if (adds) strip.read<H>(call.in[1], residuals);
        float* sums = adds ? static_cast<float*>(residuals) : nullptr;
        double* stats = call.out[1] ? static_cast<double*>(call.out[1]) + 2 * row : nullptr;
        norm_rows<centred, float>(
            {call.parameters, {values, sums, call.in[2], call.in[3]}, {values, stats, sums}, strip.axis, strip.place}, 0,
            strip.units());
        strip.write<H>(values, call.out[0]);
        if (call.out[2]) strip.write<H>(residuals, call.out[2]);
    });
}

// -- Backward ---------------------------------------------------------------------------------

// Where the sums of a range go: of each position of a row those of dy * value, and of dy.
struct WeightSums {
    double *products, *gradients;
};

template <bool centred, bool weighted, Size rows, class T>
[[gnu::flatten, gnu::noinline]] void write_norm_gradients(const T* dy, const T* x, const T* weight, T* out, Size length,
                                                          const StandardOf<centred, T>* standards, WeightSums sums) {
    using Standard = StandardOf<centred, T>;
    NormGradient<T> gradients[rows];
    Standard standard[rows];
    for (Size row = 0; row < rows; ++row) {
        const T *slopes = dy + row * length, *values = x + row * length;
        const Standard known = standard[row] = standards[row];
        const RowSums<2, T> found(length, [=](Size i, T& mean, T& product) {
            const T gradient = weighted ? slopes[i] * weight[i] : slopes[i];
            if constexpr (centred) mean += gradient;
            product = math::fma(gradient, known(values[i]), product);
        });
        gradients[row] = {centred ? T(found.first() / double(length)) : T(0), T(found.second() / double(length)), known.rstd};
    }
    const auto write = [=](Size i, T& product, T& total) {
        each(Known<rows>(), [&](Size row) {
            const Size at = row * length + i;
            const T slope = dy[at], value = standard[row](x[at]);
            out[at] = gradients[row](weighted ? slope * weight[i] : slope, value);
            product = math::fma(slope, value, product);
            total += slope;
        });
    };
    if (sums.products)
#pragma GCC ivdep
        for (Size i = 0; i < length; ++i) {
            T product = 0, total = 0;
            write(i, product, total);
            sums.products[i] += double(product);
            if constexpr (centred) sums.gradients[i] += double(total);
        }
    else
#pragma GCC ivdep
        for (Size i = 0; i < length; ++i) {
            T product = 0, total = 0;
            write(i, product, total);
        }
}

// `stats` has the mean and rstd of each row, or is null: then they are found again.
template <bool centred, class T>
void norm_gradient_rows(const T* dy, const T* x, const T* weight, const double* stats, T* out, Size rows, Size length,
                        double eps, WeightSums sums) {
    using Standard = StandardOf<centred, T>;
    const auto some = [&](auto count, Size row) {
        constexpr Size together = decltype(count)::value;
        const Size at = row * length;
        Standard standards[together];
        for (Size k = 0; k < together; ++k)
            standards[k] = stats ? Standard::of(stats[2 * (row + k)], stats[2 * (row + k) + 1])
                                 : moments<centred>(x + at + k * length, length, eps).template standard<Standard>();
        if (weight)
            write_norm_gradients<centred, true, together>(dy + at, x + at, weight, out + at, length, standards, sums);
        else
            write_norm_gradients<centred, false, together>(dy + at, x + at, weight, out + at, length, standards, sums);
    };
    Size row = 0;
    for (; row + rows_at_once <= rows; row += rows_at_once) some(Known<rows_at_once>(), row);
    for (; row < rows; ++row) some(Known<1>(), row);
}

// in: dy, x, weight, the mean and rstd of each row; out: dx, of each range the sums of weight and bias, or null.
// body(row, rows, sums) for ranges first..last.
template <bool centred, class Body> void each_range(const Call& call, Size first, Size last, Body body) {
    const Size length = call.axis.length, columns = centred ? 2 * length : length;
    double* partial = static_cast<double*>(call.out[1]);
    for (Size unit = first; unit < last; ++unit) {
        const Size row = unit * call.group;
        double* products = partial ? partial + unit * columns : nullptr;
        if (partial) std::fill_n(products, columns, 0.0);
        body(row, std::min(call.group, call.axis.outer - row), WeightSums{products, partial ? products + length : nullptr});
    }
}

template <bool centred, class T> void norm_rows_backward(const Call& call, Size first, Size last) {
    const Size length = call.axis.length;
    const double* stats = input<double>(call, 3);
    each_range<centred>(call, first, last, [&](Size row, Size rows, WeightSums sums) {
        const Size at = row * length;
        norm_gradient_rows<centred>(input<T>(call, 0) + at, input<T>(call, 1) + at, input<T>(call, 2),
                                    stats ? stats + 2 * row : nullptr, output<T>(call) + at, rows, length,
                                    call.parameters[0], sums);
    });
}

template <bool centred, Half H> void staged_norm_rows_backward(const Call& call, Size first, Size last) {
    const Size length = call.axis.length, fit = longest_half_row / length;
    const Size most = fit < rows_at_once ? 1 : fit / rows_at_once * rows_at_once;
    const double* stats = input<double>(call, 3);
    const Scratch<float, longest_half_row> gradients, values;
    each_range<centred>(call, first, last, [&](Size row, Size rows, WeightSums sums) {
        for (Size end = row + rows, some; row < end; row += some) {
            some = std::min(most, end - row);
            const Size at = row * length, size = some * length;
            widen(input<H>(call, 0) + at, gradients, size);
            widen(input<H>(call, 1) + at, values, size);
            norm_gradient_rows<centred, float>(gradients, values, input<float>(call, 2), stats ? stats + 2 * row : nullptr,
                                               gradients, some, length, call.parameters[0], sums);
            narrow<H>(gradients, output<H>(call) + at, size);
        }
    });
}

}  // namespace fastact
