// SPDX-License-Identifier: Apache-2.0
// Loops that wait for somebody else by looking again and again.
#pragma once

#include <cstdint>

#include "emu/machine/warp.h"

namespace fa4::emu {

// A warp has looked, and `seen` stands for where and what it saw. When it has seen the same too often while nobody has
// changed anything that others can see, its current split is parked until somebody does (WaitOn::Poll); the instruction
// is done all the same.
void note_poll(Warp& warp, uint64_t seen);

// For making `seen`.
inline uint64_t mixed(uint64_t seen, uint64_t value) {
  seen = (seen ^ value) * 0x9e3779b97f4a7c15;
  return seen ^ seen >> 29;
}

}  // namespace fa4::emu
