// SPDX-License-Identifier: Apache-2.0
// The functions that an entry may come to run, and who calls whom.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "emu/machine/calls.h"
#include "emu/ptx/module.h"

namespace fa4::emu {

// What the operands of a call say.
struct CallText {
  const ptx::Operand* results = nullptr;  // null: none
  const ptx::Operand* target = nullptr;   // a function, or a register with its address
  const ptx::Operand* arguments = nullptr;
};
std::optional<CallText> call_text(const ptx::Instruction& text);  // none: no call, or a bad one

std::optional<Builtin> builtin_named(std::string_view name);

struct FunctionSet {
  std::vector<const ptx::Function*> bodies;        // that may run, without the entry
  std::map<std::string_view, uint32_t> index;      // of bodies; by name, aliases too
  std::map<std::string_view, uint64_t> addresses;  // of all functions of the module with a body
  std::vector<bool> recursive;                     // bodies that may run while they run
  std::vector<std::vector<uint32_t>> calls;        // of each body; the last is the entry's
  bool calls_any = false;                          // also of the runtime library
  bool uses_heap = false;
  bool moves_stack = false;  // alloca
};

// Addresses of functions: what pointers to them hold.
std::map<std::string_view, uint64_t> function_addresses(const ptx::Module& module);

FunctionSet functions_of(const ptx::Module& module, const ptx::Function& entry);

// What a thread needs behind the entry's own variables.
uint64_t stack_bytes(const FunctionSet& functions, const std::vector<Callee>& callees);

}  // namespace fa4::emu
