// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.13.15: mbarriers. What they do is in machine/mbarrier.h; here are the forms.
//
// Operations are sequentially consistent; .relaxed ones order nothing before or behind them for the race detector,
// beyond what fences do. `try_wait` waits until the phase is complete; under `torn` and `random` it also gives up early,
// as the manual allows. One that waits has its phase fixed: its end is what wakes it, however late it runs.
#include <algorithm>
#include <memory>
#include <utility>

#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/shared_address.h"
#include "emu/isa/table.h"
#include "emu/machine/cluster.h"
#include "emu/machine/poll.h"

namespace fa4::emu::isa {
namespace {

// For each active lane whose address is in shared memory: body(lane, address).
template <class Body>
void for_barriers(Warp& warp, const uint32_t* list, Body body) {
  const Place place(list);
  for_each_lane(warp.active, [&](int lane) {
    const std::optional<uint32_t> address = shared_address(warp, place, lane);
    if (address) body(lane, *address);
  });
}

Outcome barrier_init(Warp& warp, const Instr& i) {
  for_barriers(warp, warp.lists + i.extra, [&](int lane, uint32_t address) {
    init_barrier(warp, address, lane, warp.rows[i.a].lane[lane]);
  });
  return Outcome::Yield;
}

Outcome barrier_inval(Warp& warp, const Instr& i) {
  for_barriers(warp, warp.lists + i.extra,
               [&](int lane, uint32_t address) { invalidate_barrier(warp, address, lane); });
  return Outcome::Yield;
}

Outcome barrier_expect(Warp& warp, const Instr& i) {
  for_barriers(warp, warp.lists + i.extra, [&](int lane, uint32_t address) {
    expect_bytes(warp, address, lane, warp.rows[i.a].lane[lane]);
  });
  return Outcome::Yield;
}

Outcome barrier_complete(Warp& warp, const Instr& i) {
  for_barriers(warp, warp.lists + i.extra, [&](int lane, uint32_t address) {
    complete_bytes(warp, address, lane, warp.rows[i.a].lane[lane]);
  });
  return Outcome::Yield;
}

// The list: address (3), flags. Operand a: a count, or bytes with kArriveExpects.
constexpr uint32_t kArriveExpects = 1, kArriveDrops = 2, kArriveNoComplete = 4, kArriveRelaxed = 8,
                   kArriveCounted = 16, kArriveReturns = 32;

Outcome barrier_arrive(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  const uint32_t flags = list[3];
  for_barriers(warp, list, [&](int lane, uint32_t address) {
    const uint32_t value =
        (flags & (kArriveExpects | kArriveCounted)) != 0 ? warp.rows[i.a].lane[lane] : 1;
    const BarrierArrival arrival{.count = (flags & kArriveExpects) != 0 ? 1 : value,
                                 .expect_bytes = (flags & kArriveExpects) != 0 ? value : 0,
                                 .expects = (flags & kArriveExpects) != 0,
                                 .drops = (flags & kArriveDrops) != 0,
                                 .completes = (flags & kArriveNoComplete) == 0,
                                 .releases = (flags & kArriveRelaxed) == 0};
    const uint64_t state = arrive_at_barrier(warp, address, lane, arrival);
    if ((flags & kArriveReturns) != 0) store64(&warp.rows[i.dst], lane, state);
  });
  return Outcome::Yield;
}

// The list: address (3), flags. Operand b: a parity or a state; dst: a predicate.
constexpr uint32_t kWaitParity = 1, kWaitTries = 2, kWaitAcquires = 4;

Outcome barrier_wait(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  const uint32_t flags = list[3];
  Split& split = warp.splits[warp.split];
  const WaitOn woken = std::exchange(split.wait, {});
  LaneMask done = 0;
  BarrierTest pending;
  bool uniform = true;
  for_barriers(warp, list, [&](int lane, uint32_t address) {
    const bool acquires = (flags & kWaitAcquires) != 0;
    const BarrierTest test =
        (flags & kWaitParity) == 0
            ? test_state(warp, address, lane, load64<uint64_t>(warp, i.b, lane), acquires)
        : woken.kind == WaitOn::Kind::Mbarrier
            ? test_suspended(warp, address, lane, woken.generation, acquires)
            : test_parity(warp, address, lane, warp.rows[i.b].lane[lane], acquires);
    if (test.done) {
      done |= LaneMask{1} << lane;
      return;
    }
    uniform = uniform && (pending.record == nullptr ||
                          (pending.record == test.record && pending.phase == test.phase));
    pending = test;
  });
  Cluster& cluster = *warp.cta->cluster;
  if (done == 0 && pending.record != nullptr && uniform && (flags & kWaitTries) != 0 &&
      !(cluster.impatient && cluster.random.below(4) == 0)) {
    split.wait = {WaitOn::Kind::Mbarrier, pending.record->index, pending.phase};
    return Outcome::Wait;
  }
  set_predicate(warp, i.dst, done);
  if (pending.record != nullptr && !((flags & kWaitTries) != 0 && uniform)) {
    note_poll(warp, mixed(reinterpret_cast<uint64_t>(&i), pending.record->index));
  }
  return Outcome::Yield;
}

Outcome barrier_pending_count(Warp& warp, const Instr& i) {
  for_active(warp, [&](int lane) {
    warp.rows[i.dst].lane[lane] = pending_of_state(load64<uint64_t>(warp, i.a, lane));
  });
  return Outcome::Next;
}

// Makes an arrival when all cp.async that the lanes have issued before are done.
class CopiesArrive final : public AsyncOp {
 public:
  explicit CopiesArrive(Warp& issuer) : AsyncOp(issuer, AsyncGroup::None) {
    LaneMask issued = 0;
    for (const auto& op : issuer.cta->cluster->operations) {
      if (is_before(*op)) before_.push_back(op->id), issued |= op->lanes;
    }
    for (const Unwaited& op : issuer.unwaited) {
      if (op.kind == AsyncGroup::CpAsync && (op.lanes & lanes) != 0) before_.push_back(op.id);
    }
  }

  void add(int lane, uint32_t address) { arrivals_.push_back({lane, address}); }

  const char* what() const override { return "arrival for cp.async"; }
  size_t num_steps() const override { return 0; }
  size_t num_reads() const override { return 0; }
  void step(size_t) override {}
  bool enabled() const override {
    const auto& operations = warp->cta->cluster->operations;
    return std::none_of(operations.begin(), operations.end(), [&](const auto& op) {
      return op->number < own_number() && is_before(*op);
    });
  }
  void complete() override {
    Cluster& cluster = *warp->cta->cluster;
    for (const auto& [lane, address] : arrivals_) {
      const BarrierRecord* record = cluster.mbarriers.find(address);
      if (record != nullptr) {
        for (const uint32_t copy : before_) cluster.shadow.signalled(copy, record->channel);
      }
      arrive_by(cluster, address, 1, *this);
    }
  }

 private:
  bool is_before(const AsyncOp& op) const {
    return op.warp == warp && op.waited_by == AsyncGroup::CpAsync && (op.lanes & lanes) != 0;
  }
  uint64_t own_number() const { return number == 0 ? ~uint64_t{0} : number; }

  std::vector<uint32_t> before_;  // Shadow's numbers
  std::vector<std::pair<int, uint32_t>> arrivals_;
};

// The list: address (3), whether one more arrival is pending until then.
Outcome copies_arrive(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  auto op = std::make_unique<CopiesArrive>(warp);
  for_barriers(warp, list, [&](int lane, uint32_t address) {
    if (!check_barrier(warp, address, lane)) return;
    if (list[3] != 0) add_pending(warp, address, lane);
    op->add(lane, address);
  });
  issue(std::move(op));
  return Outcome::Yield;
}

std::vector<uint32_t> barrier_list(Decoder& decoder, const Words& words,
                                   const ptx::Operand& operand, uint32_t flags) {
  std::vector<uint32_t> list = address_list(decoder, words, operand);
  list.push_back(flags);
  return list;
}

Instr decode_barrier_init(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 2, 2);
  Instr instr{.exec = barrier_init};
  instr.extra = decoder.list(barrier_list(decoder, words, text.operands[0], 0));
  instr.a = decoder.row_in(text.operands[1], Type::U32);
  return instr;
}

Instr decode_barrier_inval(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 1, 1);
  Instr instr{.exec = barrier_inval};
  instr.extra = decoder.list(barrier_list(decoder, words, text.operands[0], 0));
  return instr;
}

Instr decode_barrier_bytes(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  Instr instr = decode_barrier_init(decoder, words, text);
  instr.exec = words.has("expect_tx") ? barrier_expect : barrier_complete;
  return instr;
}

Instr decode_barrier_arrive(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  const bool counted = text.operands.size() == 3;
  const bool expects = words.has("expect_tx"), no_complete = words.has("noComplete");
  decoder.require_operands(text, expects || no_complete ? 3 : 2, 3);
  const bool returns = text.operands[0].kind != ptx::Operand::Kind::Sink;
  if (returns && words.has("shared::cluster")) {
    decoder.refuse("an arrival at .shared::cluster returns no state; the result must be _");
  }
  uint32_t flags = text.opcode == "mbarrier" && words.has("arrive_drop") ? kArriveDrops : 0;
  if (expects) flags |= kArriveExpects;
  if (no_complete) flags |= kArriveNoComplete;
  if (words.has("relaxed")) flags |= kArriveRelaxed;
  if (counted && !expects) flags |= kArriveCounted;
  if (returns) flags |= kArriveReturns;
  Instr instr{.exec = barrier_arrive};
  instr.extra = decoder.list(barrier_list(decoder, words, text.operands[1], flags));
  if (counted) instr.a = decoder.row_in(text.operands[2], Type::U32);
  if (returns) instr.dst = decoder.row_out(text.operands[0], Type::B64);
  return instr;
}

Instr decode_barrier_wait(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  const bool tries = words.has("try_wait");
  decoder.require_operands(text, 3, tries ? 4 : 3);
  uint32_t flags = words.has("parity") ? kWaitParity : 0;
  if (tries) flags |= kWaitTries;
  if (!words.has("relaxed")) flags |= kWaitAcquires;
  Instr instr{.exec = barrier_wait};
  instr.dst = decoder.predicate_out(text.operands[0]);
  instr.extra = decoder.list(barrier_list(decoder, words, text.operands[1], flags));
  instr.b = decoder.row_in(text.operands[2], words.has("parity") ? Type::U32 : Type::B64);
  if (text.operands.size() == 4) decoder.row_in(text.operands[3], Type::U32);  // nanoseconds
  return instr;
}

Instr decode_pending_count(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  return decoder.unary(barrier_pending_count, text, Type::U32, Type::B64);
}

Instr decode_copies_arrive(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 1, 1);
  Instr instr{.exec = copies_arrive};
  instr.extra =
      decoder.list(barrier_list(decoder, words, text.operands[0], words.has("noinc") ? 0u : 1u));
  return instr;
}

}  // namespace

#define FA4_EMU_OWN "{.{shared,shared::cta}}"
#define FA4_EMU_ANY "{.{shared,shared::cta,shared::cluster}}"
#define FA4_EMU_BARRIER_SCOPE "{.{cta,cluster}}"

std::span<const Form> mbarrier_forms() {
  static constexpr Form kForms[] = {
      {"mbarrier.init" FA4_EMU_OWN ".b64", Unit::Barrier, Fidelity::Exact, decode_barrier_init, 80,
       "9.7.13.15.9"},
      {"mbarrier.inval" FA4_EMU_OWN ".b64", Unit::Barrier, Fidelity::Exact, decode_barrier_inval,
       80, "9.7.13.15.10"},
      {"mbarrier.expect_tx{.relaxed}" FA4_EMU_BARRIER_SCOPE FA4_EMU_ANY ".b64", Unit::Barrier,
       Fidelity::Exact, decode_barrier_bytes, 90, "9.7.13.15.11"},
      {"mbarrier.complete_tx{.relaxed}" FA4_EMU_BARRIER_SCOPE FA4_EMU_ANY ".b64", Unit::Barrier,
       Fidelity::Exact, decode_barrier_bytes, 90, "9.7.13.15.12"},
      {"mbarrier.{arrive,arrive_drop}.noComplete{.release}{.cta}" FA4_EMU_OWN ".b64", Unit::Barrier,
       Fidelity::Exact, decode_barrier_arrive, 80, "9.7.13.15.13"},
      {"mbarrier.{arrive,arrive_drop}.expect_tx{.{release,relaxed}}" FA4_EMU_BARRIER_SCOPE
           FA4_EMU_ANY ".b64",
       Unit::Barrier, Fidelity::Exact, decode_barrier_arrive, 90, "9.7.13.15.13"},
      {"mbarrier.{arrive,arrive_drop}{.{release,relaxed}}" FA4_EMU_BARRIER_SCOPE FA4_EMU_ANY ".b64",
       Unit::Barrier, Fidelity::Exact, decode_barrier_arrive, 80, "9.7.13.15.13"},
      {"mbarrier.test_wait{.parity}{.{acquire,relaxed}}" FA4_EMU_BARRIER_SCOPE FA4_EMU_OWN ".b64",
       Unit::Barrier, Fidelity::Exact, decode_barrier_wait, 80, "9.7.13.15.16"},
      {"mbarrier.try_wait{.parity}{.{acquire,relaxed}}" FA4_EMU_BARRIER_SCOPE FA4_EMU_OWN ".b64",
       Unit::Barrier, Fidelity::Exact, decode_barrier_wait, 90, "9.7.13.15.16"},
      {"mbarrier.pending_count.b64", Unit::Barrier, Fidelity::Exact, decode_pending_count, 80,
       "9.7.13.15.17"},
      {"cp.async.mbarrier.arrive{.noinc}" FA4_EMU_OWN ".b64", Unit::Async, Fidelity::Exact,
       decode_copies_arrive, 80, "9.7.13.15.15"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
