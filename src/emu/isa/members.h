// SPDX-License-Identifier: Apache-2.0
// Instructions of a warp with a member mask (.sync): every lane waits until all lanes that its mask names, and that
// have not exited, execute the same instruction with the same mask. Lanes with different masks form groups of their
// own. They must be at one place of the program: lanes that come to two copies of an instruction do not meet.
#pragma once

#include <fmt/format.h>

#include <bit>
#include <utility>

#include "emu/isa/cpu.h"
#include "emu/isa/decoder.h"
#include "emu/isa/instr.h"
#include "emu/machine/row.h"
#include "emu/machine/warp.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {

// Operands: dst, a, b and c are those of the text; `extra` holds the row of the member mask, and above it a predicate.
inline uint16_t member_row(const Instr& i) { return static_cast<uint16_t>(i.extra & 0xffff); }
inline uint16_t second_result(const Instr& i) { return static_cast<uint16_t>(i.extra >> 16); }

inline uint32_t pack_members(uint16_t mask_row, uint16_t predicate) {
  return mask_row | static_cast<uint32_t>(predicate) << 16;
}

// d, or d|p: the register's row and the predicate.
inline std::pair<uint16_t, uint16_t> result_pair(Decoder& decoder, const ptx::Operand& operand,
                                                 bool required) {
  if (operand.kind != ptx::Operand::Kind::Pair) {
    if (required) decoder.refuse("the result is a register and a predicate, d|p");
    return {decoder.row_out(operand, Type::B32), decoder.predicate_out({})};
  }
  return {decoder.row_out(operand.parts.at(0), Type::B32),
          decoder.predicate_out(operand.parts.at(1))};
}

// The active lanes whose mask is that of `lane`.
inline LaneMask group_of(const Row& masks, LaneMask active, int lane) {
  LaneMask group = 0;
  for (int other = 0; other < kLanes; ++other) {
    group |= static_cast<LaneMask>(masks.lane[other] == masks.lane[lane]) << other;
  }
  return group & active;
}

// Reports what is wrong with a group. False: lanes of it are elsewhere, and must be waited for.
inline bool group_is_complete(Warp& warp, LaneMask group, LaneMask named) {
  if ((group & ~named) != 0) {
    report(
        warp, Level::Error, "warp.mask",
        fmt::format("lanes {:#010x} execute it with the member mask {:#010x}, which does not name "
                    "them",
                    group & ~named, named));
  }
  const LaneMask missing = named & ~group & ~warp.exited;
  const LaneMask beside = missing & warp.splits[warp.split].mask;
  if (beside != 0) {
    report(warp, Level::Error, "warp.mask",
           fmt::format(
               "the member mask {:#010x} names lanes {:#010x}, which are here and have another "
               "mask or a false guard",
               named, beside));
  }
  return (missing & ~beside) == 0;
}

// Whether all lanes are here and name all lanes: one group, and complete.
inline bool all_are_members(const Warp& warp, uint16_t mask_row) {
  if (warp.active != kAllLanes) return false;
  LaneMask common = kAllLanes;
  for (const uint32_t named : warp.rows[mask_row].lane) common &= named;
  return common == kAllLanes;
}

// Calls body(group, named) for each group, once all of them are complete.
template <class Body>
Outcome for_groups(Warp& warp, uint16_t mask_row, Body body) {
  if (all_are_members(warp, mask_row)) {
    warp.splits[warp.split].wait = {};
    body(kAllLanes, kAllLanes);
    return Outcome::Next;
  }
  const Row masks = warp.rows[mask_row];  // a copy: the body may write the row
  for (LaneMask left = warp.active; left != 0;) {
    const int lane = std::countr_zero(left);
    const LaneMask group = group_of(masks, warp.active, lane);
    if (!group_is_complete(warp, group, masks.lane[lane])) {
      warp.splits[warp.split].wait = {WaitOn::Kind::WarpBarrier, 0, warp.exited};
      return Outcome::Wait;
    }
    left &= ~group;
  }
  warp.splits[warp.split].wait = {};
  for (LaneMask left = warp.active; left != 0;) {
    const int lane = std::countr_zero(left);
    const LaneMask group = group_of(masks, warp.active, lane);
    body(group, masks.lane[lane]);
    left &= ~group;
  }
  return Outcome::Next;
}

inline void set_group_predicate(Warp& warp, uint16_t index, LaneMask group, LaneMask value) {
  warp.predicates[index] = (warp.predicates[index] & ~group) | (value & group);
}

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa
