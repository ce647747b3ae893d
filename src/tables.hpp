// What a level's extension module hands to the dispatcher: function pointers, by
// activation and dtype, with the types of their arguments erased.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fastact {

using Size = std::ptrdiff_t;

// Type-erased kernels, as the tables hold them. `index` is the C-order position
// of the first element in the whole array: only random activations look at it.
using Forward = void (*)(const double* parameters, const void* x, void* out, Size index, Size size);
using Backward = void (*)(const double* parameters, const void* dy, const void* saved, void* out,
                          Size index, Size size);

// Sums the gradient of a parameter over ranges of `range` elements: range r of the `size`
// elements at `dy` and `x` goes to partial[r]. The caller adds them up in order.
using ParameterGradient = void (*)(const double* parameters, const void* dy, const void* x, double* partial,
                                   Size size, Size range, Size first, Size last);

// An array seen along one axis: C order, `outer` times `length` times `inner`.
struct Axis {
    Size outer, length, inner;
};

// Kernels along an axis work on the units first <= unit < last of their shape of
// work, so that threads can share an array: columns (outer * inner of them, each
// of `length` elements) for rows, output elements for pieces and gated, input elements
// for channels, ranges of input elements for the gradient of their weights.
// `place` says where the array's elements stand in the whole one: the one at position i of
// column c of an outer index has C-order position index + (outer * length + i) * step + c.
struct Place {
    Size index, step;
};
using RowsForward = void (*)(const double* parameters, const void* x, void* out, Axis axis, Place place,
                             Size first, Size last);
using RowsBackward = void (*)(const double* parameters, const void* dy, const void* y, void* out, Axis axis,
                              Size first, Size last);

// A sum with what it lost in rounding (sums.hpp).
struct Total {
    double high = 0, low = 0;

    void add(double term) {
        const double sum = high + term, part = sum - high;
        low += (high - (sum - part)) + (term - part);
        high = sum;
    }
    void add(Total other) {
        add(other.high);
        low += other.low;
    }
};

// One long row, whose segments first <= k < last a thread takes through every phase, when
// all threads are done with the one before: 3 forward, 2 backward. `shared` has one entry
// for each segment.
struct Shared {
    double largest;
    Total total, count;
};
using RowForward = void (*)(const double* parameters, const void* x, void* out, Size length, Place place,
                            int phase, Shared* shared, Size first, Size last);
using RowBackward = void (*)(const double* parameters, const void* dy, const void* y, void* out, Size length,
                             int phase, Shared* shared, Size first, Size last);
inline constexpr Size segment = 1 << 14;

// Weights are of the type that is computed in: float32 for half precision.
using ChannelsForward = void (*)(const void* x, const void* weight, void* out, Axis axis, Size first,
                                 Size last);
using ChannelsBackward = void (*)(const void* dy, const void* x, const void* weight, void* out, Axis axis,
                                  Size first, Size last);
// Sums the weights' gradient over ranges of `range` elements in C order: range r of the
// `size` elements at `dy` and `x`, of which the first has C-order position `index`, goes
// to row r of `partial`. The caller adds the rows up in order, so neither the number of
// threads nor the way in which the elements were brought here changes the sum.
using ChannelsGradient = void (*)(const void* dy, const void* x, double* partial, Axis axis, Size index,
                                  Size size, Size range, Size first, Size last);

// `pieces` consecutive positions on the axis make one group; axis.length counts groups.
using PiecesForward = void (*)(const void* x, void* out, std::int32_t* which, Axis axis, Size pieces,
                               Size first, Size last);
using PiecesBackward = void (*)(const void* dy, const void* x, const std::int32_t* which, void* out,
                                Axis axis, Size pieces, Size first, Size last);

// x has twice `axis.length` positions on the axis, of which the second half is gated.
using GatedForward = void (*)(const void* x, void* out, Axis axis, Size first, Size last);
using GatedBackward = void (*)(const void* dy, const void* x, void* out, Axis axis, Size first, Size last);

// Entries hold float32, float64, float16 and bfloat16. Kernels of pieces, and those that share one
// row, have the first two, and half precision is brought to them as float32 (fastact/arrays.py);
// so are rows, and weights, of more than `staged` elements.
inline constexpr int dtypes = 4, wide_dtypes = 2;
inline constexpr Size staged = 1 << 14;

// A direction that a formula does not offer is null.
struct Elementwise {
    const char* name;
    Forward forward[dtypes];
    Backward backward_x[dtypes], backward_y[dtypes];
    ParameterGradient parameter_gradient[wide_dtypes];
};

struct Rows {
    const char* name;
    RowsForward forward[dtypes];
    RowsBackward backward[dtypes];
    RowForward share_forward[wide_dtypes];  // null where a row is not shared among threads
    RowBackward share_backward[wide_dtypes];
};

struct Gated {
    const char* name;
    GatedForward forward[dtypes];
    GatedBackward backward[dtypes];
};

// The entries of one shape of work.
template <class Entry> struct Entries {
    const Entry* first;
    Size size;

    template <Size count> constexpr Entries(const Entry (&entries)[count]) : first(entries), size(count) {}

    // Null where there is none of that name.
    const Entry* named(const char* name) const {
        for (Size i = 0; i < size; ++i)
            if (std::strcmp(first[i].name, name) == 0) return first + i;
        return nullptr;
    }
};

struct Tables {
    Entries<Elementwise> elementwise;
    Entries<Rows> rows;
    Entries<Gated> gated;
    ChannelsForward prelu[dtypes];
    ChannelsBackward prelu_backward[dtypes];
    ChannelsGradient prelu_gradient[dtypes];
    PiecesForward maxout[wide_dtypes];
    PiecesBackward maxout_backward[wide_dtypes];
};

}  // namespace fastact
