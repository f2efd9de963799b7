// SPDX-License-Identifier: Apache-2.0
// mbarriers (PTX ISA 9.0, 9.7.13.15). The 64-bit word in shared memory holds the phase, what is pending, what is
// expected, and a check by which a stray store is noticed; the truth and its history are in the ledger.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "emu/machine/row.h"

namespace fa4::emu {

struct Cluster;
struct Instr;
struct Warp;
class AsyncOp;

// Somebody's part in a phase: arrivals, expected bytes, delivered bytes.
struct BarrierEvent {
  enum class Kind : uint8_t { Arrive, Expect, Complete };
  Kind kind;
  uint32_t agent;  // the warp
  LaneMask lanes;
  const Instr* site;
  uint64_t operation;  // its number; 0: the warp itself
  const char* what;    // of the operation
  uint32_t count;      // arrivals
  int64_t bytes;
};

struct BarrierPhase {
  uint64_t phase = ~uint64_t{0};
  std::vector<BarrierEvent> events;
};

struct BarrierRecord {
  uint32_t index = 0;    // in the ledger
  uint32_t address = 0;  // with the rank
  uint32_t channel = 0;  // Shadow's
  bool live = false;     // initialised, not invalidated
  uint32_t expected = 0;
  int64_t pending = 0;
  int64_t tx = 0;                       // bytes that are still to come
  uint64_t phase = 0;                   // since its initialisation; the program knows one bit
  uint32_t first_known_phase = 0;       // Shadow's number of phase 0
  std::array<BarrierPhase, 4> history;  // by phase % 4
  std::vector<int64_t> seen;            // by agent: the last phase that it has seen complete; -1
  const Instr* initialised_at = nullptr;

  const BarrierPhase* of(uint64_t which) const {
    const BarrierPhase& at = history[which % history.size()];
    return at.phase == which ? &at : nullptr;
  }
};

class MbarrierLedger {
 public:
  void clear();
  BarrierRecord* find(uint32_t address);  // null: none was ever there
  BarrierRecord& add(uint32_t address);   // the one that is there, or a new one
  const std::deque<BarrierRecord>& records() const { return records_; }
  std::deque<BarrierRecord>& records() { return records_; }

 private:
  std::deque<BarrierRecord> records_;  // addresses of its elements stay
  std::unordered_map<uint32_t, uint32_t> by_address_;
};

inline constexpr int64_t kMostBarrierCount = (1 << 20) - 1;  // of arrivals and of bytes

// What instructions do, for one lane of a warp at its current instruction. Addresses carry the rank. A barrier that is
// not there, or may not be used so, is reported.
void init_barrier(Warp& warp, uint32_t address, int lane, uint32_t count);
void invalidate_barrier(Warp& warp, uint32_t address, int lane);

struct BarrierArrival {
  uint32_t count = 1;
  int64_t expect_bytes = 0;
  bool expects = false;
  bool drops = false;     // arrive_drop: expected of later phases falls too
  bool completes = true;  // false: .noComplete
  bool releases = true;   // false: .relaxed
};
// The phase before: the state that the instruction returns.
uint64_t arrive_at_barrier(Warp& warp, uint32_t address, int lane, const BarrierArrival& arrival);
void expect_bytes(Warp& warp, uint32_t address, int lane, int64_t bytes);
// mbarrier.complete_tx by a thread.
void complete_bytes(Warp& warp, uint32_t address, int lane, int64_t bytes);

// The barrier that a lane may use, its initialisation known to the warp; null: it may not, which has been reported.
BarrierRecord* known_barrier(Warp& warp, uint64_t address, int lane);
std::string name_of_mbarrier(const Warp& warp, uint32_t address);  // "mbarrier full[2]"
// At issue of an operation that will signal a barrier.
inline bool check_barrier(Warp& warp, uint64_t address, int lane) {
  return known_barrier(warp, address, lane) != nullptr;
}
// In complete() of an operation: so many of its bytes have come. `address` has passed check_barrier.
void complete_tx(Cluster& cluster, uint32_t address, int64_t bytes, AsyncOp& op);
// An arrival that an operation makes (cp.async.mbarrier.arrive).
void arrive_by(Cluster& cluster, uint32_t address, uint32_t count, AsyncOp& op);
// cp.async.mbarrier.arrive without .noinc: one more is pending in this phase.
void add_pending(Warp& warp, uint32_t address, int lane);

// Whether a phase is complete: the one of a parity that is valid, or that of a state. A lane that sees it knows what
// those that arrived knew, if `acquires`. The record, for waiting; null: there is none.
struct BarrierTest {
  bool done = true;
  const BarrierRecord* record = nullptr;
  uint64_t phase = 0;  // that is awaited
};
BarrierTest test_parity(Warp& warp, uint32_t address, int lane, uint32_t parity, bool acquires);
// The same of a try_wait by parity that was suspended at this phase, and is woken.
BarrierTest test_suspended(Warp& warp, uint32_t address, int lane, uint64_t phase, bool acquires);
BarrierTest test_state(Warp& warp, uint32_t address, int lane, uint64_t state, bool acquires);
uint32_t pending_of_state(uint64_t state);  // mbarrier.pending_count
uint64_t state_of(uint64_t phase, int64_t pending);

}  // namespace fa4::emu
