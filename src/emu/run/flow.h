// SPDX-License-Identifier: Apache-2.0
// Control flow of a kernel: where the lanes that a branch parts meet again.
#pragma once

#include <cstdint>
#include <vector>

namespace fa4::emu {

// An instruction as control flow sees it.
struct FlowStep {
  bool falls_through = true;                // may go on behind it
  bool ends = false;                        // may leave the kernel
  bool stops = false;                       // and all others with it: a trap
  int64_t target = -1;                      // of a branch
  std::vector<uint32_t> more_targets = {};  // of one by an index
};

struct FlowBlock {
  uint32_t first = 0, last = 0;  // instructions
  std::vector<uint32_t> next, previous;
};

struct FlowGraph {
  std::vector<FlowBlock> blocks;   // the last one is the end of the kernel
  std::vector<uint32_t> block_at;  // of an instruction
};

FlowGraph graph_of(const std::vector<FlowStep>& steps);

// The immediate post-dominator of each conditional branch; kNoJoin (isa/decoder.h) elsewhere, and where the paths
// meet only at the end.
std::vector<uint32_t> joins_of(const std::vector<FlowStep>& steps);

}  // namespace fa4::emu
