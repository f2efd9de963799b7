// SPDX-License-Identifier: Apache-2.0
// The Blackwell forward: sets up, dispatches the roles, tears down. README.md shows the schedule.
#pragma once

#include "sm100/forward/correction.h"
#include "sm100/forward/load.h"
#include "sm100/forward/mma.h"
#include "sm100/forward/roles.h"
#include "sm100/forward/scheduler.h"
#include "sm100/forward/softmax.h"
#include "sm100/forward/store.h"

namespace fa4::sm100::forward {

// One lane. After the barrier that follows, anyone may arrive and wait.
template <Sm100ForwardConfig config>
FA4_DEVICE void set_up_barriers(const Smem<config>& smem) {
#pragma unroll
  for (u32 b = 0; b < kNumBarriers; ++b) {
    constexpr u32 kSlots = Smem<config>::kAt.slots;
    const BarrierRow row = barrier_row(static_cast<Barrier>(b), kSlots, config.claims_tiles);
    for (u32 i = 0; i < row.count; ++i) {
      ptx::mbarrier_init(smem.barrier(static_cast<Barrier>(b), i), row.arrivals);
    }
  }
  ptx::fence_mbarrier_init();
}

template <Sm100ForwardConfig config>
FA4_DEVICE void kernel(const Sm100ForwardParams& p) {
  extern __shared__ __align__(kSwizzlePeriod) u8 dynamic_smem[];
  const Smem<config> smem{ptx::smem_address(dynamic_smem)};
  constexpr Registers kRegisters = registers_of(config);
  // The shuffle tells the compiler that the index is the same for the whole warp.
  const u32 warp_idx = __shfl_sync(0xffffffff, threadIdx.x / 32, 0);

  if (kLoad.has(warp_idx) && ptx::elect_sync()) set_up_barriers(smem);
  // A CTA has the SM's TMEM for itself, so its address is 0 and the map of abi/sm100_forward_storage.h needs no base.
  if (kMma.has(warp_idx)) {
    ptx::tcgen05_alloc<1>(smem.tmem_address(), ptx::kTmemColumns);
    ptx::tcgen05_relinquish_alloc_permit<1>();
  }
  __syncthreads();

  // setmaxnreg speaks to whole warpgroups: one branch each.
  if (kSoftmax0.has(warp_idx) || kSoftmax1.has(warp_idx)) {
    ptx::setmaxnreg_inc<kRegisters.softmax>();
    run_softmax<config>(p, smem, warp_idx);
  } else if (kCorrection.has(warp_idx)) {
    ptx::setmaxnreg_dec<kRegisters.correction>();
    run_correction<config>(p, smem, warp_idx);
  } else {
    ptx::setmaxnreg_dec<kRegisters.others>();
    if (kMma.has(warp_idx)) {
      run_mma<config>(p, smem);
    } else if (kLoad.has(warp_idx)) {
      run_load<config>(p, smem);
    } else if (kStore.has(warp_idx)) {
      run_store<config>(p, smem);
    } else {
      run_scheduler<config>(p, smem);
    }
  }

  __syncthreads();
  if (kMma.has(warp_idx)) ptx::tcgen05_dealloc<1>(0, ptx::kTmemColumns);
}

}  // namespace fa4::sm100::forward
