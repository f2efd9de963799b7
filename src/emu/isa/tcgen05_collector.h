// SPDX-License-Identifier: Apache-2.0
// What a tcgen05.mma says of the collector buffer must be true: `use` and `lastuse` need a `fill` of the same A, and no mma
// between that may discard it; which is one without a hint, too.
#pragma once

#include "emu/isa/tcgen05_mma_op.h"
#include "emu/machine/collector.h"

namespace fa4::emu::isa {

void tcgen05_collect(Warp& warp, const Tcgen05Shape& shape, const Tcgen05MmaValues& values,
                     CollectorUse use);

}  // namespace fa4::emu::isa
