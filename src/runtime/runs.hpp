// Arrays whose elements lie side by side in runs, with others in between: rows of a part of a matrix. A kernel is
// called on one run after another, in C order, so that no Python and no copy is between them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "call.hpp"

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

// The kernel of a call whose arrays are in runs; units are numbered through all of them.
inline void by_runs(const Call& call, Size first, Size last) {
    const Runs& runs = *call.runs;
    Call inner = call;
    inner.axis = {1, runs.length, 1};
    Size number = first / runs.length, index[Runs::most_dims], offset[Runs::most_arrays] = {};
    Size rest = number;
    for (int d = 0; d < runs.dims; ++d) {
        index[d] = rest % runs.shape[d], rest /= runs.shape[d];
        for (int k = 0; k < runs.count; ++k) offset[k] += index[d] * runs.steps[k][d];
    }
    for (Size unit = first; unit < last; ++number) {
        const Size start = number * runs.length, stop = std::min(start + runs.length, last);
        for (int k = 0; k < runs.count; ++k) {
            const char* at = runs.views[k].data + offset[k];
            const int place = runs.views[k].place;
            if (place < 5)
                inner.in[place] = at;
            else
                inner.out[place - 5] = const_cast<char*>(at);
        }
        inner.place.index = call.place.index + start;
        runs.kernel(inner, unit - start, stop - start);
        unit = stop;
        for (int d = 0; d < runs.dims; ++d) {
            const bool ends = ++index[d] == runs.shape[d];
            for (int k = 0; k < runs.count; ++k) offset[k] += runs.steps[k][d] - (ends ? runs.shape[d] * runs.steps[k][d] : 0);
            if (!ends) break;
            index[d] = 0;
        }
    }
}

inline constinit Work elements_in_runs{{by_runs, by_runs, by_runs, by_runs}, Units::elements, 64, 0, nullptr, {}};
inline constinit Work outputs_in_runs{{by_runs, by_runs, by_runs, by_runs}, Units::outputs, 64, 0, nullptr, {}};

}  // namespace fastact
