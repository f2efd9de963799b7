// SPDX-License-Identifier: Apache-2.0
// What the vector forms of tensor cores share: numbers of 16 bits as f32, their exponents, and how sums are rounded. In a
// namespace for each instruction set, as tensor_simd.h, which has FA4_EMU_WIDTH numbers in its vectors.

namespace fa4::emu::isa {
namespace {
namespace FA4_EMU_TARGET {

FA4_EMU_INLINE bool tensor_any(const Int8& mask) {
  int64_t words[4];
  std::memcpy(words, &mask, sizeof mask);
  return (words[0] | words[1] | words[2] | words[3]) != 0;
}

// Eight words, in one load.
FA4_EMU_INLINE void tensor_words(const uint32_t* from, Int8& words) {
  using Words [[gnu::vector_size(32), gnu::aligned(4), gnu::may_alias]] = int32_t;
  words = *reinterpret_cast<const Words*>(from);
}

// The compiler does not know what lies there: it reads single numbers from memory, and does not take vectors apart that
// it has stored.
template <class Numbers>
FA4_EMU_INLINE void tensor_leave_in_memory(Numbers& numbers) {
  asm("" : "+m"(numbers));
}

// The widest vectors, for the fast forms.
using Wide [[gnu::vector_size(4 * FA4_EMU_WIDTH)]] = float;
using WideBits [[gnu::vector_size(4 * FA4_EMU_WIDTH)]] = int32_t;
constexpr size_t kWide = FA4_EMU_WIDTH;

// NaN have one pattern.
FA4_EMU_INLINE void tensor_canonical(Wide& numbers) {
  const Wide canonical = reinterpret_cast<Wide>(WideBits{} + static_cast<int32_t>(kTensorNan32));
  numbers = numbers == numbers ? numbers : canonical;
}

// The same four numbers, again and again.
FA4_EMU_INLINE void tensor_repeat(const float* four, Wide& repeated) {
  FA4_EMU_REPEAT(four, repeated);
}

// Of each four numbers the one at kAt, four times.
template <int kAt>
FA4_EMU_INLINE void tensor_spread(const Wide& numbers, Wide& spread) {
#if FA4_EMU_WIDTH == 16
  spread = FA4_EMU_MIX(numbers, numbers, kAt, kAt, kAt, kAt, 4 + kAt, 4 + kAt, 4 + kAt, 4 + kAt,
                       8 + kAt, 8 + kAt, 8 + kAt, 8 + kAt, 12 + kAt, 12 + kAt, 12 + kAt, 12 + kAt);
#else
  spread = FA4_EMU_MIX(numbers, numbers, kAt, kAt, kAt, kAt, 4 + kAt, 4 + kAt, 4 + kAt, 4 + kAt);
#endif
}

// Numbers are eight words of two; `high` takes the upper halves.
template <TensorElement kElement, bool kHigh, class Ints, class Floats>
FA4_EMU_INLINE void tensor_floats(const Ints& words, Floats& floats) {
  constexpr int kUpper = static_cast<int>(0xffff0000);
  if constexpr (kElement == TensorElement::BF16) {
    floats = reinterpret_cast<Floats>(kHigh ? words & kUpper : words << 16);
  } else {
    constexpr int kMask = static_cast<int>(0x8fffe000);  // sign, exponent, significand
    const Ints bits = ((kHigh ? words : words << 16) >> 3) & kMask;
    floats = reinterpret_cast<Floats>(bits) * 0x1p112f;
  }
}

// Infinities and NaN of f16, which tensor_floats makes finite.
template <class Floats>
FA4_EMU_INLINE void tensor_restore_specials(Floats& floats) {
  const auto bits = reinterpret_cast<decltype(floats == floats)>(floats);
  const auto special = ((bits & 0x7fffffff) >= 0x47800000) & 0x7f800000;
  floats = reinterpret_cast<Floats>(bits | special);
}

// The least and the largest exponent among numbers that are not 0.
struct TensorRange {
  Int8 least = Int8{} + 255;
  Int8 most = Int8{};
};

// Their biased exponents; kTensorNone for a zero.
template <TensorElement kElement, bool kHigh>
FA4_EMU_INLINE void tensor_exponents(const Int8& words, const Float8& floats, Int8& exponents,
                                     TensorRange& range) {
  constexpr int kBits = kElement == TensorElement::F16 ? 10 : 7;
  constexpr int kField = kElement == TensorElement::F16 ? 31 : 255;
  const Int8 field = (words >> (kBits + (kHigh ? 16 : 0))) & kField;
  range.most = range.most > field ? range.most : field;
  const Int8 one = Int8{} + 1;
  const Int8 exponent = field > one ? field : one;
  const Int8 zero = floats == 0.0f;
  exponents = zero ? Int8{} + kTensorNone : exponent;
  if constexpr (kElement == TensorElement::BF16) {
    const Int8 counted = zero ? Int8{} + 255 : field;
    range.least = range.least < counted ? range.least : counted;
  }
}

// Four sums to the nearest f16, as f32; ties to even. What becomes zero is +0, and beyond the largest is infinity.
FA4_EMU_INLINE void tensor_round_half(const Double4& sum, Float4& rounded) {
  const Long4 exponent = ((reinterpret_cast<Long4>(sum) >> 52) & 0x7ff) - 1023;
  Long4 last = exponent < -14 ? Long4{} - 24 : exponent - 10;
  last = last > 20 ? Long4{} + 20 : last;  // infinite in any case
  // 1.5 * 2^(52 + last): what is added to it keeps no bits below 2^last.
  const Double4 ruler = reinterpret_cast<Double4>(((last + 1075) << 52) | (int64_t{1} << 51));
  rounded = __builtin_convertvector((sum + ruler) - ruler, Float4);
  const Int4 bits = reinterpret_cast<Int4>(rounded);
  const Int4 infinite = ((bits & 0x7fffffff) >= 0x47800000) & ((bits & 0x7fffffff) <= 0x7f800000);
  rounded = reinterpret_cast<Float4>(infinite ? (bits | 0x7f800000) & ~0x7fffff : bits);
}

// The sum of two numbers of units, cut toward zero to f32, or to the nearest f16.
template <bool kHalf>
FA4_EMU_INLINE void tensor_round(const Int4& a, const Int4& b, const Float4& unit,
                                 Float4& rounded) {
  const Double4 sum = __builtin_convertvector(a, Double4) + __builtin_convertvector(b, Double4);
  if constexpr (kHalf) {
    tensor_round_half(sum * __builtin_convertvector(unit, Double4), rounded);
  } else {
    const Long4 cut = reinterpret_cast<Long4>(sum) & ~int64_t{0x1fffffff};
    rounded = __builtin_convertvector(reinterpret_cast<Double4>(cut), Float4) * unit;
  }
}

// The bits of f16 numbers that are held as f32.
FA4_EMU_INLINE void tensor_half_bits(const Float8& numbers, Int8& half) {
  const Int8 bits = reinterpret_cast<Int8>(numbers);
  const Int8 magnitude = bits & 0x7fffffff;
  // What is below 2^-14 has 24 bits behind the point; the low bits of other significands are 0.
  const Int8 small = magnitude < 0x38800000;
  const Float8 units = reinterpret_cast<Float8>(magnitude & small) * 0x1p24f;
  const Int8 denormal = __builtin_convertvector(units, Int8);
  half = small ? denormal : (magnitude - (112 << 23)) >> 13;
  half = magnitude >= 0x47800000 ? Int8{} + 0x7c00 : half;
  half = magnitude > 0x7f800000 ? Int8{} + static_cast<int32_t>(kTensorNan16)
                                : (half | ((bits >> 16) & 0x8000));
}

}  // namespace FA4_EMU_TARGET
}  // namespace
}  // namespace fa4::emu::isa
