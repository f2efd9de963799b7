// SPDX-License-Identifier: Apache-2.0
// Products of tcgen05.mma against sums in double precision: 25 fraction bits, all types and mixes, f16 and f32, infinities, NaN,
// denormal numbers, extreme exponents; and the forms of the product against one another.
#include "emu/isa/tcgen05_core.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "emu/tcgen05_twin.h"

// Tests are compiled as one file: these names are its own.
namespace fa4::emu::isa::tcgen05_numbers {

using test::TwinNumber;
using test::TwinType;

TensorElement element_of(TwinType type) {
  constexpr TensorElement kElements[] = {
      TensorElement::F16,  TensorElement::BF16, TensorElement::TF32, TensorElement::E4M3,
      TensorElement::E5M2, TensorElement::E2M3, TensorElement::E3M2, TensorElement::E2M1};
  return kElements[static_cast<size_t>(type)];
}

// How numbers are drawn: any bits, a range of exponents around 1 with some zeros, or the least ones.
enum class Draw : uint8_t { Any, Near, Small };

uint32_t draw(std::mt19937& random, TwinType type, Draw how) {
  const uint32_t bits = test::twin_bits(type);
  const auto word = static_cast<uint32_t>(random());
  const uint32_t any = bits == 32 ? word : word & ((1u << bits) - 1);
  if (how == Draw::Any || bits < 8) return any;
  if (random() % 8 == 0) return 0;
  const bool eight = type == TwinType::BF16 || type == TwinType::TF32;
  const uint32_t exponent_bits = eight ? 8 : type == TwinType::E4M3 ? 4 : 5;
  const uint32_t fraction = bits - 1 - exponent_bits;
  const uint32_t field = how == Draw::Small ? word % 3 : (1u << (exponent_bits - 1)) - 4 + word % 8;
  return (any & ~(((1u << exponent_bits) - 1) << fraction)) | field << fraction;
}

struct Case {
  TwinType a, b;
  bool half;
};

class Tcgen05Numbers : public testing::Test {
 protected:
  // Random numbers, then one product by each function, in both directions of `exact`.
  void fill(const Case& of, Draw how, bool exact) {
    const uint32_t bits = test::twin_bits(of.a);
    product_ = {};
    product_.element_a = element_of(of.a);
    product_.element_b = element_of(of.b);
    product_.k = bits == 32 ? 8 : bits == 16 ? 16 : 32;
    product_.half = of.half;
    product_.exact = exact;
    product_.accumulate = random_() % 4 != 0;
    product_.c_shift = bits >= 16 && random_() % 2 == 0 ? static_cast<int>(random_() % 16) : 0;
    product_.a = a_.get();
    product_.b = b_.get();
    product_.columns = kColumns;
    for (auto& line : a_->code) {
      for (uint32_t& code : line) code = draw(random_, of.a, how);
    }
    for (auto& line : b_->code) {
      for (uint32_t& code : line) code = draw(random_, of.b, how);
    }
    for (uint32_t& word : c_) {
      word = of.half ? draw(random_, TwinType::F16, how)
                     : draw(random_, TwinType::TF32, how) ^ random_() % 0x2000;
    }
    tcgen05_numbers_of_a(product_.element_a, product_.k, 0xff, exact, a_.get());
    tcgen05_numbers_of_b(product_.element_b, product_.k, 0, kColumns, exact, b_.get());
  }

  uint32_t twin(const Case& of, uint32_t lane, uint32_t column) const {
    std::vector<std::array<TwinNumber, 2>> factors;
    for (uint32_t k = 0; k < product_.k; ++k) {
      factors.push_back({test::twin_number(of.a, a_->code[k][lane]),
                         test::twin_number(of.b, b_->code[column][k])});
    }
    const uint32_t word = c_[column * 128 + lane];
    TwinNumber c;
    if (product_.accumulate) {
      c = of.half ? test::twin_number(TwinType::F16, word) : test::twin_float(word);
    }
    return test::twin_sum(factors, c, product_.c_shift, of.half);
  }

  static constexpr uint32_t kColumns = 16;
  std::mt19937 random_{7};
  std::unique_ptr<Tcgen05A> a_ = std::make_unique<Tcgen05A>();
  std::unique_ptr<Tcgen05B> b_ = std::make_unique<Tcgen05B>();
  std::vector<uint32_t> c_ = std::vector<uint32_t>(128 * kColumns);
  Tcgen05Product product_;
};

std::vector<Case> all_cases() {
  std::vector<Case> cases = {
      {TwinType::F16, TwinType::F16, true},    {TwinType::F16, TwinType::F16, false},
      {TwinType::F16, TwinType::BF16, false},  {TwinType::BF16, TwinType::F16, false},
      {TwinType::BF16, TwinType::BF16, false}, {TwinType::TF32, TwinType::TF32, false}};
  for (const TwinType a : test::kTwinNarrow) {
    for (const TwinType b : test::kTwinNarrow) {
      cases.push_back({a, b, false});
      cases.push_back({a, b, true});
    }
  }
  return cases;
}

TEST_F(Tcgen05Numbers, ExactIsTheManualsSum) {
  for (const Case& of : all_cases()) {
    for (const Draw how : {Draw::Any, Draw::Near, Draw::Near, Draw::Small}) {
      fill(of, how, true);
      std::vector<uint32_t> first;
      for (const auto& [function, load] : tcgen05_functions()) {
        std::vector<uint32_t> d = c_;
        product_.d = d.data();
        function(product_);
        if (first.empty()) {
          first = d;
          for (uint32_t lane = 0; lane < 128; lane += 3) {
            for (uint32_t column = 0; column < kColumns; ++column) {
              const uint32_t expected = twin(of, lane, column) | (of.half ? 0xffff0000 : 0);
              ASSERT_EQ(d[column * 128 + lane], expected)
                  << "types " << static_cast<int>(of.a) << " " << static_cast<int>(of.b) << " lane "
                  << lane << " column " << column << " draw " << static_cast<int>(how);
            }
          }
        } else {
          EXPECT_EQ(d, first);
        }
      }
    }
  }
}

// Near 1 the fast form is a sum of exact products in f32: one rounding for each term.
TEST_F(Tcgen05Numbers, FastIsNear) {
  for (const Case& of : all_cases()) {
    fill(of, Draw::Near, false);
    std::vector<uint32_t> first;
    for (const auto& [function, load] : tcgen05_functions()) {
      std::vector<uint32_t> d = c_;
      product_.d = d.data();
      function(product_);
      if (!first.empty()) {
        EXPECT_EQ(d, first);
        continue;
      }
      first = d;
      for (uint32_t lane = 0; lane < 128; lane += 5) {
        for (uint32_t column = 0; column < kColumns; ++column) {
          const uint32_t word = d[column * 128 + lane], expected = twin(of, lane, column);
          const auto number = [&](uint32_t bits) {
            return of.half ? test::twin_number(TwinType::F16, bits & 0xffff).value
                           : test::twin_float(bits).value;
          };
          double most = 1;
          for (uint32_t k = 0; k < product_.k; ++k) {
            most += std::abs(test::twin_number(of.a, a_->code[k][lane]).value *
                             test::twin_number(of.b, b_->code[column][k]).value);
          }
          most += std::abs(number(c_[column * 128 + lane]));
          ASSERT_NEAR(number(word), number(expected), most * (of.half ? 0x1p-10 : 0x1p-18));
        }
      }
    }
  }
}

TEST_F(Tcgen05Numbers, DisabledLanesAndAbsentOnesStay) {
  for (const bool exact : {true, false}) {
    for (const bool half : {true, false}) {
      const Case of = {TwinType::F16, TwinType::F16, half};
      fill(of, Draw::Near, exact);
      std::vector<uint32_t> all = c_;
      product_.d = all.data();
      tcgen05_best().product(product_);
      for (const uint32_t sixteens : {0xffu, 0x0fu, 0xf0u, 0x55u, 0xaau}) {
        Tcgen05Product product = product_;
        for (uint32_t& word : product.disabled) word = static_cast<uint32_t>(random_());
        product.sixteens = sixteens;
        std::vector<uint32_t> some = c_;
        product.d = some.data();
        tcgen05_best().product(product);
        for (uint32_t at = 0; at < c_.size(); ++at) {
          const uint32_t lane = at % 128;
          const bool written = (sixteens >> lane / 16 & 1) != 0 &&
                               (product.disabled[lane / 32] >> lane % 32 & 1) == 0;
          EXPECT_EQ(some[at], written ? all[at] : c_[at]) << sixteens << " " << at;
        }
      }
    }
  }
}

}  // namespace fa4::emu::isa::tcgen05_numbers
