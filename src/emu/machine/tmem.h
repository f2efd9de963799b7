// SPDX-License-Identifier: Apache-2.0
// Tensor memory of a CTA (PTX ISA 9.0, 9.7.16.1): 128 lanes of 512 columns of 32 bits. An address is lane << 16 | column.
// Columns are allocated by 32 and more; a pair of CTAs (cta_group::2) allocates in both, at the same column.
//
// Only operations touch it (tensor_op.h), and tcgen05.ld and st are operations, too. When one is issued it asks the doors
// below about all that it will read and write; later it moves words of `column`.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "emu/machine/collector.h"
#include "emu/machine/row.h"
#include "emu/machine/tmem_taint.h"

namespace fa4::emu {

class AsyncOp;
struct Cta;
struct Instr;
struct Warp;

inline constexpr uint32_t kTmemLanes = 128, kTmemColumns = 512, kTmemUnit = 32;
inline constexpr uint32_t kTmemGroups = kTmemLanes / 16;  // of 16 lanes

// Lanes: of each group of 16 a mask.
using TmemLanes = std::array<uint16_t, kTmemGroups>;
// The lanes [first, first + count).
TmemLanes tmem_lanes(uint32_t first, uint32_t count);

// What an operation touches: columns one beside another, of each the same lanes.
struct TmemRange {
  uint32_t column = 0;
  uint32_t num_columns = 0;
  TmemLanes lanes{};
};

class Tmem {
 public:
  void reset();  // for a new CTA

  // 128 lanes of a column. Only of allocated ones.
  uint32_t* column(uint32_t index) { return words_.data() + size_t{index} * kTmemLanes; }

  // tcgen05.alloc of a warp. False: it has to wait, for room or for the peer; asked again, it is the same request. True:
  // done, at this column. `group`: of so many CTAs.
  bool allocate(Warp& warp, uint32_t num_columns, uint32_t group, uint32_t* column);
  // Whether `allocate` would be done now: for a warp that waits.
  static bool can_allocate(const Warp& warp);
  std::string what_allocation_waits_for(const Warp& warp) const;
  void release(Warp& warp, uint32_t address, uint32_t num_columns, uint32_t group);
  void relinquish(Warp& warp, uint32_t group);

  // What is still allocated: "columns [0, 128)"; "": nothing.
  std::string leftovers() const;
  // "": all of these columns are allocated. Else why not, a clause.
  std::string why_not(const Cta& cta, uint32_t column, uint32_t num_columns) const;
  uint32_t shadow_base() const { return shadow_base_; }

  TmemTaint taint;
  Collector collector;

 private:
  struct Block {
    uint32_t column, num_columns;
    const Instr* site;              // that allocated it, or freed it
    uint32_t agent = 0, clock = 0;  // when the warp that allocated it went on; clock 0: it has not
  };
  struct Request {
    Warp* warp;
    uint32_t num_columns, group;
    bool served = false;
    uint32_t column = 0;  // if served
  };

  const Request* request_of(const Warp& warp) const;
  // The column at which there is room in all that take part; kTmemColumns: there is none.
  static uint32_t room_for(const Cta& cta, const Cta* peer, uint32_t num_columns);
  // The request of the peer that belongs to one here; null: it has not come, or waits for nothing.
  static const Request* counterpart(const Cta& cta, const Request& request);
  static bool is_servable(const Cta& cta, const Request& request);
  void take(Cta& cta, Request& request, uint32_t column);
  void check_peer_has_it(Warp& warp, uint32_t column) const;
  void check_request(Warp& warp, uint32_t num_columns, uint32_t group);
  void check_group(Warp& warp, uint32_t group);
  const Block* block_at(const std::vector<Block>& blocks, uint32_t column) const;

  std::vector<uint32_t> words_;  // by column, then lane; none before the first allocation
  std::vector<Block> allocated_, freed_;
  std::deque<Request> requests_;
  bool permit_ = true;
  const Instr* relinquished_at_ = nullptr;
  uint32_t most_columns_ = kTmemColumns;  // of the next allocation
  uint32_t group_ = 0;                    // that all instructions name; 0: none has come
  uint32_t shadow_base_ = 0;  // where its cells begin in the cluster's shadow; 0: it has none
};

// The peer in a pair (the rank differs in bit 0); null: there is none.
Cta* peer_of(const Cta& cta);

// Doors. At its issue an operation says what it will read and write. False: it may not (out of bounds, not allocated),
// which has been reported; then it must not touch it. What is written is filled with poison, unless the operation reads
// it too (accumulates). `what`: "D", "A", for reports; "" is plain.
bool note_tmem_read(AsyncOp& op, Cta& cta, const TmemRange& range, const char* what = "");
bool note_tmem_write(AsyncOp& op, Cta& cta, const TmemRange& range, bool accumulates,
                     const char* what = "");
// A tcgen05.ld, which may read lanes that nobody has written: an error only if nothing of a column has been.
bool note_tmem_load(AsyncOp& op, Cta& cta, const TmemRange& range);
// Columns are given up, all lanes of them.
void note_tmem_freed(Warp& warp, uint32_t column, uint32_t num_columns);

}  // namespace fa4::emu
