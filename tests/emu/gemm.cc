// SPDX-License-Identifier: Apache-2.0
#include "emu/gemm.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "jit/compiler.h"
#include "support/random.h"

namespace fa4::test {
namespace {

float gemm_value(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

}  // namespace

std::string GemmKernel::target() const { return fmt::format("sm_{}a", arch); }

bool has_gemm_compiler() {
  jit::NvrtcFile file;
  return jit::find_nvrtc(jit::settings_from_environment().nvrtc, &file).ok();
}

std::string gemm_ptx(const GemmKernel& kernel) {
  std::string ptx;
  const Status status = jit::compiler().ptx_of({kernel.spec, kernel.target(), ""}, &ptx);
  EXPECT_TRUE(status.ok()) << status.message;
  return ptx;
}

void GemmMatrix::randomize(uint64_t seed) {
  Random random(seed);
  for (uint32_t row = 0; row < rows; ++row) {
    for (uint32_t col = 0; col < cols; ++col) {
      const float value = static_cast<float>(random.normal());
      bits[size_t{row} * ld + col] = static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);
    }
  }
}

GemmProblem::GemmProblem(uint32_t m, uint32_t n, uint32_t k, uint64_t seed)
    : a(m, k, k + 8), b(n, k, k + 8), c(m, n, ceil_div(n, 8) * 8 + 8), m(m), n(n), k(k) {
  a.randomize(seed);
  b.randomize(seed + 1);
}

GemmParams GemmProblem::params(const GemmKernel& kernel, const Encode& encode, uint64_t a_base,
                               uint64_t b_base, uint64_t c_base) const {
  GemmParams params{};
  params.a_map = encode(a, a_base, kernel.a_box_rows);
  params.b_map = encode(b, b_base, kernel.b_box_rows);
  params.c_map = encode(c, c_base, kernel.c_box_rows);
  params.m = m;
  params.n = n;
  params.k = k;
  return params;
}

uint32_t GemmProblem::grid(const GemmKernel& kernel, uint32_t most_clusters) const {
  const uint32_t units = ceil_div(ceil_div(m, kernel.tile_rows), kernel.cluster_rows) *
                         ceil_div(ceil_div(n, kernel.tile_cols), kernel.cluster_cols);
  return std::min(units, most_clusters) * kernel.spec.cluster;
}

std::string GemmProblem::mistake() const {
  std::vector<double> a_row(k);
  for (uint32_t row = 0; row < m; ++row) {
    for (uint32_t x = 0; x < k; ++x) a_row[x] = gemm_value(a.bits[size_t{row} * a.ld + x]);
    for (uint32_t col = 0; col < c.ld; ++col) {
      const uint16_t bits = c.bits[size_t{row} * c.ld + col];
      const auto at = [&] { return fmt::format("C[{}, {}]", row, col); };
      if (col >= ceil_div(n, 8) * 8) {
        if (bits != GemmMatrix::kPoison) return at() + " is overwritten";
      } else if (bits == GemmMatrix::kPoison) {
        return at() + " is not written";
      } else if (col >= n) {
        if (bits != 0) return at() + " is padding and not zero";
      } else {
        double sum = 0;
        const uint16_t* b_row = &b.bits[size_t{col} * b.ld];
        for (uint32_t x = 0; x < k; ++x)
          sum += a_row[x] * static_cast<double>(gemm_value(b_row[x]));
        const double value = gemm_value(bits);
        if (!(std::abs(value - sum) <= std::abs(sum) * 0x1p-8 + k * 0x1p-20)) {
          return fmt::format("{} is {}, not {}", at(), value, sum);
        }
      }
    }
  }
  return "";
}

}  // namespace fa4::test
