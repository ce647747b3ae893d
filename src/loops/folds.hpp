// What the lanes of a row come to: lane k joins lane k + width, for half as many lanes each time. A row's lanes are
// folded beside those of seven others: where a register holds several rows, one operation does for all of them.
#pragma once

#include <algorithm>
#include <utility>

#include "call.hpp"
#include "loops/blocks.hpp"
#include "loops/halves.hpp"

namespace fastact {

struct Larger {
    template <class V> V operator()(V low, V high) const { return high > low ? high : low; }
};
struct Sum {
    template <class V> V operator()(V low, V high) const { return low + high; }
};

// To one lane for each of `rows` rows, which come one after another.
template <Size count, Size rows, class Join, class Vector> [[gnu::always_inline]] inline void fold(Vector* lanes) {
    constexpr Size side = sizeof(Vector) / sizeof(lanes[0][0]), width = count / 2;
    if constexpr (width >= side) {
        constexpr Size registers = width / side;
        each(Known<rows * registers>(), [&](Size k) {
            const Size low = k + k / registers * registers;
            lanes[k] = Join()(lanes[low], lanes[low + registers]);
        });
    } else {
        // The halves of the rows in two registers are brought together first, or of those in the last one.
        constexpr Size registers = rows * count / side;
        each(Known<(registers + 1) / 2>(), [&](Size k) {
            const Vector first = lanes[2 * k], second = lanes[registers > 1 ? 2 * k + 1 : 0];
            [&]<std::size_t... K>(std::index_sequence<K...>) {
                constexpr auto low = [](Size to) { return int(to / (count / 2) * count + to % (count / 2)); };
                lanes[k] = Join()(Vector(__builtin_shufflevector(first, second, low(K)...)),
                                  Vector(__builtin_shufflevector(first, second, low(K) + int(count / 2)...)));
            }(std::make_index_sequence<side>());
        });
    }
    if constexpr (width > 1) fold<width, rows, Join>(lanes);
}

// results[r] of `count` lanes of each of so many rows, one row after another.
template <Size count, class Join, class T> [[gnu::noinline]] void fold_rows(const T* lanes, Size rows, T* results) {
    constexpr Size side = width * 4 / Size(sizeof(T)), some = 8, registers = count / side;
    typedef T Vector [[gnu::vector_size(side * sizeof(T))]];
    for (Size first = 0; first < rows; first += some) {
        Vector folded[some * registers];
        // In the place of rows that there are not, the last.
        each(Known<some * registers>(), [&](Size k) {
            folded[k] = load<Vector>(lanes + std::min(first + k / registers, rows - 1) * count + k % registers * side);
        });
        fold<count, some, Join>(folded);
        T of_rows[std::max(some, side)];
        for (Size k = 0; k * side < some; ++k) store(folded[k], of_rows + k * side);
        std::copy(of_rows, of_rows + std::min(some, rows - first), results + first);
    }
}

}  // namespace fastact
