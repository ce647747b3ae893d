// Norms of rows, one after another in memory: forward a row at a time, which comes from memory once and from a
// cache for the passes after the first; backward the rows of a range, with the sums of their weights' gradients.
//
// The squares are summed as distances from a centre, together with the distances, whose mean corrects both (Chan,
// Golub, LeVeque 1983). Any centre does that is no further from the mean than the spread: that of a few elements mostly
// is, and otherwise the sums give a better one and are made again. Where one pass over the squares of 1e4 + noise keeps
// no digit of the variance in float32, this loses a bit at most.
#pragma once

#include <algorithm>
#include <cstdint>
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
template <int count, class T> class NormSums {
  public:
    template <class Add> NormSums(Size length, Add add) {
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

// The mean of a few elements all over the row: mostly a quarter of the spread from its mean, and read at once.
template <class Value> auto sampled_mean(Size length, Value value) {
    constexpr Size most = 16;
    const Size count = std::min(most, length), step = length / count;
    decltype(value(0)) sums[4] = {};
    for (Size k = 0; k < count; ++k) sums[k % 4] += value(k * step);
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) / decltype(value(0))(count);
}

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
        centre = sampled_mean(length, value);
        for (bool again = true;; again = false) {
            const NormSums<2, T> sums(length, [=](Size i, T& distances, T& squares) {
                const T distance = value(i) - centre;
                distances += distance;
                squares = math::fma(distance, distance, squares);
            });
            offset = sums.first() / count;
            square = sums.second() / count - offset * offset;
            if (!(again && offset * offset > square)) [[likely]]
                break;
            centre = T(double(centre) + offset);
        }
        square = square < 0 ? 0 : square;
    } else {
        const NormSums<1, T> sums(length, [=](Size i, T& squares, T&) {
            squares = math::fma(value(i), value(i), squares);
        });
        square = sums.first() / count;
    }
    if constexpr (!scaled) return {double(centre), offset, square, 1 / math::sqrt(square + eps)};
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
// A few rows are summed before the first is written: what comes of the sums, a root among it, takes as long as a row of
// some hundred elements, and so the processor goes on with the next one's meanwhile.
template <bool centred, class T> void norm_rows(const Call& call, Size first, Size last) {
    using Standard = StandardOf<centred, T>;
    const Size length = call.axis.length;
    const T* residual = input<T>(call, 1);
    const T* weight = input<T>(call, 2);
    const T* bias = input<T>(call, 3);
    T* sums = residual && call.out[2] ? static_cast<T*>(call.out[2]) : output<T>(call);
    double* stats = static_cast<double*>(call.out[1]);
    const bool prefetches = prefetches_rows<T>(call.axis, first, last);
    for (Size begin = first, end; begin < last; begin = end) {
        end = std::min(begin + (length <= 1024 ? rows_at_once : 1), last);
        Standard standards[rows_at_once];
        for (Size row = begin; row < end; ++row) {
            const Size at = row * length;
            const T* x = input<T>(call, 0) + at;
            if (prefetches) prefetch(x + length, length);
            if (residual) {
                if (prefetches) prefetch(residual + at + length, length);
                add_residual(x, residual + at, sums + at, length);
                x = sums + at;
            }
            const auto found = moments<centred>(x, length, call.parameters[0]);
            standards[row - begin] = found.template standard<Standard>();
            if (stats) stats[2 * row] = found.centre + found.offset, stats[2 * row + 1] = found.rstd;
        }
        const T* from = residual ? sums : input<T>(call, 0);
        with_known_weights(weight, bias, [&](auto weighted, auto biased) {
            for (Size row = begin; row < end; ++row)
                write_normalized<weighted.value, biased.value>(from + row * length, weight, bias,
                                                               output<T>(call) + row * length, length,
                                                               standards[row - begin]);
        });
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
            {call.parameters, {values, sums, call.in[2], call.in[3]}, {values, stats, sums}, strip.axis, strip.place},
            0, strip.units());
        strip.write<H>(values, call.out[0]);
        if (call.out[2]) strip.write<H>(residuals, call.out[2]);
    });
}

// -- Backward ---------------------------------------------------------------------------------

// Where the sums of a range go: of each position of a row those of dy * value, and of dy.
struct WeightSums {
    double *products, *gradients;
};

// What the mean and the spread take back of a row's gradient.
template <bool centred, bool weighted, class T>
[[gnu::flatten, gnu::noinline]] NormGradient<T> norm_gradient(const T* dy, const T* x, const T* weight, Size length,
                                                              StandardOf<centred, T> standard) {
    const auto gradient = [=](Size i) { return weighted ? dy[i] * weight[i] : dy[i]; };
    const double count = double(length);
    if constexpr (centred) {
        const NormSums<2, T> sums(length, [=](Size i, T& mean, T& product) {
            mean += gradient(i);
            product = math::fma(gradient(i), standard(x[i]), product);
        });
        return {T(sums.first() / count), T(sums.second() / count), standard.rstd};
    } else {
        const NormSums<1, T> sums(length, [=](Size i, T& product, T&) {
            product = math::fma(gradient(i), standard(x[i]), product);
        });
        return {T(0), T(sums.first() / count), standard.rstd};
    }
}

// The gradient of x; and, of some rows, what they have for those of the weights: set by the first, added to by others.
enum class Adds { nothing, first, further };
template <bool weighted, Adds adds, class Standard, class T>
[[gnu::flatten, gnu::noinline]] void write_norm_gradient(const T* dy, const T* x, const T* weight, T* out, Size length,
                                                         Standard standard, NormGradient<T> gradient, T* products,
                                                         T* totals) {
#pragma GCC ivdep
    for (Size i = 0; i < length; ++i) {
        const T slope = dy[i], value = standard(x[i]);
        out[i] = gradient(weighted ? slope * weight[i] : slope, value);
        if constexpr (adds == Adds::first) products[i] = slope * value, totals[i] = slope;
        if constexpr (adds == Adds::further) products[i] = math::fma(slope, value, products[i]), totals[i] += slope;
    }
}

template <class T> void add_to(double* sums, const T* terms, Size count) {
#pragma GCC ivdep
    for (Size i = 0; i < count; ++i) sums[i] += double(terms[i]);
}

// `rows_at_once` rows or fewer.
template <bool centred, bool weighted, class T>
void norm_gradient_rows_at_once(const T* dy, const T* x, const T* weight, const double* stats, T* out, Size rows,
                                Size length, double eps, WeightSums sums) {
    using Standard = StandardOf<centred, T>;
    // Away from the output, and from each other, by what is no multiple of 4 KiB: a load is taken for one of what has
    // been stored at such a distance, and waits for it.
    constexpr Size room = 1024, page = 4096, quarter = page / 4 / Size(sizeof(T));
    const Scratch<T, 2 * room + 5 * quarter> memory;
    const auto beside = std::uintptr_t(out) + page / 2 - std::uintptr_t(static_cast<T*>(memory));
    T* const products = memory + Size(beside % page / line * line / sizeof(T));
    T* const totals = products + room + quarter;
    Standard standards[rows_at_once];
    NormGradient<T> gradients[rows_at_once];
    const auto find = [&](Size row) {
        const Size at = row * length;
        standards[row] = stats ? Standard::of(stats[2 * row], stats[2 * row + 1])
                               : moments<centred>(x + at, length, eps).template standard<Standard>();
        gradients[row] = norm_gradient<centred, weighted>(dy + at, x + at, weight, length, standards[row]);
    };
    // What fits is written while it is in the cache closest by.
    const bool at_once = length <= room;
    for (Size row = 0; row < rows && !at_once; ++row) find(row);
    for (Size start = 0; start < length; start += room) {
        const Size count = std::min(room, length - start);
        for (Size row = 0; row < rows; ++row) {
            const Size at = row * length + start;
            const auto write = [&](auto adds) {
                write_norm_gradient<weighted, decltype(adds)::value>(
                    dy + at, x + at, weight + (weighted ? start : 0), out + at, count, standards[row], gradients[row],
                    products, totals);
            };
            if (at_once) find(row);
            if (!sums.products)
                write(std::integral_constant<Adds, Adds::nothing>());
            else if (row == 0)
                write(std::integral_constant<Adds, Adds::first>());
            else
                write(std::integral_constant<Adds, Adds::further>());
        }
        if (!sums.products) continue;
        add_to(sums.products + start, products, count);
        if constexpr (centred) add_to(sums.gradients + start, totals, count);
    }
}

// `stats` has the mean and rstd of each row, or is null: then they are found again.
template <bool centred, class T>
void norm_gradient_rows(const T* dy, const T* x, const T* weight, const double* stats, T* out, Size rows, Size length,
                        double eps, WeightSums sums) {
    for (Size row = 0; row < rows; row += rows_at_once) {
        const Size at = row * length, count = std::min(rows_at_once, rows - row);
        const double* known = stats ? stats + 2 * row : nullptr;
        const auto some = weight ? norm_gradient_rows_at_once<centred, true, T>
                                 : norm_gradient_rows_at_once<centred, false, T>;
        some(dy + at, x + at, weight, known, out + at, count, length, eps, sums);
    }
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
        const WeightSums sums{products, partial ? products + length : nullptr};
        body(row, std::min(call.group, call.axis.outer - row), sums);
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
            norm_gradient_rows<centred, float>(gradients, values, input<float>(call, 2),
                                               stats ? stats + 2 * row : nullptr, gradients, some, length,
                                               call.parameters[0], sums);
            narrow<H>(gradients, output<H>(call) + at, size);
        }
    });
}

}  // namespace fastact
