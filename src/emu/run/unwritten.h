// SPDX-License-Identifier: Apache-2.0
// Registers that may be read before anybody writes them. The flow of a kernel says which these can be; only the
// instructions that touch them are watched while it runs, so that other kernels pay nothing.
#pragma once

#include <vector>

#include "emu/run/flow.h"
#include "emu/run/program.h"

namespace fa4::emu {

// Puts the instructions that must be watched into program.watched, and has them executed through it.
void watch_unwritten(const std::vector<FlowStep>& steps, Program* program);

}  // namespace fa4::emu
