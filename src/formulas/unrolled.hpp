// What a formula is derived from whose loops gain by four registers a turn: beside a few operations, the loop around
// them shows. Others are compiled to a third of the code without.
#pragma once

namespace fastact {

struct Unrolled {};

}  // namespace fastact
