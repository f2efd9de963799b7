// SPDX-License-Identifier: Apache-2.0
#include "plan/sm80_forward_specs.h"

#include <fmt/format.h>

#include "plan/kernel_params.h"

namespace fa4::plan {
namespace {

const char* schedule_text(Schedule schedule) {
  return schedule == Schedule::TwoSlots ? "fa4::Schedule::TwoSlots" : "fa4::Schedule::OneSlot";
}

// What both kernels' names and texts have in common.
template <class Config>
std::string dims_of(const Config& c) {
  std::string name = fmt::format("{}_d{}", element_name(c.element), c.head_dim);
  if (c.value_dim != c.head_dim) name += fmt::format("_v{}", c.value_dim);
  return name;
}

template <class Config>
std::string traits_suffix(const Config& c) {
  std::string name;
  if (c.q_copy_bytes + c.k_copy_bytes + c.v_copy_bytes != 48) {
    name += fmt::format("_copy{}_{}_{}", c.q_copy_bytes, c.k_copy_bytes, c.v_copy_bytes);
  }
  if (c.scores == Scores::Scaled) name += "_scaled";
  if (c.scores == Scores::Capped) name += "_softcap";
  if (c.paged) name += "_paged";
  if (c.split) name += "_split";
  return name;
}

template <class Config>
std::string traits_text(const Config& c) {
  return fmt::format(
      ".q_copy_bytes = {}, .k_copy_bytes = {}, .v_copy_bytes = {}, .scores = {}, .paged = {}",
      c.q_copy_bytes, c.k_copy_bytes, c.v_copy_bytes, scores_text(c.scores), c.paged);
}

std::string forward_entry(const Sm80ForwardConfig& c) {
  std::string name = "fa4_sm80_forward_" + dims_of(c);
  if (c.value_columns != c.value_dim) name += fmt::format("_slice{}", c.value_columns);
  name += fmt::format("_m{}x{}_n{}", c.warps, c.row_tiles * 16, c.block_keys);
  if (c.q_in_registers) name += "_qreg";
  if (c.schedule == Schedule::OneSlot) name += "_oneslot";
  if (c.packed_heads) name += "_group";
  return name + traits_suffix(c);
}

}  // namespace

KernelSpec forward_spec(const Sm80ForwardConfig& c, u32 min_blocks) {
  return {.entry = forward_entry(c),
          .header = "sm80/forward/kernel.h",
          .function = "fa4::sm80::forward::kernel",
          .config = fmt::format(
              "fa4::Sm80ForwardConfig{{.element = {}, .head_dim = {}, .value_dim = {}, "
              ".value_columns = {}, .warps = {}, .row_tiles = {}, .block_keys = {}, "
              ".q_in_registers = {}, .schedule = {}, {}, .packed_heads = {}, .split = {}}}",
              element_text(c.element), c.head_dim, c.value_dim, c.value_columns, c.warps,
              c.row_tiles, c.block_keys, c.q_in_registers, schedule_text(c.schedule),
              traits_text(c), c.packed_heads, c.split),
          .params = "fa4::Sm80ForwardParams",
          .threads = c.warps * 32,
          .min_blocks = min_blocks,
          .smem_bytes = sm80_forward_smem_bytes(c)};
}

KernelSpec decode_spec(const Sm80DecodeConfig& c, u32 min_blocks) {
  return {.entry = fmt::format("fa4_sm80_decode_{}_m{}_s{}{}", dims_of(c), c.row_tiles * 16,
                               c.depth, traits_suffix(c)),
          .header = "sm80/decode/kernel.h",
          .function = "fa4::sm80::decode::kernel",
          .config = fmt::format("fa4::Sm80DecodeConfig{{.element = {}, .head_dim = {}, "
                                ".value_dim = {}, .row_tiles = {}, .depth = {}, "
                                ".q_in_registers = {}, {}, .split = {}}}",
                                element_text(c.element), c.head_dim, c.value_dim, c.row_tiles,
                                c.depth, c.q_in_registers, traits_text(c), c.split),
          .params = "fa4::Sm80ForwardParams",
          .threads = kSm80DecodeWarps * 32,
          .min_blocks = min_blocks,
          .smem_bytes = sm80_decode_smem_bytes(c)};
}

KernelSpec combine_spec(ElementType element) {
  return {.entry = fmt::format("fa4_combine_{}", element_name(element)),
          .header = "any/combine.h",
          .function = "fa4::any::combine",
          .config = fmt::format("fa4::CombineConfig{{.element = {}}}", element_text(element)),
          .params = "fa4::CombineParams",
          .threads = kCombineWarps * 32};
}

}  // namespace fa4::plan
