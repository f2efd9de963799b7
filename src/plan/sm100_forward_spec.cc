// SPDX-License-Identifier: Apache-2.0
// From a config of the sm100 forward to the kernel as it is compiled, with the names of its roles and barriers.
#include <fmt/format.h>

#include "abi/sm100_forward_storage.h"
#include "plan/kernel_params.h"
#include "plan/sm100_forward.h"

namespace fa4::plan {
namespace {

std::string sm100_forward_entry(const Sm100ForwardConfig& c) {
  std::string name = fmt::format("fa4_sm100_forward_{}_d{}", element_name(c.element), c.head_dim);
  if (c.value_dim != c.head_dim) name += fmt::format("_v{}", c.value_dim);
  if (c.scores == Scores::Scaled) name += "_scaled";
  if (c.scores == Scores::Capped) name += "_softcap";
  if (c.left_bound) name += "_left";
  name += fmt::format("_exp{}", c.exp2.period);
  if (c.exp2.period != 0 && c.exp2.first_quarter != 1)
    name += fmt::format("q{}", c.exp2.first_quarter);
  if (c.maximum_by_load) name += "_ldmax";
  if (c.claims_tiles) name += "_claims";
  return name;
}

std::vector<SharedLabel> shared_labels(const Sm100ForwardConfig& config) {
  using namespace sm100::forward;
  const Storage at = storage_of(config);
  std::vector<SharedLabel> labels;
  if (!out_lies_over_q(config)) labels.push_back({"out", at.out, at.out_bytes, kQueryTiles});
  labels.push_back({"q", at.q, at.q_bytes, kQueryTiles});
  if (has_uneven_ring(config)) {
    labels.push_back({"ring", at.ring, at.row_scale - at.ring, 1});
  } else {
    labels.push_back({"kv", at.ring, at.slot_bytes, at.slots});
  }
  labels.push_back({"row_scale", at.row_scale, kTileRows * 4, kQueryTiles});
  labels.push_back({"row_max", at.row_max, kTileRows * 4, kQueryTiles});
  labels.push_back({"claim", at.claim, 16, 1});
  labels.push_back({"tmem_address", at.tmem_address, 4, 1});
  for (u32 b = 0; b < kNumBarriers; ++b) {
    const BarrierRow row = barrier_row(static_cast<Barrier>(b), at.slots, config.claims_tiles);
    if (row.count == 0) continue;
    labels.push_back({row.name, at.barriers[b], sizeof(Mbarrier), row.count});
  }
  return labels;
}

// P lies over the second half of its S: both are named there.
std::vector<TensorLabel> tensor_labels(const Sm100ForwardConfig& config) {
  using namespace sm100::forward;
  std::vector<TensorLabel> labels;
  for (u32 tile = 0; tile < kQueryTiles; ++tile) {
    labels.push_back({fmt::format("S{}", tile), s_column(tile), kBlockKeys / 2, 1});
    labels.push_back({fmt::format("S{0}/P{0}", tile), p_column(tile), kBlockKeys / 2, 1});
    labels.push_back({fmt::format("O{}", tile), o_column(config, tile), config.value_dim, 1});
  }
  return labels;
}

std::vector<WarpLabel> warp_labels() {
  std::vector<WarpLabel> labels;
  for (const sm100::forward::RoleRow& role : sm100::forward::kRoles) {
    labels.push_back({role.first_warp, role.first_warp + role.num_warps - 1, role.name});
  }
  return labels;
}

}  // namespace

KernelSpec sm100_forward_spec(const Sm100ForwardConfig& c) {
  return {.entry = sm100_forward_entry(c),
          .header = "sm100/forward/kernel.h",
          .function = "fa4::sm100::forward::kernel",
          .config = fmt::format(
              "fa4::Sm100ForwardConfig{{.element = {}, .head_dim = {}, .value_dim = {}, "
              ".scores = {}, .left_bound = {}, .exp2 = {{.period = {}, .first_quarter = {}}}, "
              ".maximum_by_load = {}, .claims_tiles = {}}}",
              element_text(c.element), c.head_dim, c.value_dim, scores_text(c.scores), c.left_bound,
              c.exp2.period, c.exp2.first_quarter, c.maximum_by_load, c.claims_tiles),
          .params = "fa4::Sm100ForwardParams",
          .threads = sm100::forward::kThreads,
          .min_blocks = 1,
          .smem_bytes = sm100::forward::smem_bytes(c),
          .cluster = 1,
          .warps = warp_labels(),
          .shared = shared_labels(c),
          .tensor = tensor_labels(c)};
}

}  // namespace fa4::plan
