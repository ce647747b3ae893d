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
};

inline constexpr Visible all_visible{0, 0, 1, 1, no_mask, 0, {}, {}};

// One row after another: how many of its elements are seen, and where its part of the mask begins. Two divisions for
// each row would take as long as the exponentials of a short one.
class VisibleRow {
  public:
    // Row `unit` of a call, which is number `row` in the whole array.
    VisibleRow(const Visible& visible, Size length, Size row, Size unit)
        : visible(visible), length(length), within(row % visible.between),
          query(row / visible.between % visible.queries) {
        for (Size k = visible.dims; k-- > 0; unit /= visible.extent[k]) {
            position[k] = unit % visible.extent[k];
            begin += position[k] * visible.stride[k];
        }
    }

    Size seen() const {
        if (!visible.causal || visible.offset >= length - query) return length;
        return visible.offset < -query ? 0 : query + visible.offset + 1;
    }
    Size at() const { return begin; }
    void advance() {
        if (++within == visible.between) within = 0, query = query + 1 == visible.queries ? 0 : query + 1;
        for (Size k = visible.dims; k-- > 0;) {
            begin += visible.stride[k];
            if (++position[k] < visible.extent[k]) return;
            begin -= position[k] * visible.stride[k];
            position[k] = 0;
        }
    }

  private:
    const Visible& visible;
    Size length, within, query, begin = 0;
    Size position[Visible::most];
};

}  // namespace fastact
