// SPDX-License-Identifier: Apache-2.0
#include "plan/sm80_forward.h"

#include <fmt/format.h>

#include <algorithm>
#include <any>
#include <optional>

#include "plan/kernel_params.h"
#include "plan/sm80_forward_specs.h"

namespace fa4::plan {
namespace {

constexpr int64_t kMaxGrid = (int64_t{1} << 31) - 1;
constexpr int64_t kMaxPartialRows = int64_t{1} << 30;  // the combine counts rows in 31 bits
constexpr int64_t kInvariantSplitKeys = 512;           // at fixed positions of a sequence
constexpr u32 kRowsOfNoSequenceBlocks = 8;  // they loop; mostly there is nothing to write

int64_t ceil_div(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

struct Details {
  Sm80ForwardConfig config;  // of the tile kernel, or what the decode kernel has in common with it
  std::optional<DecodeTile> decode;
  u32 min_blocks = 1;
  u32 block_rows = 0, block_keys = 0, smem_bytes = 0;
  u32 tiles = 0, streams = 0, streams_per_group = 1, num_splits = 1, split_keys = 0;
  u32 value_slices = 1, work_items = 0;
};

Sm80DecodeConfig decode_config(const Details& details) {
  const Sm80ForwardConfig& c = details.config;
  return {.element = c.element,
          .head_dim = c.head_dim,
          .value_dim = c.value_dim,
          .row_tiles = details.decode->row_tiles,
          .depth = details.decode->depth,
          .q_in_registers = details.decode->q_in_registers,
          .q_copy_bytes = c.q_copy_bytes,
          .k_copy_bytes = c.k_copy_bytes,
          .v_copy_bytes = c.v_copy_bytes,
          .scores = c.scores,
          .paged = c.paged,
          .split = c.split};
}

// Query heads of a group share a tile when it would be mostly empty without them.
bool packs_heads(const Problem& problem, u32 rows) {
  if (problem.group() == 1) return false;
  if (problem.seq_q * problem.group() > kMaxLength) return false;
  const int64_t padded = ceil_div(problem.seq_q, rows) * rows;
  return problem.seq_q * problem.group() <= 2 * rows || problem.seq_q * 10 < padded * 6;
}

// How many splits finish first, if every block of keys takes one unit of time and a CTA's beginning and end take
// kOverhead: the device runs `slots` CTAs at a time, and the last round may be nearly empty.
u32 best_splits(int64_t items, int64_t slots, int64_t blocks) {
  constexpr int64_t kMostSplits = 128;
  constexpr double kOverhead = 5, kMerge = 0.5;  // the latter per split, by the combine
  u32 best = 1;
  double best_cost = 0;
  for (int64_t splits = 1; splits <= std::min(blocks, kMostSplits); ++splits) {
    const double rounds = static_cast<double>(ceil_div(items * splits, slots));
    const double merge = splits > 1 ? kOverhead + kMerge * static_cast<double>(splits) : 0;
    const double cost =
        rounds * (static_cast<double>(ceil_div(blocks, splits)) + kOverhead) + merge;
    if (splits == 1 || cost < best_cost) {
      best = static_cast<u32>(splits);
      best_cost = cost;
    }
  }
  return best;
}

void choose_splits(const Problem& problem, const DeviceFacts& device, int64_t items,
                   Details* details) {
  const int64_t rows = problem.total_q * problem.heads;
  if (problem.seq_k == 0 || rows > kMaxPartialRows || problem.num_splits == 1) return;
  if (problem.num_splits > 1) {
    details->num_splits = static_cast<u32>(problem.num_splits);
  } else if (problem.batch_invariant) {
    // A function of a sequence alone: the decode kernel is chosen by the shape of one, see choose_decode_tile.
    if (!details->decode) return;
    details->split_keys = kInvariantSplitKeys;
    details->num_splits = static_cast<u32>(ceil_div(problem.seq_k, kInvariantSplitKeys));
  } else {
    const int64_t slots = int64_t{device.num_sms} * details->min_blocks;
    if (!details->decode && items * 2 > slots) return;
    const int64_t blocks = ceil_div(problem.seq_k, details->block_keys);
    details->num_splits = best_splits(items, slots, blocks);
  }
}

ForwardTraits traits_of(const Sm80ForwardConfig& config) {
  const bool wide = config.q_copy_bytes + config.k_copy_bytes + config.v_copy_bytes == 48;
  const bool whole = is_swizzled(config.head_dim) && is_swizzled(config.value_dim);
  return wide && whole && !config.paged && config.scores == Scores::Plain ? ForwardTraits::Plain
                                                                          : ForwardTraits::Other;
}

void choose_tile(const Problem& problem, const DeviceFacts& device,
                 const std::optional<ForwardTile>& forced, Details* details) {
  Sm80ForwardConfig& config = details->config;
  config.head_dim = static_cast<u32>(problem.head_dim);
  config.value_dim = static_cast<u32>(problem.value_dim);
  config.value_columns = config.value_dim;
  if (!forced) details->decode = choose_decode_tile(problem, device);
  if (details->decode) {
    config.packed_heads = 1;
    details->min_blocks = details->decode->min_blocks;
    details->block_rows = details->decode->row_tiles * 16;
    details->block_keys = kSm80DecodeBlockKeys;
    return;
  }
  const ForwardTile tile =
      forced ? *forced
             : *choose_forward_tile(config.head_dim, config.value_dim, traits_of(config), device);
  config.value_columns = tile.value_columns;
  config.warps = tile.warps;
  config.row_tiles = tile.row_tiles;
  config.block_keys = tile.block_keys;
  config.q_in_registers = tile.q_in_registers;
  config.schedule = tile.schedule;
  details->min_blocks = tile.min_blocks;
  details->block_rows = tile.warps * tile.row_tiles * 16;
  details->block_keys = tile.block_keys;
  config.packed_heads = packs_heads(problem, details->block_rows);
}

Details plan_details(const Problem& problem, const DeviceFacts& device,
                     const std::optional<ForwardTile>& forced) {
  Details details;
  Sm80ForwardConfig& config = details.config;
  config.element = element_of(problem);
  config.q_copy_bytes = copy_bytes(problem.q, problem.head_dim);
  config.k_copy_bytes = copy_bytes(problem.k, problem.head_dim);
  config.v_copy_bytes = copy_bytes(problem.v, problem.value_dim);
  config.scores = scores_of(problem);
  config.paged = problem.paged;
  choose_tile(problem, device, forced, &details);

  const int64_t group = problem.group();
  const int64_t rows = problem.seq_q * (config.packed_heads ? group : 1);
  details.tiles = static_cast<u32>(ceil_div(rows, details.block_rows));
  details.streams = static_cast<u32>(problem.batch * problem.kv_heads);
  details.value_slices = fa4::ceil_div(config.value_dim, config.value_columns);
  const int64_t items = int64_t{details.tiles} * details.streams *
                        (config.packed_heads ? 1 : group) * details.value_slices;
  if (items > 0) choose_splits(problem, device, items, &details);
  config.split = details.num_splits > 1 || details.split_keys > 0;
  details.smem_bytes = details.decode ? sm80_decode_smem_bytes(decode_config(details))
                                      : sm80_forward_smem_bytes(config);
  details.streams_per_group = streams_per_group(problem, device, std::max(1u, details.streams));
  details.work_items = static_cast<u32>(items * details.num_splits);
  return details;
}

struct PartialSizes {
  size_t lse_bytes = 0, out_bytes = 0;
  explicit PartialSizes(const Problem& problem, u32 num_splits) {
    const auto rows = static_cast<size_t>(problem.total_q * problem.heads) * num_splits;
    const auto aligned = [](size_t bytes) { return (bytes + 255) / 256 * 256; };
    lse_bytes = aligned(rows * sizeof(float));
    out_bytes = aligned(rows * static_cast<size_t>(problem.value_dim) * sizeof(float));
  }
};

CombineParams combine_params(const Problem& problem, const Details& details,
                             const ForwardTensors& tensors, const PartialParam& partial) {
  CombineParams params{};
  params.partial = partial;
  params.out = rows_param(tensors.out);
  if (tensors.has_lse) params.lse = lse_param(tensors.lse);
  if (problem.has_sink) params.sink = sink_param(problem.sink);
  params.num_splits = details.num_splits;
  params.value_dim = static_cast<u32>(problem.value_dim);
  params.heads = divisor_of(static_cast<u32>(problem.heads));
  params.seq_q = divisor_of(problem.packed_q ? u32{1} << 31 : static_cast<u32>(problem.seq_q));
  return params;
}

}  // namespace

Status supports_forward(const Problem& problem, const DeviceFacts& device) {
  FA4_RETURN_IF_ERROR(supports_sizes(problem));
  if (!choose_forward_tile(static_cast<u32>(problem.head_dim), static_cast<u32>(problem.value_dim),
                           ForwardTraits::Other, device)) {
    return unsupported(
        "no tile for head dims {} and {} fits the {} bytes of shared memory that {} gives a block",
        problem.head_dim, problem.value_dim, device.smem_per_block_bytes, device.arch);
  }
  constexpr int64_t kSmallestTile = 16, kMostSlices = 4;
  const int64_t tiles = ceil_div(problem.seq_q, kSmallestTile) * problem.heads * kMostSlices;
  const int64_t splits = problem.num_splits > 0 ? problem.num_splits : 1;
  if (problem.batch > 0 && tiles > kMaxGrid / problem.batch / splits) {
    return unsupported(
        "batch {} with {} heads, up to {} queries and {} splits needs more than the {} blocks of a grid",
        problem.batch, problem.heads, problem.seq_q, splits, kMaxGrid);
  }
  return {};
}

FamilyPlan prepare_forward(const Problem& problem, const DeviceFacts& device,
                           const std::optional<ForwardTile>& forced) {
  FamilyPlan plan;
  const Details details = plan_details(problem, device, forced);
  const Sm80ForwardConfig& config = details.config;
  plan.kernels.push_back(details.decode ? decode_spec(decode_config(details), details.min_blocks)
                                        : forward_spec(config, details.min_blocks));
  if (config.split) {
    plan.kernels.push_back(combine_spec(config.element));
    const PartialSizes sizes(problem, details.num_splits);
    plan.workspace_bytes = sizes.lse_bytes + sizes.out_bytes;
  }
  plan.tiles = {{"query_rows", details.block_rows},
                {"key_rows", details.block_keys},
                {"blocks_per_sm", details.min_blocks},
                {"shared_bytes", details.smem_bytes},
                {"heads_per_tile", config.packed_heads ? problem.group() : 1},
                {"splits", details.num_splits}};
  plan.grid = details.work_items;
  plan.details = details;
  return plan;
}

std::vector<Launch> forward_launches(const Problem& problem, const FamilyPlan& plan,
                                     const DeviceFacts&, const ForwardTensors& tensors,
                                     void* workspace) {
  const auto& details = std::any_cast<const Details&>(plan.details);
  const Sm80ForwardConfig& config = details.config;
  const int64_t rows = problem.total_q * problem.heads;
  if (rows == 0) return {};

  Sm80ForwardParams params{};
  params.problem = problem_params(problem);
  params.out = rows_param(tensors.out);
  if (tensors.has_lse) params.lse = lse_param(tensors.lse);
  if (config.split) {
    auto* const bytes = static_cast<std::byte*>(workspace);
    params.partial.lse = reinterpret_cast<float*>(bytes);
    params.partial.out =
        reinterpret_cast<float*>(bytes + PartialSizes(problem, details.num_splits).lse_bytes);
    params.partial.rows = rows;
  }
  const ScoreScales scales = scales_of(problem);
  params.score_scale = static_cast<float>(scales.score);
  params.exponent_scale = static_cast<float>(scales.exponent * 1.4426950408889634);
  params.tiles = details.tiles;
  params.streams = details.streams;
  params.streams_per_group = details.streams_per_group;
  params.num_splits = details.num_splits;
  params.split_keys = details.split_keys;
  params.value_slices = details.value_slices;
  params.work_items = details.work_items;
  params.out_vector = takes_vectors(tensors.out, problem.value_dim);
  params.group = divisor_of(static_cast<u32>(problem.group()));
  params.page = divisor_of(problem.paged ? static_cast<u32>(problem.page_size) : 1);

  std::vector<Launch> launches;
  const u32 extra = problem.packed_q ? kRowsOfNoSequenceBlocks : 0;
  if (details.work_items + extra > 0) {
    launches.push_back({0, {details.work_items + extra, 1, 1}, bytes_of(params)});
  }
  if (config.split) {
    const auto grid = static_cast<u32>(ceil_div(rows, kCombineWarps));
    launches.push_back(
        {1, {grid, 1, 1}, bytes_of(combine_params(problem, details, tensors, params.partial))});
  }
  return launches;
}

}  // namespace fa4::plan
