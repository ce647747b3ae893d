// Sums of a fixed order, for the loops along an axis.
//
// The compiler may not reorder a sum, and one running sum is slow. A fixed number
// of partial sums, added up in a fixed order, vectorises at every level, rounds
// alike on all of them and does not depend on the thread count. Short stretches
// keep a lane's rounding errors few; the sum of stretches carries its error along
// (TwoSum, Knuth 1969), so that rows of any length are as accurate as short ones.
#pragma once

#include <algorithm>
#include <bit>

#include "tables.hpp"

namespace fastact {

inline constexpr Size lanes = 32, stretch = 128;

// The sums of `Width` columns at once. Each column's is associated as if it stood
// alone: element i of a stretch goes to lane i % lanes whatever is beside it.
// What `careful` sums carry along beside float64 lanes is not worth its time for counts, nor
// for the many terms of a weight's gradient.
template <class T, Size Width, bool careful, Size stretch = fastact::stretch> struct Sums {
    Total total[Width];

    // term(i, column) over 0 <= i < length; `term` may also write its element. What lies
    // in the columns beyond `columns` means nothing.
    template <class Term> Sums(Size length, Size columns, Term term) {
        for (Size start = 0; start < length; start += stretch) {
            const Size count = std::min(stretch, length - start);
            accumulate(start, count, columns, term);
            // Lanes that hold nothing are left out of the tree: most of it, for short rows.
            add_up(Size(std::bit_ceil(std::size_t(std::min(count, lanes)))));
        }
    }

    double value(Size c) const { return total[c].high + total[c].low; }

  private:
    static constexpr bool carries = careful && sizeof(T) == 8;

    T partial[lanes * Width];
    double sums[(careful ? lanes / 2 : 4) * Width], errors[carries ? lanes / 2 * Width : 1];

    template <class Term> void accumulate(Size start, Size count, Size columns, Term term) {
        if constexpr (Width == 1) {
            if (count < lanes) {
                for (Size lane = 0; lane < lanes; ++lane) partial[lane] = 0;
#pragma GCC ivdep
                for (Size lane = 0; lane < count; ++lane) partial[lane] = term(start + lane, 0);
                return;
            }
            Size i = lanes;
#pragma GCC ivdep
            for (Size lane = 0; lane < lanes; ++lane) partial[lane] = term(start + lane, 0);
            for (; i + lanes <= count; i += lanes)
#pragma GCC ivdep
                for (Size lane = 0; lane < lanes; ++lane) partial[lane] += term(start + i + lane, 0);
#pragma GCC ivdep
            for (Size lane = 0; lane < count - i; ++lane) partial[lane] += term(start + i + lane, 0);
        } else {
            const Size first = std::min(count, lanes);
            for (Size i = 0; i < first; ++i) {
                T* lane = partial + i * Width;
#pragma GCC ivdep
                for (Size c = 0; c < columns; ++c) lane[c] = term(start + i, c);
            }
            for (Size i = lanes; i < count; ++i) {
                T* lane = partial + i % lanes * Width;
#pragma GCC ivdep
                for (Size c = 0; c < columns; ++c) lane[c] += term(start + i, c);
            }
            std::fill(partial + first * Width, partial + std::bit_ceil(std::size_t(first)) * Width, T(0));
        }
    }

    // In float64 the float32 lanes lose nothing here; float64 lanes carry their errors along.
    // Counts are exact in the dtype's own precision too.
    void add_up(Size filled) {
        if constexpr (!careful)
            for (; filled > 8; filled /= 2)
                for (Size i = 0; i < filled / 2 * Width; ++i) partial[i] += partial[i + filled / 2 * Width];
        if (filled == 1) {
            for (Size c = 0; c < Width; ++c) total[c].add(double(partial[c]));
            return;
        }
        Size width = filled / 2;
        for (Size i = 0; i < width * Width; ++i) {
            const double a = double(partial[i]), b = double(partial[i + width * Width]), sum = a + b;
            sums[i] = sum;
            if constexpr (carries) {
                const double part = sum - a;
                errors[i] = (a - (sum - part)) + (b - part);
            }
        }
        for (width /= 2; width > 0; width /= 2)
            for (Size i = 0; i < width * Width; ++i) {
                const double a = sums[i], b = sums[i + width * Width], sum = a + b;
                sums[i] = sum;
                if constexpr (carries) {
                    const double part = sum - a;
                    errors[i] += errors[i + width * Width] + ((a - (sum - part)) + (b - part));
                }
            }
        for (Size c = 0; c < Width; ++c) {
            total[c].add(sums[c]);
            if constexpr (carries) total[c].low += errors[c];
        }
    }
};

}  // namespace fastact
