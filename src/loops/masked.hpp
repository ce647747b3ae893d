// The loops of rows of which some elements are not seen: attention's softmax, with its gradient, and logsumexp.
//
// A row is one line in memory, of which what lies behind the last element seen (a causal query's) is not read. The
// sums are those of rows.hpp, in the same association: an element that is not seen adds 0 to them. Half precision is
// widened row by row into a buffer.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <type_traits>

#include "call.hpp"
#include "formulas/masked.hpp"
#include "loops/lines.hpp"
#include "loops/rows.hpp"
#include "loops/scratch.hpp"
#include "loops/strips.hpp"
#include "loops/sums.hpp"
#include "visible.hpp"

namespace fastact {

// What a row's results are made of.
template <class T> struct RowSums {
    T largest;
    Total total, ties;
};

// value(i) for the first `count` of so many elements, `other` for the rest, in whole lanes as far as there are. The
// elements behind the first are read all the same: loops that end with each row's last are never predicted.
template <class T, class Value>
[[gnu::flatten, gnu::noinline]] void copy_padded(T* to, Size count, Size padded, const Value& value_,
                                               T other = minus_infinity<T>) {
    const auto value = value_;
    const Size whole = padded == count ? count : count / lanes * lanes;
#pragma GCC ivdep
    for (Size i = 0; i < whole; ++i) to[i] = value(i);
    const auto rest = math::Bits<T>(count - whole), filled = math::Bits<T>(padded - whole);
    const auto take = [=](math::Bits<T> i) {
        const T logit = value(whole + Size(i));
        return i < rest ? logit : other;
    };
    if (filled == lanes) {
#pragma GCC ivdep
        for (math::Bits<T> i = 0; i < lanes; ++i) to[whole + Size(i)] = take(i);
    } else {
#pragma GCC ivdep
        for (math::Bits<T> i = 0; i < filled; ++i) to[whole + Size(i)] = take(i);
    }
}

// What a mask says of a row: bytes, or numbers of the dtype that is computed in.
template <class T> struct RowMask {
    Size kind;
    const void* at;

    const unsigned char* kept() const { return static_cast<const unsigned char*>(at); }
    const T* added() const { return static_cast<const T*>(at); }
    bool sees(Size i) const {
        return kind == keeping_mask ? kept()[i] != 0 : kind != added_mask || added()[i] != minus_infinity<T>;
    }
};

// The logits of `count` elements from `start` on, and -inf up to `padded`; what they lost goes to `lost`.
template <class T>
void write_logits(const Logits<T>& logits, const T* x, RowMask<T> mask, Size start, Size count, Size padded, T* to,
                  T* lost) {
    const T* from = x + start;
    const T times = logits.times;
    if (mask.kind == added_mask) {
        const T* added = mask.added() + start;
        const auto biased = logits.biased;
        const auto plain = [=](Size i) { return biased(from[i], added[i]); };
        const auto with_lost = [=](Size i) {
            const T logit = biased(from[i], added[i]);
            lost[i] = biased.lost(from[i], added[i], logit);
            return logit;
        };
        const auto with_lost_sum = [=](Size i) {
            const T logit = biased(from[i], added[i]);
            lost[i] = biased.lost_sum(from[i], added[i], logit);
            return logit;
        };
        if (logits.formula != Logits<T>::parted)
            copy_padded(to, count, padded, plain);
        else if (logits.is_exact)
            copy_padded(to, count, padded, with_lost_sum);
        else
            copy_padded(to, count, padded, with_lost);
    } else if (mask.kind == keeping_mask) {
        const unsigned char* kept = mask.kept() + start;
        copy_padded(to, count, padded, [=](Size i) { return where_kept(kept[i], from[i] * times); });
    } else {
        copy_padded(to, count, padded, [=](Size i) { return from[i] * times; });
    }
}

// What a result is that nothing was seen of.
template <class Family>
inline constexpr typename Family::Number nothing = Family::logarithm ? minus_infinity<typename Family::Number> : 0;

// A row whose results are NaN is so in what is seen of it alone.
template <class T>
[[gnu::noinline, gnu::cold]] void hide_row(T* out, Size start, Size count, Size size, RowMask<T> mask, T nothing) {
    for (Size i = 0; i < count; ++i) out[i] = mask.sees(start + i) ? out[i] : nothing;
    std::fill(out + count, out + size, nothing);
}

// A row, of which the first `count` elements may be seen. It is taken segment by segment, as threads share it: its
// largest, its sums, its results.
//
// What is computed are these elements, and as many more, with the logit -inf, as fill the lanes of a sum: the last few
// elements one by one take as long as a hundred others. The logits of a segment are written beside the array, so that a
// mask is asked once for all passes over a row of one segment, and once in each pass over those of a longer one.
template <template <class> class Family, class T> class SeenRow {
  public:
    struct Rooms {
        T *logits, *lost;
    };
    const Size filled;  // elements are computed

    SeenRow(const Family<T>& family, const Logits<T>& logits, Rooms rooms, const T* x, T* out, RowMask<T> mask,
            Size count, Size length)
        : filled(std::min((count + lanes - 1) / lanes * lanes, length)), family(family), logits(logits), rooms(rooms),
          x(x), out(out), mask(mask), count(count) {}

    // Of them in the segment from `start` on.
    Size size(Size start) const { return std::clamp(filled - start, Size(0), segment); }
    bool is_empty() const { return count == 0; }

    // Of a row that sees something; results_of(formula) says how they are made of its sums.
    template <class ResultsOf> void normalize(ResultsOf results_of) {
        if (filled > segment) {
            const RowSums<T> sums = this->sums();
            for (Size start = 0; start < filled; start += segment) write(start, sums, results_of);
            return;
        }
        const T* from = written(0);
        with_formula([&]<class Index>(const auto& op, Index index) {
            fastact::normalize(op, results_of(op), from, out, Lines<1, Known<1>, Index>{filled, {}, {}, index});
        });
        hide(0, filled);
    }
    T largest(Size start) {
        T found;
        find_largest(Row(), written(start), &found, Lines<1, Known<1>>{size(start), {}, {}, {}});
        return found;
    }
    void add(Size start, RowSums<T>& sums) {
        const T* from = written(start);
        with_formula([&]<class Op, class Index>(const Op& op, Index index) {
            Peaks<T, 1> peaks;
            peaks.largest[0] = sums.largest;
            peaks.prepare(op, 1);
            Total total, ties;
            with_known_nearness<Op>(peaks.near, [&](auto near) {
                add_terms<near.value>(op, from, Op::keeps_terms ? out + start : nullptr, peaks, &total, &ties,
                                      Lines<1, Known<1>, Index>{size(start), {}, {}, index});
            });
            sums.total.add(total), sums.ties.add(ties);
        });
    }
    template <class ResultsOf> void write(Size start, const RowSums<T>& sums, ResultsOf results_of) {
        const Size size = this->size(start);
        family(logits.formula, [&]<class Op>(const Op& op) {
            write_results(results_of(op), Op::keeps_terms ? nullptr : written(start), out + start, &sums.largest,
                          &sums.total, &sums.ties, Lines<1, Known<1>>{size, {}, {}, {}});
        });
        hide(start, size);
    }
    double log_sum(const RowSums<T>& sums) const {
        double result;
        family(logits.formula, [&](const auto& op) {
            result = fastact::log_sum(op, sums.total.high + sums.total.low, sums.ties.high, sums.largest);
        });
        return result;
    }
    RowSums<T> sums() {
        RowSums<T> sums{largest(0)};
        for (Size start = segment; start < filled; start += segment) {
            const T other = largest(start);
            sums.largest = other > sums.largest ? other : sums.largest;
        }
        for (Size start = 0; start < filled; start += segment) add(start, sums);
        return sums;
    }

  private:
    const Family<T>& family;
    const Logits<T>& logits;
    const Rooms rooms;
    const T* const x;
    T* const out;
    const RowMask<T> mask;
    const Size count;
    Size held = -1;

    const T* written(Size start) {
        const bool as_given = mask.kind == no_mask && logits.times == 1 && start + size(start) <= count;
        if (as_given) return x + start;
        if (held != start)
            write_logits(logits, x, mask, start, std::min(count - start, size(start)), size(start), rooms.logits,
                         rooms.lost);
        held = start;
        return rooms.logits;
    }
    // body(formula, index), where what logits lost may take the place of an index. Lines are made where they are handed
    // on: a copy of one that has just been written waits for its fields.
    template <class Body> void with_formula(Body body) const {
        family(logits.formula, [&]<class Op>(const Op& op) {
            if constexpr (std::is_same_v<Op, PartedSoftmax<T>>)
                body(op, Drawn<T, 1>{rooms.lost});
            else
                body(op, Indices{});
        });
    }
    void hide(Size start, Size size) const {
        if (out[start] != out[start])
            hide_row(out + start, start, std::clamp(count - start, Size(0), size), size, mask, nothing<Family<T>>);
    }
};

template <class S> inline constexpr std::uint16_t minus_infinity_bits = std::is_same_v<S, Float16> ? 0xfc00 : 0xff80;
template <class Family, class S> S stored_nothing() {
    if constexpr (!Half<S>)
        return nothing<Family>;
    else
        return S{Family::logarithm ? minus_infinity_bits<S> : std::uint16_t(0)};
}

// What is not there says that everything is seen.
inline const Visible& visible_of(const Call& call) {
    return call.in[3] ? *static_cast<const Visible*>(call.in[3]) : all_visible;
}
inline VisibleRow visible_row(const Call& call, Size length, Size unit) {
    const Size origin = call.place.index / std::max(Size(1), length * call.place.step);
    return {visible_of(call), length, origin + unit, unit};
}

// Rows of one dtype as those of the dtype that it is computed in: as they are, or in a buffer, from `place` on.
template <class S> struct Staged {
    const Scratch<float, longest_half_row> values;

    const float* read(const S* from, Size size, Size place = 0) const {
        widen(from, values + place, size);
        return values + place;
    }
    float* at(S*) const { return values; }
    void write(S* to, Size size) const { narrow(values, to, size); }
};
template <class S>
    requires(!Half<S>)
struct Staged<S> {
    const S* read(const S* from, Size, Size = 0) const { return from; }
    S* at(S* to) const { return to; }
    void write(S*, Size) const {}
};

// What a call's mask says of `size` elements of a row, whose part of it begins at `at`; its numbers are of x's dtype.
template <class S> RowMask<Computed<S>> mask_of(const Call& call, Size at, Size size, const Staged<S>& stage) {
    const Size kind = visible_of(call).mask;
    if (kind == keeping_mask) return {kind, static_cast<const unsigned char*>(call.in[2]) + at};
    return {kind, kind == added_mask ? stage.read(static_cast<const S*>(call.in[2]) + at, size) : nullptr};
}

template <template <class> class Family, class T> Logits<T> logits_of(const Call& call) {
    return {Scaling(call.parameters), visible_of(call).mask == added_mask, Family<T>::loses};
}

// body(unit, visible, inputs) for rows first..last, which begin at `inputs`.
template <class S, std::size_t N, class Body>
void each_visible_row(const Call& call, Size length, Size first, Size last, Body body) {
    const bool asks = asks_for_rows(call.passing, {call.axis.outer, length, 1});
    VisibleRow visible = visible_row(call, length, first);
    for (Size unit = first; unit < last; ++unit, visible.advance()) {
        std::array<const S*, N> inputs;
        for (std::size_t k = 0; k < N; ++k) {
            inputs[k] = input<S>(call, int(k)) + unit * length;
            if (asks) prefetch(inputs[k] + length, visible.seen());
        }
        body(unit, visible, inputs);
    }
}

// body(row, unit) for rows first..last, brought to it in the computed dtype. Results go to `out`, if there is one.
template <template <class> class Family, class S, class Body>
void each_seen_row(const Call& call, Size length, S* out, Size first, Size last, Body body) {
    using T = Computed<S>;
    const Family<T> family{Scaling(call.parameters)};
    const auto logits = logits_of<Family, T>(call);
    const Staged<S> rows, masks;
    const Scratch<T, segment> room, lost;
    each_visible_row<S, 1>(call, length, first, last, [&](Size unit, const VisibleRow& visible, const auto& inputs) {
        const Size seen = visible.seen();
        const T* x = rows.read(inputs[0], seen);
        S* const to = out ? out + unit * length : nullptr;
        SeenRow<Family, T> row(family, logits, {room, lost}, x, to ? rows.at(to) : nullptr,
                               mask_of(call, visible.at(), seen, masks), seen, length);
        body(row, unit);
        if (to) {
            rows.write(to, row.filled);
            std::fill(to + row.filled, to + length, stored_nothing<Family<T>, S>());
        }
    });
}

// A row that all threads share, as in rows.hpp: a thread's segments first <= k < last of it, for each of which
// conclude(row, unit, start, sums) comes in the last phase.
template <template <class> class Family, class T, class Conclude>
void share_seen_row(const Call& call, Size length, T* out, Size first, Size last, Conclude conclude) {
    const Size unit = call.stage / forward_phases, phase = call.stage % forward_phases, begin = unit * length;
    const VisibleRow visible = visible_row(call, length, unit);
    Segment* shared = call.segments;
    const Family<T> family{Scaling(call.parameters)};
    const auto logits = logits_of<Family, T>(call);
    const Scratch<T, segment> room, lost;
    SeenRow<Family, T> row(family, logits, {room, lost}, input<T>(call, 0) + begin, out ? out + begin : nullptr,
                           mask_of(call, visible.at(), length, Staged<T>()), visible.seen(), length);
    RowSums<T> sums{phase ? T(shared[0].largest) : T(0)};
    for (Size k = 0; k * segment < length && phase; ++k) {
        sums.largest = T(shared[k].largest) > sums.largest ? T(shared[k].largest) : sums.largest;
        if (phase > 1) sums.total.add(shared[k].total), sums.ties.add(shared[k].count);
    }
    for (Size k = first; k < last; ++k) {
        const bool empty = row.size(k * segment) == 0;
        if (phase == 0) {
            shared[k].largest = empty ? minus_infinity<T> : row.largest(k * segment);
        } else if (phase == 1) {
            RowSums<T> found{sums.largest};
            if (!empty) row.add(k * segment, found);
            shared[k].total = found.total, shared[k].count = found.ties;
        } else {
            conclude(row, unit, k * segment, sums);
        }
    }
}

// A gradient likewise.
template <class Op, class T> void share_seen_gradient(const Op& op, const Call& call, Size first, Size last) {
    const Size length = call.axis.length, unit = call.stage / backward_phases, begin = unit * length;
    const bool sums = call.stage % backward_phases == 0;
    const Size seen = visible_row(call, length, unit).seen();
    const T *dy = input<T>(call, 0) + begin, *y = input<T>(call, 1) + begin;
    T* out = output<T>(call) + begin;
    Segment* shared = call.segments;
    Total total, support;
    for (Size k = 0; k * segment < seen && !sums; ++k) total.add(shared[k].total);
    for (Size k = first; k < last; ++k) {
        const Size start = k * segment, stop = std::min(start + segment, length);
        const Size count = std::clamp(seen - start, Size(0), stop - start);
        const Lines<1, Known<1>> part{count, {}, {}, {}};
        if (sums) {
            Total sum, none;
            if (count) add_gradients(said_by(&Op::gradient_term, op), dy + start, y + start, &sum, &none, part);
            shared[k].total = sum;
        } else {
            if (count) write_gradients(op, dy + start, y + start, out + start, &total, &support, part);
            std::fill(out + start + count, out + stop, T(0));
        }
    }
}

// -- Short rows, as columns -----------------------------------------------------------------------

// value(i) for the first `count` elements of a short row, -inf for the rest. It is read as a whole: to end a loop in it
// takes longer.
template <class T, class Value> [[gnu::flatten]] void copy_short(T* to, Size count, Size length, Value value) {
    const auto bound = math::Bits<T>(count);
#pragma GCC ivdep
    for (math::Bits<T> i = 0; i < math::Bits<T>(length); ++i) to[i] = i < bound ? value(Size(i)) : minus_infinity<T>;
}

// Logits in the place of columns, of which each has its own `counts`.
template <class T>
[[gnu::flatten, gnu::noinline]] void shift_columns(T times, T* columns, const math::Bits<T>* counts, Size length) {
    for (Size i = 0; i < length; ++i)
#pragma GCC ivdep
        for (Size c = 0; c < tile; ++c) {
            const T logit = columns[i * tile + c] * times;
            columns[i * tile + c] = math::Bits<T>(i) < counts[c] ? logit : minus_infinity<T>;
        }
}
// And what they lost in the place of what is added.
template <class T>
[[gnu::flatten, gnu::noinline]] void bias_columns(const Biased<T>& biased_, T* columns, T* added, Size length) {
    const auto biased = biased_;
#pragma GCC ivdep
    for (Size i = 0; i < length * tile; ++i) {
        const T x = columns[i], mask = added[i], logit = biased(x, mask);
        columns[i] = logit;
        added[i] = biased.lost(x, mask, logit);
    }
}

template <class T> bool any_is_nan(const T* values) {
    math::Bits<T> any = 0;
    for (Size c = 0; c < tile; ++c) any |= math::mask_if<T>(values[c] != values[c]);
    return any != 0;
}

template <class Op, class T>
[[gnu::flatten, gnu::noinline]] void write_log_sums(const Op& op, const LineSums<T, tile>& sums, T* results) {
    for (Size c = 0; c < tile; ++c) {
        const double sum = sums.total[c].high + sums.total[c].low;
        results[c] = T(log_sum(op, sum, sums.ties[c].high, sums.peaks.largest[c]));
    }
}

// Short rows as columns (lines.hpp), 64 at a time.
template <template <class> class Family, class S> class SeenTiles {
    using T = Computed<S>;

  public:
    SeenTiles(const Call& call, Size length)
        : call(call), length(length), family(Scaling(call.parameters)), logits(logits_of<Family, T>(call)),
          kind(visible_of(call).mask) {}

    static bool fit(Size length) { return length * Size(sizeof(T)) <= short_row; }

    void normalize(Size first) {
        S* const out = output<S>(call) + first * length;
        T *const columns = of_columns, *const results = rows.at(out);
        with_logits(first, [&](const auto& op, const auto& lines) { fastact::normalize(op, columns, columns, lines); });
        with_known_length(length, [&](auto known) { to_rows<T>(columns, results, known); });
        if (any_is_nan(columns)) hide(results, first);
        rows.write(out, tile * length);
    }
    // The logarithm of each row's sum.
    void sum(Size first, T* results) {
        with_logits(first, [&](const auto& op, const auto& lines) {
            const LineSums<T, tile> sums(op, static_cast<const T*>(of_columns), lines);
            write_log_sums(op, sums, results);
        });
        VisibleRow visible = visible_row(call, length, first);
        for (Size k = 0; k < tile; ++k, visible.advance())
            if (visible.seen() == 0) results[k] = minus_infinity<T>;
    }

  private:
    const Call& call;
    const Size length;
    const Family<T> family;
    const Logits<T> logits;
    const Size kind;
    const Staged<S> rows{}, masks{};
    const Scratch<T, short_row / Size(sizeof(T)) * tile> of_lines, of_columns, of_masks;

    template <class Body> void with_logits(Size first, Body body) {
        bring(first);
        family(logits.formula, [&]<class Op>(const Op& op) {
            if constexpr (std::is_same_v<Op, PartedSoftmax<T>>)
                body(op, Lines<tile, Known<tile>, Drawn<T, tile>>{length, tile, {}, {of_masks}});
            else
                body(op, Lines<tile, Known<tile>>{length, tile, {}, {}});
        });
    }
    void bring(Size first) {
        const T* x = rows.read(input<S>(call, 0) + first * length, tile * length);
        math::Bits<T> counts[tile];
        VisibleRow visible = visible_row(call, length, first);
        for (Size k = 0; k < tile; ++k, visible.advance()) {
            const Size seen = visible.seen(), place = k * length;
            counts[k] = math::Bits<T>(seen);
            const auto mask = mask_of(call, visible.at(), length, masks);
            const T* from = x + place;
            if (kind == keeping_mask)
                copy_short(of_lines + place, seen, length, [=, times = logits.times, kept = mask.kept()](Size i) {
                    return where_kept(kept[i], from[i] * times);
                });
            else if (kind == added_mask)
                copy_short(of_lines + place, seen, length, [added = mask.added()](Size i) { return added[i]; });
        }
        with_known_length(length, [&](auto known) {
            if (kind == added_mask) to_columns<T>(of_lines, of_masks, known);
            to_columns<T>(kind == keeping_mask ? static_cast<const T*>(of_lines) : x, of_columns, known);
        });
        if (kind == no_mask) shift_columns<T>(logits.times, of_columns, counts, length);
        if (kind == added_mask) bias_columns<T>(logits.biased, of_columns, of_masks, length);
    }
    void hide(T* results, Size first) {
        VisibleRow visible = visible_row(call, length, first);
        for (Size place = 0; place < tile * length; place += length, visible.advance())
            if (results[place] != results[place])
                hide_row(results + place, 0, visible.seen(), length, mask_of(call, visible.at(), length, masks),
                         nothing<Family<T>>);
    }
};

// -- The kernels ------------------------------------------------------------------------------

// Rows first..last; results_of(formula, unit) says how results are made of sums.
template <template <class> class Family, class S, class ResultsOf>
void normalize_seen(const Call& call, Size first, Size last, ResultsOf results_of) {
    const Size length = call.axis.length;
    S* const out = output<S>(call);
    const auto of_row = [&](Size unit) { return [&, unit](const auto& op) { return results_of(op, unit); }; };
    if constexpr (!Half<S>)
        if (call.segments)
            return share_seen_row<Family>(
                call, length, out, first, last, [&](auto& row, Size unit, Size start, const auto& sums) {
                    const Size size = row.size(start), stop = std::min(start + segment, length);
                    S* const to = out + unit * length;
                    if (size) row.write(start, sums, of_row(unit));
                    std::fill(to + start + size, to + stop, nothing<Family<S>>);
                });
    each_seen_row<Family>(call, length, out, first, last, [&](auto& row, Size unit) {
        if (!row.is_empty()) row.normalize(of_row(unit));
    });
}

template <template <class> class Family, class S> void masked_forward(const Call& call, Size first, Size last) {
    Size unit = first;
    if (SeenTiles<Family, S>::fit(call.axis.length) && first + tile <= last) {
        SeenTiles<Family, S> tiles(call, call.axis.length);
        for (; unit + tile <= last; unit += tile) tiles.normalize(unit);
    }
    normalize_seen<Family, S>(call, unit, last, [](const auto& op, Size) { return Family<Computed<S>>::results(op); });
}

// A gradient's columns behind what each sees.
template <class T>
[[gnu::flatten, gnu::noinline]] void hide_columns(T* columns, const math::Bits<T>* counts, Size length, T other) {
    for (Size i = 0; i < length; ++i)
#pragma GCC ivdep
        for (Size c = 0; c < tile; ++c) {
            const T value = columns[i * tile + c];
            columns[i * tile + c] = math::Bits<T>(i) < counts[c] ? value : other;
        }
}

// Gradients of short rows, 64 at a time as columns; where the rest begins. What is not seen of y is `hidden`.
template <class S, class Op, class T>
Size differentiate_tiles(const Op& op, const Call& call, T hidden, Size first, Size last) {
    const Size length = call.axis.length;
    if (2 * length * Size(sizeof(T)) > short_row || first + tile > last) return first;
    constexpr Size room = short_row / 2 / Size(sizeof(T)) * tile;
    const Staged<S> gradients{}, kept{};
    const Scratch<T, room> of_dy, of_y;
    T *const dy = of_dy, *const y = of_y;
    const bool hides = visible_of(call).causal;
    math::Bits<T> counts[tile];
    VisibleRow visible = visible_row(call, length, first);
    for (; first + tile <= last; first += tile) {
        const T* from = gradients.read(input<S>(call, 0) + first * length, tile * length);
        const T* saved = kept.read(input<S>(call, 1) + first * length, tile * length);
        S* const to = output<S>(call) + first * length;
        with_known_length(length, [&](auto known) {
            to_columns<T>(from, dy, known);
            to_columns<T>(saved, y, known);
        });
        for (Size k = 0; k < tile && hides; ++k, visible.advance()) counts[k] = math::Bits<T>(visible.seen());
        if (hides) hide_columns(dy, counts, length, T(0)), hide_columns(y, counts, length, hidden);
        differentiate(op, static_cast<const T*>(dy), static_cast<const T*>(y), dy,
                      Lines<tile, Known<tile>>{length, tile, {}, {}});
        if (hides) hide_columns(dy, counts, length, T(0));
        with_known_length(length, [&](auto known) { to_rows<T>(dy, gradients.at(to), known); });
        gradients.write(to, tile * length);
    }
    return first;
}

// Longer rows of gradients are not copied, to have loops that end with whole lanes.
inline constexpr Size longest_copy = 512;

// From y, of which nothing is made behind what a causal row sees.
template <template <class> class Gradient, class S> void masked_backward(const Call& call, Size first, Size last) {
    using T = Computed<S>;
    using Op = typename Gradient<T>::Gradient;
    const Gradient<T> gradient{Scaling(call.parameters)};
    const Op& op = gradient;
    const Size length = call.axis.length;
    if constexpr (!Half<S>)
        if (call.segments) return share_seen_gradient<Op, T>(op, call, first, last);
    first = differentiate_tiles<S>(op, call, Gradient<T>::hidden, first, last);
    const Staged<S> gradients, kept;
    const Scratch<T, longest_copy> of_dy, of_y;
    each_visible_row<S, 2>(call, length, first, last, [&](Size unit, const VisibleRow& visible, const auto& inputs) {
        const Size seen = visible.seen();
        const T *dy = gradients.read(inputs[0], seen), *y = kept.read(inputs[1], seen);
        S* to = output<S>(call) + unit * length;
        Size filled = seen;
        if (length <= longest_copy && seen % lanes != 0) {
            filled = std::min((seen + lanes - 1) / lanes * lanes, length);
            copy_padded<T>(of_dy, seen, filled, [=](Size i) { return dy[i]; }, T(0));
            copy_padded<T>(of_y, seen, filled, [=](Size i) { return y[i]; }, Gradient<T>::hidden);
            dy = of_dy, y = of_y;
        }
        if (seen) differentiate(op, dy, y, gradients.at(to), Lines<1, Known<1>>{filled, {}, {}, {}});
        gradients.write(to, seen);
        std::fill(to + seen, to + length, S{});
    });
}

// One number of a row, of the dtype that it is computed in.
template <class S> void logsumexp(const Call& call, Size first, Size last) {
    using T = Computed<S>;
    T* results = static_cast<T*>(call.out[0]);
    const Size length = std::max(call.axis.length, call.group);
    S* const no_out = nullptr;
    const auto conclude = [=](const auto& row, Size unit, const auto& sums) {
        results[unit] = row.is_empty() ? minus_infinity<T> : T(row.log_sum(sums));
    };
    if constexpr (!Half<S>)
        if (call.segments)
            return share_seen_row<AsLogarithms>(call, length, no_out, first, last,
                                                [&](const auto& row, Size unit, Size start, const auto& sums) {
                                                    if (start == 0) conclude(row, unit, sums);
                                                });
    Size rest = first;
    if (SeenTiles<AsLogarithms, S>::fit(length) && first + tile <= last) {
        SeenTiles<AsLogarithms, S> tiles(call, length);
        for (; rest + tile <= last; rest += tile) tiles.sum(rest, results + rest);
    }
    each_seen_row<AsLogarithms>(call, length, no_out, rest, last, [&](auto& row, Size unit) {
        conclude(row, unit, row.is_empty() ? RowSums<T>() : row.sums());
    });
}

// dy times the shares of a row, times the scale.
template <class S> void logsumexp_backward(const Call& call, Size first, Size last) {
    using T = Computed<S>;
    const T* dy = input<T>(call, 1);
    const T scale = bounded<T>(call.parameters[0]);
    normalize_seen<AsShares, S>(call, first, last,
                                [=](const auto&, Size unit) { return TimesShares<T>(dy[unit] * scale); });
}

}  // namespace fastact
