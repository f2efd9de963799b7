// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "emu/isa/instr.h"
#include "emu/run/watch.h"

namespace fa4::emu {

// Executes an instruction that is watched, and keeps which registers are written.
Outcome execute_watched(Warp& warp, const Instr& instr);

}  // namespace fa4::emu
