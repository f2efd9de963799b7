// SPDX-License-Identifier: Apache-2.0
// Every spelling of every row of the chapters of tcgen05: the machine takes it, and the vendor's assembler does for the same
// architecture. Without ptxas in the path (or FA4_PTXAS) the second half is skipped.
#include <gtest/gtest.h>

#include <set>

#include "emu/assembler.h"
#include "emu/isa/table.h"
#include "emu/programs.h"

// Tests are compiled as one file: these names are its own.
namespace fa4::emu::test::tcgen05_assembler {

using Texts = std::vector<std::string>;

size_t end_of_group(const std::string& syntax, size_t begin) {
  int depth = 0;
  for (size_t at = begin;; ++at) {
    depth += (syntax.at(at) == '{') - (syntax.at(at) == '}');
    if (depth == 0) return at;
  }
}

// All that a syntax of the table stands for (isa/table.h).
Texts spellings_of(const std::string& syntax) {
  const size_t open = syntax.find('{');
  if (open == std::string::npos) return {syntax};
  const size_t close = end_of_group(syntax, open);
  const std::string inside = syntax.substr(open + 1, close - open - 1);
  Texts choices;
  if (inside.starts_with('.')) {  // at most one
    choices = spellings_of(inside);
    choices.emplace_back();
  } else {
    for (size_t begin = 0; begin <= inside.size();) {
      const size_t comma = std::min(inside.find(',', begin), inside.size());
      choices.push_back(inside.substr(begin, comma - begin));
      begin = comma + 1;
    }
  }
  Texts all;
  for (const std::string& rest : spellings_of(syntax.substr(close + 1))) {
    for (const std::string& choice : choices) all.push_back(syntax.substr(0, open) + choice + rest);
  }
  return all;
}

bool has(const std::string& opcode, const std::string& word) {
  return (opcode + ".").find("." + word + ".") != std::string::npos;
}

// The registers of a tcgen05.ld or st; 0: there is no such count of this shape (9.7.16.8.3).
uint32_t num_registers(const std::string& opcode) {
  const uint32_t per_count = has(opcode, "16x128b") ? 2 : has(opcode, "16x256b") ? 4 : 1;
  for (uint32_t count = 128; count > 0; count /= 2) {
    if (!has(opcode, "x" + std::to_string(count))) continue;
    return per_count * count <= 128 ? per_count * count : 0;
  }
  return 0;
}

std::string vector_of(uint32_t registers) {
  std::string text = "{%r1";
  for (uint32_t i = 1; i < registers; ++i) text += ", %r" + std::to_string(i % 8 + 1);
  return text + "}";
}

// Destinations differ from one another.
std::string destinations(uint32_t registers) {
  std::string text = "{%v0";
  for (uint32_t i = 1; i < registers; ++i) text += ", %v" + std::to_string(i);
  return text + "}";
}

Texts moves_of(const std::string& opcode) {
  const uint32_t registers = num_registers(opcode);
  const bool reduces = has(opcode, "red");
  if (registers == 0 || (reduces && registers == 1)) return {};
  const std::string far = has(opcode, "16x32bx2") ? ", 8" : "";
  if (has(opcode, "st")) return {opcode + " [%r9]" + far + ", " + vector_of(registers)};
  return {opcode + " " + destinations(registers) + (reduces ? ", %r10" : "") + ", [%r9]" + far};
}

// D, A in shared or in tensor memory, with a mask of lanes, with scale-input-d.
Texts products_of(const std::string& opcode) {
  const bool pair = has(opcode, "cta_group::2"), narrow = has(opcode, "kind::f8f6f4");
  const std::string mask =
      pair ? ", {%r1, %r2, %r3, %r4, %r5, %r6, %r7, %r8}" : ", {%r1, %r2, %r3, %r4}";
  Texts all;
  for (const char* a : {"%rd1", "[%r2]"}) {
    if (has(opcode, "ashift") && *a == '%') continue;
    for (const std::string& lanes : {std::string(), mask}) {
      for (const char* scale : {"", ", 15"}) {
        if (narrow && *scale != '\0') continue;
        all.push_back(opcode + " [%r1], " + a + ", %rd2, %r3" + lanes + ", %p1" + scale);
      }
    }
  }
  return all;
}

// Instructions with operands, of one spelling; none: the manual has no such one.
Texts instructions_of(const std::string& opcode) {
  if (opcode.starts_with("tcgen05.mma")) return products_of(opcode);
  if (opcode.starts_with("tcgen05.ld") || opcode.starts_with("tcgen05.st."))
    return moves_of(opcode);
  if (opcode.starts_with("tcgen05.cp")) return {opcode + " [%r1], %rd1"};
  if (opcode.starts_with("tcgen05.shift")) return {opcode + " [%r1]"};
  if (opcode.starts_with("tcgen05.dealloc")) return {opcode + " %r1, %r2"};
  if (opcode.starts_with("tcgen05.alloc")) {
    return {opcode + (has(opcode, "shared::cta") ? " [%r1], 32" : " [%rd1], %r2")};
  }
  if (opcode.starts_with("tcgen05.commit")) {
    const std::string address = has(opcode, "shared::cluster") ? " [%r1]" : " [%rd1]";
    return {opcode + address + (has(opcode, "multicast::cluster") ? ", %rs1" : "")};
  }
  return {opcode};
}

std::string module_of(uint32_t arch, const Texts& instructions) {
  std::string entries;
  for (size_t i = 0; i < instructions.size(); ++i) {
    entries += entry_with(".reg .b32 %v<128>;\n  " + instructions[i], i);
  }
  return module_with(arch, entries);
}

struct Chapter {
  const char* name;
  std::span<const isa::Form> (*forms)();
  size_t least;  // so many instructions on sm_103a
};

constexpr Chapter kChapters[] = {{"Memory", isa::tcgen05_memory_forms, 12},
                                 {"Move", isa::tcgen05_move_forms, 300},
                                 {"Copy", isa::tcgen05_copy_forms, 38},
                                 {"Mma", isa::tcgen05_mma_forms, 250},
                                 {"Commit", isa::tcgen05_commit_forms, 8}};

class Tcgen05Rows : public testing::TestWithParam<Chapter> {
 protected:
  // On an architecture; each row has some.
  static Texts instructions(uint32_t arch) {
    Texts all;
    for (const isa::Form& form : GetParam().forms()) {
      if (form.least_arch > arch) continue;
      const size_t before = all.size();
      for (const std::string& opcode : spellings_of(form.syntax)) {
        for (const std::string& text : instructions_of(opcode)) all.push_back(text);
      }
      EXPECT_GT(all.size(), before) << form.syntax;
    }
    return all;
  }
};

TEST_P(Tcgen05Rows, AreTakenByTheMachine) {
  EXPECT_GE(instructions(103).size(), GetParam().least);
  for (const uint32_t arch : {100u, 103u}) {
    const Texts all = instructions(arch);
    Machine machine({.arch = arch});
    const ModuleId module = machine.load(module_of(arch, all));
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_NO_THROW(machine.entry(module, "form_" + std::to_string(i))) << all[i];
    }
  }
}

TEST_P(Tcgen05Rows, AreTakenByTheAssembler) {
  const Assembler assembler;
  if (!assembler.is_there()) GTEST_SKIP() << "needs ptxas, in the path or as FA4_PTXAS";
  for (const uint32_t arch : {100u, 103u}) {
    const Texts all = instructions(arch);
    if (assembler.takes(arch, module_of(arch, all))) continue;
    for (const std::string& one : all) {
      EXPECT_TRUE(assembler.takes(arch, module_of(arch, {one}))) << "sm_" << arch << ": " << one;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, Tcgen05Rows, testing::ValuesIn(kChapters),
                         [](const auto& chapter) { return std::string(chapter.param.name); });

}  // namespace fa4::emu::test::tcgen05_assembler
