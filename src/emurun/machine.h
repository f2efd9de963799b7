// SPDX-License-Identifier: Apache-2.0
// The one PTX machine of the process, and its reports.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "fa4/emu.h"

namespace fa4::emurun {

// `written`: all of it has a value; else a kernel's read of what nobody has written is reported.
void machine_add_memory(const std::string& name, const void* base, uint64_t bytes, bool written);
void machine_mark_written(const void* base, uint64_t bytes);
void machine_remove_memory(const void* base);

// What the machine does not take is said, counts as an error of the program, and throws Failure.
uint64_t machine_load(const std::string& ptx, const std::string& owner);
std::vector<std::string> machine_entries(uint64_t module);
fa4emu_entry machine_entry_facts(uint64_t module, const std::string& entry);

struct Parameter {
  uint32_t offset = 0, bytes = 0;
};
std::vector<Parameter> machine_parameters(uint64_t module, const std::string& entry);

struct VariablePlace {
  void* address = nullptr;
  uint64_t bytes = 0;
};
bool machine_variable(uint64_t module, const std::string& name, VariablePlace* place);

// Runs to the end, prints what the kernel prints on stdout and what is reported on stderr. Throws Failure if the machine
// refuses the launch or stops within it.
void machine_launch(const fa4emu_launch_config& launch);

}  // namespace fa4::emurun
