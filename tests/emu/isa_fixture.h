// SPDX-License-Identifier: Apache-2.0
// One instruction on one warp: its text is matched, decoded and executed as the machine does it, with registers that
// are named by their kind: %h 16 bits, %r and %f 32, %d and %g 64, %p predicates.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "emu/isa/decoder.h"
#include "emu/isa/table.h"
#include "emu/isa_values.h"
#include "emu/machine/warp.h"
#include "emu/ptx/module.h"

namespace fa4::emu::isa {

// "add.s32 %r1, %r2, -7": the tree of one instruction, as far as arithmetic needs it. The text must outlive it.
ptx::Instruction instruction_of(std::string_view text);

class OneWarp : public Decoder {
 public:
  explicit OneWarp(uint32_t arch = 90);

  void set(std::string_view name, int lane, uint64_t value);
  uint64_t get(std::string_view name, int lane) const;
  // Matches, decodes and executes; a text that is not known is a failure.
  void run(std::string_view text, LaneMask active = kAllLanes);
  // Why the text is refused: "" if it is not.
  std::string refusal(std::string_view text);

  Warp warp;

  uint16_t row_in(const ptx::Operand& operand, Type type) override;
  uint16_t row_out(const ptx::Operand& operand, Type type) override;
  uint16_t constant(uint32_t value) override;
  uint16_t constant64(uint64_t value) override;
  Predicate predicate_in(const ptx::Operand& operand) override;
  bool is_predicate(const ptx::Operand& operand) const override;
  uint16_t predicate_out(const ptx::Operand& operand) override;
  Address address(const ptx::Operand& operand) override;
  uint32_t bits(const ptx::Operand& operand) const override;
  uint32_t target(const ptx::Operand&) override { return 0; }
  uint32_t join() override { return 0; }
  uint32_t list(const std::vector<uint32_t>&) override { return 0; }
  int64_t number(const ptx::Operand& operand) override;
  uint32_t arch() const override { return arch_; }
  bool exact() const override { return true; }
  [[noreturn]] void refuse(const std::string& sentence) override;

 private:
  Instr decode(const ptx::Instruction& text);

  uint32_t arch_;
  uint32_t used_rows_;
};

// What one lane must give: the inputs are the register operands after the first, in order, each as its bits.
using Twin = std::function<uint64_t(const uint64_t* in)>;

// Runs the text on edge values and random ones, with all lanes and with some, and compares the first operand of each
// active lane with the twin; the others keep what they had.
void expect_lanes(std::string_view text, const Twin& twin);

// The bits of floats and back.
inline float as_float(uint64_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits)); }
inline double as_double(uint64_t bits) { return std::bit_cast<double>(bits); }
inline uint64_t bits_of_float(float x) { return std::bit_cast<uint32_t>(x); }
inline uint64_t bits_of_double(double x) { return std::bit_cast<uint64_t>(x); }

}  // namespace fa4::emu::isa
