// The loops: one per shape of work, a template over the formula and the dtype.
//
// Each is a plain loop that the compiler vectorises for the CPU level it is
// compiled for. They run on one thread and on contiguous memory; parallel.pxi
// divides an array among threads, and fastact/arrays.py brings other layouts
// here in contiguous chunks. Input and output are the same memory or disjoint
// memory, never partly overlapping, which is what `ivdep` tells the compiler.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "formulas/rectifiers.hpp"
#include "formulas/sigmoids.hpp"
#include "halves.hpp"
#include "math/bits.hpp"
#include "streaming.hpp"
#include "sums.hpp"
#include "tables.hpp"

namespace fastact {

// The hardware prefetcher does not keep up with loops this heavy, so arrays are
// taken in blocks, and each block first asks for the lines of a later one
// (ARCHITECTURE.md, "Large arrays", has the measurement).
inline constexpr Size block = 256, ahead = 2048;

// Shorter arrays are not worth beginning anew at a line beside a long formula.
inline constexpr Size long_run = 4 * block;

// Smaller arrays (in bytes) come from a cache, where asking costs more than it gives.
inline constexpr Size cached = 1 << 23;

template <class T> void prefetch(const T* start, Size size = block) {
    for (Size line = 0; line < Size(size * sizeof(T)); line += 64)
        __builtin_prefetch(reinterpret_cast<const char*>(start) + line);
}

// How the blocks of an output are written. Those of an array beyond the caches that is
// not the input are computed into `buffer` and streamed, all others where they belong.
template <class T> struct Target {
    T* out;
    Size size, span;
    bool streams;
    alignas(line) T buffer[block];

    Target(T* out, Size size, bool in_place)
        : out(out), size(size), span(large() ? block : size), streams(large() && !in_place) {}
    ~Target() {
        if (streams) end_of_stream();
    }

    bool large() const { return size * Size(sizeof(T)) > cached; }
    // The first block ends where a line of the output begins, as in `from_line`.
    Size stop(Size start) const {
        const Size lead = start == 0 && size >= long_run ? to_next_line(out) : 0;
        return std::min(start + (lead ? lead : span), size);
    }
    bool prefetches(Size start) const { return large() && start + ahead + block <= size; }
    T* begin(Size start) { return streams ? buffer : out + start; }
    void end(Size start, Size stop) {
        if (streams) stream(buffer, out + start, stop - start);
    }
};

// body(start, stop, to) for the blocks of an array: elements start..stop of the inputs to memory at `to`.
template <class T, class Body, class... Inputs> void blocks(T* out, Size size, Body body, const Inputs*... inputs) {
    Target<T> target(out, size, ((static_cast<const void*>(inputs) == out) || ...));
    for (Size start = 0, stop; start < size; start = stop) {
        stop = target.stop(start);
        if (target.prefetches(start)) (prefetch(inputs + start + ahead), ...);
        body(start, stop, target.begin(start));
        target.end(start, stop);
    }
}

// The elements of a block: out[i] = formula(i, x[i]), or formula(i, dy[i], saved[i]).
template <std::floating_point T, class Formula>
void elements(Size count, const T* x, T* out, Formula formula) {
#pragma GCC ivdep
#pragma GCC unroll 4
    for (Size i = 0; i < count; ++i) out[i] = formula(i, x[i]);
}

template <std::floating_point T, class Formula>
void elements(Size count, const T* dy, const T* saved, T* out, Formula formula) {
#pragma GCC ivdep
#pragma GCC unroll 4
    for (Size i = 0; i < count; ++i) out[i] = formula(i, dy[i], saved[i]);
}

// Half precision is computed in float32 and rounded once. `together` elements are widened,
// computed and narrowed without leaving the registers, as long as the loop over them is left
// whole for the vectoriser (`unroll 1`). Fewer than that are left to the caller, who brings
// them here in copies of that size: every element is computed alike.
template <Half T, class Formula> void elements(Size count, const T* x, T* out, Formula formula) {
    for (Size i = 0; i + together <= count; i += together) {
        float values[together];
        T::widen(x + i, values);
#pragma GCC ivdep
#pragma GCC unroll 1
        for (Size k = 0; k < together; ++k) values[k] = formula(i + T::position(k), values[k]);
        T::narrow(values, out + i);
    }
}

template <Half T, class Formula>
void elements(Size count, const T* dy, const T* saved, T* out, Formula formula) {
    for (Size i = 0; i + together <= count; i += together) {
        float gradients[together], values[together];
        T::widen(dy + i, gradients);
        T::widen(saved + i, values);
#pragma GCC ivdep
#pragma GCC unroll 1
        for (Size k = 0; k < together; ++k)
            values[k] = formula(i + T::position(k), gradients[k], values[k]);
        T::narrow(values, out + i);
    }
}

// `flatten` inlines the whole formula: a loop with a call in it is not vectorised.
template <template <class> class Op, class T>
[[gnu::flatten]] void forward(const double* parameters, const void* x_, void* out_, Size index, Size size) {
    const Op<Computed<T>> op(parameters);
    const T* x = static_cast<const T*>(x_);
    blocks(static_cast<T*>(out_), size, [&](Size start, Size stop, T* to) {
        elements(stop - start, x + start, to, [&](Size i, auto value) {
            if constexpr (requires { op.forward(value, std::uint64_t(i)); })
                return op.forward(value, std::uint64_t(index + start + i));
            else
                return op.forward(value);
        });
        if constexpr (Half<T>)
            if (const Size rest = (stop - start) % together) {
                T copy[together] = {};
                std::copy_n(x + stop - rest, rest, copy);
                forward<Op, T>(parameters, copy, copy, index + stop - rest, together);
                std::copy_n(copy, rest, to + (stop - start) - rest);
            }
    }, x);
}

// How a formula is differentiated from what was saved.
struct FromInput {
    template <class Op, class T, class... Index>
    static auto apply(const Op& op, T dy, T x, Index... i) -> decltype(op.backward_x(dy, x, i...)) {
        return op.backward_x(dy, x, i...);
    }
};
struct FromOutput {
    template <class Op, class T, class... Index>
    static auto apply(const Op& op, T dy, T y, Index... i) -> decltype(op.backward_y(dy, y, i...)) {
        return op.backward_y(dy, y, i...);
    }
};

template <class From, template <class> class Op, class T>
[[gnu::flatten]] void backward(const double* parameters, const void* dy_, const void* saved_, void* out_, Size index,
              Size size) {
    const Op<Computed<T>> op(parameters);
    const T* dy = static_cast<const T*>(dy_);
    const T* saved = static_cast<const T*>(saved_);
    blocks(static_cast<T*>(out_), size, [&](Size start, Size stop, T* to) {
        elements(stop - start, dy + start, saved + start, to, [&](Size i, auto gradient, auto kept) {
            if constexpr (requires { From::apply(op, gradient, kept, std::uint64_t(i)); })
                return From::apply(op, gradient, kept, std::uint64_t(index + start + i));
            else
                return From::apply(op, gradient, kept);
        });
        if constexpr (Half<T>)
            if (const Size rest = (stop - start) % together) {
                T gradients[together] = {}, values[together] = {};
                std::copy_n(dy + stop - rest, rest, gradients);
                std::copy_n(saved + stop - rest, rest, values);
                backward<From, Op, T>(parameters, gradients, values, values, index + stop - rest, together);
                std::copy_n(values, rest, to + (stop - start) - rest);
            }
    }, dy, saved);
}

// Channels: one weight per position on the axis. `run(at, stop, channel)` is called
// for consecutive elements: of one channel, or, where the axis is the last one, of
// the channels from `channel` on.
template <class Run> void channels(Axis axis, Size first, Size last, Run run) {
    const bool single = axis.inner > 1;
    const Size length = single ? axis.inner : axis.length;
    Size channel = first / axis.inner % axis.length, stop = first - first % length + length;
    for (Size at = first; at < last; at = stop, stop += length) {
        run(at, std::min(stop, last), channel);
        channel = single && channel + 1 < axis.length ? channel + 1 : 0;
    }
}

// body(at, stop, weights) for elements whose axis is the last one, each with the weight of its place. Short
// rows are taken many at a time, with the weights repeated.
template <class T, class Body>
void weighted(const T* weight, const T* out, Size length, Size first, Size last, Body body) {
    constexpr Size room = 1024;
    alignas(line) T repeated[2 * room];
    const Size unit = length <= 64 ? 16 * length : length, span = room / unit * unit;
    if (span == 0 || last - first < 64 * length)
        return channels({1, length, 1}, first, last,
                        [&](Size at, Size stop, Size channel) { body(at, stop, weight + channel); });
    std::copy_n(weight, length, repeated);
    for (Size filled = length, end = std::min(span, last - first) + length, more; filled < end; filled += more) {
        more = std::min(filled, end - filled);
        std::copy_n(repeated, more, repeated + filled);
    }
    const Size lead = to_next_line(out + first);
    for (Size at = first, stop = first + (lead ? lead : span); at < last; at = stop, stop += span)
        body(at, std::min(stop, last), repeated + at % length);
}

// As `blocks`, for runs that may be short.
template <class T, class Body, class... Inputs> void runs(T* out, Size size, Body body, const Inputs*... inputs) {
    if (size < long_run)
        from_line(out, size, [&](Size start, Size stop) { body(start, stop, out + start); });
    else
        blocks(out, size, body, inputs...);
}

template <class T>
[[gnu::flatten]] void prelu(const void* x_, const void* weight_, void* out_, Axis axis, Size first, Size last) {
    const T* x = static_cast<const T*>(x_);
    const T* weight = static_cast<const T*>(weight_);
    T* out = static_cast<T*>(out_);
    if (axis.inner == 1)
        return weighted(weight, out, axis.length, first, last, [&](Size at, Size stop, const T* slopes) {
            from_line(out + at, stop - at, [&](Size start, Size end) {
                elements(end - start, x + at + start, slopes + start, out + at + start,
                         [](Size, T value, T slope) { return Leaky<T>(slope)(value); });
            });
        });
    channels(axis, first, last, [&](Size at, Size stop, Size channel) {
        const Leaky<T> leaky(weight[channel]);
        const auto run = [&](Size start, Size end, T* to) {
            elements(end - start, x + at + start, to, [&](Size, T value) { return leaky(value); });
        };
        runs(out + at, stop - at, run, x + at);
    });
}

template <class T>
[[gnu::flatten]] void prelu_backward(const void* dy_, const void* x_, const void* weight_, void* out_, Axis axis,
                                     Size first, Size last) {
    const T* dy = static_cast<const T*>(dy_);
    const T* x = static_cast<const T*>(x_);
    const T* weight = static_cast<const T*>(weight_);
    T* out = static_cast<T*>(out_);
    if (axis.inner == 1)
        return weighted(weight, out, axis.length, first, last, [&](Size at, Size stop, const T* slopes) {
            from_line(out + at, stop - at, [&](Size start, Size end) {
                const T* w = slopes - at;
#pragma GCC ivdep
                for (Size i = at + start; i < at + end; ++i) out[i] = x[i] > 0 ? dy[i] : w[i] * dy[i];
            });
        });
    channels(axis, first, last, [&](Size at, Size stop, Size channel) {
        const T slope = weight[channel];
        const auto run = [&](Size start, Size end, T* to) {
            elements(end - start, dy + at + start, x + at + start, to,
                     [&](Size, T gradient, T value) { return value > 0 ? gradient : slope * gradient; });
        };
        runs(out + at, stop - at, run, dy + at, x + at);
    });
}

template <class T>
[[gnu::flatten]] void prelu_gradient(const void* dy_, const void* x_, double* partial, Axis axis,
                                     Size index, Size size, Size range, Size first, Size last) {
    const T* dy = static_cast<const T*>(dy_) - index;
    const T* x = static_cast<const T*>(x_) - index;
    const auto term = [&](Size i) {
        const double product = double(dy[i]) * double(x[i]);
        return x[i] > 0 ? 0.0 : product;
    };
    for (Size unit = first; unit < last; ++unit) {
        const Size from = index + unit * range, to = index + std::min((unit + 1) * range, size);
        double* sum = partial + unit * axis.length;
        channels(axis, from, to, [&](Size at, Size stop, Size channel) {
            if (axis.inner == 1)
                for (Size i = at; i < stop; ++i) sum[channel + i - at] += term(i);
            else
                sum[channel] += Sums<double, 1, false, 2048>(stop - at, 1, [&](Size i, Size) {
                                    return term(at + i);
                                }).value(0);
        });
    }
}

template <template <class> class Op, class T>
[[gnu::flatten]] void parameter_gradient(const double* parameters, const void* dy_, const void* x_,
                                         double* partial, Size size, Size range, Size first, Size last) {
    const Op<T> op(parameters);
    for (Size unit = first; unit < last; ++unit) {
        const T* dy = static_cast<const T*>(dy_) + unit * range;
        const T* x = static_cast<const T*>(x_) + unit * range;
        partial[unit] = Sums<double, 1, true, 2048>(std::min(range, size - unit * range), 1, [&](Size i, Size) {
                            return op.parameter_gradient(dy[i], x[i]);
                        }).value(0);
    }
}

// A number that the compiler knows, where `run` below can be told one: a loop with known
// strides is vectorised.
template <Size value> using Known = std::integral_constant<Size, value>;

// body(0), …, body(count - 1), without a loop where the count is known.
template <class Count, class Body> void each(Count count, Body body) {
    if constexpr (std::is_same_v<Count, Size>)
        for (Size piece = 0; piece < count; ++piece) body(piece);
    else
        [&]<Size... piece>(std::integer_sequence<Size, piece...>) {
            (body(piece), ...);
        }(std::make_integer_sequence<Size, Count::value>());
}

// The first of the largest of x[0], x[stride], …; the first NaN counts as the largest.
// Two selects in a row, because gcc 12 makes a branch of two conditions joined.
template <class T, class Stride, class Count>
math::Bits<T> winner(const T* x, Stride stride, Count count) {
    math::Bits<T> best = 0;
    T largest = x[0];
    each(count, [&](Size piece) {
        const T value = x[piece * stride];
        const math::Bits<T> next = value <= largest ? best : math::Bits<T>(piece);
        const T greater = value <= largest ? largest : value;
        best = largest == largest ? next : best;
        largest = largest == largest ? greater : largest;
    });
    return best;
}

// Calls `run(unit, stop, at, count, step, stride)` for output elements unit..stop whose
// groups lie side by side: the first value of the first group is at `at`, the next group's
// `step` on, and the `count` values of a group are `stride` apart.
template <class Run> void groups(Size inner, Size pieces, Size first, Size last, Run run) {
    if (inner == 1) {
        const Known<1> adjacent;
        if (pieces == 2)
            run(first, last, first * 2, Known<2>(), Known<2>(), adjacent);
        else if (pieces == 4)
            run(first, last, first * 4, Known<4>(), Known<4>(), adjacent);
        else
            run(first, last, first * pieces, pieces, pieces, adjacent);
        return;
    }
    for (Size unit = first; unit < last;) {
        const Size stop = std::min(last, unit + inner - unit % inner);
        const Size at = unit / inner * pieces * inner + unit % inner;
        if (pieces == 2)
            run(unit, stop, at, Known<2>(), Known<1>(), inner);
        else
            run(unit, stop, at, pieces, Known<1>(), inner);
        unit = stop;
    }
}

// Without `which` the maximum alone is needed, which is less work.
template <class T>
[[gnu::flatten]] void maxout(const void* x_, void* out_, std::int32_t* which, Axis axis, Size pieces,
                             Size first, Size last) {
    const T* x = static_cast<const T*>(x_);
    T* out = static_cast<T*>(out_);
    groups(axis.inner, pieces, first, last, [&](Size unit, Size stop, Size at, auto count, auto step,
                                                auto stride) {
        const T* group = x + at;
        if (which) {
#pragma GCC ivdep
            for (Size i = 0; i < stop - unit; ++i) {
                const auto best = winner(group + i * step, stride, count);
                out[unit + i] = group[i * step + Size(best) * stride];
                which[unit + i] = std::int32_t(best);
            }
            return;
        }
#pragma GCC ivdep
        for (Size i = 0; i < stop - unit; ++i) {
            T largest = group[i * step];
            each(count, [&](Size piece) {
                const T value = group[i * step + piece * stride];
                const T greater = value <= largest ? largest : value;
                largest = largest == largest ? greater : largest;
            });
            out[unit + i] = largest;
        }
    });
}

// `out` may be the saved x: a group is read whole before it is written.
template <class T>
[[gnu::flatten]] void maxout_backward(const void* dy_, const void* x_, const std::int32_t* which,
                                      void* out_, Axis axis, Size pieces, Size first, Size last) {
    const T* dy = static_cast<const T*>(dy_);
    const T* x = static_cast<const T*>(x_);
    T* out = static_cast<T*>(out_);
    groups(axis.inner, pieces, first, last, [&](Size unit, Size stop, Size at, auto count, auto step,
                                                auto stride) {
        const auto spread = [&](auto winner_of) {
#pragma GCC ivdep
            for (Size i = 0; i < stop - unit; ++i) {
                T* group = out + at + i * step;
                const T gradient = dy[unit + i];
                const math::Bits<T> best = winner_of(i);
                each(count, [&](Size piece) {
                    group[piece * stride] = best == math::Bits<T>(piece) ? gradient : T(0);
                });
            }
        };
        if (which)
            spread([&](Size i) { return math::Bits<T>(which[unit + i]); });
        else
            spread([&](Size i) { return winner(x + at + i * step, stride, count); });
    });
}

// Gated: a * gate(b), a and b the halves of x along the axis. Any elementwise formula is a
// gate; one that can do better than multiply its rounded result offers `times`.
template <class Gate, class T> T times_gate(const Gate& gate, T a, T b) {
    if constexpr (requires { gate.times(a, b); })
        return gate.times(a, b);
    else
        return a * gate.forward(b);
}
template <class Gate, class T> GatedGradients<T> times_gate_backward(const Gate& gate, T dy, T a, T b) {
    if constexpr (requires { gate.times_backward(dy, a, b); })
        return gate.times_backward(dy, a, b);
    else
        return {times_gate(gate, dy, b), gate.backward_x(dy * a, b)};
}

// Calls `run(unit, stop, at, prefetches)` for output elements unit..stop that lie side by side
// in both halves: the first of them has its a at x + at, and its b `half` elements further on.
template <class T, class Run> void halves(Size half, Size first, Size last, Run run) {
    const bool large = (last - first) * Size(sizeof(T)) > cached / 2;
    const Size span = large ? block : half;
    for (Size unit = first; unit < last;) {
        const Size row = unit / half, stop = std::min(last, (row + 1) * half);
        for (Size next; unit < stop; unit = next) {
            next = std::min(unit + span, stop);
            run(unit, next, unit + row * half, large && unit + ahead + block <= last);
        }
    }
}

template <template <class> class Gate, class T>
[[gnu::flatten]] void gated_forward(const void* x_, void* out_, Axis axis, Size first, Size last) {
    const Gate<T> gate(nullptr);
    const T* x = static_cast<const T*>(x_);
    T* out = static_cast<T*>(out_);
    const Size half = axis.length * axis.inner;
    halves<T>(half, first, last, [&](Size unit, Size stop, Size at, bool prefetches) {
        const T *a = x + at, *b = a + half;
        T* to = out + unit;
        if (prefetches) {
            prefetch(a + ahead);
            prefetch(b + ahead);
            prefetch(to + ahead);
        }
#pragma GCC ivdep
#pragma GCC unroll 4
        for (Size i = 0; i < stop - unit; ++i) to[i] = times_gate(gate, a[i], b[i]);
    });
}

// `out` may be the saved x: a and b are read before their gradients are written.
template <template <class> class Gate, class T>
[[gnu::flatten]] void gated_backward(const void* dy_, const void* x_, void* out_, Axis axis, Size first,
                                     Size last) {
    const Gate<T> gate(nullptr);
    const T* dy = static_cast<const T*>(dy_);
    const T* x = static_cast<const T*>(x_);
    T* out = static_cast<T*>(out_);
    const Size half = axis.length * axis.inner;
    halves<T>(half, first, last, [&](Size unit, Size stop, Size at, bool prefetches) {
        const T *gradient = dy + unit, *a = x + at, *b = a + half;
        T *da = out + at, *db = da + half;
        if (prefetches) {
            prefetch(gradient + ahead);
            prefetch(a + ahead);
            prefetch(b + ahead);
            if (x != out) prefetch(da + ahead);
            if (x != out) prefetch(db + ahead);
        }
#pragma GCC ivdep
        for (Size i = 0; i < stop - unit; ++i) {
            const GatedGradients<T> gradients = times_gate_backward(gate, gradient[i], a[i], b[i]);
            da[i] = gradients.a;
            db[i] = gradients.b;
        }
    });
}

}  // namespace fastact
