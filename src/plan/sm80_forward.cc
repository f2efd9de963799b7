// SPDX-License-Identifier: Apache-2.0
#include "plan/sm80_forward.h"

#include <fmt/format.h>

#include <algorithm>
#include <any>

#include "plan/sm80_params.h"

namespace fa4::plan {
namespace {

constexpr int64_t kMaxGrid = (int64_t{1} << 31) - 1;
constexpr int64_t kMaxPartialRows = int64_t{1} << 30;  // the combine counts rows in 31 bits
constexpr int64_t kMinSplitKeys = 256;                 // below, merging costs more than it brings
constexpr int64_t kInvariantSplitKeys = 512;
constexpr int64_t kFewRows = 64;            // of a group: no row tile is full, keys are split
constexpr u32 kRowsOfNoSequenceBlocks = 8;  // they loop; mostly there is nothing to write

int64_t ceil_div(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

struct Details {
  Sm80ForwardConfig config;
  u32 tiles = 0, streams = 0, streams_per_group = 1, num_splits = 1, split_keys = 0;
  u32 value_slices = 1, work_items = 0;
};

u32 block_rows(const Sm80ForwardConfig& config) { return config.warps * config.row_tiles * 16; }

// Query heads of a group share a tile when it would be mostly empty without them.
bool packs_heads(const Problem& problem, u32 rows) {
  if (problem.group() == 1) return false;
  if (problem.seq_q * problem.group() > kMaxLength) return false;
  const int64_t padded = ceil_div(problem.seq_q, rows) * rows;
  return problem.seq_q * problem.group() <= 2 * rows || problem.seq_q * 10 < padded * 6;
}

void choose_splits(const Problem& problem, const DeviceFacts& device, int64_t items,
                   int64_t blocks_per_sm, Details* details) {
  const int64_t rows = problem.total_q * problem.heads;
  if (problem.seq_k == 0 || rows > kMaxPartialRows || problem.num_splits == 1) return;
  if (problem.num_splits > 1) {
    details->num_splits = static_cast<u32>(problem.num_splits);
  } else if (problem.batch_invariant) {
    // A function of the shape of a sequence alone; packed bounds would be those of the batch.
    if (problem.packed_q || problem.seq_q * problem.group() > kFewRows) return;
    details->split_keys = kInvariantSplitKeys;
    details->num_splits = static_cast<u32>(ceil_div(problem.seq_k, kInvariantSplitKeys));
  } else {
    const int64_t slots = device.num_sms * blocks_per_sm;
    if (items * 2 > slots) return;
    details->num_splits = static_cast<u32>(
        std::clamp<int64_t>(slots / items, 1, ceil_div(problem.seq_k, kMinSplitKeys)));
  }
}

// As many K/V streams as fill half of the L2, so that what runs at the same time finds them there.
u32 streams_per_group(const Problem& problem, const DeviceFacts& device, u32 streams) {
  const int64_t bytes =
      std::max<int64_t>(1, problem.seq_k * (problem.head_dim + problem.value_dim) * 2);
  return static_cast<u32>(std::clamp<int64_t>(device.l2_bytes / 2 / bytes, 1, streams));
}

Details plan_details(const Problem& problem, const DeviceFacts& device, u32* min_blocks) {
  Details details;
  Sm80ForwardConfig& config = details.config;
  choose_forward_tile(static_cast<u32>(problem.head_dim), static_cast<u32>(problem.value_dim),
                      device, &config, min_blocks);
  config.element = element_of(problem);
  config.q_copy_bytes = copy_bytes(problem.q, problem.head_dim);
  config.k_copy_bytes = copy_bytes(problem.k, problem.head_dim);
  config.v_copy_bytes = copy_bytes(problem.v, problem.value_dim);
  config.scores = problem.softcap > 0  ? Scores::Capped
                  : problem.scale <= 0 ? Scores::Scaled
                                       : Scores::Plain;
  config.paged = problem.paged;
  config.packed_heads = packs_heads(problem, block_rows(config));

  const int64_t group = problem.group();
  const int64_t rows = problem.seq_q * (config.packed_heads ? group : 1);
  details.tiles = static_cast<u32>(ceil_div(rows, block_rows(config)));
  details.streams = static_cast<u32>(problem.batch * problem.kv_heads);
  details.value_slices = fa4::ceil_div(config.value_dim, config.value_columns);
  const int64_t items = int64_t{details.tiles} * details.streams *
                        (config.packed_heads ? 1 : group) * details.value_slices;
  if (items > 0) choose_splits(problem, device, items, *min_blocks, &details);
  config.split = details.num_splits > 1 || details.split_keys > 0;
  details.streams_per_group = streams_per_group(problem, device, std::max(1u, details.streams));
  details.work_items = static_cast<u32>(std::min(items * details.num_splits, kMaxGrid));
  return details;
}

const char* element_name(ElementType element) {
  return element == ElementType::BFloat16 ? "bf16" : "fp16";
}

std::string entry_of(const Sm80ForwardConfig& c) {
  std::string name = fmt::format("fa4_sm80_forward_{}_d{}", element_name(c.element), c.head_dim);
  if (c.value_dim != c.head_dim) name += fmt::format("_v{}", c.value_dim);
  if (c.value_columns != c.value_dim) name += fmt::format("_slice{}", c.value_columns);
  name += fmt::format("_m{}x{}_n{}", c.warps, c.row_tiles * 16, c.block_keys);
  if (c.q_in_registers) name += "_qreg";
  if (c.q_copy_bytes + c.k_copy_bytes + c.v_copy_bytes != 48) {
    name += fmt::format("_copy{}_{}_{}", c.q_copy_bytes, c.k_copy_bytes, c.v_copy_bytes);
  }
  if (c.scores == Scores::Scaled) name += "_scaled";
  if (c.scores == Scores::Capped) name += "_softcap";
  if (c.paged) name += "_paged";
  if (c.packed_heads) name += "_group";
  if (c.split) name += "_split";
  return name;
}

const char* element_text(ElementType element) {
  return element == ElementType::BFloat16 ? "fa4::ElementType::BFloat16"
                                          : "fa4::ElementType::Float16";
}

const char* scores_text(Scores scores) {
  switch (scores) {
    case Scores::Plain:
      return "fa4::Scores::Plain";
    case Scores::Scaled:
      return "fa4::Scores::Scaled";
    case Scores::Capped:
      return "fa4::Scores::Capped";
  }
  return "";
}

std::string config_text(const Sm80ForwardConfig& c) {
  return fmt::format(
      "fa4::Sm80ForwardConfig{{.element = {}, .head_dim = {}, .value_dim = {}, .value_columns = {}, "
      ".warps = {}, .row_tiles = {}, .block_keys = {}, .q_in_registers = {}, .q_copy_bytes = {}, "
      ".k_copy_bytes = {}, .v_copy_bytes = {}, .scores = {}, .paged = {}, .packed_heads = {}, "
      ".split = {}}}",
      element_text(c.element), c.head_dim, c.value_dim, c.value_columns, c.warps, c.row_tiles,
      c.block_keys, c.q_in_registers, c.q_copy_bytes, c.k_copy_bytes, c.v_copy_bytes,
      scores_text(c.scores), c.paged, c.packed_heads, c.split);
}

KernelSpec main_kernel(const Sm80ForwardConfig& config, u32 min_blocks) {
  return {.entry = entry_of(config),
          .header = "sm80/forward/kernel.h",
          .function = "fa4::sm80::forward::kernel",
          .config = config_text(config),
          .params = "fa4::Sm80ForwardParams",
          .threads = config.warps * 32,
          .min_blocks = min_blocks,
          .smem_bytes = sm80_forward_smem_bytes(config)};
}

KernelSpec combine_kernel(ElementType element) {
  return {.entry = fmt::format("fa4_combine_{}", element_name(element)),
          .header = "any/combine.h",
          .function = "fa4::any::combine",
          .config = fmt::format("fa4::CombineConfig{{.element = {}}}", element_text(element)),
          .params = "fa4::CombineParams",
          .threads = kCombineWarps * 32};
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

bool takes_vectors(const RowsView& view, int64_t dim) {
  return view.alignment % 16 == 0 && reinterpret_cast<uintptr_t>(view.data) % 16 == 0 &&
         copy_bytes(view, dim) == 16;
}

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
  Sm80ForwardConfig config;
  u32 min_blocks = 1;
  if (!choose_forward_tile(static_cast<u32>(problem.head_dim), static_cast<u32>(problem.value_dim),
                           device, &config, &min_blocks)) {
    return unsupported(
        "head dims {} and {} need {} bytes of shared memory; kernel \"sm80\" has {} on this device",
        problem.head_dim, problem.value_dim, sm80_forward_smem_bytes(config),
        device.smem_per_block_bytes);
  }
  const int64_t tiles = ceil_div(problem.seq_q * problem.heads, block_rows(config));
  const int64_t items = problem.batch * (tiles + problem.heads);
  if (items > kMaxGrid / 4 || problem.batch * problem.kv_heads > kMaxGrid / 4) {
    return unsupported("the problem has {} tiles of queries; kernel \"sm80\" takes {}", items,
                       kMaxGrid / 4);
  }
  return {};
}

FamilyPlan prepare_forward(const Problem& problem, const DeviceFacts& device) {
  FamilyPlan plan;
  u32 min_blocks = 1;
  const Details details = plan_details(problem, device, &min_blocks);
  const Sm80ForwardConfig& config = details.config;
  plan.kernels.push_back(main_kernel(config, min_blocks));
  if (config.split) {
    plan.kernels.push_back(combine_kernel(config.element));
    const PartialSizes sizes(problem, details.num_splits);
    plan.workspace_bytes = sizes.lse_bytes + sizes.out_bytes;
  }
  plan.tiles = {{"query_rows", block_rows(config)},
                {"key_rows", config.block_keys},
                {"warps", config.warps},
                {"stages", kSm80ForwardStages},
                {"shared_bytes", sm80_forward_smem_bytes(config)},
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
  constexpr float kLog2E = 1.4426950408889634f;
  const bool plain = config.scores == Scores::Plain;
  params.score_scale = plain ? 1 : params.problem.scale;
  params.exponent_scale = plain ? static_cast<float>(problem.scale * 1.4426950408889634) : kLog2E;
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
