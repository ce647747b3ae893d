// STUB by the lead, to be replaced by the vector-math helper
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
namespace fastact::math {
template <class T> T fma(T a, T b, T c) { return a * b + c; }
template <class T> T abs(T x) { return x < 0 ? -x : x; }
template <class T> struct Scaled { T m, s; };
template <class T> Scaled<T> exp_parts(T x) { x = x > 700 ? T(700) : x < -1400 ? T(-1400) : x; T n = std::rint(x / T(1.3862943611198906)); return {T(std::exp(double(x) - double(n) * 1.3862943611198906)), T(std::exp2(n))}; }
template <class T> T exp(T x) { return T(std::exp(x)); }
template <class T> T expm1(T x) { return T(std::expm1(x)); }
template <class T> T expm1_negative(T x) { return T(std::expm1(x)); }
template <class T> T tanh(T x) { return T(std::tanh(x)); }
}
