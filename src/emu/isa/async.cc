// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.9.25: cp.async and its groups. When the bytes move is the scheduler's choice (run/scheduler.cc); until
// then the destination holds poison.
#include <bit>
#include <memory>

#include "emu/isa/address.h"
#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/table.h"
#include "emu/machine/cp_async.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

constexpr uint32_t kWholeSource = 0, kSourceBytes = 1, kIgnoreSource = 2;

// How many bytes of its source a lane reads.
uint32_t source_bytes(Warp& warp, const Instr& i, int lane, uint32_t bytes) {
  const uint32_t meaning = warp.lists[i.extra + 7];
  if (meaning == kIgnoreSource) return has_lane(warp.predicates[i.a], lane) ? 0 : bytes;
  const uint32_t said = meaning == kSourceBytes ? warp.rows[i.a].lane[lane] : bytes;
  if (said <= bytes) return said;
  report(warp, Level::Error, "cp_async.source_bytes",
         "cp.async reads more bytes of its source than it copies");
  return bytes;
}

// The lanes that read as many bytes as they write.
LaneMask whole_sources(const Warp& warp, const Instr& i, uint32_t bytes) {
  const uint32_t meaning = warp.lists[i.extra + 7];
  if (meaning == kIgnoreSource) return ~warp.predicates[i.a];
  LaneMask whole = kAllLanes;
  for (int lane = 0; meaning == kSourceBytes && lane < kLanes; ++lane) {
    if (warp.rows[i.a].lane[lane] != bytes) whole &= ~(LaneMask{1} << lane);
  }
  return whole;
}

// The list: destination (3), source (3), bytes, what `a` means: nothing, a row of source bytes, or a predicate.
Outcome copy_async(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  const Place to(list), from(list + 3);
  const uint32_t bytes = list[6];
  auto copy = std::make_unique<CpAsync>(warp);
  uint64_t to_at[kLanes], from_at[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    to_at[lane] = to.of(warp, lane);
    from_at[lane] = from.of(warp, lane);
  }
  const LaneMask whole = whole_sources(warp, i, bytes);
  for (LaneMask left = warp.active; left != 0;) {
    const int first = std::countr_zero(left);
    int end = first + 1;
    if (has_lane(whole, first)) {
      while (end < kLanes && has_lane(left & whole, end) && to_at[end] == to_at[end - 1] + bytes &&
             from_at[end] == from_at[end - 1] + bytes) {
        ++end;
      }
    }
    if (end == first + 1 || !copy->add_run(end - first, to_at[first], from_at[first], bytes)) {
      for (int lane = first; lane < end; ++lane) {
        copy->add(lane, to_at[lane], from_at[lane], bytes, source_bytes(warp, i, lane, bytes));
      }
    }
    left &= ~static_cast<LaneMask>((uint64_t{1} << end) - 1);
  }
  if (copy->num_steps() == 0) return Outcome::Next;
  issue(std::move(copy));
  return Outcome::Yield;
}

Instr decode_copy(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  const size_t hint = words.has("L2::cache_hint") ? 1 : 0;
  decoder.require_operands(text, 3 + hint, 4 + hint);
  const int64_t bytes = decoder.number(text.operands[2]);
  if (bytes != 4 && bytes != 8 && bytes != 16) decoder.refuse("cp.async copies 4, 8 or 16 bytes");
  if (words.has("cg") && bytes != 16) decoder.refuse("cp.async.cg copies 16 bytes");
  Instr instr{.exec = copy_async};
  uint32_t meaning = kWholeSource;
  if (text.operands.size() == 4 + hint) {
    const ptx::Operand& fourth = text.operands[3];
    if (decoder.is_predicate(fourth)) {
      const Predicate ignore = decoder.predicate_in(fourth);
      if (ignore.negated)
        decoder.refuse("the ignore-src predicate of cp.async is not negated here");
      instr.a = ignore.index;
      meaning = kIgnoreSource;
    } else {
      instr.a = decoder.row_in(fourth, Type::U32);
      meaning = kSourceBytes;
    }
  }
  const Address to = decoder.address(text.operands[0]);
  const Address from = decoder.address(text.operands[1]);
  const auto flags = [](Space space, const Address& address) {
    return static_cast<uint32_t>(space) | (address.wide ? 0x100u : 0u);
  };
  instr.extra =
      decoder.list({flags(Space::Shared, to), to.base, static_cast<uint32_t>(to.offset),
                    flags(Space::Global, from), from.base, static_cast<uint32_t>(from.offset),
                    static_cast<uint32_t>(bytes), meaning});
  return instr;
}

Outcome commit_group(Warp& warp, const Instr&) {
  for_each_lane(warp.active, [&](int lane) { ++warp.cp_groups[static_cast<size_t>(lane)]; });
  return Outcome::Next;
}

Instr decode_commit(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 0, 0);
  return {.exec = commit_group};
}

// Waits until of each lane's groups at most `extra` are unfinished; kAllCopyGroups: until all copies are, committed or not.
Outcome wait_groups(Warp& warp, const Instr& i) {
  const WaitOn wait{WaitOn::Kind::CpAsync, i.extra, 0};
  return has_waited_for_groups(warp, wait) ? Outcome::Yield : Outcome::Wait;
}

Instr decode_wait(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  Instr instr{.exec = wait_groups};
  if (words.has("wait_all")) {
    decoder.require_operands(text, 0, 0);
    instr.extra = kAllCopyGroups;
  } else {
    decoder.require_operands(text, 1, 1);
    const int64_t groups = decoder.number(text.operands[0]);
    if (groups < 0) decoder.refuse("cp.async.wait_group waits for 0 or more groups");
    instr.extra = static_cast<uint32_t>(groups);
  }
  return instr;
}

}  // namespace

std::span<const Form> async_forms() {
  static constexpr Form kForms[] = {
      {"cp.async.{ca,cg}.{shared,shared::cta}.global{.L2::cache_hint}{.{L2::64B,L2::128B,L2::256B}}",
       Unit::Async, Fidelity::Exact, decode_copy, 80, "9.7.9.25.3"},
      {"cp.async.commit_group", Unit::Async, Fidelity::Exact, decode_commit, 80, "9.7.9.25.3"},
      {"cp.async.{wait_group,wait_all}", Unit::Async, Fidelity::Exact, decode_wait, 80,
       "9.7.9.25.3"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
