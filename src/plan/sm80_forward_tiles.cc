// SPDX-License-Identifier: Apache-2.0
// The tile tables of the portable forward. Budgets come from the kernels' storage, in abi/sm80_forward.h.
#include <algorithm>
#include <array>

#include "plan/kernel_params.h"
#include "plan/sm80_forward.h"

namespace fa4::plan {
namespace {

constexpr int64_t kReservedBytes = 1024;  // of shared memory, by the system, per CTA

enum class Rate { Full, Any };

struct Row {
  u32 warps, row_tiles, block_keys, q_in_registers;
  Schedule schedule;
  u32 min_blocks;                   // per SM; where they do not fit, the row does not serve
  u32 max_head_dim, max_value_dim;  // padded to 16
  bool slices;                      // a larger Dv is cut into slices, and S computed for each
  bool tight;                       // no register to spare: for ForwardTraits::Plain alone
  Rate rate;  // Full: where the tensor cores outrun SMEM, 32 rows per warp pay
};

constexpr Schedule kTwo = Schedule::TwoSlots, kOne = Schedule::OneSlot;

// The first row that fits serves. Measured on an H100, see src/kernels/sm80/forward/README.md; rows of other
// devices are chosen by the same bounds, unmeasured.
constexpr std::array<Row, 15> kRows = {{
    {4, 2, 128, 0, kTwo, 2, 64, 64, false, true, Rate::Full},    // 80 KB at D 64
    {4, 2, 64, 1, kTwo, 2, 64, 64, false, false, Rate::Any},     // 48 KB at D 64
    {4, 2, 64, 0, kTwo, 2, 128, 128, false, true, Rate::Full},   // 96 KB at D 128
    {4, 2, 48, 0, kTwo, 2, 128, 128, false, false, Rate::Full},  // 80 KB at D 128
    {4, 2, 32, 0, kTwo, 2, 192, 128, false, false, Rate::Full},  // 88 KB at D 192 and Dv 128
    {8, 1, 64, 0, kTwo, 1, 192, 192, false, false, Rate::Any},   // 96 KB at D 128, 144 KB at D 192
    {8, 1, 32, 0, kTwo, 1, 192, 192, false, false, Rate::Any},   // 96 KB at D 192
    {4, 1, 64, 0, kOne, 2, 256, 256, false, true, Rate::Any},    // 96 KB at D 256
    {4, 1, 48, 0, kOne, 2, 256, 256, false, false, Rate::Any},   // 80 KB at D 256
    {8, 1, 64, 0, kOne, 1, 256, 256, false, false, Rate::Any},   // 128 KB at D 256
    {4, 1, 64, 0, kOne, 1, 256, 256, false, false, Rate::Any},   // 96 KB at D 256
    {4, 1, 32, 0, kTwo, 1, 512, 256, true, false, Rate::Any},    // 160 KB at D 512
    {2, 1, 16, 0, kTwo, 1, 512, 256, true, true, Rate::Any},     // 80 KB at D 512
    {2, 1, 16, 0, kTwo, 1, 512, 192, true, false, Rate::Any},    // 76 KB at D 512
    {1, 1, 16, 0, kTwo, 1, 512, 128, true, false, Rate::Any},    // 56 KB at D 512
}};

// GeForce and workstation parts issue a quarter of the MMAs per clock, beside the same shared memory.
bool has_full_rate(const DeviceFacts& device) {
  return device.compute_capability == 80 || device.compute_capability == 90 ||
         device.compute_capability == 100;
}

bool fit(u32 blocks, int64_t bytes, const DeviceFacts& device) {
  return blocks * (bytes + kReservedBytes) <= device.smem_per_sm_bytes;
}

}  // namespace

std::optional<ForwardTile> choose_forward_tile(u32 head_dim, u32 value_dim, ForwardTraits traits,
                                               const DeviceFacts& device) {
  for (const Row& row : kRows) {
    if (row.rate == Rate::Full && !has_full_rate(device)) continue;
    if (row.tight && traits != ForwardTraits::Plain) continue;
    if (padded_dim(head_dim) > row.max_head_dim) continue;
    const u32 slices = ceil_div(padded_dim(value_dim), row.max_value_dim);
    if (slices > 1 && !row.slices) continue;
    // Slices begin on a chunk, so that their alignment is that of the whole.
    const u32 columns = slices == 1 ? value_dim : padded_dim(ceil_div(value_dim, slices));
    const int64_t bytes = sm80_forward_smem_bytes({.head_dim = head_dim,
                                                   .value_dim = value_dim,
                                                   .value_columns = columns,
                                                   .warps = row.warps,
                                                   .row_tiles = row.row_tiles,
                                                   .block_keys = row.block_keys,
                                                   .schedule = row.schedule});
    if (bytes > device.smem_per_block_bytes || !fit(row.min_blocks, bytes, device)) continue;
    return ForwardTile{.warps = row.warps,
                       .row_tiles = row.row_tiles,
                       .block_keys = row.block_keys,
                       .q_in_registers = row.q_in_registers,
                       .schedule = row.schedule,
                       .value_columns = columns,
                       .min_blocks = row.min_blocks};
  }
  return std::nullopt;
}

// As many blocks in flight as keep the memory busy: 64 KB per CTA where two such CTAs fit an SM, 32 KB where
// the SM has 100 KB and a memory that is slower by as much.
std::optional<DecodeTile> choose_decode_tile(const Problem& problem, const DeviceFacts& device) {
  constexpr int64_t kMaxDim = 256;
  const int64_t rows = problem.seq_q * problem.group();
  const int64_t most_rows = problem.value_dim > 128 ? 16 : 32;
  if (rows > most_rows || std::max(problem.head_dim, problem.value_dim) > kMaxDim) return {};
  // The packed bound is the batch's, and a row must not depend on it.
  if (problem.batch_invariant && problem.packed_q) return {};
  const u32 row_tiles = rows > 16 ? 2 : 1;
  const int64_t wanted = device.smem_per_sm_bytes >= 160 * 1024 ? 64 * 1024 : 32 * 1024;
  const auto bytes_of_depth = [&](u32 depth) {
    return int64_t{sm80_decode_smem_bytes({.head_dim = static_cast<u32>(problem.head_dim),
                                           .value_dim = static_cast<u32>(problem.value_dim),
                                           .row_tiles = row_tiles,
                                           .depth = depth})};
  };
  const int64_t block_bytes = bytes_of_depth(9) - bytes_of_depth(8);
  const auto depth = static_cast<u32>(std::clamp<int64_t>(wanted / block_bytes, 1, 8));
  const int64_t bytes = bytes_of_depth(depth);
  if (bytes > device.smem_per_block_bytes) return {};
  const bool q_in_registers = row_tiles == 1 && problem.head_dim <= 128;
  return DecodeTile{row_tiles, depth, q_in_registers, fit(2, bytes, device) ? 2u : 1u};
}

}  // namespace fa4::plan
