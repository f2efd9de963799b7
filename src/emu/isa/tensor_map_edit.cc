// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.9.28: tensor maps that a kernel changes in memory (tensormap.replace), the fences that go with it, and the
// prefetch of a map.
#include <cstring>

#include "emu/isa/bulk_operands.h"
#include "emu/isa/table.h"

namespace fa4::emu::isa {
namespace {

constexpr std::pair<std::string_view, MapField> kMapFields[] = {
    {"global_address", MapField::GlobalAddress}, {"rank", MapField::Rank},
    {"box_dim", MapField::BoxDim},               {"global_dim", MapField::GlobalDim},
    {"global_stride", MapField::GlobalStride},   {"element_stride", MapField::ElementStride},
    {"elemtype", MapField::Elemtype},            {"interleave_layout", MapField::InterleaveLayout},
    {"swizzle_mode", MapField::SwizzleMode},     {"fill_mode", MapField::FillMode},
};

// The list: map (3), field, ordinal. a: the value, of one or two rows (b).
Outcome replace_map_field(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  const Place place(list);
  const auto field = static_cast<MapField>(list[3]);
  for_each_issuer(warp, [&](int lane) {
    const uint64_t address = place.of(warp, lane);
    std::byte* map =
        resolve(warp, place.space, address, lane, kTensorMapBytes, Access::Read, 64);
    if (map == nullptr ||
        resolve(warp, place.space, address, lane, kTensorMapBytes, Access::Write, 64) == nullptr) {
      return;
    }
    const uint64_t value =
        i.b == 2 ? load64<uint64_t>(warp, i.a, lane) : warp.rows[i.a].lane[lane];
    const std::string why = replace_in_tensor_map(map, field, list[4], value);
    if (!why.empty()) bulk_fault(warp, "tmap.invalid", why);
  });
  return Outcome::Yield;
}

// [map]{, ordinal}, value
Instr decode_replace(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  Instr instr{.exec = replace_map_field};
  MapField field{};
  for (const auto& [name, known] : kMapFields) {
    if (words.has(name)) field = known;
  }
  const bool has_ordinal = field >= MapField::BoxDim && field <= MapField::ElementStride;
  const bool wide = field == MapField::GlobalAddress || field == MapField::GlobalStride;
  decoder.require_operands(text, has_ordinal ? 3 : 2, has_ordinal ? 3 : 2);
  if (words.has("b64") != wide) decoder.refuse("the field has another width");
  std::vector<uint32_t> list;
  append_place(decoder, words.has("shared::cta") ? Space::Shared : space_of(words),
               text.operands[0], &list);
  list.push_back(static_cast<uint32_t>(field));
  list.push_back(has_ordinal ? static_cast<uint32_t>(decoder.number(text.operands[1])) : 0);
  instr.a = decoder.row_in(text.operands.back(), wide ? Type::B64 : Type::B32);
  instr.b = wide ? 2 : 1;
  instr.extra = decoder.list(list);
  return instr;
}

// tensormap.cp_fenceproxy [to], [from], 128: the warp copies a map into global memory and publishes it.
Outcome publish_map(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  const Place to(list), from(list + 3);
  const int lane = std::countr_zero(warp.active);
  std::byte* source = resolve(warp, Space::Shared, from.of(warp, lane), lane, kTensorMapBytes,
                              Access::Read, kTensorMapBytes);
  std::byte* target = resolve(warp, Space::Global, to.of(warp, lane), lane, kTensorMapBytes,
                              Access::Write, kTensorMapBytes);
  if (source != nullptr && target != nullptr) std::memcpy(target, source, kTensorMapBytes);
  return Outcome::Yield;
}

void require_map_size(Decoder& decoder, const ptx::Operand& size) {
  if (decoder.number(size) != static_cast<int64_t>(kTensorMapBytes)) {
    decoder.refuse("a tensor map has 128 bytes");
  }
}

Instr decode_publish(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 3, 3);
  require_map_size(decoder, text.operands[2]);
  std::vector<uint32_t> list;
  append_place(decoder, Space::Global, text.operands[0], &list);
  append_place(decoder, Space::Shared, text.operands[1], &list);
  Instr instr{.exec = publish_map};
  instr.extra = decoder.list(list);
  return instr;
}

Outcome map_fence(Warp&, const Instr&) { return Outcome::Yield; }
Outcome map_hint(Warp&, const Instr&) { return Outcome::Next; }

// fence.proxy.tensormap::generic.acquire [map], 128; .release has no operands.
Instr decode_map_fence(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  const size_t operands = words.has("acquire") ? 2 : 0;
  decoder.require_operands(text, operands, operands);
  if (operands != 0) {
    decoder.address(text.operands[0]);
    require_map_size(decoder, text.operands[1]);
  }
  return {.exec = map_fence};
}

Instr decode_map_prefetch(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 1, 1);
  decoder.address(text.operands[0]);
  return {.exec = map_hint};
}

}  // namespace

#define FA4_EMU_MAP_SPACES "{.{global,shared::cta}}.b1024"

std::span<const Form> tensor_map_forms() {
  static constexpr Form kForms[] = {
      {"tensormap.replace.tile.{global_address,global_stride}" FA4_EMU_MAP_SPACES ".b64",
       Unit::Async, Fidelity::Exact, decode_replace, 90, "9.7.9.28.1"},
      {"tensormap.replace.tile.{rank,box_dim,global_dim,element_stride,elemtype,interleave_layout,"
       "swizzle_mode,fill_mode}" FA4_EMU_MAP_SPACES ".b32",
       Unit::Async, Fidelity::Exact, decode_replace, 90, "9.7.9.28.1"},
      {"tensormap.cp_fenceproxy.global.shared::cta.tensormap::generic.release"
       ".{cta,cluster,gpu,sys}.sync.aligned",
       Unit::Async, Fidelity::Exact, decode_publish, 90, "9.7.13.15.20"},
      {"fence.proxy.tensormap::generic.{acquire,release}.{cta,cluster,gpu,sys}", Unit::Barrier,
       Fidelity::Exact, decode_map_fence, 90, "9.7.13.4"},
      {"prefetch{.{param,const}}.tensormap", Unit::Async, Fidelity::Exact, decode_map_prefetch, 90,
       "9.7.9.16"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
