// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.13.1: named barriers of a CTA, as bar and as barrier.
#include <fmt/format.h>

#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/table.h"
#include "emu/machine/cta.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

enum class Reduce : uint8_t { None, Popc, And, Or };

// Operands are uniform: the first active lane's values count, and lanes that differ are reported.
uint32_t uniform_value(Warp& warp, uint16_t row, const char* what) {
  const Row& values = warp.rows[row];
  const uint32_t value = values.lane[std::countr_zero(warp.active)];
  for_each_lane(warp.active, [&](int lane) {
    if (values.lane[lane] != value) {
      report(warp, Level::Error, "bar.uniform",
             fmt::format("barrier misuse: the {} is {} in one lane and {} in another", what, value,
                         values.lane[lane]));
    }
  });
  return value;
}

// A warp comes to a barrier. False: it may not, which has been reported.
bool arrive(Warp& warp, uint32_t id, bool counted, uint32_t count, bool waits) {
  Cta& cta = *warp.cta;
  if (id >= kNumNamedBarriers) {
    report(warp, Level::Error, "bar.id",
           fmt::format("barrier misuse: barrier {} does not exist; there are 0 to {}", id,
                       kNumNamedBarriers - 1));
    return false;
  }
  NamedBarrier& barrier = cta.barriers[id];
  if (counted && (count == 0 || count % kLanes != 0)) {
    report(warp, Level::Error, "bar.count",
           fmt::format("barrier misuse: {} threads are expected at barrier {}; it must be a "
                       "multiple of {}",
                       count, id, kLanes));
    return false;
  }
  const bool first = barrier.warps.empty();
  if (!first && (barrier.all_threads == counted || (counted && barrier.expected != count))) {
    report(
        warp, Level::Error, "bar.count",
        fmt::format("barrier misuse: barrier {} expects {} threads, and this warp says {}", id,
                    barrier.all_threads ? std::string("all") : fmt::format("{}", barrier.expected),
                    counted ? fmt::format("{}", count) : std::string("all")));
  }
  for (const uint32_t other : barrier.warps) {
    if (other != warp.index) continue;
    report(
        warp, Level::Error, "bar.generation",
        fmt::format("barrier misuse: this warp has come to barrier {} before, and its generation "
                    "has not ended",
                    id));
    return false;
  }
  const LaneMask present = warp.splits[warp.split].mask;
  if (present != ~warp.exited) {
    report(
        warp, Level::Error, "warp.unaligned_sync",
        fmt::format("barrier misuse: lanes {:#010x} come to barrier {} without lanes {:#010x} of "
                    "their warp",
                    present, id, ~warp.exited & ~present));
  }
  if (first) {
    barrier.all_threads = !counted;
    barrier.expected = count;
  }
  barrier.warps.push_back(warp.index);
  if (waits) barrier.waiting.push_back(warp.index);
  barrier.arrived += kLanes;
  return true;
}

// Operands: a = id, b = count (if `extra` says so), c = predicate of a reduction.
constexpr uint32_t kCounted = 1, kNegatedInput = 2;

template <bool Waits, Reduce R>
Outcome come(Warp& warp, const Instr& i) {
  Split& split = warp.splits[warp.split];
  const uint32_t id = uniform_value(warp, i.a, "barrier");
  const bool counted = (i.extra & kCounted) != 0;
  const uint32_t count = counted ? uniform_value(warp, i.b, "count") : 0;
  if (split.wait.kind == WaitOn::Kind::NamedBarrier) {  // come back: the generation has ended
    split.wait = {};
    if constexpr (R != Reduce::None) {
      const uint32_t result = warp.cta->barriers[id].result[static_cast<int>(R) - 1];
      if constexpr (R == Reduce::Popc) {
        for_active(warp, [&](int lane) { warp.rows[i.dst].lane[lane] = result; });
      } else {
        set_predicate(warp, i.dst, result != 0 ? kAllLanes : 0);
      }
    }
    return Outcome::Yield;
  }
  const uint64_t generation = id < kNumNamedBarriers ? warp.cta->barriers[id].generation : 0;
  if (!arrive(warp, id, counted, count, Waits)) return Outcome::Next;
  NamedBarrier& barrier = warp.cta->barriers[id];
  if constexpr (R != Reduce::None) {
    LaneMask value = warp.predicates[i.c];
    if ((i.extra & kNegatedInput) != 0) value = ~value;
    value &= warp.active;
    barrier.reduced[0] += static_cast<uint32_t>(std::popcount(value));
    barrier.reduced[1] &= value == warp.active ? 1u : 0u;
    barrier.reduced[2] |= value != 0 ? 1u : 0u;
  }
  complete_if_full(*warp.cta, id);
  if constexpr (!Waits) return Outcome::Yield;
  split.wait = {WaitOn::Kind::NamedBarrier, id, generation};
  return Outcome::Wait;
}

template <bool Waits, Reduce R>
Instr decode_come(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  constexpr size_t kResult = R == Reduce::None ? 0 : 1;
  const size_t most = 2 + 2 * kResult;
  decoder.require_operands(text, Waits ? most - 1 : 2, most);
  Instr instr{.exec = come<Waits, R>};
  const bool counted = text.operands.size() == most;
  instr.a = decoder.row_in(text.operands[kResult], Type::U32);
  if (counted) instr.b = decoder.row_in(text.operands[kResult + 1], Type::U32);
  instr.extra = counted ? kCounted : 0;
  if constexpr (R != Reduce::None) {
    const Predicate input = decoder.predicate_in(text.operands.back());
    instr.c = input.index;
    if (input.negated) instr.extra |= kNegatedInput;
    instr.dst = R == Reduce::Popc ? decoder.row_out(text.operands[0], Type::U32)
                                  : decoder.predicate_out(text.operands[0]);
  }
  return instr;
}

}  // namespace

std::span<const Form> barrier_forms() {
  static constexpr Form kForms[] = {
      {"bar{.cta}.sync", Unit::Barrier, Fidelity::Exact, decode_come<true, Reduce::None>, 0,
       "9.7.13.1"},
      {"bar{.cta}.arrive", Unit::Barrier, Fidelity::Exact, decode_come<false, Reduce::None>, 0,
       "9.7.13.1"},
      {"bar{.cta}.red.popc.u32", Unit::Barrier, Fidelity::Exact, decode_come<true, Reduce::Popc>, 0,
       "9.7.13.1"},
      {"bar{.cta}.red.and.pred", Unit::Barrier, Fidelity::Exact, decode_come<true, Reduce::And>, 0,
       "9.7.13.1"},
      {"bar{.cta}.red.or.pred", Unit::Barrier, Fidelity::Exact, decode_come<true, Reduce::Or>, 0,
       "9.7.13.1"},
      {"barrier{.cta}.sync{.aligned}", Unit::Barrier, Fidelity::Exact,
       decode_come<true, Reduce::None>, 0, "9.7.13.1"},
      {"barrier{.cta}.arrive{.aligned}", Unit::Barrier, Fidelity::Exact,
       decode_come<false, Reduce::None>, 0, "9.7.13.1"},
      {"barrier{.cta}.red.popc{.aligned}.u32", Unit::Barrier, Fidelity::Exact,
       decode_come<true, Reduce::Popc>, 0, "9.7.13.1"},
      {"barrier{.cta}.red.and{.aligned}.pred", Unit::Barrier, Fidelity::Exact,
       decode_come<true, Reduce::And>, 0, "9.7.13.1"},
      {"barrier{.cta}.red.or{.aligned}.pred", Unit::Barrier, Fidelity::Exact,
       decode_come<true, Reduce::Or>, 0, "9.7.13.1"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
