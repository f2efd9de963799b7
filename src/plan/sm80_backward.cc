// SPDX-License-Identifier: Apache-2.0
// Tested in tests/unit/sm80_backward_plan_test.cc.
#include "plan/sm80_backward.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "plan/kernel_params.h"

namespace fa4::plan {
namespace {

namespace kernels = fa4::sm80::backward;

constexpr int64_t kMaxDim = 256;
constexpr int64_t kMaxBlocks = (int64_t{1} << 31) - 1;
constexpr int kVectorReductionsSince = 90;  // red.v4.f32
constexpr int64_t kMaxSplits = 16;          // copies of the dQ sums: 4 bytes per element of q each
constexpr int64_t kWaves = 3;  // of blocks, before the heads of a group are left to one block

struct Tile {
  uint32_t max_dim;  // of D and Dv
  uint32_t block_q, block_k, warps, score_query_warps, grad_dim_warps, dq_dim_warps;
  uint32_t q_stages, dout_stages;
  uint32_t blocks_per_sm;  // registers for so many
};

// Best first; the first that fits the head dims and the device's SMEM is taken. Up to 64 columns a warp holds dK and
// dV of 32 keys, and P and dS never leave it; beyond, square pieces of the scores go through SMEM.
constexpr Tile kTiles[] = {
    {64, 32, 128, 4, 1, 1, 2, 2, 2,
     2},  // 59 KB: 99 KB parts hold one block, the others two or more
    {128, 64, 128, 8, 2, 4, 4, 2, 2, 1},  // 162 KB: sm_80, sm_90
    {128, 64, 64, 8, 2, 4, 4, 1, 1, 1},   // 82 KB
    {192, 64, 64, 8, 2, 4, 4, 2, 2, 1},   // 162 KB
    {192, 32, 64, 8, 2, 4, 4, 1, 1, 1},   // 82 KB
    {256, 64, 64, 8, 2, 4, 4, 2, 2, 1},   // 210 KB: sm_90
    {256, 64, 64, 8, 2, 4, 4, 1, 1, 1},   // 146 KB: sm_80
    {256, 32, 32, 4, 2, 4, 4, 2, 1, 1},   // 85 KB
};

Sm80BackwardConfig config_of(const Tile& tile, const Problem& problem, const DeviceFacts& device) {
  return {.type = element_of(problem),
          .head_dim = static_cast<u32>(problem.head_dim),
          .value_dim = static_cast<u32>(problem.value_dim),
          .block_q = tile.block_q,
          .block_k = tile.block_k,
          .warps = tile.warps,
          .score_query_warps = tile.score_query_warps,
          .grad_dim_warps = tile.grad_dim_warps,
          .dq_dim_warps = tile.dq_dim_warps,
          .q_stages = tile.q_stages,
          .dout_stages = tile.dout_stages,
          .softcap = problem.softcap > 0,
          .vector_reductions = device.compute_capability >= kVectorReductionsSince};
}

std::optional<Tile> choose_tile(const Problem& problem, const DeviceFacts& device) {
  const int64_t dim = std::max(problem.head_dim, problem.value_dim);
  for (const Tile& tile : kTiles) {
    const Sm80BackwardConfig config = config_of(tile, problem, device);
    // With tanh added, ptxas 13.0 has no room for P and dS beside dK and dV on sm_80 to sm_89: it would spill.
    const bool spills = tile.score_query_warps == 1 && config.softcap != 0 &&
                        device.compute_capability < kVectorReductionsSince;
    if (dim <= tile.max_dim && !spills &&
        kernels::storage_of(config).bytes <= device.smem_per_block_bytes) {
      return tile;
    }
  }
  return std::nullopt;
}

int64_t ceil_div_wide(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

// The fewest blocks among which the group's heads must be divided for `wanted` blocks in all.
uint32_t choose_head_chunks(int64_t group, int64_t blocks, int64_t wanted) {
  int64_t chunks = 1;
  while (chunks < group && (group % chunks != 0 || blocks * chunks < wanted)) ++chunks;
  return static_cast<uint32_t>(chunks);
}

// Among how many blocks the key tiles of a head are divided when each has sums of its own: few rounds of blocks, each
// with few tiles. A further copy of the sums costs about 2 % (written, read).
uint32_t choose_splits(int64_t key_tiles, int64_t blocks, int64_t resident) {
  const int64_t most =
      std::clamp<int64_t>(std::min(key_tiles, 2 * resident / blocks), 1, kMaxSplits);
  const auto cost = [&](int64_t splits) {
    return ceil_div_wide(blocks * splits, resident) * ceil_div_wide(key_tiles, splits) *
           (50 + splits);
  };
  int64_t best = 1;
  for (int64_t splits = 2; splits <= most; ++splits) {
    if (cost(splits) < cost(best)) best = splits;
  }
  return static_cast<uint32_t>(best);
}

Sm80BackwardDetails decide(const Problem& problem, const DeviceFacts& device, const Tile& tile) {
  Sm80BackwardDetails details;
  details.config = config_of(tile, problem, device);
  details.query_tiles = static_cast<uint32_t>(ceil_div_wide(problem.seq_q, tile.block_q));
  details.key_tiles = static_cast<uint32_t>(ceil_div_wide(problem.seq_k, tile.block_k));
  details.num_slots = kernels::slots_of(problem.packed_q, static_cast<u32>(problem.batch),
                                        problem.total_q, details.query_tiles, tile.block_q);

  const int64_t resident = int64_t{device.num_sms} * tile.blocks_per_sm;
  const int64_t kv_blocks = problem.batch * problem.kv_heads;
  if (problem.deterministic) {
    // Blocks of a split add to sums of their own, in the order of the key tiles.
    details.head_chunks = choose_head_chunks(problem.group(), kv_blocks, resident);
    const int64_t blocks = std::max<int64_t>(1, kv_blocks * details.head_chunks);
    details.key_tile_step = details.dq_splits = choose_splits(details.key_tiles, blocks, resident);
  } else {
    details.head_chunks =
        choose_head_chunks(problem.group(), kv_blocks * details.key_tiles, kWaves * resident);
    details.key_tile_step = std::max<uint32_t>(1, details.key_tiles);
  }
  return details;
}

// Byte offsets in the workspace; fills the params' pointers when it has a base.
class Workspace {
 public:
  explicit Workspace(void* base) : base_(static_cast<char*>(base)) {}

  float* floats(int64_t count) {
    auto* found = base_ ? reinterpret_cast<float*>(base_ + used_) : nullptr;
    used_ += ceil_div_wide(count * int64_t{sizeof(float)}, kAlignment) * kAlignment;
    return found;
  }
  int64_t used() const { return used_; }

 private:
  static constexpr int64_t kAlignment = 256;
  char* base_;
  int64_t used_ = 0;
};

int64_t lay_out(const Problem& problem, const Sm80BackwardDetails& details, void* base,
                Sm80BackwardParams* params) {
  Workspace workspace(base);
  const int64_t tiles = problem.heads * details.num_slots;
  const int64_t rows = tiles * details.config.block_q;
  params->row_lse = workspace.floats(rows);
  params->row_delta = workspace.floats(rows);
  params->sink_parts = workspace.floats(problem.has_sink ? tiles : 0);
  params->dq_sums =
      workspace.floats(details.dq_splits * tiles * kernels::dq_tile_floats(details.config));
  const int64_t parts =
      details.head_chunks > 1 ? details.head_chunks * problem.total_k * problem.kv_heads : 0;
  params->dk_parts = workspace.floats(parts * problem.head_dim);
  params->dv_parts = workspace.floats(parts * problem.value_dim);
  return workspace.used();
}

std::string name_of_config(const Sm80BackwardConfig& c) {
  return fmt::format("{}_d{}_v{}_q{}_k{}_w{}_g{}{}{}_s{}{}{}{}",
                     c.type == ElementType::BFloat16 ? "bf16" : "fp16", c.head_dim, c.value_dim,
                     c.block_q, c.block_k, c.warps, c.score_query_warps, c.grad_dim_warps,
                     c.dq_dim_warps, c.q_stages, c.dout_stages, c.softcap ? "_softcap" : "",
                     c.vector_reductions ? "_red4" : "");
}

std::string text_of(const Sm80BackwardConfig& c) {
  return fmt::format(
      "fa4::Sm80BackwardConfig{{.type = fa4::ElementType::{}, .head_dim = {}, .value_dim = {}, "
      ".block_q = {}, .block_k = {}, .warps = {}, .score_query_warps = {}, .grad_dim_warps = {}, "
      ".dq_dim_warps = {}, .q_stages = {}, .dout_stages = {}, .softcap = {}, "
      ".vector_reductions = {}}}",
      c.type == ElementType::BFloat16 ? "BFloat16" : "Float16", c.head_dim, c.value_dim, c.block_q,
      c.block_k, c.warps, c.score_query_warps, c.grad_dim_warps, c.dq_dim_warps, c.q_stages,
      c.dout_stages, c.softcap, c.vector_reductions);
}

enum KernelIndex : size_t { kPrepare, kMain, kFinish };

KernelSpec spec_of(const Sm80BackwardConfig& config, const char* stem, const char* header,
                   const char* function) {
  return {.entry = fmt::format("fa4_sm80_backward_{}_{}", stem, name_of_config(config)),
          .header = header,
          .function = function,
          .config = text_of(config),
          .params = "fa4::Sm80BackwardParams"};
}

std::vector<KernelSpec> kernels_of(const Sm80BackwardConfig& config, const Tile& tile) {
  KernelSpec prepare =
      spec_of(config, "prepare", "sm80/backward/prepare.h", "fa4::sm80::backward::prepare");
  prepare.threads = kernels::kPrepareThreads;
  KernelSpec main =
      spec_of(config, "main", "sm80/backward/kernel.h", "fa4::sm80::backward::kernel");
  main.threads = config.warps * 32;
  main.min_blocks = tile.blocks_per_sm;
  main.smem_bytes = kernels::storage_of(config).bytes;
  KernelSpec finish =
      spec_of(config, "finish", "sm80/backward/finish.h", "fa4::sm80::backward::finish");
  finish.threads = kernels::kFinishThreads;
  return {prepare, main, finish};
}

int64_t query_blocks(const Problem& problem, const Sm80BackwardDetails& details) {
  return problem.batch * problem.heads * details.query_tiles;
}

int64_t main_blocks(const Problem& problem, const Sm80BackwardDetails& details) {
  if (details.key_tiles == 0) return 0;
  return problem.batch * problem.kv_heads * details.head_chunks * details.key_tile_step;
}

// The bytes, up to 16, that divide the address and all strides.
u32 alignment_of(const RowsView& view, int64_t dim) {
  u32 bytes = copy_bytes(view, dim);
  while (reinterpret_cast<uintptr_t>(view.data) % bytes != 0) bytes /= 2;
  return bytes;
}

Sm80BackwardParams params_of(const Problem& problem, const Sm80BackwardDetails& details,
                             const BackwardTensors& tensors, void* workspace) {
  Sm80BackwardParams params{};
  lay_out(problem, details, workspace, &params);
  if (!tensors.has_dsink) params.sink_parts = nullptr;
  params.problem = problem_params(problem);
  params.out = rows_param(tensors.out);
  params.dout = rows_param(tensors.dout);
  params.dq = rows_param(tensors.dq);
  params.dk = rows_param(tensors.dk);
  params.dv = rows_param(tensors.dv);
  params.lse = lse_param(tensors.lse);
  if (tensors.has_dlse) params.dlse = lse_param(tensors.dlse);
  if (tensors.has_dsink) {
    params.dsink = static_cast<float*>(tensors.dsink.data);
    params.dsink_stride = tensors.dsink.stride;
  }
  params.num_slots = details.num_slots;
  params.query_tiles = details.query_tiles;
  params.key_tiles = details.key_tiles;
  params.key_tile_step = details.key_tile_step;
  params.dq_splits = details.dq_splits;
  params.head_chunks = details.head_chunks;
  params.q_align = alignment_of(problem.q, problem.head_dim);
  params.k_align = alignment_of(problem.k, problem.head_dim);
  params.v_align = alignment_of(problem.v, problem.value_dim);
  params.out_align = alignment_of(tensors.out, problem.value_dim);
  params.dout_align = alignment_of(tensors.dout, problem.value_dim);
  params.dq_align = alignment_of(tensors.dq, problem.head_dim);
  params.dk_align = alignment_of(tensors.dk, problem.head_dim);
  params.dv_align = alignment_of(tensors.dv, problem.value_dim);
  return params;
}

}  // namespace

Status supports_backward(const Problem& problem, const DeviceFacts& device) {
  FA4_RETURN_IF_ERROR(supports_sizes(problem));
  if (problem.paged) return unsupported("page_table is given; there is no backward through pages");
  for (const auto& [name, dim] :
       {std::pair{"q and k", problem.head_dim}, {"v", problem.value_dim}}) {
    if (dim > kMaxDim || dim % kChunkElements != 0) {
      return unsupported(
          "the head dim of {} is {}; the backward of kernel \"sm80\" takes multiples of {} up to {}",
          name, dim, kChunkElements, kMaxDim);
    }
  }
  const std::optional<Tile> tile = choose_tile(problem, device);
  if (!tile) {
    return unsupported(
        "{} has {} bytes of shared memory per block, too few for any backward tile of kernel "
        "\"sm80\" at head dims {} and {}",
        device.arch, device.smem_per_block_bytes, problem.head_dim, problem.value_dim);
  }
  const Sm80BackwardDetails details = decide(problem, device, *tile);
  const int64_t blocks =
      std::max(main_blocks(problem, details), query_blocks(problem, details) + problem.heads);
  if (blocks > kMaxBlocks - int64_t{device.num_sms} * 8) {
    return unsupported(
        "the backward would launch {} blocks; a launch of kernel \"sm80\" has up to {}", blocks,
        kMaxBlocks);
  }
  return {};
}

FamilyPlan prepare_backward(const Problem& problem, const DeviceFacts& device) {
  const Tile tile = *choose_tile(problem, device);
  const Sm80BackwardDetails details = decide(problem, device, tile);
  Sm80BackwardParams unused{};
  FamilyPlan plan;
  plan.kernels = kernels_of(details.config, tile);
  plan.tiles = {{"query_rows", tile.block_q},
                {"key_rows", tile.block_k},
                {"q_stages", tile.q_stages},
                {"dout_stages", tile.dout_stages},
                {"head_chunks", details.head_chunks},
                {"dq_splits", details.dq_splits},
                {"smem_bytes", kernels::storage_of(details.config).bytes}};
  plan.grid = main_blocks(problem, details);
  plan.workspace_bytes = static_cast<size_t>(lay_out(problem, details, nullptr, &unused));
  plan.details = details;
  return plan;
}

std::vector<Launch> backward_launches(const Problem& problem, const FamilyPlan& plan,
                                      const DeviceFacts& device, const BackwardTensors& tensors,
                                      void* workspace) {
  const auto& details = *std::any_cast<Sm80BackwardDetails>(&plan.details);
  Sm80BackwardParams params = params_of(problem, details, tensors, workspace);
  const bool any_dq = problem.total_q * problem.heads > 0;
  const bool any_dk = problem.total_k * problem.kv_heads > 0;
  const int64_t sinks = tensors.has_dsink ? problem.heads : 0;
  if (!any_dq && !any_dk && sinks == 0) return {};

  params.dq_blocks = static_cast<u32>(query_blocks(problem, details));
  params.grad_blocks = any_dk && details.head_chunks > 1 ? static_cast<u32>(device.num_sms * 8) : 0;
  std::vector<Launch> launches;
  const auto add = [&](KernelIndex kernel, int64_t blocks) {
    if (blocks == 0) return;
    launches.push_back(
        {.kernel = kernel, .grid = {static_cast<u32>(blocks), 1, 1}, .params = bytes_of(params)});
  };
  // Rows of no sequence are cleared by all blocks of the first kernel together.
  const int64_t clearing = problem.packed_q || problem.packed_k ? device.num_sms * 4 : 0;
  add(kPrepare, std::max<int64_t>(params.dq_blocks, clearing));
  add(kMain, main_blocks(problem, details));
  add(kFinish, int64_t{params.dq_blocks} + params.grad_blocks + sinks);
  return launches;
}

}  // namespace fa4::plan
