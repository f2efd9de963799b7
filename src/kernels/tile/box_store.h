// SPDX-License-Identifier: Apache-2.0
// A warp's way out of SMEM: box after box it fills one of its own buffers, in turn, and TMA stores it. No barrier is wider than
// the warp, and one lane, always the same, speaks to TMA.
#pragma once

#include "ptx/sync.h"
#include "ptx/tma.h"

namespace fa4 {

template <u32 kBuffers, u32 kBoxBytes>
class BoxStore {
 public:
  // The buffers lie one behind the other from `smem` on.
  FA4_DEVICE BoxStore(const TensorMap& map, u32 smem)
      : map_(map), smem_(smem), leader_(ptx::elect_sync()) {}

  // `fill(box_smem)`: the warp writes the box, which then goes to this place of the tensor. Boxes are counted from the first one
  // on, or from a multiple of kBuffers.
  template <class Fill>
  FA4_DEVICE void store(u32 box, u32 col, u32 row, const Fill& fill) const {
    const u32 box_smem = smem_ + box % kBuffers * kBoxBytes;
    // The buffer is ours when the store before the last has read it; only its issuer can tell.
    if (leader_) ptx::cp_async_bulk_wait_group_read<kBuffers - 1>();
    __syncwarp();
    fill(box_smem);
    ptx::fence_proxy_async();
    __syncwarp();
    // The buffer is TMA's.
    if (leader_) {
      ptx::cp_async_bulk_tensor_2d_store(map_, col, row, box_smem);
      ptx::cp_async_bulk_commit_group();
    }
  }

  // SMEM must outlive the stores that read it; global memory is complete when the grid is.
  FA4_DEVICE void drain() const {
    if (leader_) ptx::cp_async_bulk_wait_group_read<0>();
    __syncwarp();
  }

 private:
  const TensorMap& map_;
  u32 smem_;
  bool leader_;
};

}  // namespace fa4
