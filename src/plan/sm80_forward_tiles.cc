// SPDX-License-Identifier: Apache-2.0
// The tile table of the portable forward.
#include <array>

#include "plan/sm80_forward.h"

namespace fa4::plan {
namespace {

// What limits a device's choice of tiles besides its shared memory.
enum class Rate { Full, Any };

struct Row {
  u32 warps, row_tiles, block_keys, q_in_registers, min_blocks;
  u32 max_head_dim, max_value_dim;  // padded to 16
  Rate rate;  // Full: where the tensor cores outrun SMEM, 32 rows per warp pay
};

constexpr std::array<Row, 8> kTable = {{
    {4, 2, 64, 1, 2, 64, 64, Rate::Any},     // 48 KB at D 64, two CTAs everywhere
    {8, 2, 64, 0, 1, 192, 128, Rate::Full},  // 128 KB at D 128
    {8, 1, 64, 0, 1, 192, 192, Rate::Any},   // 96 KB at D 128, 144 KB at D 192
    {8, 1, 32, 0, 1, 192, 192, Rate::Any},   // 96 KB at D 192
    {4, 1, 32, 0, 2, 256, 256, Rate::Any},   // 96 KB at D 256
    {4, 1, 32, 0, 1, 512, 256, Rate::Any},   // 160 KB at D 512
    {2, 1, 16, 0, 1, 512, 256, Rate::Any},   // 80 KB at D 512
    {1, 1, 16, 0, 1, 512, 128, Rate::Any},   // 56 KB at D 512
}};

// GeForce and workstation parts issue a quarter of the MMAs per clock, beside the same shared memory.
bool has_full_rate(const DeviceFacts& device) {
  return device.compute_capability == 80 || device.compute_capability == 90 ||
         device.compute_capability == 100;
}

}  // namespace

bool choose_forward_tile(u32 head_dim, u32 value_dim, const DeviceFacts& device,
                         Sm80ForwardConfig* config, u32* min_blocks) {
  for (const Row& row : kTable) {
    if (row.rate == Rate::Full && !has_full_rate(device)) continue;
    if (padded_dim(head_dim) > row.max_head_dim) continue;
    const u32 slices = ceil_div(padded_dim(value_dim), row.max_value_dim);
    if (slices > 1 && row.max_head_dim < 512) continue;  // the last rows slice V, the others do not
    config->head_dim = head_dim;
    config->value_dim = value_dim;
    // Slices begin on a chunk, so that their alignment is that of the whole.
    config->value_columns = slices == 1 ? value_dim : padded_dim(ceil_div(value_dim, slices));
    config->warps = row.warps;
    config->row_tiles = row.row_tiles;
    config->block_keys = row.block_keys;
    config->q_in_registers = row.q_in_registers;
    const int64_t bytes = sm80_forward_smem_bytes(*config);
    if (bytes > device.smem_per_block_bytes) continue;
    constexpr int64_t kReservedBytes = 1024;  // of shared memory, by the system, per CTA
    const bool room = row.min_blocks * (bytes + kReservedBytes) <= device.smem_per_sm_bytes;
    *min_blocks = room ? row.min_blocks : 1;
    return true;
  }
  return false;
}

}  // namespace fa4::plan
