// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/async.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "emu/machine/cluster.h"
#include "emu/machine/conflict.h"
#include "emu/machine/memory.h"

namespace fa4::emu {

AsyncOp::AsyncOp(Warp& issuer, AsyncGroup group_kind)
    : warp(&issuer),
      site(issuer.current),
      lanes(issuer.active),
      id(issuer.cta->cluster->shadow.begin_copy(issuer.agent)),
      waited_by(group_kind) {
  switch (group_kind) {
    case AsyncGroup::None:
      known_at_issue = issuer.cta->cluster->shadow.knowledge_of(issuer.agent);
      break;
    case AsyncGroup::CpAsync:
      group = issuer.cp_groups;
      break;
    case AsyncGroup::Bulk:
      group = issuer.bulk_groups;
      break;
    case AsyncGroup::Wgmma:
      group[0] = issuer.wgmma_groups;
      break;
    case AsyncGroup::TensorLoad:
    case AsyncGroup::TensorStore:
      break;
  }
}

AsyncOp::~AsyncOp() = default;

void AsyncOp::advance() {
  const Instr* current = warp->current;
  const LaneMask active = warp->active;
  warp->current = site;
  warp->active = lanes;
  if (next_ < num_steps()) {
    step(next_++);
  } else {
    complete();
    finished_ = true;
  }
  warp->current = current;
  warp->active = active;
  note_progress(*warp->cta->cluster);
}

bool AsyncOp::finish_at_once() {
  if (!step_all()) return false;
  next_ = num_steps();
  finished_ = true;
  note_progress(*warp->cta->cluster);
  return true;
}

namespace {

// Of `committed` groups, whether more than `allowed` are unfinished if this one is.
bool group_is_awaited(uint32_t group, uint32_t committed, uint32_t allowed) {
  if (allowed == kAllCopyGroups) return true;
  return group < committed && committed - group > allowed;
}

// Whether a wait of a warp is about any of the lanes of one of its operations, or about all of them.
enum class Which : uint8_t { Any, All };

bool is_awaited(AsyncGroup kind, LaneMask lanes, const std::array<uint32_t, kLanes>& group,
                const Warp& waiter, LaneMask waiting, const WaitOn& wait, Which which) {
  const std::array<uint32_t, kLanes>* committed = nullptr;
  if (wait.kind == WaitOn::Kind::CpAsync && kind == AsyncGroup::CpAsync) {
    committed = &waiter.cp_groups;
  } else if (wait.kind == WaitOn::Kind::BulkGroup && kind == AsyncGroup::Bulk) {
    committed = &waiter.bulk_groups;
  } else if (wait.kind == WaitOn::Kind::Wgmma && kind == AsyncGroup::Wgmma) {
    return group_is_awaited(group[0], waiter.wgmma_groups, wait.id);
  } else if (wait.kind == WaitOn::Kind::TensorLoad) {
    return kind == AsyncGroup::TensorLoad;
  } else if (wait.kind == WaitOn::Kind::TensorStore) {
    return kind == AsyncGroup::TensorStore;
  } else {
    return false;
  }
  bool any = false, all = (lanes & ~waiting) == 0;
  for_each_lane(lanes & waiting, [&](int lane) {
    const auto at = static_cast<size_t>(lane);
    const bool awaited = group_is_awaited(group[at], (*committed)[at], wait.id);
    any = any || awaited;
    all = all && awaited;
  });
  return which == Which::Any ? any : all;
}

bool only_reads(const WaitOn& wait) {
  return wait.kind == WaitOn::Kind::BulkGroup && wait.generation == 1;
}

}  // namespace

bool AsyncOp::holds_up(const Warp& waiter, LaneMask waiting, const WaitOn& wait) const {
  if (finished_ || warp != &waiter) return false;
  if (only_reads(wait) && sources_read()) return false;
  return is_awaited(waited_by, lanes, group, waiter, waiting, wait, Which::Any);
}

void AsyncOp::retire() {
  if (waited_by == AsyncGroup::None || !warp->cta->cluster->shadow.enabled()) return;
  warp->unwaited.push_back({id, waited_by, lanes, group});
}

void issue(std::unique_ptr<AsyncOp> op) {
  Cluster& cluster = *op->warp->cta->cluster;
  op->number = ++cluster.num_operations;
  note_progress(cluster);
  if (cluster.eager) {
    if (!op->finish_at_once()) {
      while (!op->finished() && op->enabled()) op->advance();
    }
  }
  if (op->finished()) {
    op->retire();
  } else {
    cluster.operations.push_back(std::move(op));
  }
}

std::byte* note_source(AsyncOp& op, uint64_t address, int lane, uint32_t bytes, uint32_t alignment,
                       bool peers) {
  Warp& warp = *op.warp;
  std::byte* at = place_in_shared(warp, address, lane, bytes, Access::Read, alignment, peers);
  if (at == nullptr) return nullptr;
  Cluster& cluster = *warp.cta->cluster;
  if (std::popcount(op.lanes) > 1) cluster.shadow.issued_by_all(warp.agent);
  const Conflict conflict =
      cluster.shadow.copy_reads(op.id, op.site, cta_of(cluster, address)->shadow_offset(at), bytes);
  // tcgen05 (which alone reads a peer's memory) may take what nobody has written: widely used kernels multiply more rows than
  // they have, and do not read what that makes.
  if (!peers || conflict.kind != Conflict::Kind::Unwritten) {
    report_conflict(warp, conflict, static_cast<uint32_t>(address & kOffsetMask), lane,
                    Access::Read);
  }
  return at;
}

std::byte* note_target(AsyncOp& op, uint64_t address, int lane, uint32_t bytes, uint32_t alignment,
                       bool accumulates) {
  Warp& warp = *op.warp;
  std::byte* at = place_in_shared(warp, address, lane, bytes, Access::Write, alignment, true);
  if (at == nullptr) return nullptr;
  Cluster& cluster = *warp.cta->cluster;
  report_conflict(warp,
                  cluster.shadow.copy_writes(op.id, op.site,
                                             cta_of(cluster, address)->shadow_offset(at), bytes),
                  static_cast<uint32_t>(address & kOffsetMask), lane, Access::Write);
  if (!accumulates) std::memset(at, kPoisonByte, bytes);
  return at;
}

std::byte* try_target(AsyncOp& op, uint64_t address, uint32_t bytes, uint32_t alignment) {
  Cta& cta = *op.warp->cta;
  const uint32_t offset = address & kOffsetMask;
  if (address >> kRankShift != cta.rank || address % alignment != 0 || offset < kReservedShared ||
      offset + bytes > cta.shared.size()) {
    return nullptr;
  }
  std::byte* const at = cta.shared.data() + offset;
  if (!cta.cluster->shadow.try_write(op.warp->agent, op.site, cta.shadow_offset(at), bytes,
                                     op.id)) {
    return nullptr;
  }
  std::memset(at, kPoisonByte, bytes);
  return at;
}

std::byte* note_atomic_target(AsyncOp& op, uint64_t address, int lane, uint32_t bytes) {
  Warp& warp = *op.warp;
  std::byte* at = place_in_shared(warp, address, lane, bytes, Access::Atomic, bytes, true);
  if (at == nullptr) return nullptr;
  Cluster& cluster = *warp.cta->cluster;
  report_conflict(warp,
                  cluster.shadow.copy_changes(op.id, op.site,
                                              cta_of(cluster, address)->shadow_offset(at), bytes),
                  static_cast<uint32_t>(address & kOffsetMask), lane, Access::Atomic);
  return at;
}

bool groups_are_done(const Warp& warp, LaneMask waiting, const WaitOn& wait) {
  const auto& operations = warp.cta->cluster->operations;
  return std::none_of(operations.begin(), operations.end(),
                      [&](const auto& op) { return op->holds_up(warp, waiting, wait); });
}

void note_groups_waited(Warp& warp, LaneMask waiting, const WaitOn& wait) {
  Shadow& shadow = warp.cta->cluster->shadow;
  if (only_reads(wait)) {
    for (const Unwaited& op : warp.unwaited) {
      if (is_awaited(op.kind, op.lanes, op.group, warp, waiting, wait, Which::All)) {
        shadow.waited_read(op.id, warp.agent);
      }
    }
    for (const auto& op : warp.cta->cluster->operations) {
      if (op->warp == &warp &&
          is_awaited(op->waited_by, op->lanes, op->group, warp, waiting, wait, Which::All)) {
        shadow.waited_read(op->id, warp.agent);
      }
    }
    return;
  }
  // Who waits for some lanes of an operation knows of those alone.
  std::erase_if(warp.unwaited, [&](const Unwaited& op) {
    if (!is_awaited(op.kind, op.lanes, op.group, warp, waiting, wait, Which::All)) return false;
    shadow.waited(op.id, warp.agent);
    return true;
  });
}

bool has_waited_for_groups(Warp& warp, const WaitOn& wait) {
  Split& split = warp.splits[warp.split];
  const bool done = groups_are_done(warp, warp.active, wait);
  split.wait = done ? WaitOn{} : wait;
  if (done) note_groups_waited(warp, warp.active, wait);
  return done;
}

}  // namespace fa4::emu
