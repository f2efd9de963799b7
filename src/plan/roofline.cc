// SPDX-License-Identifier: Apache-2.0
// Tested in tests/unit/roofline_test.cc against the published cycles.
#include "plan/roofline.h"

#include <algorithm>

namespace fa4::plan {
namespace {

constexpr double kTileQueries = 128, kTileKeys = 128;
constexpr double kElementBytes = 2, kScoreBytes = 4;

double padded_to_step(int64_t dim) { return static_cast<double>((dim + 15) / 16 * 16); }

}  // namespace

std::optional<UnitRates> unit_rates(int compute_capability) {
  // MMA, exponentials, shared memory: "FlashAttention-4" (arXiv 2603.05451), section 2; of sm_103 the exponentials are
  // the vendor's figure. Tensor memory: others' measurement on a B300. A lower one exists (58 B/clk, arXiv 2512.02189),
  // but is below the 64 that FlashAttention-4's published rate at head dim 64 takes.
  switch (compute_capability) {
    case 100:
      return UnitRates{8192, 16, 128, 228};
    case 103:
      return UnitRates{8192, 32, 128, 228};
    default:
      return std::nullopt;
  }
}

std::optional<Roofline> roofline(const Problem& problem, Pass pass, const DeviceFacts& device,
                                 double fma_share) {
  const std::optional<UnitRates> rates = unit_rates(device.compute_capability);
  const bool halves = problem.q.dtype == Dtype::BFloat16 || problem.q.dtype == Dtype::Float16;
  if (!rates || !halves || pass != Pass::Forward) return std::nullopt;
  const double d = padded_to_step(problem.head_dim), dv = padded_to_step(problem.value_dim);

  const double flops = 2 * kTileQueries * kTileKeys * (d + dv);
  // S = Q K^T reads both operands from shared memory; O += P V only V, since P is in tensor memory.
  const double shared_bytes = (kTileQueries * d + kTileKeys * d + kTileKeys * dv) * kElementBytes;
  // The softmax loads S and stores P. That the accumulators of an MMA are there is part of its rate, and O is
  // rescaled too seldom to count.
  const double tensor_mem_bytes = kTileQueries * kTileKeys * (kScoreBytes + kElementBytes);

  Roofline result{
      .query_rows = static_cast<int64_t>(kTileQueries),
      .key_rows = static_cast<int64_t>(kTileKeys),
      .fma_share = fma_share,
      .cycles = {{"mma", flops / rates->mma_flops},
                 {"exponential", kTileQueries * kTileKeys * (1 - fma_share) / rates->exponentials},
                 {"shared_memory", shared_bytes / rates->shared_bytes},
                 {"tensor_memory", tensor_mem_bytes / rates->tensor_mem_bytes}},
      .bound = {}};
  double most = 0;
  for (const auto& [unit, cycles] : result.cycles) most = std::max(most, cycles);
  for (const auto& [unit, cycles] : result.cycles) {
    if (cycles == most) result.bound.push_back(unit);
  }
  return result;
}

}  // namespace fa4::plan
