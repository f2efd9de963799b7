// SPDX-License-Identifier: Apache-2.0
// What is asked for by a launch, before anything runs.
#pragma once

#include "emu/run/machine.h"
#include "emu/run/program.h"

namespace fa4::emu {

inline uint64_t volume_of_launch(const std::array<uint32_t, 3>& extents) {
  return uint64_t{extents[0]} * extents[1] * extents[2];
}

// What the kernel says and the launch does not: its cluster, and with .blocksareclusters a grid of clusters.
void complete_launch(KernelLaunch* launch, const Program& program);

// What the driver checks: a launch that it would refuse is refused, by a MachineError.
void check_launch(const KernelLaunch& launch, const Program& program,
                  const MachineOptions& options);

using WarpMask = uint32_t;  // of a CTA
// Those that the policy starves. Throws MachineError: the kernel has no such role or warps.
WarpMask starved_warps(const KernelLaunch& launch, const MachineOptions& options);

}  // namespace fa4::emu
