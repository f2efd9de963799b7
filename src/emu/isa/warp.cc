// SPDX-License-Identifier: Apache-2.0
// What the lanes of a warp do together: chapters 9.7.9.6 (shfl) and 9.7.13 (vote, match, redux, activemask, elect,
// bar.warp).
#include <utility>

#include "emu/isa/apply.h"
#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/members.h"
#include "emu/isa/table.h"
#include "emu/machine/cluster.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

// Operands: dst, a, b and c are those of the text; `extra` holds the row of the member mask, and above it a predicate.
uint16_t member_row(const Instr& i) { return static_cast<uint16_t>(i.extra & 0xffff); }
uint16_t second_result(const Instr& i) { return static_cast<uint16_t>(i.extra >> 16); }

uint32_t pack_members(uint16_t mask_row, uint16_t predicate) {
  return mask_row | static_cast<uint32_t>(predicate) << 16;
}

enum class Shuffle : uint8_t { Up, Down, Butterfly, Index };

struct ShuffleSource {
  int lane;
  bool inside;  // of the segment
};

// c holds the segment's mask in bits 8 to 12, and the last lane (of up: the first) in bits 0 to 4.
template <Shuffle S>
ShuffleSource shuffle_source(int lane, uint32_t b, uint32_t c) {
  const int by = static_cast<int>(b & 31), clamp = static_cast<int>(c & 31);
  const int segment = static_cast<int>(c >> 8 & 31);
  const int limit = (lane & segment) | (clamp & ~segment);
  int source = lane;
  if constexpr (S == Shuffle::Up) source = lane - by;
  if constexpr (S == Shuffle::Down) source = lane + by;
  if constexpr (S == Shuffle::Butterfly) source = lane ^ by;
  if constexpr (S == Shuffle::Index) source = (lane & segment) | (by & ~segment);
  const bool inside = S == Shuffle::Up ? source >= limit : source <= limit;
  return {inside ? source : lane, inside};
}

// All lanes together, which is what most shuffles are.
template <Shuffle S>
Outcome warp_shuffle_all(Warp& warp, const Instr& i) {
  const Row& by = warp.rows[i.b];
  const Row& limits = warp.rows[i.c];
  int32_t source[kLanes], inside[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    const ShuffleSource from = shuffle_source<S>(lane, by.lane[lane], limits.lane[lane]);
    source[lane] = from.lane;
    inside[lane] = from.inside ? 1 : 0;
  }
  const Row& from = warp.rows[i.a];
  Row result;
  for (int lane = 0; lane < kLanes; ++lane) result.lane[lane] = from.lane[source[lane]];
  warp.rows[i.dst] = result;
  warp.predicates[second_result(i)] = lanes_where([&](int lane) { return inside[lane] != 0; });
  warp.splits[warp.split].wait = {};
  return Outcome::Next;
}

template <Shuffle S>
Outcome warp_shuffle(Warp& warp, const Instr& i) {
  if (all_are_members(warp, member_row(i))) return warp_shuffle_all<S>(warp, i);
  const Row from = warp.rows[i.a], by = warp.rows[i.b], limits = warp.rows[i.c];
  return for_groups(warp, member_row(i), [&](LaneMask group, LaneMask) {
    LaneMask inside = 0, absent = 0;
    for_each_lane(group, [&](int lane) {
      const ShuffleSource source = shuffle_source<S>(lane, by.lane[lane], limits.lane[lane]);
      uint32_t value = from.lane[source.lane];
      if (!has_lane(group, source.lane)) {
        absent |= LaneMask{1} << lane;
        value = 0xffffffff;
      }
      warp.rows[i.dst].lane[lane] = value;
      inside |= static_cast<LaneMask>(source.inside) << lane;
    });
    set_group_predicate(warp, second_result(i), group, inside);
    if (absent != 0) {
      report(
          warp, Level::Warning, "warp.absent_source",
          fmt::format("lanes {:#010x} read lanes that do not take part; what they get is undefined",
                      absent));
    }
  });
}

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

// d, or d|p: the register's row and the predicate.
std::pair<uint16_t, uint16_t> result_pair(Decoder& decoder, const ptx::Operand& operand,
                                          bool required) {
  if (operand.kind != ptx::Operand::Kind::Pair) {
    if (required) decoder.refuse("the result is a register and a predicate, d|p");
    return {decoder.row_out(operand, Type::B32), decoder.predicate_out({})};
  }
  return {decoder.row_out(operand.parts.at(0), Type::B32),
          decoder.predicate_out(operand.parts.at(1))};
}

Instr decode_shuffle(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 5, 5);
  Instr instr{.exec = warp_shuffle<Shuffle::Index>};
  if (words.has("up")) instr.exec = warp_shuffle<Shuffle::Up>;
  if (words.has("down")) instr.exec = warp_shuffle<Shuffle::Down>;
  if (words.has("bfly")) instr.exec = warp_shuffle<Shuffle::Butterfly>;
  instr.a = decoder.row_in(text.operands[1], Type::B32);
  instr.b = decoder.row_in(text.operands[2], Type::B32);
  instr.c = decoder.row_in(text.operands[3], Type::B32);
  const uint16_t mask = decoder.row_in(text.operands[4], Type::B32);
  const auto [d, p] = result_pair(decoder, text.operands[0], false);
  instr.dst = d;
  instr.extra = pack_members(mask, p);
  return instr;
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
    {"shfl.sync.{up,down,bfly,idx}.b32", Unit::Shared, Fidelity::Exact, decode_shuffle, 30,
     "9.7.9.6"},
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
