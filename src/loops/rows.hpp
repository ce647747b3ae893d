// The loops of rows: the softmax family, whose formulas differ by a small struct each.
//
// A forward formula finds the largest logit of a row, sums a term of each element and
// makes its results of the two; sparsemax looks for a threshold instead. A backward one
// sums a term of dy and y, and makes its results of that. Everything is reduced in one
// association (sums.hpp), so a row has the same bits alone, beside others in memory,
// transposed in a buffer, and shared among threads.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "call.hpp"
#include "formulas/rows.hpp"
#include "loops/blocks.hpp"
#include "loops/folds.hpp"
#include "loops/lines.hpp"
#include "loops/scratch.hpp"
#include "loops/sums.hpp"
#include "math/bits.hpp"
#include "math/exp.hpp"

namespace fastact {

// A formula as the one that says this of it: those that take it over share a loop.
template <class Op, class R, class... A> const Op& said_by(R (Op::*)(A...) const, const std::type_identity_t<Op>& op) {
    return op;
}
// As the one that says what the largest is sought among.
template <class Op> const auto& sought_by(const Op& op) {
    if constexpr (Op::moves_logits)
        return op;
    else
        return static_cast<const Row&>(op);
}
// Lines of a loop that asks for no index.
template <Size Width, class Columns, class Index>
Lines<Width, Columns> unnumbered(const Lines<Width, Columns, Index>& lines) {
    return {lines.length, lines.stride, lines.columns, {}};
}

// A formula that finds a threshold is not shared.
template <class Op> inline constexpr bool can_be_shared = requires { &Op::scale; };

// -- Forward by the largest logit and a sum ----------------------------------------------

// Each phase of a reduction takes several rows in one call: what it keeps in registers is loaded once, and what follows
// from a few numbers of each row is computed for all of them at once. There is no other function for a single row.
template <class Op, class T, class Lines>
[[gnu::flatten, gnu::noinline, gnu::noclone]]
void find_largest(const Op& op, const T* x, T* largest, const Lines& lines, const Bundle<1>& rows = {}) {
    const Size length = lines.length, columns = lines.columns;
    const auto stride = lines.stride;
    const auto index = lines.index;
    if constexpr (Lines::Width == 1) {
        alignas(line) T of_rows[bundle * lanes];
        for (Size r = 0; r < rows.count; ++r, x += rows.step[0]) {
            T partial[lanes];
            const auto raise = [&](Size lane, T logit) {
                partial[lane] = logit > partial[lane] ? logit : partial[lane];
            };
            std::fill(partial, partial + lanes, op.logit(x[0], index(0, 0)));
            Size i = 0;
            for (; i + lanes <= length; i += lanes)
                for (Size lane = 0; lane < lanes; ++lane) raise(lane, op.logit(x[i + lane], index(i + lane, 0)));
            // All lanes, some of which stay as they are: a loop of their number would end one by one.
            if (i < length)
#pragma GCC ivdep
                for (Size lane = 0; lane < lanes; ++lane) {
                    T logit = partial[lane];
                    if (int(lane) < int(length - i)) logit = op.logit(x[i + lane], index(i + lane, 0));
                    raise(lane, logit);
                }
            std::copy(partial, partial + lanes, of_rows + r * lanes);
        }
        fold_rows<lanes, Larger>(of_rows, rows.count, largest);
    } else {
        for (Size c = 0; c < columns; ++c) largest[c] = op.logit(x[c], index(0, c));
        for (Size i = 1; i < length; ++i)
#pragma GCC ivdep
            for (Size c = 0; c < columns; ++c) {
                const T logit = op.logit(x[i * stride + c], index(i, c));
                largest[c] = logit > largest[c] ? logit : largest[c];
            }
    }
}

// At what exponent the largest term is: where a formula multiplies by a scale, not the largest itself.
template <class Op, class T> T level_of(const Op& op, T largest) {
    if constexpr (requires { op.level(largest); })
        return op.level(largest);
    else
        return largest;
}

// The cheaper term of formulas with an anchor, some of which look at what stands in the place of an index.
template <class Op, class T, class Index> T near_term(const Op& op, T x, Peak<T> peak, Index index) {
    if constexpr (requires { op.near_term(x, peak, index); })
        return op.near_term(x, peak, index);
    else
        return op.near_term(x, peak);
}

// So many results of a phase are kept: of each line, or of each row of a bundle.
template <Size width> inline constexpr Size room = width == 1 ? bundle : width;

// What the terms of each line are relative to.
template <class T, Size Width> struct Peaks {
    T largest[room<Width>], floor[room<Width>], rounder[room<Width>];
    bool near;

    template <class Op> void prepare(const Op& op, Size columns) {
        if constexpr (requires { op.level(largest[0]); })
            anchor(columns, [&](T peak) { return op.level(peak); });
        else
            prepare(columns);
    }
    Peak<T> operator[](Size c) const { return {largest[c], {floor[c], rounder[c]}}; }

  private:
    [[gnu::noinline, gnu::noclone]] void prepare(Size columns) {
        anchor(columns, [](T peak) { return peak; });
    }
    template <class Level> void anchor(Size columns, Level level_of) {
        math::Bits<T> far = 0;
        for (Size c = 0; c < columns; ++c) {
            const T level = level_of(largest[c]);
            const math::Anchor<T> anchor(level);
            floor[c] = anchor.floor, rounder[c] = anchor.rounder;
            far |= math::mask_if<T>(!anchor.holds(level));
        }
        near = far == 0;
    }
};

// body(std::true_type()) where the formula has an anchor, and it holds all lines.
template <class Op, class Body> void with_known_nearness(bool near, Body body) {
    if (Op::has_anchor && near)
        body(std::bool_constant<Op::has_anchor>());
    else
        body(std::false_type());
}

// The lanes of sums of rows, added up for all rows of a bundle at once.
template <class T, bool together, bool counts_too> struct LanesOfRows {};
template <bool counts_too> struct LanesOfRows<float, true, counts_too> {
    alignas(line) double sums[bundle * lanes / 2];
    alignas(line) float counts[counts_too ? bundle * lanes : 1];

    template <class Sums> void take(Size row, const Sums& of_row) {
        of_row.lanes_to(sums + row * lanes / 2, counts_too ? counts + row * lanes : nullptr);
    }
    [[gnu::noinline]] void fold(Size rows, Total* total, Total* count) const {
        double sum[bundle];
        fold_rows<lanes / 2, Sum>(sums, rows, sum);
        for (Size r = 0; r < rows; ++r) total[r].begin({sum[r], 0});
        if constexpr (counts_too) {
            float found[bundle];
            fold_rows<lanes, Sum>(counts, rows, found);
            for (Size r = 0; r < rows; ++r) count[r].high = double(found[r]);
        }
    }
};

// The sum of the lines' terms is `total`, and `ties` how many of their logits are the largest.
// Where all lines are near, that is known to the loop; a line has the same terms beside others.
template <bool near, class Op, class T, class Lines>
[[gnu::flatten, gnu::noinline, gnu::noclone]]
void add_terms(const Op& op, const T* x, T* out, const Peaks<T, Lines::Width>& peaks, Total* total, Total* ties,
               const Lines& lines, const Bundle<1>& rows = {}) {
    const Size length = lines.length, columns = lines.columns;
    const auto stride = lines.stride;
    const auto index = lines.index;
    const T* largest = peaks.largest;
    constexpr bool together = Lines::Width == 1 && sizeof(T) == 4;
    using Sums = Sums<T, Lines::Width, true, stretch, Op::has_anchor && !near, !together>;
    LanesOfRows<T, together, Op::counts_ties> of_rows;
    for (Size r = 0; r < rows.count; ++r, x += rows.step[0], out += rows.step[1]) {
        // Of a copy the compiler knows that no term written changes it.
        const Peak<T> own = peaks[r];
        const auto peak = [&](Size c) { return Lines::Width == 1 ? own : peaks[c]; };
        const auto term_of = [&](Size i, Size c) {
            const T value = x[i * stride + c];
            T term;
            if constexpr (near) {
                term = near_term(op, value, peak(c), index(i, c));
            } else {
                term = op.term(value, peak(c), index(i, c));
                if constexpr (Op::has_anchor && Lines::Width > 1) {
                    const bool holds = math::Anchor<T>::holds(level_of(op, largest[c]));
                    term = holds ? near_term(op, value, peak(c), index(i, c)) : term;
                }
            }
            if constexpr (Op::keeps_terms) out[i * stride + c] = term;
            return term;
        };
        const auto sums = [&] {
            if constexpr (Op::counts_ties)
                return Sums(length, columns, term_of, [&](Size i, Size c) {
                    const T logit = op.logit(x[i * stride + c], index(i, c));
                    return math::keep(math::mask_if<T>(logit == peak(c).largest), T(1));
                });
            else
                return Sums(length, columns, term_of);
        }();
        if constexpr (together) {
            of_rows.take(r, sums);
            continue;
        }
        for (Size c = 0; c < columns; ++c) {
            total[r + c].begin(sums.total[c]);
            if constexpr (Op::counts_ties) ties[r + c].high = sums.count(c);
        }
        if constexpr (Lines::Width > 1) break;
    }
    if constexpr (together) of_rows.fold(rows.count, total, ties);
}

// What a line's results need of its sum. Rows lie beside one another for that: these are many operations in float64.
template <Size Width, class Op, class T>
void make_scales(const Op& op, Size scales, Parts<T>* scale, const T* largest, const Total* total, const Total* ties) {
    if constexpr (Width > 1) {
        for (Size c = 0; c < scales; ++c)
            scale[c] = op.scale(total[c].high, total[c].low, ties[c].high, largest[c]);
    } else {
        constexpr Size some = 8;
        for (Size first = 0; first < scales; first += some) {
            double sum[some], error[some], count[some], peak[some];
            for (Size r = 0; r < some; ++r) {
                const Size row = std::min(first + r, scales - 1);
                sum[r] = total[row].high, error[r] = total[row].low, count[r] = ties[row].high, peak[r] = largest[row];
            }
            for (Size r = 0; r < some; ++r) {
                const Parts<T> parts = op.scale(sum[r], error[r], count[r], T(peak[r]));
                sum[r] = parts.high, error[r] = parts.low;
            }
            for (Size r = 0; r < some; ++r) scale[first + r] = {T(sum[r]), T(error[r])};
        }
    }
}

// One NaN in a line whose sum is none: of two NaN operands an instruction keeps the first, and which that is
// the compiler chooses anew for a loop's ends. Such lines are rare, so they are gone over again.
template <class T, class Lines>
void settle_nans(const Parts<T>* scale, Size scales, T* out, const Lines& lines, Size step = 0) {
    const auto stride = lines.stride;
    bool all = true;
    for (Size c = 0; c < scales; ++c) all &= scale[c].high + scale[c].low == scale[c].high + scale[c].low;
    if (all) [[likely]] return;
    const Size rows = Lines::Width == 1 ? scales : 1;
    for (Size r = 0; r < rows; ++r, out += step)
        for (Size i = 0; i < lines.length; ++i)
            for (Size c = 0; c < lines.columns; ++c) {
                const T value = out[i * stride + c];
                out[i * stride + c] = value == value ? value : std::numeric_limits<T>::quiet_NaN();
            }
}

template <class Op, class T, class Lines>
[[gnu::flatten, gnu::noinline, gnu::noclone]]
void write_results(const Op& op, const T* x, T* out, const T* largest, const Total* total, const Total* ties,
                   const Lines& lines, const Bundle<1>& rows = {}) {
    const auto stride = lines.stride;
    const Size scales = Lines::Width == 1 ? rows.count : Size(lines.columns);
    Parts<T> scale[room<Lines::Width>];
    make_scales<Lines::Width>(op, scales, scale, largest, total, ties);
    T* to = out;
    for (Size r = 0; r < rows.count; ++r, x += rows.step[0], to += rows.step[1]) {
        const T* kept = Op::keeps_terms ? to : x;
        each_element(lines, to, [&](Size i, Size c) {
            to[i * stride + c] = op.result(kept[i * stride + c], largest[r + c], scale[r + c]);
        });
        if constexpr (Lines::Width > 1) break;
    }
    settle_nans(scale, scales, out, lines, rows.step[1]);
}

// Sums of lines of which nothing is written.
template <class T, Size Width> struct LineSums {
    Peaks<T, Width> peaks;
    Total total[Width], ties[Width];

    template <class Op, class Lines> LineSums(const Op& op, const T* x, Lines lines) {
        find_largest(sought_by(op), x, peaks.largest, lines);
        peaks.prepare(op, lines.columns);
        with_known_nearness<Op>(peaks.near, [&](auto near) {
            add_terms<near.value>(op, x, static_cast<T*>(nullptr), peaks, total, ties, lines);
        });
    }
};

// The results are those of a formula of their own, where several make them alike.
template <class Op, class Results, class T, class Lines>
[[gnu::always_inline]] inline void normalize(const Op& op, const Results& results, const T* x, T* out, Lines lines) {
    Peaks<T, Lines::Width> peaks;
    Total total[Lines::Width], ties[Lines::Width];
    if constexpr (Op::moves_logits)
        find_largest(op, x, peaks.largest, lines);
    else
        find_largest(sought_by(op), x, peaks.largest, unnumbered(lines));
    peaks.prepare(op, lines.columns);
    // Not by `segments`: a function that takes references to all of this is not inlined where several call it.
    for (Size start = 0; start < lines.length; start += segment) {
        const Size offset = start * lines.stride;
        const Lines part = lines.part(start, std::min(segment, lines.length - start));
        Total more[Lines::Width], more_ties[Lines::Width];
        Total *const sum = start ? more : total, *const count = start ? more_ties : ties;
        if (Op::has_anchor && peaks.near)
            add_terms<Op::has_anchor>(op, x + offset, out + offset, peaks, sum, count, part);
        else
            add_terms<false>(op, x + offset, out + offset, peaks, sum, count, part);
        for (Size c = 0; c < lines.columns && start; ++c) total[c].add(more[c]), ties[c].add(more_ties[c]);
    }
    write_results(said_by(&Results::result, results), x, out, peaks.largest, total, ties, unnumbered(lines));
}
template <class Op, class T, class Lines>
[[gnu::always_inline]] inline void normalize(const Op& op, const T* x, T* out, Lines lines) {
    normalize(op, op, x, out, lines);
}

// Several rows, phase by phase.
template <class Op, class T, class Row>
void normalize(const Op& op, const T* x, T* out, const Row& row, const Bundle<1>& rows) {
    if (row.length > segment) return normalize(op, x, out, row);
    Peaks<T, 1> peaks;
    Total total[bundle], ties[bundle];
    find_largest(sought_by(op), x, peaks.largest, row, rows);
    peaks.prepare(op, rows.count);
    if (!Op::has_anchor || peaks.near)
        add_terms<Op::has_anchor>(op, x, out, peaks, total, ties, row, rows);
    else
        for (Size r = 0; r < rows.count; ++r) {
            Peaks<T, 1> own;
            own.largest[0] = peaks.largest[r];
            own.prepare(op, 1);
            with_known_nearness<Op>(own.near, [&](auto near) {
                add_terms<near.value>(op, x + r * rows.step[0], out + r * rows.step[1], own, &total[r], &ties[r], row);
            });
        }
    write_results(said_by(&Op::result, op), x, out, peaks.largest, total, ties, row, rows);
}

// Noise takes longer than all else, so what a phase needs of it is drawn once, into a buffer.
template <class Op, class T, class Lines>
[[gnu::flatten, gnu::noinline]] void draw(const Op& op, T* noise, const Lines& lines) {
    const Size length = lines.length, columns = lines.columns;
    for (Size i = 0; i < length; ++i)
#pragma GCC ivdep
        for (Size c = 0; c < columns; ++c) noise[i * Lines::Width + c] = op.noise(lines.index(i, c));
}
template <class Op> concept Random = requires(const Op& op) { op.noise(std::uint64_t()); };

// body(row) of a segment of a row, or of its noise.
template <class T, class Op, class Body> void with_noise(const Op& op, const Lines<1, Known<1>>& part, Body body) {
    if constexpr (Random<Op>) {
        const Scratch<T, segment> noise;
        draw<Op, T>(op, noise, part);
        body(Lines<1, Known<1>, Drawn<T, 1>>{part.length, {}, {}, {noise}});
    } else {
        body(part);
    }
}

// A line whose noise is drawn for each phase anew, segment by segment. Elements that lie apart are brought together.
template <class Op, class T, class Lines>
[[gnu::noinline]] void normalize_drawing(const Op& op, const T* x, T* out, const Lines& lines, Size column) {
    using Row = fastact::Lines<1, Known<1>>;
    constexpr bool lie_apart = Lines::Width > 1;
    const Scratch<T, lie_apart ? segment : 1> memory;
    const Size stride = lines.stride;
    const auto each_segment = [&](const T* from, T* to, auto body) {
        for (Size start = 0; start < lines.length; start += segment) {
            const Size size = std::min(segment, lines.length - start), offset = start * stride + column;
            T* const values = lie_apart ? static_cast<T*>(memory) : to + offset;
            for (Size i = 0; lie_apart && i < size; ++i) values[i] = from[offset + i * stride];
            const Indices index{lines.index(start, column), lines.index.along, 0};
            body(lie_apart ? values : from + offset, values, Row{size, {}, {}, index});
            for (Size i = 0; lie_apart && to && i < size; ++i) to[offset + i * stride] = values[i];
        }
    };
    Peaks<T, 1> peaks;
    Total total, ties;
    T* const largest = peaks.largest;
    largest[0] = std::numeric_limits<T>::quiet_NaN();
    each_segment(x, static_cast<T*>(nullptr), [&](const T* from, T*, const Row& part) {
        T found;
        with_noise<T>(op, part, [&](const auto& row) { find_largest(op, from, &found, row); });
        largest[0] = found > largest[0] || largest[0] != largest[0] ? found : largest[0];
    });
    peaks.prepare(op, 1);
    each_segment(x, out, [&](const T* from, T* to, const Row& part) {
        Total sum, count;
        with_noise<T>(op, part, [&](const auto& row) { add_terms<false>(op, from, to, peaks, &sum, &count, row); });
        total.add(sum);
    });
    each_segment(out, out, [&](const T* from, T* to, const Row& part) {
        write_results(said_by(&Op::result, op), from, to, largest, &total, &ties, part);
    });
}
template <class Op, class T, Size Width, class Columns>
void normalize_drawn(const Op& op, const T* x, T* out, Lines<Width, Columns> lines) {
    constexpr Size room = 4096;
    if (lines.length * Width <= room) {
        const Scratch<T, room> noise;
        draw<Op, T>(op, noise, lines);
        normalize(op, x, out,
                  Lines<Width, Columns, Drawn<T, Width>>{lines.length, lines.stride, lines.columns, {noise}});
    } else {
        const Lines<Width, Size> any{lines.length, lines.stride, lines.columns, lines.index};
        for (Size c = 0; c < any.columns; ++c) normalize_drawing(op, x, out, any, c);
    }
}

// -- Forward by a threshold ---------------------------------------------------------------

// Newton's method on sum(max(z - t, 0)) = 1 for z = x - max(x), from t = -1, where no sum is
// below 1 (Michelot 1986 starts lower): the support shrinks with every step, and t is exact
// as soon as it does not. read(start, count) says where so many elements of the lines are.
template <class Op, class T, class Lines, class Read>
[[gnu::always_inline]] inline void find_threshold(const Op& op, const T* largest, double* threshold,
                                                  const Lines& lines, Read read) {
    const auto stride = lines.stride;
    const Size columns = lines.columns;
    double count[Lines::Width];
    std::fill(threshold, threshold + Lines::Width, -1.0);
    std::fill(count, count + Lines::Width, double(lines.length + 1));
    for (bool shrinks = true; shrinks;) {
        Total sum[Lines::Width], size[Lines::Width];
        segments(lines, [&](Size start, Lines part) {
            const T* from = read(start, part.length);
            const auto z = [&](Size i, Size c) { return double(from[i * stride + c]) - double(largest[c]); };
            const Sums<double, Lines::Width, true> sums(
                part.length, columns, [&](Size i, Size c) { return op.inside(z(i, c), threshold[c]); },
                [&](Size i, Size c) { return op.counts(z(i, c), threshold[c]); });
            for (Size c = 0; c < columns; ++c) sum[c].add(sums.total[c]), size[c].add(sums.count(c));
        });
        shrinks = false;
        for (Size c = 0; c < columns; ++c) {
            shrinks |= size[c].high < count[c];
            threshold[c] = size[c].high < count[c] ? op.threshold(sum[c].high, sum[c].low, size[c].high) : threshold[c];
            count[c] = std::min(count[c], size[c].high);
        }
    }
}

template <class Op, class T, class Lines>
[[gnu::always_inline]] inline void write_above(const Op& op, const T* x, T* out, const T* largest,
                                               const double* threshold, const Lines& lines) {
    const auto stride = lines.stride;
    Parts<T> edge[Lines::Width];
    for (Size c = 0; c < Size(lines.columns); ++c) edge[c] = Parts<T>::of(threshold[c], 0);
    each_element(lines, out, [&](Size i, Size c) {
        out[i * stride + c] = op.result(x[i * stride + c], largest[c], edge[c]);
    });
    settle_nans(edge, lines.columns, out, lines);
}

template <class Op, class T, class Lines>
[[gnu::flatten, gnu::noinline]] void project(const Op& op, const T* x, T* out, const Lines& lines) {
    T largest[Lines::Width];
    double threshold[Lines::Width];
    find_largest(sought_by(op), x, largest, lines);
    find_threshold(op, largest, threshold, lines, [&](Size start, Size) { return x + start * lines.stride; });
    write_above(op, x, out, largest, threshold, lines);
}

// -- Forward by the place of the largest ---------------------------------------------------

// 1 at the first of the largest values of each column, 0 elsewhere; NaN where all are NaN.
template <class T, class Lines>
[[gnu::flatten, gnu::noinline]] void choose(const T* y, T* out, const Lines& lines) {
    const Size length = lines.length, columns = lines.columns;
    const auto stride = lines.stride;
    T largest[Lines::Width];
    math::Bits<T> winner[Lines::Width];
    for (Size c = 0; c < columns; ++c) largest[c] = y[c], winner[c] = 0;
    for (Size i = 1; i < length; ++i)
        for (Size c = 0; c < columns; ++c) {
            const T value = y[i * stride + c];
            winner[c] = value > largest[c] ? math::Bits<T>(i) : winner[c];
            largest[c] = value > largest[c] ? value : largest[c];
        }
    each_element(lines, out, [&](Size i, Size c) {
        out[i * stride + c] = (winner[c] == math::Bits<T>(i) ? T(1) : T(0)) + (largest[c] - largest[c]);
    });
}

// -- Backward -------------------------------------------------------------------------------

template <class Op, class T, class Lines>
[[gnu::flatten, gnu::noinline]] void add_gradients(const Op& op, const T* dy, const T* y, Total* total,
                                                   Total* support, const Lines& lines) {
    const Size length = lines.length, columns = lines.columns;
    const auto stride = lines.stride;
    const auto term_of = [&](Size i, Size c) {
        return op.gradient_term(dy[i * stride + c], y[i * stride + c]);
    };
    const auto sums = [&] {
        using Sums = Sums<T, Lines::Width, true>;
        if constexpr (Op::counts_support)
            return Sums(length, columns, term_of, [&](Size i, Size c) { return op.supports(y[i * stride + c]); });
        else
            return Sums(length, columns, term_of);
    }();
    for (Size c = 0; c < columns; ++c) {
        total[c].begin(sums.total[c]);
        if constexpr (Op::counts_support) support[c].add(sums.count(c));
    }
}

template <class Op, class T, class Lines>
[[gnu::flatten, gnu::noinline]] void write_gradients(const Op& op, const T* dy, const T* y, T* out,
                                                     const Total* total, const Total* support, const Lines& lines) {
    const auto stride = lines.stride;
    const Size columns = lines.columns;
    Parts<T> scale[Lines::Width];
    for (Size c = 0; c < columns; ++c) scale[c] = op.gradient_scale(total[c].high, total[c].low, support[c].high);
    // Of a copy of the formula the compiler knows that no element written changes it.
    each_element(lines, out, [&, op = op](Size i, Size c) {
        out[i * stride + c] = op.gradient(dy[i * stride + c], y[i * stride + c], scale[c]);
    });
    settle_nans(scale, columns, out, lines);
}

template <class Op, class T, class Row>
void differentiate(const Op& op, const T* dy, const T* y, T* out, const Row& row, const Bundle<2>& rows) {
    if (row.length > segment) return differentiate(op, dy, y, out, row);
    const Size dy_step = rows.step[0], y_step = rows.step[1], out_step = rows.step[2];
    Total total[bundle], support[bundle];
    for (Size r = 0; r < rows.count; ++r)
        add_gradients(said_by(&Op::gradient_term, op), dy + r * dy_step, y + r * y_step, &total[r], &support[r], row);
    for (Size r = 0; r < rows.count; ++r)
        write_gradients(op, dy + r * dy_step, y + r * y_step, out + r * out_step, &total[r], &support[r], row);
}

template <class Op, class T, class Lines>
void differentiate(const Op& op, const T* dy, const T* y, T* out, Lines lines) {
    Total total[Lines::Width], support[Lines::Width];
    if (lines.length <= segment)
        add_gradients(said_by(&Op::gradient_term, op), dy, y, total, support, lines);
    else
        segments(lines, [&](Size start, Lines part) {
            const Size offset = start * lines.stride;
            Total more[Lines::Width], more_support[Lines::Width];
            add_gradients(said_by(&Op::gradient_term, op), dy + offset, y + offset, more, more_support, part);
            for (Size c = 0; c < lines.columns; ++c) total[c].add(more[c]), support[c].add(more_support[c]);
        });
    write_gradients(op, dy, y, out, total, support, lines);
}

// -- One long row, shared among threads -------------------------------------------------------

// The shape of one row, for those who go over it segment by segment.
inline Lines<1, Known<1>> one_row(const Call& call, Size start) {
    const auto [index, step] = call.place;
    return {call.axis.length, {}, {}, {std::uint64_t(index + start * step), std::uint64_t(step), 0}};
}

// How far rows of an array are apart.
inline Size row_step(const Call& call, Size array) { return call.rows ? call.rows[array] : call.axis.length; }

// A row that all threads share is taken through phases, each of which ends when all threads are done:
// a thread's segments first <= k < last. What it found of each is in `segments`, and every thread
// combines all of it in order.
template <class Op, class T> void share_forward(const Op& op, const Call& call, Size first, Size last) {
    const Size length = call.axis.length, number = call.stage / forward_phases, begin = number * length;
    const Size phase = call.stage % forward_phases;
    const T* x = input<T>(call, 0) + number * row_step(call, 0);
    T* out = output<T>(call) + number * row_step(call, 1);
    Segment* shared = call.segments;
    const auto row = one_row(call, begin);
    Peaks<T, 1> peaks{};
    T& largest = peaks.largest[0];
    Total total, ties;
    if (phase > 0) {
        largest = T(shared[0].largest);
        for (Size k = 1; k * segment < length; ++k)
            largest = T(shared[k].largest) > largest ? T(shared[k].largest) : largest;
        peaks.prepare(op, 1);
    }
    if (phase > 1)
        for (Size k = 0; k * segment < length; ++k) total.add(shared[k].total), ties.add(shared[k].count);
    for (Size k = first; k < last; ++k) {
        const Size start = k * segment;
        const auto part = row.part(start, std::min(segment, length - start));
        if (phase == 0) {
            with_noise<T>(op, part, [&](const auto& row) { find_largest(sought_by(op), x + start, &largest, row); });
            shared[k].largest = largest;
        } else if (phase == 1) {
            Total sum, count;
            with_noise<T>(op, part, [&](const auto& row) {
                with_known_nearness<Op>(peaks.near, [&](auto near) {
                    add_terms<near.value>(op, x + start, out + start, peaks, &sum, &count, row);
                });
            });
            shared[k].total = sum, shared[k].count = count;
        } else {
            write_results(said_by(&Op::result, op), x + start, out + start, &largest, &total, &ties, part);
        }
    }
}

template <class Op, class T> void share_backward(const Op& op, const Call& call, Size first, Size last) {
    const Size length = call.axis.length, number = call.stage / backward_phases;
    const T* dy = input<T>(call, 0) + number * row_step(call, 0);
    const T* y = input<T>(call, 1) + number * row_step(call, 1);
    T* out = output<T>(call) + number * row_step(call, 2);
    Segment* shared = call.segments;
    const auto row = one_row(call, 0);
    const bool sums = call.stage % backward_phases == 0;
    Total total, support;
    if (!sums)
        for (Size k = 0; k * segment < length; ++k) total.add(shared[k].total), support.add(shared[k].count);
    for (Size k = first; k < last; ++k) {
        const Size start = k * segment;
        const auto part = row.part(start, std::min(segment, length - start));
        if (sums) {
            Total sum, count;
            add_gradients(said_by(&Op::gradient_term, op), dy + start, y + start, &sum, &count, part);
            shared[k].total = sum, shared[k].count = count;
        } else {
            write_gradients(op, dy + start, y + start, out + start, &total, &support, part);
        }
    }
}

// -- The kernels ------------------------------------------------------------------------------

template <template <class> class Op, class T> void rows_forward(const Call& call, Size first, Size last) {
    const Op<T> op(call.parameters);
    if constexpr (can_be_shared<Op<T>>)
        if (call.segments) return share_forward<Op<T>, T>(op, call, first, last);
    const auto each = [&](auto body) {
        each_lines(call.passing, std::array{input<T>(call, 0)}, output<T>(call), call.axis, call.place, call.rows, first,
                   last, body);
    };
    if constexpr (requires { op.threshold(0.0, 0.0, 0.0); })
        each([&](auto inputs, T* to, auto lines) { project(op, inputs[0], to, lines); });
    else if constexpr (Random<Op<T>>)
        each([&](auto inputs, T* to, auto lines) { normalize_drawn(op, inputs[0], to, lines); });
    else
        each([&](auto inputs, T* to, auto lines, auto... rows) { normalize(op, inputs[0], to, lines, rows...); });
}

template <class T> void one_hot(const Call& call, Size first, Size last) {
    each_lines(call.passing, std::array{input<T>(call, 0)}, output<T>(call), call.axis, {0, 0}, nullptr, first, last,
               [&](auto inputs, T* to, auto lines) { choose(inputs[0], to, lines); });
}

// Formulas with the same gradient share the code for it.
template <template <class> class Op, class T> void rows_backward(const Call& call, Size first, Size last) {
    const Op<T> formula(call.parameters);
    const typename Op<T>::Gradient& op = formula;
    if (call.segments) return share_backward<typename Op<T>::Gradient, T>(op, call, first, last);
    each_lines(call.passing, std::array{input<T>(call, 0), input<T>(call, 1)}, output<T>(call), call.axis, {0, 0}, call.rows,
               first, last,
               [&](auto inputs, T* to, auto lines, auto... rows) {
                   differentiate(op, inputs[0], inputs[1], to, lines, rows...);
               });
}

}  // namespace fastact
