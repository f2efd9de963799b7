// SPDX-License-Identifier: Apache-2.0
// setp and set of every type: a comparison gives a mask of lanes, which is combined with a predicate and kept
// as predicates or as words. The comparison is a function, how it is combined is data of the instruction.
#pragma once

#include "emu/isa/apply.h"
#include "emu/isa/cpu.h"
#include "emu/isa/logic_ops.h"
#include "emu/isa/table.h"

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {

enum class Combine : uint32_t { Alone, And, Or, Xor };

inline LaneMask combined(LaneMask mask, Combine combine, LaneMask with) {
  switch (combine) {
    case Combine::And:
      return mask & with;
    case Combine::Or:
      return mask | with;
    case Combine::Xor:
      return mask ^ with;
    case Combine::Alone:
      break;
  }
  return mask;
}

// Instr::c is the predicate that is combined. Instr::extra: from kCompareShift up a Compare, below it a Combine, and in the
// low 16 bits, for setp, the second predicate that is written (kNever: none), for set, the word that stands for true.
inline constexpr uint32_t kCombineShift = 16;
inline constexpr uint32_t kCompareShift = 24;

inline Combine combine_of(const Instr& i) {
  return static_cast<Combine>(i.extra >> kCombineShift & 0xff);
}
inline Compare compare_of(const Instr& i) { return static_cast<Compare>(i.extra >> kCompareShift); }

// The mask that is combined, read before anything is written.
inline LaneMask combine_with(const Warp& warp, const Instr& i) {
  return combine_of(i) == Combine::Alone ? 0 : read_predicate(warp, i.c);
}

// The lanes where a comparison holds between two values. Of float and double, and the integers of 16 to 64 bits.
template <class T>
LaneMask compare_lanes(const T* a, const T* b, Compare compare);

// Compares what load(row, lane) gives for both operands.
template <class T, class Load>
LaneMask compare_operands(const Instr& i, Load load) {
  T a[kLanes], b[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    a[lane] = load(i.a, lane);
    b[lane] = load(i.b, lane);
  }
  return compare_lanes<T>(a, b, compare_of(i));
}

template <bool kFtz, class T>
auto comparable_of(T x) {
  if constexpr (kFtz) {
    return flush_comparable(x);
  } else {
    return comparable(x);
  }
}
template <class T, bool kFtz>
LaneMask compare_mask(const Warp& warp, const Instr& i) {
  if constexpr (std::is_same_v<T, uint32_t>) {
    return compare_lanes<T>(warp.rows[i.a].lane, warp.rows[i.b].lane, compare_of(i));
  }
  return compare_operands<decltype(comparable(T{}))>(
      i, [&](uint16_t row, int lane) { return comparable_of<kFtz>(read<T>(warp, row, lane)); });
}
// Of the halves of pairs.
template <class E, bool kFtz, bool kHigh>
LaneMask compare_half_mask(const Warp& warp, const Instr& i) {
  return compare_operands<float>(i, [&](uint16_t row, int lane) {
    const auto pair = read<Pair<E>>(warp, row, lane);
    return comparable_of<kFtz>(kHigh ? pair.high() : pair.low());
  });
}

inline void write_pair(Warp& warp, const Instr& i, LaneMask first, LaneMask second) {
  const LaneMask with = combine_with(warp, i);
  set_predicate(warp, i.dst, combined(first, combine_of(i), with));
  const auto second_index = static_cast<uint16_t>(i.extra);
  if (second_index != kNever) {
    set_predicate(warp, second_index, combined(second, combine_of(i), with));
  }
}

// p|q: the comparison and its opposite.
template <class T, bool kFtz>
Outcome exec_setp(Warp& warp, const Instr& i) {
  const LaneMask mask = compare_mask<T, kFtz>(warp, i);
  write_pair(warp, i, mask, ~mask);
  return Outcome::Next;
}

// p|q of pairs: the low halves and the high halves.
template <class E, bool kFtz>
Outcome exec_setp_pair(Warp& warp, const Instr& i) {
  write_pair(warp, i, compare_half_mask<E, kFtz, false>(warp, i),
             compare_half_mask<E, kFtz, true>(warp, i));
  return Outcome::Next;
}

// What set writes where the comparison holds.
enum class SetWord : uint32_t { Ones, Ones16, OneFloat, OneHalf, OneBrain };

inline uint32_t set_word(const Instr& i) {
  switch (static_cast<SetWord>(i.extra & 0xffff)) {
    case SetWord::Ones16:
      return 0xffff;
    case SetWord::OneFloat:
      return 0x3f800000;
    case SetWord::OneHalf:
      return 0x3c00;
    case SetWord::OneBrain:
      return 0x3f80;
    case SetWord::Ones:
      break;
  }
  return 0xffffffff;
}

template <class T, bool kFtz>
Outcome exec_set(Warp& warp, const Instr& i) {
  const LaneMask result =
      combined(compare_mask<T, kFtz>(warp, i), combine_of(i), combine_with(warp, i));
  const uint32_t word = set_word(i);
  Row& d = warp.rows[i.dst];
  for_active(warp, [&](int lane) { d.lane[lane] = has_lane(result, lane) ? word : 0; });
  return Outcome::Next;
}

template <class E, bool kFtz>
Outcome exec_set_pair(Warp& warp, const Instr& i) {
  const LaneMask with = combine_with(warp, i);
  const LaneMask low = combined(compare_half_mask<E, kFtz, false>(warp, i), combine_of(i), with);
  const LaneMask high = combined(compare_half_mask<E, kFtz, true>(warp, i), combine_of(i), with);
  const uint32_t word = set_word(i) & 0xffff;
  Row& d = warp.rows[i.dst];
  for_active(warp, [&](int lane) {
    d.lane[lane] = (has_lane(high, lane) ? word << 16 : 0) | (has_lane(low, lane) ? word : 0);
  });
  return Outcome::Next;
}

// The operands of setp and set, both of one type.
Instr compare_setp(Decoder& decoder, const Words& words, const ptx::Instruction& text, Type type,
                   ExecFn exec);
Instr compare_set(Decoder& decoder, const Words& words, const ptx::Instruction& text, Type type,
                  ExecFn exec);

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa
