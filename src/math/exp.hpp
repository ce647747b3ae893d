// Elementary functions for float and double that a compiler can vectorise.
//
// Plain inline templates without branches, libm or intrinsics: inside a loop each
// becomes straight SIMD code at every CPU level. Where the level has a fused
// multiply-add, the formulas use it explicitly and the compiler must not form
// others (-ffp-contract=off), so that vector body and scalar tail, v3 and v4,
// give the same bits. Without one (v1), results may differ within the errors given.
//
// Comparisons are written so that NaN falls through to the operand that keeps it.
// Errors are in ULP of the correctly rounded result, subnormal results included:
// over all 2^32 inputs for float, over 10^8 or more for double. The tables are
// minimax fits of tools/minimax.py, which prints them; "cost" is in operations on
// the multiply-add pipes, integer operations and blends beside them not counted.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

namespace fastact::math {

// -- Tables, printed by tools/minimax.py ------------------------------------

// (e^r - 1 - r) / r^2 where |r| <= ln(2) / 2, relative to e^r
template <class T> inline constexpr T exp_tail = 0;
// error 2^-27.78
template <> inline constexpr float exp_tail<float>[] = {
    0.49999994f,
    0.1666652f,
    0.041668396f,
    0.008368799f,
    0.0013814417f};
// error 2^-56.63
template <> inline constexpr double exp_tail<double>[] = {
    0.5000000000000011,
    0.1666666666666641,
    0.04166666666652891,
    0.008333333333495794,
    0.0013888888944005857,
    0.0001984126950464732,
    2.4801492667714793e-05,
    2.755758723795812e-06,
    2.7630415201373615e-07,
    2.5000061777155735e-08};
// (e^r - 1 - r) / r^2 where |r| <= 3/4 ln(2), relative to e^r - 1
template <class T> inline constexpr T expm1_tail = 0;
// error 2^-29.35
template <> inline constexpr float expm1_tail<float>[] = {
    0.5f,
    0.16666667f,
    0.041666657f,
    0.008333108f,
    0.0013889379f,
    0.0001998493f,
    2.4790006e-05f};
// error 2^-56.39
template <> inline constexpr double expm1_tail<double>[] = {
    0.5,
    0.16666666666666669,
    0.041666666666668066,
    0.008333333333332115,
    0.0013888888888463498,
    0.00019841269843166043,
    2.48015878480853e-05,
    2.7557317995531595e-06,
    2.755697990157073e-07,
    2.5052412638048115e-08,
    2.0977530226674763e-09,
    1.6060341687709202e-10};
// (e^r - 1 - r) / r^2 where -3/4 ln(2) <= r <= 1/4 ln(2), relative to e^r - 1
template <class T> inline constexpr T expm1_negative_tail = 0;
// error 2^-28.46
template <> inline constexpr float expm1_negative_tail<float>[] = {
    0.5f,
    0.16666669f,
    0.04166706f,
    0.00833334f,
    0.0013797347f,
    0.00017101686f};
// error 2^-58.47
template <> inline constexpr double expm1_negative_tail<double>[] = {
    0.5,
    0.1666666666666668,
    0.04166666666666679,
    0.008333333333314409,
    0.0013888888888223861,
    0.00019841269916356162,
    2.4801591877074196e-05,
    2.7557301883853224e-06,
    2.754986536103566e-07,
    2.481923554606078e-08,
    1.7813771803197456e-09};
// (tanh(x) - x) / x^3 in u = x^2 where |x| <= 0.7, relative to tanh(x)
template <class T> inline constexpr T tanh_tail = 0;
// error 2^-27.16
template <> inline constexpr float tanh_tail<float>[] = {
    -0.33333325f,
    0.13332982f,
    -0.053920917f,
    0.02157089f,
    -0.007882961f,
    0.0018954052f};
// error 2^-56.6
template <> inline constexpr double tanh_tail<double>[] = {
    -0.3333333333333309,
    0.13333333333298805,
    -0.05396825395140493,
    0.021869488122748477,
    -0.008863229566417776,
    0.003592073032647443,
    -0.0014554940425877295,
    0.0005885775100546444,
    -0.00023483536446384135,
    8.812081042659541e-05,
    -2.706429950120291e-05,
    4.799188079510226e-06};
// (x - tanh(x)) / x^3 in z = x^2 - 0.7734375 where |x| <= 1.1875, relative
template <class T> inline constexpr T tanhshrink_factor = 0;
// error 2^-28.4
template <> inline constexpr float tanhshrink_factor<float>[] = {
    0.25478876f,
    -0.07735514f,
    0.02382077f,
    -0.007348115f,
    0.002267428f,
    -0.0007001889f,
    0.00021500209f,
    -6.457603e-05f,
    2.276077e-05f,
    -8.904823e-06f};
// (x - tanh(x)) / x^3 in z = x^2 - 0.765625 where |x| <= 1.1875, relative
// error 2^-55.19
template <> inline constexpr double tanhshrink_factor<double>[] = {
    0.25539455039198256,
    -0.07772868711910268,
    0.02399383703350014,
    -0.007419462748773506,
    0.0022948106616924634,
    -0.0007097989506655326,
    0.00021954614688774382,
    -6.790731030172596e-05,
    2.1004259039972775e-05,
    -6.496820913186721e-06,
    2.0094932287886207e-06,
    -6.2137328132387e-07,
    1.9231573607162824e-07,
    -5.992938259704744e-08,
    1.8198180645196513e-08,
    -5.038662138800739e-09,
    2.055717227195324e-09,
    -9.59744352650826e-10};
// (log(1 + f) - f + f^2 / 2) / f^3 where -1/4 <= f <= 1/2, relative to log(1 + f)
template <class T> inline constexpr T log1p_tail = 0;
// error 2^-26.74
template <> inline constexpr float log1p_tail<float>[] = {
    0.3333345f,
    -0.25000095f,
    0.1999086f,
    -0.16647315f,
    0.14478414f,
    -0.13161184f,
    0.1046287f,
    -0.045073118f};
// (2 atanh(s) - 2 s) / s^3 in w = s^2 where -1/7 <= s <= 1/5, relative to 2 atanh(s)
template <class T> inline constexpr T atanh_tail = 0;
// error 2^-55.9
template <> inline constexpr double atanh_tail<double>[] = {
    0.6666666666667269,
    0.39999999996170166,
    0.28571429394031483,
    0.22222138587250803,
    0.18186353136694988,
    0.15250237507575695,
    0.15367875596682423};
// (Phi(x) - 1/2 - c x) / x^3 in u = x^2 where |x| <= 0.8, c ~ 1 / sqrt(2 pi), relative to Phi(-|x|)
template <class T> inline constexpr T normal_near = 0;
// error 2^-26.46
template <> inline constexpr float normal_near<float>[] = {
    -0.06649039f,
    0.009972308f,
    -0.0011802712f,
    0.0001016396f};
// (Phi(x) - 1/2 - c x) / x^3 in u = x^2 where |x| <= 0.8, c ~ 1 / sqrt(2 pi), relative to Phi(-|x|)
// error 2^-56.41
template <> inline constexpr double normal_near<double>[] = {
    -0.06649038006690751,
    0.009973557010087111,
    -0.001187328216068321,
    0.0001154346912745662,
    -9.444669530581716e-06,
    6.659977327432388e-07,
    -4.1260349114414486e-08,
    2.290374658619907e-09,
    -1.0970548656858015e-10};
// 4 a R(a) - 1 in t = (a - 1.53125) / (a + 3) where a >= 0.8, relative to 4 a R(a)
template <class T> inline constexpr T normal_far = 0;
// error 2^-25.63
template <> inline constexpr float normal_far<float>[] = {
    0.24333626f,
    1.2339128f,
    -1.7215819f,
    1.1549122f,
    -0.24805428f,
    -0.1385238f,
    0.053862844f,
    0.037719402f,
    -0.019873763f};
// 4 a R(a) - 1 in t = (a - 1.546875) / (a + 3) where a >= 0.8, relative to 4 a R(a)
// error 2^-55.79
template <> inline constexpr double normal_far<double>[] = {
    0.2475562223078084,
    1.2179221344824451,
    -1.697960956165751,
    1.1396244140159428,
    -0.24703507960774385,
    -0.13429117744924546,
    0.05265581713414148,
    0.032001652985080585,
    -0.006810237096398481,
    -0.009574394126857236,
    -0.0012124358666605463,
    0.0021890038611282123,
    0.0012762904487448458,
    -6.647759063922004e-05,
    -0.0003756386267288358,
    -0.00024279271053547825,
    -0.000247313866848694,
    0.001035097058584335,
    -0.0016793471863130766,
    0.001909091341255116,
    -0.0013088422278778572,
    0.0004746779803517934,
    -7.05874893178549e-05};
// ((1/2 - R(a)) / a + what 1 / sqrt(2 pi) loses in rounding) (a + 3.5) in t = (a - 1.75) / (a + 3.5), relative to R(a) + a / sqrt(2 pi)
template <class T> inline constexpr T mills_fall = 0;
// error 2^-25.89
template <> inline constexpr float mills_fall<float>[] = {
    0.94430494f,
    -0.7107168f,
    0.35209927f,
    -0.08099759f,
    -0.018073816f,
    0.013825169f,
    0.0018255073f,
    -0.0023011288f};
// ((1/2 - R(a)) / a + what 1 / sqrt(2 pi) loses in rounding) (a + 3.5) in t = (a - 1.75) / (a + 3.5), relative to R(a) + a / sqrt(2 pi)
// error 2^-56.81
template <> inline constexpr double mills_fall<double>[] = {
    0.944305005965283,
    -0.7107168533019629,
    0.35210192614173746,
    -0.08099355290175982,
    -0.018125470343342005,
    0.013810498424051186,
    0.002151507828777946,
    -0.002409705266331741,
    -0.000665991507352407,
    0.00040068648337491445,
    0.00023935463995623137,
    -3.030845870460924e-05,
    -6.963805889617816e-05,
    -1.7177589988146447e-05,
    1.1915346248675258e-05,
    9.733892168624287e-06,
    1.7186698701052433e-06,
    -1.8436421570208609e-06,
    -2.9068304618922265e-06,
    -7.823324051303029e-08,
    1.7472574345560243e-06,
    -5.685164002189047e-07};

// -- Bits ----------------------------------------------------------------------

template <class T> using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

template <class T> inline constexpr int mantissa_bits = std::numeric_limits<T>::digits - 1;
template <class T> inline constexpr Bits<T> sign_bit = Bits<T>(1) << (8 * sizeof(T) - 1);
template <class T> inline constexpr Bits<T> exponent_mask = std::bit_cast<Bits<T>>(std::numeric_limits<T>::infinity());
template <class T> inline constexpr Bits<T> one_bits = std::bit_cast<Bits<T>>(T(1));

template <class T> Bits<T> bits(T x) { return std::bit_cast<Bits<T>>(x); }
template <class T> T from_bits(Bits<T> b) { return std::bit_cast<T>(b); }

template <class T> T abs(T x) { return from_bits<T>(bits(x) & ~sign_bit<T>); }

// `magnitude`, which must not be negative, with the sign of `sign`.
template <class T> T with_sign(T magnitude, T sign) {
    return from_bits<T>(bits(magnitude) | (bits(sign) & sign_bit<T>));
}

// `x` negated where `sign` is negative: |sign + x| = |sign| + this, for small x.
template <class T> T with_sign_of(T x, T sign) { return from_bits<T>(bits(x) ^ (bits(sign) & sign_bit<T>)); }

// a * b + c, rounded once where the CPU level can.
template <class T> T fma(T a, T b, T c) {
#if defined(__FMA__) || defined(__aarch64__)
    if constexpr (sizeof(T) == 4)
        return __builtin_fmaf(a, b, c);
    else
        return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
}

// The rounding error of `product` = a * b, exactly (without fma: Dekker 1971, and 0
// where its parts overflow or are subnormal).
template <class T> T product_error(T a, T b, T product) {
#if defined(__FMA__) || defined(__aarch64__)
    return fma(a, b, -product);
#else
    constexpr T splitter = T(sizeof(T) == 4 ? 4097 : 134217729);
    const T a_high = splitter * a - (splitter * a - a), a_low = a - a_high;
    const T b_high = splitter * b - (splitter * b - b), b_low = b - b_high;
    const T error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
    constexpr T smallest = std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon();
    const T finite = error - error == 0 ? error : T(0);
    return abs(product) < smallest ? T(0) : finite;
#endif
}

// As fma, and nearly as exact where the CPU level has none (TwoSum, Knuth 1969).
template <class T> T accurate_fma(T a, T b, T c) {
#if defined(__FMA__) || defined(__aarch64__)
    return fma(a, b, c);
#else
    const T product = a * b, sum = product + c, part = sum - product;
    return sum + (((product - (sum - part)) + (c - part)) + product_error(a, b, product));
#endif
}

template <class T> T sqrt(T x) {
    if constexpr (sizeof(T) == 4)
        return __builtin_sqrtf(x);
    else
        return __builtin_sqrt(x);
}

// c[start] + c[start + 1] u + c[start + 2] u^2 + ... A float's by Horner's rule; a double's, twice as
// long, by pairs of terms in powers of u^2 (the first step of Estrin 1960): one operation more, and
// half as many that wait for one another.
template <std::size_t start, class T, std::size_t N> T polynomial_from(T u, const T (&c)[N]) {
    constexpr std::size_t each = sizeof(T) == 4 ? 1 : 2, steps = (N - start - 1) / each;
    const T power = each == 1 ? u : u * u;
    const auto term = [&](std::size_t k) { return each == 1 ? c[k] : fma(c[k + 1], u, c[k]); };
    T sum = (N - start) % each == 1 ? c[N - 1] : term(N - each);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        ((sum = fma(sum, power, term(start + (steps - 1 - I) * each))), ...);
    }(std::make_index_sequence<steps>());
    return sum;
}
template <class T, std::size_t N> T polynomial(T u, const T (&c)[N]) { return polynomial_from<0>(u, c); }

// -- Exponentials ----------------------------------------------------------------

// ln 2 in two parts. The first has so few bits that its product with any exponent
// of a float (double) is exact without a fused multiply-add too.
template <class T> inline constexpr T ln2_high = T(sizeof(T) == 4 ? 0x1.62e4p-1 : 0x1.62e42fefa38p-1);
template <class T>
inline constexpr T ln2_low = T(sizeof(T) == 4 ? 0x1.7f7d1cf79abcap-20 : 0x1.ef35793c7673p-45);
template <class T> inline constexpr T log2_e = T(0x1.71547652b82fep0);

// Adding this to a float below 2^22 (double below 2^51) rounds it to an integer n
// and leaves n + offset in the lowest bits of the sum.
template <class T> constexpr T rounder(int offset) { return T(sizeof(T) == 4 ? 0x1.8p23 : 0x1.8p52) + T(offset); }
template <class T> inline constexpr int exponent_bias = std::numeric_limits<T>::max_exponent - 1;

// x = n ln 2 + r; n + offset in the lowest bits of `exponent`.
template <class T> struct Reduced {
    T r;
    Bits<T> exponent;
};

template <class T> Reduced<T> reduce_to(T x, T shifted, int offset) {
    const T n = shifted - rounder<T>(offset);
    return {fma(n, -ln2_low<T>, fma(n, -ln2_high<T>, x)), bits(shifted)};
}

// With |r| <= ln(2) / 2.
template <class T> Reduced<T> reduce(T x, int offset) {
    return reduce_to(x, fma(x, log2_e<T>, rounder<T>(offset)), offset);
}

// With r between -(1/2 + bias) ln 2 and (1/2 - bias) ln 2.
template <class T> Reduced<T> reduce_biased(T x, T bias, int offset) {
    return reduce_to(x, fma(x, log2_e<T>, bias) + rounder<T>(offset), offset);
}

// r as head + tail, for a sum that the tail is added to before the head.
template <class T> struct ReducedProduct {
    T r, head, tail;
    Bits<T> exponent;
};
// A product x (high + low) with n in `shifted`: rounded first, its error would be multiplied by its size.
template <class T> ReducedProduct<T> reduce_product(T x, T high, T low, T shifted, int offset) {
    const T n = shifted - rounder<T>(offset);
    const T head = accurate_fma(x, high, -(n * ln2_high<T>)), tail = fma(x, low, -(n * ln2_low<T>));
    return {head + tail, head, tail, bits(shifted)};
}

// 2^n of a reduction with this offset; n must be an exponent of normal numbers.
template <class T> inline constexpr int whole = exponent_bias<T>;
template <class T> T power(Bits<T> exponent) { return from_bits<T>(exponent << mantissa_bits<T>); }

// 1 / p of a power of two.
template <class T> T inverse_power(T p) { return from_bits<T>(2 * one_bits<T> - bits(p)); }

// 2^k and 2^(n - k), k = floor(n / 2), of a reduction with this offset, for n over
// twice the range of normal numbers.
template <class T> inline constexpr int halved = 2 * exponent_bias<T>;
template <class T> struct Powers {
    T lower, upper;
};
template <class T> Powers<T> powers(Bits<T> exponent) {
    const Bits<T> lower = (exponent << (mantissa_bits<T> - 1)) & exponent_mask<T>;
    return {from_bits<T>(lower), from_bits<T>((exponent << mantissa_bits<T>)-lower)};
}

// e^r where |r| <= ln(2) / 2.
template <class T> T exp_reduced(T r) { return fma(r, fma(r, polynomial(r, exp_tail<T>), T(1)), T(1)); }

// e^r - 1 where r^2 * tail = e^r - 1 - r.
template <class T> T expm1_reduced(T r, T tail) { return fma(r * r, tail, r); }

// e^x = m * lower * upper, where 0.7 < m < 1.5 and the others are powers of two. m * lower
// is always a normal number, so a formula that multiplies by `upper` last rounds a
// subnormal result once.
template <class T> struct Scaled {
    T m, lower, upper;

    T value() const { return m * lower * upper; }
};

// Beyond these, m * lower * upper is 0 or infinity, even after a product with a
// number up to 2^90 (2^945).
template <class T> inline constexpr T exp_limit = T(sizeof(T) == 4 ? 174 : 1416);

// A constant that the compiler does not know: of a select between it and a variable gcc 12
// makes the processor's min or max, of one between a known constant and a variable up to
// four operations.
template <class T> inline Bits<T> nothing = 0;
template <class T> T unknown(T constant) { return from_bits<T>(bits(constant) ^ nothing<T>); }

template <class T> T at_least(T low, T x) {
    const T bound = unknown(low);
    return x < bound ? bound : x;
}
template <class T> T at_most(T high, T x) {
    const T bound = unknown(high);
    return x > bound ? bound : x;
}

// e^x in parts, for every x; their product is within 0.91 ULP (float) and 0.94 ULP (double).
// Method: x = n ln 2 + r; e^r a polynomial of degree 6 (11). Cost 9 (14), and 2 for the product.
template <class T> Scaled<T> exp_parts_inside(T x) {
    const auto [r, exponent] = reduce(x, halved<T>);
    const auto [lower, upper] = powers<T>(exponent);
    return {exp_reduced(r), lower, upper};
}
template <class T> Scaled<T> exp_parts(T x) {
    // On the magnitude: gcc makes more of two comparisons of the same number.
    return exp_parts_inside(with_sign(at_most(exp_limit<T>, abs(x)), x));
}

// The same for x <= 0, with one comparison less.
template <class T> Scaled<T> exp_parts_negative(T x) { return exp_parts_inside(at_least(-exp_limit<T>, x)); }

// The same for x + low, where |low| is below the rounding error of x.
template <class T> Scaled<T> exp_parts(T x, T low) {
    const auto [r, exponent] = reduce(with_sign(at_most(exp_limit<T>, abs(x)), x), halved<T>);
    const auto [lower, upper] = powers<T>(exponent);
    return {exp_reduced(r + (abs(x) > exp_limit<T> ? T(0) : low)), lower, upper};
}

template <class T> T exp(T x) { return exp_parts(x).value(); }
template <class T> T exp_negative(T x) { return exp_parts_negative(x).value(); }

// a - b and its rounding error (TwoSum, Knuth 1969); the error is NaN where the difference
// is infinite.
template <class T> struct Difference {
    T high, error;
};
template <class T> Difference<T> difference(T a, T b) {
    const T high = a - b, part = high - a;
    return {high, (a - (high - part)) - (b + part)};
}

// x + low, where |low| is below the rounding error of x, reduced to r + rest.
template <class T> struct ReducedSum {
    T r, rest;
    Bits<T> exponent;
};
template <class T> ReducedSum<T> reduce_sum(T x, T low, int offset) {
    const T shifted = fma(x, log2_e<T>, rounder<T>(offset)), n = shifted - rounder<T>(offset);
    const T head = fma(n, -ln2_high<T>, x), tail = fma(n, -ln2_low<T>, low);
    const T r = head + tail;
    return {r, (head - r) + tail, bits(shifted)};
}

// e^(high + error) for high <= 0, or little more; any error is ignored where it does not matter.
// Times `scale`, a power of two, which may keep a small result from being subnormal.
template <class T> T exp_sum(T high, T error, T scale = 1) {
    const T low = high < -exp_limit<T> ? T(0) : error;
    const auto [r, rest, exponent] = reduce_sum(at_least(-exp_limit<T>, high), low, halved<T>);
    const auto [lower, upper] = powers<T>(exponent);
    return (1 + fma(r, fma(r, polynomial(r, exp_tail<T>), T(1)), rest)) * lower * (upper * scale);
}

// e^(a - b) for a <= b. The rounding error of a large difference would be hundreds
// of ULP of the result, so it is computed too. Cost 21 (26).
template <class T> T exp_difference(T a, T b, T scale = 1) {
    const auto [high, error] = difference(a, b);
    return exp_sum(high, error, scale);
}

// e^x of a row whose largest x is known, up to a power of two that all share: the largest is
// within a factor of 1.5 of 2^headroom. Where the largest is moderate, x - largest need not be
// computed, with its rounding error, for the power of two is an exponent to be added.
template <class T> inline constexpr int headroom = sizeof(T) == 4 ? 64 : 512;
template <class T> struct Anchor {
    T floor, rounder;

    static constexpr T moderate = 200;  // n ln2_high of every n from here down to `floor` is exact
    static constexpr T depth = T(sizeof(T) == 4 ? 131 : 1062);  // so far below, 2^16 results are 0

    static bool holds(T largest) { return abs(largest) <= moderate; }
    static T exponent(T largest) {
        return fma(largest, log2_e<T>, math::rounder<T>(0)) - math::rounder<T>(0);
    }

    explicit Anchor(T largest)
        : floor(largest - depth), rounder(math::rounder<T>(whole<T> + headroom<T>) - exponent(largest)) {}
    Anchor(T floor, T rounder) : floor(floor), rounder(rounder) {}

    // Within 0.91 (0.94) ULP. Cost 8 (13).
    T exp(T x) const {
        const T held = x < floor ? floor : x, shifted = fma(held, log2_e<T>, rounder), n = shifted - rounder;
        const T r = fma(n, -ln2_low<T>, fma(n, -ln2_high<T>, held));
        return exp_reduced(r) * power<T>(bits(shifted));
    }
    // sum e^-largest for a sum of such, in float64.
    static double relative(double sum, T largest) {
        const double n = holds(largest) ? double(exponent(largest)) : 0.0;
        const double x = holds(largest) ? double(largest) : 0.0;
        const double r = fma(n, ln2_low<double>, fma(n, ln2_high<double>, -x));
        return fma(sum, expm1_reduced(r, polynomial(r, exp_tail<double>)), sum);
    }
};

// 1 + e^x = d / scale, `scale` a power of two which keeps d from overflow; `low` is what
// the last sum of d lost in rounding.
template <class T> struct OnePlusExp {
    T d, scale, low;
};

// Where e^x is lost beside 1.
template <class T> inline constexpr T exp_negligible = T(sizeof(T) == 4 ? -18 : -40);

// d = scale + upper (1 + em1): 1 + e^x times `scale`, where upper is 2^n scale.
template <class T> OnePlusExp<T> one_plus_power(T em1, T upper, T scale) {
    const T sum = upper + scale, lost = scale - (sum - upper);
    const T rest = fma(em1, upper, lost), d = rest + sum;
    return {d, scale, rest - (d - sum)};
}
template <class T> OnePlusExp<T> one_plus_power(T em1, Powers<T> powers) {
    return one_plus_power(em1, powers.upper, inverse_power(powers.lower));
}
template <class T> OnePlusExp<T> one_plus_exp_reduced(Reduced<T> reduced, Powers<T> powers) {
    return one_plus_power(expm1_reduced(reduced.r, polynomial(reduced.r, exp_tail<T>)), powers);
}
template <class T> OnePlusExp<T> one_plus_exp_reduced(Reduced<T> reduced) {
    return one_plus_exp_reduced(reduced, powers<T>(reduced.exponent));
}
template <class T> OnePlusExp<T> one_plus_exp_reduced(ReducedProduct<T> product) {
    const auto [r, head, tail, exponent] = product;
    return one_plus_power(head + fma(r * r, polynomial(r, exp_tail<T>), tail), powers<T>(exponent));
}
template <class T> T sum_range(T x) { return at_most(exp_limit<T>, at_least(exp_negligible<T>, x)); }

// For every x; d is within 1 ULP: e^x is not rounded before 1 is added, because
// 1 + 2^n e^r = (1 + 2^n) + 2^n (e^r - 1), where a 1 that is lost beside 2^n is found
// again (Fast2Sum, Dekker 1971) in the last two binades before it ceases to matter.
// Cost 16 (21).
template <class T> OnePlusExp<T> one_plus_exp(T x) {
    return one_plus_exp_reduced(reduce(sum_range(x), halved<T>));
}

// The same with d >= 1 >= scale, for a numerator that may be of any size.
template <class T> OnePlusExp<T> one_plus_exp_at_least_1(T x) {
    const auto reduced = reduce(sum_range(x), halved<T>);
    const T lower = powers<T>(reduced.exponent).lower, at_least_1 = lower > 1 ? lower : T(1);
    return one_plus_exp_reduced(
        reduced, {at_least_1, from_bits<T>((reduced.exponent << mantissa_bits<T>)-bits(at_least_1))});
}

// one_plus_exp at one scale for every x from exp_negligible to one_scale_limit, where 1 / (1 + e^x) is 0
// even times x. Cost 14 (19).
template <class T> inline constexpr T one_scale_limit = T(sizeof(T) == 4 ? 110 : 760);
template <class T> OnePlusExp<T> one_plus_exp_at_one_scale(T x) {
    constexpr int scale = whole<T> - (sizeof(T) == 4 ? 32 : 80);
    const auto [r, exponent] = reduce(x, scale);
    const T em1 = expm1_reduced(r, polynomial(r, exp_tail<T>));
    return one_plus_power(em1, power<T>(exponent), power<T>(scale));
}

// e^x - 1 for x <= 0.
// Method: x = n ln 2 + r with -3/4 ln 2 < r < 1/4 ln 2: with n = 0 as far down as
// x = -0.52 nothing cancels in 2^n (e^r - 1) + (2^n - 1). Cost 11 (16).
template <class T> T expm1_negative(T x) {
    const auto [r, exponent] = reduce_biased(at_least(T(-40), x), T(0.25), whole<T>);
    const T s = power<T>(exponent);
    const T p = expm1_reduced(r, polynomial(r, expm1_negative_tail<T>));
    return with_sign(fma(p, s, s - 1), x);
}

// e^x - 1 for every x.
// Method: as expm1_negative with the bias of the reduction on the side of x, so that
// n = 0 where |x| < 0.52, and at half its size, so that 2^n does not overflow. Cost 13 (18).
template <class T> T expm1(T x) {
    constexpr T largest = sizeof(T) == 4 ? 89 : 710;
    const T inside = at_most(largest, at_least(T(-40), x));
    const auto [r, exponent] = reduce_biased(inside, with_sign(T(0.25), -x), whole<T> - 1);
    const T half = power<T>(exponent);
    const T p = expm1_reduced(r, polynomial(r, expm1_tail<T>));
    return abs(x) < std::numeric_limits<T>::epsilon() / 4 ? x : 2 * fma(p, half, half - T(0.5));
}

// alpha (e^x - 1) for a finite x + low, where |low| is below the rounding error of x and
// `bias` is 1/4 with the sign of -x; within 2 ULP. Method: as expm1, with 2^n in two factors,
// so that neither overflows nor loses alpha before it must. Cost 18 (23).
template <class T> T times_expm1(T alpha, T x, T low, T bias) {
    const T inside = with_sign(at_most(exp_limit<T>, abs(x)), x);
    const auto [head, exponent] = reduce_biased(inside, bias, halved<T>);
    const auto [lower, upper] = powers<T>(exponent);
    const T r = head + (abs(x) > exp_limit<T> ? T(0) : low);
    const T p = expm1_reduced(r, polynomial(r, expm1_tail<T>)), half = T(0.5) * alpha, scaled = half * lower;
    const T power = fma(scaled, upper, -half);
    // Beyond all numbers, p may be below 0 and an infinity of the other sign. Of NaN, p alone is sure to be one.
    const T beyond = power + (p - p);
    return 2 * (abs(power) < std::numeric_limits<T>::infinity() ? fma(scaled * p, upper, power) : beyond);
}

// tanh(a) where 0 <= a <= 0.7.
template <class T> T tanh_near(T a) {
    const T square = a * a;
    return fma(a * square, polynomial(square, tanh_tail<T>), a);
}

// 1 - tanh(a) = 2 / (1 + e^2a) for a >= 0.7; not of NaN.
template <class T> T one_minus_tanh(T a) {
    const auto [r, exponent] = reduce(at_most(T(40), 2 * a), 0);
    return 2 / (1 + from_bits<T>(bits(exp_reduced(r)) + (exponent << mantissa_bits<T>)));
}

// tanh(x) for every x; never beyond 1, and 1 from |x| = 8.5 (19.1) on.
// Method for a float: with e^-2|x| = s (1 + p), s a power of two, (1 - s - s p) / (1 + s + s p). Both
// sums are rounded once (where s is lost beside 1, twice: 1.83 ULP there), and as one rises the other
// falls, so that the quotient never falls where p does not. Cost 15 and a division. The three roundings
// can add up to 2.4 ULP; of all floats none loses more than 1.96 (v1: 1.99), but some doubles lose 2.1.
// For a double: a polynomial where |x| <= 0.7, 1 - 2 / (1 + e^2x) beyond, where 1.1 were seen. Cost 28
// and a division.
template <class T> T tanh(T x) {
    if constexpr (sizeof(T) == 4) {
        const T a = at_most(T(20), abs(x));
        // -2a = n ln 2 + 2r: nothing waits for the doubled number.
        const T shifted = fma(a, -2 * log2_e<T>, rounder<T>(whole<T>)), n = shifted - rounder<T>(whole<T>);
        const T r = fma(n, T(-0.5) * (ln2_high<T> + ln2_low<T>), -a);
        static constexpr T tail[] = {4 * exp_tail<T>[0], 8 * exp_tail<T>[1], 16 * exp_tail<T>[2],
                                     32 * exp_tail<T>[3], 64 * exp_tail<T>[4]};
        const T s = power<T>(bits(shifted)), p = fma(r * r, polynomial(r, tail), r + r);
        return with_sign(fma(-s, p, 1 - s) / fma(s, p, 1 + s), x);
    } else {
        const T a = abs(x);
        return with_sign(a > T(0.7) ? 1 - one_minus_tanh(a) : tanh_near(a), x);
    }
}

// dy tanh(x)^2 for every x, within 3.4 ULP (double at v1: 3.73). Method: with q = 1 - tanh(x), tanh(x)^2
// is q^2 + (1 - 2 q), of which the second part is exact where q > 1/4.
template <class T> T times_tanh_squared(T dy, T x) {
    const T a = abs(x), near = tanh_near(a), q = one_minus_tanh(a);
    const bool far = a > T(0.7);
    return dy * (far ? fma(q, q, fma(T(-2), q, T(1))) : near) * (far ? T(1) : near);
}

// -- Logarithms ------------------------------------------------------------------

// log(1 + f) - f where -1/4 <= f <= 1/2. A polynomial is cheap enough for a float;
// for a double, s = f / (2 + f) makes 2 atanh(s) of it, of much faster convergence
// (as in fdlibm, Sun Microsystems 1993).
template <class T> T log1p_correction(T f) {
    if constexpr (sizeof(T) == 4) {
        return f * f * fma(f, polynomial(f, log1p_tail<T>), T(-0.5));
    } else {
        const T s = f / (2 + f), w = s * s, half_square = f * f * T(0.5);
        return fma(s, fma(w, polynomial(w, atanh_tail<T>), half_square), -half_square);
    }
}

// log(1 + e) where 0 <= e <= 1.
template <class T> T log1p01(T e) {
    const bool upper = e >= T(0.5);
    const T f = upper ? fma(T(0.5), e, T(-0.5)) : e;
    const T low = upper ? ln2_low<T> : T(0), high = upper ? ln2_high<T> : T(0);
    return high + (f + (log1p_correction(f) + low));
}

// x > 0 as m * 2^n with 3/4 <= m < 3/2.
template <class T> struct Logarithm {
    T n;
    Bits<T> power;

    explicit Logarithm(T x) {
        constexpr Bits<T> centre = one_bits<T> - std::bit_cast<Bits<T>>(T(0.75));
        constexpr T shift = T(sizeof(T) == 4 ? 0x1p23 : 0x1p52);
        const Bits<T> exponent = bits(x) + centre;
        power = (exponent & exponent_mask<T>)-one_bits<T>;
        n = from_bits<T>((exponent >> mantissa_bits<T>) | std::bit_cast<Bits<T>>(shift)) -
            (shift + exponent_bias<T>);
    }
};

// log(x) of a normal positive number.
template <class T> T log_normal(T x) {
    const Logarithm<T> parts(x);
    const T f = from_bits<T>(bits(x) - parts.power) - 1;
    return fma(parts.n, ln2_high<T>, f + fma(parts.n, ln2_low<T>, log1p_correction(f)));
}

// log(1 + x) for every x.
// Method: n from 1 + x, but f = (1 + x) / 2^n - 1 from x itself.
template <class T> T log1p(T x) {
    using Limits = std::numeric_limits<T>;
    const Logarithm<T> parts(1 + x);
    // 4 / 2^n, since 1 / 2^n is not a normal number for the largest n.
    const T scale = from_bits<T>(one_bits<T> + (Bits<T>(2) << mantissa_bits<T>)-parts.power);
    const T f = fma(x * T(0.25), scale, scale * T(0.25) - 1);
    const T finite = fma(parts.n, ln2_high<T>, f + fma(parts.n, ln2_low<T>, log1p_correction(f)));
    const T defined = abs(x) < Limits::epsilon() / 4 ? x : finite;
    const T positive = x < Limits::infinity() ? defined : x;
    const T inside = x < -1 ? Limits::quiet_NaN() : positive;
    return x == -1 ? -Limits::infinity() : inside;
}

// -- The normal distribution -------------------------------------------------------

// Choices by mask, where gcc would make two paths of what follows the choice.
template <class T> Bits<T> mask_if(bool condition) { return Bits<T>(0) - Bits<T>(condition); }
template <class T> T keep(std::type_identity_t<Bits<T>> mask, T x) { return from_bits<T>(bits(x) & mask); }

// product_error that is 0 where the product is not finite.
template <class T> T finite_product_error(T a, T b, T product) {
    const T error = product_error(a, b, product);
    return error - error == 0 ? error : T(0);
}

// polynomial(u, c), the last three steps one by one and accurate at every level.
template <class T, std::size_t N> T polynomial_accurate(T u, const T (&c)[N]) {
    const T rest = polynomial_from<3>(u, c);
    return accurate_fma(accurate_fma(accurate_fma(rest, u, c[2]), u, c[1]), u, c[0]);
}

// Phi(-a) = R(a) e^(-a^2 / 2) for a >= 0; R is Mills' ratio over sqrt(2 pi).
template <class T> struct Mills {
    static constexpr bool single = sizeof(T) == 4;
    // Below the join Phi(x) is a series, from there on a R(a) one in (a - centre) / (a + pole).
    static constexpr T join = T(0.8), centre = T(single ? 1.53125 : 1.546875), pole = 3;
    // R(a) = 1/2 - a fall is one for every a.
    static constexpr T fall_centre = 1.75, fall_pole = 3.5;
    // Where e^(-a^2 / 2) is beyond all scales.
    static constexpr T largest = T(single ? 18.5 : 53);
};

template <class T> inline constexpr T inverse_sqrt_2_pi = T(0x1.9884533d43651p-2);

// Phi(x) for |x| < join: 1/2 and what is odd. Cost 6 (11).
template <class T> T normal_cdf_near(T x, T square) {
    const T slope = accurate_fma(square, polynomial(square, normal_near<T>), inverse_sqrt_2_pi<T>);
    return accurate_fma(x, slope, T(0.5));
}

// a Phi(-a) = part * upper, for a >= join; `upper` is a power of two that comes last.
// Method: 1/4 e^(-a^2/2) (1 + s) with s = 4 a R(a) - 1 and e^r = 1 + g: of 1 + (g (1 + s) + s)
// the last sum alone is rounded at its size, and nothing follows it but powers of two.
template <class T> struct NormalTail {
    T part, upper;
};
template <class T> NormalTail<T> normal_tail(T a, T square) {
    constexpr int quarter = halved<T> - 2;
    const T s = polynomial_accurate((a - Mills<T>::centre) / (a + Mills<T>::pole), normal_far<T>);
    // a^2 in two parts, and the reduced argument twice as large and of the other sign.
    const T square_low = product_error(a, a, square);
    const T shifted = fma(square, T(-0.5) * log2_e<T>, rounder<T>(quarter)), n = shifted - rounder<T>(quarter);
    const T twice = fma(n, 2 * ln2_high<T>, square) + fma(n, 2 * ln2_low<T>, square_low), r = T(-0.5) * twice;
    const T growth = accurate_fma(r * r, polynomial(r, exp_tail<T>), r);
    const T w = accurate_fma(growth, s, growth) + s;
    const auto [lower, upper] = powers<T>(bits(shifted));
    return {fma(w, lower, lower), upper};
}

// x Phi(x) for every x, with its relative accuracy in the negative tail, down to subnormal
// results: within 1.84 ULP (float, every one) and 1.72 ULP (double). Cost 36 (60) and a division.
template <class T> T times_normal_cdf(T x) {
    const T a = at_most(Mills<T>::largest, abs(x)), square = a * a;
    const auto [part, upper] = normal_tail(a, square);
    const T far = (x > 0 ? x : T(0)) - part * upper;
    return a < Mills<T>::join ? x * normal_cdf_near(x, square) : far;
}

// a x Phi(x) for every a. At x = -inf it meets a zero.
template <class T> T times_normal_cdf(T a, T x) {
    const T size = at_most(Mills<T>::largest, abs(x)), square = size * size;
    const auto [part, upper] = normal_tail(size, square);
    const T vanishing = keep(mask_if<T>(!(x < -Mills<T>::largest)), upper);
    const T below = -part * a * vanishing, above = (x - part * upper) * a;
    const T far = x < 0 ? below : above;
    return size < Mills<T>::join ? a * x * normal_cdf_near(x, square) : far;
}

// (a + a_low) * b, rounded once or nearly so.
template <class T> T times_in_parts(T a, T b, T a_low) { return fma(a, b, a_low * b); }

// dy p scale where `below`, dy (1 - p scale) elsewhere, p scale <= 1/2 there. 1/2 - p scale is exact
// where p scale is near 1/2, and dy meets both halves in one rounding; it is never 0, which would
// make NaN of an infinite dy.
template <class T, class... Low> T times_reflected(T dy, bool below, T p, T scale, Low... dy_low) {
    const T rest = at_least(std::numeric_limits<T>::min(), fma(-p, scale, T(0.5)));
    const T factor = below ? p : rest, half = below ? T(0) : T(0.5), halved_dy = below ? T(0) : T(0.5) * dy;
    return fma(dy, factor, (halved_dy + ... + (dy_low * (factor + half)))) * (below ? scale : T(1));
}

// dy (Phi(x) + x phi(x)), the derivative of x Phi(x) times dy, for every x.
// Beyond 1 from its zero at -0.75 within 3.5 ULP, nearer within 0.9 eps |dy|. `dy_low` is what dy
// lost in rounding, where it lost anything.
// Method: Phi(-a) - a phi(a) = (R - a / sqrt(2 pi)) e^(-a^2/2) with R = 1/2 - a fall, so that near
// the zero, where R is close to 1/2, what fall lost is multiplied by a; fall is a series in
// (a - 1.75) / (a + 3.5), whose terms are small where factor and result are.
// Cost 33 (49) and a division.
template <class T, class... Low> T times_normal_cdf_backward(T dy, T x, Low... dy_low) {
    const T a = at_most(Mills<T>::largest, abs(x));
    const T inverse = 1 / (a + Mills<T>::fall_pole), t = (a - Mills<T>::fall_centre) * inverse;
    const T fall = polynomial(t, mills_fall<T>) * inverse;
    const T square = a * a, square_low = product_error(a, a, square);
    const auto [r, exponent] = reduce(T(-0.5) * square, halved<T>);
    const auto [lower, upper] = powers<T>(exponent);
    const T factor = accurate_fma(-a, fall, accurate_fma(-inverse_sqrt_2_pi<T>, a, T(0.5)));
    // factor * e^s, rounded once.
    const T s = fma(T(-0.5), square_low, r), em1 = accurate_fma(s * s, polynomial(s, exp_tail<T>), s);
    const T tail = accurate_fma(factor, em1, factor) * lower;
    return times_reflected(dy, x < 0, tail, upper, dy_low...);
}

// x - tanh(x) for every x.
// Method: x (x^2 q(x^2)) below the join, the second factor in two parts, which are normal
// numbers where the result is; above it nothing cancels in (x - 1) + (1 - tanh(x)).
// Cost 22 (35) and a division.
template <class T> T tanhshrink(T x) {
    constexpr T join = T(1.1875), centre = T(sizeof(T) == 4 ? 0.7734375 : 0.765625);
    const T a = abs(x), square = a * a;
    const T q = polynomial_accurate(square - centre, tanhshrink_factor<T>), ratio = square * q;
    const T ratio_low = fma(product_error(a, a, square), q, product_error(square, q, ratio));
    return with_sign(a > join ? (a - 1) + one_minus_tanh(a) : accurate_fma(a, ratio, a * ratio_low), x);
}

// -- Roots -----------------------------------------------------------------------

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
