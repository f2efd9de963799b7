// SPDX-License-Identifier: Apache-2.0
// f16 and bf16, single and in pairs: PTX ISA 9.0, 9.7.4 and 9.7.7. One rounding, to the nearest even.
#include "emu/isa/compare.h"

namespace fa4::emu::isa {
namespace {

enum class HalfOp : uint8_t { Add, Sub, Mul, Neg, Abs };

template <class E>
E half_flush(E x) {
  constexpr uint16_t kExponent = Format<E>::kExponentBits == 5 ? 0x7c00 : 0x7f80;
  return {static_cast<uint16_t>((x.bits & kExponent) != 0 ? x.bits : x.bits & 0x8000)};
}
template <class E, bool kFtz>
E half_in(E x) {
  if constexpr (kFtz) return half_flush(x);
  return x;
}

// What is done to a result.
enum class HalfEnd : uint8_t { Plain, Sat, Relu };
template <class E, bool kFtz, HalfEnd End>
E half_out(E x) {
  if constexpr (kFtz) x = half_flush(x);
  if constexpr (End == HalfEnd::Sat) return narrow<E>(saturate(widen(x)));
  if constexpr (End == HalfEnd::Relu) return narrow<E>(clamp_negative(widen(x)));
  return x;
}

template <class E>
E half_negated(E x) {
  return {static_cast<uint16_t>(x.bits ^ 0x8000)};
}

template <HalfOp O, class E, bool kFtz, HalfEnd End>
E half_binary(E a, E b) {
  a = half_in<E, kFtz>(a);
  b = half_in<E, kFtz>(b);
  if constexpr (O == HalfOp::Add) return half_out<E, kFtz, End>(narrow_add(a, b));
  if constexpr (O == HalfOp::Sub) return half_out<E, kFtz, End>(narrow_add(a, half_negated(b)));
  if constexpr (O == HalfOp::Mul) return half_out<E, kFtz, End>(narrow_mul(a, b));
}
// a * b + c of f16 in floats, as narrow_fma has it in doubles: the product is exact, and of the sum all that lies below
// its 24 bits is kept in the last one.
Half half_product_sum(Half a, Half b, Half c) {
  const float product = widen(a) * widen(b), other = widen(c);
  const float sum = product + other;
  const float other_part = sum - product;
  const float error = (product - (sum - other_part)) + (other - other_part);
  const auto bits = std::bit_cast<uint32_t>(sum);
  const bool inexact = error > 0.0f || error < 0.0f;  // not for NaN
  const bool outwards = (error > 0.0f) == (sum > 0.0f);
  const uint32_t step = inexact && (bits & 1) == 0 ? (outwards ? 1 : ~uint32_t{0}) : 0;
  return narrow_to_half(std::bit_cast<float>(bits + step));
}
template <class E, bool kFtz, HalfEnd End>
E half_fma(E a, E b, E c) {
  a = half_in<E, kFtz>(a);
  b = half_in<E, kFtz>(b);
  c = half_in<E, kFtz>(c);
  if constexpr (std::is_same_v<E, Half>) return half_out<E, kFtz, End>(half_product_sum(a, b, c));
  return half_out<E, kFtz, End>(narrow_fma(a, b, c));
}
template <HalfOp O, class E, bool kFtz>
E half_unary(E a) {
  const E in = half_in<E, kFtz>(a);
  if (widen(in) != widen(in)) return nan_of<E>;
  return {static_cast<uint16_t>(O == HalfOp::Neg ? in.bits ^ 0x8000 : in.bits & 0x7fff)};
}

template <bool kMax, class E, bool kFtz, bool kNan, bool kXorSign>
E half_minmax(E a, E b) {
  float x = widen(half_in<E, kFtz>(a));
  float y = widen(half_in<E, kFtz>(b));
  if constexpr (kXorSign) {
    x = std::fabs(x);
    y = std::fabs(y);
  }
  const float result = kMax ? maximum<float, kNan>(x, y) : minimum<float, kNan>(x, y);
  const E narrowed = narrow<E>(result);
  if constexpr (kXorSign) {
    if (result == result && ((a.bits ^ b.bits) & 0x8000) != 0) return half_negated(narrowed);
  }
  return narrowed;
}

// ---- decoding ----------------------------------------------------------------------------------------------

bool half_is_pair(Type type) { return type == Type::F16x2 || type == Type::BF16x2; }

// The function of one value, or of both of a pair.
template <class E, E (*F)(E)>
ExecFn half_exec1(Type type) {
  return half_is_pair(type) ? exec_of<both1<E, F>> : exec_of<F>;
}
template <class E, E (*F)(E, E)>
ExecFn half_exec2(Type type) {
  return half_is_pair(type) ? exec_of<both2<E, F>> : exec_of<F>;
}
template <class E, E (*F)(E, E, E)>
ExecFn half_exec3(Type type) {
  return half_is_pair(type) ? exec_of<both3<E, F>> : exec_of<F>;
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
    return sat ? half_exec2<E, half_binary<O, E, kFtz, HalfEnd::Sat>>(type)
               : half_exec2<E, half_binary<O, E, kFtz, HalfEnd::Plain>>(type);
  });
  return d.binary(exec, text, type, type, type);
}
Instr decode_half_fma(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  const bool sat = words.has("sat");
  const bool relu = words.has("relu");
  const ExecFn exec = half_choose(words, [type, sat, relu]<class E, bool kFtz>() {
    return sat    ? half_exec3<E, half_fma<E, kFtz, HalfEnd::Sat>>(type)
           : relu ? half_exec3<E, half_fma<E, kFtz, HalfEnd::Relu>>(type)
                  : half_exec3<E, half_fma<E, kFtz, HalfEnd::Plain>>(type);
  });
  return d.ternary(exec, text, type, type, type, type);
}
template <HalfOp O>
Instr decode_half_unary(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  const ExecFn exec = half_choose(
      words, [type]<class E, bool kFtz>() { return half_exec1<E, half_unary<O, E, kFtz>>(type); });
  return d.unary(exec, text, type, type);
}
template <bool kMax>
Instr decode_half_minmax(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  const bool nan = words.has("NaN");
  const bool xorsign = words.has("xorsign");
  const ExecFn exec = half_choose(words, [type, nan, xorsign]<class E, bool kFtz>() {
    return nan ? (xorsign ? half_exec2<E, half_minmax<kMax, E, kFtz, true, true>>(type)
                          : half_exec2<E, half_minmax<kMax, E, kFtz, true, false>>(type))
               : (xorsign ? half_exec2<E, half_minmax<kMax, E, kFtz, false, true>>(type)
                          : half_exec2<E, half_minmax<kMax, E, kFtz, false, false>>(type));
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
