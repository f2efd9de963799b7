// SPDX-License-Identifier: Apache-2.0
// A warpgroup's products against what the GPU answered, with operands gathered by the manual's definition of their
// layouts; and all forms of the product against the plain one.
#include "emu/isa/warpgroup_core.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "emu/golden.h"
#include "emu/golden_wgmma.h"

namespace fa4::emu::isa {
namespace {

TensorElement element_named(const std::string& name) {
  return name == "f16"    ? TensorElement::F16
         : name == "bf16" ? TensorElement::BF16
         : name == "e4m3" ? TensorElement::E4M3
                          : TensorElement::E5M2;
}

// Byte `byte` along k of a row of an operand: its place in the image (PTX ISA 9.0, 9.7.15.5.1).
uint32_t place_of(uint64_t descriptor, bool transposed, uint32_t row, uint32_t byte) {
  const auto start = static_cast<uint32_t>(descriptor & 0x3fff) << 4;
  const auto leading = static_cast<uint32_t>(descriptor >> 16 & 0x3fff) << 4;
  const auto stride = static_cast<uint32_t>(descriptor >> 32 & 0x3fff) << 4;
  constexpr uint32_t kSpans[4] = {16, 128, 64, 32};
  const uint32_t span = kSpans[descriptor >> 62];
  const uint32_t base = descriptor >> 49 & 7;
  uint32_t offset = 0;
  if (!transposed && span == 16) {
    offset = row % 8 * 16 + row / 8 * stride + byte / 16 * leading + byte % 16;
  } else if (!transposed) {
    offset = row % 8 * span + row / 8 * stride + byte;
  } else {  // 16-bit elements
    const uint32_t k = byte / 2, wide = span / 2;
    offset = span == 16 ? row % 8 * 2 + row / 8 * stride + k % 8 * 16 + k / 8 * leading
                        : row % wide * 2 + row / wide * leading + k % 8 * span + k / 8 * stride;
    offset += byte % 2;
  }
  const uint32_t at = start + offset;
  return at ^ ((((at >> 7) - base) & (span / 16 - 1)) << 4);
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
    for (size_t i = 0; i < outputs.size(); ++i) outputs[i] = rows_[i % 128 / 32][i / 128].lane[i % 32];
    return outputs;
  }

 private:
  void gather(uint32_t at, size_t step) {
    const auto* image = reinterpret_cast<const uint8_t*>(inputs_ + row_.image_at(at));
    const auto word_of = [&](uint64_t descriptor, bool transposed, uint32_t row, uint32_t m) {
      uint32_t word = 0;
      for (uint32_t byte = 0; byte < 4; ++byte) {
        word |= uint32_t{image[place_of(descriptor, transposed, row, 4 * m + byte)]} << (8 * byte);
      }
      return word;
    };
    for (uint32_t m = 0; m < 8; ++m) {
      for (uint32_t row = 0; row < 64; ++row) {
        // The registers of A: word m of rows g and g + 8 is in lane 4 g + m % 4.
        const uint32_t reg = row % 16 / 8 + 2 * (m / 4);
        const uint32_t lane = row / 16 * 32 + 4 * (row % 8) + m % 4;
        a_.word[row / 16][m][row % 16] =
            row_.registers ? inputs_[row_.a_at(at) + reg * 128 + lane]
                           : word_of(row_.descriptors[2 * step], row_.transposed_a, row, m);
      }
      for (uint32_t row = 0; row < row_.n; ++row) {
        b_.word[row / 8][m][warpgroup_column(row % 8)] =
            word_of(row_.descriptors[2 * step + 1], row_.transposed_b, row, m);
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

}  // namespace
}  // namespace fa4::emu::isa
