// SPDX-License-Identifier: Apache-2.0
// f16 and bf16, single and in pairs: PTX ISA 9.0, 9.7.4 and 9.7.7. One rounding, to the nearest even.
#include <type_traits>

#include "emu/isa/compare.h"
#include "emu/isa/half_lanes.h"

namespace fa4::emu::isa {
namespace {

enum class HalfOp : uint8_t { Add, Sub, Mul, Neg, Abs };

// Operations on the numbers as floats: what they return is rounded once, to the nearest number of E.
//
// .ftz, which f16 alone has: what is below the smallest normal number becomes zero, of a result what is so when it has been
// rounded.
template <bool kFtz>
float half_in(float x) {
  if constexpr (!kFtz) return x;
  return std::fabs(x) < 0x1p-14f ? std::copysign(0.0f, x) : x;
}

// What is done to a result.
enum class HalfEnd : uint8_t { Plain, Sat, Relu };
template <bool kFtz, HalfEnd End>
float half_out(float x) {
  constexpr float kRoundsUpToNormal = 0x1p-14f - 0x1p-25f;
  if constexpr (kFtz) x = std::fabs(x) < kRoundsUpToNormal ? std::copysign(0.0f, x) : x;
  if constexpr (End == HalfEnd::Sat) return saturate(x);
  if constexpr (End == HalfEnd::Relu) return clamp_negative(x);
  return x;
}

template <HalfOp O, bool kFtz, HalfEnd End>
float half_binary(float a, float b) {
  a = half_in<kFtz>(a);
  b = half_in<kFtz>(b);
  if constexpr (O == HalfOp::Add) return half_out<kFtz, End>(a + b);
  if constexpr (O == HalfOp::Sub) return half_out<kFtz, End>(a - b);
  if constexpr (O == HalfOp::Mul) return half_out<kFtz, End>(a * b);
}
// a * b + c of f16, as narrow_fma has it in doubles: the product is exact, and of the sum all that lies below its 24 bits is
// kept in the last one.
template <bool kFtz>
float half_odd_fma(float a, float b, float c) {
  const float product = half_in<kFtz>(a) * half_in<kFtz>(b), other = half_in<kFtz>(c);
  const float sum = product + other;
  const float other_part = sum - product;
  const float error = (product - (sum - other_part)) + (other - other_part);
  const auto bits = std::bit_cast<uint32_t>(sum);
  const bool inexact = error > 0.0f || error < 0.0f;  // not for NaN
  const bool outwards = (error > 0.0f) == (sum > 0.0f);
  const uint32_t step = inexact && (bits & 1) == 0 ? (outwards ? 1 : ~uint32_t{0}) : 0;
  return std::bit_cast<float>(bits + step);
}
// Of bf16, whose product may lie beyond the range of floats: rounded as it is to be.
inline float brain_exact_fma(float a, float b, float c) {
  const auto brain = [](float x) {
    return Brain{static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16)};
  };
  return widen(narrow_fma(brain(a), brain(b), brain(c)));
}
// a * b + c rounded to 24 bits. To round it once more is right unless it lies in the middle between two numbers of E, where
// what was lost says which is nearer. Of f16, what is below its normal numbers may lie so too.
template <class E, bool kFtz>
float half_sum(float a, float b, float c) {
  if constexpr (std::is_same_v<E, Brain>) return rounded_fma<float, Rounding::NearestEven>(a, b, c);
  return half_in<kFtz>(a) * half_in<kFtz>(b) + half_in<kFtz>(c);
}
template <class E>
bool is_in_doubt(float sum) {
  const auto bits = std::bit_cast<uint32_t>(sum);
  if constexpr (std::is_same_v<E, Brain>) return (bits & 0xffff) == 0x8000;
  return (bits & 0x1fff) == 0x1000 || (bits & 0x7fffffff) - 1 < 0x38800000 - 1;  // 2^-14; not 0
}
// Whether the 24 bits are all of it. Not said of a product that is no normal number.
inline bool is_whole_sum(float a, float b, float c, float sum) {
  const float product = a * b;
  const uint32_t exponent = std::bit_cast<uint32_t>(product) >> 23 & 255;
  const float part = sum - product;
  const float error = (product - (sum - part)) + (c - part);
  return exponent - 1 < 254 && error == 0.0f;
}
template <HalfOp O, bool kFtz>
float half_unary(float a) {
  const float in = half_in<kFtz>(a);
  return O == HalfOp::Neg ? -in : std::fabs(in);
}

template <bool kMax, bool kFtz, bool kNan, bool kXorSign>
float half_minmax(float a, float b) {
  const float x = half_in<kFtz>(a), y = half_in<kFtz>(b);
  if constexpr (!kXorSign) return kMax ? maximum<float, kNan>(x, y) : minimum<float, kNan>(x, y);
  const float result = kMax ? maximum<float, kNan>(std::fabs(x), std::fabs(y))
                            : minimum<float, kNan>(std::fabs(x), std::fabs(y));
  const uint32_t signs = std::bit_cast<uint32_t>(a) ^ std::bit_cast<uint32_t>(b);
  return std::bit_cast<float>(std::bit_cast<uint32_t>(result) ^ (signs & 0x80000000));
}

// All lanes, active or not. Inlined as a whole: f must not be called.
template <class E, bool kPair, class F>
inline void half_lanes(Warp& warp, const Instr& i, F f) {
  HalfNumbers<kPair> a, b, c, out;
  widen_row<E>(warp.rows[i.a], &a);
  if constexpr (std::is_invocable_v<F, float>) {
    for (int at = 0; at < a.kCount; ++at) out.number[at] = f(a.number[at]);
  } else if constexpr (std::is_invocable_v<F, float, float>) {
    widen_row<E>(warp.rows[i.b], &b);
    for (int at = 0; at < a.kCount; ++at) out.number[at] = f(a.number[at], b.number[at]);
  } else {
    widen_row<E>(warp.rows[i.b], &b);
    widen_row<E>(warp.rows[i.c], &c);
    for (int at = 0; at < a.kCount; ++at) {
      out.number[at] = f(a.number[at], b.number[at], c.number[at]);
    }
  }
  put_active(warp, &warp.rows[i.dst], narrow_row<E>(out));
}
template <class E, bool kPair, auto F>
[[gnu::flatten]] Outcome exec_half(Warp& warp, const Instr& i) {
  half_lanes<E, kPair>(warp, i, F);
  return Outcome::Next;
}
// Sums in doubt are made once more: of f16 all, if any is.
template <class E, bool kFtz, bool kPair>
inline void half_settle(const HalfNumbers<kPair>& a, const HalfNumbers<kPair>& b,
                        const HalfNumbers<kPair>& c, HalfNumbers<kPair>* out) {
  if constexpr (std::is_same_v<E, Half>) {
    for (int at = 0; at < a.kCount; ++at) {
      out->number[at] = half_odd_fma<kFtz>(a.number[at], b.number[at], c.number[at]);
    }
    return;
  }
  uint32_t remains[HalfNumbers<kPair>::kCount];
  uint32_t any = 0;
  for (int at = 0; at < a.kCount; ++at) {
    const float sum = out->number[at];
    const bool whole = is_whole_sum(a.number[at], b.number[at], c.number[at], sum);
    remains[at] = is_in_doubt<E>(sum) && !whole ? 1 : 0;
    any |= remains[at];
  }
  for (int at = 0; any != 0 && at < a.kCount; ++at) {
    if (remains[at] == 0) continue;
    out->number[at] = brain_exact_fma(a.number[at], b.number[at], c.number[at]);
  }
}
template <class E, bool kPair, bool kFtz, HalfEnd End>
[[gnu::flatten]] Outcome exec_half_fma(Warp& warp, const Instr& i) {
  HalfNumbers<kPair> a, b, c, out;
  widen_row<E>(warp.rows[i.a], &a);
  widen_row<E>(warp.rows[i.b], &b);
  widen_row<E>(warp.rows[i.c], &c);
  uint32_t doubt = 0;
  for (int at = 0; at < a.kCount; ++at) {
    const float sum = half_sum<E, kFtz>(a.number[at], b.number[at], c.number[at]);
    doubt |= is_in_doubt<E>(sum) ? 1 : 0;
    out.number[at] = sum;
  }
  if (doubt != 0) half_settle<E, kFtz>(a, b, c, &out);
  for (int at = 0; at < a.kCount; ++at) out.number[at] = half_out<kFtz, End>(out.number[at]);
  put_active(warp, &warp.rows[i.dst], narrow_row<E>(out));
  return Outcome::Next;
}

// ---- decoding ----------------------------------------------------------------------------------------------

bool half_is_pair(Type type) { return type == Type::F16x2 || type == Type::BF16x2; }

template <class E, auto F>
ExecFn half_exec(Type type) {
  return half_is_pair(type) ? exec_half<E, true, F> : exec_half<E, false, F>;
}

// Calls f<E, kFtz>() for the type and .ftz of the modifiers; bf16 has no .ftz.
template <class F>
ExecFn half_choose(const Words& words, F f) {
  const Type type = words.types().back();
  if (type == Type::BF16 || type == Type::BF16x2) return f.template operator()<Brain, false>();
  return words.has("ftz") ? f.template operator()<Half, true>()
                          : f.template operator()<Half, false>();
}

template <HalfOp O>
Instr decode_half_binary(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  const bool sat = words.has("sat");
  const ExecFn exec = half_choose(words, [type, sat]<class E, bool kFtz>() {
    return sat ? half_exec<E, half_binary<O, kFtz, HalfEnd::Sat>>(type)
               : half_exec<E, half_binary<O, kFtz, HalfEnd::Plain>>(type);
  });
  return d.binary(exec, text, type, type, type);
}
template <HalfEnd End>
ExecFn half_fma_exec(const Words& words) {
  const bool pair = half_is_pair(words.type());
  return half_choose(words, [pair]<class E, bool kFtz>() {
    return pair ? exec_half_fma<E, true, kFtz, End> : exec_half_fma<E, false, kFtz, End>;
  });
}
Instr decode_half_fma(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  const ExecFn exec = words.has("sat")    ? half_fma_exec<HalfEnd::Sat>(words)
                      : words.has("relu") ? half_fma_exec<HalfEnd::Relu>(words)
                                          : half_fma_exec<HalfEnd::Plain>(words);
  return d.ternary(exec, text, type, type, type, type);
}
template <HalfOp O>
Instr decode_half_unary(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  const ExecFn exec = half_choose(
      words, [type]<class E, bool kFtz>() { return half_exec<E, half_unary<O, kFtz>>(type); });
  return d.unary(exec, text, type, type);
}
template <bool kMax>
Instr decode_half_minmax(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  const bool nan = words.has("NaN");
  const bool xorsign = words.has("xorsign");
  const ExecFn exec = half_choose(words, [type, nan, xorsign]<class E, bool kFtz>() {
    return nan ? (xorsign ? half_exec<E, half_minmax<kMax, kFtz, true, true>>(type)
                          : half_exec<E, half_minmax<kMax, kFtz, true, false>>(type))
               : (xorsign ? half_exec<E, half_minmax<kMax, kFtz, false, true>>(type)
                          : half_exec<E, half_minmax<kMax, kFtz, false, false>>(type));
  });
  return d.binary(exec, text, type, type, type);
}

template <bool kSet>
ExecFn half_compare_exec(const Words& words) {
  const bool pair = half_is_pair(words.types().back());
  return half_choose(words, [pair]<class E, bool kFtz>() -> ExecFn {
    if constexpr (kSet) return pair ? exec_set_pair<E, kFtz> : exec_set<E, kFtz>;
    return pair ? exec_setp_pair<E, kFtz> : exec_setp<E, kFtz>;
  });
}
Instr decode_half_setp(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  if (half_is_pair(type) && !text.operands.empty() &&
      text.operands[0].kind != ptx::Operand::Kind::Pair) {
    d.refuse("setp of pairs writes two predicates, p|q");
  }
  return compare_setp(d, words, text, type, half_compare_exec<false>(words));
}
Instr decode_half_set(Decoder& d, const Words& words, const ptx::Instruction& text) {
  return compare_set(d, words, text, words.type(1), half_compare_exec<true>(words));
}

constexpr auto kHalfAdd = decode_half_binary<HalfOp::Add>;
constexpr auto kHalfSub = decode_half_binary<HalfOp::Sub>;
constexpr auto kHalfMul = decode_half_binary<HalfOp::Mul>;
constexpr auto kHalfNeg = decode_half_unary<HalfOp::Neg>;
constexpr auto kHalfAbs = decode_half_unary<HalfOp::Abs>;
constexpr auto kHalfMin = decode_half_minmax<false>;
constexpr auto kHalfMax = decode_half_minmax<true>;

constexpr Form kHalfForms[] = {
    {"add{.rn}{.ftz}{.sat}.{f16,f16x2}", Unit::Fma, Fidelity::Exact, kHalfAdd, 0, "9.7.4.1"},
    {"add{.rn}.{bf16,bf16x2}", Unit::Fma, Fidelity::Exact, kHalfAdd, 90, "9.7.4.1"},
    {"sub{.rn}{.ftz}{.sat}.{f16,f16x2}", Unit::Fma, Fidelity::Exact, kHalfSub, 0, "9.7.4.2"},
    {"sub{.rn}.{bf16,bf16x2}", Unit::Fma, Fidelity::Exact, kHalfSub, 90, "9.7.4.2"},
    {"mul{.rn}{.ftz}{.sat}.{f16,f16x2}", Unit::Fma, Fidelity::Exact, kHalfMul, 0, "9.7.4.3"},
    {"mul{.rn}.{bf16,bf16x2}", Unit::Fma, Fidelity::Exact, kHalfMul, 90, "9.7.4.3"},
    {"fma.rn{.ftz}{.{sat,relu}}.{f16,f16x2}", Unit::Fma, Fidelity::Exact, decode_half_fma, 0,
     "9.7.4.4"},
    {"fma.rn{.relu}.{bf16,bf16x2}", Unit::Fma, Fidelity::Exact, decode_half_fma, 80, "9.7.4.4"},
    {"neg{.ftz}.{f16,f16x2}", Unit::Alu, Fidelity::Exact, kHalfNeg, 0, "9.7.4.5"},
    {"neg.{bf16,bf16x2}", Unit::Alu, Fidelity::Exact, kHalfNeg, 80, "9.7.4.5"},
    {"abs{.ftz}.{f16,f16x2}", Unit::Alu, Fidelity::Exact, kHalfAbs, 0, "9.7.4.6"},
    {"abs.{bf16,bf16x2}", Unit::Alu, Fidelity::Exact, kHalfAbs, 80, "9.7.4.6"},
    {"min{.ftz}{.NaN}.{f16,f16x2}", Unit::Alu, Fidelity::Exact, kHalfMin, 80, "9.7.4.7"},
    {"min{.ftz}{.NaN}.xorsign.abs.{f16,f16x2}", Unit::Alu, Fidelity::Exact, kHalfMin, 86,
     "9.7.4.7"},
    {"min{.NaN}.{bf16,bf16x2}", Unit::Alu, Fidelity::Exact, kHalfMin, 80, "9.7.4.7"},
    {"min{.NaN}.xorsign.abs.{bf16,bf16x2}", Unit::Alu, Fidelity::Exact, kHalfMin, 86, "9.7.4.7"},
    {"max{.ftz}{.NaN}.{f16,f16x2}", Unit::Alu, Fidelity::Exact, kHalfMax, 80, "9.7.4.8"},
    {"max{.ftz}{.NaN}.xorsign.abs.{f16,f16x2}", Unit::Alu, Fidelity::Exact, kHalfMax, 86,
     "9.7.4.8"},
    {"max{.NaN}.{bf16,bf16x2}", Unit::Alu, Fidelity::Exact, kHalfMax, 80, "9.7.4.8"},
    {"max{.NaN}.xorsign.abs.{bf16,bf16x2}", Unit::Alu, Fidelity::Exact, kHalfMax, 86, "9.7.4.8"},
    {"set.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}{.{and,or,xor}}{.ftz}"
     ".{f16,u16,s16,u32,s32}.f16",
     Unit::Alu, Fidelity::Exact, decode_half_set, 0, "9.7.7.1"},
    {"set.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}{.{and,or,xor}}{.ftz}"
     ".{f16x2,u32,s32}.f16x2",
     Unit::Alu, Fidelity::Exact, decode_half_set, 0, "9.7.7.1"},
    {"set.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}{.{and,or,xor}}"
     ".{bf16,u16,s16,u32,s32}.bf16",
     Unit::Alu, Fidelity::Exact, decode_half_set, 90, "9.7.7.1"},
    {"set.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}{.{and,or,xor}}"
     ".{bf16x2,u32,s32}.bf16x2",
     Unit::Alu, Fidelity::Exact, decode_half_set, 90, "9.7.7.1"},
    {"setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}{.{and,or,xor}}{.ftz}.{f16,f16x2}",
     Unit::Alu, Fidelity::Exact, decode_half_setp, 0, "9.7.7.2"},
    {"setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}{.{and,or,xor}}.{bf16,bf16x2}",
     Unit::Alu, Fidelity::Exact, decode_half_setp, 90, "9.7.7.2"},
};

}  // namespace

std::span<const Form> FA4_EMU_CPU::half_forms() { return kHalfForms; }

}  // namespace fa4::emu::isa
