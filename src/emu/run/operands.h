// SPDX-License-Identifier: Apache-2.0
// Names and their meaning while a kernel is lowered: scopes, and the Decoder that decode functions ask.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emu/isa/decoder.h"
#include "emu/run/program.h"

namespace fa4::emu {

// Row and predicate 0 belong to `_`.
struct Register {
  isa::Type type = isa::Type::B32;
  uint16_t row = 0;  // or predicate
};

// Blocks open scopes; a name is looked up from the inside out. Scope 0 is the module's.
class Scopes {
 public:
  uint32_t open(uint32_t parent);
  void add_label(uint32_t scope, std::string_view name, uint32_t at);
  void add_variable(uint32_t scope, const ptx::Variable& variable);
  void add_symbol(uint32_t scope, std::string_view name, const Symbol& symbol);

  std::optional<uint32_t> find_label(uint32_t scope, std::string_view name) const;
  std::optional<Register> find_register(uint32_t scope, std::string_view name) const;
  const Symbol* find_symbol(uint32_t scope, std::string_view name) const;

  uint32_t num_rows() const { return num_rows_; }
  uint32_t num_predicates() const { return num_predicates_; }
  uint32_t local_bytes() const { return local_bytes_; }
  const std::vector<std::pair<const ptx::Variable*, uint64_t>>& shared() const { return shared_; }
  uint64_t shared_end() const { return shared_end_; }

 private:
  struct RegisterRange {  // %r<10>; count 0: one register without a number
    isa::Type type;
    uint32_t count;
    uint16_t first;
  };
  struct Scope {
    uint32_t parent = 0;
    std::map<std::string_view, uint32_t> labels;
    std::map<std::string_view, RegisterRange> registers;  // by name, without the number of a range
    std::map<std::string_view, Symbol> symbols;
  };

  std::vector<Scope> scopes_ = std::vector<Scope>(1);
  uint32_t num_rows_ = 2;        // what `_` writes, 64 bits wide
  uint32_t num_predicates_ = 1;  // likewise
  uint32_t local_bytes_ = 0;
  uint64_t shared_end_ = kReservedShared;
  std::vector<std::pair<const ptx::Variable*, uint64_t>> shared_;  // variables of blocks, offsets
};

class Operands final : public isa::Decoder {
 public:
  Operands(const LoweringOptions& options, Scopes* scopes, Program* program);

  void begin(const ptx::Instruction* text, uint32_t scope, uint32_t join);
  uint16_t guard();
  void finish();

  uint16_t row_in(const ptx::Operand& operand, isa::Type type) override;
  uint16_t row_out(const ptx::Operand& operand, isa::Type type) override;
  uint16_t constant(uint32_t value) override;
  uint16_t constant64(uint64_t value) override;
  isa::Predicate predicate_in(const ptx::Operand& operand) override;
  bool is_predicate(const ptx::Operand& operand) const override;
  uint16_t predicate_out(const ptx::Operand& operand) override;
  isa::Address address(const ptx::Operand& operand) override;
  uint32_t bits(const ptx::Operand& operand) const override;
  uint32_t target(const ptx::Operand& label) override;
  uint32_t join() override { return join_; }
  uint32_t list(const std::vector<uint32_t>& values) override;
  int64_t number(const ptx::Operand& operand) override;
  uint32_t arch() const override { return options_.arch; }
  bool exact() const override { return options_.exact; }
  [[noreturn]] void refuse(const std::string& sentence) override;

 private:
  uint16_t take_rows(uint32_t count);
  uint16_t constant_row(uint32_t value, bool shared_address);
  std::optional<uint16_t> special_row(std::string_view name, bool wide);
  uint16_t symbol_row(const Symbol& symbol, int64_t offset, isa::Type type);
  Register register_of(const ptx::Operand& operand);
  uint16_t predicate_of(const ptx::Operand& operand);
  void note_use(const Register& found, uint32_t bits, bool is_written);

  LoweringOptions options_;
  Scopes* scopes_;
  Program* program_;
  const ptx::Instruction* text_ = nullptr;
  uint32_t scope_ = 0;
  uint32_t join_ = isa::kNoJoin;
  uint32_t num_rows_ = 0;
  std::map<std::pair<uint32_t, bool>, uint16_t> constants_;
  std::map<uint64_t, uint16_t> wide_constants_;
  std::map<std::pair<std::string, bool>, uint16_t> specials_;
};

}  // namespace fa4::emu
