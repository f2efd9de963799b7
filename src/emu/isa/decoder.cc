// SPDX-License-Identifier: Apache-2.0
#include "emu/isa/decoder.h"

#include <fmt/format.h>

namespace fa4::emu::isa {

void Decoder::require_operands(const ptx::Instruction& text, size_t least, size_t most) {
  const size_t count = text.operands.size();
  if (count >= least && count <= most) return;
  refuse(
      fmt::format("{} has {} operands; it must have {}", text.opcode, count,
                  least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most)));
}

uint32_t Decoder::call(const ptx::Instruction&) {
  refuse("calls are not served here");
  return 0;
}

std::vector<uint32_t> Decoder::targets(const ptx::Operand&) {
  refuse("lists of targets are not served here");
  return {};
}

uint16_t Decoder::stack_row() {
  refuse("there is no stack here");
  return 0;
}

Instr Decoder::unary(ExecFn exec, const ptx::Instruction& text, Type d, Type a) {
  require_operands(text, 2, 2);
  Instr instr{.exec = exec};
  instr.a = row_in(text.operands[1], a);
  instr.dst = row_out(text.operands[0], d);
  return instr;
}

Instr Decoder::binary(ExecFn exec, const ptx::Instruction& text, Type d, Type a, Type b) {
  require_operands(text, 3, 3);
  Instr instr{.exec = exec};
  instr.a = row_in(text.operands[1], a);
  instr.b = row_in(text.operands[2], b);
  instr.dst = row_out(text.operands[0], d);
  return instr;
}

Instr Decoder::ternary(ExecFn exec, const ptx::Instruction& text, Type d, Type a, Type b, Type c) {
  require_operands(text, 4, 4);
  Instr instr{.exec = exec};
  instr.a = row_in(text.operands[1], a);
  instr.b = row_in(text.operands[2], b);
  instr.c = row_in(text.operands[3], c);
  instr.dst = row_out(text.operands[0], d);
  return instr;
}

}  // namespace fa4::emu::isa
