// SPDX-License-Identifier: Apache-2.0
// Step Load: a warp copies its 16 keys of a block, and nobody else's, so that no barrier is wider than a warp. Lane r
// and lane r + 16 know where row r lies; the lanes that copy a chunk ask them. The page of the block after next is
// fetched while the copies of this one are issued: a copy that waits for its page id would halve the stream.
#pragma once

#include "sm80/decode/config.h"
#include "tile/load.h"
#include "tile/sequence.h"

namespace fa4::sm80::decode {

// Where the rows of K or V of one head lie.
struct Stream {
  const u16* data;
  i64 page_stride, row_stride;  // not paged: page_stride is not used
};

template <u32 kDim, u32 kCopyBytes>
FA4_DEVICE void copy_rows(u32 rows_smem, const u16* data, i64 lane_offset, bool lane_counts) {
  using Layout = TileLayout<padded_dim(kDim)>;
  constexpr u32 kChunks = Layout::kChunks;
  const u32 lane = threadIdx.x % 32;
  const u32 counting = __ballot_sync(0xffffffff, lane_counts);
#pragma unroll
  for (u32 pass = 0; pass < kSm80DecodeWarpKeys * kChunks / 32; ++pass) {
    const u32 idx = lane + pass * 32;
    const u32 row = idx / kChunks, chunk = idx % kChunks;
    const i64 offset = __shfl_sync(0xffffffff, lane_offset, row);
    const bool counts = counting >> row & 1;
    const u32 elements =
        counts ? TileLoader<16, kDim, kCopyBytes, 32>::elements_of(chunk, kDim) : 0;
    copy_chunk<kCopyBytes>(rows_smem + Layout::offset(row, chunk),
                           elements ? data + offset + chunk * kChunkElements : data, elements);
  }
}

// Issues the copies of one warp, block after block from the last to the first.
template <Sm80DecodeConfig config>
class Loader {
 public:
  FA4_DEVICE Loader(const Sm80ForwardParams& p, const SequenceRows& keys, u32 batch, u32 kv_head,
                    u32 last_block, u32 first_block)
      : p_(p), length_(keys.length), first_(first_block), next_(last_block + 1) {
    if constexpr (config.paged) {
      const ProblemParams& problem = p.problem;
      table_ = problem.page_table + batch * problem.page_table_stride;
      k_ = {static_cast<const u16*>(problem.k.data) + kv_head * problem.k.head_stride,
            problem.k.batch_stride, problem.k.row_stride};
      v_ = {static_cast<const u16*>(problem.v.data) + kv_head * problem.v.head_stride,
            problem.v.batch_stride, problem.v.row_stride};
    } else {
      k_ = {rows_of(p.problem.k, keys, kv_head), 0, p.problem.k.row_stride};
      v_ = {rows_of(p.problem.v, keys, kv_head), 0, p.problem.v.row_stride};
    }
    fetch_page();
  }

  // The block that the next load_k is of; load_v is of the same.
  FA4_DEVICE void advance() {
    row_ = next_row_;
    page_ = next_page_;
    fetch_page();
  }

  FA4_DEVICE void load_k(u32 rows_smem) const {
    copy_rows<config.head_dim, config.k_copy_bytes>(rows_smem, k_.data, offset_in(k_),
                                                    row_ < length_);
  }
  FA4_DEVICE void load_v(u32 rows_smem) const {
    copy_rows<config.value_dim, config.v_copy_bytes>(rows_smem, v_.data, offset_in(v_),
                                                     row_ < length_);
  }

 private:
  // Of this lane's row in the block before the last one fetched.
  FA4_DEVICE void fetch_page() {
    if (next_ == first_) return;
    --next_;
    next_row_ = next_ * kSm80DecodeBlockKeys + threadIdx.x / 32 * kSm80DecodeWarpKeys +
                threadIdx.x % kSm80DecodeWarpKeys;
    if constexpr (config.paged) {
      next_page_ = next_row_ < length_ ? table_[p_.page.quotient(next_row_)] : 0;
    }
  }

  FA4_DEVICE i64 offset_in(const Stream& stream) const {
    if constexpr (config.paged) {
      const u32 page = min(static_cast<u32>(page_), p_.problem.num_pages - 1);
      return page * stream.page_stride + p_.page.remainder(row_) * stream.row_stride;
    } else {
      return row_ * stream.row_stride;
    }
  }

  const Sm80ForwardParams& p_;
  const i32* table_ = nullptr;
  Stream k_, v_;
  u32 length_, first_, next_;
  u32 row_ = 0, next_row_ = 0;
  i32 page_ = 0, next_page_ = 0;
};

}  // namespace fa4::sm80::decode
