// SPDX-License-Identifier: Apache-2.0
// Codes to numbers, and the plain form of the product.
#include "emu/isa/tcgen05_core.h"

#include <algorithm>
#include <bit>

#include "emu/isa/tensor_vectors.h"

namespace fa4::emu::isa {
namespace {

struct Tcgen05Format {
  uint32_t fraction_bits, exponent_bits, infinity;  // infinity: what is not below it is special
  constexpr uint32_t bits() const { return fraction_bits + exponent_bits; }
  constexpr int bias() const { return (1 << (exponent_bits - 1)) - 1; }
};

constexpr Tcgen05Format tcgen05_format(TensorElement element) {
  switch (element) {
    case TensorElement::F16:
      return {10, 5, 0x7c00};
    case TensorElement::BF16:
      return {7, 8, 0x7f80};
    case TensorElement::E4M3:
      return {3, 4, 0x7f};
    case TensorElement::E5M2:
      return {2, 5, 0x7c};
    case TensorElement::E2M3:
      return {3, 2, 0x20};
    case TensorElement::E3M2:
      return {2, 3, 0x20};
    case TensorElement::E2M1:
      return {1, 2, 0x8};
    case TensorElement::TF32:
      break;
  }
  return {10, 8, 0x3fc00};
}

// Branchless, so that a loop over it is vectorised.
template <TensorElement kElement, bool kExponents>
void tcgen05_convert(const uint32_t* codes, uint32_t count, float* values, int32_t* exponents) {
  constexpr Tcgen05Format kFormat = tcgen05_format(kElement);
  constexpr uint32_t kLow = kElement == TensorElement::TF32 ? 13 : 0;
  constexpr uint32_t kMagnitude = (1u << kFormat.bits()) - 1;
  // The multiplication moves the exponent, and makes denormal numbers normal ones; between formats of eight bits of
  // exponent there is nothing to move, and denormal numbers stay so.
  constexpr bool kMoves = kFormat.exponent_bits != 8;
  constexpr float kFactor =
      std::bit_cast<float>(static_cast<uint32_t>(kMoves ? 254 - kFormat.bias() : 127) << 23);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t code = codes[i] >> kLow;
    const uint32_t magnitude = code & kMagnitude;
    const uint32_t sign = (code >> kFormat.bits() & 1) << 31;
    float value = std::bit_cast<float>(magnitude << (23 - kFormat.fraction_bits));
    if constexpr (kMoves) value *= kFactor;
    // An infinity is 0x7f800000, a NaN has more bits.
    const bool infinite = kElement == TensorElement::F16 || kElement == TensorElement::E5M2;
    const uint32_t special = infinite && magnitude == kFormat.infinity ? 0x7f800000u : 0x7fffffffu;
    uint32_t bits = std::bit_cast<uint32_t>(value);
    if constexpr (kMoves) bits = magnitude >= kFormat.infinity ? special : bits;
    values[i] = std::bit_cast<float>(bits | sign);
    if constexpr (kExponents) {
      const auto field = static_cast<int32_t>(magnitude >> kFormat.fraction_bits);
      int32_t exponent = (field > 1 ? field : 1) - kFormat.bias();
      exponent = magnitude == 0 ? kTensorNone : exponent;
      exponents[i] = magnitude >= kFormat.infinity ? kTcgen05Special : exponent;
    }
  }
}

using Tcgen05Convert = void (*)(const uint32_t*, uint32_t, float*, int32_t*);

template <TensorElement kElement>
Tcgen05Convert tcgen05_pick(bool exponents) {
  return exponents ? tcgen05_convert<kElement, true> : tcgen05_convert<kElement, false>;
}

Tcgen05Convert tcgen05_convert_of(TensorElement element, bool exponents) {
  switch (element) {
    case TensorElement::F16:
      return tcgen05_pick<TensorElement::F16>(exponents);
    case TensorElement::BF16:
      return tcgen05_pick<TensorElement::BF16>(exponents);
    case TensorElement::E4M3:
      return tcgen05_pick<TensorElement::E4M3>(exponents);
    case TensorElement::E5M2:
      return tcgen05_pick<TensorElement::E5M2>(exponents);
    case TensorElement::E2M3:
      return tcgen05_pick<TensorElement::E2M3>(exponents);
    case TensorElement::E3M2:
      return tcgen05_pick<TensorElement::E3M2>(exponents);
    case TensorElement::E2M1:
      return tcgen05_pick<TensorElement::E2M1>(exponents);
    case TensorElement::TF32:
      break;
  }
  return tcgen05_pick<TensorElement::TF32>(exponents);
}

}  // namespace

void tcgen05_numbers_of_a(TensorElement element, uint32_t k, uint32_t sixteens, bool exact,
                          Tcgen05A* a) {
  const Tcgen05Convert convert = tcgen05_convert_of(element, exact);
  a->most.fill(kTensorNone);
  for (uint32_t line = 0; line < k; ++line) {
    for (uint32_t at = 0; at < a->most.size(); ++at) {
      if ((sixteens >> at & 1) == 0) continue;
      int32_t* const exponents = &a->exponent[line][16 * at];
      convert(&a->code[line][16 * at], 16, &a->value[line][16 * at], exponents);
      if (exact) a->most[at] = std::max(a->most[at], *std::max_element(exponents, exponents + 16));
    }
  }
}

void tcgen05_numbers_of_b(TensorElement element, uint32_t k, uint32_t first, uint32_t columns,
                          bool exact, Tcgen05B* b) {
  const Tcgen05Convert convert = tcgen05_convert_of(element, exact);
  for (uint32_t column = first; column < first + columns; ++column) {
    int32_t* const exponents = b->exponent[column].data();
    convert(b->code[column].data(), k, b->value[column].data(), exponents);
    if (exact) b->most[column] = *std::max_element(exponents, exponents + k);
  }
}

uint32_t tcgen05_plain(const Tcgen05Product& product, uint32_t lane, uint32_t column, uint32_t c) {
  TensorRules rules = {product.element_a, product.element_b, product.half};
  rules.c_shift = product.c_shift;
  std::array<uint32_t, kTcgen05MostK> a;
  for (uint32_t k = 0; k < product.k; ++k) a[k] = product.a->code[k][lane];
  return tensor_step(rules, a.data(), product.b->code[column].data(), static_cast<int>(product.k),
                     product.accumulate ? c : 0);
}

}  // namespace fa4::emu::isa
