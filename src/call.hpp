// The one way to a kernel: what a call hands over, the signature of every kernel, and the table in
// which a level's extension module offers them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstring>

namespace fastact {

using Size = std::ptrdiff_t;

// A C-order array seen along one axis, `outer` times `length` times `inner`; {1, size, 1} where no
// axis matters. Where the result is smaller than the input (pieces, gates), `length` is the result's.
struct Axis {
    Size outer, length, inner;
};

// Where the elements stand in the whole array, which random formulas look at: the one at position i
// of column c of an outer index has C-order position index + (outer * length + i) * step + c.
struct Place {
    Size index, step;
};

// A number in two parts: a sum, and what it lost in rounding.
struct Twofold {
    double high = 0, low = 0;
};

// What threads that share one long row have found in a segment of it.
struct Segment {
    double largest;
    Twofold total, count;
    Twofold shares, distances;  // of a loss's target
};
inline constexpr Size segment = 1 << 14;
inline Size segments_of(Size length) { return (length + segment - 1) / segment; }

// How often threads that share one row go over it: for the largest, the sum and the results; for the
// sum and the results.
inline constexpr int forward_phases = 3, backward_phases = 2;

// Rows of half precision, and ranges of it that are summed, go through buffers of so many
// float32; a range of a segment fits. Longer rows are gone over in phases, segment by segment (loops/half_rows.hpp),
// or brought as float32.
inline constexpr Size longest_half_row = 1 << 14;
static_assert(segment <= longest_half_row && longest_half_row < 2 * segment);
// What is found of the segments of so long a row has room beside the stack; of a longer one, in the call.
inline constexpr Size longest_half_row_alone = segment << 6;

// How arrays beyond the caches are gone through (loops/blocks.hpp): whether lines of inputs are asked for before they
// are read, and whether results that are not where an input is go past the caches. Bits are the same in any case.
struct Passing {
    bool asks, streams;
};
// Smaller arrays (in bytes) come from a cache, where both cost more than they give.
inline constexpr Size cached = 1 << 21;

struct Call;

// Works on the units first <= unit < last of its shape of work, so that threads can share an array.
using Kernel = void (*)(const Call& call, Size first, Size last);

// What x is brought to a kernel with: a bias (in[3], null for none) along an axis of its own, and a residual
// (in[4]) of x's shape and dtype; the bias has the dtype that is computed in. And what is left out of its result.
struct Added {
    Kernel kernel;   // in the dtype that is computed in
    Axis axis;       // of the bias; {1, 1, size} of one for all
    Axis weights;    // of those that the kernel itself takes (in[2])
    Kernel dropout;  // in that dtype, too; null for none
    const double* left_out;  // its parameters
};

struct Runs;

// So many rows add what they have to gradients of weights before it joins the float64 sums of their bundle.
inline constexpr Size rows_at_once = 8;

// A row of an array consists of at most so many parts as long as the state of a recurrent cell.
inline constexpr int most_parts = 4;

inline constexpr int most_inputs = 5, most_outputs = 3;

// Everything that a kernel is given. Those who call set just the fields that their kernel reads.
struct Call {
    const double* parameters;  // in the order of the formula's constructor, always float64
    const void* in[most_inputs];  // x, or dy and what was saved; then weight, gate, bias, residual, targets, state
    void* out[most_outputs];      // the result; then which won, sums, statistics, losses, the next state
    Axis axis;
    Place place;
    Size size;          // elements of the larger array, of which the result is one or not
    Size group;         // pieces of a group, or elements or rows of a range that is summed
    Segment* segments;  // null unless threads share the rows
    Size stage;         // row * phases + phase, where they do
    const Size* rows;   // from a row to the next, of the inputs, then of the results; null: they are contiguous
    const Added* added;
    const Runs* runs;   // runtime/runs.hpp
    Passing passing;
};

// A C function for compiled callers (functions.hpp), which cast it to its type; and those of a direction, by
// dtype. A cast is no constant, so the tables hold what gives them.
using Function = void (*)();
using Functions = Function (*)(int dtype);

// What the units of a shape of work are.
enum class Units {
    elements,  // of the result, which has the shape of the input
    outputs,   // elements of a result that is smaller than the input, or of the gradient of one
    columns,   // outer * inner of them, each of `length` elements
    ranges,    // of `group` elements in C order, each with sums of its own
    bundles,   // of `group` rows, likewise
    tiles,     // of ranges of `group` rows, or pieces of runs, each with sums of its own for every channel
    channels,  // `length` of them, each of outer * inner elements
    states,    // elements of the states of recurrent cells, `outer` rows of `length`
};

// A range of all channels is of rows, in tiles of so many channels side by side, or of pieces of runs, channel by
// channel.
inline constexpr Size channels_at_once = 1024;

inline Size positions_of(Axis axis) {
    return axis.inner == 1 ? axis.outer : axis.outer * ((axis.inner + segment - 1) / segment);
}
inline Size tiles_of(Axis axis) {
    return axis.inner == 1 ? (axis.length + channels_at_once - 1) / channels_at_once : axis.length;
}

// float32, float64, float16 and bfloat16 index the kernels. Null where a formula has no such
// direction, and where half precision is brought as float32 (fastact/core/arrays.py).
inline constexpr int dtypes = 4;

// One direction of an activation. A thread's share begins at a multiple of `grain` units, so that two
// never write to one cache line. `phases` is how often threads that share one row go over it, 0 where
// they do not.
struct Work {
    Kernel kernel[dtypes];
    Units units;
    Size grain;
    int phases;
    // The same work for compiled callers; null where they are not served.
    Functions functions;
    // Whether contiguous rows of half precision may be longer than a buffer.
    bool long_halves;
    // Nanoseconds per element; 0: not measured (runtime/plan.hpp).
    mutable std::atomic<float> cost[dtypes];

    bool offered() const { return kernel[0] != nullptr; }
    // Whether rows are too long for the kernel to go over one of them by itself.
    bool in_stages(int dtype, Axis axis) const {
        return long_halves && phases && dtype > 1 && axis.length > longest_half_row_alone;
    }
    // Null where there is none.
    Function function(int dtype) const { return functions ? functions(dtype) : nullptr; }

    Size count(const Call& call) const {
        if (units == Units::columns) return call.axis.outer * call.axis.inner;
        if (units == Units::ranges) return (call.size + call.group - 1) / call.group;
        if (units == Units::bundles) return (call.axis.outer + call.group - 1) / call.group;
        if (units == Units::tiles) return (positions_of(call.axis) + call.group - 1) / call.group * tiles_of(call.axis);
        if (units == Units::channels) return call.axis.length;
        return call.axis.outer * call.axis.length * call.axis.inner;
    }
};

// All kernels of an activation. `gradient` sums that of a parameter.
struct Entry {
    const char* name;
    Work forward, backward_x, backward_y, gradient;
    // How many numbers the formula's constructor reads.
    int parameters;
    // One number forward, for compiled callers, with the parameters as arguments or behind a pointer.
    Functions scalar, scalar_bound;
    // Forward with a bias (in[3], along the axis in `added`), where that has a loop of its own.
    Work biased;
};

struct Table {
    const Entry* first;
    Size size;

    template <Size count> constexpr Table(const Entry (&entries)[count]) : first(entries), size(count) {}

    // Null where there is none of that name.
    const Entry* named(const char* name) const {
        for (Size i = 0; i < size; ++i)
            if (std::strcmp(first[i].name, name) == 0) return first + i;
        return nullptr;
    }
};

template <class T> const T* input(const Call& call, int k) { return static_cast<const T*>(call.in[k]); }
template <class T> T* output(const Call& call) { return static_cast<T*>(call.out[0]); }

}  // namespace fastact
