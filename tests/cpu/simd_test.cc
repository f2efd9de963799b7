// SPDX-License-Identifier: Apache-2.0
// 2^x and tanh on every target against double precision: the figures of docs/numerics.md.
#include "cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/simd_test.cc"
#include <hwy/foreach_target.h>  // must come before highway.h

#include "cpu/simd-inl.h"

FA4_BEFORE_NAMESPACE();
namespace fa4::cpu {
namespace HWY_NAMESPACE {

// f(x) lane by lane, over `count` values.
template <class Function>
HWY_INLINE void apply(const float* x, int64_t count, float* y, Function function) {
  for (int64_t i = 0; i + kLanes <= count; i += kLanes) {
    hn::StoreU(function(hn::LoadU(kFloats, x + i)), kFloats, y + i);
  }
}
struct Exp2Degree4 {
  HWY_INLINE FloatVector operator()(FloatVector x) const {
    return exp2_product<4>(x, hn::Set(kFloats, 1.0f));
  }
};
struct Exp2Degree6 {
  HWY_INLINE FloatVector operator()(FloatVector x) const {
    return exp2_product<6>(x, hn::Set(kFloats, 1.0f));
  }
};
struct Tanh {
  HWY_INLINE FloatVector operator()(FloatVector x) const { return tanh(x); }
};
struct TanhSlope {
  HWY_INLINE FloatVector operator()(FloatVector x) const {
    FloatVector slope;
    (void)tanh(x, &slope);
    return slope;
  }
};
void exp2_degree4(const float* x, int64_t n, float* y) { apply(x, n, y, Exp2Degree4()); }
void exp2_degree6(const float* x, int64_t n, float* y) { apply(x, n, y, Exp2Degree6()); }
void tanh_all(const float* x, int64_t n, float* y) { apply(x, n, y, Tanh()); }
void tanh_slope(const float* x, int64_t n, float* y) { apply(x, n, y, TanhSlope()); }

}  // namespace HWY_NAMESPACE
}  // namespace fa4::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <limits>
#include <vector>

namespace fa4::cpu {
namespace {

using Function = void (*)(const float*, int64_t, float*);
struct Target {
  const char* name;
  int64_t bit;
  Function exp2_degree4, exp2_degree6, tanh, tanh_slope;
};
#define FA4_TARGET(name, space)                                                   \
  {                                                                               \
#name, HWY_##name, space::exp2_degree4, space::exp2_degree6, space::tanh_all, \
        space::tanh_slope                                                         \
  }
const Target kTargets[] = {
#if HWY_TARGETS & HWY_AVX3
    FA4_TARGET(AVX3, N_AVX3),
#endif
#if HWY_TARGETS & HWY_AVX2
    FA4_TARGET(AVX2, N_AVX2),
#endif
#if HWY_TARGETS & HWY_SSE4
    FA4_TARGET(SSE4, N_SSE4),
#endif
#if HWY_TARGETS & HWY_NEON
    FA4_TARGET(NEON, N_NEON),
#endif
#if HWY_TARGETS & HWY_EMU128
    FA4_TARGET(EMU128, N_EMU128),
#elif HWY_TARGETS & HWY_SCALAR
    FA4_TARGET(SCALAR, N_SCALAR),
#endif
};

class SimdMath : public testing::TestWithParam<Target> {
 protected:
  void SetUp() override {
    if ((hwy::SupportedTargets() & GetParam().bit) == 0) {
      GTEST_SKIP() << "this CPU lacks " << GetParam().name;
    }
  }
};

double worst_relative_error(Function function, double (*exact)(double), double low, double high) {
  constexpr int64_t kCount = 1 << 20;
  std::vector<float> x(kCount), y(kCount);
  for (int64_t i = 0; i < kCount; ++i) {
    x[static_cast<size_t>(i)] =
        static_cast<float>(low + (high - low) * static_cast<double>(i) / kCount);
  }
  function(x.data(), kCount, y.data());
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double right = exact(static_cast<double>(x[i]));
    if (right == 0) continue;
    worst = std::max(worst, std::fabs(static_cast<double>(y[i]) - right) / std::fabs(right));
  }
  return worst;
}

float at(Function function, float value) {
  std::vector<float> x(16, value), y(16);
  function(x.data(), 16, y.data());
  return y[0];
}

TEST_P(SimdMath, Exp2IsAsGoodAsItsPolynomial) {
  const auto exact = [](double x) { return std::exp2(x); };
  EXPECT_LT(worst_relative_error(GetParam().exp2_degree6, exact, -125, 10), 1.2e-7);
  EXPECT_LT(worst_relative_error(GetParam().exp2_degree4, exact, -125, 10), 2.8e-6);
}

TEST_P(SimdMath, Exp2IsExactAtTheEnds) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const Function function : {GetParam().exp2_degree4, GetParam().exp2_degree6}) {
    EXPECT_EQ(at(function, -infinity), 0);
    EXPECT_EQ(at(function, -3.4e38f), 0);
    EXPECT_EQ(at(function, -1000), 0);
    EXPECT_NEAR(at(function, 0), 1, 1e-6);
    EXPECT_TRUE(std::isnan(at(function, std::numeric_limits<float>::quiet_NaN())));
  }
}

TEST_P(SimdMath, TanhKeepsItsRelativeError) {
  const auto exact = [](double x) { return std::tanh(x); };
  EXPECT_LT(worst_relative_error(GetParam().tanh, exact, -30, 30), 2.2e-7);
  EXPECT_LT(worst_relative_error(GetParam().tanh, exact, -0.7, 0.7), 2.2e-7);
  EXPECT_EQ(at(GetParam().tanh, std::numeric_limits<float>::infinity()), 1);
  EXPECT_EQ(at(GetParam().tanh, -std::numeric_limits<float>::infinity()), -1);
  EXPECT_TRUE(std::isnan(at(GetParam().tanh, std::numeric_limits<float>::quiet_NaN())));
}

TEST_P(SimdMath, SlopeOfTanhKeepsItsRelativeErrorUntilTanhIsOne) {
  const auto exact = [](double x) { return std::pow(std::cosh(x), -2); };
  EXPECT_LT(worst_relative_error(GetParam().tanh_slope, exact, -9, 9), 1.2e-6);
  EXPECT_EQ(at(GetParam().tanh_slope, 0), 1);
  EXPECT_EQ(at(GetParam().tanh_slope, 10), 0);
  EXPECT_EQ(at(GetParam().tanh_slope, -std::numeric_limits<float>::infinity()), 0);
}

INSTANTIATE_TEST_SUITE_P(Targets, SimdMath, testing::ValuesIn(kTargets),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace fa4::cpu
#endif  // HWY_ONCE
