// SPDX-License-Identifier: Apache-2.0
// Layout probes: tcgen05.mma with every descriptor mode, swizzle, transposition, M, N and group against the scalar twin, with
// operands that name their places and with random ones. What is no operand is NaN. FA4_TCGEN05_PROBES=all runs all sizes.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>
#include <string>

#include "emu/tcgen05_programs.h"
#include "emu/tcgen05_twin.h"

namespace fa4::emu::test {
namespace {

bool all_probes() {
  const char* const probes = std::getenv("FA4_TCGEN05_PROBES");
  return probes != nullptr && std::string(probes) == "all";
}

const char* kind_of(TwinType type) {
  return type == TwinType::TF32 ? "tf32" : twin_bits(type) == 16 ? "f16" : "f8f6f4";
}

std::string name_of(const TwinMatrix& matrix) {
  const char* const kSwizzles[] = {"none", "128 by 32", "128", "?", "64", "?", "32"};
  return std::string(matrix.mn_major ? "mn-major " : "k-major ") +
         kSwizzles[static_cast<size_t>(matrix.swizzle)] + " type " +
         std::to_string(static_cast<int>(matrix.type));
}

std::string name_of(const TwinMma& mma) {
  return "group " + std::to_string(mma.group) + " m " + std::to_string(mma.m) + " n " +
         std::to_string(mma.n) + " A " + name_of(mma.a) + " B " + name_of(mma.b) +
         (mma.half ? " f16" : " f32");
}

// The operand's offsets so that its units do not overlap; the bytes that it takes.
uint32_t lay_out(TwinMatrix* matrix, uint32_t start, uint32_t rows) {
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

constexpr uint32_t kStart = 1024;

uint32_t bytes_of(TwinMma* mma) {
  uint32_t end = kStart;
  if (!mma->tensor_a) end += (lay_out(&mma->a, end, mma->m / mma->group) + 1023) / 1024 * 1024;
  return end + (lay_out(&mma->b, end, mma->n / mma->group) + 1023) / 1024 * 1024;
}

std::string form_of(const TwinMma& mma) {
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

struct Shape {
  uint32_t group, m;
};
constexpr Shape kShapes[] = {{1, 64}, {1, 128}, {2, 128}, {2, 256}};

class Tcgen05Mma : public testing::TestWithParam<size_t> {};

// Each way an operand can lie with each of the other's, for elements of two, four and one bytes, and smaller ones.
TEST_P(Tcgen05Mma, DescriptorModes) {
  const Shape shape = kShapes[GetParam()];
  for (const TwinType type :
       {TwinType::BF16, TwinType::TF32, TwinType::E4M3, TwinType::E2M1, TwinType::E3M2}) {
    TwinMma mma;
    mma.group = shape.group;
    mma.m = shape.m;
    mma.n = 32 * shape.group;
    mma.a.type = mma.b.type = type;
    MmaProgram program;
    program.form = form_of(mma);
    program.group = shape.group;
    program.shared_bytes = 40 * 1024;
    program.tensor_columns = 64;
    Probes probes(program);
    std::vector<TwinMatrix> ways;
    for (const bool mn_major : {false, true}) {
      for (const TwinSwizzle swizzle : {TwinSwizzle::None, TwinSwizzle::B128Atom32,
                                        TwinSwizzle::B128, TwinSwizzle::B64, TwinSwizzle::B32}) {
        const bool atoms = swizzle == TwinSwizzle::B128Atom32;
        if (!mn_major ? atoms : atoms != (type == TwinType::TF32)) continue;
        ways.push_back({.type = type, .mn_major = mn_major, .swizzle = swizzle});
      }
    }
    size_t at = 0;
    for (const TwinMatrix& a : ways) {
      for (const TwinMatrix& b : ways) {
        // Of the pairs of ways those of the first type all, of the others some.
        if (type != TwinType::BF16 && !all_probes() && at++ % 5 != 0) continue;
        mma.a = a;
        mma.b = b;
        probes.expect(mma);
      }
    }
  }
}

TEST_P(Tcgen05Mma, EveryN) {
  const Shape shape = kShapes[GetParam()];
  TwinMma mma;
  mma.group = shape.group;
  mma.m = shape.m;
  mma.a.type = mma.b.type = TwinType::F16;
  mma.a.swizzle = mma.b.swizzle = TwinSwizzle::B128;
  MmaProgram program;
  program.form = form_of(mma);
  program.group = shape.group;
  program.shared_bytes = 64 * 1024;
  program.tensor_columns = 512;
  Probes probes(program);
  for (uint32_t n = 8 * shape.group; n <= 256; n += 8 * shape.group) {
    const uint32_t step = 8 * shape.group;
    if (!all_probes() && n > 4 * step && n + step < 256 && n / step % 5 != 0) continue;
    mma.n = n;
    mma.half = n / step % 2 == 0;
    mma.d_column = n % 64;
    mma.accumulate = n / step % 3 != 0;
    probes.expect(mma, {n});
  }
}

// All types of kind::f8f6f4 with one another, as f32 and as f16.
TEST_P(Tcgen05Mma, Mixes) {
  const Shape shape = kShapes[GetParam()];
  TwinMma mma;
  mma.group = shape.group;
  mma.m = shape.m;
  mma.n = 32 * shape.group;
  mma.a.swizzle = TwinSwizzle::B64;
  mma.b.swizzle = TwinSwizzle::B32;
  mma.a.type = TwinType::E4M3;
  MmaProgram program;
  program.form = form_of(mma);
  program.group = shape.group;
  program.shared_bytes = 40 * 1024;
  program.tensor_columns = 64;
  Probes probes(program);
  uint32_t seed = 1;
  for (const TwinType a : kTwinNarrow) {
    for (const TwinType b : kTwinNarrow) {
      mma.a.type = a;
      mma.b.type = b;
      mma.half = seed % 2 == 0;
      mma.negate_a = seed % 3 == 0;
      mma.negate_b = seed % 4 == 0;
      mma.accumulate = seed % 5 != 0;
      probes.expect(mma, {seed++});
    }
  }
}

// f16 with bf16, negation, the mask of lanes, scale-input-d.
TEST_P(Tcgen05Mma, Modifiers) {
  const Shape shape = kShapes[GetParam()];
  for (const int c_shift : {0, 5, 15}) {
    TwinMma mma;
    mma.group = shape.group;
    mma.m = shape.m;
    mma.n = 48;
    mma.a.type = TwinType::F16;
    mma.b.type = TwinType::BF16;
    mma.a.swizzle = mma.b.swizzle = TwinSwizzle::B128;
    mma.c_shift = c_shift;
    MmaProgram program;
    program.form = form_of(mma);
    program.group = shape.group;
    program.shared_bytes = 40 * 1024;
    program.tensor_columns = 64;
    program.masked = true;
    if (c_shift != 0) program.shift = ", " + std::to_string(c_shift);
    Probes probes(program);
    for (uint32_t round = 1; round <= 6; ++round) {
      mma.negate_a = (round & 1) != 0;
      mma.negate_b = (round & 2) != 0;
      std::mt19937 random(round);
      for (uint32_t& word : mma.disabled) {
        word = round % 3 == 0 ? 0 : static_cast<uint32_t>(random());
      }
      if (shape.group == 1) std::fill(mma.disabled.begin() + 4, mma.disabled.end(), 0);
      probes.expect(mma, {round});
    }
  }
}

// A in tensor memory; with M = 64 at both lanes, with two CTAs and M = 128 of two different halves.
TEST_P(Tcgen05Mma, FromTensorMemory) {
  const Shape shape = kShapes[GetParam()];
  for (const TwinType type : {TwinType::BF16, TwinType::F16, TwinType::TF32, TwinType::E4M3,
                              TwinType::E2M3, TwinType::E2M1}) {
    for (const bool shifted : {false, true}) {
      if (shifted && shape.m != 128 * shape.group) continue;
      TwinMma mma;
      mma.group = shape.group;
      mma.m = shape.m;
      mma.n = 32 * shape.group;
      mma.a.type = type;
      mma.b.type = type == TwinType::E2M1 ? TwinType::E5M2 : type;
      mma.b.swizzle = TwinSwizzle::B128;
      mma.tensor_a = true;
      mma.shifted = shifted;
      mma.d_column = 8;
      mma.a_column = 80;
      MmaProgram program;
      program.form = form_of(mma) + (shifted ? ".ashift" : ".collector::a::fill");
      program.group = shape.group;
      program.tensor_a = true;
      program.shared_bytes = 16 * 1024;
      program.tensor_columns = 128;
      Probes probes(program);
      for (const uint32_t lane : {0u, 16u}) {
        if (lane != 0 && shape.m != 64) continue;
        mma.lane = lane;
        probes.expect(mma, {1});
      }
    }
  }
}

// A K-step within a row of the swizzle, a pattern that begins elsewhere, a leading dimension that skips.
TEST_P(Tcgen05Mma, Offsets) {
  const Shape shape = kShapes[GetParam()];
  TwinMma mma;
  mma.group = shape.group;
  mma.m = shape.m;
  mma.n = 16 * shape.group;
  mma.a.type = mma.b.type = TwinType::BF16;
  mma.a.swizzle = mma.b.swizzle = TwinSwizzle::B128;
  MmaProgram program;
  program.form = form_of(mma);
  program.group = shape.group;
  program.shared_bytes = 48 * 1024;
  program.tensor_columns = 32;
  MmaRunner runner(program, {.arch = 100});
  for (uint32_t step = 0; step < 4; ++step) {
    TwinMma stepped = mma;
    bytes_of(&stepped);
    stepped.a.start += 32 * step;
    stepped.b.start += 32 * ((step + 1) % 4);
    Probe(stepped, program.shared_bytes, step + 1).expect(runner);
    stepped.a.start += 128 * 3;  // three lines behind
    stepped.a.base = 3;
    stepped.b.start += 4096;
    stepped.a.stride = 1024 + 1024 * (step % 2);
    if (stepped.a.stride == 2048 && shape.m / shape.group == 128) stepped.a.stride = 1024;
    stepped.b.start = kStart + 36 * 1024 + 32 * step;
    Probe(stepped, program.shared_bytes, step + 5).expect(runner);
  }
}

// All policies give what the twin gives.
TEST_P(Tcgen05Mma, EveryPolicy) {
  const Shape shape = kShapes[GetParam()];
  for (const Policy policy : kAllPolicies) {
    TwinMma mma;
    mma.group = shape.group;
    mma.m = shape.m;
    mma.n = 64;
    mma.a.type = mma.b.type = TwinType::BF16;
    mma.a.swizzle = mma.b.swizzle = TwinSwizzle::B128;
    MmaProgram program;
    program.form = form_of(mma);
    program.group = shape.group;
    program.shared_bytes = 32 * 1024;
    program.tensor_columns = 64;
    Probes probes(program, {.policy = policy, .seed = 3});
    for (const bool accumulate : {false, true}) {
      mma.accumulate = accumulate;
      probes.expect(mma, {1, 2});
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Tcgen05Mma, testing::Range(size_t{0}, std::size(kShapes)),
                         [](const auto& shape) {
                           return "group" + std::to_string(kShapes[shape.param].group) + "_m" +
                                  std::to_string(kShapes[shape.param].m);
                         });

}  // namespace
}  // namespace fa4::emu::test
