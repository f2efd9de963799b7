// SPDX-License-Identifier: Apache-2.0
// setp and set of every type: a comparison gives a mask of lanes, which is combined with a predicate and kept
// as predicates or as words. The comparison is a function, how it is combined is data of the instruction.
#pragma once

#include "emu/isa/apply.h"
#include "emu/isa/logic_ops.h"
#include "emu/isa/table.h"

namespace fa4::emu::isa {

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

// Instr::c is the predicate that is combined. Instr::extra: from this bit up a Combine; below it, for setp, the second
// predicate that is written (kNever: none), and for set, the word that stands for true.
inline constexpr uint32_t kCombineShift = 16;

inline Combine combine_of(const Instr& i) { return static_cast<Combine>(i.extra >> kCombineShift); }

// The mask that is combined, read before anything is written.
inline LaneMask combine_with(const Warp& warp, const Instr& i) {
  return combine_of(i) == Combine::Alone ? 0 : read_predicate(warp, i.c);
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
template <class T, bool (*F)(T, T)>
Outcome exec_setp(Warp& warp, const Instr& i) {
  const LaneMask mask =
      lanes_where([&](int lane) { return F(read<T>(warp, i.a, lane), read<T>(warp, i.b, lane)); });
  write_pair(warp, i, mask, ~mask);
  return Outcome::Next;
}

// p|q of pairs: the low halves and the high halves.
template <class E, bool (*F)(E, E)>
Outcome exec_setp_pair(Warp& warp, const Instr& i) {
  const LaneMask low = lanes_where([&](int lane) {
    return F(read<Pair<E>>(warp, i.a, lane).low(), read<Pair<E>>(warp, i.b, lane).low());
  });
  const LaneMask high = lanes_where([&](int lane) {
    return F(read<Pair<E>>(warp, i.a, lane).high(), read<Pair<E>>(warp, i.b, lane).high());
  });
  write_pair(warp, i, low, high);
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

template <class T, bool (*F)(T, T)>
Outcome exec_set(Warp& warp, const Instr& i) {
  const LaneMask mask =
      lanes_where([&](int lane) { return F(read<T>(warp, i.a, lane), read<T>(warp, i.b, lane)); });
  const LaneMask result = combined(mask, combine_of(i), combine_with(warp, i));
  const uint32_t word = set_word(i);
  Row& d = warp.rows[i.dst];
  for_active(warp, [&](int lane) { d.lane[lane] = has_lane(result, lane) ? word : 0; });
  return Outcome::Next;
}

template <class E, bool (*F)(E, E)>
Outcome exec_set_pair(Warp& warp, const Instr& i) {
  const LaneMask with = combine_with(warp, i);
  const LaneMask low = lanes_where([&](int lane) {
    return F(read<Pair<E>>(warp, i.a, lane).low(), read<Pair<E>>(warp, i.b, lane).low());
  });
  const LaneMask high = lanes_where([&](int lane) {
    return F(read<Pair<E>>(warp, i.a, lane).high(), read<Pair<E>>(warp, i.b, lane).high());
  });
  const LaneMask low_result = combined(low, combine_of(i), with);
  const LaneMask high_result = combined(high, combine_of(i), with);
  const uint32_t word = set_word(i) & 0xffff;
  Row& d = warp.rows[i.dst];
  for_active(warp, [&](int lane) {
    d.lane[lane] =
        (has_lane(high_result, lane) ? word << 16 : 0) | (has_lane(low_result, lane) ? word : 0);
  });
  return Outcome::Next;
}

// ---- decoding ---------------------------------------------------------------------------------------------

template <Compare C>
struct CompareConstant {
  static constexpr Compare value = C;
};

// Calls f with the comparison among the modifiers as a constant; those of floating-point numbers if kFloat.
template <bool kFloat, class F>
ExecFn with_compare(const Words& words, F f) {
  const auto has = [&](std::string_view a, std::string_view b) {
    return words.has(a) || words.has(b);
  };
  if (words.has("eq")) return f(CompareConstant<Compare::Eq>{});
  if (words.has("ne")) return f(CompareConstant<Compare::Ne>{});
  if (has("lt", "lo")) return f(CompareConstant<Compare::Lt>{});
  if (has("le", "ls")) return f(CompareConstant<Compare::Le>{});
  if (has("gt", "hi")) return f(CompareConstant<Compare::Gt>{});
  if constexpr (kFloat) {
    if (words.has("equ")) return f(CompareConstant<Compare::Equ>{});
    if (words.has("neu")) return f(CompareConstant<Compare::Neu>{});
    if (words.has("ltu")) return f(CompareConstant<Compare::Ltu>{});
    if (words.has("leu")) return f(CompareConstant<Compare::Leu>{});
    if (words.has("gtu")) return f(CompareConstant<Compare::Gtu>{});
    if (words.has("geu")) return f(CompareConstant<Compare::Geu>{});
    if (words.has("num")) return f(CompareConstant<Compare::Num>{});
    if (words.has("nan")) return f(CompareConstant<Compare::Nan>{});
  }
  return f(CompareConstant<Compare::Ge>{});  // ge, hs
}

// The operands of setp and set, whose types are those of the text's form.
Instr compare_setp(Decoder& decoder, const Words& words, const ptx::Instruction& text, Type type,
                   ExecFn exec);
Instr compare_set(Decoder& decoder, const Words& words, const ptx::Instruction& text, Type type,
                  ExecFn exec);

}  // namespace fa4::emu::isa
