// SPDX-License-Identifier: Apache-2.0
// A probe of tcgen05.mma: operands laid out by a twin's descriptors, all around them NaN, run on the machine and by the twin.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

#include "emu/tcgen05_programs.h"
#include "emu/tcgen05_twin.h"

namespace fa4::emu::test::tcgen05_probes {

inline const char* kind_of(TwinType type) {
  return type == TwinType::TF32 ? "tf32" : twin_bits(type) == 16 ? "f16" : "f8f6f4";
}

inline std::string name_of(const TwinMatrix& matrix) {
  const char* const kSwizzles[] = {"none", "128 by 32", "128", "?", "64", "?", "32"};
  return std::string(matrix.mn_major ? "mn-major " : "k-major ") +
         kSwizzles[static_cast<size_t>(matrix.swizzle)] + " type " +
         std::to_string(static_cast<int>(matrix.type));
}

inline std::string name_of(const TwinMma& mma) {
  return "group " + std::to_string(mma.group) + " m " + std::to_string(mma.m) + " n " +
         std::to_string(mma.n) + " A " + name_of(mma.a) + " B " + name_of(mma.b) +
         (mma.half ? " f16" : " f32");
}

// The operand's offsets so that its units do not overlap; the bytes that it takes.
inline uint32_t lay_out(TwinMatrix* matrix, uint32_t start, uint32_t rows) {
  const uint32_t bytes = std::max(8u, twin_bits(matrix->type)) / 8, k = 32 / bytes;
  const uint32_t span = matrix->swizzle == TwinSwizzle::None  ? 16
                        : matrix->swizzle == TwinSwizzle::B32 ? 32
                        : matrix->swizzle == TwinSwizzle::B64 ? 64
                                                              : 128;
  matrix->start = start;
  if (!matrix->mn_major) {
    matrix->stride = 8 * span;
    matrix->leading = matrix->swizzle == TwinSwizzle::None ? (rows + 7) / 8 * 128 : 0;
    return matrix->swizzle == TwinSwizzle::None ? 2 * matrix->leading : (rows + 7) / 8 * 8 * span;
  }
  if (matrix->swizzle == TwinSwizzle::None) {
    const uint32_t groups = rows * bytes / 16;
    matrix->stride = 128;  // from 16 bytes of rows to the next
    matrix->leading = 128 * groups;
    return k / 8 * matrix->leading;
  }
  const uint32_t deep = matrix->swizzle == TwinSwizzle::B128Atom32 ? 4 : 8;
  matrix->stride = deep * span;
  matrix->leading = k * span;
  return (rows * bytes + span - 1) / span * matrix->leading;
}

class Probe {
 public:
  // `seed` 0: operands name their places; else random.
  Probe(const TwinMma& mma, uint32_t shared_bytes, uint32_t seed) : mma_(mma), random_(seed) {
    for (uint32_t cta = 0; cta < mma.group; ++cta) {
      std::vector<uint8_t> bytes(shared_bytes, 0xff);
      if (!mma.tensor_a) fill(mma.a, mma.m / mma.group, cta, seed == 0, &bytes);
      fill(mma.b, mma.n / mma.group, cta + 2, seed == 0, &bytes);
      shared_.push_back(std::move(bytes));
      std::vector<uint32_t> tensor(128 * 512, 0x7fffffff);
      for (uint32_t lane = 0; lane < 128; ++lane) {
        for (uint32_t column = 0; column < mma.d_columns(); ++column) {
          tensor[lane * 512 + mma.d_column + column] =
              mma.half ? code(TwinType::F16) | 0x12340000
                       : code(TwinType::TF32) ^ (seed == 0 ? 0 : random_() % 0x2000);
        }
        if (mma.tensor_a) fill_tensor(&tensor[lane * 512 + mma.a_column]);
      }
      tensor_.push_back(std::move(tensor));
    }
  }

  void expect(MmaRunner& runner) const {
    const std::vector<uint32_t> d = runner.run(mma_, shared_, tensor_);
    for (const Report& one : runner.report.reports)
      ADD_FAILURE() << name_of(mma_) << ": " << one.text;
    const std::vector<uint32_t> expected = mma_.run(shared_, tensor_);
    const size_t columns = mma_.d_columns();
    for (size_t at = 0; at < d.size(); ++at) {
      if (d[at] == expected[at]) continue;
      ADD_FAILURE() << name_of(mma_) << ": CTA " << at / columns / 128 << " lane "
                    << at / columns % 128 << " column " << at % columns << " is " << std::hex
                    << d[at] << ", not " << expected[at];
      return;
    }
  }

 private:
  // A finite number near 1, of any type.
  uint32_t code(TwinType type) {
    const auto word = static_cast<uint32_t>(random_());
    switch (type) {
      case TwinType::F16:
        return (word & 0x83ff) | (12 + word / 0x10000 % 6) << 10;
      case TwinType::BF16:
        return (word & 0x807f) | (124 + word / 0x10000 % 6) << 7;
      case TwinType::TF32:
        return (word & 0x807fe000) | (124 + word % 6) << 23;
      case TwinType::E4M3:
        return (word & 0x87) | (4 + word / 0x100 % 6) << 3;
      case TwinType::E5M2:
        return (word & 0x83) | (12 + word / 0x100 % 6) << 2;
      case TwinType::E2M1:
        return word & 0xf;
      default:
        return word & 0x3f;
    }
  }

  // 1 in one place of each row, or a number that differs from row to row and from k to k.
  uint32_t place_code(TwinType type, uint32_t row, uint32_t k, bool unit) const {
    const uint32_t zero = 0, last = mma_.k();
    constexpr uint32_t kOnes[] = {0x3c00, 0x3f80, 0x3f800000, 0x38, 0x3c, 8, 12, 2};
    if (unit) return row % last == k ? kOnes[static_cast<size_t>(type)] : zero;
    const uint32_t place = row * last + k;
    switch (type) {
      case TwinType::F16:
        return 0x3000 + place % 0x1000;
      case TwinType::BF16:
        return 0x3f80 + place % 0x400;
      case TwinType::TF32:
        return 0x3f800000 + (place % 0x2000 << 13);
      case TwinType::E4M3:
        return 0x20 + place % 31;
      case TwinType::E5M2:
        return 0x30 + place % 13;
      case TwinType::E2M1:
        return 1 + place % 7;
      default:
        return 1 + place % 31;
    }
  }

  void fill(const TwinMatrix& matrix, uint32_t rows, uint32_t which, bool places,
            std::vector<uint8_t>* bytes) {
    for (uint32_t row = 0; row < rows; ++row) {
      for (uint32_t k = 0; k < mma_.k(); ++k) {
        matrix.write(bytes, row, k,
                     places ? place_code(matrix.type, row + (which & 1) * rows, k, which < 2)
                            : code(matrix.type));
      }
    }
  }

  // Eight columns of A of one lane; the bits around smaller elements are random.
  void fill_tensor(uint32_t* words) {
    const uint32_t bytes = 32 / mma_.k(), in_word = 4 / bytes;
    for (uint32_t i = 0; i < mma_.k(); ++i) {
      uint32_t& word = words[i / in_word];
      if (bytes == 4) {
        word = code(mma_.a.type);
        continue;
      }
      const uint32_t shift = i % in_word * bytes * 8;
      uint32_t element = code(mma_.a.type);
      if (mma_.a.type == TwinType::E2M1) element = element << 2 | (random_() & 0xc3);
      if (twin_bits(mma_.a.type) == 6) element |= random_() & 0xc0;
      word = (word & ~(((1u << 8 * bytes) - 1) << shift)) | element << shift;
    }
  }

  TwinMma mma_;
  std::mt19937 random_;
  std::vector<std::vector<uint8_t>> shared_;
  std::vector<std::vector<uint32_t>> tensor_;
};

inline constexpr uint32_t kStart = 1024;

inline uint32_t bytes_of(TwinMma* mma) {
  uint32_t end = kStart;
  if (!mma->tensor_a) end += (lay_out(&mma->a, end, mma->m / mma->group) + 1023) / 1024 * 1024;
  return end + (lay_out(&mma->b, end, mma->n / mma->group) + 1023) / 1024 * 1024;
}

inline std::string form_of(const TwinMma& mma) {
  return "cta_group::" + std::to_string(mma.group) + ".kind::" + kind_of(mma.a.type);
}

// One machine for the probes of a form, whose shared memory suffices for all.
class Probes {
 public:
  explicit Probes(const MmaProgram& program, const MachineOptions& options = {})
      : program_(program), runner_(program, with_arch(options)) {}

  void expect(TwinMma mma, std::initializer_list<uint32_t> seeds = {0, 1}) {
    ASSERT_LE(bytes_of(&mma), program_.shared_bytes) << name_of(mma);
    for (const uint32_t seed : seeds) Probe(mma, program_.shared_bytes, seed).expect(runner_);
  }

 private:
  static MachineOptions with_arch(MachineOptions options) {
    options.arch = 100;
    return options;
  }
  MmaProgram program_;
  MmaRunner runner_;
};

}  // namespace fa4::emu::test::tcgen05_probes
