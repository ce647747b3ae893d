// A square root of a sum of squares, with what it loses.
#pragma once

#include <limits>

#include "math/bits.hpp"

namespace fastact::math {

// s = sqrt(a^2 + b) for a >= 0 and b > 0: `leg` is a and `root` s times `scale`, which is less
// than 1 where a^2 would overflow, and 0 where a is infinite (and `leg` as if it were not). With
// the `low` parts, s^2 and s are twice as exact.
template <class T> struct Hypotenuse {
    T scale, leg, square, square_low, root, root_low;

    Hypotenuse(T a, T b) {
        constexpr bool single = sizeof(T) == 4;
        constexpr T largest = std::numeric_limits<T>::max();
        const T factor = a > T(single ? 0x1p60 : 0x1p500) ? T(single ? 0x1p-65 : 0x1p-520) : T(1);
        scale = a > largest ? T(0) : factor;
        leg = at_most(largest, a) * factor;
        const T first = leg * leg, second = b * factor * factor;
        square = first + second;
        const T part = square - first;
        square_low = ((first - (square - part)) + (second - part)) + product_error(leg, leg, first);
        root = sqrt(square);
        root_low = T(0.5) * (accurate_fma(-root, root, square) + square_low) / root;
    }
};

}  // namespace fastact::math
