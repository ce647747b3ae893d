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
#include "loops/lines.hpp"
#include "loops/scratch.hpp"
#include "loops/sums.hpp"
#include "math/bits.hpp"
#include "math/exp.hpp"

namespace fastact {

// A formula that finds a threshold is not shared.
template <class Op> inline constexpr bool can_be_shared = requires { &Op::scale; };

// -- Forward by the largest logit and a sum ----------------------------------------------

// The largest of 2 width lanes goes to the first.
template <Size width, class T> void keep_larger(T* partial) {
    for (Size lane = 0; lane < width; ++lane)
        partial[lane] = partial[lane + width] > partial[lane] ? partial[lane + width] : partial[lane];
    if constexpr (width > 1) keep_larger<width / 2>(partial);
}

template <class Op, class T, class Lines>
[[gnu::flatten, gnu::noinline]] void find_largest(const Op& op, const T* x, T* largest, const Lines& lines) {
    const Size length = lines.length, columns = lines.columns;
    const auto stride = lines.stride;
    const auto index = lines.index;
    if constexpr (Lines::Width == 1) {
        T partial[lanes];
        const auto raise = [&](Size lane, Size i) {
            const T logit = op.logit(x[i], index(i, 0));
            partial[lane] = logit > partial[lane] ? logit : partial[lane];
        };
        std::fill(partial, partial + lanes, op.logit(x[0], index(0, 0)));
        Size i = 0;
        for (; i + lanes <= length; i += lanes)
            for (Size lane = 0; lane < lanes; ++lane) raise(lane, i + lane);
        // As many lanes as there are, of which some are left out: a loop of their number would end one by one.
        for (Size lane = 0; lane < lanes; ++lane)
            if (lane < length - i) raise(lane, i + lane);
        keep_larger<lanes / 2>(partial);
        largest[0] = partial[0];
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

// What the terms of each line are relative to.
template <class T, Size Width> struct Peaks {
    T largest[Width], floor[Width], rounder[Width];
    bool near = true;

    template <class Op> void prepare(const Op& op, Size columns) {
        for (Size c = 0; c < columns; ++c) {
            const T level = level_of(op, largest[c]);
            const math::Anchor<T> anchor(level);
            floor[c] = anchor.floor, rounder[c] = anchor.rounder;
            near &= anchor.holds(level);
        }
    }
    Peak<T> operator[](Size c) const { return {largest[c], {floor[c], rounder[c]}}; }
};

// body(std::true_type()) where the formula has an anchor, and it holds all lines.
template <class Op, class Body> void with_known_nearness(bool near, Body body) {
    if (Op::has_anchor && near)
        body(std::bool_constant<Op::has_anchor>());
    else
        body(std::false_type());
}

// The sum of the lines' terms is `total`, and `ties` how many of their logits are the largest.
// Where all lines are near, that is known to the loop; a line has the same terms beside others.
template <bool near, class Op, class T, class Lines>
[[gnu::flatten, gnu::noinline]] void add_terms(const Op& op, const T* x, T* out,
                                               const Peaks<T, Lines::Width>& peaks, Total* total, Total* ties,
                                               const Lines& lines) {
    const Size length = lines.length, columns = lines.columns;
    const auto stride = lines.stride;
    const auto index = lines.index;
    const T* largest = peaks.largest;
    // Of a copy the compiler knows that no term written changes it.
    const Peak<T> first = peaks[0];
    const auto peak = [&](Size c) { return Lines::Width == 1 ? first : peaks[c]; };
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
        using Sums = Sums<T, Lines::Width, true, stretch, Op::has_anchor && !near>;
        if constexpr (Op::counts_ties)
            return Sums(length, columns, term_of, [&](Size i, Size c) {
                const T logit = op.logit(x[i * stride + c], index(i, c));
                return math::keep(math::mask_if<T>(logit == peak(c).largest), T(1));
            });
        else
            return Sums(length, columns, term_of);
    }();
    for (Size c = 0; c < columns; ++c) {
        total[c].begin(sums.total[c]);
        if constexpr (Op::counts_ties) ties[c].high = sums.count(c);
    }
}

// One NaN in the lines whose sums are none: of two NaN operands an instruction keeps the first, and which that is
// the compiler chooses anew for a loop's ends. Such lines are rare, so they are gone over again.
template <class T, class Lines> void settle_nans(const Parts<T>* scale, T* out, const Lines& lines) {
    const auto stride = lines.stride;
    const Size columns = lines.columns;
    bool all = true;
    for (Size c = 0; c < columns; ++c) all &= scale[c].high + scale[c].low == scale[c].high + scale[c].low;
    if (all) [[likely]] return;
    for (Size i = 0; i < lines.length; ++i)
        for (Size c = 0; c < columns; ++c) {
            const T value = out[i * stride + c];
            out[i * stride + c] = value == value ? value : std::numeric_limits<T>::quiet_NaN();
        }
}

template <class Op, class T, class Lines>
[[gnu::flatten, gnu::noinline]] void write_results(const Op& op, const T* x, T* out, const T* largest,
                                                   const Total* total, const Total* ties, const Lines& lines) {
    const auto stride = lines.stride;
    const Size columns = lines.columns;
    Parts<T> scale[Lines::Width];
    for (Size c = 0; c < columns; ++c) scale[c] = op.scale(total[c].high, total[c].low, ties[c].high, largest[c]);
    const T* kept = Op::keeps_terms ? out : x;
    each_element(lines, out, [&](Size i, Size c) {
        out[i * stride + c] = op.result(kept[i * stride + c], largest[c], scale[c]);
    });
    settle_nans(scale, out, lines);
}

// Sums of lines of which nothing is written.
template <class T, Size Width> struct LineSums {
    Peaks<T, Width> peaks;
    Total total[Width], ties[Width];

    template <class Op, class Lines> LineSums(const Op& op, const T* x, Lines lines) {
        find_largest(op, x, peaks.largest, lines);
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
    find_largest(op, x, peaks.largest, lines);
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
    write_results(results, x, out, peaks.largest, total, ties, lines);
}
template <class Op, class T, class Lines>
[[gnu::always_inline]] inline void normalize(const Op& op, const T* x, T* out, Lines lines) {
    normalize(op, op, x, out, lines);
}

// Several rows, phase by phase.
template <class Op, class T, class Row>
void normalize(const Op& op, const T* x, T* out, const Row& row, const Bundle<1>& rows) {
    if (row.length > segment) return normalize(op, x, out, row);
    const Size x_step = rows.step[0], out_step = rows.step[1];
    Peaks<T, 1> peaks[bundle];
    Total total[bundle], ties[bundle];
    for (Size r = 0; r < rows.count; ++r) find_largest(op, x + r * x_step, peaks[r].largest, row);
    for (Size r = 0; r < rows.count; ++r) peaks[r].prepare(op, 1);
    for (Size r = 0; r < rows.count; ++r)
        with_known_nearness<Op>(peaks[r].near, [&](auto near) {
            add_terms<near.value>(op, x + r * x_step, out + r * out_step, peaks[r], &total[r], &ties[r], row);
        });
    for (Size r = 0; r < rows.count; ++r)
        write_results(op, x + r * x_step, out + r * out_step, peaks[r].largest, &total[r], &ties[r], row);
}

// Noise takes longer than all else, so what fits into a buffer is drawn once for all passes.
template <class Op, class T, class Lines>
[[gnu::flatten, gnu::noinline]] void draw(const Op& op, T* noise, const Lines& lines) {
    const Size length = lines.length, columns = lines.columns;
    for (Size i = 0; i < length; ++i)
#pragma GCC ivdep
        for (Size c = 0; c < columns; ++c) noise[i * Lines::Width + c] = op.noise(lines.index(i, c));
}
template <class Op, class T, Size Width, class Columns>
void normalize_drawn(const Op& op, const T* x, T* out, Lines<Width, Columns> lines) {
    constexpr Size room = 4096;
    if (lines.length * Width > room) return normalize(op, x, out, lines);
    const Scratch<T, room> noise;
    draw<Op, T>(op, noise, lines);
    normalize(op, x, out,
              Lines<Width, Columns, Drawn<T, Width>>{lines.length, lines.stride, lines.columns, {noise}});
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
    settle_nans(edge, out, lines);
}

template <class Op, class T, class Lines>
[[gnu::flatten, gnu::noinline]] void project(const Op& op, const T* x, T* out, const Lines& lines) {
    T largest[Lines::Width];
    double threshold[Lines::Width];
    find_largest(op, x, largest, lines);
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

// A formula as the one that says what its gradient sums: those that take that over share a loop.
template <class Op, class T> const Op& summed_as(T (Op::*)(T, T) const, const std::type_identity_t<Op>& op) {
    return op;
}

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
    settle_nans(scale, out, lines);
}

template <class Op, class T, class Row>
void differentiate(const Op& op, const T* dy, const T* y, T* out, const Row& row, const Bundle<2>& rows) {
    if (row.length > segment) return differentiate(op, dy, y, out, row);
    const Size dy_step = rows.step[0], y_step = rows.step[1], out_step = rows.step[2];
    Total total[bundle], support[bundle];
    for (Size r = 0; r < rows.count; ++r)
        add_gradients(summed_as(&Op::gradient_term, op), dy + r * dy_step, y + r * y_step, &total[r], &support[r], row);
    for (Size r = 0; r < rows.count; ++r)
        write_gradients(op, dy + r * dy_step, y + r * y_step, out + r * out_step, &total[r], &support[r], row);
}

template <class Op, class T, class Lines>
void differentiate(const Op& op, const T* dy, const T* y, T* out, Lines lines) {
    Total total[Lines::Width], support[Lines::Width];
    if (lines.length <= segment)
        add_gradients(summed_as(&Op::gradient_term, op), dy, y, total, support, lines);
    else
        segments(lines, [&](Size start, Lines part) {
            const Size offset = start * lines.stride;
            Total more[Lines::Width], more_support[Lines::Width];
            add_gradients(summed_as(&Op::gradient_term, op), dy + offset, y + offset, more, more_support, part);
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
            find_largest(op, x + start, &largest, part);
            shared[k].largest = largest;
        } else if (phase == 1) {
            Total sum, count;
            with_known_nearness<Op>(peaks.near, [&](auto near) {
                add_terms<near.value>(op, x + start, out + start, peaks, &sum, &count, part);
            });
            shared[k].total = sum, shared[k].count = count;
        } else {
            write_results(op, x + start, out + start, &largest, &total, &ties, part);
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
            add_gradients(summed_as(&Op::gradient_term, op), dy + start, y + start, &sum, &count, part);
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
    else if constexpr (requires { op.noise(std::uint64_t()); })
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
