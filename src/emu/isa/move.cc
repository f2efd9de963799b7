// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.9, data movement within registers: mov, cvta, isspacep.
#include <array>

#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/table.h"
#include "emu/machine/cta.h"

namespace fa4::emu::isa {
namespace {

Outcome move_row(Warp& warp, const Instr& i) {
  Row& d = warp.rows[i.dst];
  const Row& a = warp.rows[i.a];
  for_active(warp, [&](int lane) { d.lane[lane] = a.lane[lane]; });
  return Outcome::Next;
}

Outcome move_two_rows(Warp& warp, const Instr& i) {
  for (int row = 0; row < 2; ++row) {
    Row& d = warp.rows[i.dst + row];
    const Row& a = warp.rows[i.a + row];
    for_active(warp, [&](int lane) { d.lane[lane] = a.lane[lane]; });
  }
  return Outcome::Next;
}

// {a, b, ...} into or out of one register, first element lowest. The list: elements, bits of each, their rows.
// Values pass through a buffer, since source and destination may be the same registers.
Outcome move_pack(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  const uint32_t count = list[0], bits = list[1];
  for_active(warp, [&](int lane) {
    std::array<uint32_t, 4> words{};
    for (uint32_t e = 0; e < count; ++e) {
      const uint32_t at = e * bits;
      if (bits == 64) {
        words[2 * e] = warp.rows[list[2 + e]].lane[lane];
        words[2 * e + 1] = warp.rows[list[2 + e] + 1].lane[lane];
      } else {
        const uint32_t mask = bits == 32 ? ~0u : (1u << bits) - 1;
        words[at / 32] |= (warp.rows[list[2 + e]].lane[lane] & mask) << at % 32;
      }
    }
    const uint32_t rows = (count * bits + 31) / 32;
    for (uint32_t row = 0; row < rows; ++row) warp.rows[i.dst + row].lane[lane] = words[row];
  });
  return Outcome::Next;
}

Outcome move_unpack(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  const uint32_t count = list[0], bits = list[1];
  for_active(warp, [&](int lane) {
    std::array<uint32_t, 4> words{};
    const uint32_t rows = (count * bits + 31) / 32;
    for (uint32_t row = 0; row < rows; ++row) words[row] = warp.rows[i.a + row].lane[lane];
    for (uint32_t e = 0; e < count; ++e) {
      const uint32_t at = e * bits;
      if (bits == 64) {
        warp.rows[list[2 + e]].lane[lane] = words[2 * e];
        warp.rows[list[2 + e] + 1].lane[lane] = words[2 * e + 1];
      } else {
        const uint32_t mask = bits == 32 ? ~0u : (1u << bits) - 1;
        warp.rows[list[2 + e]].lane[lane] = words[at / 32] >> at % 32 & mask;
      }
    }
  });
  return Outcome::Next;
}

// Virtual time: the instructions that the warp has retired.
Outcome move_clock(Warp& warp, const Instr& i) {
  for_active(warp, [&](int lane) {
    warp.rows[i.dst].lane[lane] = static_cast<uint32_t>(warp.retired);
    if (i.extra == 64) warp.rows[i.dst + 1].lane[lane] = static_cast<uint32_t>(warp.retired >> 32);
  });
  return Outcome::Yield;
}

Type element_type(uint32_t bits) {
  switch (bits) {
    case 8:
      return Type::B8;
    case 16:
      return Type::B16;
    case 32:
      return Type::B32;
    default:
      return Type::B64;
  }
}

Instr decode_move(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 2, 2);
  const Type type = words.type();
  const ptx::Operand& d = text.operands[0];
  const ptx::Operand& a = text.operands[1];
  const bool unpack = d.kind == ptx::Operand::Kind::Vector;
  if (unpack || a.kind == ptx::Operand::Kind::Vector) {
    const std::vector<ptx::Operand>& parts = (unpack ? d : a).parts;
    const auto count = static_cast<uint32_t>(parts.size());
    const uint32_t bits = bits_of(type) / count;
    if (count != 2 && count != 4 && count != 8)
      decoder.refuse("a vector of mov has 2, 4 or 8 elements");
    if (bits * count != bits_of(type) || bits < 8) {
      decoder.refuse("the elements of a vector must fill the register");
    }
    std::vector<uint32_t> list = {count, bits};
    for (const ptx::Operand& part : parts) {
      list.push_back(unpack ? decoder.row_out(part, element_type(bits))
                            : decoder.row_in(part, element_type(bits)));
    }
    Instr instr{.exec = unpack ? move_unpack : move_pack};
    instr.extra = decoder.list(list);
    if (unpack) {
      instr.a = decoder.row_in(a, type);
    } else {
      instr.dst = decoder.row_out(d, type);
    }
    return instr;
  }
  if (a.kind == ptx::Operand::Kind::Name &&
      (a.name == "%clock" || a.name == "%clock64" || a.name == "%globaltimer" ||
       a.name == "%clock_hi" || a.name == "%globaltimer_lo" || a.name == "%globaltimer_hi")) {
    if (a.name == "%clock_hi" || a.name == "%globaltimer_hi") {
      decoder.refuse("the high words of clocks are not served; read the 64-bit register");
    }
    Instr instr{.exec = move_clock};
    instr.dst = decoder.row_out(d, type);
    instr.extra = bits_of(type);
    return instr;
  }
  if (bits_of(type) == 128)
    decoder.refuse("mov.b128 packs or unpacks; both sides are registers here");
  return decoder.unary(bits_of(type) == 64 ? move_two_rows : move_row, text, type, type);
}

// Between a generic address and one of a space. Windows are added and taken away; null stays null in no space.
template <uint64_t Window, bool ToSpace>
Outcome convert_address(Warp& warp, const Instr& i) {
  for_active(warp, [&](int lane) {
    const auto address = load64<uint64_t>(warp, i.a, lane);
    store64<uint64_t>(&warp.rows[i.dst], lane, ToSpace ? address & ~Window : address | Window);
  });
  return Outcome::Next;
}

template <uint64_t Window>
ExecFn converter(bool to_space) {
  return to_space ? convert_address<Window, true> : convert_address<Window, false>;
}

Instr decode_cvta(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  const bool to = words.has("to");
  ExecFn exec = move_two_rows;  // global and const addresses are generic ones
  if (words.has("shared") || words.has("shared::cta") || words.has("shared::cluster")) {
    exec = converter<kSharedWindow>(to);
  }
  if (words.has("local")) exec = converter<kLocalWindow>(to);
  if (words.has("param")) exec = converter<kParamWindow>(to);
  return decoder.unary(exec, text, Type::U64, Type::U64);
}

// .shared and .shared::cta: of this CTA; .shared::cluster: of any.
Outcome is_own_shared(Warp& warp, const Instr& i) {
  LaneMask result = 0;
  for_each_lane(warp.active, [&](int lane) {
    const auto address = load64<uint64_t>(warp, i.a, lane);
    if (address >> kRankShift == (kSharedWindow >> kRankShift | warp.cta->rank)) {
      result |= LaneMask{1} << lane;
    }
  });
  set_predicate(warp, i.dst, result);
  return Outcome::Next;
}

template <uint64_t Window>
Outcome is_space(Warp& warp, const Instr& i) {
  LaneMask result = 0;
  for_each_lane(warp.active, [&](int lane) {
    const auto address = load64<uint64_t>(warp, i.a, lane);
    if (address >> 56 == Window >> 56) result |= LaneMask{1} << lane;
  });
  set_predicate(warp, i.dst, result);
  return Outcome::Next;
}

Instr decode_isspacep(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 2, 2);
  Instr instr{.exec = is_space<0>};
  if (words.has("shared") || words.has("shared::cta")) instr.exec = is_own_shared;
  if (words.has("shared::cluster")) instr.exec = is_space<kSharedWindow>;
  if (words.has("local")) instr.exec = is_space<kLocalWindow>;
  if (words.has("param")) instr.exec = is_space<kParamWindow>;
  instr.dst = decoder.predicate_out(text.operands[0]);
  instr.a = decoder.row_in(text.operands[1], Type::U64);
  return instr;
}

}  // namespace

std::span<const Form> FA4_EMU_CPU::move_forms() {
  static constexpr Form kForms[] = {
      {"mov.{b8,b16,b32,b64,b128,u16,u32,u64,s16,s32,s64,f32,f64}", Unit::Move, Fidelity::Exact,
       decode_move, 0, "9.7.9.3"},
      {"cvta{.to}.{const,global,local,shared,shared::cta,shared::cluster,param}.u64", Unit::Move,
       Fidelity::Exact, decode_cvta, 0, "9.7.9.20"},
      {"isspacep.{global,local,shared,shared::cta,shared::cluster,param}", Unit::Move,
       Fidelity::Exact, decode_isspacep, 0, "9.7.9.19"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
