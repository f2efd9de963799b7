// SPDX-License-Identifier: Apache-2.0
// A warpgroup's products against what the GPU answered, with operands gathered by the manual's definition of their
// layouts; and all forms of the product against the plain one.
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <memory>
#include <random>

#include "emu/golden.h"
#include "emu/golden_wgmma.h"
#include "emu/isa/warpgroup_core.h"

namespace fa4::emu::isa {
namespace {

TensorElement element_named(const std::string& name) {
  return name == "f16"    ? TensorElement::F16
         : name == "bf16" ? TensorElement::BF16
         : name == "e4m3" ? TensorElement::E4M3
                          : TensorElement::E5M2;
}

class Gathered {
 public:
  Gathered(const GoldenWgmma& row, const std::vector<uint32_t>& inputs) : row_(row) {
    inputs_ = inputs.data();
    for (size_t warp = 0; warp < 4; ++warp) {
      for (size_t i = 0; i < 128; ++i) pointers_[warp][i] = &rows_[warp][i];
      product_.d[warp] = pointers_[warp].data();
    }
    product_.kind = {element_named(row.a), element_named(row.b), row.d == "f16", true};
    product_.n = row.n;
    product_.negate = row.negate_a != row.negate_b;
    product_.a = &a_;
    product_.b = &b_;
  }

  std::vector<uint32_t> run(uint32_t at, WarpgroupFn function) {
    for (size_t i = 0; i < size_t{row_.num_d()} * 128; ++i) {
      rows_[i % 128 / 32][i / 128].lane[i % 32] = inputs_[row_.c_at(at) + i];
    }
    for (size_t step = 0; step < (row_.twice ? 2u : 1u); ++step) {
      gather(at, step);
      product_.accumulate = row_.scale_d || step == 1;
      function(product_);
    }
    std::vector<uint32_t> outputs(size_t{row_.num_d()} * 128);
    for (size_t i = 0; i < outputs.size(); ++i)
      outputs[i] = rows_[i % 128 / 32][i / 128].lane[i % 32];
    return outputs;
  }

 private:
  void gather(uint32_t at, size_t step) {
    const auto* image = reinterpret_cast<const uint8_t*>(inputs_ + row_.image_at(at));
    const auto word_of = [&](uint64_t descriptor, bool transposed, uint32_t row, uint32_t m) {
      uint32_t word = 0;
      for (uint32_t byte = 0; byte < 4; ++byte) {
        word |= uint32_t{image[wgmma_place(descriptor, transposed, row, 4 * m + byte)]}
                << (8 * byte);
      }
      return word;
    };
    for (uint32_t m = 0; m < 8; ++m) {
      for (uint32_t row = 0; row < 64; ++row) {
        // The registers of A: word m of rows g and g + 8 is in lane 4 g + m % 4.
        const uint32_t reg = row % 16 / 8 + 2 * (m / 4);
        const uint32_t lane = row / 16 * 32 + 4 * (row % 8) + m % 4;
        a_.word[row / 16][reg][lane % 32] =
            row_.registers ? inputs_[row_.a_at(at) + reg * 128 + lane]
                           : word_of(row_.descriptors[2 * step], row_.transposed_a, row, m);
      }
      for (uint32_t row = 0; row < row_.n; ++row) {
        const uint32_t word = word_of(row_.descriptors[2 * step + 1], row_.transposed_b, row, m);
        std::memcpy(&b_.bytes[row * 32 + m * 4], &word, sizeof word);
      }
    }
  }

  const GoldenWgmma& row_;
  const uint32_t* inputs_;
  WarpgroupA a_;
  WarpgroupB b_;
  std::array<std::array<Row, 128>, 4> rows_;
  std::array<std::array<Row*, 128>, 4> pointers_;
  WarpgroupProduct product_;
};

TEST(Warpgroup, EqualsTheGpu) {
  const auto page = golden_page("wgmma");
  ASSERT_TRUE(page) << "tests/emu/golden/wgmma.json is missing";
  for (const auto& [name, entry] : (*page)["entries"].items()) {
    const GoldenWgmma row = golden_wgmma(entry);
    const std::vector<uint32_t> inputs = golden_wgmma_inputs(row);
    const auto gathered = std::make_unique<Gathered>(row, inputs);
    const WarpgroupKind kind = {element_named(row.a), element_named(row.b), row.d == "f16", true};
    std::vector<uint32_t> outputs;
    for (uint32_t product = 0; product < row.products; ++product) {
      const std::vector<uint32_t> d = gathered->run(product, warpgroup_function(kind));
      outputs.insert(outputs.end(), d.begin(), d.end());
    }
    EXPECT_EQ(golden_difference(entry, outputs), "") << name;
  }
}

// Random words whose numbers are of an element: any bits, or near 1, of which some are 0.
class RandomOperands {
 public:
  explicit RandomOperands(uint64_t seed) : random_(seed) {}

  void fill(uint32_t* words, size_t count, TensorElement element, bool near) {
    for (size_t i = 0; i < count; ++i) {
      const auto r = static_cast<uint32_t>(random_());
      words[i] = !near                            ? r
                 : random_() % 8 == 0             ? 0
                 : element == TensorElement::BF16 ? (r & 0x83ff83ff) | 0x3c003c00
                 : element == TensorElement::F16  ? (r & 0x8fff8fff) | 0x30003000
                 : element == TensorElement::E4M3 ? (r & 0x9f9f9f9f) | 0x20202020
                                                  : (r & 0x8f8f8f8f) | 0x30303030;
    }
  }
  void fill_c(uint32_t* words, size_t count, bool half, bool near) {
    for (size_t i = 0; i < count; ++i) {
      const auto r = static_cast<uint32_t>(random_());
      words[i] = !near ? r : half ? (r & 0x8fff8fff) | 0x30003000 : (r & 0x83ffffff) | 0x3c000000;
    }
  }
  bool coin() { return random_() % 2 == 0; }

 private:
  std::mt19937_64 random_;
};

std::vector<WarpgroupKind> all_kinds() {
  constexpr TensorElement kNarrow[] = {TensorElement::E4M3, TensorElement::E5M2};
  std::vector<WarpgroupKind> kinds;
  for (const bool exact : {false, true}) {
    kinds.push_back({TensorElement::BF16, TensorElement::BF16, false, exact});
    for (const bool half : {false, true}) {
      kinds.push_back({TensorElement::F16, TensorElement::F16, half, exact});
      for (const TensorElement a : kNarrow) {
        for (const TensorElement b : kNarrow) kinds.push_back({a, b, half, exact});
      }
    }
  }
  return kinds;
}

struct GroupRegisters {
  std::array<std::array<Row, 128>, 4> rows;
  std::array<std::array<Row*, 128>, 4> pointers;

  GroupRegisters() {
    for (size_t warp = 0; warp < 4; ++warp) {
      for (size_t i = 0; i < 128; ++i) pointers[warp][i] = &rows[warp][i];
    }
  }
};

// Every vector form against the plain form where the product is exact, and against the first where it is fast.
TEST(Warpgroup, AllFormsAgree) {
  RandomOperands random(1);
  const auto a = std::make_unique<WarpgroupA>();
  const auto b = std::make_unique<WarpgroupB>();
  const auto c = std::make_unique<GroupRegisters>(), plain = std::make_unique<GroupRegisters>(),
             vector = std::make_unique<GroupRegisters>();
  for (const WarpgroupKind& kind : all_kinds()) {
    for (int round = 0; round < 6; ++round) {
      const bool near = round % 2 == 0;
      WarpgroupProduct product = {.kind = kind,
                                  .n = round < 4 ? 64u : 24u,
                                  .negate = random.coin(),
                                  .accumulate = random.coin(),
                                  .a = a.get(),
                                  .b = b.get(),
                                  .d = {}};
      b->mn_major = !kind.narrow() && random.coin();
      // Where f32 does not hold the products the fast form may differ from processor to processor.
      const bool holds = near || (!kind.exact && kind.a == TensorElement::BF16);
      random.fill(&a->word[0][0][0], 512, kind.a, holds);
      random.fill(reinterpret_cast<uint32_t*>(b->bytes.data()), 2048, kind.b, holds);
      random.fill_c(reinterpret_cast<uint32_t*>(&c->rows), sizeof c->rows / 4,
                    kind.half_accumulator, near);
      const auto run = [&](GroupRegisters& registers, WarpgroupFn function) {
        registers.rows = c->rows;
        for (size_t warp = 0; warp < 4; ++warp) product.d[warp] = registers.pointers[warp].data();
        if (function != nullptr) return function(product);
        for (uint32_t warp = 0; warp < 4; ++warp) {
          for (uint32_t eight = 0; eight < product.n / 8; ++eight) {
            warpgroup_tile_plain(product, warp, eight);
          }
        }
      };
      run(*plain, kind.exact ? nullptr : warpgroup_functions(kind).back());
      for (const WarpgroupFn function : warpgroup_functions(kind)) {
        run(*vector, function);
        ASSERT_EQ(std::memcmp(&vector->rows, &plain->rows, sizeof plain->rows), 0)
            << static_cast<int>(kind.a) << " " << static_cast<int>(kind.b) << " half "
            << kind.half_accumulator << " exact " << kind.exact << " round " << round;
      }
    }
  }
}

// Fast sums are near the exact ones where numbers are.
TEST(Warpgroup, FastIsNearExact) {
  RandomOperands random(2);
  const auto a = std::make_unique<WarpgroupA>();
  const auto b = std::make_unique<WarpgroupB>();
  const auto exact = std::make_unique<GroupRegisters>(), fast = std::make_unique<GroupRegisters>();
  random.fill(&a->word[0][0][0], 512, TensorElement::BF16, true);
  random.fill(reinterpret_cast<uint32_t*>(b->bytes.data()), 2048, TensorElement::BF16, true);
  for (const bool is_exact : {false, true}) {
    WarpgroupProduct product = {
        .kind = {.exact = is_exact}, .n = 256, .a = a.get(), .b = b.get(), .d = {}};
    GroupRegisters& registers = is_exact ? *exact : *fast;
    for (size_t warp = 0; warp < 4; ++warp) product.d[warp] = registers.pointers[warp].data();
    warpgroup_function(product.kind)(product);
  }
  const auto* x = reinterpret_cast<const float*>(&exact->rows);
  const auto* y = reinterpret_cast<const float*>(&fast->rows);
  for (size_t i = 0; i < sizeof exact->rows / 4; ++i) ASSERT_NEAR(y[i], x[i], 1e-5) << i;
}

}  // namespace
}  // namespace fa4::emu::isa
