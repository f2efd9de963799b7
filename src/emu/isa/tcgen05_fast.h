// SPDX-License-Identifier: Apache-2.0
// The vector form of tcgen05's fast product; included as tcgen05_simd.h is, behind it. Two vectors of lanes, or four of the widest, by
// four columns at a time: as many sums as hide the latency of an addition, and no more than there are registers.

namespace fa4::emu::isa {
namespace {
namespace FA4_EMU_TARGET {

constexpr size_t kTcgen05Vectors = kWide / 4;

// Lanes of D from where a vector begins.
template <bool kHalf>
FA4_EMU_INLINE void tcgen05_load_wide(const uint32_t* d, Wide& c) {
  if constexpr (kHalf) {
    for (size_t part = 0; part < kWide / 8; ++part) {
      Float8 eight;
      tcgen05_load_c<true>(d + 8 * part, eight);
      std::memcpy(reinterpret_cast<float*>(&c) + 8 * part, &eight, sizeof eight);
    }
  } else {
    std::memcpy(&c, d, sizeof c);
  }
}

template <bool kHalf>
FA4_EMU_INLINE void tcgen05_store_wide(const Wide& sum, const uint32_t* disabled, uint32_t* d) {
  if constexpr (kHalf) {
    for (size_t part = 0; part < kWide / 8; ++part) {
      Float8 eight;
      std::memcpy(&eight, reinterpret_cast<const float*>(&sum) + 8 * part, sizeof eight);
      Float4 low, high;
      tensor_round_half(__builtin_convertvector(FA4_EMU_LOW(eight), Double4), low);
      tensor_round_half(__builtin_convertvector(FA4_EMU_HIGH(eight), Double4), high);
      eight = FA4_EMU_JOIN(low, high);
      tcgen05_store_d<true>(eight, disabled == nullptr ? nullptr : disabled + 8 * part,
                            d + 8 * part);
    }
    return;
  }
  Wide numbers = sum;
  tensor_canonical(numbers);
  if (disabled != nullptr) {
    WideBits keep, old;
    std::memcpy(&keep, disabled, sizeof keep);
    std::memcpy(&old, d, sizeof old);
    numbers = reinterpret_cast<Wide>((old & keep) | (reinterpret_cast<WideBits>(numbers) & ~keep));
  }
  std::memcpy(d, &numbers, sizeof numbers);
}

// Where the vectors of a tile begin: `step` lanes apart.
struct Tcgen05Tile {
  size_t lane, step, column;
};

template <bool kHalf>
FA4_EMU_INLINE void tcgen05_begin(const Tcgen05Product& product, const uint32_t* d, size_t step,
                                  Wide (&sums)[4][kTcgen05Vectors]) {
  if (!product.accumulate) {
    FA4_EMU_UNROLL(4)
    for (size_t n = 0; n < 4; ++n) {
      FA4_EMU_UNROLL(4)
      for (size_t v = 0; v < kTcgen05Vectors; ++v) sums[n][v] = Wide{};
    }
    return;
  }
  FA4_EMU_UNROLL(4)
  for (size_t n = 0; n < 4; ++n) {
    FA4_EMU_UNROLL(4)
    for (size_t v = 0; v < kTcgen05Vectors; ++v) {
      tcgen05_load_wide<kHalf>(d + n * kTcgen05Lanes + v * step, sums[n][v]);
    }
  }
  if (product.c_shift == 0) return;
  const float factor = std::bit_cast<float>(static_cast<uint32_t>(127 - product.c_shift) << 23);
  FA4_EMU_UNROLL(4)
  for (size_t n = 0; n < 4; ++n) {
    FA4_EMU_UNROLL(4)
    for (size_t v = 0; v < kTcgen05Vectors; ++v) sums[n][v] *= factor;
  }
}

template <bool kHalf>
FA4_EMU_INLINE void tcgen05_end(const Wide (&sums)[4][kTcgen05Vectors], const uint32_t* disabled,
                                uint32_t* d, size_t step) {
  FA4_EMU_UNROLL(4)
  for (size_t n = 0; n < 4; ++n) {
    FA4_EMU_UNROLL(4)
    for (size_t v = 0; v < kTcgen05Vectors; ++v) {
      tcgen05_store_wide<kHalf>(sums[n][v], disabled == nullptr ? nullptr : disabled + v * step,
                                d + n * kTcgen05Lanes + v * step);
    }
  }
}

// One k.
FA4_EMU_INLINE void tcgen05_add(const float* a, size_t step, const float* b,
                                Wide (&sums)[4][kTcgen05Vectors]) {
  Wide numbers[kTcgen05Vectors];
  FA4_EMU_UNROLL(4)
  for (size_t v = 0; v < kTcgen05Vectors; ++v) {
    std::memcpy(&numbers[v], a + v * step, sizeof numbers[v]);
  }
  FA4_EMU_UNROLL(4)
  for (size_t n = 0; n < 4; ++n) {
    const Wide number = b[n * kTcgen05MostK] - Wide{};
    FA4_EMU_UNROLL(4)
    for (size_t v = 0; v < kTcgen05Vectors; ++v) {
      sums[n][v] = FA4_EMU_FMA(numbers[v], number, sums[n][v]);
    }
  }
}

// In f32, k after k.
template <bool kHalf, uint32_t kK>
FA4_EMU_INLINE void tcgen05_fast_tile(const Tcgen05Product& product, const Tcgen05Tile& tile,
                                      const uint32_t* disabled) {
  uint32_t* const d = product.d + tile.column * kTcgen05Lanes + tile.lane;
  const float* b = product.b->value[product.first_column + tile.column].data();
  const float* a = product.a->value[0].data() + tile.lane;
  const size_t step = tile.step;
  Wide sums[4][kTcgen05Vectors];
  tcgen05_begin<kHalf>(product, d, step, sums);
  constexpr size_t kPart = kK < 16 ? kK : 16;
  for (size_t part = 0; part < kK / kPart; ++part, a += kPart * kTcgen05Lanes, b += kPart) {
    FA4_EMU_UNROLL(16)
    for (size_t k = 0; k < kPart; ++k) tcgen05_add(a + k * kTcgen05Lanes, step, b + k, sums);
  }
  if (disabled == nullptr) return tcgen05_end<kHalf>(sums, nullptr, d, step);
  tcgen05_end<kHalf>(sums, disabled + tile.lane, d, step);
}

template <bool kHalf, uint32_t kK>
void tcgen05_fast_product(const Tcgen05Product& of) {
  const Tcgen05Product product = of;  // where no store can reach it
  Tcgen05Disabled disabled;
  const bool any = tcgen05_any_disabled(product, disabled);
  // All sixteens, four beside one another, or every second one: tiles are full, and their vectors equally far apart.
  std::array<uint32_t, kTcgen05Lanes / kWide> lanes;
  size_t num_vectors = 0;
  for (uint32_t lane = 0; lane < kTcgen05Lanes; lane += kWide) {
    if ((product.sixteens >> lane / 16 & 1) != 0) lanes[num_vectors++] = lane;
  }
  for (size_t column = 0; column < product.columns; column += 4) {
    for (size_t first = 0; first < num_vectors; first += kTcgen05Vectors) {
      const Tcgen05Tile tile = {lanes[first], lanes[first + 1] - lanes[first], column};
      tcgen05_fast_tile<kHalf, kK>(product, tile, any ? disabled.data() : nullptr);
    }
  }
}

template <bool kHalf, uint32_t kK>
void tcgen05_product_of(const Tcgen05Product& product) {
  if (product.exact) return tcgen05_exact_product<kHalf, kK>(product);
  tcgen05_fast_product<kHalf, kK>(product);
}

template <bool kHalf>
void tcgen05_product_of_k(const Tcgen05Product& product) {
  if (product.k == 16) return tcgen05_product_of<kHalf, 16>(product);
  if (product.k == 32) return tcgen05_product_of<kHalf, 32>(product);
  tcgen05_product_of<kHalf, 8>(product);
}

void tcgen05_product(const Tcgen05Product& product) {
  if (product.half) return tcgen05_product_of_k<true>(product);
  tcgen05_product_of_k<false>(product);
}

}  // namespace FA4_EMU_TARGET
}  // namespace
}  // namespace fa4::emu::isa
