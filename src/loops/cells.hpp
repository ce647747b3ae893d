// Recurrent cells: element after element of the states of all rows, in one pass over gates and states. The rows of
// each array lie as far apart as they do there, so that a part of a larger matrix is taken as it is.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <tuple>
#include <utility>

#include "call.hpp"
#include "loops/elements.hpp"
#include "loops/halves.hpp"
#include "loops/scratch.hpp"
#include "loops/strips.hpp"

namespace fastact {

// Elements of a state that are computed at a time, so that what goes through buffers stays in the L1 cache.
inline constexpr Size cell_block = 256;

template <std::size_t count> constexpr int sum_of(const std::array<int, count>& numbers) {
    int sum = 0;
    for (int number : numbers) sum += number;
    return sum;
}

// body(array, part, k) for the parts of all arrays, of which this is the k-th.
template <std::size_t count, class Body> void each_part(const std::array<int, count>& arrays, Body body) {
    int k = 0;
    for (std::size_t array = 0; array < count; ++array)
        for (int part = 0; part < arrays[array]; ++part) body(int(array), part, k++);
}

template <auto step, class T, std::size_t... in, std::size_t... out>
void cell_elements(Size count, const T* const* from, T* const* to, std::index_sequence<in...>,
                   std::index_sequence<out...>) {
    whole_registers(
        count,
        [](Size, Size i, auto... arrays) {
            const auto at = std::tuple(arrays...);
            const auto made = step({std::get<in>(at)[i]...});
            ((std::get<sizeof...(in) + out>(at)[i] = made[out]), ...);
        },
        from[in]..., to[out]...);
}

// Whether a formula takes two steps.
template <class Cell> concept InTwoSteps = requires { &Cell::begin; };
template <class Cell> constexpr int kept_of = 0;
template <InTwoSteps Cell> constexpr int kept_of<Cell> = Cell::kept;

// `memory` is for what is kept between two steps.
template <class Cell, int ins, int outs, class T>
void cell_steps(Size count, const T* const* from, T* const* to, T* memory) {
    constexpr std::make_index_sequence<ins> in;
    constexpr std::make_index_sequence<outs> out;
    if constexpr (InTwoSteps<Cell>) {
        constexpr std::make_index_sequence<Cell::kept> between;
        T* kept[Cell::kept];
        for (int k = 0; k < Cell::kept; ++k) kept[k] = memory + k * cell_block;
        cell_elements<&Cell::begin>(count, from, kept, in, between);
        cell_elements<&Cell::end>(count, kept, to, between, out);
    } else {
        cell_elements<&Cell::step>(count, from, to, in, out);
    }
}

// A result may lie where an input does, element for element: all that an element is made of is read before it is
// written. For an input that is not given, numbers are read that a sum with them does not change; a result that
// nobody wants is written to a buffer.
template <template <class> class Formula, class T>
[[gnu::flatten]] void cells(const Call& call, Size first, Size last) {
    using C = Computed<T>;
    using Cell = Formula<C>;
    constexpr auto arrays_in = Cell::inputs;
    constexpr auto arrays_out = Cell::outputs;
    constexpr int ins = sum_of(arrays_in), outs = sum_of(arrays_out);
    const Size length = call.axis.length;
    const Scratch<C, (ins + outs + 1 + kept_of<Cell>) * cell_block> memory;
    C* const nothing = memory + (ins + outs) * cell_block;
    std::fill_n(nothing, cell_block, C(-0.0));
    const auto place = [&](int array, int parts, Size row) {
        return row * (call.rows ? call.rows[array] : parts * length);
    };
    for (Size unit = first, count; unit < last; unit += count) {
        const Size row = unit / length, column = unit % length;
        count = std::min({cell_block, last - unit, length - column});
        const C* from[ins];
        C* to[outs];
        each_part(arrays_in, [&](int array, int part, int k) {
            const T* source = input<T>(call, array);
            if (!source) return void(from[k] = nothing);
            source += place(array, arrays_in[array], row) + part * length + column;
            if constexpr (Half<T>) {
                widen(source, memory + k * cell_block, count);
                from[k] = memory + k * cell_block;
            } else {
                from[k] = source;
            }
        });
        const auto target = [&](int array, int part) {
            T* out = static_cast<T*>(call.out[array]);
            return out + place(most_inputs + array, arrays_out[array], row) + part * length + column;
        };
        each_part(arrays_out, [&](int array, int part, int k) {
            to[k] = memory + (ins + k) * cell_block;
            if constexpr (!Half<T>)
                if (call.out[array]) to[k] = target(array, part);
        });
        cell_steps<Cell, ins, outs>(count, from, to, nothing + cell_block);
        if constexpr (Half<T>)
            each_part(arrays_out, [&](int array, int part, int k) {
                if (call.out[array]) narrow(to[k], target(array, part), count);
            });
    }
}

}  // namespace fastact
