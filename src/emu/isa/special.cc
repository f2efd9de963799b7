// SPDX-License-Identifier: Apache-2.0
// The special-function unit: PTX ISA 9.0, 9.7.3.13 to .22, 9.7.4.9 and .10. The functions themselves are in
// special_functions.h; here are flushing, the narrow types and the rows with the manual's bounds.
#include "emu/isa/apply.h"
#include "emu/isa/special_functions.h"
#include "emu/isa/special_lanes.h"
#include "emu/isa/special_lanes_512.h"
#include "emu/isa/table.h"

namespace fa4::emu::isa {
namespace {

template <class Around>
Outcome exec_special(Warp& warp, const Instr& i) {
  const Row& a = warp.rows[i.a];
  Row result;
#if defined(__AVX2__)
  if constexpr (std::is_same_v<Around, Flushed<Ex2Unit>>) {
    if (warp.active == kAllLanes) {
      ex2_lanes(a, &warp.rows[i.dst]);
    } else {
      ex2_lanes(a, &result);
      put_active(warp, &warp.rows[i.dst], result);
    }
    return Outcome::Next;
  }
#endif
  special_lanes<Around>(
      [&](int lane) { return std::bit_cast<float>(a.lane[lane]); },
      [&](int lane, float value) { result.lane[lane] = std::bit_cast<uint32_t>(value); });
  put_active(warp, &warp.rows[i.dst], result);
  return Outcome::Next;
}
#if defined(FA4_EMU_512)
Outcome exec_ex2_512(Warp& warp, const Instr& i) {
  Row result;
  ex2_lanes_512(warp.rows[i.a], &result);
  put_active(warp, &warp.rows[i.dst], result);
  return Outcome::Next;
}
#endif
// Cut, not rounded: a result beyond f16 is infinite.
inline Half cut_to_half(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const int32_t exponent = static_cast<int32_t>(bits >> 23 & 255) - 112;
  const uint32_t mantissa = (bits & 0x7fffff) | 0x800000;
  const int32_t lost = 14 - exponent;  // of a subnormal result
  uint32_t magnitude = static_cast<uint32_t>(exponent) << 10 | (mantissa >> 13 & 0x3ff);
  magnitude = exponent > 0 ? magnitude : mantissa >> (lost < 24 ? lost : 24);
  magnitude = exponent < 31 ? magnitude : 0x7c00;
  magnitude = x == x ? magnitude | (bits >> 16 & 0x8000) : 0x7fff;
  return Half{static_cast<uint16_t>(magnitude)};
}
inline Brain cut_to_brain(float x) {
  return Brain{static_cast<uint16_t>(x == x ? std::bit_cast<uint32_t>(x) >> 16 : 0x7fff)};
}
template <class E>
uint32_t special_cut(float x) {
  if constexpr (std::is_same_v<E, Half>) return cut_to_half(x).bits;
  return cut_to_brain(x).bits;
}
template <class Unit, class E, bool kPair>
Outcome exec_special_half(Warp& warp, const Instr& i) {
  const Row& a = warp.rows[i.a];
  Row result;
  for (uint32_t shift = 0; shift < (kPair ? 32 : 16); shift += 16) {
    const auto in = [&](int lane) {
      return widen(E{static_cast<uint16_t>(a.lane[lane] >> shift)});
    };
    special_lanes<Plain<Unit>>(in, [&](int lane, float value) {
      const uint32_t bits = special_cut<E>(value);
      result.lane[lane] = shift == 0 ? bits : result.lane[lane] | bits << 16;
    });
  }
  put_active(warp, &warp.rows[i.dst], result);
  return Outcome::Next;
}

template <double (*F)(double)>
double special_double(double a) {
  const double result = F(a);
  return result == result ? result : std::bit_cast<double>(uint64_t{0x7fffffff00000000});
}

// Full without .ftz, the unit alone with it.
template <class Full>
Instr decode_special(Decoder& d, const Words& words, const ptx::Instruction& text) {
  ExecFn exec = words.has("ftz") ? exec_special<Flushed<typename Full::Unit>> : exec_special<Full>;
#if defined(FA4_EMU_512)
  if constexpr (std::is_same_v<Full, Ex2Approx>) {
    if (words.has("ftz") && has_512()) exec = exec_ex2_512;
  }
#endif
  return d.unary(exec, text, Type::F32, Type::F32);
}
template <double (*F)(double)>
Instr decode_special_double(Decoder& d, const Words&, const ptx::Instruction& text) {
  return d.unary(exec_of<special_double<F>>, text, Type::F64, Type::F64);
}

template <class Unit>
ExecFn special_half_exec(Type type) {
  switch (type) {
    case Type::F16:
      return exec_special_half<Unit, Half, false>;
    case Type::F16x2:
      return exec_special_half<Unit, Half, true>;
    case Type::BF16:
      return exec_special_half<Unit, Brain, false>;
    default:
      return exec_special_half<Unit, Brain, true>;
  }
}
template <class Unit>
Instr decode_special_half(Decoder& d, const Words& words, const ptx::Instruction& text) {
  return d.unary(special_half_exec<Unit>(words.type()), text, words.type(), words.type());
}

constexpr Form kSpecialForms[] = {
    {"rcp.approx{.ftz}.f32", Unit::Mufu, Fidelity::Exact, decode_special<RcpApprox>, 0, "9.7.3.13",
     "1 ulp"},
    {"rcp.approx.ftz.f64", Unit::Mufu, Fidelity::Approximate, decode_special_double<rcp_approx64>,
     0, "9.7.3.14", "the upper 32 bits, unstated"},
    {"sqrt.approx{.ftz}.f32", Unit::Mufu, Fidelity::Exact, decode_special<SqrtApprox>, 0,
     "9.7.3.15", "2^-23 relative"},
    {"rsqrt.approx{.ftz}.f32", Unit::Mufu, Fidelity::Exact, decode_special<RsqrtApprox>, 0,
     "9.7.3.16", "2^-22.9 relative"},
    {"rsqrt.approx.ftz.f64", Unit::Mufu, Fidelity::Approximate,
     decode_special_double<rsqrt_approx64>, 0, "9.7.3.17", "the upper 32 bits, unstated"},
    {"sin.approx{.ftz}.f32", Unit::Mufu, Fidelity::Exact, decode_special<SineApprox<0>>, 0,
     "9.7.3.18", "2^-20.5 absolute in [-pi, pi]"},
    {"cos.approx{.ftz}.f32", Unit::Mufu, Fidelity::Exact, decode_special<SineApprox<1>>, 0,
     "9.7.3.19", "2^-20.5 absolute in [-pi, pi]"},
    {"lg2.approx{.ftz}.f32", Unit::Mufu, Fidelity::Exact, decode_special<Lg2Approx>, 0, "9.7.3.20",
     "2^-22 relative, absolute in (0.5, 2)"},
    {"ex2.approx{.ftz}.f32", Unit::Mufu, Fidelity::Exact, decode_special<Ex2Approx>, 0, "9.7.3.21",
     "2 ulp"},
    {"tanh.approx.f32", Unit::Mufu, Fidelity::Exact, decode_special<TanhApprox>, 75, "9.7.3.22",
     "2^-11 relative"},
    {"tanh.approx.{f16,f16x2}", Unit::Mufu, Fidelity::Exact, decode_special_half<TanhUnit>, 75,
     "9.7.4.9", "2^-10.987 absolute"},
    {"tanh.approx.{bf16,bf16x2}", Unit::Mufu, Fidelity::Exact, decode_special_half<TanhUnit>, 90,
     "9.7.4.9", "2^-8 absolute"},
    {"ex2.approx.{f16,f16x2}", Unit::Mufu, Fidelity::Exact, decode_special_half<Ex2Unit>, 75,
     "9.7.4.10", "2^-9.9 relative"},
    {"ex2.approx.ftz.{bf16,bf16x2}", Unit::Mufu, Fidelity::Exact, decode_special_half<Ex2Unit>, 90,
     "9.7.4.10", "2^-7 relative"},
};

}  // namespace

std::span<const Form> FA4_EMU_CPU::special_forms() { return kSpecialForms; }

}  // namespace fa4::emu::isa
