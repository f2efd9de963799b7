// SPDX-License-Identifier: Apache-2.0
// What the machine remembers of wgmma: of a warpgroup the operations that its warps have issued, and of a warp the
// registers that they use (PTX ISA 9.0, 9.7.15.7). Between the issue of a wgmma and the wait for its group, D belongs
// to it alone, and A may only be read; what ordinary instructions have written it may use behind a wgmma.fence.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "emu/machine/row.h"

namespace fa4::emu {

class AsyncOp;
struct Instr;
struct Warp;

inline constexpr uint32_t kWarpsOfGroup = 4;

// Unfinished operations of a warpgroup, oldest first; they are made in this order.
struct WgmmaQueue {
  std::deque<AsyncOp*> operations;
  uint64_t num_made = 0;
  std::array<uint64_t, kWarpsOfGroup> issued{};  // by each warp, ever
};

// The rows of an operation's registers.
struct WgmmaRows {
  std::span<const uint32_t> d, a;
};

class WgmmaRegisters {
 public:
  // For a warp with so many rows.
  void reset(uint32_t num_rows);
  bool in_use() const { return !states_.empty(); }

  void fence();
  // An operation of the warp's open group; reports what its registers may not be. `accumulates`: it reads D.
  void begin(Warp& warp, const WgmmaRows& rows, bool accumulates);
  // The warp has waited until of its groups at most so many are unfinished.
  void waited(uint32_t committed, uint32_t unfinished);
  // An ordinary instruction reads or writes rows.
  void touch(Warp& warp, uint32_t first, uint32_t count, bool writes) {
    for (uint32_t row = first; row < first + count; ++row) {
      uint8_t& state = states_[row];
      if (state > kWritten) [[unlikely]] report_touch(warp, row, writes);
      if (writes) state |= kWritten;
    }
  }

 private:
  // Of a row.
  static constexpr uint8_t kWritten = 1;  // since the last fence
  static constexpr uint8_t kReads = 2;    // an operation in flight
  static constexpr uint8_t kWrites = 4;   // likewise

  struct Operation {
    const Instr* site;
    uint32_t group;
    WgmmaRows rows;
  };

  void report_touch(Warp& warp, uint32_t row, bool writes) const;
  void report_in_flight(Warp& warp, uint32_t row, const char* how) const;
  void check_d(Warp& warp, const WgmmaRows& rows) const;
  void mark(const WgmmaRows& rows);

  std::vector<uint8_t> states_;
  std::vector<Operation> in_flight_;
  bool fenced_ = false;  // ever
};

}  // namespace fa4::emu
