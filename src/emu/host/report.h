// SPDX-License-Identifier: Apache-2.0
// A report behind its C handle: what the machine said, and the same as text.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "emu/run/machine.h"

struct fa4emu_report {
  fa4::emu::RunReport run;
  std::vector<std::pair<std::string, uint64_t>> units;
  std::string text;
};

namespace fa4::emu::host {

// Reports first, then the counts by unit and the forms with their fidelity.
std::string text_of(const RunReport& report, const std::string& entry);

}  // namespace fa4::emu::host
