// SPDX-License-Identifier: Apache-2.0
// C and D as registers hold them: of eight rows, four lanes a row, the even columns in one register and the odd ones in the
// next, or both in one if they are f16. Included as tensor_simd.h is.

namespace fa4::emu::isa {
namespace {
namespace FA4_EMU_TARGET {

// Eight lanes of C from `lane` on, rows of the half `rows8`: the even columns, and the odd ones.
template <bool kHalf>
FA4_EMU_INLINE void tensor_load_lanes(const Row* const* c, size_t rows8, size_t lane, Float8& even,
                                      Float8& odd) {
  if constexpr (kHalf) {
    Int8 words;
    tensor_words(&c[rows8]->lane[lane], words);
    tensor_floats<TensorElement::F16, false>(words, even);
    tensor_floats<TensorElement::F16, true>(words, odd);
    tensor_restore_specials(even);
    tensor_restore_specials(odd);
  } else {
    std::memcpy(&even, &c[2 * rows8]->lane[lane], sizeof even);
    std::memcpy(&odd, &c[2 * rows8 + 1]->lane[lane], sizeof odd);
  }
}

// Eight lanes of D. Where kHalf, the numbers are those of f16.
template <bool kHalf>
FA4_EMU_INLINE void tensor_store_lanes(Row* const* d, size_t rows8, size_t lane, const Float8& even,
                                       const Float8& odd) {
  if constexpr (kHalf) {
    Int8 low, high;
    tensor_half_bits(even, low);
    tensor_half_bits(odd, high);
    const Int8 words = low | high << 16;
    std::memcpy(&d[rows8]->lane[lane], &words, sizeof words);
  } else {
    const Int8 canonical = Int8{} + static_cast<int32_t>(kTensorNan32);
    const Int8 low = reinterpret_cast<Int8>(even), high = reinterpret_cast<Int8>(odd);
    const Int8 even_bits = (low & 0x7fffffff) > 0x7f800000 ? canonical : low;
    const Int8 odd_bits = (high & 0x7fffffff) > 0x7f800000 ? canonical : high;
    std::memcpy(&d[2 * rows8]->lane[lane], &even_bits, sizeof even_bits);
    std::memcpy(&d[2 * rows8 + 1]->lane[lane], &odd_bits, sizeof odd_bits);
  }
}

// The nearest f16 of each.
FA4_EMU_INLINE void tensor_round_eight(Float8& numbers) {
  Float4 low, high;
  tensor_round_half(__builtin_convertvector(FA4_EMU_LOW(numbers), Double4), low);
  tensor_round_half(__builtin_convertvector(FA4_EMU_HIGH(numbers), Double4), high);
  numbers = FA4_EMU_JOIN(low, high);
}

// As many lanes as the widest vectors have.
template <bool kHalf>
FA4_EMU_INLINE void tensor_load_wide(const Row* const* c, size_t rows8, size_t lane, Wide& even,
                                     Wide& odd) {
  if constexpr (kHalf) {
    for (size_t part = 0; part < kWide; part += 8) {
      Float8 first, second;
      tensor_load_lanes<true>(c, rows8, lane + part, first, second);
      std::memcpy(reinterpret_cast<float*>(&even) + part, &first, sizeof first);
      std::memcpy(reinterpret_cast<float*>(&odd) + part, &second, sizeof second);
    }
  } else {
    std::memcpy(&even, &c[2 * rows8]->lane[lane], sizeof even);
    std::memcpy(&odd, &c[2 * rows8 + 1]->lane[lane], sizeof odd);
  }
}

template <bool kHalf>
FA4_EMU_INLINE void tensor_store_wide(Row* const* d, size_t rows8, size_t lane, Wide& even,
                                      Wide& odd) {
  if constexpr (kHalf) {
    for (size_t part = 0; part < kWide; part += 8) {
      Float8 first, second;
      std::memcpy(&first, reinterpret_cast<const float*>(&even) + part, sizeof first);
      std::memcpy(&second, reinterpret_cast<const float*>(&odd) + part, sizeof second);
      tensor_round_eight(first);
      tensor_round_eight(second);
      tensor_store_lanes<true>(d, rows8, lane + part, first, second);
    }
  } else {
    tensor_canonical(even);
    tensor_canonical(odd);
    std::memcpy(&d[2 * rows8]->lane[lane], &even, sizeof even);
    std::memcpy(&d[2 * rows8 + 1]->lane[lane], &odd, sizeof odd);
  }
}

}  // namespace FA4_EMU_TARGET
}  // namespace
}  // namespace fa4::emu::isa
