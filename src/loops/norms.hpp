// Norms of rows, one after another in memory: forward a row at a time, which comes from memory once and from a
// cache for the passes after the first; backward the rows of a range, with the sums of their weights' gradients.
//
// The squares are summed as distances from a centre, together with the distances, whose mean corrects both (Chan,
// Golub, LeVeque 1983). Any centre does that is no further from the mean than the spread: that of a few elements mostly
// is, and otherwise the sums give a better one and are made again. Where one pass over the squares of 1e4 + noise keeps
// no digit of the variance in float32, this loses a bit at most.
#pragma once

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

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

// One or two sums over a row in one go, or over several pieces. from(start)(i, first, second) adds what element
// start + i has to each: an index with both in it gcc takes apart, and keeps an address for each of a turn's loads.
// Up to `most_links` times `chain` elements of a lane are added in the dtype's own precision, `chain` of them one after
// another, in registers; what these come to is added in float64, that of float64 with what it loses in rounding. So the
// error does not grow with the row.
template <int count, class T> class NormSums {
  public:
    NormSums() = default;
    template <class From> NormSums(Size length, From from) {
        include(length, from);
        finish();
    }
    template <class From> void include(Size length, From from) {
        constexpr Size link = chain * lanes;
        Size start = 0;
        for (Size links; start + link <= length; start += links * link) {
            links = std::min((length - start) / link, most_links);
            add_block<chain>(start, links, from);
        }
        add_rest<chain / 2>(start, length, from);
    }
    // After the last piece.
    void finish() { fold<half / 2>(); }
    Finer<T> first() const { return sum(0); }
    Finer<T> second() const { return sum(count - 1); }

  private:
    static constexpr Size chain = 8, most_links = 4, half = lanes / 2;
    static constexpr Size vector = std::min(width * 4 / Size(sizeof(T)), lanes);
    static constexpr bool carries = sizeof(T) == 8;

    alignas(line) T partial[count][lanes];
    alignas(line) double sums[count][half] = {};
    alignas(line) double errors[count][carries ? half : 1] = {};

    Finer<T> sum(int k) const {
        if constexpr (carries)
            return {sums[k][0], errors[k][0]};
        else
            return sums[k][0];
    }

    // `links` times `pieces` elements of each lane, a vector of lanes at a time: no loop is left in which each load has
    // a pointer of its own.
    template <Size pieces, class From> void add_block(Size start, Size links, From from) {
        constexpr bool linked = pieces == chain;
        if (linked) std::fill(&partial[0][0], &partial[0][0] + count * lanes, T(0));
        for (Size link = 0; link < links; ++link)
            for (Size lane = 0; lane < lanes; lane += vector) {
                const auto add = from(start + link * pieces * lanes + lane);
#pragma GCC ivdep
                for (Size i = 0; i < vector; ++i) {
                    T first = 0, second = 0;
                    each(Known<pieces>(), [&](Size piece) { add(piece * lanes + i, first, second); });
                    partial[0][lane + i] = linked ? partial[0][lane + i] + first : first;
                    if constexpr (count > 1) partial[1][lane + i] = linked ? partial[1][lane + i] + second : second;
                }
            }
        collect();
    }
    template <Size pieces, class From> void add_rest(Size start, Size length, From from) {
        if constexpr (pieces > 0) {
            const bool fits = start + pieces * lanes <= length;
            if (fits) add_block<pieces>(start, 1, from);
            add_rest<pieces / 2>(fits ? start + pieces * lanes : start, length, from);
        } else if (start < length) {
            std::fill(&partial[0][0], &partial[0][0] + count * lanes, T(0));
            const auto add = from(start);
#pragma GCC ivdep
            for (Size i = 0; i < length - start; ++i) {
                T first = 0, second = 0;
                add(i, first, second);
                partial[0][i] = first;
                if constexpr (count > 1) partial[1][i] = second;
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

// The elements of a row: as they are, multiplied with a power of 2, or the sums with a residual, which are written.
// What `sample` looks at, nothing is written of.
template <class T> struct AsTheyAre {
    const T* x;
    AsTheyAre from(Size start) const { return {x + start}; }
    T operator()(Size i) const { return x[i]; }
    T sample(Size i) const { return x[i]; }
};
template <class T> struct AtScale {
    const T* x;
    T scale;
    AtScale from(Size start) const { return {x + start, scale}; }
    T operator()(Size i) const { return x[i] * scale; }
    T sample(Size i) const { return x[i] * scale; }
};
template <class T> struct WithResidual {
    const T *x, *residual;
    T* sums;
    WithResidual from(Size start) const { return {x + start, residual + start, sums + start}; }
    T operator()(Size i) const { return sums[i] = sample(i); }
    T sample(Size i) const { return x[i] + residual[i]; }
};

// The sums of distances from a centre and of their squares, or of the squares of the elements.
template <class T> struct SquareSums {
    Finer<T> distances, squares;
};
template <bool centred, class T, class Value>
[[gnu::flatten, gnu::noinline]] SquareSums<T> square_sums(Size length, T centre, Value value) {
    if constexpr (centred) {
        const NormSums<2, T> sums(length, [=](Size start) {
            return [value = value.from(start), centre](Size i, T& distances, T& squares) {
                const T distance = value(i) - centre;
                distances += distance;
                squares = math::fma(distance, distance, squares);
            };
        });
        return {sums.first(), sums.second()};
    } else {
        const NormSums<1, T> sums(length, [=](Size start) {
            return [value = value.from(start)](Size i, T& squares, T&) {
                const T element = value(i);
                squares = math::fma(element, element, squares);
            };
        });
        return {Finer<T>{0}, sums.first()};
    }
}

// A row: what its distances are taken from, and their sums.
template <class T> struct SummedRow {
    T centre{};
    SquareSums<T> sums;
};

// Of x, or of the sums of x and a residual, which are written.
template <bool centred, class T>
SummedRow<T> summed_row(const T* x, Size length, const T* residual = nullptr, T* summed = nullptr) {
    SummedRow<T> row;
    const auto begin = [&](auto elements) {
        if constexpr (centred) row.centre = sampled_mean<T>(length, [=](Size i) { return elements.sample(i); });
        row.sums = square_sums<centred>(length, row.centre, elements);
    };
    if (residual)
        begin(WithResidual<T>{x, residual, summed});
    else
        begin(AsTheyAre<T>{x});
    return row;
}

// What is known of a row x by its sums, which are made again where they do not do.
template <bool centred, class T> Moments<T> moments_of(SummedRow<T> row, const T* x, Size length, double eps) {
    Centre<T> centre{row.centre};
    Moments<T> found;
    while (centre.moves(row.sums.distances, row.sums.squares, double(length), eps, found)) [[unlikely]]
        row.sums = square_sums<centred>(length, centre.at, AtScale<T>{x, centre.scale});
    return found;
}
template <bool centred, class T> Moments<T> moments(const T* x, Size length, double eps) {
    return moments_of<centred>(summed_row<centred>(x, length), x, length, eps);
}

// Rows that are summed before the first of them is written: some that the first cache holds.
inline constexpr Size short_norm = 128;
inline Size rows_together(Size length) { return length <= short_norm ? 8 : length <= 1024 ? 4 : 1; }

// Rows of which what is known is found together, in vectors: it takes as long as the sums of some hundred elements.
template <class T> class FewRows {
  public:
    static constexpr Size most = 8;

    void add(const SummedRow<T>& row) { rows[count] = row, count += 1; }
    // found[k] of row k of those at x.
    template <bool centred> void find(Size length, double eps, const T* x, Moments<T>* found) const {
        if (count == 0) return;
        alignas(line) Finer<T> distances[most] = {}, squares[most] = {}, offsets[most], variances[most], rstds[most];
        alignas(line) double plain[most];
        for (Size k = 0; k < count; ++k) distances[k] = rows[k].sums.distances, squares[k] = rows[k].sums.squares;
#pragma GCC ivdep
        for (Size k = 0; k < most; ++k) {
            const Spread<T> spread(distances[k], squares[k], double(length), eps);
            offsets[k] = spread.offset, variances[k] = spread.variance, rstds[k] = spread.rstd;
            plain[k] = spread.holds(eps) ? 1 : 0;
        }
        for (Size k = 0; k < count; ++k)
            found[k] = plain[k] != 0 ? Moments<T>{double(rows[k].centre), offsets[k], variances[k], rstds[k]}
                                     : moments_of<centred>(rows[k], x + k * length, length, eps);
    }

  private:
    SummedRow<T> rows[most];
    Size count = 0;
};

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

// body(start, stop) for rows of an output that begin here, as `from_line`, or in blocks that are to go past the
// caches. It is called at one place, as it holds a formula.
template <class T, class Body> void each_block_of_row(T* out, Size length, bool streams, Body body) {
    const Size lead = streams || length >= block ? to_next_line(out) : 0, span = streams ? block : length;
    for (Size start = 0, stop = std::min(lead ? lead : span, length); start < length;
         start = stop, stop = std::min(stop + span, length))
        body(start, stop);
}

template <bool weighted, bool biased, class Standard, class T>
[[gnu::flatten, gnu::noinline]] void write_normalized(const T* x, const T* weight, const T* bias, T* out, Size length,
                                                      bool streams, Standard standard) {
    alignas(line) T buffer[block];
    each_block_of_row(out, length, streams, [=, &buffer](Size start, Size stop) {
        T* const to = streams ? buffer : out + start;
#pragma GCC ivdep
#pragma GCC unroll 2
        for (Size i = start; i < stop; ++i) {
            const T value = standard(x[i]);
            if constexpr (weighted && biased)
                to[i - start] = math::fma(value, weight[i], bias[i]);
            else if constexpr (weighted)
                to[i - start] = value * weight[i];
            else if constexpr (biased)
                to[i - start] = value + bias[i];
            else
                to[i - start] = value;
        }
        if (streams) stream(buffer, out + start, stop - start);
    });
}

// Whether rows are asked for one ahead: of more than the second cache has, several of which fit into the first.
template <class T> bool asks_ahead(Size length, Size bytes) {
    return bytes > 1 << 20 && length * Size(sizeof(T)) <= 1 << 13;
}

// How the rows of an array are gone through, whoever works on which of them: those of a cache are asked for, too.
template <class T> Passing passing_of(const Call& call, bool in_place) {
    const Size bytes = call.axis.outer * call.axis.length * Size(sizeof(T));
    const bool asks = asks_ahead<T>(call.axis.length, bytes) && (bytes <= cached || call.passing.asks);
    return {asks, call.passing.streams && !in_place};
}

template <bool centred, class T> using StandardOf = std::conditional_t<centred, Standard<T>, Scaled<T>>;

// Of a row whose spread is beyond what the dtype divides by: the row and what is known of it at another scale.
template <class T>
[[gnu::noinline, gnu::cold]] Moments<T> brought_to_scale(const T* x, T* out, Size length, Moments<T> found) {
    const T scale = math::value(found.rstd) > 1 ? Range<T>::up : Range<T>::down;
    for (Size i = 0; i < length; ++i) out[i] = x[i] * scale;
    return found.scaled(double(scale));
}

// in: x, residual, weight, bias; out: the result, of each row its mean and rstd, x + residual.
// A few rows are summed before the first is written, so that they are in the first cache where that is done.
template <bool centred, class T> void norm_rows(const Call& call, Size first, Size last) {
    using Standard = StandardOf<centred, T>;
    const Size length = call.axis.length, together = rows_together(length);
    const double eps = call.parameters[0];
    const T* residual = input<T>(call, 1);
    const T* weight = input<T>(call, 2);
    const T* bias = input<T>(call, 3);
    T* const out = output<T>(call);
    T* const sums = residual && call.out[2] ? static_cast<T*>(call.out[2]) : out;
    double* stats = static_cast<double*>(call.out[1]);
    const auto passing = passing_of<T>(call, out == call.in[0] || residual);
    const T* const summed = residual ? sums : input<T>(call, 0);
    // What is known of longer rows, and of those that come from memory, there is time for between them.
    const bool at_once = passing.asks || length > short_norm;
    for (Size begin = first, end; begin < last; begin = end) {
        end = std::min(begin + together, last);
        FewRows<T> rows;
        Moments<T> found[FewRows<T>::most];
        for (Size row = begin; row < end; ++row) {
            const Size at = row * length;
            const T* x = input<T>(call, 0) + at;
            if (passing.asks) prefetch(x + length, length);
            if (passing.asks && residual) prefetch(residual + at + length, length);
            const auto one = residual ? summed_row<centred>(x, length, residual + at, sums + at)
                                      : summed_row<centred>(x, length);
            if (at_once)
                found[row - begin] = moments_of<centred>(one, summed + at, length, eps);
            else
                rows.add(one);
        }
        rows.template find<centred>(length, eps, summed + begin * length, found);
        Standard standards[FewRows<T>::most];
        const T* from[FewRows<T>::most];
        for (Size row = begin; row < end; ++row) {
            const Size k = row - begin;
            if (stats) stats[2 * row] = found[k].mean(), stats[2 * row + 1] = math::value(found[k].rstd);
            from[k] = summed + row * length;
            if (!Range<T>::divides(math::value(found[k].rstd))) [[unlikely]] {
                found[k] = brought_to_scale(from[k], out + row * length, length, found[k]);
                from[k] = out + row * length;
            }
            standards[k] = Standard::around(T(found[k].centre), found[k].offset, found[k].rstd);
        }
        with_known_weights(weight, bias, [&](auto weighted, auto biased) {
            for (Size row = begin; row < end; ++row)
                write_normalized<weighted.value, biased.value>(from[row - begin], weight, bias, out + row * length,
                                                               length, passing.streams, standards[row - begin]);
        });
    }
    if (passing.streams) end_of_stream();
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

// Two sums of each position of a row, or of each channel, and what they lose.
template <class T> struct PairedSums {
    double *first, *second, *lost_first, *lost_second;

    // Of float64; float32 loses nothing in float64 that is worth a mention.
    static constexpr bool twofold = sizeof(T) == 8;

    template <bool both = true> void add(Size i, double one, double other) const {
        join(first, lost_first, i, one);
        if constexpr (both) join(second, lost_second, i, other);
    }
    PairedSums from(Size start) const {
        return {first + start, second + start, twofold ? lost_first + start : nullptr,
                twofold ? lost_second + start : nullptr};
    }
    // In memory one after another, `length` numbers each.
    static PairedSums at(double* sums, Size length, Size columns) {
        return {sums, sums + length, sums + columns, sums + columns + length};
    }

  private:
    static void join(double* sums, double* lost, Size i, double term) {
        const double before = sums[i], sum = before + term, part = sum - before;
        if constexpr (twofold) lost[i] += (before - (sum - part)) + (term - part);
        sums[i] = sum;
    }
};

template <bool centred, class T> using DistanceOf = std::conditional_t<centred, Distance<T>, Length<T>>;

// What is known of a row where its gradient is written.
template <class Distance, class T> struct RowGradient {
    Distance distance;
    T share, rest;
    NormGradient<T> gradient;

    T value(T distance) const { return math::fma(distance, share, rest); }
};

// What the mean and the spread take back of a row's gradient.
template <bool centred, bool weighted, class T>
[[gnu::flatten, gnu::noinline]] NormGradient<T> norm_gradient(const T* dy, const T* x, const T* weight, Size length,
                                                              Finer<T> rstd, const Share<T>& share,
                                                              DistanceOf<centred, T> distance) {
    const auto elements = [=](Size start) {
        return [dy = dy + start, x = x + start, weight = weighted ? weight + start : nullptr, distance](Size i) {
            return std::pair(weighted ? dy[i] * weight[i] : dy[i], distance(x[i]));
        };
    };
    const Finer<T> count{double(length)};
    if constexpr (centred) {
        const NormSums<2, T> sums(length, [=](Size start) {
            return [element = elements(start)](Size i, T& mean, T& product) {
                const auto [slope, distance] = element(i);
                mean += slope;
                product = math::fma(slope, distance, product);
            };
        });
        const Finer<T> mean = sums.first() / count;
        return NormGradient<T>::of(mean, share.value(sums.second() / count, mean), rstd, share);
    } else {
        const NormSums<1, T> sums(length, [=](Size start) {
            return [element = elements(start)](Size i, T& product, T&) {
                const auto [slope, distance] = element(i);
                product = math::fma(slope, distance, product);
            };
        });
        const Finer<T> none{0};
        return NormGradient<T>::of(none, share.value(sums.first() / count, none), rstd, share);
    }
}

template <bool weighted, class Row, class T>
[[gnu::flatten, gnu::noinline]] void write_norm_gradient(const T* dy, const T* x, const T* weight, T* out, Size length,
                                                         Row row) {
    from_line(out, length, [=](Size start, Size stop) {
#pragma GCC ivdep
        for (Size i = start; i < stop; ++i)
            out[i] = row.gradient(weighted ? dy[i] * weight[i] : dy[i], row.distance(x[i]));
    });
}

// So many rows, or fewer: for each of these, sums of float64 are read and written.
template <class T> inline constexpr Size gradients_at_once = sizeof(T) == 4 ? rows_at_once : rows_at_once / 2;
// As many as fit into the buffer of long rows of half precision, and the rest of a bundle.
inline constexpr Size few_gradients = 4;

// Of so many rows, and what they have together for the gradients of the weights. Of all rows an element is read before
// one is written: rows may lie a multiple of 4 KiB apart, and a load is taken for one of what has just been stored at
// such a distance, and waits for it. Eight rows are summed in two parts, so that they err by little more than four.
template <bool centred, bool weighted, class Rows, class Row, class T>
[[gnu::flatten, gnu::noinline]] void write_norm_gradients(Rows rows, const T* dy, const T* x, const T* weight, T* out,
                                                          Size length, bool streams, const Row* known,
                                                          PairedSums<T> sums) {
    std::array<Row, Rows::value> row;
    std::copy_n(known, Rows::value, row.begin());
    alignas(line) T buffer[Rows::value * block];
    each_block_of_row(out, length, streams, [=, &buffer](Size start, Size stop) {
        T* const to = streams ? buffer - start : out;
        const Size step = streams ? block : length;
#pragma GCC ivdep
        for (Size i = start; i < stop; ++i) {
            T products[2] = {}, totals[2] = {}, results[Rows::value];
            each(rows, [&](Size k) {
                const T slope = dy[k * length + i], distance = row[k].distance(x[k * length + i]);
                const bool later = k >= few_gradients;
                results[k] = row[k].gradient(weighted ? slope * weight[i] : slope, distance);
                products[later] = math::fma(slope, row[k].value(distance), products[later]), totals[later] += slope;
            });
            sums.template add<centred>(i, double(products[0] + products[1]), double(totals[0] + totals[1]));
            each(rows, [&](Size k) { to[k * step + i] = results[k]; });
        }
        if (streams) each(rows, [&](Size k) { stream(buffer + k * block, out + k * length + start, stop - start); });
    });
}

template <bool centred, bool weighted, class T>
void norm_gradient_rows_at_once(const T* dy, const T* x, const T* weight, const double* stats, T* out, Size rows,
                                Size length, double eps, Passing passing, PairedSums<T> sums) {
    RowGradient<DistanceOf<centred, T>, T> known[gradients_at_once<T>];
    for (Size row = 0; row < rows; ++row) {
        const Size at = row * length;
        if (passing.asks) prefetch(dy + at + length, length), prefetch(x + at + length, length);
        double mean, lost = 0;
        Finer<T> rstd;
        if (stats) {
            mean = stats[2 * row], rstd = Finer<T>{stats[2 * row + 1]};
        } else {
            const Moments<T> found = moments<centred>(x + at, length, eps);
            mean = found.mean(), lost = found.lost(), rstd = found.rstd;
        }
        const T high = T(mean);
        const auto share = Share<T>::of(Finer<T>{centred ? (mean - double(high)) + lost : 0}, rstd);
        known[row] = {{high, T(share.unit)}, T(math::value(share.share)), T(math::value(share.rest)), {}};
        known[row].gradient =
            norm_gradient<centred, weighted>(dy + at, x + at, weight, length, rstd, share, known[row].distance);
        if (!sums.first) write_norm_gradient<weighted>(dy + at, x + at, weight, out + at, length, known[row]);
    }
    if (!sums.first) return;
    if (rows == gradients_at_once<T>)
        return write_norm_gradients<centred, weighted>(Known<gradients_at_once<T>>(), dy, x, weight, out, length,
                                                             passing.streams, known, sums);
    const auto write = [&](auto some, Size row) {
        const Size at = row * length;
        write_norm_gradients<centred, weighted>(some, dy + at, x + at, weight, out + at, length, passing.streams,
                                                known + row, sums);
        return row + some;
    };
    Size row = 0;
    if constexpr (few_gradients < gradients_at_once<T>)
        if (rows >= few_gradients) row = write(Known<few_gradients>(), row);
    while (row < rows) row = write(Known<1>(), row);
}

// `stats` has the mean and rstd of each row, or is null: then they are found again.
template <bool centred, class T>
void norm_gradient_rows(const T* dy, const T* x, const T* weight, const double* stats, T* out, Size rows, Size length,
                        double eps, Passing passing, PairedSums<T> sums) {
    for (Size row = 0; row < rows; row += gradients_at_once<T>) {
        const Size at = row * length, count = std::min(gradients_at_once<T>, rows - row);
        const double* known = stats ? stats + 2 * row : nullptr;
        const auto some = weight ? norm_gradient_rows_at_once<centred, true, T>
                                 : norm_gradient_rows_at_once<centred, false, T>;
        some(dy + at, x + at, weight, known, out + at, count, length, eps, passing, sums);
    }
}

// in: dy, x, weight, the mean and rstd of each row; out: dx, of each range the sums for weight and bias, to which its
// rows are added, or null. body(row, rows, sums) for ranges first..last.
template <bool centred, class T, class Body> void each_range(const Call& call, Size first, Size last, Body body) {
    using Sums = PairedSums<T>;
    const Size length = call.axis.length, columns = centred ? 2 * length : length;
    double* partial = static_cast<double*>(call.out[1]);
    for (Size unit = first; unit < last; ++unit) {
        const Size row = unit * call.group;
        double* sums = partial ? partial + unit * (Sums::twofold ? 2 : 1) * columns : nullptr;
        body(row, std::min(call.group, call.axis.outer - row), sums ? Sums::at(sums, length, columns) : Sums{});
    }
}

template <bool centred, class T> void norm_rows_backward(const Call& call, Size first, Size last) {
    const Size length = call.axis.length;
    const double* stats = input<double>(call, 3);
    const auto passing = passing_of<T>(call, call.out[0] == call.in[0] || call.out[0] == call.in[1]);
    each_range<centred, T>(call, first, last, [&](Size row, Size rows, PairedSums<T> sums) {
        const Size at = row * length;
        norm_gradient_rows<centred>(input<T>(call, 0) + at, input<T>(call, 1) + at, input<T>(call, 2),
                                    stats ? stats + 2 * row : nullptr, output<T>(call) + at, rows, length,
                                    call.parameters[0], passing, sums);
    });
    if (passing.streams) end_of_stream();
}

template <bool centred, Half H> void staged_norm_rows_backward(const Call& call, Size first, Size last) {
    const Size length = call.axis.length, fit = longest_half_row / length;
    const Size whole = fit / rows_at_once * rows_at_once;
    const Size most = whole ? whole : fit >= few_gradients ? few_gradients : 1;
    const double* stats = input<double>(call, 3);
    const Scratch<float, longest_half_row> gradients, values;
    each_range<centred, float>(call, first, last, [&](Size row, Size rows, PairedSums<float> sums) {
        for (Size end = row + rows, some; row < end; row += some) {
            some = std::min(most, end - row);
            const Size at = row * length, size = some * length;
            widen(input<H>(call, 0) + at, gradients, size);
            widen(input<H>(call, 1) + at, values, size);
            norm_gradient_rows<centred, float>(gradients, values, input<float>(call, 2),
                                               stats ? stats + 2 * row : nullptr, gradients, some, length,
                                               call.parameters[0], {}, sums);
            narrow<H>(gradients, output<H>(call) + at, size);
        }
    });
}

}  // namespace fastact
