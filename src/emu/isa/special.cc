// SPDX-License-Identifier: Apache-2.0
// The special-function unit: PTX ISA 9.0, 9.7.3.13 to .22, 9.7.4.9 and .10. The functions themselves are in
// special_functions.h; here are flushing, the narrow types and the rows with the manual's bounds.
#include "emu/isa/apply.h"
#include "emu/isa/special_functions.h"
#include "emu/isa/table.h"

namespace fa4::emu::isa {
namespace {

template <float (*F)(float), bool kFtz>
float special_float(float a) {
  if constexpr (kFtz) return canonical(flush(F(flush(a))));
  return canonical(F(a));
}
template <float (*F)(float), class E>
E special_half(E a) {
  return narrow<E>(F(widen(a)));
}
// The bf16 forms of ex2 flush; a subnormal bf16 is a subnormal float.
Brain special_ex2_brain(Brain a) { return narrow<Brain>(flush(ex2_approx(flush(widen(a))))); }

template <double (*F)(double)>
double special_double(double a) {
  const double result = F(a);
  return result == result ? result : std::bit_cast<double>(uint64_t{0x7fffffff00000000});
}

template <float (*F)(float)>
Instr decode_special(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const ExecFn exec =
      words.has("ftz") ? exec_of<special_float<F, true>> : exec_of<special_float<F, false>>;
  return d.unary(exec, text, Type::F32, Type::F32);
}
template <double (*F)(double)>
Instr decode_special_double(Decoder& d, const Words&, const ptx::Instruction& text) {
  return d.unary(exec_of<special_double<F>>, text, Type::F64, Type::F64);
}

template <float (*F)(float)>
ExecFn special_half_exec(Type type) {
  switch (type) {
    case Type::F16:
      return exec_of<special_half<F, Half>>;
    case Type::F16x2:
      return exec_of<both1<Half, special_half<F, Half>>>;
    case Type::BF16:
      return exec_of<special_half<F, Brain>>;
    default:
      return exec_of<both1<Brain, special_half<F, Brain>>>;
  }
}
Instr decode_ex2_half(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  const ExecFn exec = type == Type::BF16     ? exec_of<special_ex2_brain>
                      : type == Type::BF16x2 ? exec_of<both1<Brain, special_ex2_brain>>
                                             : special_half_exec<ex2_approx>(type);
  return d.unary(exec, text, type, type);
}
Instr decode_tanh_half(Decoder& d, const Words& words, const ptx::Instruction& text) {
  return d.unary(special_half_exec<tanh_approx>(words.type()), text, words.type(), words.type());
}

constexpr Form kSpecialForms[] = {
    {"rcp.approx{.ftz}.f32", Unit::Mufu, Fidelity::Approximate, decode_special<rcp_approx>, 0,
     "9.7.3.13", "1 ulp"},
    {"rcp.approx.ftz.f64", Unit::Mufu, Fidelity::Approximate, decode_special_double<rcp_approx64>,
     0, "9.7.3.14", "the upper 32 bits, unstated"},
    {"sqrt.approx{.ftz}.f32", Unit::Mufu, Fidelity::Approximate, decode_special<sqrt_approx>, 0,
     "9.7.3.15", "2^-23 relative"},
    {"rsqrt.approx{.ftz}.f32", Unit::Mufu, Fidelity::Approximate, decode_special<rsqrt_approx>, 0,
     "9.7.3.16", "2^-22.9 relative"},
    {"rsqrt.approx.ftz.f64", Unit::Mufu, Fidelity::Approximate,
     decode_special_double<rsqrt_approx64>, 0, "9.7.3.17", "the upper 32 bits, unstated"},
    {"sin.approx{.ftz}.f32", Unit::Mufu, Fidelity::Approximate, decode_special<sin_approx>, 0,
     "9.7.3.18", "2^-20.5 absolute in [-pi, pi]"},
    {"cos.approx{.ftz}.f32", Unit::Mufu, Fidelity::Approximate, decode_special<cos_approx>, 0,
     "9.7.3.19", "2^-20.5 absolute in [-pi, pi]"},
    {"lg2.approx{.ftz}.f32", Unit::Mufu, Fidelity::Approximate, decode_special<lg2_approx>, 0,
     "9.7.3.20", "2^-22 relative, absolute in (0.5, 2)"},
    {"ex2.approx{.ftz}.f32", Unit::Mufu, Fidelity::Approximate, decode_special<ex2_approx>, 0,
     "9.7.3.21", "2 ulp"},
    {"tanh.approx.f32", Unit::Mufu, Fidelity::Approximate, decode_special<tanh_approx>, 75,
     "9.7.3.22", "2^-11 relative"},
    {"tanh.approx.{f16,f16x2}", Unit::Mufu, Fidelity::Approximate, decode_tanh_half, 75, "9.7.4.9",
     "2^-10.987 absolute"},
    {"tanh.approx.{bf16,bf16x2}", Unit::Mufu, Fidelity::Approximate, decode_tanh_half, 90,
     "9.7.4.9", "2^-8 absolute"},
    {"ex2.approx.{f16,f16x2}", Unit::Mufu, Fidelity::Approximate, decode_ex2_half, 75, "9.7.4.10",
     "2^-9.9 relative"},
    {"ex2.approx.ftz.{bf16,bf16x2}", Unit::Mufu, Fidelity::Approximate, decode_ex2_half, 90,
     "9.7.4.10", "2^-7 relative"},
};

}  // namespace

std::span<const Form> FA4_EMU_CPU::special_forms() { return kSpecialForms; }

}  // namespace fa4::emu::isa
