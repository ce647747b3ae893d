// What is known of channels whose sums were made in ranges: from samples of their elements to their moments.
#pragma once

#include <algorithm>
#include <cmath>

#include "call.hpp"
#include "formulas/norms.hpp"
#include "ranges.hpp"

namespace fastact {

inline Size samples_of(Size count) { return std::min(most_samples, count); }

// Elements of every channel, of an array as it lies in memory.
template <class T> void take_samples(const T* x, const T* residual, Axis axis, T* samples) {
    const Size count = axis.outer * axis.inner, taken = samples_of(count), step = count / taken;
    for (Size k = 0; k < taken; ++k)
        for (Size c = 0; c < axis.length; ++c) {
            const Size at = (k * step / axis.inner * axis.length + c) * axis.inner + k * step % axis.inner;
            samples[k * axis.length + c] = residual ? x[at] + residual[at] : x[at];
        }
}

// The centres and the scales of the first sums.
template <class T> void set_centres(const T* samples, Size taken, Size channels, T* centres) {
    for (Size c = 0; c < channels; ++c) {
        centres[c] = sampled_mean<T>(taken, [=](Size k) { return samples[k * channels + c]; });
        centres[channels + c] = T(1);
    }
}

// One of the sums of all channels.
template <class T> Finer<T> sum_of(const double* total, Size length, Size channel) {
    if constexpr (sizeof(T) == 4)
        return total_of(total, length, channel);
    else
        return {total[channel], std::isfinite(total[channel]) ? total[length + channel] : 0};
}

// Whether sums are to be made again; otherwise every channel's moments are in `stats`.
// `total` is of all distances, then of all squares, then what these lost.
template <class T>
bool move_centres(T* centres, char* moved, Size channels, const double* total, double count, double eps,
                  double* stats) {
    bool again = false;
    for (Size c = 0; c < channels; ++c) {
        Centre<T> centre{centres[c], centres[channels + c], moved[c] != 0};
        Moments<T> found;
        const Finer<T> distances = sum_of<T>(total, 2 * channels, c);
        again |= centre.moves(distances, sum_of<T>(total, 2 * channels, channels + c), count, eps, found);
        centres[c] = centre.at, centres[channels + c] = centre.scale, moved[c] = centre.moved;
        found.keep(stats + kept_moments * c);
    }
    return again;
}
template <class T> bool any_scaled(const T* centres, Size channels) {
    return std::any_of(centres + channels, centres + 2 * channels, [](T scale) { return scale != 1; });
}

// Numbers of channels, or one for all, of float32 or float64.
struct Numbers {
    const void* data;
    bool wide;
    double otherwise;

    double operator[](Size i) const {
        if (!data) return otherwise;
        return wide ? static_cast<const double*>(data)[i] : double(static_cast<const float*>(data)[i]);
    }
};

// Of every channel the members of a ChannelForm, one after another.
template <class T> void set_form(T* table, Size channels, Size c, ChannelForm<T> form) {
    table[c] = form.mean, table[channels + c] = form.factor, table[2 * channels + c] = form.shift;
}
// Of moments that were found, or of the mean and rstd of a call, which lose nothing.
template <class T> Finer<T> rstd_of(const double* stats, Size columns) {
    if constexpr (sizeof(T) == 4)
        return stats[1];
    else
        return {stats[1], columns == kept_moments ? stats[4] : 0};
}
inline double lost_of(const double* stats, Size columns) { return columns == kept_moments ? stats[3] : 0; }

template <class T> void set_forms(T* table, Size channels, const double* stats, Numbers weight, Numbers bias) {
    for (Size c = 0; c < channels; ++c) {
        const double* kept = stats + kept_moments * c;
        const Finer<T> rstd = rstd_of<T>(kept, kept_moments);
        set_form(table, channels, c, ChannelForm<T>::of(kept[0], kept[3], rstd, weight[c], bias[c]));
    }
}
// Of running statistics; `stats`, if there are any, take mean and rstd of each.
template <class T>
void set_running_forms(T* table, Size channels, Numbers mean, Numbers var, double eps, Numbers weight, Numbers bias,
                       double* stats) {
    for (Size c = 0; c < channels; ++c) {
        const Finer<T> rstd = math::inverse_root(Finer<T>{var[c]} + Finer<T>{eps});
        set_form(table, channels, c, ChannelForm<T>::of(mean[c], 0, rstd, weight[c], bias[c]));
        if (stats) stats[2 * c] = mean[c], stats[2 * c + 1] = math::value(rstd);
    }
}

// What makes a channel's normalised values of their distances from its mean in the dtype.
template <class T> Share<T> share_of(const double* stats, Size columns) {
    const double offset = (stats[0] - double(T(stats[0]))) + lost_of(stats, columns);
    return Share<T>::of(Finer<T>{offset}, rstd_of<T>(stats, columns));
}

// Of every channel the members of a Distance and of a NormGradient: before its sums are known, and after. `total` has
// those of the gradient times the distance, of the gradient, and what these lost.
template <class T> void set_distances(T* table, Size channels, const double* stats, Size columns) {
    for (Size c = 0; c < channels; ++c) {
        table[c] = T(stats[columns * c]);
        table[channels + c] = T(share_of<T>(stats + columns * c, columns).unit);
    }
}
template <class T>
void set_gradients(T* table, Size channels, const double* stats, Size columns, Numbers weight, const double* total,
                   double count, double* sums) {
    for (Size c = 0; c < channels; ++c) {
        const double* kept = stats + columns * c;
        const auto share = share_of<T>(kept, columns);
        const Finer<T> slope = sum_of<T>(total, 2 * channels, channels + c), number{count};
        const Finer<T> product = share.value(sum_of<T>(total, 2 * channels, c), slope);
        const auto gradient = NormGradient<T>::of(slope / number, product / number,
                                                  rstd_of<T>(kept, columns) * Finer<T>{weight[c]}, share);
        T* to = table + 2 * channels + c;
        to[0] = gradient.rstd, to[channels] = gradient.mean, to[2 * channels] = gradient.product;
        sums[2 * c] = math::value(product), sums[2 * c + 1] = math::value(slope);
    }
}

}  // namespace fastact
