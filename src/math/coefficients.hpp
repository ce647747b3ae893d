// The coefficients of every polynomial, printed by tools/minimax.py, which fits them, and
// what evaluates them.
#pragma once

#include <cstddef>
#include <utility>

#include "math/bits.hpp"

namespace fastact::math {

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
// a Phi(-a), relative: of pieces 0.703125 wide the centres, then coefficients
// error 2^-27.44
inline constexpr float normal_pieces[11][8] = {
    {0.0f, 0.6953125f, 1.4755859f, 2.1782227f, 2.9365234f, 3.7319336f, 4.428711f, 5.102783f},
    {0.0f, 0.16925974f, 0.103331655f, 0.0320084f, 0.0048733624f, 0.0003545628f, 2.0991642e-05f, 8.5393634e-07f},
    {0.5f, 0.025604496f, -0.12815627f, -0.06634982f, -0.014052956f, -0.0013128638f, -9.257385e-05f, -4.3465457e-06f},
    {-0.3989423f, -0.23754846f, 0.011910026f, 0.051059794f, 0.01771937f, 0.0022497915f, 0.00019351383f, 1.0632114e-05f},
    {7.9929265e-07f, 0.1276652f, 0.060202964f, -0.010058397f, -0.0121069485f, -0.002329404f, -0.00025323458f, -1.6579823e-05f},
    {0.06647121f, 0.011089237f, -0.036376446f, -0.010387564f, 0.0040126555f, 0.0015794196f, 0.00023016708f, 1.8419049e-05f},
    {0.00021875859f, -0.023444422f, 0.0020045214f, 0.007889437f, 0.0003269738f, -0.00068934454f, -0.0001515962f, -1.5406655e-05f},
    {-0.011312061f, 0.0013128137f, 0.0050983867f, -0.0015298098f, -0.0009467847f, 0.00015217374f, 7.238475e-05f, 9.972136e-06f},
    {0.004506294f, 0.0029983202f, -0.001511711f, -0.00062183116f, 0.00037865076f, 2.1798742e-05f, -2.3407667e-05f, -5.0228964e-06f},
    {-0.0066675474f, -0.00039727153f, -0.00017606806f, 0.00041310996f, -8.003527e-06f, -3.651644e-05f, 4.5006427e-06f, 1.9283143e-06f},
    {0.005489845f, -0.0002771898f, 0.00058210397f, 0.00011490553f, -7.556247e-06f, 8.439743e-06f, 2.5202287e-06f, -5.8243677e-07f}};
// h(a) = (1 - a / (1 + e^-a)) / (1 + e^a), relative to it, or to 0.12 within 1 of its zero: of pieces 1.34375 wide the centres, then coefficients
// error 2^-25.24
inline constexpr float silu_slope_pieces[10][8] = {
    {0.2783203f, 1.3193359f, 2.6591797f, 3.9677734f, 5.4257812f, 6.805664f, 8.047852f, 9.569336f},
    {0.3626158f, -0.008658626f, -0.09717002f, -0.053727347f, -0.019291062f, -0.006414241f, -0.002252277f, -0.00059837464f},
    {-0.48100406f, -0.20592292f, 0.019029757f, 0.03316817f, 0.014739646f, 0.0052937903f, 0.0019311509f, 0.0005284582f},
    {0.06694313f, 0.14418645f, 0.028244095f, -0.005879599f, -0.005039492f, -0.002081433f, -0.0008044458f, -0.00022923645f},
    {0.07399702f, -0.021251852f, -0.019537246f, -0.0017537903f, 0.00087360205f, 0.0005022524f, 0.00021409655f, 6.472618e-05f},
    {-0.016160255f, -0.013872112f, 0.0055611455f, 0.0013701628f, -5.6994495e-06f, -7.6351454e-05f, -3.9862924e-05f, -1.3250086e-05f},
    {-0.009927922f, 0.0066004307f, -0.00037800916f, -0.00043444012f, -4.4363933e-05f, 4.9929367e-06f, 5.182662e-06f, 2.0626344e-06f},
    {0.0028787418f, -8.572372e-05f, -0.00032849467f, 8.124715e-05f, 1.5522379e-05f, 9.996315e-07f, -3.632045e-07f, -2.4386523e-07f},
    {0.001266157f, -0.00070536544f, 0.00014629625f, -4.893381e-06f, -3.4439909e-06f, -4.4865564e-07f, -1.9124949e-08f, 1.566398e-08f},
    {-0.00054214825f, 0.00017444376f, -2.4972882e-05f, -1.7766714e-06f, 4.8435714e-07f, 9.729787e-08f, -8.1035045e-09f, -3.5534613e-09f}};

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

// polynomial(u, c), the last three steps one by one and accurate at every level.
template <class T, std::size_t N> T polynomial_accurate(T u, const T (&c)[N]) {
    const T rest = polynomial_from<3>(u, c);
    return accurate_fma(accurate_fma(accurate_fma(rest, u, c[2]), u, c[1]), u, c[0]);
}

}  // namespace fastact::math
