// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "emu/machine/report.h"
#include "emu/machine/warp.h"

namespace fa4::emu {

// Reports what the current instruction of a warp did. The text is one sentence; instruction, PTX and source line,
// CTA, warp and lanes are added. One report for each code and instruction; others are counted.
void report(Warp& warp, Level level, std::string_view code, const std::string& text);

}  // namespace fa4::emu
