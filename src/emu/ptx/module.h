// SPDX-License-Identifier: Apache-2.0
// A PTX module as a tree: what the text says, in its order, without its meaning. Names are views into the
// text, which the module owns (PTX ISA 9.0, chapters 4 and 5).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace fa4::emu::ptx {

struct Place {
  uint32_t line = 0;  // of the PTX text, from 1
  uint32_t column = 0;
};

// What the last .loc said; file 0: none.
struct SourceLine {
  uint32_t file = 0;
  uint32_t line = 0;
  uint32_t column = 0;
  uint32_t caller_file = 0;  // where the function was inlined; 0: it was not
  uint32_t caller_line = 0;
};

struct Operand {
  enum class Kind : uint8_t {
    Name,     // %r1, %tid.x, a symbol, a label; with an offset: symbol+8
    Integer,  // bits: two's complement
    Float32,  // 0f3F800000; bits
    Float64,  // 0d3FF0000000000000, or a decimal number; bits
    Vector,   // {a, b}: parts
    Address,  // [a+8], [map, {c0, c1}]: parts[0] is the base with its offset, the others follow
    Pair,     // d|p: parts
    Not,      // !p: parts[0]
    Negated,  // -%r1: parts[0]
    List,     // (a, b) of a call: parts
    Sink,     // _
  };
  Kind kind = Kind::Sink;
  std::string_view name;
  int64_t offset = 0;
  uint64_t bits = 0;
  std::vector<Operand> parts;
  Place place;
};

struct Instruction {
  std::string_view guard;  // "%p1"; empty: none
  bool guard_negated = false;
  std::string_view opcode;  // "add"
  std::vector<std::string_view>
      modifiers;  // "sat", "s32", "shared::cta": without their dots, in order
  std::vector<Operand> operands;
  Place place;
  SourceLine source;
};

// One initial value: a number, or the address of a symbol (generic(name), name+8, mask(name)).
struct Initializer {
  Operand::Kind kind = Operand::Kind::Integer;
  uint64_t bits = 0;
  std::string_view symbol;
  int64_t offset = 0;
  bool generic = false;
};

// A declaration in any space. Of registers: `%r<10>` has count 10, `%p1` has count 0.
struct Variable {
  std::string_view linkage;  // visible, extern, weak, common; empty: none
  std::string_view space;    // reg, global, shared, local, const, param
  std::string_view type;     // b32, f32, pred, ...
  uint32_t vector = 1;       // .v2, .v4
  uint32_t alignment = 0;    // bytes; 0: that of the type
  std::vector<std::string_view>
      attributes;  // other directives before the name, as written: "ptr", "managed"
  std::string_view name;
  uint32_t count = 0;            // registers only
  std::vector<int64_t> extents;  // [4][8]; -1: []
  bool initialized = false;
  std::vector<Initializer> values;  // flat, in order
  Place place;
};

struct Label {
  std::string_view name;
  Place place;
};

// What is kept and printed, and means nothing to the machine: .pragma, .file, .section, a .loc.
struct Directive {
  std::string_view text;
  Place place;
};

// $L: .branchtargets a, b; and .calltargets, .callprototype.
struct Targets {
  std::string_view label;
  std::string_view directive;
  std::vector<std::string_view> names;
  std::string_view text;  // of a prototype
  Place place;
};

struct Block;
using Statement =
    std::variant<Instruction, Label, Variable, Directive, Targets, std::unique_ptr<Block>>;

struct Block {
  std::vector<Statement> statements;
  Place place;
};

// .maxntid 128, 1, 1: name and numbers.
struct PerformanceDirective {
  std::string_view name;
  std::vector<uint32_t> values;
};

struct Function {
  bool entry = false;
  std::string_view linkage;
  std::string_view name;
  std::vector<Variable> returns;
  std::vector<Variable> parameters;
  std::vector<PerformanceDirective> directives;
  std::optional<Block> body;  // none: a declaration
  Place place;
};

using ModuleItem = std::variant<Variable, Function, Directive>;

struct Module {
  std::shared_ptr<const std::string> text;
  uint32_t version_major = 0, version_minor = 0;
  std::string_view target;  // "sm_90a"
  std::vector<std::string_view> target_options;
  uint32_t address_size = 64;
  std::vector<std::string_view> files;  // by the number of .file
  std::vector<ModuleItem> items;
};

}  // namespace fa4::emu::ptx
