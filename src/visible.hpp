// What a call says of the elements that a row sees: of scores, which keys a query may look at.
#pragma once

#include "call.hpp"

namespace fastact {

// What a mask's elements say: nothing, there being none; whether an element is seen; or what is added to its logit.
enum Mask : Size { no_mask, keeping_mask, added_mask };

// Rows are counted in C order; that of number `row` is of query `row / between % queries`, and sees the elements up to
// query + offset where `causal` is 1. Its part of the mask begins as many elements in as the positions in `extent`
// times the strides say, which are 0 along what the mask is broadcast over.
struct Visible {
    static constexpr Size most = 64;

    Size causal, offset, queries, between;
    Size mask, dims;
    Size extent[most], stride[most];

    Size seen(Size row, Size length) const {
        if (!causal) return length;
        const Size query = row / between % queries;
        if (offset >= length - query) return length;
        return offset < -query ? 0 : query + offset + 1;
    }
    Size place(Size row) const {
        Size at = 0;
        for (Size k = dims; k-- > 0; row /= extent[k]) at += row % extent[k] * stride[k];
        return at;
    }
};

}  // namespace fastact
