// The loops of rows of which some elements are not seen: attention's softmax, with its gradient, and logsumexp.
//
// A row is one line in memory, of which what lies behind the last element seen (a causal query's) is not read. The
// sums are those of rows.hpp, in the same association: an element that is not seen adds 0 to them. Half precision is
// widened row by row into a buffer.
#pragma once

#include <algorithm>
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

template <bool near, class Form, class T, class Seen>
[[gnu::flatten, gnu::noinline]] void add_seen_terms(const Form& form_, const T* x, T* out, Size length, Seen seen,
                                                    Peak<T> peak, RowSums<T>& sums_) {
    // Of a copy of the form the compiler knows that no element written changes it.
    const auto term_of = [=, form = form_](Size i, Size) {
        const T term = near ? form.near_term(x[i], seen(i, 0), peak) : form.term(x[i], seen(i, 0), peak);
        if constexpr (Form::keeps_terms) out[i] = term;
        return term;
    };
    const auto sums = [&] {
        using Sums = Sums<T, 1, true>;
        if constexpr (Form::counts_ties)
            return Sums(length, 1, term_of, [=, form = form_](Size i, Size) {
                return math::keep(math::mask_if<T>(form.logit(x[i], seen(i, 0)) == peak.largest), T(1));
            });
        else
            return Sums(length, 1, term_of);
    }();
    sums_.total.add(sums.total[0]);
    if constexpr (Form::counts_ties) sums_.ties.add(sums.count(0));
}

// Of the terms where the form keeps those, else of the logits.
template <class Form, class T, class Seen>
[[gnu::flatten, gnu::noinline]] void write_seen(const Form& form_, const T* kept, T* out, Size length, Seen seen,
                                                const RowSums<T>& sums) {
    const T largest = sums.largest;
    const Parts<T> scale = form_.scale(sums.total.high, sums.total.low, sums.ties.high, largest);
    each_element(Lines<1, Known<1>, Seen>{length, {}, {}, seen}, out, [=, form = form_](Size i, Size) {
        out[i] = form.result(kept[i], seen(i, 0), largest, scale);
    });
}

// value(i) for the first `count` of so many elements, -inf for the rest, in whole lanes as far as there are. The
// elements behind the first are read all the same: loops that end with each row's last are never predicted.
template <class T, class Value>
[[gnu::flatten, gnu::noinline]] void copy_padded(T* to, Size count, Size padded, Value value) {
    const Size whole = padded == count ? count : count / lanes * lanes;
#pragma GCC ivdep
    for (Size i = 0; i < whole; ++i) to[i] = value(i);
    const auto rest = math::Bits<T>(count - whole), filled = math::Bits<T>(padded - whole);
    const auto take = [=](math::Bits<T> i) { return i < rest ? value(whole + Size(i)) : minus_infinity<T>; };
    if (filled == lanes) {
#pragma GCC ivdep
        for (math::Bits<T> i = 0; i < lanes; ++i) to[whole + Size(i)] = take(i);
    } else {
#pragma GCC ivdep
        for (math::Bits<T> i = 0; i < filled; ++i) to[whole + Size(i)] = take(i);
    }
}

// A row whose results are NaN is so in what is seen of it alone.
template <class Family, class T, class Seen> void hide_row(T* out, Size count, Size size, Seen seen) {
    const T nothing = Family::logarithm ? minus_infinity<T> : T(0);
    if (out[0] == out[0]) return;
    for (Size i = 0; i < count; ++i) out[i] = where_seen(seen(i, 0), out[i], nothing);
    std::fill(out + count, out + size, nothing);
}

// A row, of which the first `count` elements may be seen. It is taken segment by segment, as threads share it: its
// largest, its sums, its results.
//
// What is computed are these elements, and as many more as fill the lanes of a sum: the last few elements one by one
// take as long as a hundred others. Those have the logit -inf. Where there are such, or a mask says what is seen, the
// logits are written first, so that it is asked once for all passes; a formula that needs what a logit lost in rounding
// asks in each, of a mask that says -inf of those.
template <class Form, class T, class Seen> class SeenRow {
    static constexpr bool copies = requires(const Form& form) { form.of_logits(); };
    static constexpr bool asks = !std::is_same_v<Seen, Everything>;

  public:
    // Logits go to `room`, which may be x or `out`; where there is no `out`, those of one segment after the other.
    SeenRow(const Form& form, const T* x, T* out, T* room, Size count, Size filled, Seen seen)
        : form(form), x(x), out(out), room(room), count(count), filled(filled), seen(seen) {}

    const Form& form;

    // How many elements of the segment from `start` on are computed.
    Size size(Size start) const { return std::clamp(filled - start, Size(0), segment); }
    bool is_empty() const { return count == 0; }

    T largest(Size start) const {
        T found;
        if (is_copied(start)) copy(start);
        with_logits(start, [&](const auto& form, const T* from, auto seen) {
            find_largest(form, from, &found, Lines<1, Known<1>, decltype(seen)>{size(start), {}, {}, seen});
        });
        return found;
    }
    void add(Size start, RowSums<T>& sums) const {
        if (!out && filled > segment && is_copied(start)) copy(start);
        const T level = form.level(sums.largest);
        const Peak<T> peak{sums.largest, math::Anchor<T>(level)};
        const bool near = Form::has_anchor && math::Anchor<T>::holds(level);
        T* const terms = Form::keeps_terms ? out + start : nullptr;
        with_logits(start, [&](const auto& form, const T* from, auto seen) {
            if (near)
                add_seen_terms<Form::has_anchor>(form, from, terms, size(start), seen, peak, sums);
            else
                add_seen_terms<false>(form, from, terms, size(start), seen, peak, sums);
        });
    }
    void write(Size start, const RowSums<T>& sums) const {
        with_logits(start, [&](const auto& form, const T* from, auto seen) {
            write_seen(form, Form::keeps_terms ? out + start : from, out + start, size(start), seen, sums);
        });
    }
    template <class Family> void hide(Size start) const {
        const Size size = this->size(start);
        hide_row<Family>(out + start, std::clamp(count - start, Size(0), size), size, seen.from(start));
    }
    RowSums<T> sums() const {
        RowSums<T> sums{largest(0)};
        for (Size start = segment; start < filled; start += segment) {
            const T other = largest(start);
            sums.largest = other > sums.largest ? other : sums.largest;
        }
        for (Size start = 0; start < filled; start += segment) add(start, sums);
        return sums;
    }

  private:
    const T* x;
    T *out, *room;
    Size count, filled;
    Seen seen;

    T* place(Size start) const { return out ? room + start : room; }
    bool is_copied(Size start) const { return copies && (asks || start + size(start) > count); }
    void copy(Size start) const {
        const Size size = this->size(start);
        const T* from = x + start;
        copy_padded(place(start), std::min(count - start, size), size,
                    [from, form = form, seen = seen.from(start)](Size i) { return form.logit(from[i], seen(i, 0)); });
    }
    // By reference: eight pointers that are pushed one by one are not there yet when vectors of them are copied.
    template <class Body> void with_logits(Size start, const Body& body) const {
        if constexpr (copies)
            if (is_copied(start)) return body(form.of_logits(), static_cast<const T*>(place(start)), Everything());
        if constexpr (!(copies && asks)) body(form, x + start, seen.from(start));
    }
};

// Masks of rows of at most so many elements are copied, where they have to go on behind what is seen.
inline constexpr Size longest_mask = 4096;

// How many elements of a row are computed, and its mask for those: of a formula that asks in each pass, a copy.
template <class Form, class T, class Seen>
Seen padded_mask(const Form& form, Seen seen, Size length, Size& count, T* room) {
    const Size padded = std::min((count + lanes - 1) / lanes * lanes, length);
    if constexpr (!requires { form.of_logits(); }) {
        if (padded == count || length > longest_mask) return seen;
        copy_padded(room, count, padded, [=](Size i) { return seen.mask[i]; });
        seen.mask = room;
    }
    count = padded;
    return seen;
}

template <class T> T stored_minus_infinity() { return minus_infinity<T>; }
template <> inline Float16 stored_minus_infinity() { return {0xfc00}; }
template <> inline BFloat16 stored_minus_infinity() { return {0xff80}; }

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

// What the mask says of a row: its numbers are of x's dtype.
template <class S, class Seen> Seen staged_mask(Seen seen, const Staged<S>&, Size, Size = 0) { return seen; }
template <Half S>
AddedMask<float> staged_mask(AddedMask<float> seen, const Staged<S>& stage, Size size, Size place = 0) {
    return {stage.read(reinterpret_cast<const S*>(seen.mask), size, place)};
}

// body(form, mask, rows, masks) with the form of a call, its mask by where a row's part of it begins, and the buffers.
template <class Family, class S, class Body> void with_form_of(const Call& call, Body body) {
    const Staged<S> rows, masks;
    const Scaling factor(call.parameters);
    with_form<Family, Computed<S>, S>(factor, visible_of(call).mask, call.in[2], [&](const auto& form, auto mask) {
        body(form, mask, rows, masks);
    });
}

// conclude(row, unit, sums, rows) for rows first..last, brought to it in the computed dtype. A row's form is
// form_of(form, unit); results go to `out`, if there is one.
template <class Family, class S, class FormOf, class Conclude>
void each_seen_row(const Call& call, Size length, S* out, Size first, Size last, FormOf form_of, Conclude conclude) {
    using T = Computed<S>;
    with_form_of<Family, S>(call, [&](const auto& form_, auto mask, const auto& rows, const auto& masks) {
        const Scratch<T, segment> room;
        const Scratch<T, longest_mask> of_mask;
        const bool prefetches = prefetches_rows<S>({call.axis.outer, length, 1}, first, last);
        VisibleRow visible = visible_row(call, length, first);
        for (Size unit = first; unit < last; ++unit, visible.advance()) {
            const Size seen = visible.seen();
            const S* from = input<S>(call, 0) + unit * length;
            if (prefetches) prefetch(from + length, seen);
            const T* x = rows.read(from, seen);
            T* const to = out ? rows.at(out + unit * length) : nullptr;
            const auto& form = form_of(form_, unit);
            Size filled = seen;
            const auto told = staged_mask(mask(visible.at()), masks, seen);
            const auto padded = padded_mask(form, told, length, filled, static_cast<T*>(of_mask));
            const bool apart = !Half<S> && length <= segment;
            const SeenRow row(form, x, to, to && !apart ? to : static_cast<T*>(room), seen, filled, padded);
            conclude(row, unit, row.is_empty() ? RowSums<T>() : row.sums(), rows);
        }
    });
}

// The results of a row's segment from `start` on, from the buffer to where they are stored.
template <class Family, class S, class Row, class T>
void write_segment(const Row& row, const RowSums<T>& sums, S* out, Size length, Size start, const Staged<S>& stage) {
    const Size size = row.size(start), stop = std::min(start + segment, length);
    if (size) {
        row.write(start, sums);
        row.template hide<Family>(start);
        stage.write(out + start, size);
    }
    std::fill(out + start + size, out + stop, Family::logarithm ? stored_minus_infinity<S>() : S{});
}

// A row that all threads share, as in rows.hpp: a thread's segments first <= k < last of it, for each of which
// conclude(row, unit, start, sums) comes in the last phase.
template <class Family, class T, class FormOf, class Conclude>
void share_seen_row(const Call& call, Size length, T* out, Size first, Size last, FormOf form_of, Conclude conclude) {
    const Size unit = call.stage / forward_phases, phase = call.stage % forward_phases, begin = unit * length;
    const VisibleRow visible = visible_row(call, length, unit);
    Segment* shared = call.segments;
    with_form_of<Family, T>(call, [&](const auto& form, auto mask, const auto&, const auto&) {
        const Scratch<T, segment> room;
        T* const to = out ? out + begin : nullptr;
        const auto& used = form_of(form, unit);
        Size filled = visible.seen();
        const auto padded = padded_mask(used, mask(visible.at()), length, filled, static_cast<T*>(nullptr));
        const SeenRow row(used, input<T>(call, 0) + begin, to, to ? to : static_cast<T*>(room), visible.seen(), filled,
                          padded);
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
    });
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
            if (count) add_gradients(op, dy + start, y + start, &sum, &none, part);
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
template <class Form, class T>
[[gnu::flatten]] void make_logits(const Form& form, T* columns, const math::Bits<T>* counts, Size length) {
    for (Size i = 0; i < length; ++i)
#pragma GCC ivdep
        for (Size c = 0; c < tile; ++c) {
            const T logit = form.logit(columns[i * tile + c], std::true_type());
            const auto seen = math::mask_if<T>(math::Bits<T>(i) < counts[c]);
            columns[i * tile + c] = where_seen(seen, logit, minus_infinity<T>);
        }
}

template <class T> bool any_is_nan(const T* values) {
    math::Bits<T> any = 0;
    for (Size c = 0; c < tile; ++c) any |= math::mask_if<T>(values[c] != values[c]);
    return any != 0;
}

// Short rows as columns (lines.hpp): 64 at a time as those of a formula of rows.hpp, of logits that are -inf where they
// are not seen, or of x and of what is added to it.
template <class Family, class S> class SeenTiles {
    using T = Computed<S>;

  public:
    explicit SeenTiles(const Call& call) : call(call), length(call.axis.length) {}

    static bool fit(Size length) { return length * Size(sizeof(T)) <= short_row; }

    template <class Form, class Mask>
    void normalize(const Form& form, Mask mask, const Staged<S>& rows, const Staged<S>& masks, Size first) {
        S* const out = output<S>(call) + first * length;
        T *const columns = of_columns, *const results = rows.at(out);
        bring(form, mask, rows, masks, first);
        if constexpr (requires { form.op; })
            fastact::normalize(form.op, columns, columns, Columns<Indices>{length, tile, {}, {}});
        else if constexpr (requires { form.of_logits(); })
            fastact::normalize(AsFormula<T, Form>(form.of_logits()), columns, columns,
                               Columns<Indices>{length, tile, {}, {}});
        else
            fastact::normalize(AsFormula<T, Form>(form), columns, columns,
                               Columns<Drawn<T, tile>>{length, tile, {}, {of_masks}});
        with_known_length(length, [&](auto known) { to_rows<T>(columns, results, known); });
        if (any_is_nan(columns)) hide(mask, masks, results, first);
        rows.write(out, tile * length);
    }

  private:
    template <class Index> using Columns = Lines<tile, Known<tile>, Index>;

    const Call& call;
    const Size length;
    const Scratch<T, short_row / Size(sizeof(T)) * tile> of_lines, of_columns, of_masks;

    template <class Form, class Mask>
    void bring(const Form& form, Mask mask, const Staged<S>& rows, const Staged<S>& masks, Size first) {
        constexpr bool sees_all = std::is_same_v<decltype(mask(0)), Everything>;
        constexpr bool adds = !requires { form.of_logits(); };
        const T* x = rows.read(input<S>(call, 0) + first * length, tile * length);
        math::Bits<T> counts[tile];
        VisibleRow visible = visible_row(call, length, first);
        for (Size k = 0; k < tile; ++k, visible.advance()) {
            const Size seen = visible.seen(), place = k * length;
            counts[k] = math::Bits<T>(seen);
            if constexpr (!sees_all) {
                const auto told = staged_mask(mask(visible.at()), masks, length, place);
                const T* from = x + place;
                copy_short(of_lines + place, seen, length, [=, form = form](Size i) {
                    if constexpr (adds)
                        return told.mask[i];
                    else
                        return form.logit(from[i], told(i, 0));
                });
            }
        }
        with_known_length(length, [&](auto known) {
            if constexpr (adds) to_columns<T>(of_lines, of_masks, known);
            to_columns<T>(sees_all || adds ? x : static_cast<const T*>(of_lines), of_columns, known);
        });
        if constexpr (sees_all) make_logits<Form, T>(form, of_columns, counts, length);
    }
    template <class Mask> void hide(Mask mask, const Staged<S>& masks, T* results, Size first) {
        VisibleRow visible = visible_row(call, length, first);
        for (Size place = 0; place < tile * length; place += length, visible.advance()) {
            const auto told = staged_mask(mask(visible.at()), masks, length);
            hide_row<Family>(results + place, visible.seen(), length, told);
        }
    }
};

// -- The kernels ------------------------------------------------------------------------------

inline constexpr auto form_as_it_is = [](const auto& form, Size) -> const auto& { return form; };

template <class Family, class S> void masked_forward(const Call& call, Size first, Size last) {
    using T = Computed<S>;
    const Size length = call.axis.length;
    S* const out = output<S>(call);
    const auto share = [&](const auto& row, Size unit, Size start, const auto& sums) {
        write_segment<Family>(row, sums, out + unit * length, length, start, Staged<S>());
    };
    if constexpr (!Half<S>)
        if (call.segments) return share_seen_row<Family, T>(call, length, out, first, last, form_as_it_is, share);
    Size unit = first;
    if (SeenTiles<Family, S>::fit(length) && first + tile <= last)
        with_form_of<Family, S>(call, [&](const auto& form, auto mask, const auto& rows, const auto& masks) {
            SeenTiles<Family, S> tiles(call);
            for (; unit + tile <= last; unit += tile) tiles.normalize(form, mask, rows, masks, unit);
        });
    each_seen_row<Family>(
        call, length, out, unit, last, form_as_it_is,
        [&](const auto& row, Size unit, const auto& sums, const auto& rows) {
            for (Size start = 0; start < length; start += segment)
                write_segment<Family>(row, sums, out + unit * length, length, start, rows);
        });
}

// From y, of which a causal row's rest is not read.
template <template <class> class Op, class S> void masked_backward(const Call& call, Size first, Size last) {
    using T = Computed<S>;
    const Op<T> op{Scaling(call.parameters)};
    const Size length = call.axis.length;
    if constexpr (!Half<S>)
        if (call.segments) return share_seen_gradient<Op<T>, T>(op, call, first, last);
    const Staged<S> gradients, kept;
    const bool prefetches = prefetches_rows<S>({call.axis.outer, length, 1}, first, last);
    VisibleRow visible = visible_row(call, length, first);
    for (Size unit = first; unit < last; ++unit, visible.advance()) {
        const Size seen = visible.seen();
        const S *from = input<S>(call, 0) + unit * length, *saved = input<S>(call, 1) + unit * length;
        if (prefetches) prefetch(from + length, seen), prefetch(saved + length, seen);
        const T *dy = gradients.read(from, seen), *y = kept.read(saved, seen);
        S* to = output<S>(call) + unit * length;
        if (seen) differentiate(op, dy, y, gradients.at(to), Lines<1, Known<1>>{seen, {}, {}, {}});
        gradients.write(to, seen);
        std::fill(to + seen, to + length, S{});
    }
}

// One number of a row, of the dtype that it is computed in.
template <class S> void logsumexp(const Call& call, Size first, Size last) {
    using T = Computed<S>;
    T* results = static_cast<T*>(call.out[0]);
    const Size length = std::max(call.axis.length, call.group);
    const auto conclude = [&](const auto& row, Size unit, const auto& sums) {
        const double sum = sums.total.high + sums.total.low;
        results[unit] = row.is_empty() ? minus_infinity<T> : T(row.form.log_sum(sum, sums.ties.high, sums.largest));
    };
    if constexpr (!Half<S>)
        if (call.segments)
            return share_seen_row<AsLogarithms, T>(
                call, length, static_cast<S*>(nullptr), first, last, form_as_it_is,
                [&](const auto& row, Size unit, Size start, const auto& sums) {
                    if (start == 0) conclude(row, unit, sums);
                });
    each_seen_row<AsLogarithms>(
        call, length, static_cast<S*>(nullptr), first, last, form_as_it_is,
        [&](const auto& row, Size unit, const auto& sums, const auto&) { conclude(row, unit, sums); });
}

// dy times the shares of a row, times the scale.
template <class S> void logsumexp_backward(const Call& call, Size first, Size last) {
    using T = Computed<S>;
    const Size length = call.axis.length;
    const T* dy = input<T>(call, 1);
    const T scale = bounded<T>(call.parameters[0]);
    S* const out = output<S>(call);
    const auto times_dy = [&](const auto& form, Size unit) {
        return Times<T, std::remove_cvref_t<decltype(form)>>(form, dy[unit] * scale);
    };
    if constexpr (!Half<S>)
        if (call.segments)
            return share_seen_row<AsShares, T>(
                call, length, out, first, last, times_dy,
                [&](const auto& row, Size unit, Size start, const auto& sums) {
                    write_segment<AsShares>(row, sums, out + unit * length, length, start, Staged<S>());
                });
    each_seen_row<AsShares>(
        call, length, out, first, last, times_dy,
        [&](const auto& row, Size unit, const auto& sums, const auto& rows) {
            for (Size start = 0; start < length; start += segment)
                write_segment<AsShares>(row, sums, out + unit * length, length, start, rows);
        });
}

}  // namespace fastact
