// Functions in pieces: eight polynomials of |x| whose coefficients lie in registers, for float32 where the level has
// such tables. It takes a permutation for each coefficient and no exponential or division.
//
// A function F says
//   table          its centres and coefficients (tools/minimax.py), `step` between its pieces
//   reach          up to which |x| they serve; a little less than the pieces have, lest rounding should find a ninth
//   result         of an element, from the polynomial of |x|, x, and what the result is multiplied by, if anything
//   order, beyond  for which elements they do not serve: those whose order(word of x) is above `beyond`
//   otherwise      the result for these, one by one
// An element has the same bits wherever it lies. Most arrays have no element beyond the pieces; where a group of registers
// has one, the other way is gone for two registers of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "math/bits.hpp"
#include "math/exp.hpp"
#include "math/vectors.hpp"

namespace fastact::math {

template <std::size_t size> struct Pieces {
    static constexpr std::size_t degree = size - 2;
    Table centre, coefficients[degree + 1];

    constexpr explicit Pieces(const float (&rows)[size][8]) : Pieces(rows, std::make_index_sequence<degree + 1>()) {}

  private:
    template <std::size_t... k>
    constexpr Pieces(const float (&rows)[size][8], std::index_sequence<k...>)
        : centre(rows[0]), coefficients{Table(rows[k + 1])...} {}
};

// The loop is left whole for the vectoriser.
template <class F, Index count, class... Factor>
[[gnu::noinline, gnu::flatten]] void beyond_pieces(float (&x)[count], const Factor (&... factor)[count]) {
#pragma GCC unroll 1
    for (Index i = 0; i < count; ++i) x[i] = F::otherwise(x[i], factor[i]...);
}

// Several registers side by side, step by step, since each step waits for the one before.
template <class F, Index registers, class... Factor>
void in_pieces_of(float* out, const float* x, const Factor*... factor) {
    constexpr auto& table = F::table;
    constexpr std::size_t degree = std::remove_cvref_t<decltype(table)>::degree;
    Floats value[registers], t[registers], sum[registers];
    Words piece[registers], highest{};
    const auto each = [](auto step) {
#pragma GCC unroll 4
        for (Index j = 0; j < registers; ++j) step(j);
    };
    each([&](Index j) { value[j] = load<Floats>(x + j * width); });
    each([&](Index j) { highest = larger(highest, F::order(Words(value[j]))); });
    each([&](Index j) { t[j] = at_most(F::reach, Floats(Words(value[j]) & ~sign_bit<float>)); });
    each([&](Index j) { piece[j] = Words(fma(t[j], splat(1 / F::step), splat(rounder<float>(0)))); });
    each([&](Index j) { t[j] -= entries(table.centre, piece[j]); });
    each([&](Index j) { sum[j] = entries(table.coefficients[degree], piece[j]); });
    [&]<std::size_t... k>(std::index_sequence<k...>) {
        (each([&](Index j) { sum[j] = fma(sum[j], t[j], entries(table.coefficients[degree - 1 - k], piece[j])); }), ...);
    }(std::make_index_sequence<degree>());
    each([&](Index j) { sum[j] = F::result(sum[j], value[j], load<Floats>(factor + j * width)...); });
    if (any_above(F::beyond, highest)) [[unlikely]] {
        constexpr Index pair = registers < 2 ? registers : 2;
        const auto part = [](const float* from, float (&to)[pair * width]) -> auto& {
            std::copy_n(from, pair * width, to);
            return to;
        };
        for (Index first = 0; first < registers; first += pair) {
            const Words order[] = {F::order(Words(value[first])), F::order(Words(value[first + pair - 1]))};
            if (!any_above(F::beyond, larger(order[0], order[1]))) continue;
            float others[pair * width], factors[sizeof...(factor) + 1][pair * width];
            for (Index j = 0; j < pair; ++j) store(value[first + j], others + j * width);
            [&]<std::size_t... f>(std::index_sequence<f...>) {
                beyond_pieces<F>(others, part(factor + first * width, factors[f])...);
            }(std::index_sequence_for<Factor...>());
            for (Index j = 0; j < pair; ++j)
                sum[first + j] = order[j] > F::beyond ? load<Floats>(others + j * width) : sum[first + j];
        }
    }
    each([&](Index j) { store(sum[j], out + j * width); });
}

// `out` may be x or a factor.
template <class F, class... Factor> void in_pieces(Index count, float* out, const float* x, const Factor*... factor) {
    constexpr std::size_t inputs = 1 + sizeof...(factor);
    float copies[inputs][width] = {};
    const auto copied = [&]<std::size_t... f>(std::index_sequence<f...>, float* to, Index at, Index size) {
        const float* from[] = {x, factor...};
        (std::copy_n(from[f] + at, size, copies[f]), ...);
        return [&, to, size] {
            in_pieces_of<F, 1>(copies[0], copies[f]...);
            std::copy_n(copies[0], size, to);
        };
    };
    constexpr std::make_index_sequence<inputs> all;
    if (count < width) return copied(all, out, 0, count)();
    // The last register begins where elements may be that are overwritten by then.
    const auto last = copied(all, out + count - width, count - width, width);
    Index i = 0;
    for (; i + 4 * width <= count; i += 4 * width) in_pieces_of<F, 4>(out + i, x + i, factor + i...);
    for (; i + width <= count; i += width) in_pieces_of<F, 1>(out + i, x + i, factor + i...);
    if (i < count) last();
}

}  // namespace fastact::math
