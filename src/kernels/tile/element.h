// SPDX-License-Identifier: Apache-2.0
// bf16 and fp16 behind one name each.
#pragma once

#include "abi/attention.h"
#include "ptx/math.h"
#include "ptx/mma.h"

namespace fa4 {

template <ElementType kType>
FA4_DEVICE void mma_m16n8k16(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  if constexpr (kType == ElementType::BFloat16) {
    ptx::mma_m16n8k16_bf16(d, a, b0, b1);
  } else {
    ptx::mma_m16n8k16_f16(d, a, b0, b1);
  }
}

// Two elements in a register, `low` in bits 0-15.
template <ElementType kType>
FA4_DEVICE u32 pack(float low, float high) {
  if constexpr (kType == ElementType::BFloat16) return ptx::cvt_rn_bf16x2(low, high);
  return ptx::cvt_rn_f16x2(low, high);
}

template <ElementType kType>
FA4_DEVICE float unpack(u16 bits) {
  if constexpr (kType == ElementType::BFloat16) return __uint_as_float(u32{bits} << 16);
  return ptx::cvt_f32_f16(bits);
}

// The logit of a head, natural units.
template <ElementType kType>
FA4_DEVICE float sink_of(const SinkParam& sink, u32 head) {
  const i64 at = head * sink.stride;
  if (sink.is_float32) return static_cast<const float*>(sink.data)[at];
  return unpack<kType>(static_cast<const u16*>(sink.data)[at]);
}

}  // namespace fa4
