// SPDX-License-Identifier: Apache-2.0
// The register hand-over. abi/sm100_forward_storage.h says which warps a role has; a launch gives every thread the same
// number of registers, the last warpgroups give some back, and softmax, which holds a row of S, takes them.
#pragma once

#include "sm100/forward/config.h"

namespace fa4::sm100::forward {

struct Registers {
  u32 softmax, correction, others;
};

constexpr Registers registers_of(const Sm100ForwardConfig& config) {
  if (config.scores == Scores::Capped) return {200, 64, 48};
  if (config.head_dim > 128) return {192, 72, 56};
  return {192, 80, 48};
}

constexpr u32 kLaunchRegisters = 65536 / kThreads;

constexpr bool fits(const Registers& r) {
  return 2 * r.softmax + r.correction + r.others <= 4 * kLaunchRegisters;
}

static_assert(fits(registers_of({})) && fits(registers_of({.scores = Scores::Capped})),
              "setmaxnreg would wait for registers that nobody gives back");

}  // namespace fa4::sm100::forward
