// SPDX-License-Identifier: Apache-2.0
// The end of a row of attention: what O is multiplied with, and LSE. `max_log2` is -inf and `sum` 0 in a row that sees no
// key: it gets 0 and -inf, or the sink. A NaN in either stays one.
#pragma once

#include "ptx/math.h"
#include "tile/warp.h"

namespace fa4 {

// LSE in natural units.
struct RowResult {
  float factor, lse;
};

FA4_DEVICE RowResult finish_row(float max_log2, float sum, bool has_sink, float sink) {
  if (has_sink) {
    const float sink_log2 = sink * kLog2E;
    const float top = ptx::max_nan(max_log2, sink_log2);
    if (top == minus_infinity() && sum == 0) return {0, top};
    const float own = ptx::ex2(max_log2 - top);
    const float total = sum * own + ptx::ex2(sink_log2 - top);
    return {own / total, (top + ptx::lg2(total)) * kLn2};
  }
  return {sum == 0 ? 0 : 1 / sum, (max_log2 + ptx::lg2(sum)) * kLn2};
}

}  // namespace fa4
