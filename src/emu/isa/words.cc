// SPDX-License-Identifier: Apache-2.0
#include "emu/isa/words.h"

#include <algorithm>
#include <array>
#include <utility>

namespace fa4::emu::isa {
namespace {

struct TypeFacts {
  std::string_view name;
  Type type;
  uint32_t bits;
};

constexpr std::array kTypes = {
    TypeFacts{"pred", Type::Pred, 1},      TypeFacts{"b8", Type::B8, 8},
    TypeFacts{"b16", Type::B16, 16},       TypeFacts{"b32", Type::B32, 32},
    TypeFacts{"b64", Type::B64, 64},       TypeFacts{"b128", Type::B128, 128},
    TypeFacts{"u8", Type::U8, 8},          TypeFacts{"u16", Type::U16, 16},
    TypeFacts{"u32", Type::U32, 32},       TypeFacts{"u64", Type::U64, 64},
    TypeFacts{"s8", Type::S8, 8},          TypeFacts{"s16", Type::S16, 16},
    TypeFacts{"s32", Type::S32, 32},       TypeFacts{"s64", Type::S64, 64},
    TypeFacts{"f16", Type::F16, 16},       TypeFacts{"f16x2", Type::F16x2, 32},
    TypeFacts{"bf16", Type::BF16, 16},     TypeFacts{"bf16x2", Type::BF16x2, 32},
    TypeFacts{"tf32", Type::TF32, 32},     TypeFacts{"e4m3", Type::E4M3, 8},
    TypeFacts{"e5m2", Type::E5M2, 8},      TypeFacts{"e4m3x2", Type::E4M3x2, 16},
    TypeFacts{"e5m2x2", Type::E5M2x2, 16}, TypeFacts{"f32", Type::F32, 32},
    TypeFacts{"f32x2", Type::F32x2, 64},   TypeFacts{"f64", Type::F64, 64},
};

constexpr std::array<std::pair<std::string_view, Rounding>, 9> kRoundings = {{
    {"rn", Rounding::NearestEven},
    {"rz", Rounding::Zero},
    {"rm", Rounding::Down},
    {"rp", Rounding::Up},
    {"rna", Rounding::NearestAway},
    {"rni", Rounding::NearestEven},
    {"rzi", Rounding::Zero},
    {"rmi", Rounding::Down},
    {"rpi", Rounding::Up},
}};

}  // namespace

std::optional<Type> type_named(std::string_view word) {
  for (const TypeFacts& facts : kTypes) {
    if (facts.name == word) return facts.type;
  }
  return std::nullopt;
}

uint32_t bits_of(Type type) {
  return std::find_if(kTypes.begin(), kTypes.end(),
                      [&](const TypeFacts& facts) { return facts.type == type; })
      ->bits;
}

bool is_signed(Type type) { return type >= Type::S8 && type <= Type::S64; }

bool is_float(Type type) { return type >= Type::F16; }

bool Words::has(std::string_view word) const {
  return std::find(words_.begin(), words_.end(), word) != words_.end();
}

std::vector<Type> Words::types() const {
  std::vector<Type> types;
  for (const std::string_view word : words_) {
    if (const std::optional<Type> type = type_named(word)) types.push_back(*type);
  }
  return types;
}

std::optional<Rounding> Words::rounding() const {
  for (const auto& [name, rounding] : kRoundings) {
    if (has(name)) return rounding;
  }
  return std::nullopt;
}

uint32_t Words::vector() const {
  for (const std::string_view word : words_) {
    if (word.size() == 2 && (word[0] == 'v' || word[0] == 'x') && word[1] >= '1' &&
        word[1] <= '9') {
      return static_cast<uint32_t>(word[1] - '0');
    }
  }
  return 1;
}

}  // namespace fa4::emu::isa
