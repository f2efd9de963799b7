// SPDX-License-Identifier: Apache-2.0
// A tree as PTX that the assembler takes, one statement to a line.
#include <fmt/format.h>

#include <iterator>
#include <span>
#include <utility>
#include <variant>

#include "emu/ptx/parser.h"

namespace fa4::emu::ptx {
namespace {

class Printer {
 public:
  std::string text;

  void module(const Module& module);
  void item(const Variable& variable);
  void item(const Function& function);
  void item(const Directive& directive);
  void instruction(const Instruction& instruction);

 private:
  template <class... Arguments>
  void add(fmt::format_string<Arguments...> form, Arguments&&... arguments) {
    fmt::format_to(std::back_inserter(text), form, std::forward<Arguments>(arguments)...);
  }
  void add_offset(int64_t offset);
  template <class Items, class Print>
  void list(const Items& items, std::string_view separator, Print print);

  void statement(const Instruction& instruction);
  void statement(const Label& label);
  void statement(const Variable& variable);
  void statement(const Directive& directive);
  void statement(const Targets& targets);
  void statement(const std::unique_ptr<Block>& block);
  void block(const Block& block);

  void declaration(const Variable& variable);
  void attributes(const Variable& variable);
  void initializers(const Variable& variable);
  void initializer_group(std::span<const Initializer> values, std::span<const int64_t> extents);
  void initializer(const Initializer& value);
  void parameters(const std::vector<Variable>& all, bool in_lines);
  void number(Operand::Kind kind, uint64_t bits);
  void operand(const Operand& operand);
  void operands(const std::vector<Operand>& all);
  void indent() { text.append(2 * depth_, ' '); }

  size_t depth_ = 0;
};

template <class Items, class Print>
void Printer::list(const Items& items, std::string_view separator, Print print) {
  bool first = true;
  for (const auto& item : items) {
    if (!first) text += separator;
    first = false;
    print(item);
  }
}

void Printer::module(const Module& module) {
  add(".version {}.{}\n.target {}", module.version_major, module.version_minor, module.target);
  for (const std::string_view option : module.target_options) add(", {}", option);
  add("\n.address_size {}\n\n", module.address_size);
  for (const ModuleItem& any : module.items) {
    std::visit([this](const auto& one) { item(one); }, any);
  }
}

void Printer::item(const Variable& variable) {
  declaration(variable);
  text += ";\n";
}

void Printer::item(const Directive& directive) { add("{}\n", directive.text); }

void Printer::item(const Function& function) {
  text += '\n';
  if (!function.linkage.empty()) add(".{} ", function.linkage);
  text += function.entry ? ".entry " : ".func ";
  if (!function.returns.empty()) {
    parameters(function.returns, false);
    text += ' ';
  }
  text += function.name;
  parameters(function.parameters, true);
  for (const PerformanceDirective& directive : function.directives) {
    add("\n.{} ", directive.name);
    list(directive.values, ", ", [this](uint32_t value) { add("{}", value); });
    if (directive.values.empty()) text.pop_back();
  }
  if (!function.body) {
    text += ";\n";
    return;
  }
  text += '\n';
  block(*function.body);
}

void Printer::parameters(const std::vector<Variable>& all, bool in_lines) {
  in_lines = in_lines && !all.empty();
  text += in_lines ? "(\n  " : "(";
  list(all, in_lines ? ",\n  " : ", ", [this](const Variable& one) { declaration(one); });
  text += in_lines ? "\n)" : ")";
}

void Printer::block(const Block& block) {
  indent();
  text += "{\n";
  ++depth_;
  for (const Statement& any : block.statements) {
    std::visit([this](const auto& one) { statement(one); }, any);
  }
  --depth_;
  indent();
  text += "}\n";
}

void Printer::statement(const std::unique_ptr<Block>& inner) { block(*inner); }

void Printer::statement(const Instruction& one) {
  indent();
  instruction(one);
  text += ";\n";
}

void Printer::statement(const Label& label) { add("{}:\n", label.name); }

void Printer::statement(const Variable& variable) {
  indent();
  item(variable);
}

void Printer::statement(const Directive& directive) {
  indent();
  item(directive);
}

void Printer::statement(const Targets& targets) {
  indent();
  add("{}: .{} {}", targets.label, targets.directive, targets.text);
  list(targets.names, ", ", [this](std::string_view name) { text += name; });
  text += ";\n";
}

void Printer::declaration(const Variable& variable) {
  if (!variable.linkage.empty()) add(".{} ", variable.linkage);
  add(".{}", variable.space);
  attributes(variable);
  if (variable.alignment != 0) add(" .align {}", variable.alignment);
  if (variable.vector > 1) add(" .v{}", variable.vector);
  add(" .{}", variable.type);
  for (const std::string_view attribute : variable.attributes) {
    if (attribute.starts_with("ptr")) add(" .{}", attribute);
  }
  add(" {}", variable.name);
  if (variable.count != 0) add("<{}>", variable.count);
  for (const int64_t extent : variable.extents) {
    if (extent < 0) {
      text += "[]";
    } else {
      add("[{}]", extent);
    }
  }
  if (variable.initialized) initializers(variable);
}

void Printer::attributes(const Variable& variable) {
  bool first = true;
  for (const std::string_view attribute : variable.attributes) {
    if (attribute.starts_with("ptr")) continue;
    add("{}.{}", first ? " .attribute(" : ", ", attribute);
    first = false;
  }
  if (!first) text += ')';
}

// Values are flat in the tree; the braces of their dimensions are put back.
void Printer::initializers(const Variable& variable) {
  std::vector<int64_t> extents = variable.extents;
  if (variable.vector > 1) extents.push_back(variable.vector);
  text += " = ";
  initializer_group(variable.values, extents);
}

void Printer::initializer_group(std::span<const Initializer> values,
                                std::span<const int64_t> extents) {
  if (extents.empty()) return initializer(values[0]);
  size_t row = 1;
  for (const int64_t extent : extents.subspan(1)) row *= static_cast<size_t>(extent);
  text += '{';
  for (size_t begin = 0; begin < values.size(); begin += row) {
    if (begin != 0) text += ", ";
    initializer_group(values.subspan(begin, row), extents.subspan(1));
  }
  text += '}';
}

void Printer::initializer(const Initializer& value) {
  if (value.kind != Operand::Kind::Name) return number(value.kind, value.bits);
  if (value.bits != 0) add("0x{:X}(", value.bits);
  text += value.generic ? "generic(" : "";
  text += value.symbol;
  text += value.generic ? ")" : "";
  add_offset(value.offset);
  if (value.bits != 0) text += ')';
}

void Printer::instruction(const Instruction& instruction) {
  if (!instruction.guard.empty()) {
    text += instruction.guard_negated ? "@!" : "@";
    text += instruction.guard;
    text += ' ';
  }
  text += instruction.opcode;
  for (const std::string_view modifier : instruction.modifiers) {
    text += '.';
    text += modifier;
  }
  if (instruction.operands.empty()) return;
  text += ' ';
  operands(instruction.operands);
}

void Printer::operands(const std::vector<Operand>& all) {
  list(all, ", ", [this](const Operand& one) { operand(one); });
}

void Printer::operand(const Operand& one) {
  switch (one.kind) {
    case Operand::Kind::Name:
      text += one.name;
      return add_offset(one.offset);
    case Operand::Kind::Integer:
    case Operand::Kind::Float32:
    case Operand::Kind::Float64:
      return number(one.kind, one.bits);
    case Operand::Kind::Vector:
      text += '{';
      operands(one.parts);
      text += '}';
      return;
    case Operand::Kind::Address:
      text += '[';
      operands(one.parts);
      text += ']';
      return;
    case Operand::Kind::List:
      text += '(';
      operands(one.parts);
      text += ')';
      return;
    case Operand::Kind::Pair:
      operand(one.parts[0]);
      text += '|';
      return operand(one.parts[1]);
    case Operand::Kind::Not:
      text += '!';
      return operand(one.parts[0]);
    case Operand::Kind::Negated:
      text += '-';
      return operand(one.parts[0]);
    case Operand::Kind::Sink:
      text += '_';
      return;
  }
}

void Printer::number(Operand::Kind kind, uint64_t bits) {
  if (kind == Operand::Kind::Float32) {
    add("0f{:08X}", bits);
  } else if (kind == Operand::Kind::Float64) {
    add("0d{:016X}", bits);
  } else {
    add("{}", static_cast<int64_t>(bits));
  }
}

// +-8 as the compiler writes it: the assembler knows no other.
void Printer::add_offset(int64_t offset) {
  if (offset != 0) add("+{}", offset);
}

}  // namespace

std::string print(const Module& module) {
  Printer printer;
  printer.module(module);
  return std::move(printer.text);
}

std::string print(const Instruction& instruction) {
  Printer printer;
  printer.instruction(instruction);
  return std::move(printer.text);
}

}  // namespace fa4::emu::ptx
