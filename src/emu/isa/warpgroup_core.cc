// SPDX-License-Identifier: Apache-2.0
// The plain form of a warpgroup's product.
#include "emu/isa/warpgroup_core.h"

#include "emu/isa/fragments.h"

namespace fa4::emu::isa {
namespace {

// Element k of a row, whose word m is at words[m][at].
template <class Words>
uint16_t warpgroup_element(TensorElement element, const Words& words, size_t at, size_t k) {
  if (element == TensorElement::F16 || element == TensorElement::BF16) {
    return static_cast<uint16_t>(words[k / 2][at] >> (16 * (k % 2)));
  }
  return words[k / 4][at] >> (8 * (k % 4)) & 0xff;
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
  const auto terms = static_cast<size_t>(kind.k());
  for (int row = 0; row < 16; ++row) {
    for (size_t k = 0; k < terms; ++k) {
      const auto& words = product.a->word[warp];
      a[k] = sign ^ warpgroup_element(kind.a, words, static_cast<size_t>(row), k);
    }
    for (int column = 0; column < 8; ++column) {
      const size_t at = warpgroup_column(static_cast<uint32_t>(column));
      for (size_t k = 0; k < terms; ++k) {
        b[k] = warpgroup_element(kind.b, product.b->word[eight], at, k);
      }
      const FragmentPlace place =
          kind.half_accumulator ? fragment_of_c16(row, column) : fragment_of_c32(row, column);
      uint32_t& word = d[place.reg]->lane[place.lane];
      const uint32_t mask = kind.half_accumulator ? 0xffffu << (16 * place.half) : 0xffffffffu;
      const uint32_t c = product.accumulate ? (word & mask) >> (16 * place.half) : 0;
      const uint32_t sum = tensor_step(rules, a.data(), b.data(), kind.k(), c);
      word = (word & ~mask) | sum << (16 * place.half);
    }
  }
}

}  // namespace fa4::emu::isa
