// SPDX-License-Identifier: Apache-2.0
// The plain form of a warpgroup's product.
#include "emu/isa/warpgroup_core.h"

#include <cstring>

#include "emu/isa/fragments.h"

namespace fa4::emu::isa {
namespace {

uint16_t warpgroup_element(TensorElement element, uint32_t word, uint32_t k) {
  if (element == TensorElement::F16 || element == TensorElement::BF16) {
    return static_cast<uint16_t>(word >> (16 * (k % 2)));
  }
  return word >> (8 * (k % 4)) & 0xff;
}

uint16_t warpgroup_element_of_a(const WarpgroupProduct& product, uint32_t warp, uint32_t row,
                                uint32_t k) {
  const uint32_t m = product.kind.narrow() ? k / 4 : k / 2;
  const auto& words = product.a->word[warp];
  return warpgroup_element(product.kind.a,
                           words[WarpgroupA::reg_of(row, m)][WarpgroupA::lane_of(row, m)], k);
}

uint16_t warpgroup_element_of_b(const WarpgroupProduct& product, uint32_t column, uint32_t k) {
  const std::byte* const bytes = product.b->bytes.data();
  if (product.b->mn_major) {
    uint16_t number;
    std::memcpy(&number, bytes + (size_t{k} * product.n + column) * sizeof number, sizeof number);
    return number;
  }
  uint32_t word;
  const uint32_t m = product.kind.narrow() ? k / 4 : k / 2;
  std::memcpy(&word, bytes + size_t{column} * kWarpgroupKBytes + size_t{m} * sizeof word,
              sizeof word);
  return warpgroup_element(product.kind.b, word, k);
}

}  // namespace

TensorRules warpgroup_rules(const WarpgroupKind& kind) {
  TensorRules rules = {kind.a, kind.b, kind.half_accumulator};
  if (kind.narrow()) {
    rules.fraction_bits = 13;
    rules.result_bits = 13;
  }
  return rules;
}

void warpgroup_tile_plain(const WarpgroupProduct& product, uint32_t warp, uint32_t eight) {
  const WarpgroupKind& kind = product.kind;
  const TensorRules rules = warpgroup_rules(kind);
  const auto sign = static_cast<uint16_t>(product.negate ? (kind.narrow() ? 0x80 : 0x8000) : 0);
  Row* const* d = product.d[warp] + kind.num_d() * eight;
  std::array<uint16_t, kTensorMostTerms> a{}, b{};
  const auto terms = static_cast<uint32_t>(kind.k());
  for (uint32_t row = 0; row < 16; ++row) {
    for (uint32_t k = 0; k < terms; ++k) {
      a[k] = sign ^ warpgroup_element_of_a(product, warp, row, k);
    }
    for (uint32_t column = 0; column < 8; ++column) {
      for (uint32_t k = 0; k < terms; ++k) {
        b[k] = warpgroup_element_of_b(product, 8 * eight + column, k);
      }
      const int at = static_cast<int>(row), of = static_cast<int>(column);
      const FragmentPlace place =
          kind.half_accumulator ? fragment_of_c16(at, of) : fragment_of_c32(at, of);
      uint32_t& word = d[place.reg]->lane[place.lane];
      const uint32_t mask = kind.half_accumulator ? 0xffffu << (16 * place.half) : 0xffffffffu;
      const uint32_t c = product.accumulate ? (word & mask) >> (16 * place.half) : 0;
      const uint32_t sum = tensor_step(rules, a.data(), b.data(), kind.k(), c);
      word = (word & ~mask) | sum << (16 * place.half);
    }
  }
}

}  // namespace fa4::emu::isa
