// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.12, control flow. A branch that parts the lanes of a split makes two, which meet again at the branch's
// immediate post-dominator.
#include <fmt/format.h>

#include <algorithm>

#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/table.h"
#include "emu/machine/report.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

// Some lanes go elsewhere; all meet again at `join` (kNoJoin: nowhere before they exit or return). A loop's lanes leave
// it one by one to the same place: they need one join, not one for each round.
void expect_join(Warp& warp, Split& split, uint32_t join) {
  if (join == kNoJoin) return;
  const uint32_t depth = split.depth();
  if (!split.joins.empty() && split.joins.back().pc == join && split.joins.back().depth == depth) {
    return;
  }
  split.joins.push_back({join, ++warp.num_divergences, depth});
}

// The list: target, where the lanes meet again.
Outcome branch(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  Split& split = warp.splits[warp.split];
  const LaneMask taken = warp.active;
  if (taken == split.mask) {
    split.pc = list[0];
    return Outcome::Branch;
  }
  expect_join(warp, split, list[1]);
  Split other = split;
  other.pc = split.pc + 1;
  other.mask = split.mask & ~taken;
  split.pc = list[0];
  split.mask = taken;
  warp.splits.push_back(std::move(other));
  return Outcome::Branch;
}

// .uni promises that all lanes agree; the machine does not rely on it.
Instr decode_branch(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 1, 1);
  Instr instr{.exec = branch};
  instr.extra = decoder.list({decoder.target(text.operands[0]), decoder.join()});
  return instr;
}

// The list: where the lanes meet again, how many targets, the targets. A lane whose index is beyond them: the last.
Outcome branch_by_index(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  Split& split = warp.splits[warp.split];
  const auto target_of = [&](int lane) {
    return list[2 + std::min(warp.rows[i.a].lane[lane], list[1] - 1)];
  };
  const uint32_t target = target_of(std::countr_zero(warp.active));
  LaneMask lanes = 0;
  for_each_lane(warp.active, [&](int lane) {
    if (warp.rows[i.a].lane[lane] >= list[1]) {
      report(warp, Level::Error, "brx.index",
             fmt::format("out of bounds: lane {} branches to target {} of {}", lane,
                         warp.rows[i.a].lane[lane], list[1]));
    }
    if (target_of(lane) == target) lanes |= LaneMask{1} << lane;
  });
  if (lanes != split.mask) {
    expect_join(warp, split, list[0]);
    const LaneMask passing = split.mask & ~warp.active, waiting = warp.active & ~lanes;
    const Split whole = split;
    const auto part = [&](LaneMask mask, uint32_t pc) {
      if (mask == 0) return;
      warp.splits.push_back(whole);
      warp.splits.back().mask = mask;
      warp.splits.back().pc = pc;
    };
    part(passing, whole.pc + 1);
    part(waiting, whole.pc);
  }
  warp.splits[warp.split].mask = lanes;
  warp.splits[warp.split].pc = target;
  return Outcome::Branch;
}

Instr decode_branch_by_index(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 2, 2);
  const std::vector<uint32_t> targets = decoder.targets(text.operands[1]);
  std::vector<uint32_t> list = {decoder.join(), static_cast<uint32_t>(targets.size())};
  list.insert(list.end(), targets.begin(), targets.end());
  Instr instr{.exec = branch_by_index};
  instr.a = decoder.row_in(text.operands[0], Type::U32);
  instr.extra = decoder.list(list);
  return instr;
}

Outcome exit_lanes(Warp& warp, const Instr&) {
  Split& split = warp.splits[warp.split];
  split.mask &= ~warp.active;
  warp.exited |= warp.active;
  ++split.pc;
  return Outcome::Branch;
}

Instr decode_exit(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 0, 0);
  return {.exec = exit_lanes};
}

Outcome trap(Warp& warp, const Instr&) {
  report(warp, Level::Error, "trap", "trap: the program has stopped itself");
  throw Stop("trap");
}

// Without a debugger a breakpoint ends the kernel, as a trap does.
Outcome breakpoint(Warp& warp, const Instr&) {
  report(warp, Level::Error, "trap", "trap: a breakpoint, and no debugger is here");
  throw Stop("breakpoint");
}

Instr decode_breakpoint(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 0, 0);
  return {.exec = breakpoint};
}

Instr decode_trap(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 0, 0);
  return {.exec = trap};
}

Outcome sleep(Warp&, const Instr&) { return Outcome::Yield; }

Instr decode_sleep(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 1, 1);
  decoder.row_in(text.operands[0], Type::U32);
  return {.exec = sleep};
}

}  // namespace

std::span<const Form> control_forms() {
  static constexpr Form kForms[] = {
      {"bra{.uni}", Unit::Control, Fidelity::Exact, decode_branch, 0, "9.7.12.3"},
      {"brx.idx{.uni}", Unit::Control, Fidelity::Exact, decode_branch_by_index, 0, "9.7.12.4"},
      {"exit", Unit::Control, Fidelity::Exact, decode_exit, 0, "9.7.12.7"},
      {"trap", Unit::Control, Fidelity::Exact, decode_trap, 0, "9.7.19.4"},
      {"brkpt", Unit::Control, Fidelity::Exact, decode_breakpoint, 0, "9.7.19.1"},
      {"nanosleep.u32", Unit::Control, Fidelity::Exact, decode_sleep, 70, "9.7.19.2"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
