// Formulas of recurrent cells: what one step in time makes of gates and state, and the gradients of that.
//
// A row of an array consists of parts, each as long as the state. A formula says of how many each array of its call
// does, in the order of call.hpp, and what one element of all parts of the results is made of, by one `step` or by two,
// `begin` and `end`, between which `kept` numbers are passed on. Two where one exponential waits for another: in a loop
// of its own each has the processor's whole window (LSTM's forward float: 2.5 ns for 3.5, one thread, Sapphire Rapids).
#pragma once

#include <array>

#include "formulas/sigmoids.hpp"
#include "math/bits.hpp"
#include "math/tanh.hpp"

namespace fastact {

// sigma(x) in two parts, with what the denominator and the quotient lose in rounding: a gate is the first of several
// factors. Their sum is within 1.2 ULP, for Sigmoid's 1.7.
template <class T> Pair<T> gate(T x) {
    const T inside = math::at_most(-math::exp_negligible<T>, math::at_least(-math::one_scale_limit<T>, x));
    const auto [d, scale, low] = math::one_plus_exp_at_one_scale(-inside);
    const T inverse = 1 / d, y = scale * inverse;
    return {y, math::fma(-y, low, math::accurate_fma(-y, d, scale)) * inverse};
}

// What a product of two numbers in two parts is beside that of their first ones.
template <class T> T beside(Pair<T> a, Pair<T> b) { return math::fma(a.high, b.low, a.low * b.high); }

// From the activated gates, each rounded once.
template <class T> T sigmoid_slope(T y) { return math::accurate_fma(-y, y, y); }
template <class T> T tanh_slope(T y) { return math::accurate_fma(-y, y, T(1)); }

// From the gates, the state and the gates' bias: the output, the next state and the activated gates.
// Factors are in two parts: with each rounded first, the output lost up to 5.5 ULP (float) and the state 4.7; so 3.8
// and 2.6 over 8 * 10^7 numbers (double over 4 * 10^6: 3.9 and 2.3). The gate that c is multiplied by is rounded, since
// c may be infinite.
template <class T> struct LstmCell {
    static constexpr std::array inputs{4, 1, 4};
    static constexpr std::array outputs{1, 1, 4};
    static constexpr int kept = 5;

    static std::array<T, kept> begin(const std::array<T, 9>& given) {
        const auto [xi, xf, xg, xo, c, bi, bf, bg, bo] = given;
        const auto i = gate(xi + bi), g = math::tanh_pair(xg + bg);
        const T f = gate(xf + bf).value();
        const T next = math::accurate_fma(f, c, math::accurate_fma(i.high, g.high, beside(i, g)));
        return {next, i.value(), f, g.value(), xo + bo};
    }
    static std::array<T, 6> end(const std::array<T, kept>& given) {
        const auto [next, i, f, g, sum] = given;
        const auto o = gate(sum), t = math::tanh_pair(next);
        const T h = math::accurate_fma(o.high, t.high, beside(o, t));
        return {h, next, i, f, g, o.value()};
    }
};

// From the gradients of both results, the activated gates and the states before and after: those of the gates and of
// the state before.
template <class T> struct LstmCellBackward {
    static constexpr std::array inputs{1, 1, 4, 1, 1};
    static constexpr std::array outputs{4, 1};

    static std::array<T, 5> step(const std::array<T, 8>& given) {
        const auto [dh, dc, i, f, g, o, c, next] = given;
        const T total = math::fma(dh * o, Tanh<T>(nullptr).backward_x(T(1), next), dc);
        return {total * (g * sigmoid_slope(i)), total * (c * sigmoid_slope(f)), total * (i * tanh_slope(g)),
                dh * (math::tanh(next) * sigmoid_slope(o)), total * f};
    }
};

// From what the input and the state before give to the gates, that state and both biases: the next state, the
// activated gates and what the state gave to the third of them.
template <class T> struct GruCell {
    static constexpr std::array inputs{3, 3, 1, 3, 3};
    static constexpr std::array outputs{1, 3, 1};
    static constexpr int kept = 5;

    static std::array<T, kept> begin(const std::array<T, 13>& given) {
        const auto [xr, xz, xn, hr, hz, hn, h, bxr, bxz, bxn, bhr, bhz, bhn] = given;
        const T r = gate((xr + bxr) + (hr + bhr)).value(), hidden = hn + bhn;
        return {math::fma(r, hidden, xn + bxn), r, (xz + bxz) + (hz + bhz), hidden, h};
    }
    static std::array<T, 5> end(const std::array<T, kept>& given) {
        const auto [inside, r, sum, hidden, h] = given;
        const T z = gate(sum).value(), n = math::tanh_pair(inside).value();
        return {math::fma(z, h - n, n), r, z, n, hidden};
    }
};

// From the gradient of the next state, the activated gates, what the state before gave to the third, and that state:
// the gradients of both parts of the gates and of the state.
template <class T> struct GruCellBackward {
    static constexpr std::array inputs{1, 3, 1, 1};
    static constexpr std::array outputs{3, 3, 1};

    static std::array<T, 7> step(const std::array<T, 6>& given) {
        const auto [dh, r, z, n, hidden, h] = given;
        const T slope = tanh_slope(n), dn = dh * math::accurate_fma(-z, slope, slope), dz = dh * ((h - n) * sigmoid_slope(z));
        const T dr = dn * (hidden * sigmoid_slope(r));
        return {dr, dz, dn, dr, dz, dn * r, dh * z};
    }
};

}  // namespace fastact
