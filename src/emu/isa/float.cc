// SPDX-License-Identifier: Apache-2.0
// Floating-point arithmetic of 32 and 64 bits: PTX ISA 9.0, 9.7.3. What is .approx and not a division is in
// special.cc. A result without a rounding is to the nearest even.
#include "emu/isa/apply.h"
#include "emu/isa/special_functions.h"
#include "emu/isa/table.h"

namespace fa4::emu::isa {
namespace {

enum class Operation : uint8_t { Add, Sub, Mul, Fma, Div, Rcp, Sqrt };

// The operands of an operation are flushed, its result is flushed and saturated. f64 has neither.
template <class T, bool kFtz>
T float_in(T x) {
  if constexpr (kFtz) return flush(x);
  return x;
}
template <class T, bool kFtz, bool kSat>
T float_out(T x, T a, T b = 0, T c = 0) {
  if constexpr (kFtz) x = flush(x);
  if constexpr (kSat) return saturate(x);
  return with_nan(x, a, b, c);
}

template <Operation O, class T, Rounding R, bool kFtz>
T float_unary(T a) {
  a = float_in<T, kFtz>(a);
  if constexpr (O == Operation::Rcp)
    return float_out<T, kFtz, false>(rounded_div<T, R>(T{1}, a), a);
  return float_out<T, kFtz, false>(rounded_sqrt<T, R>(a), a);
}
template <Operation O, class T, Rounding R>
T float_result(T a, T b) {
  if constexpr (O == Operation::Add) return rounded_add<T, R>(a, b);
  if constexpr (O == Operation::Sub) return rounded_add<T, R>(a, -b);
  if constexpr (O == Operation::Mul) return rounded_mul<T, R>(a, b);
  if constexpr (O == Operation::Div) return rounded_div<T, R>(a, b);
}
template <Operation O, class T, Rounding R, bool kFtz, bool kSat>
T float_binary(T a, T b) {
  a = float_in<T, kFtz>(a);
  b = float_in<T, kFtz>(b);
  return float_out<T, kFtz, kSat>(float_result<O, T, R>(a, b), a, b);
}
// Among NaNs of f64, the addend's comes before the second factor's.
template <class T, Rounding R, bool kFtz, bool kSat>
T float_fma(T a, T b, T c) {
  a = float_in<T, kFtz>(a);
  b = float_in<T, kFtz>(b);
  c = float_in<T, kFtz>(c);
  return float_out<T, kFtz, kSat>(rounded_fma<T, R>(a, b, c), a, c, b);
}

// A NaN keeps its sign.
template <class T, bool kFtz>
T float_neg(T a) {
  return with_nan(-float_in<T, kFtz>(a), a);
}
template <class T, bool kFtz>
T float_abs(T a) {
  return with_nan(std::fabs(float_in<T, kFtz>(a)), a);
}

template <bool kMax, class T, bool kNan>
T float_extreme(T a, T b) {
  if constexpr (kMax) return maximum<T, kNan>(a, b);
  return minimum<T, kNan>(a, b);
}
template <bool kMax, class T, bool kFtz, bool kNan>
T float_minmax(T a, T b) {
  return float_extreme<kMax, T, kNan>(float_in<T, kFtz>(a), float_in<T, kFtz>(b));
}
// The magnitudes are compared; the sign is the product of the signs.
template <bool kMax, bool kFtz, bool kNan>
float float_minmax_signed(float a, float b) {
  const float result = float_minmax<kMax, float, kFtz, kNan>(std::fabs(a), std::fabs(b));
  return result != result ? result : std::signbit(a) != std::signbit(b) ? -result : result;
}
template <bool kMax, bool kFtz, bool kNan, bool kAbs>
float float_minmax3(float a, float b, float c) {
  const auto in = [](float x) { return float_in<float, kFtz>(kAbs ? std::fabs(x) : x); };
  return float_extreme<kMax, float, kNan>(float_extreme<kMax, float, kNan>(in(a), in(b)), in(c));
}

// The magnitude of b with the sign of a.
float float_copysign(float a, float b) { return std::copysign(b, a); }
double float_copysign64(double a, double b) { return std::copysign(b, a); }

// ---- decoding -----------------------------------------------------------------------------------------------------

// Calls f with the type, the rounding, .ftz and .sat of the modifiers as constants.
template <class F>
ExecFn float_choose(const Words& words, F f) {
  return with_rounding(words, [&](auto rounding) {
    constexpr Rounding R = decltype(rounding)::value;
    if constexpr (R == Rounding::NearestAway) {
      return ExecFn{nullptr};
    } else {
      if (words.type() == Type::F64) return f.template operator()<double, R, false, false>();
      if (words.has("ftz")) {
        return words.has("sat") ? f.template operator()<float, R, true, true>()
                                : f.template operator()<float, R, true, false>();
      }
      return words.has("sat") ? f.template operator()<float, R, false, true>()
                              : f.template operator()<float, R, false, false>();
    }
  });
}

template <Operation O>
Instr decode_float_binary(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const ExecFn exec = float_choose(words, []<class T, Rounding R, bool kFtz, bool kSat>() {
    return exec_of<float_binary<O, T, R, kFtz, kSat && O != Operation::Div>>;
  });
  return d.binary(exec, text, words.type(), words.type(), words.type());
}
// Pairs are two rows each: the same on the low ones and on the high ones.
template <ExecFn F>
Outcome float_on_pairs(Warp& warp, const Instr& i) {
  F(warp, i);
  Instr high = i;
  ++high.dst, ++high.a, ++high.b, ++high.c;
  return F(warp, high);
}
template <Operation O>
Instr decode_float_pairs(Decoder& d, const Words& words, const ptx::Instruction& text) {
  constexpr Type kPair = Type::F32x2;
  if constexpr (O == Operation::Fma) {
    const ExecFn exec = float_choose(words, []<class T, Rounding R, bool kFtz, bool kSat>() {
      return float_on_pairs<exec_of<float_fma<float, R, kFtz, false>>>;
    });
    return d.ternary(exec, text, kPair, kPair, kPair, kPair);
  } else {
    const ExecFn exec = float_choose(words, []<class T, Rounding R, bool kFtz, bool kSat>() {
      return float_on_pairs<exec_of<float_binary<O, float, R, kFtz, false>>>;
    });
    return d.binary(exec, text, kPair, kPair, kPair);
  }
}
template <Operation O>
Instr decode_float_unary(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const ExecFn exec = float_choose(words, []<class T, Rounding R, bool kFtz, bool kSat>() {
    return exec_of<float_unary<O, T, R, kFtz>>;
  });
  return d.unary(exec, text, words.type(), words.type());
}
Instr decode_float_fma(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const ExecFn exec = float_choose(words, []<class T, Rounding R, bool kFtz, bool kSat>() {
    return exec_of<float_fma<T, R, kFtz, kSat>>;
  });
  return d.ternary(exec, text, words.type(), words.type(), words.type(), words.type());
}

Instr decode_float_neg(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const ExecFn exec = words.type() == Type::F64 ? exec_of<float_neg<double, false>>
                      : words.has("ftz")        ? exec_of<float_neg<float, true>>
                                                : exec_of<float_neg<float, false>>;
  return d.unary(exec, text, words.type(), words.type());
}
Instr decode_float_abs(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const ExecFn exec = words.type() == Type::F64 ? exec_of<float_abs<double, false>>
                      : words.has("ftz")        ? exec_of<float_abs<float, true>>
                                                : exec_of<float_abs<float, false>>;
  return d.unary(exec, text, words.type(), words.type());
}

template <bool kMax, bool kFtz, bool kNan>
Instr float_decode_minmax(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool abs = words.has("abs");
  if (words.has("xorsign")) {
    return d.binary(exec_of<float_minmax_signed<kMax, kFtz, kNan>>, text, Type::F32, Type::F32,
                    Type::F32);
  }
  if (text.operands.size() == 4 || abs) {
    if (d.arch() < 100) d.refuse("min and max of three numbers, and .abs, need sm_100 or later");
    return d.ternary(abs ? exec_of<float_minmax3<kMax, kFtz, kNan, true>>
                         : exec_of<float_minmax3<kMax, kFtz, kNan, false>>,
                     text, Type::F32, Type::F32, Type::F32, Type::F32);
  }
  return d.binary(exec_of<float_minmax<kMax, float, kFtz, kNan>>, text, Type::F32, Type::F32,
                  Type::F32);
}
template <bool kMax>
Instr decode_float_minmax(Decoder& d, const Words& words, const ptx::Instruction& text) {
  if (words.type() == Type::F64) {
    return d.binary(exec_of<float_minmax<kMax, double, false, false>>, text, Type::F64, Type::F64,
                    Type::F64);
  }
  if (words.has("ftz")) {
    return words.has("NaN") ? float_decode_minmax<kMax, true, true>(d, words, text)
                            : float_decode_minmax<kMax, true, false>(d, words, text);
  }
  return words.has("NaN") ? float_decode_minmax<kMax, false, true>(d, words, text)
                          : float_decode_minmax<kMax, false, false>(d, words, text);
}

Instr decode_copysign(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const ExecFn exec =
      words.type() == Type::F64 ? exec_of<float_copysign64> : exec_of<float_copysign>;
  return d.binary(exec, text, words.type(), words.type(), words.type());
}

// ---- testp ---------------------------------------------------------------------------------------------------------

template <class T, int kClass>
bool is_of_class(T x) {
  constexpr int kClasses[] = {FP_NAN, FP_NORMAL, FP_SUBNORMAL};
  return std::fpclassify(x) == kClasses[kClass];
}
template <class T>
bool is_finite_number(T x) {
  return std::isfinite(x);
}
template <class T>
bool is_infinite_number(T x) {
  return std::isinf(x);
}
template <class T>
bool is_number(T x) {
  return x == x;
}
template <class T, bool (*F)(T)>
Outcome exec_testp(Warp& warp, const Instr& i) {
  set_predicate(warp, i.dst, lanes_where([&](int lane) { return F(read<T>(warp, i.a, lane)); }));
  return Outcome::Next;
}
template <class T>
ExecFn testp_exec(const Words& words) {
  if (words.has("finite")) return exec_testp<T, is_finite_number<T>>;
  if (words.has("infinite")) return exec_testp<T, is_infinite_number<T>>;
  if (words.has("number")) return exec_testp<T, is_number<T>>;
  if (words.has("notanumber")) return exec_testp<T, is_of_class<T, 0>>;
  if (words.has("normal")) return exec_testp<T, is_of_class<T, 1>>;
  return exec_testp<T, is_of_class<T, 2>>;
}
Instr decode_testp(Decoder& d, const Words& words, const ptx::Instruction& text) {
  d.require_operands(text, 2, 2);
  const bool wide = words.type() == Type::F64;
  Instr instr{.exec = wide ? testp_exec<double>(words) : testp_exec<float>(words)};
  instr.a = d.row_in(text.operands[1], words.type());
  instr.dst = d.predicate_out(text.operands[0]);
  return instr;
}

// ---- division by approximations ---------------------------------------------------------------------------------------

template <bool kFtz>
float float_div_approx(float a, float b) {
  return float_out<float, kFtz, false>(
      div_approx(float_in<float, kFtz>(a), float_in<float, kFtz>(b)), a, b);
}
template <bool kFtz>
float float_div_full(float a, float b) {
  return float_out<float, kFtz, false>(div_full(float_in<float, kFtz>(a), float_in<float, kFtz>(b)),
                                       a, b);
}
Instr decode_float_div_approx(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool ftz = words.has("ftz");
  const ExecFn exec =
      words.has("approx")
          ? (ftz ? exec_of<float_div_approx<true>> : exec_of<float_div_approx<false>>)
          : (ftz ? exec_of<float_div_full<true>> : exec_of<float_div_full<false>>);
  return d.binary(exec, text, Type::F32, Type::F32, Type::F32);
}

constexpr auto kFloatAdd = decode_float_binary<Operation::Add>;
constexpr auto kFloatSub = decode_float_binary<Operation::Sub>;
constexpr auto kFloatMul = decode_float_binary<Operation::Mul>;
constexpr auto kFloatDiv = decode_float_binary<Operation::Div>;

constexpr Form kFloatForms[] = {
    {"testp.{finite,infinite,number,notanumber,normal,subnormal}.{f32,f64}", Unit::Alu,
     Fidelity::Exact, decode_testp, 0, "9.7.3.1"},
    {"copysign.{f32,f64}", Unit::Alu, Fidelity::Exact, decode_copysign, 0, "9.7.3.2"},
    {"add{.{rn,rz,rm,rp}}{.ftz}{.sat}.f32", Unit::Fma, Fidelity::Exact, kFloatAdd, 0, "9.7.3.3"},
    {"add{.{rn,rz,rm,rp}}.f64", Unit::Fma, Fidelity::Exact, kFloatAdd, 0, "9.7.3.3"},
    {"sub{.{rn,rz,rm,rp}}{.ftz}{.sat}.f32", Unit::Fma, Fidelity::Exact, kFloatSub, 0, "9.7.3.4"},
    {"sub{.{rn,rz,rm,rp}}.f64", Unit::Fma, Fidelity::Exact, kFloatSub, 0, "9.7.3.4"},
    {"mul{.{rn,rz,rm,rp}}{.ftz}{.sat}.f32", Unit::Fma, Fidelity::Exact, kFloatMul, 0, "9.7.3.5"},
    {"mul{.{rn,rz,rm,rp}}.f64", Unit::Fma, Fidelity::Exact, kFloatMul, 0, "9.7.3.5"},
    {"fma.{rn,rz,rm,rp}{.ftz}{.sat}.f32", Unit::Fma, Fidelity::Exact, decode_float_fma, 0,
     "9.7.3.6"},
    {"fma.{rn,rz,rm,rp}.f64", Unit::Fma, Fidelity::Exact, decode_float_fma, 0, "9.7.3.6"},
    {"mad.{rn,rz,rm,rp}{.ftz}{.sat}.f32", Unit::Fma, Fidelity::Exact, decode_float_fma, 0,
     "9.7.3.7"},
    {"mad.{rn,rz,rm,rp}.f64", Unit::Fma, Fidelity::Exact, decode_float_fma, 0, "9.7.3.7"},
    {"add{.{rn,rz,rm,rp}}{.ftz}.f32x2", Unit::Fma, Fidelity::Manual,
     decode_float_pairs<Operation::Add>, 100, "9.7.3.3"},
    {"sub{.{rn,rz,rm,rp}}{.ftz}.f32x2", Unit::Fma, Fidelity::Manual,
     decode_float_pairs<Operation::Sub>, 100, "9.7.3.4"},
    {"mul{.{rn,rz,rm,rp}}{.ftz}.f32x2", Unit::Fma, Fidelity::Manual,
     decode_float_pairs<Operation::Mul>, 100, "9.7.3.5"},
    {"fma.{rn,rz,rm,rp}{.ftz}.f32x2", Unit::Fma, Fidelity::Manual,
     decode_float_pairs<Operation::Fma>, 100, "9.7.3.6"},
    {"div.{rn,rz,rm,rp}{.ftz}.f32", Unit::Fma, Fidelity::Exact, kFloatDiv, 0, "9.7.3.8"},
    {"div.{rn,rz,rm,rp}.f64", Unit::Fma, Fidelity::Exact, kFloatDiv, 0, "9.7.3.8"},
    {"div.{approx,full}{.ftz}.f32", Unit::Fma, Fidelity::Exact, decode_float_div_approx, 0,
     "9.7.3.8", "2 ulp"},
    {"abs{.ftz}.f32", Unit::Alu, Fidelity::Exact, decode_float_abs, 0, "9.7.3.9"},
    {"abs.f64", Unit::Alu, Fidelity::Exact, decode_float_abs, 0, "9.7.3.9"},
    {"neg{.ftz}.f32", Unit::Alu, Fidelity::Exact, decode_float_neg, 0, "9.7.3.10"},
    {"neg.f64", Unit::Alu, Fidelity::Exact, decode_float_neg, 0, "9.7.3.10"},
    {"min{.ftz}{.NaN}.f32", Unit::Alu, Fidelity::Exact, decode_float_minmax<false>, 0, "9.7.3.11"},
    {"min{.ftz}{.NaN}.xorsign.abs.f32", Unit::Alu, Fidelity::Exact, decode_float_minmax<false>, 86,
     "9.7.3.11"},
    {"min{.ftz}{.NaN}.abs.f32", Unit::Alu, Fidelity::Manual, decode_float_minmax<false>, 100,
     "9.7.3.11"},
    {"min.f64", Unit::Fma, Fidelity::Exact, decode_float_minmax<false>, 0, "9.7.3.11"},
    {"max{.ftz}{.NaN}.f32", Unit::Alu, Fidelity::Exact, decode_float_minmax<true>, 0, "9.7.3.12"},
    {"max{.ftz}{.NaN}.xorsign.abs.f32", Unit::Alu, Fidelity::Exact, decode_float_minmax<true>, 86,
     "9.7.3.12"},
    {"max{.ftz}{.NaN}.abs.f32", Unit::Alu, Fidelity::Manual, decode_float_minmax<true>, 100,
     "9.7.3.12"},
    {"max.f64", Unit::Fma, Fidelity::Exact, decode_float_minmax<true>, 0, "9.7.3.12"},
    {"rcp.{rn,rz,rm,rp}{.ftz}.f32", Unit::Fma, Fidelity::Exact, decode_float_unary<Operation::Rcp>,
     0, "9.7.3.13"},
    {"rcp.{rn,rz,rm,rp}.f64", Unit::Fma, Fidelity::Exact, decode_float_unary<Operation::Rcp>, 0,
     "9.7.3.13"},
    {"sqrt.{rn,rz,rm,rp}{.ftz}.f32", Unit::Fma, Fidelity::Exact,
     decode_float_unary<Operation::Sqrt>, 0, "9.7.3.15"},
    {"sqrt.{rn,rz,rm,rp}.f64", Unit::Fma, Fidelity::Exact, decode_float_unary<Operation::Sqrt>, 0,
     "9.7.3.15"},
};

}  // namespace

std::span<const Form> FA4_EMU_CPU::float_forms() { return kFloatForms; }

}  // namespace fa4::emu::isa
