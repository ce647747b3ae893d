// How the elements of an array are cut into ranges, where each is summed by itself: by the array's shape alone, so
// that no number of threads changes a sum.
#pragma once

#include <algorithm>
#include <cmath>

#include "call.hpp"

namespace fastact {

// Elements that are computed at a time where something is added to them, and summed at a time: those of three
// arrays lie in the L1 cache, float64 too.
inline constexpr Size chunk = 1 << 10;

// Fewer elements than this side by side of one channel are not gone through run by run: rows of channels, if they
// fit into a chunk, are written out with every channel repeated.
inline constexpr Size short_run = 64;

inline bool writes_out(Axis axis) { return axis.inner < short_run && axis.length * axis.inner <= chunk; }

// Of so many ranges the sums are in memory at a time: enough for all threads.
inline constexpr Size most_ranges = 64;

// Elements of a range: an even number of whole rows of channels, where these are gone through in rows, so many
// that the sums take at most an eighth of the array's memory or so.
inline Size range_of(Axis axis, Size size) {
    const Size least = std::max({segment, 16 * axis.length, (size + most_ranges - 1) / most_ranges});
    Size rows = axis.inner == 1 || writes_out(axis) ? std::max(axis.length * axis.inner, Size(1)) : 1;
    if (rows % 2) rows *= 2;
    return (least + rows - 1) / rows * rows;
}

// Numbers that the sums of a range take: one per channel, or two.
inline Size sums_of(Axis axis, bool twofold) { return axis.length * (twofold ? 2 : 1); }

// Rows whose weights' gradients have their sums together: a few that are added at once, enough to be worth the sums,
// in not more bundles than half of `most_ranges`: their sums are read and written again.
inline Size rows_of_bundle(Size rows, Size length) {
    constexpr Size most_bundles = most_ranges / 2;
    const Size least = std::max({(segment + length - 1) / length, (rows + most_bundles - 1) / most_bundles, Size(32)});
    return (least + rows_at_once - 1) / rows_at_once * rows_at_once;
}

// Channels of batch_norm that lie in runs are taken one after another where each fits into a
// cache and there are enough of them for threads to share.
inline bool takes_whole_channels(Axis axis) {
    const Size count = axis.outer * axis.inner, fits = 1 << 16;
    return axis.inner > 1 && count <= fits && (axis.length >= 16 || count * axis.length <= fits);
}

// Rows of few channels are taken several at a time, as one row of up to so many numbers.
inline constexpr Size widest_repeated = 128;
inline Size rows_side_by_side(Axis axis) {
    return axis.inner == 1 && 2 * axis.length <= widest_repeated ? widest_repeated / axis.length : 1;
}

// So many rows are added in the dtype before they join a float64 sum.
inline constexpr Size chained_rows = 8;

// Rows, or pieces of runs, of a range. Of few channels it fits into the buffer that other layouts come through.
inline Size channel_range(Axis axis) {
    const Size positions = positions_of(axis), share = (positions + most_ranges - 1) / most_ranges;
    if (axis.inner > 1) return std::max(share, Size(1));
    const Size whole = chained_rows * rows_side_by_side(axis);
    const Size enough = (2 * segment + axis.length - 1) / axis.length;
    const Size least = rows_side_by_side(axis) > 1 ? enough : std::max({enough, share, Size(128)});
    return (least + whole - 1) / whole * whole;
}

// Adds the sums of ranges to `total`, one after another, of which each number is followed, `length` further on, by
// what it lost.
inline void add_ranges(const double* sums, Size ranges, Size length, bool twofold, double* total) {
    double* lost = total + length;
    for (Size range = 0; range < ranges; ++range, sums += twofold ? 2 * length : length)
#pragma GCC ivdep
        for (Size i = 0; i < length; ++i) {
            const double before = total[i], sum = before + sums[i], part = sum - before;
            if (twofold) lost[i] += ((before - (sum - part)) + (sums[i] - part)) + sums[length + i];
            total[i] = sum;
        }
}

// One of these totals; what was lost means nothing where a sum is beyond the range.
inline double total_of(const double* total, Size length, Size channel) {
    return std::isfinite(total[channel]) ? total[channel] + total[length + channel] : total[channel];
}

}  // namespace fastact
