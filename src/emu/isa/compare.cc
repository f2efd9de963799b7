// SPDX-License-Identifier: Apache-2.0
// setp and set: their operands, and the rows of 32 and 64 bits.
#include "emu/isa/compare.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {
namespace {

constexpr std::pair<std::string_view, Compare> kCompareNames[] = {
    {"eq", Compare::Eq},   {"ne", Compare::Ne},   {"lt", Compare::Lt},   {"le", Compare::Le},
    {"gt", Compare::Gt},   {"ge", Compare::Ge},   {"lo", Compare::Lt},   {"ls", Compare::Le},
    {"hi", Compare::Gt},   {"hs", Compare::Ge},   {"equ", Compare::Equ}, {"neu", Compare::Neu},
    {"ltu", Compare::Ltu}, {"leu", Compare::Leu}, {"gtu", Compare::Gtu}, {"geu", Compare::Geu},
    {"num", Compare::Num}, {"nan", Compare::Nan},
};

// The comparison is the first modifier of every form.
uint32_t compare_code(Decoder& decoder, const Words& words) {
  const auto* const found = std::find_if(
      std::begin(kCompareNames), std::end(kCompareNames),
      [&](const auto& known) { return !words.all().empty() && known.first == words.all()[0]; });
  if (found == std::end(kCompareNames)) decoder.refuse("the first modifier must be a comparison");
  return static_cast<uint32_t>(found->second) << kCompareShift;
}

// The Combine of the modifiers, beside the comparison; its predicate, the last operand, goes to Instr::c.
uint32_t compare_combine(Decoder& decoder, const Words& words, const ptx::Instruction& text,
                         Instr& instr) {
  const Combine combine = words.has("and")   ? Combine::And
                          : words.has("or")  ? Combine::Or
                          : words.has("xor") ? Combine::Xor
                                             : Combine::Alone;
  const size_t count = combine == Combine::Alone ? 3 : 4;
  decoder.require_operands(text, count, count);
  if (combine != Combine::Alone) instr.c = encode(decoder.predicate_in(text.operands[3]));
  return compare_code(decoder, words) | static_cast<uint32_t>(combine) << kCombineShift;
}

template <Compare C, class T>
LaneMask compare_all(const T* a, const T* b) {
#if defined(__AVX2__)
  if constexpr (sizeof(T) == 4) {
    LaneMask mask = 0;
    for (int eight = 0; eight < kLanes / 8; ++eight) {
      alignas(32) int32_t holding[8];
      for (int lane = 0; lane < 8; ++lane) {
        holding[lane] = holds<C>(a[8 * eight + lane], b[8 * eight + lane]) ? -1 : 0;
      }
      const __m256 signs = _mm256_load_ps(reinterpret_cast<const float*>(holding));
      mask |= static_cast<LaneMask>(_mm256_movemask_ps(signs)) << (8 * eight);
    }
    return mask;
  }
#endif
  return lanes_where([&](int lane) { return holds<C>(a[lane], b[lane]); });
}

}  // namespace

template <class T>
LaneMask compare_lanes(const T* a, const T* b, Compare compare) {
  switch (compare) {
    case Compare::Eq:
      return compare_all<Compare::Eq>(a, b);
    case Compare::Ne:
      return compare_all<Compare::Ne>(a, b);
    case Compare::Lt:
      return compare_all<Compare::Lt>(a, b);
    case Compare::Le:
      return compare_all<Compare::Le>(a, b);
    case Compare::Gt:
      return compare_all<Compare::Gt>(a, b);
    case Compare::Ge:
      return compare_all<Compare::Ge>(a, b);
    // The same with a NaN taken for true: the opposite of the opposite.
    case Compare::Equ:
      return ~compare_all<Compare::Ne>(a, b);
    case Compare::Neu:
      return ~compare_all<Compare::Eq>(a, b);
    case Compare::Ltu:
      return ~compare_all<Compare::Ge>(a, b);
    case Compare::Leu:
      return ~compare_all<Compare::Gt>(a, b);
    case Compare::Gtu:
      return ~compare_all<Compare::Le>(a, b);
    case Compare::Geu:
      return ~compare_all<Compare::Lt>(a, b);
    case Compare::Num:
      return compare_all<Compare::Num>(a, b);
    case Compare::Nan:
      return ~compare_all<Compare::Num>(a, b);
  }
  return 0;
}

template LaneMask compare_lanes<int16_t>(const int16_t*, const int16_t*, Compare);
template LaneMask compare_lanes<uint16_t>(const uint16_t*, const uint16_t*, Compare);
template LaneMask compare_lanes<int32_t>(const int32_t*, const int32_t*, Compare);
template LaneMask compare_lanes<uint32_t>(const uint32_t*, const uint32_t*, Compare);
template LaneMask compare_lanes<int64_t>(const int64_t*, const int64_t*, Compare);
template LaneMask compare_lanes<uint64_t>(const uint64_t*, const uint64_t*, Compare);
template LaneMask compare_lanes<float>(const float*, const float*, Compare);
template LaneMask compare_lanes<double>(const double*, const double*, Compare);

Instr compare_setp(Decoder& decoder, const Words& words, const ptx::Instruction& text, Type type,
                   ExecFn exec) {
  Instr instr{.exec = exec};
  const uint32_t combine = compare_combine(decoder, words, text, instr);
  instr.a = decoder.row_in(text.operands[1], type);
  instr.b = decoder.row_in(text.operands[2], type);
  const ptx::Operand& d = text.operands[0];
  uint16_t second = kNever;
  if (d.kind == ptx::Operand::Kind::Pair) {
    instr.dst = decoder.predicate_out(d.parts.at(0));
    if (d.parts.at(1).kind != ptx::Operand::Kind::Sink) second = decoder.predicate_out(d.parts[1]);
  } else {
    instr.dst = decoder.predicate_out(d);
  }
  instr.extra = combine | second;
  return instr;
}

Instr compare_set(Decoder& decoder, const Words& words, const ptx::Instruction& text, Type type,
                  ExecFn exec) {
  Instr instr{.exec = exec};
  const uint32_t combine = compare_combine(decoder, words, text, instr);
  instr.a = decoder.row_in(text.operands[1], type);
  instr.b = decoder.row_in(text.operands[2], type);
  const Type result = words.type(0);
  instr.dst = decoder.row_out(text.operands[0], result);
  const SetWord word = result == Type::F32                              ? SetWord::OneFloat
                       : result == Type::F16 || result == Type::F16x2   ? SetWord::OneHalf
                       : result == Type::BF16 || result == Type::BF16x2 ? SetWord::OneBrain
                       : bits_of(result) == 16                          ? SetWord::Ones16
                                                                        : SetWord::Ones;
  instr.extra = combine | static_cast<uint32_t>(word);
  return instr;
}

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa
