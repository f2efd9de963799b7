// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.16.8: tcgen05.ld and tcgen05.st. A warp reaches a quarter of the lanes; the bits of an address that name it
// may be 0, as the hardware takes the warp's own (DeepGEMM).
#include <fmt/format.h>

#include <charconv>

#include "emu/isa/table.h"
#include "emu/isa/tcgen05_move_op.h"
#include "emu/isa/tcgen05_uniform.h"
#include "emu/machine/cluster.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

// The lane that an address names, in the CTA.
uint32_t lane_of_move(Warp& warp, const Fragment& fragment, uint32_t address) {
  // An address counts lanes modulo their number: public kernels name 128 times the rank of their CTA with them.
  const uint32_t named = (address >> 16) % kTmemLanes, quarter = warp.index % 4,
                 within = named % 32;
  const bool whole = fragment.num_lanes() == 32;
  if (named / 32 != 0 && named / 32 != quarter) {
    report(warp, Level::Error, "tmem.quarter",
           fmt::format("tensor memory: it names lane {}; warp {} of its CTA reaches lanes {} to {}",
                       named, warp.index, quarter * 32, quarter * 32 + 31));
  } else if (whole ? within != 0 : within % 16 != 0) {
    report(warp, Level::Error, "tmem.quarter",
           fmt::format(
               "tensor memory: it names lane {}; it must be {}", named,
               whole ? "the first of a quarter" : "the first or the seventeenth of a quarter"));
  }
  return quarter * 32 + (whole ? 0 : within / 16 * 16);
}

// a = address; a list: its offset, then a TmemMove.
template <class Op>
Outcome tmem_move(Warp& warp, const Instr& i) {
  need_aligned_warp(warp);
  const uint32_t* const list = warp.lists + i.extra;
  const TmemMove move(list + 1);
  const uint32_t address = uniform_value(warp, i.a, "the address") + list[0];
  const uint32_t lane = lane_of_move(warp, move.fragment, address);
  issue(std::make_unique<Op>(warp, move, lane, address & 0xffff));
  return Outcome::Yield;
}

Fragment fragment_of(Decoder& decoder, const Words& words) {
  constexpr std::pair<const char*, FragmentShape> kShapes[] = {
      {"32x32b", FragmentShape::L32x32b},
      {"16x64b", FragmentShape::L16x64b},
      {"16x128b", FragmentShape::L16x128b},
      {"16x256b", FragmentShape::L16x256b},
      {"16x32bx2", FragmentShape::L16x32bx2}};
  Fragment fragment;
  for (const auto& [word, shape] : kShapes) {
    if (words.has(word)) fragment.shape = shape;
  }
  for (const std::string_view word : words.all()) {
    if (word[0] == 'x') std::from_chars(word.data() + 1, word.data() + word.size(), fragment.count);
  }
  if (fragment.num_registers() > 128) {
    decoder.refuse(fmt::format("{} registers are more than the 128 that it may have",
                               fragment.num_registers()));
  }
  fragment.halves = words.has("pack::16b") || words.has("unpack::16b");
  return fragment;
}

TmemReduction tmem_reduction(Decoder& decoder, const Words& words) {
  TmemReduction reduction;
  if (!words.has("red")) return reduction;
  if (decoder.arch() != 103) {
    decoder.refuse(
        fmt::format("sm_103a has tcgen05.ld.red; this machine is sm_{}", decoder.arch()));
  }
  reduction.type = words.has("f32")   ? TmemReduction::Type::F32
                   : words.has("u32") ? TmemReduction::Type::U32
                                      : TmemReduction::Type::S32;
  reduction.greatest = words.has("max");
  reduction.absolute = words.has("abs");
  reduction.nan = words.has("NaN");
  return reduction;
}

void tmem_registers(Decoder& decoder, const ptx::Operand& operand, uint32_t count, bool written,
                    std::vector<uint32_t>* list) {
  if (operand.kind != ptx::Operand::Kind::Vector || operand.parts.size() != count) {
    decoder.refuse(fmt::format("this shape is of a vector of {} registers", count));
  }
  for (const ptx::Operand& part : operand.parts) {
    list->push_back(written ? decoder.row_out(part, Type::B32) : decoder.row_in(part, Type::B32));
  }
}

uint32_t tmem_split(Decoder& decoder, const ptx::Operand& operand) {
  const int64_t columns = decoder.number(operand);
  if (columns < 0 || columns >= kTmemColumns) {
    decoder.refuse(
        fmt::format("the second half begins {} columns behind the first; it must be 0 "
                    "to 511",
                    columns));
  }
  return static_cast<uint32_t>(columns);
}

// {registers}{, result}, [address]{, split}
Instr decode_tmem_load(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  Fragment fragment = fragment_of(decoder, words);
  const TmemReduction reduction = tmem_reduction(decoder, words);
  const size_t at = reduction.type == TmemReduction::Type::None ? 1 : 2;
  decoder.require_operands(text, at + 1 + fragment.is_split(), at + 1 + fragment.is_split());
  if (fragment.is_split()) fragment.split = tmem_split(decoder, text.operands[at + 1]);
  Instr instr{.exec = tmem_move<TmemLoadOp>};
  const TmemOperand address = tmem_operand(decoder, text.operands[at]);
  instr.a = address.base;
  std::vector<uint32_t> list = {static_cast<uint32_t>(address.offset)};
  const auto extra = static_cast<uint32_t>(at - 1);
  TmemMove::append(fragment, reduction, fragment.num_registers() + extra, &list);
  tmem_registers(decoder, text.operands[0], fragment.num_registers(), true, &list);
  if (extra != 0) list.push_back(decoder.row_out(text.operands[1], Type::B32));
  instr.extra = decoder.list(list);
  return instr;
}

// [address]{, split}, {registers}
Instr decode_tmem_store(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  Fragment fragment = fragment_of(decoder, words);
  const size_t at = fragment.is_split() ? 2 : 1;
  decoder.require_operands(text, at + 1, at + 1);
  if (fragment.is_split()) fragment.split = tmem_split(decoder, text.operands[1]);
  Instr instr{.exec = tmem_move<TmemStoreOp>};
  const TmemOperand address = tmem_operand(decoder, text.operands[0]);
  instr.a = address.base;
  std::vector<uint32_t> list = {static_cast<uint32_t>(address.offset)};
  TmemMove::append(fragment, {}, fragment.num_registers(), &list);
  tmem_registers(decoder, text.operands[at], fragment.num_registers(), false, &list);
  instr.extra = decoder.list(list);
  return instr;
}

#define FA4_EMU_MOVE(what, pack)                                                                  \
  "tcgen05." what                                                                                 \
  ".sync.aligned.{32x32b,16x64b,16x128b,16x256b,16x32bx2}.{x1,x2,x4,x8,x16,x32,x64,x128}{.{" pack \
  "}}.b32"
#define FA4_EMU_REDUCE "tcgen05.ld.red.sync.aligned.{32x32b,16x32bx2}.{x2,x4,x8,x16,x32,x64,x128}"

}  // namespace

std::span<const Form> tcgen05_move_forms() {
  static constexpr Form kForms[] = {
      {FA4_EMU_MOVE("ld", "pack::16b"), Unit::Matrix, Fidelity::Manual, decode_tmem_load, 100,
       "9.7.16.8.3", "", 103},
      {FA4_EMU_REDUCE ".{min,max}{.abs}{.NaN}.f32", Unit::Matrix, Fidelity::Manual,
       decode_tmem_load, 103, "9.7.16.8.3", "", 103},
      {FA4_EMU_REDUCE ".{min,max}.{u32,s32}", Unit::Matrix, Fidelity::Manual, decode_tmem_load, 103,
       "9.7.16.8.3", "", 103},
      {FA4_EMU_MOVE("st", "unpack::16b"), Unit::Matrix, Fidelity::Manual, decode_tmem_store, 100,
       "9.7.16.8.4", "", 103},
  };
  return kForms;
}

#undef FA4_EMU_MOVE
#undef FA4_EMU_REDUCE

}  // namespace fa4::emu::isa
