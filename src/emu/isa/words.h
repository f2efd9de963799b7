// SPDX-License-Identifier: Apache-2.0
// The modifiers of an instruction that has matched a row of the table, for its decode function to ask.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace fa4::emu::isa {

enum class Type : uint8_t {
  Pred,
  B8,
  B16,
  B32,
  B64,
  B128,
  U8,
  U16,
  U32,
  U64,
  S8,
  S16,
  S32,
  S64,
  F16,
  F16x2,
  BF16,
  BF16x2,
  TF32,
  E4M3,
  E5M2,
  E4M3x2,
  E5M2x2,
  F32,
  F32x2,
  F64,
};

std::optional<Type> type_named(std::string_view word);
uint32_t bits_of(Type type);  // 1 for Pred
bool is_signed(Type type);    // S8..S64
bool is_float(Type type);     // F16..F64

// {rn, rz, rm, rp, rna} of a floating-point result; {rni, rzi, rmi, rpi} of one rounded to an integer.
enum class Rounding : uint8_t { NearestEven, Zero, Down, Up, NearestAway };

class Words {
 public:
  explicit Words(const std::vector<std::string_view>& words) : words_(words) {}

  bool has(std::string_view word) const;
  // The types among the modifiers, in order: cvt.rn.bf16x2.f32 has two.
  std::vector<Type> types() const;
  Type type(size_t index = 0) const { return types().at(index); }
  std::optional<Rounding> rounding() const;  // none: not said
  // 4 of .v4, .x4; 1 without.
  uint32_t vector() const;
  const std::vector<std::string_view>& all() const { return words_; }

 private:
  const std::vector<std::string_view>& words_;
};

}  // namespace fa4::emu::isa
