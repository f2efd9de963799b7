// SPDX-License-Identifier: Apache-2.0
// Who wrote and read each word of shared memory last, and what is ordered before what: races, reads of what nobody
// has written, and uses of what a copy has not finished (design: FastTrack's epochs, Flanagan and Freund 2009).
//
// The agents are warps; each has a vector clock, which barriers join. Lanes of one warp are taken as ordered.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fa4::emu {

// What an access collided with.
struct Conflict {
  enum class Kind : uint8_t {
    None,
    WriteWrite,   // an unordered write, overwritten
    WriteRead,    // an unordered write, read
    ReadWrite,    // an unordered read, overwritten
    CopyPending,  // bytes of a copy that has not been waited for
    Unwritten,    // bytes that nobody has written
  };
  Kind kind = Kind::None;
  uint32_t warp = 0;           // the other agent
  const void* site = nullptr;  // its instruction
};

class Shadow {
 public:
  // For `bytes` of shared memory and so many warps. Not enabled: every question is answered by None.
  void reset(bool enabled, uint32_t bytes, uint32_t num_warps);
  bool enabled() const { return enabled_; }

  Conflict read(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes);
  Conflict write(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes);

  // Atomics do not race with one another; they need a value to begin with.
  Conflict atomic(uint32_t warp, uint32_t offset, uint32_t bytes) const;

  // A copy writes a range from its issue on; its id is for `waited`.
  uint32_t begin_copy(uint32_t warp);
  Conflict copy_issued(uint32_t copy, const void* site, uint32_t offset, uint32_t bytes);
  // The warp that issued a copy knows that it is done.
  void waited(uint32_t copy);

  // Release and acquire by a barrier: those who wait know what each that came knew.
  void join(std::span<const uint32_t> came, std::span<const uint32_t> waiting);

 private:
  struct Cell {                // four bytes
    uint32_t write_clock = 0;  // 0: never written
    uint32_t read_clock = 0;   // 0: not read since the last write
    uint16_t write_warp = 0;
    uint16_t read_warp = 0;  // kManyReaders: readers_[extra]
    uint32_t copy = 0;       // that wrote it; 0: an ordinary store
    uint32_t extra = 0;
    uint8_t written = 0;     // bits of bytes, by anyone ever
    uint8_t last_bytes = 0;  // of the last write
    uint8_t read_bytes = 0;  // of reads since
    const void* write_site = nullptr;
    const void* read_site = nullptr;
  };
  struct Copy {
    uint32_t warp;
    uint32_t clock;  // of the warp when it had waited; 0: it has not
  };
  static constexpr uint16_t kManyReaders = 0xffff;

  bool ordered(uint32_t warp, const Cell& cell, Conflict* conflict) const;
  uint32_t& clock(uint32_t warp, uint32_t of) { return clocks_[warp * num_warps_ + of]; }
  uint32_t clock(uint32_t warp, uint32_t of) const { return clocks_[warp * num_warps_ + of]; }
  Conflict write_cell(uint32_t warp, const void* site, Cell& cell, uint8_t bytes, uint32_t copy);

  bool enabled_ = false;
  uint32_t num_warps_ = 0;
  std::vector<uint32_t> clocks_;
  std::vector<Cell> cells_;
  std::vector<Copy> copies_;
  std::vector<std::vector<uint32_t>> readers_;  // clocks of reads by warp
};

}  // namespace fa4::emu
