// Norms: what is made of an element by what is known of all that are normalised with it, a row or a channel.
#pragma once

#include "math/bits.hpp"

namespace fastact {

// Where values lie and how far they spread. A mean beside which the spread is small takes two parts: of
// 1e4 + noise the nearest float32 is wrong by a thousandth of the noise. The first difference is exact then
// (Sterbenz 1974), so a value is off by the rounding of the second and of the product.
template <class T> struct Standard {
    T high, low, rstd;

    static Standard of(double mean, double rstd) {
        const T high = T(mean);
        return {high, T(mean - double(high)), T(rstd)};
    }
    T operator()(T value) const { return ((value - high) - low) * rstd; }
};

// Of a norm that leaves the mean where it is.
template <class T> struct Scaled {
    T rstd;

    static Scaled of(double, double rstd) { return {T(rstd)}; }
    T operator()(T value) const { return value * rstd; }
};

// dL/dx of a row: what the mean and the spread take back of the gradient, g = dy * weight.
template <class T> struct NormGradient {
    T mean, product;  // of g, and of g times the normalised value
    T rstd;

    T operator()(T gradient, T value) const { return math::fma(-product, value, gradient - mean) * rstd; }
};

}  // namespace fastact
