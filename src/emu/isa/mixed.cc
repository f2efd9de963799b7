// SPDX-License-Identifier: Apache-2.0
// Sums of f32 with factors or summands of 16 bits (PTX ISA 9.0, 9.7.5): these are widened first, which is exact.
#include "emu/isa/apply.h"
#include "emu/isa/table.h"

namespace fa4::emu::isa {
namespace {

template <Rounding R, bool kSat>
float mixed_out(float x) {
  if constexpr (kSat) return saturate(x);
  return x != x ? nan_of<float> : x;
}
template <class E, Rounding R, bool kSat>
float mixed_add(E a, float c) {
  return mixed_out<R, kSat>(rounded_add<float, R>(widen(a), c));
}
template <class E, Rounding R, bool kSat>
float mixed_sub(E a, float c) {
  return mixed_out<R, kSat>(rounded_add<float, R>(widen(a), -c));
}
template <class E, Rounding R, bool kSat>
float mixed_fma(E a, E b, float c) {
  return mixed_out<R, kSat>(rounded_fma<float, R>(widen(a), widen(b), c));
}

// Calls f with the type, the rounding and .sat as constants.
template <class F>
ExecFn mixed_choose(const Words& words, F f) {
  const bool half = words.type(1) == Type::F16, sat = words.has("sat");
  return with_rounding(words, [&](auto rounding) {
    constexpr Rounding R = decltype(rounding)::value;
    if constexpr (R == Rounding::NearestAway) {
      return ExecFn{nullptr};
    } else if (half) {
      return sat ? f.template operator()<Half, R, true>() : f.template operator()<Half, R, false>();
    } else {
      return sat ? f.template operator()<Brain, R, true>()
                 : f.template operator()<Brain, R, false>();
    }
  });
}

Instr decode_mixed_sum(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool subtracts = text.opcode == "sub";
  const ExecFn exec = mixed_choose(words, [subtracts]<class E, Rounding R, bool kSat>() {
    return subtracts ? exec_of<mixed_sub<E, R, kSat>> : exec_of<mixed_add<E, R, kSat>>;
  });
  return d.binary(exec, text, Type::F32, words.type(1), Type::F32);
}

Instr decode_mixed_fma(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const ExecFn exec = mixed_choose(
      words, []<class E, Rounding R, bool kSat>() { return exec_of<mixed_fma<E, R, kSat>>; });
  return d.ternary(exec, text, Type::F32, words.type(1), words.type(1), Type::F32);
}

}  // namespace

std::span<const Form> mixed_forms() {
  static constexpr Form kForms[] = {
      {"add{.{rn,rz,rm,rp}}{.sat}.f32.{f16,bf16}", Unit::Fma, Fidelity::Manual, decode_mixed_sum,
       100, "9.7.5.1"},
      {"sub{.{rn,rz,rm,rp}}{.sat}.f32.{f16,bf16}", Unit::Fma, Fidelity::Manual, decode_mixed_sum,
       100, "9.7.5.2"},
      {"fma.{rn,rz,rm,rp}{.sat}.f32.{f16,bf16}", Unit::Fma, Fidelity::Manual, decode_mixed_fma, 100,
       "9.7.5.3"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
