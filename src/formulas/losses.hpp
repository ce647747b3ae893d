// Formulas of losses: cross-entropy with its gradient.
//
// The loss of a row is sum(q (log(sum(exp(x))) - x)), where q are the target's shares: 1 of the target's class and 0
// of others, or probabilities; smoothed, and times the weights of the classes. The terms of the largest logit are only
// counted (LogSoftmax), so a loss has all its digits where one logit dominates and it is tiny.
#pragma once

#include "call.hpp"
#include "formulas/rows.hpp"
#include "math/bits.hpp"
#include "math/exp.hpp"
#include "math/log.hpp"

namespace fastact {

// A row's largest logit, and its sum relative to that: 1 + others.
template <class T> struct Entropy {
    T largest;
    double others, log_sum;
    // What a term is multiplied by to be a share; in one part a gradient of float64 was off by 4.3 ULP.
    math::Pair<double> reciprocal;

    // `sum` is of the terms below the largest, `ties` how many are not.
    Entropy(T largest, math::Pair<double> sum, double ties) : largest(largest) {
        using Pair = math::Pair<double>;
        const Pair poison{double(largest - largest)}, lowered{1 / double(raised<T>)};
        const Pair below = Pair{ties - 1} + math::Anchor<T>::relative(sum, largest) * lowered + poison;
        others = below.value();
        log_sum = math::log1p(others);
        reciprocal = math::Anchor<T>::relative(lowered, largest) / (Pair{1} + below);
    }
    // log(sum(exp(x))) - x.
    double loss(T x) const { return (double(largest) - double(x)) + log_sum; }
    // `all` times the share of x, less `share`: nothing of that cancels where x is the largest.
    double gradient(T x, T term, double all, double share) const {
        if (x == largest) return ((all - share) - share * others) / (1 + others);
        return all * (double(term) * reciprocal.value()) - share;
    }
};

// Terms as those of softmax.
template <bool near, class T> T shared_term(T x, Peak<T> peak) {
    return near ? peak.anchor.exp(x) : math::exp_difference(x, peak.largest, raised<T>);
}

// The target's shares q of a row's classes, but for what one has beside the others: probabilities, or what is left to
// all by smoothing, in the places of those; times the weights of the classes, if there are any.
template <class T> struct TargetShares {
    const T *probabilities, *weight;
    T kept, spread;

    bool any() const { return probabilities || spread != 0; }
};
// What a logit adds to the loss; nothing where the target has no share in it, however far down it is.
template <class T> T share_of_loss(T q, T x, T largest) { return q == 0 ? T(0) : q * (largest - x); }

}  // namespace fastact
