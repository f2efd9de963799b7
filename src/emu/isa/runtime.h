// SPDX-License-Identifier: Apache-2.0
// What the runtime library gives to device code.
#pragma once

#include <cstdint>
#include <string>

#include "emu/machine/calls.h"
#include "emu/machine/warp.h"

namespace fa4::emu::isa {

// What printf prints of a format and of values that lie behind each other as C promotes them; the values are read by
// the warp's current instruction for a lane. `num_values` takes how many there were.
std::string formatted(Warp& warp, int lane, const std::string& format, uint64_t values,
                      int* num_values);

// The text at an address, up to its 0.
std::string text_at(Warp& warp, int lane, uint64_t address);

// Calls a function of the runtime library for the active lanes. Frames of theirs begin at `base`.
void call_builtin(Warp& warp, const CallSite& site, const uint32_t* base);

}  // namespace fa4::emu::isa
