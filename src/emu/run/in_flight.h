// SPDX-License-Identifier: Apache-2.0
// Registers that asynchronous instructions use: which ordinary instructions must look, and what they ask.
#pragma once

#include <span>

#include "emu/machine/warp.h"
#include "emu/run/program.h"

namespace fa4::emu {

// Sets kTouchesInFlight of each instruction that names a register which some wgmma or tcgen05.ld of the program uses.
void mark_in_flight_registers(Program* program);

// An instruction with the flag is about to be executed.
inline void touch_registers(Warp& warp, std::span<const RegisterUse> uses) {
  if (!warp.wgmma.in_use() && !warp.tensor_loads.in_use()) return;
  for (const RegisterUse& use : uses) {
    if (use.is_predicate) continue;
    if (warp.wgmma.in_use()) warp.wgmma.touch(warp, use.first, use.count, use.is_written);
    if (warp.tensor_loads.in_use()) warp.tensor_loads.touch(warp, use.first, use.count);
  }
}

}  // namespace fa4::emu
