// SPDX-License-Identifier: Apache-2.0
// Layout probes: tcgen05.mma with every descriptor mode, swizzle, transposition, M, N and group against the scalar twin, with
// operands that name their places and with random ones. What is no operand is NaN. FA4_TCGEN05_PROBES=all runs all sizes.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>

#include "emu/tcgen05_probe.h"

// Tests are compiled as one file: these names are its own.
namespace fa4::emu::test::tcgen05_probes {

bool all_probes() {
  const char* const probes = std::getenv("FA4_TCGEN05_PROBES");
  return probes != nullptr && std::string(probes) == "all";
}

struct ProbeShape {
  uint32_t group, m;
};
constexpr ProbeShape kShapes[] = {{1, 64}, {1, 128}, {2, 128}, {2, 256}};

TwinMma mma_of(const ProbeShape& shape, uint32_t n) {
  TwinMma mma;
  mma.group = shape.group;
  mma.m = shape.m;
  mma.n = n;
  return mma;
}

// One that executes `mma`, and others of its form.
MmaProgram program_of_mma(const TwinMma& mma, uint32_t shared_bytes, uint32_t tensor_columns) {
  MmaProgram program;
  program.form = form_of(mma);
  program.group = mma.group;
  program.shared_bytes = shared_bytes;
  program.tensor_columns = tensor_columns;
  return program;
}

class Tcgen05Mma : public testing::TestWithParam<size_t> {};

// Each way an operand can lie with each of the other's, for elements of two, four and one bytes, and smaller ones.
TEST_P(Tcgen05Mma, DescriptorModes) {
  const ProbeShape shape = kShapes[GetParam()];
  for (const TwinType type :
       {TwinType::BF16, TwinType::TF32, TwinType::E4M3, TwinType::E2M1, TwinType::E3M2}) {
    TwinMma mma = mma_of(shape, 32 * shape.group);
    mma.a.type = mma.b.type = type;
    const MmaProgram program = program_of_mma(mma, 40 * 1024, 64);
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
  const ProbeShape shape = kShapes[GetParam()];
  TwinMma mma = mma_of(shape, 64);
  mma.a.type = mma.b.type = TwinType::F16;
  mma.a.swizzle = mma.b.swizzle = TwinSwizzle::B128;
  const MmaProgram program = program_of_mma(mma, 64 * 1024, 512);
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
  const ProbeShape shape = kShapes[GetParam()];
  TwinMma mma = mma_of(shape, 32 * shape.group);
  mma.a.swizzle = TwinSwizzle::B64;
  mma.b.swizzle = TwinSwizzle::B32;
  mma.a.type = TwinType::E4M3;
  const MmaProgram program = program_of_mma(mma, 40 * 1024, 64);
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
  const ProbeShape shape = kShapes[GetParam()];
  for (const int c_shift : {0, 5, 15}) {
    TwinMma mma = mma_of(shape, 48);
    mma.a.type = TwinType::F16;
    mma.b.type = TwinType::BF16;
    mma.a.swizzle = mma.b.swizzle = TwinSwizzle::B128;
    mma.c_shift = c_shift;
    MmaProgram program = program_of_mma(mma, 40 * 1024, 64);
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
  const ProbeShape shape = kShapes[GetParam()];
  for (const TwinType type : {TwinType::BF16, TwinType::F16, TwinType::TF32, TwinType::E4M3,
                              TwinType::E2M3, TwinType::E2M1}) {
    for (const bool shifted : {false, true}) {
      if (shifted && shape.m != 128 * shape.group) continue;
      TwinMma mma = mma_of(shape, 32 * shape.group);
      mma.a.type = type;
      mma.b.type = type == TwinType::E2M1 ? TwinType::E5M2 : type;
      mma.b.swizzle = TwinSwizzle::B128;
      mma.tensor_a = true;
      mma.shifted = shifted;
      mma.d_column = 8;
      mma.a_column = 80;
      MmaProgram program = program_of_mma(mma, 16 * 1024, 128);
      program.form += shifted ? ".ashift" : ".collector::a::fill";
      program.tensor_a = true;
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
  const ProbeShape shape = kShapes[GetParam()];
  TwinMma mma = mma_of(shape, 16 * shape.group);
  mma.a.type = mma.b.type = TwinType::BF16;
  mma.a.swizzle = mma.b.swizzle = TwinSwizzle::B128;
  const MmaProgram program = program_of_mma(mma, 48 * 1024, 32);
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
  const ProbeShape shape = kShapes[GetParam()];
  for (const Policy policy : kAllPolicies) {
    TwinMma mma = mma_of(shape, 64);
    mma.a.type = mma.b.type = TwinType::BF16;
    mma.a.swizzle = mma.b.swizzle = TwinSwizzle::B128;
    const MmaProgram program = program_of_mma(mma, 32 * 1024, 64);
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

}  // namespace fa4::emu::test::tcgen05_probes
