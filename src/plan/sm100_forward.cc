// SPDX-License-Identifier: Apache-2.0
// Tested in tests/unit/sm100_plan_test.cc.
#include "plan/sm100_forward.h"

#include <fmt/format.h>

#include <algorithm>
#include <any>
#include <bit>
#include <cstddef>

#include "abi/sm100_forward_storage.h"
#include "plan/kernel_params.h"

namespace fa4::plan {
namespace {

namespace shape = sm100::forward;

constexpr int64_t kMostTiles = (int64_t{1} << 31) - 1;

struct Sm100ForwardDetails {
  Sm100ForwardConfig config;
  u32 group = 1;  // heads whose rows share a tile
  u32 row_tiles = 0, streams = 0, streams_per_group = 1, heads_per_stream = 1, num_tiles = 0;
  u32 grid = 0;
};

// Heads of a group share tiles where they divide the 128 rows of one: K and V are then read once for all of them.
u32 packed_group(const Problem& problem) {
  const auto group = static_cast<uint64_t>(problem.group());
  const bool fits = group <= shape::kTileRows && std::has_single_bit(group) &&
                    problem.seq_q * problem.group() <= kMaxLength;
  return fits ? static_cast<u32>(group) : 1;
}

// The published choices of FlashAttention-4 for one CTA per tile; none was measured here, where there is no Blackwell.
// sm_103 has twice the exponential units and wants none.
Exp2Share choose_exp2_share(u32 head_dim, int compute_capability) {
  if (compute_capability == 103) return {.period = 0};
  if (head_dim > 128) return {.period = 32};
  return {.period = 16};
}

int64_t num_row_tiles(const Problem& problem, u32 group) {
  return (problem.seq_q * group + shape::kCtaRows - 1) / shape::kCtaRows;
}

bool is_masked(const Problem& problem) {
  return problem.window_left != kOpen || problem.window_right != kOpen;
}

Sm100ForwardDetails plan_sm100_forward(const Problem& problem, const DeviceFacts& device,
                                       bool claims_tiles) {
  Sm100ForwardDetails details;
  Sm100ForwardConfig& config = details.config;
  config.element = element_of(problem);
  config.head_dim = padded_dim(static_cast<u32>(problem.head_dim));
  config.value_dim = padded_dim(static_cast<u32>(problem.value_dim));
  config.scores = scores_of(problem);
  config.left_bound = problem.window_left != kOpen;
  config.exp2 = choose_exp2_share(config.head_dim, device.compute_capability);
  config.maximum_by_load = device.compute_capability == 103;
  config.claims_tiles = claims_tiles;
  details.group = packed_group(problem);
  details.row_tiles = static_cast<u32>(num_row_tiles(problem, details.group));
  details.streams = static_cast<u32>(problem.batch * problem.kv_heads);
  details.heads_per_stream = static_cast<u32>(problem.group()) / details.group;
  details.streams_per_group = streams_per_group(problem, device, std::max(1u, details.streams));
  details.num_tiles = details.row_tiles * details.streams * details.heads_per_stream;
  // Tiles of equal length: as many CTAs as there are SMs walk over them. Else a CTA each, longest first, so that the
  // device evens them out; or those that run claim the others, whatever their length.
  const bool even = !is_masked(problem) && !problem.packed_q && !problem.packed_k &&
                    !problem.has_query_lengths && !problem.has_key_lengths;
  details.grid = even && !claims_tiles
                     ? std::min(details.num_tiles, static_cast<u32>(device.num_sms))
                     : details.num_tiles;
  return details;
}

Status supports_dims(const Problem& problem) {
  const int64_t d = problem.head_dim, dv = problem.value_dim;
  if (d % 8 != 0 || dv % 8 != 0 || d < 8 || dv < 8 || d > shape::kMostHeadDim ||
      dv > shape::kMostValueDim) {
    return unsupported(
        "the head dims of k and v are {} and {}; kernel \"sm100\" takes multiples of 8 up to {} and {}",
        d, dv, shape::kMostHeadDim, shape::kMostValueDim);
  }
  if (padded_dim(static_cast<u32>(dv)) > padded_dim(static_cast<u32>(d))) {
    return unsupported(
        "the head dims of k and v are {} and {}; in kernel \"sm100\" v's is not larger", d, dv);
  }
  return {};
}

// Where the plan chooses the splits: few queries before many keys, as in decoding, are faster with the keys split over the
// SMs. Never where a row's result must not depend on the batch.
Status wants_no_splits(const Problem& problem, const DeviceFacts& device) {
  constexpr int64_t kMostKeys = 2048;
  if (problem.num_splits == 1 || problem.batch_invariant) return {};
  const int64_t tiles = problem.batch * problem.heads / packed_group(problem);
  if (problem.seq_q * problem.group() > shape::kTileRows || problem.seq_k <= kMostKeys ||
      2 * tiles > device.num_sms) {
    return {};
  }
  return unsupported(
      "the {} tiles would leave most of {} SMs idle, and kernel \"sm100\" does not split the {} keys; num_splits = 1 asks for no splits",
      tiles, device.num_sms, problem.seq_k);
}

}  // namespace

double fma_share(const Exp2Share& share) {
  // Four of every `period` columns, in quarters of 32 from the first to the third.
  if (share.period == 0 || share.first_quarter > 2) return 0;
  const u32 columns = (3 - share.first_quarter) * (32 / share.period) * 4;
  return static_cast<double>(columns) / shape::kBlockKeys;
}

Status supports_sm100_forward(const Problem& problem, const DeviceFacts& device) {
  if (problem.q.dtype != Dtype::BFloat16 && problem.q.dtype != Dtype::Float16) {
    return unsupported("q is {}; kernel \"sm100\" takes bfloat16 and float16",
                       name_of(problem.q.dtype));
  }
  FA4_RETURN_IF_ERROR(supports_dims(problem));
  if (problem.paged) return unsupported("the keys are in pages; kernel \"sm100\" takes none");
  if (problem.num_splits > 1) {
    return unsupported("num_splits is {}; kernel \"sm100\" does not split the keys",
                       problem.num_splits);
  }
  if (problem.seq_q > kMaxLength || problem.seq_k > kMaxLength) {
    return unsupported("the sequences have up to {} queries and {} keys; kernel \"sm100\" takes {}",
                       problem.seq_q, problem.seq_k, kMaxLength);
  }
  if (problem.seq_k == 0 || problem.total_k == 0) {
    return unsupported("there are no keys; kernel \"sm100\" takes at least one");
  }
  const int64_t total_q = problem.packed_q ? problem.total_q : problem.seq_q;
  const int64_t total_k = problem.packed_k ? problem.total_k : problem.seq_k;
  if (total_q > kMaxLength || total_k > kMaxLength) {
    return unsupported("q has {} rows and k has {}; kernel \"sm100\" takes {} of each", total_q,
                       total_k, kMaxLength);
  }
  const int64_t q_batch = problem.packed_q ? 1 : problem.batch;
  const int64_t k_batch = problem.packed_k ? 1 : problem.batch;
  FA4_RETURN_IF_ERROR(tma_serves(problem.q, "q", q_batch, total_q, problem.heads));
  FA4_RETURN_IF_ERROR(tma_serves(problem.k, "k", k_batch, total_k, problem.kv_heads));
  FA4_RETURN_IF_ERROR(tma_serves(problem.v, "v", k_batch, total_k, problem.kv_heads));
  const int64_t tiles = num_row_tiles(problem, 1) * problem.heads;
  if (problem.batch > 0 && tiles > kMostTiles / problem.batch) {
    return unsupported(
        "batch {} with {} heads and up to {} queries needs more than the {} blocks of a grid",
        problem.batch, problem.heads, problem.seq_q, kMostTiles);
  }
  return wants_no_splits(problem, device);
}

FamilyPlan prepare_sm100_forward(const Problem& problem, const DeviceFacts& device,
                                 bool claims_tiles) {
  const Sm100ForwardDetails details = plan_sm100_forward(problem, device, claims_tiles);
  FamilyPlan plan;
  plan.kernels.push_back(sm100_forward_spec(details.config));
  plan.tiles = {{"query_rows", shape::kCtaRows},
                {"key_rows", shape::kBlockKeys},
                {"kv_slots", shape::storage_of(details.config).slots},
                {"shared_bytes", plan.kernels[0].smem_bytes},
                {"heads_per_tile", details.group},
                {"tiles", details.num_tiles}};
  plan.grid = details.grid;
  plan.fma_exponentials = fma_share(details.config.exp2);
  plan.details = details;
  return plan;
}

std::vector<Launch> sm100_forward_launches(const Problem& problem, const FamilyPlan& plan,
                                           const ForwardTensors& tensors) {
  const auto& details = std::any_cast<const Sm100ForwardDetails&>(plan.details);
  if (problem.total_q * problem.heads == 0) return {};

  Sm100ForwardParams params{};
  params.problem = problem_params(problem);
  params.out = rows_param(tensors.out);
  if (tensors.has_lse) params.lse = lse_param(tensors.lse);
  const ScoreScales scales = scales_of(problem);
  params.score_scale = static_cast<float>(scales.score);
  params.exponent_scale = static_cast<float>(scales.exponent);
  params.group_log2 = static_cast<u32>(std::countr_zero(details.group));
  params.heads_per_stream = details.heads_per_stream;
  params.row_tiles = details.row_tiles;
  params.streams = details.streams;
  params.streams_per_group = details.streams_per_group;
  params.num_tiles = details.num_tiles;
  params.clear_tails = problem.packed_k || problem.has_key_lengths;
  params.out_vector = takes_vectors(tensors.out, problem.value_dim);
  const bool all_rows_count = !problem.packed_q && !problem.has_query_lengths;
  params.out_by_tma =
      all_rows_count && params.out_vector &&
      tma_serves(tensors.out, "out", problem.batch, problem.seq_q, problem.heads).ok();

  Launch launch{0, {std::max(1u, details.grid), 1, 1}, bytes_of(params)};
  using Params = Sm100ForwardParams;
  launch.maps.push_back(
      query_map(problem, problem.q, problem.head_dim, details.group, offsetof(Params, q_map)));
  launch.maps.push_back(key_map(problem, problem.k, problem.head_dim, offsetof(Params, k_map)));
  launch.maps.push_back(key_map(problem, problem.v, problem.value_dim, offsetof(Params, v_map)));
  if (params.out_by_tma) {
    launch.maps.push_back(query_map(problem, tensors.out, problem.value_dim, details.group,
                                    offsetof(Params, out_map)));
  }
  return {launch};
}

}  // namespace fa4::plan
