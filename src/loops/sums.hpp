// Sums of a fixed order, for the loops along an axis.
//
// The compiler may not reorder a sum, and one running sum is slow. A fixed number
// of partial sums, added up in a fixed order, vectorises at every level, rounds
// alike on all of them and does not depend on the thread count. Short stretches
// keep a lane's rounding errors few; what is summed beyond them is exact, or carries its
// error along (TwoSum, Knuth 1969), so that rows of any length are as accurate as short ones.
#pragma once

#include <algorithm>
#include <bit>
#include <iterator>
#include <type_traits>

#include "call.hpp"
#include "loops/scratch.hpp"
#include "loops/streaming.hpp"

namespace fastact {

inline constexpr Size lanes = 32, stretch = 128;

// What is added up keeps what it loses in rounding.
struct Total : Twofold {
    void add(double term) {
        const double sum = high + term, part = sum - high;
        low += (high - (sum - part)) + (term - part);
        high = sum;
    }
    void add(Twofold other) {
        add(other.high);
        low += other.low;
    }
    // What `add` makes of 0, without the operations that wait for one another.
    void begin(Twofold other) {
        high = other.high + 0.0;
        low = (other.high - other.high) + other.low;
    }
};

// The sums of `Width` columns at once. Each column's is associated as if it stood alone,
// whatever is beside it: element i of a stretch goes to lane i % lanes, lane k of every
// stretch to sum k % (lanes / 2), and a tree adds those up.
// What `careful` sums carry along beside float64 lanes is not worth its time for counts, nor
// for the many terms of a weight's gradient.
// Of terms that are `rare` there is one loop less, for their code's sake. Where a sum does not fold its lanes, they are
// added up with those of other rows (fold_rows).
template <class T, Size Width, bool careful, Size stretch = fastact::stretch, bool rare = false, bool folds = true>
struct Sums {
    static constexpr Size half = lanes / 2;
    using Sum = std::conditional_t<careful, double, T>;

    Total total[Width];

    // term(i, column) over 0 <= i < length; `term` may also write its element. What lies
    // in the columns beyond `columns` means nothing. `count` is 1 or 0 for each element
    // (or NaN): how many there are is exact in any order.
    template <class Term> Sums(Size length, Size columns, Term term) : Sums(length, columns, term, Nothing()) {}
    template <class Term, class Count> Sums(Size length, Size columns, Term term, Count count_) {
        if constexpr (!std::is_same_v<Count, Nothing>) std::fill(std::begin(counts), std::end(counts), T(0));
        // Short columns leave out what holds nothing: most of their work.
        const bool whole = Width == 1 || length > half;
        const Size used = whole ? half : Size(std::bit_ceil(std::size_t(length)));
        for (Size start = 0; start < length; start += stretch) {
            const Size count = std::min(stretch, length - start), filled = std::min(count, lanes);
            if (Width == 1 && !rare && count > 3 * lanes && count <= 4 * lanes)
                count == 4 * lanes ? accumulate_four<true>(start, count, term, count_)
                                   : accumulate_four<false>(start, count, term, count_);
            else
                accumulate(start, count, columns, term, count_);
            std::fill(room->partial + filled * Width, room->partial + (whole ? lanes : used) * Width, T(0));
            if (start > 0)
                collect<true, true>(used, columns);
            else if (whole)
                collect<false, true>(used, columns);
            else
                collect<false, false>(used, columns);
        }
        if constexpr (!folds) return;
        if constexpr (Width == 1)
            add_up<half / 2>();
        else
            for (Size width = used / 2; width > 0; width /= 2) fold(width, columns);
        if constexpr (Width == 1 && !std::is_same_v<Count, Nothing>) add_up_counts<lanes / 2>();
        for (Size c = 0; c < Width; ++c) total[c] = {{double(room->sums[c]), carries ? room->errors[c] : 0.0}};
    }

    void lanes_to(Sum* sums_of_row, T* counts_of_row) const {
        std::copy(room->sums, room->sums + half, sums_of_row);
        if (counts_of_row) std::copy(counts, counts + lanes, counts_of_row);
    }
    double value(Size c) const { return total[c].high + total[c].low; }
    double count(Size c) const { return double(counts[c]); }

  private:
    struct Nothing {};

    // In float64 the sums of float32 lanes lose next to nothing; those of float64 lanes carry
    // their errors. Counts are exact in the dtype's own precision.
    static constexpr bool carries = careful && sizeof(T) == 8;
    struct Room {
        alignas(line) T partial[lanes * Width];
        alignas(line) Sum sums[half * Width];
        alignas(line) double errors[carries ? half * Width : Width];
    };
    // Of one column it is small, of many too much for the stack.
    std::conditional_t<Width == 1, Room[1], Scratch<Room, 1>> room;
    T counts[Width == 1 ? lanes : Width];

    // Lane by lane, the sum of each in a register. A fourth term that is not there is -0, which leaves the others as
    // they are: no loop ends at any lane.
    template <bool whole, class Term, class Count> void accumulate_four(Size start, Size terms, Term term, Count count) {
        constexpr bool counts_too = !std::is_same_v<Count, Nothing>;
#pragma GCC ivdep
        for (Size lane = 0; lane < lanes; ++lane) {
            const Size i = start + lane;
            const T first = term(i, 0), second = term(i + lanes, 0), third = term(i + 2 * lanes, 0);
            T fourth = T(-0.0);
            [[maybe_unused]] T last = T(-0.0);
            if (whole || int(lane) < int(terms - 3 * lanes)) {
                fourth = term(i + 3 * lanes, 0);
                if constexpr (counts_too) last = count(i + 3 * lanes, 0);
            }
            room->partial[lane] = ((first + second) + third) + fourth;
            if constexpr (counts_too) counts[lane] += (count(i, 0) + count(i + lanes, 0)) + (count(i + 2 * lanes, 0) + last);
        }
    }

    template <class Term, class Count>
    void accumulate(Size start, Size count, Size columns, Term term, Count count_) {
        const auto take = [&](Size i, Size c, Size lane) {
            if constexpr (!std::is_same_v<Count, Nothing>) counts[Width == 1 ? lane : c] += count_(i, c);
            return term(i, c);
        };
        if constexpr (Width == 1) {
            // Fewer terms than lanes are added to -0, which leaves them as they are: only one loop may end at any lane.
            Size i = count < lanes ? 0 : lanes;
            if (count < lanes)
                std::fill(room->partial, room->partial + lanes, T(-0.0));
            else
#pragma GCC ivdep
                for (Size lane = 0; lane < lanes; ++lane) room->partial[lane] = take(start + lane, 0, lane);
            for (; i + lanes <= count; i += lanes)
#pragma GCC ivdep
                for (Size lane = 0; lane < lanes; ++lane) room->partial[lane] += take(start + i + lane, 0, lane);
            if (i < count)
#pragma GCC ivdep
                for (Size lane = 0; lane < lanes; ++lane) {
                    T last = T(-0.0);
                    if (int(lane) < int(count - i)) last = take(start + i + lane, 0, lane);
                    room->partial[lane] += last;
                }
        } else {
            for (Size i = 0; i < std::min(count, lanes); ++i) {
                T* lane = room->partial + i * Width;
#pragma GCC ivdep
                for (Size c = 0; c < columns; ++c) lane[c] = take(start + i, c, 0);
            }
            for (Size i = lanes; i < count; ++i) {
                T* lane = room->partial + i % lanes * Width;
#pragma GCC ivdep
                for (Size c = 0; c < columns; ++c) lane[c] += take(start + i, c, 0);
            }
        }
    }

    // body(i) for so many lanes of all columns. Where some columns mean nothing they are left out: another loop
    // may have left subnormals there, which are slow to add. Unrolled, the loop would be taken for single
    // statements, of which gcc makes vectors of several sizes.
    template <class Body> static void each_lane(Size count, Size columns, Body body) {
        const bool all = columns == Width;
        for (Size first = 0; first < count * Width; first += all ? count * Width : Width) {
            const Size last = first + (all ? count * Width : columns);
#pragma GCC ivdep
#pragma GCC unroll 1
            for (Size i = first; i < last; ++i) body(i);
        }
    }
    // One lane, or two, of a stretch begin a sum or join it.
    template <bool further, bool two> void collect(Size used, Size columns) {
        each_lane(used, columns, [&](Size i) {
            Sum sum = Sum(room->partial[i]);
            double error = 0;
            if constexpr (two) sum = add(sum, Sum(room->partial[i + half * Width]), error);
            if constexpr (further) sum = add(room->sums[i], sum, error);
            room->sums[i] = sum;
            if constexpr (carries) room->errors[i] = further ? room->errors[i] + error : error;
        });
    }
    void fold(Size width, Size columns) {
        each_lane(width, columns, [&](Size i) {
            double error = 0;
            room->sums[i] = add(room->sums[i], room->sums[i + width * Width], error);
            if constexpr (carries) room->errors[i] += room->errors[i + width * Width] + error;
        });
    }
    template <Size width> void add_up() {
        fold(width, 1);
        if constexpr (width > 1) add_up<width / 2>();
    }
    template <Size width> void add_up_counts() {
        for (Size i = 0; i < width; ++i) counts[i] += counts[i + width];
        if constexpr (width > 1) add_up_counts<width / 2>();
    }
    static Sum add(Sum a, Sum b, double& error) {
        const Sum sum = a + b, part = sum - a;
        error += double((a - (sum - part)) + (b - part));
        return sum;
    }
};

}  // namespace fastact
