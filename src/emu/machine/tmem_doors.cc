// SPDX-License-Identifier: Apache-2.0
// The doors of tensor memory: what an operation will touch must be allocated, and nobody else may be at it. In the
// shadow, 16 lanes of the columns lie together, a byte each.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "emu/machine/cluster.h"
#include "emu/machine/tensor_op.h"
#include "emu/machine/tmem.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu {
namespace {

enum class TmemUse : uint8_t { Read, Load, Write, Accumulate };

uint32_t tmem_cell(uint32_t base, uint32_t group, uint32_t column) {
  return base + (group * kTmemColumns + column) * 16;
}

std::string tmem_text(const Warp& warp, const char* what, uint32_t group, uint32_t lanes,
                      uint32_t column, uint32_t columns) {
  const uint32_t first = group * 16 + static_cast<uint32_t>(std::countr_zero(lanes));
  const uint32_t end = group * 16 + static_cast<uint32_t>(std::bit_width(lanes));
  const std::string name = warp.cta->describer->tensor_name(column);
  return fmt::format("{}{}{}columns [{}, {}) of lanes [{}, {})", what, *what == '\0' ? "" : ", ",
                     name.empty() ? "" : name + ", ", column, column + columns, first, end);
}

void report_tmem(Warp& warp, const Conflict& conflict, const std::string& here, bool reads,
                 Level level = Level::Error) {
  if (conflict.kind == Conflict::Kind::None) return;
  const auto other = [&] {
    return fmt::format("that of {} at {}", warp.cta->cluster->name_of(conflict.warp),
                       warp.cta->describer->site(*static_cast<const Instr*>(conflict.site)));
  };
  const char* const verb = reads ? "reads" : "writes";
  const auto say = [&](const char* code, const std::string& text) {
    report(warp, level, code, text);
  };
  switch (conflict.kind) {
    case Conflict::Kind::Unwritten:
      return say("tmem.uninit",
                 fmt::format("uninitialised read: nobody has written what it reads of tensor "
                             "memory: {}",
                             here));
    case Conflict::Kind::CopyPending:
      return say("tmem.in_flight",
                 fmt::format("tensor memory in flight: it {} {}, which an operation writes whose "
                             "end its thread has not waited for or been told of: {}",
                             verb, here, other()));
    case Conflict::Kind::CopyReading:
      return say("tmem.in_flight",
                 fmt::format("tensor memory in flight: it {} {}, which an operation reads whose "
                             "end its thread has not waited for or been told of: {}",
                             verb, here, other()));
    case Conflict::Kind::PipeOrder:
      return report(warp, Level::Warning, "tmem.pipe_order",
                    fmt::format("order assumed: it {} {} behind an operation of the same thread "
                                "that the manual does not order before it: {}",
                                verb, here, other()));
    case Conflict::Kind::WriteWrite:
      return say("race.write_vs_write",
                 fmt::format("race: it writes tensor memory, {}, and nothing orders that after the "
                             "write: {}",
                             here, other()));
    case Conflict::Kind::ReadWrite:
      return say("race.read_vs_write",
                 fmt::format("race: it writes tensor memory, {}, and nothing orders that after the "
                             "read: {}",
                             here, other()));
    default:
      return say("race.write_vs_read",
                 fmt::format("race: it {} tensor memory, {}, and nothing orders that after the "
                             "write: {}",
                             verb, here, other()));
  }
}

// Runs of lanes in a mask.
template <class Body>
void for_lane_runs(uint32_t mask, Body body) {
  while (mask != 0) {
    const auto first = static_cast<uint32_t>(std::countr_zero(mask));
    const auto count = static_cast<uint32_t>(std::countr_one(mask >> first));
    body(first, count);
    mask &= ~(((1u << count) - 1) << first);
  }
}

}  // namespace

TmemLanes tmem_lanes(uint32_t first, uint32_t count) {
  TmemLanes lanes{};
  for (uint32_t lane = first; lane < first + count && lane < kTmemLanes; ++lane) {
    lanes[lane / 16] = static_cast<uint16_t>(lanes[lane / 16] | 1u << lane % 16);
  }
  return lanes;
}

namespace {

// A load may read lanes that nobody has written: the lanes of a warp are more than those of many matrices. A column of
// which nobody has written anything is another matter.
void check_load(Warp& warp, const Cta& cta, const TmemRange& range) {
  Shadow& shadow = cta.cluster->shadow;
  const uint32_t base = cta.tmem.shadow_base();
  const auto groups_where = [&](auto is_so) {
    for (uint32_t group = 0; group < kTmemGroups; ++group) {
      if (range.lanes[group] != 0 && is_so(group)) return true;
    }
    return false;
  };
  if (!groups_where([&](uint32_t group) {
        return !shadow.is_all_written(tmem_cell(base, group, range.column), range.num_columns * 16);
      })) {
    return;
  }
  for (uint32_t column = range.column; column < range.column + range.num_columns; ++column) {
    if (groups_where([&](uint32_t group) {
          return shadow.is_any_written(tmem_cell(base, group, column), 16);
        })) {
      continue;
    }
    uint32_t first = 0, end = kTmemGroups;
    while (range.lanes[first] == 0) ++first;
    while (range.lanes[end - 1] == 0) --end;
    return report(warp, Level::Error, "tmem.uninit",
                  fmt::format("uninitialised read: nobody has written what it reads of tensor "
                              "memory: column {} of lanes [{}, {})",
                              column, first * 16, end * 16));
  }
}

// What it reads has come of a race that nobody has been told of.
void check_races(Warp& warp, const Cta& cta, const TmemRange& range, const char* what) {
  const uint32_t number = cta.tmem.taint.race_in(range);
  if (number == 0) return;
  const OperandRaces::Race& race = cta.cluster->operand_races.race(number);
  uint32_t first = 0;
  while (range.lanes[first] == 0) ++first;
  report(
      warp, Level::Error, race.code,
      fmt::format("{}; what came of it is read here: {}, written at {}", race.text,
                  tmem_text(warp, what, first, range.lanes[first], range.column, range.num_columns),
                  warp.cta->describer->site(*race.site)));
}

bool note_tmem(AsyncOp& op, Cta& cta, const TmemRange& range, TmemUse use, const char* what) {
  Warp& warp = *op.warp;
  const bool reads = use == TmemUse::Read || use == TmemUse::Load;
  uint32_t first = 0;
  while (first < kTmemGroups && range.lanes[first] == 0) ++first;
  if (first == kTmemGroups || range.num_columns == 0) return true;
  const std::string why = cta.tmem.why_not(cta, range.column, range.num_columns);
  if (!why.empty()) {
    report(warp, Level::Error, "tmem.freed",
           fmt::format(
               "tensor memory: it {} {}{}, and {}", reads ? "reads" : "writes",
               tmem_text(warp, what, first, range.lanes[first], range.column, range.num_columns),
               &cta == warp.cta ? "" : fmt::format(" of rank {}", cta.rank), why));
    return false;
  }
  auto* const tensor = dynamic_cast<TensorOp*>(&op);
  if (tensor != nullptr) tensor->touch(cta, range, !reads);
  // What an operation that comes before it has yet to read stays as it is.
  if (use == TmemUse::Write && (tensor == nullptr || tensor->enabled())) {
    for (uint32_t column = range.column; column < range.column + range.num_columns; ++column) {
      uint32_t* const lanes = cta.tmem.column(column);
      for (uint32_t group = first; group < kTmemGroups; ++group) {
        for_lane_runs(range.lanes[group], [&](uint32_t lane, uint32_t count) {
          std::fill_n(lanes + group * 16 + lane, count, 0xffffffffu);
        });
      }
    }
  }
  Shadow& shadow = cta.cluster->shadow;
  if (!shadow.enabled()) return true;
  if (use == TmemUse::Load) check_load(warp, cta, range);
  if (reads) {
    check_races(warp, cta, range, what);
    cta.tmem.taint.read(op.id, range);
  } else if (use == TmemUse::Write) {
    cta.tmem.taint.write(op.id, range);
  }
  const auto ask = [&](uint32_t group, uint32_t column, uint32_t lane, uint32_t count,
                       uint32_t columns) {
    const uint32_t at = tmem_cell(cta.tmem.shadow_base(), group, column) + lane;
    const uint32_t bytes = columns == 1 ? count : columns * 16;
    const Conflict conflict =
        reads ? shadow.tensor_reads(op.id, op.site, at, bytes, use == TmemUse::Load)
              : shadow.tensor_writes(op.id, op.site, at, bytes, use == TmemUse::Accumulate);
    if (conflict.kind == Conflict::Kind::None) return;
    const uint32_t mask = ((1u << count) - 1) << lane;
    report_tmem(warp, conflict, tmem_text(warp, what, group, mask, column, columns), reads);
  };
  for (uint32_t group = first; group < kTmemGroups; ++group) {
    if (range.lanes[group] == 0xffff) {
      ask(group, range.column, 0, 16, range.num_columns);
      continue;
    }
    for_lane_runs(range.lanes[group], [&](uint32_t lane, uint32_t count) {
      for (uint32_t column = range.column; column < range.column + range.num_columns; ++column) {
        ask(group, column, lane, count, 1);
      }
    });
  }
  return true;
}

}  // namespace

bool note_tmem_read(AsyncOp& op, Cta& cta, const TmemRange& range, const char* what) {
  return note_tmem(op, cta, range, TmemUse::Read, what);
}

bool note_tmem_write(AsyncOp& op, Cta& cta, const TmemRange& range, bool accumulates,
                     const char* what) {
  return note_tmem(op, cta, range, accumulates ? TmemUse::Accumulate : TmemUse::Write, what);
}

bool note_tmem_load(AsyncOp& op, Cta& cta, const TmemRange& range) {
  return note_tmem(op, cta, range, TmemUse::Load, "");
}

void note_tmem_freed(Warp& warp, uint32_t column, uint32_t num_columns) {
  Cta& cta = *warp.cta;
  Shadow& shadow = cta.cluster->shadow;
  if (!shadow.enabled()) return;
  const auto is_unfinished = [&](const Conflict& conflict) {
    return std::ranges::any_of(cta.cluster->operations, [&](const std::unique_ptr<AsyncOp>& op) {
      return op->warp->agent == conflict.warp && op->site == conflict.site;
    });
  };
  for (uint32_t group = 0; group < kTmemGroups; ++group) {
    const Conflict conflict = shadow.forget(
        warp.agent, tmem_cell(cta.tmem.shadow_base(), group, column), num_columns * 16);
    // What has ended is out of the way, though nothing may tell this thread so (a relaxed barrier).
    report_tmem(warp, conflict, tmem_text(warp, "", group, 0xffff, column, num_columns), false,
                is_unfinished(conflict) ? Level::Error : Level::Warning);
  }
}

}  // namespace fa4::emu
