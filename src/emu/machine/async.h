// SPDX-License-Identifier: Apache-2.0
// Asynchronous operations: what an instruction has begun and something else finishes, step by step, when the policy
// says so (run/scheduler.cc). cp.async is one (cp_async.h).
//
//   auto op = std::make_unique<TmaLoad>(warp, AsyncGroup::None);      // takes site, lanes, number from the warp
//   std::byte* to = note_target(*op, address, bytes);                 // null: it may not, which has been reported
//   ...
//   issue(std::move(op));                                             // under `eager` all is done now
//
// First come the steps that read sources, into a copy of the operation's own, then those that write destinations, then
// complete(), which signals. An operation with one destination in each of several CTAs is one operation for each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "emu/machine/row.h"
#include "emu/machine/shadow.h"

namespace fa4::emu {

struct Instr;
struct Warp;
struct WaitOn;
struct Cluster;

// Which instruction waits for an operation: one of a group of its lane, tcgen05.wait of its warp, or nobody (an mbarrier
// tells).
enum class AsyncGroup : uint8_t { None, CpAsync, Bulk, Wgmma, TensorLoad, TensorStore };

// What is remembered of a finished operation until its issuer has waited for it (only for the shadow).
struct Unwaited {
  uint32_t id;
  AsyncGroup kind;
  LaneMask lanes;
  std::array<uint32_t, kLanes> group;
};

class AsyncOp {
 public:
  // Issued by the active lanes of a warp at its current instruction, into their open group.
  AsyncOp(Warp& issuer, AsyncGroup group_kind);
  virtual ~AsyncOp();
  AsyncOp(const AsyncOp&) = delete;
  AsyncOp& operator=(const AsyncOp&) = delete;

  Warp* const warp;
  const Instr* const site;
  LaneMask lanes;
  const uint32_t id;    // Shadow's
  uint64_t number = 0;  // of the cluster, by issue, from 1
  const AsyncGroup waited_by;
  std::array<uint32_t, kLanes> group{};  // by lane: CpAsync, Bulk. Wgmma: [0], of the warp
  Clocks known_at_issue;  // by the warp; kept where an mbarrier tells (waited_by None)

  virtual const char* what() const = 0;  // "TMA load", for reports
  virtual size_t num_steps() const = 0;  // of both kinds, without complete()
  virtual size_t num_reads() const = 0;  // how many of them, the first ones, read
  virtual void step(size_t index) = 0;   // in order
  // All steps at once, for when nobody can look in between and there is no signal. False: not so, and nothing is done.
  virtual bool step_all() { return false; }
  virtual void complete() {}                     // the signal
  virtual bool enabled() const { return true; }  // may the next step be made
  // Why not, for the report of a deadlock: a clause.
  virtual std::string why_disabled() const { return ""; }

  // Whether lanes of a warp that wait for groups must go on waiting because of this operation.
  virtual bool holds_up(const Warp& waiter, LaneMask waiting, const WaitOn& wait) const;

  // Called when it has finished, before it is destroyed: leaves what is remembered of it with the warps that will wait.
  virtual void retire();

  bool sources_read() const { return next_ >= num_reads(); }
  bool finished() const { return finished_; }
  // How far it is: 0 to num_steps(); all of them are made and complete() is next.
  size_t num_made() const { return next_; }
  // The next step, or complete(): reports made within have the issuing instruction and lanes.
  void advance();
  // All that is left. False: not at once, and nothing is done.
  bool finish_at_once();

 private:
  size_t next_ = 0;
  bool finished_ = false;
};

// Hands an operation to the cluster of its warp.
void issue(std::unique_ptr<AsyncOp> op);

// The shared memory that an operation will read, or write. The place is checked and told to the shadow now, with the
// issuing instruction; `lane` is named in reports. A target is filled with poison until it is written, unless the
// operation reads it too (accumulates). A target may lie in another CTA of the cluster, a source where `peers` says so. Null:
// it may not, which has been reported.
std::byte* note_source(AsyncOp& op, uint64_t address, int lane, uint32_t bytes,
                       uint32_t alignment = 16, bool peers = false);
std::byte* note_target(AsyncOp& op, uint64_t address, int lane, uint32_t bytes,
                       uint32_t alignment = 16, bool accumulates = false);
// A target in the own CTA, with which nothing can be wrong. Null: something may be, and nothing has been noted.
std::byte* try_target(AsyncOp& op, uint64_t address, uint32_t bytes, uint32_t alignment);
// The same for an operation that changes each of its bytes in one piece: such ones do not race with one another, nor
// with atomics.
std::byte* note_atomic_target(AsyncOp& op, uint64_t address, int lane, uint32_t bytes);

// Whether the active lanes of a warp have to wait, and what is to be done when they have waited: the shadow learns what
// they know now, and the operations are forgotten.
bool groups_are_done(const Warp& warp, LaneMask waiting, const WaitOn& wait);
void note_groups_waited(Warp& warp, LaneMask waiting, const WaitOn& wait);
// The body of an instruction that waits: false, its split waits, and it is tried again; true, they have waited.
bool has_waited_for_groups(Warp& warp, const WaitOn& wait);
inline constexpr uint32_t kAllCopyGroups = 0xffffffff;  // as WaitOn::id: committed or not

}  // namespace fa4::emu
