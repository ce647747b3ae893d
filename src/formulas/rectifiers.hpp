// Formulas of straight lines and parabolas, with bounds between them: relu and its kin.
#pragma once

#include <cmath>
#include <limits>

#include "formulas/sigmoids.hpp"
#include "formulas/unrolled.hpp"
#include "math/bits.hpp"

namespace fastact {

// slope * x where x is negative, and the limit 0 of a slope of 0 at -inf. What is not negative stays, 0 too, which an
// infinite slope (of a weight beyond the dtype) would make NaN.
template <class T> struct Leaky {
    T slope, lowest;

    explicit Leaky(T slope)
        : slope(slope),
          lowest(slope == 0 ? std::numeric_limits<T>::lowest() : -std::numeric_limits<T>::infinity()) {}

    T operator()(T x) const {
        // Named, or gcc makes one condition of both choices, at twice the cost.
        const T below = slope * (x < lowest ? lowest : x);
        return x >= 0 ? x : below;
    }
};

template <class T> struct Identity : Unrolled {
    explicit Identity(const double*) {}

    T forward(T x) const { return x; }
    T backward_x(T dy, T) const { return dy; }
    T backward_y(T dy, T) const { return dy; }
};

template <class T> struct Relu : Unrolled {
    explicit Relu(const double*) {}

    T forward(T x) const { return math::at_least(T(0), x); }
    T backward_x(T dy, T x) const { return x > 0 ? dy : T(0); }
    T backward_y(T dy, T y) const { return y > 0 ? dy : T(0); }
};

// `value` rounded up or down: a number of type T is above (below) the one as it is the other.
template <class T> T rounded_up(double value) {
    const T nearest = T(value);
    return double(nearest) < value ? std::nextafter(nearest, std::numeric_limits<T>::infinity()) : nearest;
}
template <class T> T rounded_down(double value) { return -rounded_up<T>(-value); }

// The numbers between two bounds, those not among them.
template <class T> struct Between {
    T low, high;

    bool operator()(T value) const { return (value > low) & (value < high); }
};

// An output on a bound is that bound as rounded to its type, an input may be just beside it.
template <class T> struct Hardtanh : Unrolled {
    Between<T> inputs, outputs;

    explicit Hardtanh(const double* parameters)
        : inputs{rounded_down<T>(parameters[0]), rounded_up<T>(parameters[1])},
          outputs{T(parameters[0]), T(parameters[1])} {}

    T forward(T x) const { return math::at_most(outputs.high, math::at_least(outputs.low, x)); }
    T backward_x(T dy, T x) const { return inputs(x) ? dy : T(0); }
    T backward_y(T dy, T y) const { return outputs(y) ? dy : T(0); }
};

template <class T> struct Relu6 : Hardtanh<T> {
    static constexpr double bounds[] = {0, 6};

    explicit Relu6(const double*) : Hardtanh<T>(bounds) {}
};

// slope * x + offset between its ends at 0 and 1, as slope * (x - start).
template <class T> struct Hardsigmoid : Unrolled {
    Factor<T> slope, shift;
    T above;
    Between<T> inputs;

    explicit Hardsigmoid(const double* parameters)
        // Of a smaller slope neither 2 / slope nor the shift to an offset would be a number.
        : slope(std::fmax(parameters[0], std::numeric_limits<T>::min())),
          shift(parameters[1] / std::fmax(parameters[0], std::numeric_limits<T>::min())),
          above(T(2 / double(slope.high))),
          inputs{rounded_down<T>(-(parameters[1] / parameters[0])),
                 rounded_up<T>((1 - parameters[1]) / parameters[0])} {}

    T forward(T x) const {
        const T rise = math::at_most(above, math::at_least(T(0), (x + shift.high) + shift.low));
        return math::at_most(T(1), math::fma(rise, slope.high, rise * slope.low));
    }
    T backward_x(T dy, T x) const { return inputs(x) ? dy * slope.high : T(0); }
    T backward_y(T dy, T y) const { return Between<T>{0, 1}(y) ? dy * slope.high : T(0); }
};

// x (x + 3) / 6 where |x| < 3, with what x + 3 loses in rounding. Nothing is divided: that takes
// longer than all the rest.
template <class T> struct Hardswish : Unrolled {
    explicit Hardswish(const double*) {}

    T forward(T x) const {
        const T inside = math::at_most(T(3), math::at_least(T(-3), x));
        const T sum = inside + 3, low = inside - (sum - 3);
        return x > 3 ? x : math::accurate_fma(inside, sum, inside * low) * T(1.0 / 6);
    }
    T backward_x(T dy, T x) const {
        const T inner = dy * ((x + T(1.5)) * T(1.0 / 3)), below = x <= -3 ? T(0) : inner;
        return x >= 3 ? dy : below;
    }
};

template <class T> struct Threshold : Unrolled {
    T threshold, value;

    explicit Threshold(const double* parameters)
        : threshold(rounded_down<T>(parameters[0])), value(T(parameters[1])) {}

    T forward(T x) const { return x <= threshold ? value : x; }
    T backward_x(T dy, T x) const { return x > threshold ? dy : T(0); }
};

template <class T> struct Hardshrink : Unrolled {
    T lambd;

    explicit Hardshrink(const double* parameters) : lambd(rounded_down<T>(parameters[0])) {}

    T forward(T x) const { return math::abs(x) <= lambd ? T(0) : x; }
    T backward_x(T dy, T x) const { return math::abs(x) > lambd ? dy : T(0); }
};

template <class T> struct Softshrink : Hardshrink<T> {
    T shift;

    explicit Softshrink(const double* parameters)
        : Hardshrink<T>(parameters),
          shift(std::isinf(parameters[0]) ? T(parameters[0]) : math::bounded<T>(parameters[0])) {}

    T forward(T x) const { return x - math::at_most(shift, math::at_least(-shift, x)); }
};

template <class T> struct SquaredRelu : Unrolled {
    explicit SquaredRelu(const double*) {}

    T forward(T x) const {
        const T positive = x < 0 ? T(0) : x;
        return positive * positive;
    }
    T backward_x(T dy, T x) const { return 2 * (dy * (x < 0 ? T(0) : x)); }
};

// 0 below -1, x above 1 and the parabola between that meets both with their slopes; from the
// left up to 1 it is the larger of the two.
template <class T> struct SparsePlus : Unrolled {
    explicit SparsePlus(const double*) {}

    static T half(T x) { return T(0.5) * math::at_most(T(2), math::at_least(T(0), x + 1)); }

    T forward(T x) const {
        const T root = half(x), square = root * root;
        return x > square ? x : square;
    }
    T backward_x(T dy, T x) const { return dy * half(x); }
};

// The derivative of SparsePlus.
template <class T> struct SparseSigmoid : Unrolled {
    explicit SparseSigmoid(const double*) {}

    T forward(T x) const { return SparsePlus<T>::half(x); }
    T backward_x(T dy, T x) const { return math::abs(x) < 1 ? T(0.5) * dy : T(0); }
};

template <class T> struct LeakyRelu : Unrolled {
    Leaky<T> leaky;

    explicit LeakyRelu(const double* parameters) : leaky(math::bounded<T>(parameters[0])) {}

    T forward(T x) const { return leaky(x); }
    T backward_x(T dy, T x) const { return x > 0 ? dy : leaky.slope * dy; }
    T backward_y(T dy, T y) const { return backward_x(dy, y); }
};

}  // namespace fastact
