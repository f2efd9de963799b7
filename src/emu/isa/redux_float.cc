// SPDX-License-Identifier: Apache-2.0
// redux.sync of f32 (PTX ISA 9.0, 9.7.13.12), lane after lane as min and max are.
#include <bit>

#include "emu/isa/decoder.h"
#include "emu/isa/members.h"
#include "emu/isa/numeric.h"
#include "emu/isa/table.h"

namespace fa4::emu::isa {
namespace {

template <bool kMax, bool kAbs, bool kNan>
Outcome redux_float(Warp& warp, const Instr& i) {
  const auto value = [](uint32_t bits) {
    return std::bit_cast<float>(kAbs ? bits & 0x7fffffff : bits);
  };
  const auto chosen = [](float a, float b) {
    return kMax ? maximum<float, kNan>(a, b) : minimum<float, kNan>(a, b);
  };
  return for_groups(warp, static_cast<uint16_t>(i.extra), [&](LaneMask group, LaneMask) {
    const Row& from = warp.rows[i.a];
    const float first = value(from.lane[std::countr_zero(group)]);
    float result = chosen(first, first);
    for_each_lane(group, [&](int lane) { result = chosen(result, value(from.lane[lane])); });
    for_each_lane(group,
                  [&](int lane) { warp.rows[i.dst].lane[lane] = std::bit_cast<uint32_t>(result); });
  });
}

template <bool kMax>
ExecFn redux_float_of(const Words& words) {
  if (words.has("abs")) {
    return words.has("NaN") ? redux_float<kMax, true, true> : redux_float<kMax, true, false>;
  }
  return words.has("NaN") ? redux_float<kMax, false, true> : redux_float<kMax, false, false>;
}

Instr decode_redux_float(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 3, 3);
  Instr instr{.exec =
                  words.has("max") ? redux_float_of<true>(words) : redux_float_of<false>(words)};
  instr.a = decoder.row_in(text.operands[1], Type::F32);
  instr.extra = decoder.row_in(text.operands[2], Type::B32);
  instr.dst = decoder.row_out(text.operands[0], Type::F32);
  return instr;
}

}  // namespace

std::span<const Form> redux_float_forms() {
  static constexpr Form kForms[] = {
      {"redux.sync.{min,max}{.abs}{.NaN}.f32", Unit::Alu, Fidelity::Manual, decode_redux_float, 100,
       "9.7.13.12", "", 103},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
