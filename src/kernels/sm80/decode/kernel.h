// SPDX-License-Identifier: Apache-2.0
// The forward of few rows: one CTA streams one K/V head, or its share of the keys, past the rows that read it. Bound
// by memory, so all that counts is copies in flight. README.md shows the schedule.
#pragma once

#include "sm80/decode/load.h"
#include "sm80/decode/merge.h"
#include "sm80/forward/share.h"
#include "sm80/forward/values.h"
#include "sm80/forward/work.h"

namespace fa4::sm80::decode {

template <Sm80DecodeConfig config>
FA4_DEVICE void kernel(const Sm80ForwardParams& p) {
  using G = Geometry<config>;
  constexpr Sm80ForwardConfig kWarp = warp_config(config);
  static_assert(sizeof(Storage<config>) == sm80_decode_smem_bytes(config));
  extern __shared__ __align__(kTileAlignment) u8 dynamic_smem[];
  Storage<config>& smem = *reinterpret_cast<Storage<config>*>(dynamic_smem);

  if (blockIdx.x >= p.work_items) return forward::write_rows_of_no_sequence<kWarp>(p);
  const forward::Work work = forward::find_work<kWarp>(p, blockIdx.x);
  const SequenceRows queries = find_queries(p.problem, work.batch);
  const SequenceRows keys = find_keys(p.problem, work.batch);
  const u32 tile_row = work.tile * G::kBlockRows;
  if (tile_row >= queries.rows * p.group.value) return;
  const u32 counting_rows = queries.length * p.group.value;
  const KeyWindow window(p.problem, queries.length, keys.length);
  BlockRange blocks{};
  if (tile_row < counting_rows) {
    const u32 last_row = min(tile_row + G::kBlockRows, counting_rows) - 1;
    blocks = visible_blocks<kSm80DecodeBlockKeys>(window, p.group.quotient(tile_row),
                                                  p.group.quotient(last_row));
    forward::take_share<config.split, kSm80DecodeBlockKeys>(blocks, p, work.split);
  }

  forward::Softmax<kWarp> softmax(p.exponent_scale);
  forward::Tile8 o[config.row_tiles][G::kValueDim / 8] = {};
  if (blocks.first < blocks.end) {
    const u32 warp_row = threadIdx.x / 32 * kSm80DecodeWarpKeys, lane = threadIdx.x % 32;
    const u32 q_smem = ptx::smem_address(smem.inputs.q);
    const u32 k_smem = ptx::smem_address(smem.inputs.k) + warp_row * G::KLayout::kPitchBytes;
    const u32 v_smem = ptx::smem_address(smem.inputs.v) + warp_row * G::VLayout::kPitchBytes;
    constexpr u32 kKBytes = sizeof(smem.inputs.k[0]), kVBytes = sizeof(smem.inputs.v[0]);

    const GroupedRows q_rows{rows_of(p.problem.q, queries, work.head), p.problem.q.row_stride,
                             p.problem.q.head_stride, p.group};
    TileLoader<G::kBlockRows, config.head_dim, config.q_copy_bytes, kThreads>::load(
        q_smem, q_rows, tile_row, counting_rows);
    ptx::cp_async_commit_group();

    Loader<config> loader(p, keys, work.batch, work.kv_head, blocks.end - 1, blocks.first);
    const u32 num_blocks = blocks.end - blocks.first;
#pragma unroll
    for (u32 slot = 0; slot < config.depth; ++slot) {
      if (slot < num_blocks) {
        loader.advance();
        loader.load_k(k_smem + slot * kKBytes);
      }
      ptx::cp_async_commit_group();
      if (slot < num_blocks) loader.load_v(v_smem + slot * kVBytes);
      ptx::cp_async_commit_group();
    }
    ptx::cp_async_wait_group<2 * config.depth>();
    __syncthreads();  // Q is in SMEM; from here to the merge each warp is alone.
    forward::QFragments<kWarp> q(q_smem);
    q.load_all();

    const LaneOffset<G::kHeadDim> k_place(k_smem, lane % 8 + lane / 16 * 8, lane / 8 % 2);
    const LaneOffset<G::kValueDim> v_place(v_smem, lane % 16, lane / 16);
    forward::ScoreTile<kWarp> scores;
    u32 slot = 0;
    for (u32 step = 0; step < num_blocks; ++step) {
      const u32 block = blocks.end - 1 - step;
      const bool more = step + config.depth < num_blocks;
      LaneOffset<G::kHeadDim> k_block = k_place;
      LaneOffset<G::kValueDim> v_block = v_place;
      k_block.move(slot * kKBytes);
      v_block.move(slot * kVBytes);

      ptx::cp_async_wait_group<2 * config.depth - 1>();
      __syncwarp();  // K is in SMEM.
      forward::multiply_q_k<kWarp>(scores, q, k_block);
      __syncwarp();  // All lanes have read it: the slot is the loader's.
      if (more) {
        loader.advance();
        loader.load_k(k_smem + slot * kKBytes);
      }
      ptx::cp_async_commit_group();

      forward::transform<kWarp>(scores, p);
      if (block < blocks.plain_first || block >= blocks.plain_end) {
        forward::mask<kWarp>(scores, p, window, tile_row + lane / 4,
                             block * kSm80DecodeBlockKeys + warp_row);
      }
      softmax.grow(scores, o);

      ptx::cp_async_wait_group<2 * config.depth - 1>();
      __syncwarp();  // V likewise.
      forward::multiply_p_v<kWarp>(o, scores, softmax, v_block);
      __syncwarp();
      if (more) loader.load_v(v_smem + slot * kVBytes);
      ptx::cp_async_commit_group();
      slot = slot + 1 == config.depth ? 0 : slot + 1;
    }
  }

#pragma unroll
  for (u32 i = 0; i < config.row_tiles; ++i) {
    __syncthreads();  // The ring, or the row tile before, has been read by all.
    put<config>(smem.merge, i, softmax, o[i]);
    __syncthreads();
    merge_rows<config>(p, smem.merge, queries, tile_row + i * 16, work.head, work.split);
  }
}

}  // namespace fa4::sm80::decode
