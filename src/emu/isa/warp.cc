// SPDX-License-Identifier: Apache-2.0
// What the lanes of a warp do together: chapter 9.7.13 (vote, match, redux, activemask, elect, bar.warp). Shuffles are in
// shuffle.cc.
#include "emu/isa/apply.h"
#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/members.h"
#include "emu/isa/table.h"
#include "emu/machine/cluster.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

enum class Vote : uint8_t { Any, All, Uniform, Ballot };

// a: a predicate; b: 1 if it is negated.
template <Vote V>
Outcome warp_vote(Warp& warp, const Instr& i) {
  const LaneMask input = warp.predicates[i.a] ^ (i.b != 0 ? kAllLanes : 0);
  return for_groups(warp, member_row(i), [&](LaneMask group, LaneMask) {
    const LaneMask yes = input & group;
    if constexpr (V == Vote::Ballot) {
      for_each_lane(group, [&](int lane) { warp.rows[i.dst].lane[lane] = yes; });
    } else {
      bool result = yes != 0;
      if constexpr (V == Vote::All) result = yes == group;
      if constexpr (V == Vote::Uniform) result = yes == group || yes == 0;
      set_group_predicate(warp, i.dst, group, result ? kAllLanes : 0);
    }
  });
}

template <bool Wide>
uint64_t match_value(const Warp& warp, uint16_t row, int lane) {
  if constexpr (Wide) return load64<uint64_t>(warp, row, lane);
  return warp.rows[row].lane[lane];
}

template <bool Wide>
Outcome warp_match_any(Warp& warp, const Instr& i) {
  return for_groups(warp, member_row(i), [&](LaneMask group, LaneMask) {
    Row result{};  // dst may be where a is
    for_each_lane(group, [&](int lane) {
      const uint64_t value = match_value<Wide>(warp, i.a, lane);
      for_each_lane(group, [&](int other) {
        if (match_value<Wide>(warp, i.a, other) == value) {
          result.lane[lane] |= LaneMask{1} << other;
        }
      });
    });
    for_each_lane(group, [&](int lane) { warp.rows[i.dst].lane[lane] = result.lane[lane]; });
  });
}

template <bool Wide>
Outcome warp_match_all(Warp& warp, const Instr& i) {
  return for_groups(warp, member_row(i), [&](LaneMask group, LaneMask) {
    const uint64_t value = match_value<Wide>(warp, i.a, std::countr_zero(group));
    bool same = true;
    for_each_lane(group, [&](int lane) { same &= match_value<Wide>(warp, i.a, lane) == value; });
    for_each_lane(group, [&](int lane) { warp.rows[i.dst].lane[lane] = same ? group : 0; });
    set_group_predicate(warp, second_result(i), group, same ? kAllLanes : 0);
  });
}

struct ReduxAdd {
  uint32_t operator()(uint32_t a, uint32_t b) const { return a + b; }
};
struct ReduxMinUnsigned {
  uint32_t operator()(uint32_t a, uint32_t b) const { return a < b ? a : b; }
};
struct ReduxMaxUnsigned {
  uint32_t operator()(uint32_t a, uint32_t b) const { return a > b ? a : b; }
};
struct ReduxMinSigned {
  uint32_t operator()(uint32_t a, uint32_t b) const {
    return static_cast<int32_t>(a) < static_cast<int32_t>(b) ? a : b;
  }
};
struct ReduxMaxSigned {
  uint32_t operator()(uint32_t a, uint32_t b) const {
    return static_cast<int32_t>(a) > static_cast<int32_t>(b) ? a : b;
  }
};
struct ReduxAnd {
  uint32_t operator()(uint32_t a, uint32_t b) const { return a & b; }
};
struct ReduxOr {
  uint32_t operator()(uint32_t a, uint32_t b) const { return a | b; }
};
struct ReduxXor {
  uint32_t operator()(uint32_t a, uint32_t b) const { return a ^ b; }
};

template <class Op>
Outcome warp_redux(Warp& warp, const Instr& i) {
  return for_groups(warp, member_row(i), [&](LaneMask group, LaneMask) {
    const Row& from = warp.rows[i.a];
    uint32_t sum = from.lane[std::countr_zero(group)];
    for_each_lane(group & (group - 1), [&](int lane) { sum = Op()(sum, from.lane[lane]); });
    for_each_lane(group, [&](int lane) { warp.rows[i.dst].lane[lane] = sum; });
  });
}

Outcome warp_active_mask(Warp& warp, const Instr& i) {
  const LaneMask active = warp.active;
  for_active(warp, [&](int lane) { warp.rows[i.dst].lane[lane] = active; });
  return Outcome::Next;
}

// The lowest lane, as on an H200 (tests/emu/golden); with a seed another one, the same for each member mask.
int elected(const Warp& warp, LaneMask group) {
  if (warp.elect_seed == 0) return std::countr_zero(group);
  uint64_t mixed = (warp.elect_seed ^ group) * 0x9e3779b97f4a7c15;
  for (auto skip = (mixed >> 32) % static_cast<uint64_t>(std::popcount(group)); skip != 0; --skip) {
    group &= group - 1;
  }
  return std::countr_zero(group);
}

Outcome warp_elect(Warp& warp, const Instr& i) {
  return for_groups(warp, member_row(i), [&](LaneMask group, LaneMask) {
    const int leader = elected(warp, group);
    for_each_lane(group,
                  [&](int lane) { warp.rows[i.dst].lane[lane] = static_cast<uint32_t>(leader); });
    set_group_predicate(warp, second_result(i), group, LaneMask{1} << leader);
  });
}

Outcome warp_barrier(Warp& warp, const Instr& i) {
  const Outcome outcome = for_groups(warp, member_row(i), [](LaneMask, LaneMask) {});
  if (outcome != Outcome::Wait) warp.cta->cluster->shadow.lanes_meet(warp.agent);
  return outcome == Outcome::Wait ? Outcome::Wait : Outcome::Yield;
}

Instr decode_vote(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 3, 3);
  Instr instr{.exec = warp_vote<Vote::Any>};
  if (words.has("all")) instr.exec = warp_vote<Vote::All>;
  if (words.has("uni")) instr.exec = warp_vote<Vote::Uniform>;
  if (words.has("ballot")) instr.exec = warp_vote<Vote::Ballot>;
  const Predicate input = decoder.predicate_in(text.operands[1]);
  instr.a = input.index;
  instr.b = input.negated ? 1 : 0;
  instr.extra = pack_members(decoder.row_in(text.operands[2], Type::B32), 0);
  instr.dst = words.has("ballot") ? decoder.row_out(text.operands[0], Type::B32)
                                  : decoder.predicate_out(text.operands[0]);
  return instr;
}

Instr decode_match(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 3, 3);
  const bool wide = words.type() == Type::B64, all = words.has("all");
  Instr instr{.exec = wide ? warp_match_any<true> : warp_match_any<false>};
  if (all) instr.exec = wide ? warp_match_all<true> : warp_match_all<false>;
  instr.a = decoder.row_in(text.operands[1], words.type());
  const uint16_t mask = decoder.row_in(text.operands[2], Type::B32);
  if (!all && text.operands[0].kind == ptx::Operand::Kind::Pair) {
    decoder.refuse("match.any has one result");
  }
  const auto [d, p] = result_pair(decoder, text.operands[0], false);
  instr.dst = d;
  instr.extra = pack_members(mask, p);
  return instr;
}

ExecFn redux_function(const Words& words) {
  const bool is_signed = words.type() == Type::S32;
  if (words.has("add")) return warp_redux<ReduxAdd>;
  if (words.has("min"))
    return is_signed ? warp_redux<ReduxMinSigned> : warp_redux<ReduxMinUnsigned>;
  if (words.has("max"))
    return is_signed ? warp_redux<ReduxMaxSigned> : warp_redux<ReduxMaxUnsigned>;
  if (words.has("and")) return warp_redux<ReduxAnd>;
  if (words.has("or")) return warp_redux<ReduxOr>;
  return warp_redux<ReduxXor>;
}

Instr decode_redux(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 3, 3);
  Instr instr{.exec = redux_function(words)};
  instr.a = decoder.row_in(text.operands[1], words.type());
  instr.extra = pack_members(decoder.row_in(text.operands[2], Type::B32), 0);
  instr.dst = decoder.row_out(text.operands[0], words.type());
  return instr;
}

Instr decode_active_mask(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 1, 1);
  Instr instr{.exec = warp_active_mask};
  instr.dst = decoder.row_out(text.operands[0], Type::B32);
  return instr;
}

Instr decode_elect(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 2, 2);
  Instr instr{.exec = warp_elect};
  const uint16_t mask = decoder.row_in(text.operands[1], Type::B32);
  const auto [d, p] = result_pair(decoder, text.operands[0], true);
  instr.dst = d;
  instr.extra = pack_members(mask, p);
  return instr;
}

Instr decode_warp_barrier(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 1, 1);
  Instr instr{.exec = warp_barrier};
  instr.extra = pack_members(decoder.row_in(text.operands[0], Type::B32), 0);
  return instr;
}

constexpr Form kWarpForms[] = {
    {"vote.sync.{any,all,uni}.pred", Unit::Alu, Fidelity::Exact, decode_vote, 30, "9.7.13.9"},
    {"vote.sync.ballot.b32", Unit::Alu, Fidelity::Exact, decode_vote, 30, "9.7.13.9"},
    {"match.{any,all}.sync.{b32,b64}", Unit::Alu, Fidelity::Exact, decode_match, 70, "9.7.13.10"},
    {"activemask.b32", Unit::Alu, Fidelity::Exact, decode_active_mask, 30, "9.7.13.11"},
    {"redux.sync.{add,min,max}.{u32,s32}", Unit::Alu, Fidelity::Exact, decode_redux, 80,
     "9.7.13.12"},
    {"redux.sync.{and,or,xor}.b32", Unit::Alu, Fidelity::Exact, decode_redux, 80, "9.7.13.12"},
    {"elect.sync", Unit::Alu, Fidelity::Exact, decode_elect, 90, "9.7.13.14", "as an H200"},
    {"bar.warp.sync", Unit::Barrier, Fidelity::Exact, decode_warp_barrier, 30, "9.7.13.2"},
};

}  // namespace

std::span<const Form> FA4_EMU_CPU::warp_forms() { return kWarpForms; }

}  // namespace fa4::emu::isa
