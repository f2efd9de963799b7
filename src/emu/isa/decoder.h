// SPDX-License-Identifier: Apache-2.0
// What a decode function asks for its operands. Every question checks: a register of the wrong width, a missing
// or a surplus operand is refused.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emu/isa/instr.h"
#include "emu/isa/words.h"
#include "emu/ptx/module.h"

namespace fa4::emu::isa {

inline constexpr uint32_t kNoJoin = 0xffffffff;
inline constexpr uint32_t kRuntimeCall = 0x80000000;

// A memory operand: the row of its base (two rows if `wide`), and a byte offset.
struct Address {
  uint16_t base = 0;
  bool wide = false;
  int32_t offset = 0;
  bool in_frame = false;  // a parameter of a call: .param here is local memory
};

// A predicate operand.
struct Predicate {
  uint16_t index = 0;
  bool negated = false;
};

class Decoder {
 public:
  virtual ~Decoder() = default;

  // The row of a value of a type: a register, a special register, the address of a symbol, or a number as a
  // constant. Types of up to 32 bits take one row, 64-bit types and F32x2 two (the first is returned), B128 four.
  // Negative numbers are two's complement; a number for F16 or BF16 is its bits.
  virtual uint16_t row_in(const ptx::Operand& operand, Type type) = 0;
  // The row of a register that is written; of `_`, a row that nobody reads.
  virtual uint16_t row_out(const ptx::Operand& operand, Type type) = 0;
  virtual uint16_t constant(uint32_t value) = 0;
  virtual uint16_t constant64(uint64_t value) = 0;                  // two rows
  virtual Predicate predicate_in(const ptx::Operand& operand) = 0;  // %p, !%p
  virtual bool is_predicate(const ptx::Operand& operand) const = 0;
  virtual uint16_t predicate_out(const ptx::Operand& operand) = 0;  // %p, or _
  virtual Address address(const ptx::Operand& operand) = 0;         // [a+8]
  // The declared width of a register; 32 for numbers, special registers and shared symbols, 64 for other symbols.
  virtual uint32_t bits(const ptx::Operand& operand) const = 0;
  // The place of a label, known when all is decoded: for `lists`, not before.
  virtual uint32_t target(const ptx::Operand& label) = 0;
  // Where the lanes meet again that the current instruction, a branch, may part; kNoJoin: nowhere before they exit.
  virtual uint32_t join() = 0;
  // The record of a call, for Instr::extra (machine/calls.h), with kRuntimeCall if it is one of the runtime library.
  virtual uint32_t call(const ptx::Instruction& text);
  // The places that a list of branch targets names.
  virtual std::vector<uint32_t> targets(const ptx::Operand& list);
  // The row that says where the stack of each lane ends.
  virtual uint16_t stack_row();
  // Puts a list into Program::lists; its first index, for Instr::extra.
  virtual uint32_t list(const std::vector<uint32_t>& values) = 0;
  // The value of a number that must be one, as in `cp.async [a], [b], 16`.
  virtual int64_t number(const ptx::Operand& operand) = 0;
  virtual uint32_t arch() const = 0;  // 80, 90
  virtual bool exact() const = 0;  // matrix products as the silicon rounds them; else fast, in f32
  [[noreturn]] virtual void refuse(const std::string& sentence) = 0;  // throws

  // An instruction with the operands d, a, b, c of such types; as many as the text must have.
  Instr unary(ExecFn exec, const ptx::Instruction& text, Type d, Type a);
  Instr binary(ExecFn exec, const ptx::Instruction& text, Type d, Type a, Type b);
  Instr ternary(ExecFn exec, const ptx::Instruction& text, Type d, Type a, Type b, Type c);
  void require_operands(const ptx::Instruction& text, size_t least, size_t most);
};

}  // namespace fa4::emu::isa
