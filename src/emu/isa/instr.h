// SPDX-License-Identifier: Apache-2.0
// A decoded instruction, ready to run.
#pragma once

#include <cstdint>

namespace fa4::emu {

struct Warp;

// What the scheduler does after an instruction.
enum class Outcome : uint8_t {
  Next,    // the lanes go on behind it
  Branch,  // control flow has set where the lanes go (run/control.h)
  Wait,    // not done: the lanes wait for what Warp::wait names, and repeat it then
  Yield,   // done, and others may see it: a preemption point
};

struct Instr;
using ExecFn = Outcome (*)(Warp&, const Instr&);

inline constexpr uint16_t kNoGuard = 0xffff;
inline constexpr uint16_t kGuardNegated = 0x8000;

// Flags: it names a register that some wgmma or tcgen05.ld of the program uses (run/in_flight.h).
inline constexpr uint16_t kTouchesInFlight = 1;

struct Instr {
  ExecFn exec = nullptr;
  uint16_t form = 0;          // row of the instruction table
  uint16_t guard = kNoGuard;  // a predicate; kGuardNegated: lanes where it is false
  // First row of each operand; predicates for those that are. Constants are rows of the same file.
  uint16_t dst = 0, a = 0, b = 0, c = 0;
  uint32_t extra =
      0;              // an immediate, an offset, a target, or the first of a list in Program::lists
  uint32_t line = 0;  // index into Program::lines
  uint16_t flags = 0;
};
static_assert(sizeof(Instr) == 32);

}  // namespace fa4::emu
