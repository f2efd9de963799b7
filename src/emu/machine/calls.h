// SPDX-License-Identifier: Apache-2.0
// Functions that a kernel calls. Their instructions are part of its program, each with rows of its own, so that a call
// moves no registers. What a lane keeps in local memory, parameters included, lies in a frame on its stack, at an
// address that differs from lane to lane. Only a function that may be running already saves the rows of that run.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "emu/machine/row.h"

namespace fa4::emu {

// A value in local memory, from the begin of its frame.
struct FrameSlot {
  uint32_t offset = 0;
  uint32_t bytes = 0;
};

// A row that holds the address of a local variable.
struct FrameAddress {
  uint16_t row = 0;
  uint32_t offset = 0;
  bool wide = false;
};

struct Callee {
  std::string name;
  uint32_t first = 0;  // instruction
  uint32_t frame_bytes = 0;
  bool recursive = false;  // a lane may call it while it runs it
  uint16_t first_row = 0, end_row = 0;
  uint16_t first_predicate = 0, end_predicate = 0;
  std::vector<FrameAddress> addresses;
  std::vector<uint16_t>
      unwritten;  // predicates that say which registers are not yet (run/unwritten.h)
  std::vector<FrameSlot> results, arguments;
};

// What the runtime library gives to device code.
enum class Builtin : uint8_t { None, Printf, AssertFail, Malloc, Free };

struct CallSite {
  static constexpr uint32_t kIndirect = 0xffffffff;
  Builtin builtin = Builtin::None;
  uint32_t callee = kIndirect;
  uint16_t pointer = 0;                       // row of the address of an indirect call
  std::vector<FrameSlot> results, arguments;  // in the caller's frame
};

struct CallTable {
  std::vector<Callee> callees;
  std::vector<CallSite> sites;
  std::map<uint64_t, uint32_t> by_address;
  uint16_t stack_row = 0;  // where the next frame of each lane begins; 0: there are no frames
};

// Addresses of functions; nothing can be read there.
inline constexpr uint64_t kCodeWindow = uint64_t{0x10} << 56;

// A call that has not returned. Lanes that part within it share it.
struct Frame {
  std::shared_ptr<const Frame> caller;
  uint32_t depth = 1;
  uint32_t callee = 0, site = 0;
  uint32_t return_pc = 0;
  size_t num_joins = 0;  // of the split when it called; the last is where its lanes meet again
  std::array<uint32_t, kLanes> base{};
  std::vector<Row> rows;  // that the callee had before, if it is recursive
  std::vector<LaneMask> predicates;
};

// A frame is at least so large: recursion ends.
inline constexpr uint32_t kLeastFrameBytes = 16;

}  // namespace fa4::emu
