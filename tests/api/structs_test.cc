// SPDX-License-Identifier: Apache-2.0
// Structs of callers that were built against another version of fa4.h.
#include "api/fixture.h"

namespace fa4::test {
namespace {

// A struct as a later version may have it: this one's fields and more behind them.
template <class Struct>
struct Newer {
  Struct known;
  unsigned char unknown[40];

  explicit Newer(const Struct& source) : known(source) {
    known.struct_size = sizeof(Newer);
    std::memset(unknown, 0, sizeof(unknown));
  }
};

constexpr const char* kUnknownFields =
    "is a struct from a newer version and sets fields this library";

TEST(NewerStruct, IsAcceptedWhenWhatIsUnknownIsZero) {
  Small small;
  const Newer problem(small.problem);
  const Newer forward(small.forward);
  const Newer backward(small.backward);
  EXPECT_TRUE(succeeded(fa4_attention_forward(&problem.known, &forward.known, nullptr)));
  EXPECT_TRUE(succeeded(fa4_attention_backward(&problem.known, &backward.known, nullptr)));
}

TEST(NewerStruct, IsRefusedWhenItSetsAnUnknownField) {
  Small small;
  Newer problem(small.problem);
  Newer forward(small.forward);
  Newer backward(small.backward);
  problem.unknown[39] = forward.unknown[0] = backward.unknown[17] = 1;
  EXPECT_TRUE(refused(fa4_supports(&problem.known, FA4_PASS_FORWARD), FA4_ERROR_UNSUPPORTED,
                      std::string("problem ") + kUnknownFields));
  EXPECT_TRUE(refused(fa4_attention_forward(&small.problem, &forward.known, nullptr),
                      FA4_ERROR_UNSUPPORTED, std::string("tensors ") + kUnknownFields));
  EXPECT_TRUE(refused(fa4_attention_backward(&small.problem, &backward.known, nullptr),
                      FA4_ERROR_UNSUPPORTED, std::string("tensors ") + kUnknownFields));
}

TEST(StructSize, ZeroSmallAndAbsurdAreRefused) {
  Small small;
  for (const size_t size : {size_t{0}, sizeof(fa4_problem) - 1, size_t{1} << 20, SIZE_MAX}) {
    small.problem.struct_size = size;
    EXPECT_TRUE(refused(fa4_supports(&small.problem, FA4_PASS_FORWARD), FA4_ERROR_INVALID_ARGUMENT,
                        "problem.struct_size is " + std::to_string(size)));
    EXPECT_TRUE(refused(fa4_supports(&small.problem, FA4_PASS_FORWARD), FA4_ERROR_INVALID_ARGUMENT,
                        "(call fa4_problem_init)"));
  }
}

TEST(StructSize, IsCheckedInEveryStruct) {
  Small small;
  small.forward.struct_size = 0;
  EXPECT_TRUE(refused(small.run_forward(), FA4_ERROR_INVALID_ARGUMENT, "tensors.struct_size is 0"));
  small.backward.struct_size = 8;
  EXPECT_TRUE(
      refused(small.run_backward(), FA4_ERROR_INVALID_ARGUMENT, "tensors.struct_size is 8"));
  const fa4_combine_tensors combine{};
  EXPECT_TRUE(refused(fa4_combine(&combine, nullptr), FA4_ERROR_INVALID_ARGUMENT,
                      "tensors.struct_size is 0"));
}

}  // namespace
}  // namespace fa4::test
