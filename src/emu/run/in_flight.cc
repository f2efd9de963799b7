// SPDX-License-Identifier: Apache-2.0
#include "emu/run/in_flight.h"

#include <algorithm>

namespace fa4::emu {
namespace {

// A load is one of the instructions that must look: at those before it.
bool is_tensor_load(const ptx::Instruction& text) {
  return text.opcode == "tcgen05" && !text.modifiers.empty() && text.modifiers[0] == "ld";
}

bool is_wgmma(const ptx::Instruction& text) {
  return text.opcode == "wgmma" && !text.modifiers.empty() && text.modifiers[0] == "mma_async";
}

// Of a wgmma, D and A; the descriptors have 64 bits.
bool is_matrix_register(const RegisterUse& use) { return !use.is_predicate && use.count == 1; }

}  // namespace

void mark_in_flight_registers(Program* program) {
  std::vector<bool> used(program->num_rows, false);
  bool any = false;
  for (size_t pc = 0; pc < program->code.size(); ++pc) {
    const ptx::Instruction& text = *program->lines[program->code[pc].line];
    const bool loads = is_tensor_load(text);
    if (!loads && !is_wgmma(text)) continue;
    any = true;
    for (const RegisterUse& use : program->uses_of(pc)) {
      if (is_matrix_register(use) && (!loads || use.is_written)) used[use.first] = true;
    }
  }
  if (!any) return;
  for (size_t pc = 0; pc < program->code.size(); ++pc) {
    if (is_wgmma(*program->lines[program->code[pc].line])) continue;
    const std::span<const RegisterUse> uses = program->uses_of(pc);
    const bool touches = std::ranges::any_of(uses, [&](const RegisterUse& use) {
      if (use.is_predicate) return false;
      for (uint32_t row = use.first; row < use.first + uint32_t{use.count}; ++row) {
        if (used[row]) return true;
      }
      return false;
    });
    if (touches) program->code[pc].flags |= kTouchesInFlight;
  }
}

}  // namespace fa4::emu
