// SPDX-License-Identifier: Apache-2.0
// Instructions that may read a register which nobody has written, or write one that such an instruction may read
// (run/unwritten.h finds them). Which lanes of a register are not written is kept in predicates beside it, one for the
// low and one for the high half: a warp begins with all of them set.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emu/isa/instr.h"
#include "emu/machine/row.h"

namespace fa4::emu {

// A row, or a predicate (both halves are then the same).
struct WatchedPart {
  uint16_t low = 0, high = 0;  // predicates; 0: nobody asks about it
  uint8_t bits = 32;           // that are read or written: 16 are the low half
};

struct WatchedRead {
  std::vector<WatchedPart> parts;
  bool is_address = false;
  std::string name;    // "%r7"
  std::string writes;  // where it might have been written
};

struct Watch {
  enum class Kind : uint8_t {
    Copy,   // mov: each half goes with its bits
    Value,  // arithmetic: a result is as good as all of its sources
    Bits,   // logic, selection: as good as any of them
    Write,  // a result is written, whatever was read
    Use,    // and what is read must have been written
    Store,  // likewise; a value of which a half is written may be stored
    Keep,   // a store to local memory or a parameter: only its address must have been written
  };
  ExecFn exec = nullptr;
  Kind kind = Kind::Write;
  uint16_t guard = 0xffff;         // kNoGuard: the scheduler sees to it
  std::vector<WatchedRead> reads;  // in the order of the operands; of the guard last
  bool reads_guard = false;
  std::vector<WatchedPart> writes;
};

struct WatchTable {
  std::vector<uint32_t> at;  // by instruction, one more than the index; empty: none is watched
  std::vector<Watch> watches;
};

}  // namespace fa4::emu
