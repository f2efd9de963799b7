// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.16: allocation of tensor memory, tcgen05.wait and tcgen05.fence. The fences order nothing here: what they
// are to order, barriers between threads order, too (docs/emulator/tensor-memory.md).
#include "emu/isa/address.h"
#include "emu/isa/shared_address.h"
#include "emu/isa/table.h"
#include "emu/isa/tcgen05_uniform.h"
#include "emu/machine/cluster.h"

namespace fa4::emu::isa {
namespace {

// dst = cta_group, b = the number of columns; a list: where the address goes.
Outcome tmem_alloc(Warp& warp, const Instr& i) {
  need_aligned_warp(warp);
  Split& split = warp.splits[warp.split];
  split.wait = {};
  uint32_t column = 0;
  const uint32_t columns = uniform_value(warp, i.b, "the number of columns");
  if (!warp.cta->tmem.allocate(warp, columns, i.dst, &column)) {
    split.wait = {WaitOn::Kind::TensorMemory, 0, 0};
    return Outcome::Wait;
  }
  const Place place(warp.lists + i.extra);
  const int lane = std::countr_zero(warp.active);
  if (const std::optional<uint32_t> to = shared_address(warp, place, lane)) {
    store(warp, Space::Shared, *to, lane, &column, sizeof column);
    const Cta& cta = *warp.cta;
    const uint32_t offset = *to & kOffsetMask;
    if (*to >> kRankShift == cta.rank && offset + sizeof column <= cta.shared.size()) {
      cta.cluster->shadow.note_address(warp.agent, cta.shadow_offset(cta.shared.data() + offset));
    }
  }
  return Outcome::Yield;
}

Instr decode_tmem_alloc(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 2, 2);
  Instr instr{.exec = tmem_alloc};
  instr.dst = static_cast<uint16_t>(cta_group_of(words));
  instr.b = decoder.row_in(text.operands[1], Type::U32);
  instr.extra = decoder.list(address_list(decoder, words, text.operands[0]));
  return instr;
}

Outcome tmem_dealloc(Warp& warp, const Instr& i) {
  need_aligned_warp(warp);
  const uint32_t address = uniform_value(warp, i.a, "the address");
  const uint32_t columns = uniform_value(warp, i.b, "the number of columns");
  warp.cta->tmem.release(warp, address, columns, i.dst);
  return Outcome::Yield;
}

Instr decode_tmem_dealloc(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 2, 2);
  Instr instr{.exec = tmem_dealloc};
  instr.dst = static_cast<uint16_t>(cta_group_of(words));
  instr.a = decoder.row_in(text.operands[0], Type::U32);
  instr.b = decoder.row_in(text.operands[1], Type::U32);
  return instr;
}

Outcome tmem_relinquish(Warp& warp, const Instr& i) {
  need_aligned_warp(warp);
  warp.cta->tmem.relinquish(warp, i.dst);
  return Outcome::Yield;
}

Instr decode_tmem_relinquish(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 0, 0);
  Instr instr{.exec = tmem_relinquish};
  instr.dst = static_cast<uint16_t>(cta_group_of(words));
  return instr;
}

Outcome tmem_wait_loads(Warp& warp, const Instr&) {
  need_aligned_warp(warp);
  if (!has_waited_for_groups(warp, {WaitOn::Kind::TensorLoad, 0, 0})) return Outcome::Wait;
  warp.tensor_loads.waited(warp);
  return Outcome::Yield;
}

Outcome tmem_wait_stores(Warp& warp, const Instr&) {
  need_aligned_warp(warp);
  if (!has_waited_for_groups(warp, {WaitOn::Kind::TensorStore, 0, 0})) return Outcome::Wait;
  return Outcome::Yield;
}

Instr decode_tmem_wait(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 0, 0);
  return {.exec = words.has("wait::ld") ? tmem_wait_loads : tmem_wait_stores};
}

Outcome tmem_fence(Warp&, const Instr&) { return Outcome::Next; }

Instr decode_tmem_fence(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 0, 0);
  return {.exec = tmem_fence};
}

}  // namespace

std::span<const Form> tcgen05_memory_forms() {
  static constexpr Form kForms[] = {
      {"tcgen05.alloc.{cta_group::1,cta_group::2}.sync.aligned{.shared::cta}.b32", Unit::Matrix,
       Fidelity::Manual, decode_tmem_alloc, 100, "9.7.16.7.1", "", 103},
      {"tcgen05.dealloc.{cta_group::1,cta_group::2}.sync.aligned.b32", Unit::Matrix,
       Fidelity::Manual, decode_tmem_dealloc, 100, "9.7.16.7.1", "", 103},
      {"tcgen05.relinquish_alloc_permit.{cta_group::1,cta_group::2}.sync.aligned", Unit::Matrix,
       Fidelity::Manual, decode_tmem_relinquish, 100, "9.7.16.7.1", "", 103},
      {"tcgen05.{wait::ld,wait::st}.sync.aligned", Unit::Matrix, Fidelity::Manual, decode_tmem_wait,
       100, "9.7.16.8.5", "", 103},
      {"tcgen05.{fence::before_thread_sync,fence::after_thread_sync}", Unit::Matrix,
       Fidelity::Manual, decode_tmem_fence, 100, "9.7.16.11", "", 103},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
