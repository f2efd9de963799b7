// SPDX-License-Identifier: Apache-2.0
// setp and set: their operands, and the rows of 32 and 64 bits.
#include "emu/isa/compare.h"

namespace fa4::emu::isa {
namespace {

// The Combine of the modifiers; its predicate, the last operand, goes to Instr::c.
uint32_t compare_combine(Decoder& decoder, const Words& words, const ptx::Instruction& text,
                         Instr& instr) {
  const Combine combine = words.has("and")   ? Combine::And
                          : words.has("or")  ? Combine::Or
                          : words.has("xor") ? Combine::Xor
                                             : Combine::Alone;
  const size_t count = combine == Combine::Alone ? 3 : 4;
  decoder.require_operands(text, count, count);
  if (combine != Combine::Alone) instr.c = encode(decoder.predicate_in(text.operands[3]));
  return static_cast<uint32_t>(combine) << kCombineShift;
}

}  // namespace

Instr compare_setp(Decoder& decoder, const Words& words, const ptx::Instruction& text, Type type,
                   ExecFn exec) {
  Instr instr{.exec = exec};
  const uint32_t combine = compare_combine(decoder, words, text, instr);
  instr.a = decoder.row_in(text.operands[1], type);
  instr.b = decoder.row_in(text.operands[2], type);
  const ptx::Operand& d = text.operands[0];
  uint16_t second = kNever;
  if (d.kind == ptx::Operand::Kind::Pair) {
    instr.dst = decoder.predicate_out(d.parts.at(0));
    if (d.parts.at(1).kind != ptx::Operand::Kind::Sink) second = decoder.predicate_out(d.parts[1]);
  } else {
    instr.dst = decoder.predicate_out(d);
  }
  instr.extra = combine | second;
  return instr;
}

Instr compare_set(Decoder& decoder, const Words& words, const ptx::Instruction& text, Type type,
                  ExecFn exec) {
  Instr instr{.exec = exec};
  const uint32_t combine = compare_combine(decoder, words, text, instr);
  instr.a = decoder.row_in(text.operands[1], type);
  instr.b = decoder.row_in(text.operands[2], type);
  const Type result = words.type(0);
  instr.dst = decoder.row_out(text.operands[0], result);
  const SetWord word = result == Type::F32                              ? SetWord::OneFloat
                       : result == Type::F16 || result == Type::F16x2   ? SetWord::OneHalf
                       : result == Type::BF16 || result == Type::BF16x2 ? SetWord::OneBrain
                       : bits_of(result) == 16                          ? SetWord::Ones16
                                                                        : SetWord::Ones;
  instr.extra = combine | static_cast<uint32_t>(word);
  return instr;
}

}  // namespace fa4::emu::isa
