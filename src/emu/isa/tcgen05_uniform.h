// SPDX-License-Identifier: Apache-2.0
// What instructions of tcgen05 that a whole warp executes ask first.
#pragma once

#include <cstdint>

#include "emu/isa/decoder.h"
#include "emu/machine/warp.h"

namespace fa4::emu::isa {

// All lanes that have not exited must be here (.sync.aligned); reported, and it goes on.
void need_aligned_warp(Warp& warp);
// A value that must be the same in all active lanes: the first one's, and a report if they differ.
uint32_t uniform_value(Warp& warp, uint16_t row, const char* which);

// The base and the offset of [taddr], which must be of 32 bits.
struct TmemOperand {
  uint16_t base = 0;
  int32_t offset = 0;
};
TmemOperand tmem_operand(Decoder& decoder, const ptx::Operand& operand);
// 1 or 2, of .cta_group.
uint32_t cta_group_of(const Words& words);

}  // namespace fa4::emu::isa
