// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.12, control flow. A branch that parts the lanes of a split makes two, which meet again at the branch's
// immediate post-dominator.
#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/table.h"
#include "emu/machine/poll.h"
#include "emu/machine/report.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

// The list: target, where the lanes meet again (kNoJoin: nowhere before they exit).
Outcome branch(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  Split& split = warp.splits[warp.split];
  const LaneMask taken = warp.active;
  if (taken == split.mask) {
    split.pc = list[0];
    return Outcome::Branch;
  }
  // A loop's lanes leave it one by one to the same place: they need one join, not one for each round.
  const uint32_t join = list[1];
  if (join != kNoJoin && (split.joins.empty() || split.joins.back().pc != join)) {
    split.joins.push_back({join, ++warp.num_divergences});
  }
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

Instr decode_trap(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 0, 0);
  return {.exec = trap};
}

Outcome sleep(Warp& warp, const Instr& i) {
  note_poll(warp, reinterpret_cast<uint64_t>(&i));
  return Outcome::Yield;
}

Instr decode_sleep(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 1, 1);
  decoder.row_in(text.operands[0], Type::U32);
  return {.exec = sleep};
}

}  // namespace

std::span<const Form> control_forms() {
  static constexpr Form kForms[] = {
      {"bra{.uni}", Unit::Control, Fidelity::Exact, decode_branch, 0, "9.7.12.3"},
      {"ret{.uni}", Unit::Control, Fidelity::Exact, decode_exit, 0, "9.7.12.6"},
      {"exit", Unit::Control, Fidelity::Exact, decode_exit, 0, "9.7.12.7"},
      {"trap", Unit::Control, Fidelity::Exact, decode_trap, 0, "9.7.19.4"},
      {"nanosleep.u32", Unit::Control, Fidelity::Exact, decode_sleep, 70, "9.7.19.1"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
