// Arrays whose elements lie side by side in runs, with others in between: rows of a part of a matrix. A kernel is
// called on one run after another, in C order, so that no Python and no copy is between them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "call.hpp"
#include "loops/scratch.hpp"

namespace fastact {

struct Runs {
    static constexpr int most_dims = 6, most_arrays = 6;
    // An array: its memory, bytes from one element to the next in each dimension, those of a run, and where
    // it stands in the call: an input, or behind these an output.
    struct View {
        const char* data;
        const Size* strides;
        Size bytes;
        int place;
    };

    Kernel kernel;
    Size length = 0;  // units of a run
    int dims = 0, count = 0;
    Size shape[most_dims];  // of the dimensions outside of a run, the innermost first
    Size steps[most_arrays][most_dims];
    View views[most_arrays];

    void add(const char* data, const Size* strides, Size bytes, int place) {
        views[count++] = {data, strides, bytes, place};
    }

    // Sees the first `outer` dimensions as runs of `run` units, which join into longer ones where all arrays have
    // them side by side and `joins` allows it; false where there are too many dimensions.
    bool see(int outer, const Size* extents, Size run, bool joins) {
        length = run;
        for (int d = outer - 1; d >= 0; --d) {
            if (extents[d] == 1) continue;
            bool in_run = joins && dims == 0, in_dim = dims > 0;
            for (int k = 0; k < count; ++k) {
                const Size step = views[k].strides[d];
                in_run = in_run && step == views[k].bytes;
                in_dim = in_dim && step == shape[dims - 1] * steps[k][dims - 1];
            }
            if (in_run) {
                length *= extents[d];
                for (int k = 0; k < count; ++k) views[k].bytes *= extents[d];
            } else if (in_dim) {
                shape[dims - 1] *= extents[d];
            } else {
                if (dims == most_dims) return false;
                for (int k = 0; k < count; ++k) steps[k][dims] = views[k].strides[d];
                shape[dims++] = extents[d];
            }
        }
        return true;
    }

    // Whether an array lies in C order, no element of it twice.
    bool in_order(int k) const {
        Size least = views[k].bytes;
        for (int d = 0; d < dims; least = shape[d] * steps[k][d], ++d)
            if (steps[k][d] < least) return false;
        return true;
    }

    // Whether two arrays in C order are the same memory, or share none: since they lie apart, or since their runs do
    // wherever they come, as halves of a matrix.
    bool apart(int a, int b) const {
        const View &first = views[a], &second = views[b];
        const bool alike = std::equal(steps[a], steps[a] + dims, steps[b]);
        if (first.data == second.data && alike && first.bytes == second.bytes) return true;
        const auto from = reinterpret_cast<std::uintptr_t>(first.data), to = reinterpret_cast<std::uintptr_t>(second.data);
        if (from + extent(a) <= to || to + extent(b) <= from) return true;
        if (!alike || dims == 0) return false;
        const Size step = steps[a][0];
        for (int d = 1; d < dims; ++d)
            if (steps[a][d] % step) return false;
        const Size between = (Size(to - from) % step + step) % step;
        return between >= first.bytes && between + second.bytes <= step;
    }

  private:
    std::uintptr_t extent(int k) const {
        Size bytes = views[k].bytes;
        for (int d = 0; d < dims; ++d) bytes += (shape[d] - 1) * steps[k][d];
        return std::uintptr_t(bytes);
    }
};

// A run, and where it lies in each array.
struct RunCursor {
    const Runs& runs;
    Size number, index[Runs::most_dims], offset[Runs::most_arrays] = {};

    RunCursor(const Runs& runs, Size number) : runs(runs), number(number) {
        Size rest = number;
        for (int d = 0; d < runs.dims; ++d) {
            index[d] = rest % runs.shape[d], rest /= runs.shape[d];
            for (int k = 0; k < runs.count; ++k) offset[k] += index[d] * runs.steps[k][d];
        }
    }
    const char* at(int k) const { return runs.views[k].data + offset[k]; }
    // So many runs, at most, follow each other in one step.
    Size side_by_side() const { return runs.dims ? runs.shape[0] - index[0] : 1; }
    void skip(Size count) {  // no more than these
        number += count;
        for (int d = 0; d < runs.dims; ++d, count = 1) {
            const bool ends = (index[d] += count) == runs.shape[d];
            for (int k = 0; k < runs.count; ++k)
                offset[k] += count * runs.steps[k][d] - (ends ? runs.shape[d] * runs.steps[k][d] : 0);
            if (!ends) break;
            index[d] = 0;
        }
    }
    void skip_all(Size count) {
        for (Size side; count; count -= side) {
            side = std::min(count, side_by_side());
            skip(side);
        }
    }
};

// Copies `count` runs of an array that follow each other in one step, to memory where they lie side by side, or back.
template <bool back> void copy_side_by_side(const RunCursor& cursor, int k, Size count, char* memory) {
    const Size bytes = cursor.runs.views[k].bytes, step = cursor.runs.dims ? cursor.runs.steps[k][0] : 0;
    char* at = const_cast<char*>(cursor.at(k));
    for (Size run = 0; run < count; ++run, at += step, memory += bytes)
        back ? std::memcpy(at, memory, bytes) : std::memcpy(memory, at, bytes);
}

// The same for any. A cursor is copied where it has to be alone: read at once behind its last steps, it would be waited
// for as long as dozens of runs take.
template <bool back> void copy_runs(const RunCursor& cursor, int k, Size count, char* memory) {
    Size side = std::min(count, cursor.side_by_side());
    copy_side_by_side<back>(cursor, k, side, memory);
    if (side == count) return;
    for (RunCursor rest = cursor; count -= side;) {
        rest.skip(side), memory += side * cursor.runs.views[k].bytes;
        side = std::min(count, rest.side_by_side());
        copy_side_by_side<back>(rest, k, side, memory);
    }
}

// All of the first array.
inline void copy_all(const Runs& runs, char* memory, bool back) {
    Size count = 1;
    for (int d = 0; d < runs.dims; ++d) count *= runs.shape[d];
    back ? copy_runs<true>({runs, 0}, 0, count, memory) : copy_runs<false>({runs, 0}, 0, count, memory);
}

// Short runs come together in scratch memory, of an array so many bytes, and a kernel takes them at once: to begin
// with one takes as long as copying some hundred bytes, of all arrays. Arrays that together are larger than `largest`
// lie beyond the caches, where a kernel computes while it waits for what it reads, and a copy just waits.
inline constexpr Size gathered = 1 << 12, short_bytes = 1 << 9, short_of_all = 4 * short_bytes, largest = 1 << 21;

class GatheredRuns {
  public:
    GatheredRuns(const Runs& runs, Size units) : runs(runs) {
        Size longest = 0, all = 0;
        for (int k = 0; k < runs.count; ++k) longest = std::max(longest, runs.views[k].bytes), all += runs.views[k].bytes;
        const bool gains = longest <= short_bytes && all <= short_of_all && units / runs.length * all <= largest;
        most = gains ? gathered / longest : 0;
    }
    // How many of so many runs are taken at once; with one alone there is nothing to gain.
    Size of(Size count) const { return std::min(count, most); }

    // The kernel of a call on `count` runs from the cursor on.
    void run(Call& inner, const RunCursor& cursor, Size count) const {
        for (int k = 0; k < runs.count; ++k) {
            if (is_input(k)) copy_runs<false>(cursor, k, count, memory(k));
            put(inner, runs.views[k].place, memory(k));
        }
        inner.axis = {count, runs.length, 1};
        runs.kernel(inner, 0, count * runs.length);
        for (int k = 0; k < runs.count; ++k)
            if (!is_input(k)) copy_runs<true>(cursor, k, count, memory(k));
    }

    // Where an array of a call is put.
    static void put(Call& call, int place, const char* at) {
        if (place < most_inputs)
            call.in[place] = at;
        else
            call.out[place - most_inputs] = const_cast<char*>(at);
    }

  private:
    const Runs& runs;
    Size most;
    Scratch<char, Runs::most_arrays*(gathered + 4 * line)> room;

    char* memory(int k) const { return room + k * (gathered + 4 * line); }
    bool is_input(int k) const { return runs.views[k].place < most_inputs; }
};

// The kernel of a call whose arrays are in runs; units are numbered through all of them.
inline void by_runs(const Call& call, Size first, Size last) {
    const Runs& runs = *call.runs;
    const GatheredRuns together(runs, last - first);
    RunCursor cursor(runs, first / runs.length);
    Call inner = call;
    for (Size unit = first; unit < last;) {
        const Size start = cursor.number * runs.length, stop = std::min(start + runs.length, last);
        const Size count = unit == start ? together.of((last - unit) / runs.length) : 0;
        inner.place.index = call.place.index + start;
        if (count > 1) {
            together.run(inner, cursor, count);
            unit += count * runs.length;
            cursor.skip_all(count);
            continue;
        }
        for (int k = 0; k < runs.count; ++k) GatheredRuns::put(inner, runs.views[k].place, cursor.at(k));
        inner.axis = {1, runs.length, 1};
        runs.kernel(inner, unit - start, stop - start);
        unit = stop;
        cursor.skip(1);
    }
}

inline constinit Work elements_in_runs{{by_runs, by_runs, by_runs, by_runs}, Units::elements, 64, 0, nullptr, {}};
inline constinit Work outputs_in_runs{{by_runs, by_runs, by_runs, by_runs}, Units::outputs, 64, 0, nullptr, {}};

}  // namespace fastact
