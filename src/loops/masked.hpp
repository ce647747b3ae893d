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

// value(i) for the first `count` of so many elements, `other` for the rest, in whole lanes as far as there are. The
// elements behind the first are read all the same: loops that end with each row's last are never predicted.
template <class T, class Value>
[[gnu::flatten, gnu::noinline]] void copy_padded(T* to, Size count, Size padded, T other, Value value) {
    if (padded == count) {
#pragma GCC ivdep
        for (Size i = 0; i < count; ++i) to[i] = value(i);
        return;
    }
    const auto bound = math::Bits<T>(count);
    const auto take = [=](Size i) { return math::Bits<T>(i) < bound ? value(i) : other; };
    Size start = 0;
    for (; start + lanes <= padded; start += lanes)
#pragma GCC ivdep
        for (Size i = start; i < start + lanes; ++i) to[i] = take(i);
#pragma GCC ivdep
    for (Size i = start; i < padded; ++i) to[i] = take(i);
}

// Writes the terms to `out` where the form keeps them.
template <class Form, class T, class Seen>
RowSums<T> sum_row(const Form& form, const T* x, T* out, Size length, Seen seen) {
    const Lines<1, Known<1>, Seen> row{length, {}, {}, seen};
    RowSums<T> sums{};
    find_largest(form, x, &sums.largest, row);
    const T level = form.level(sums.largest);
    const Peak<T> peak{sums.largest, math::Anchor<T>(level)};
    const bool near = math::Anchor<T>::holds(level);
    segments(row, [&](Size start, auto part) {
        const auto run = [&](auto known) {
            T* to = Form::keeps_terms ? out + start : out;
            add_seen_terms<known.value>(form, x + start, to, part.length, part.index, peak, sums);
        };
        with_known_nearness<Form>(near, run);
    });
    return sums;
}

template <class Form, class T, class Seen>
[[gnu::flatten, gnu::noinline]] void write_seen(const Form& form_, const T* x, T* out, Size length, Seen seen,
                                                const RowSums<T>& sums) {
    const T largest = sums.largest;
    const Parts<T> scale = form_.scale(sums.total.high, sums.total.low, sums.ties.high, largest);
    const T* kept = Form::keeps_terms ? out : x;
    each_element(Lines<1, Known<1>, Seen>{length, {}, {}, seen}, out, [=, form = form_](Size i, Size) {
        out[i] = form.result(kept[i], seen(i, 0), largest, scale);
    });
}

// A row whose results are NaN is so in what is seen of it alone.
template <class T, class Seen> void hide(T* out, Size count, Size written, Seen seen, T nothing) {
    if (written == 0 || out[0] == out[0]) return;
    for (Size i = 0; i < count; ++i) out[i] = where_seen(seen(i, 0), out[i], nothing);
    std::fill(out + count, out + written, nothing);
}

// Rows of at most so many elements are copied first where part of them is not seen.
inline constexpr Size longest_copied = 4096;
template <class T> using Copies = Scratch<T, longest_copied>;

// A mask that goes on behind what is seen, with what keeps it from being seen.
template <class T, class Seen> Seen padded_mask(Seen seen, Size, Size, T*) { return seen; }
template <class T> AddedMask<T> padded_mask(AddedMask<T> seen, Size count, Size padded, T* room) {
    copy_padded(room, count, padded, minus_infinity<T>, [=](Size i) { return seen.mask[i]; });
    return {room};
}

// body(form, x, count, seen) for the elements of a row that are seen, and as many more as fill the lanes of a sum: the
// last few elements one by one take as long as a hundred others. These have the logit -inf, and what a mask says is
// asked once for all passes where the formula is one of logits. How many elements that were.
template <class Form, class T, class Seen, class Body>
Size with_whole_lanes(const Form& form, const T* x, Size count, Size length, Seen seen, const Copies<T>& copies,
                      const Copies<T>& of_mask, Body body) {
    constexpr bool keeps = std::is_same_v<Seen, Kept<T>>;
    const Size padded = std::min((count + lanes - 1) / lanes * lanes, length);
    T* const room = copies;
    if constexpr (requires { form.op; }) {
        if (length > longest_copied || !(keeps || padded > count)) return body(form, x, count, seen), count;
        copy_padded(room, count, padded, minus_infinity<T>, [=](Size i) { return form.logit(x[i], seen(i, 0)); });
        body(typename Form::OfLogits(form.op), static_cast<const T*>(room), padded, Everything());
    } else {
        if (length > longest_copied || padded == count || !form.can_pad()) return body(form, x, count, seen), count;
        copy_padded(room, count, padded, form.unseen(), [=](Size i) { return x[i]; });
        body(form, static_cast<const T*>(room), padded, padded_mask<T>(seen, count, padded, of_mask));
    }
    return padded;
}

template <class Form, class T, class Seen>
void normalize_seen(const Form& form, const T* x, T* out, Size length, Seen seen) {
    write_seen(form, x, out, length, seen, sum_row(form, x, out, length, seen));
}

template <class T> T stored_minus_infinity() { return minus_infinity<T>; }
template <> inline Float16 stored_minus_infinity() { return {0xfc00}; }
template <> inline BFloat16 stored_minus_infinity() { return {0xff80}; }

// What is not there says that everything is seen.
inline const Visible* visible_of(const Call& call) { return static_cast<const Visible*>(call.in[3]); }
inline Size kind_of_mask(const Visible* visible) { return visible ? visible->mask : Size(no_mask); }

// body(unit, seen, at) for rows first..last: how many elements are seen, and where its part of the mask begins.
template <class T, class Body> void each_visible_row(const Call& call, Size length, Size first, Size last, Body body) {
    const Visible* visible = visible_of(call);
    const bool prefetches = prefetches_rows<T>({call.axis.outer, length, 1}, first, last);
    const Size origin = call.place.index / std::max(Size(1), length * call.place.step);
    for (Size unit = first; unit < last; ++unit) {
        const Size seen = visible ? visible->seen(origin + unit, length) : length;
        if (prefetches) prefetch(input<T>(call, 0) + (unit + 1) * length, seen);
        body(unit, seen, visible && visible->mask ? visible->place(unit) : 0);
    }
}

// Rows of one dtype as those of the dtype that it is computed in: as they are, or through a buffer.
template <class S> struct Staged {
    const Scratch<float, longest_half_row> values;

    const float* read(const S* from, Size size) const { return widen(from, values, size), values; }
    float* room(S*) const { return values; }
    void write(S* to, Size size) const { narrow(values, to, size); }
};
template <class S>
    requires(!Half<S>)
struct Staged<S> {
    const S* read(const S* from, Size) const { return from; }
    S* room(S* to) const { return to; }
    void write(S*, Size) const {}
};

// What the mask says of a row: its numbers are of x's dtype.
template <class S, class Seen> Seen staged_mask(Seen seen, const Staged<S>&, Size) { return seen; }
template <Half S> AddedMask<float> staged_mask(AddedMask<float> seen, const Staged<S>& stage, Size size) {
    return {stage.read(reinterpret_cast<const S*>(seen.mask), size)};
}

// body(form, mask, rows, masks) with the form of a call, its mask by where a row's part of it begins, and the buffers.
template <class Family, class S, class Body> void with_form_of(const Call& call, Body body) {
    const Staged<S> rows, masks;
    const Scaling factor(call.parameters);
    const Size kind = kind_of_mask(visible_of(call));
    with_form<Family, Computed<S>, S>(factor, kind, call.in[2], [&](const auto& form, auto mask) {
        body(form, mask, rows, masks);
    });
}

// body(seen, x, out, length, unit) for rows first..last, brought to it in the computed dtype; what it leaves in `out`
// is the row's result, but for what is not seen.
template <class Family, class S, class Mask, class Body>
void each_masked_row(const Call& call, Mask mask, const Staged<S>& rows, const Staged<S>& masks, S* out, Size first,
                     Size last, Body body) {
    const Size length = std::max(call.axis.length, out ? Size(0) : call.group);
    const S nothing = Family::logarithm ? stored_minus_infinity<S>() : S{};
    each_visible_row<S>(call, length, first, last, [&](Size unit, Size seen, Size at) {
        const auto* x = rows.read(input<S>(call, 0) + unit * length, seen);
        S* to = out ? out + unit * length : nullptr;
        const Size written = body(staged_mask(mask(at), masks, seen), x, rows.room(to), seen, unit);
        if (!out) return;
        rows.write(to, written);
        std::fill(to + written, to + length, nothing);
    });
}

template <class Form, class T, class Seen>
[[gnu::flatten]] void copy_short_logits(const Form& form_, const T* x, T* to, Size count, Size length, Seen seen) {
    const auto logit = [=, form = form_](Size i) { return form.logit(x[i], seen(i, 0)); };
    const auto bound = math::Bits<T>(count);
#pragma GCC ivdep
    for (Size i = 0; i < length; ++i) to[i] = math::Bits<T>(i) < bound ? logit(i) : minus_infinity<T>;
}

// Short rows whose logits are numbers of T, as columns (lines.hpp): 64 at a time as those of the plain formula, in
// which what is not seen is -inf. The number of the first row that is left.
template <class Family, class S, class Form, class Mask>
Size normalize_tiles(const Call& call, const Form& form, Mask mask, const Staged<S>& rows, const Staged<S>& masks,
                     Size first, Size last) {
    using T = Computed<S>;
    constexpr Size room = short_row / Size(sizeof(T)) * tile;
    const Size length = call.axis.length;
    if (length * Size(sizeof(T)) > short_row || first + tile > last) return first;
    const T nothing = Family::logarithm ? minus_infinity<T> : T(0);
    const Scratch<T, room> of_lines, of_columns;
    T *const lines = of_lines, *const columns = of_columns;
    for (; first + tile <= last; first += tile) {
        T* line = lines;
        each_visible_row<S>(call, length, first, first + tile, [&](Size unit, Size seen, Size at) {
            // A row so short is read as a whole: to end a loop in it takes longer.
            const T* x = rows.read(input<S>(call, 0) + unit * length, length);
            copy_short_logits(form, x, line, seen, length, staged_mask(mask(at), masks, length));
            line += length;
        });
        with_known_length(length, [&](auto known) { to_columns<T>(lines, columns, known); });
        normalize(form.op, columns, columns, Lines<tile, Known<tile>>{length, tile, {}, {}});
        if constexpr (Half<S>)
            line = lines;
        else
            line = output<S>(call) + first * length;
        with_known_length(length, [&](auto known) { to_rows<T>(columns, line, known); });
        each_visible_row<S>(call, length, first, first + tile, [&](Size unit, Size seen, Size at) {
            if (line[0] != line[0]) hide(line, seen, length, staged_mask(mask(at), masks, seen), nothing);
            if constexpr (Half<S>) narrow(line, output<S>(call) + unit * length, length);
            line += length;
        });
    }
    return first;
}

// -- The kernels ------------------------------------------------------------------------------

template <class Family, class S> void masked_forward(const Call& call, Size first, Size last) {
    using T = Computed<S>;
    with_form_of<Family, S>(call, [&](const auto& form, auto mask, const auto& rows, const auto& masks) {
        const T nothing = Family::logarithm ? minus_infinity<T> : T(0);
        Size unit = first;
        if constexpr (requires { form.op; })
            unit = normalize_tiles<Family>(call, form, mask, rows, masks, unit, last);
        const Copies<T> copies, of_mask;
        const auto body = [&](auto seen, const T* x, T* out, Size count, Size) {
            const auto run = [&](const auto& form, const T* x, Size count, auto seen) {
                if (count) normalize_seen(form, x, out, count, seen);
            };
            const Size written = with_whole_lanes(form, x, count, call.axis.length, seen, copies, of_mask, run);
            hide(out, count, written, seen, nothing);
            return written;
        };
        each_masked_row<Family>(call, mask, rows, masks, output<S>(call), unit, last, body);
    });
}

// From y, of which a causal row's rest is not read.
template <template <class> class Op, class S> void masked_backward(const Call& call, Size first, Size last) {
    using T = Computed<S>;
    const Op<T> op{Scaling(call.parameters)};
    const Size length = call.axis.length;
    const Staged<S> gradients, kept;
    each_visible_row<S>(call, length, first, last, [&](Size unit, Size seen, Size) {
        const T* dy = gradients.read(input<S>(call, 0) + unit * length, seen);
        const T* y = kept.read(input<S>(call, 1) + unit * length, seen);
        S* to = output<S>(call) + unit * length;
        if (seen) differentiate(op, dy, y, gradients.room(to), Lines<1, Known<1>>{seen, {}, {}, {}});
        gradients.write(to, seen);
        std::fill(to + seen, to + length, S{});
    });
}

// One number of a row, of the dtype that it is computed in.
template <class S> void logsumexp(const Call& call, Size first, Size last) {
    using T = Computed<S>;
    T* results = static_cast<T*>(call.out[0]);
    with_form_of<AsLogarithms, S>(call, [&](const auto& form, auto mask, const auto& rows, const auto& masks) {
        const Copies<T> copies, of_mask;
        const Size length = std::max(call.axis.length, call.group);
        const auto body = [&](auto seen, const T* x, T*, Size count, Size unit) {
            results[unit] = minus_infinity<T>;
            const auto run = [&](const auto& form, const T* x, Size count, auto seen) {
                if (count == 0) return;
                const auto sums = sum_row(form, x, static_cast<T*>(nullptr), count, seen);
                const double sum = sums.total.high + sums.total.low;
                results[unit] = T(form.log_sum(sum, sums.ties.high, sums.largest));
            };
            return with_whole_lanes(form, x, count, length, seen, copies, of_mask, run);
        };
        each_masked_row<AsLogarithms>(call, mask, rows, masks, static_cast<S*>(nullptr), first, last, body);
    });
}

// dy times the shares of a row, times the scale.
template <class S> void logsumexp_backward(const Call& call, Size first, Size last) {
    using T = Computed<S>;
    const T* dy = input<T>(call, 1);
    const T scale = bounded<T>(call.parameters[0]);
    with_form_of<AsShares, S>(call, [&](const auto& form, auto mask, const auto& rows, const auto& masks) {
        const Copies<T> copies, of_mask;
        const auto body = [&](auto seen, const T* x, T* out, Size count, Size unit) {
            const auto run = [&](const auto& form, const T* x, Size count, auto seen) {
                if (count == 0) return;
                const Times<T, std::remove_cvref_t<decltype(form)>> times(form, dy[unit] * scale);
                normalize_seen(times, x, out, count, seen);
            };
            const Size written = with_whole_lanes(form, x, count, call.axis.length, seen, copies, of_mask, run);
            hide(out, count, written, seen, T(0));
            return written;
        };
        each_masked_row<AsShares>(call, mask, rows, masks, output<S>(call), first, last, body);
    });
}

}  // namespace fastact
