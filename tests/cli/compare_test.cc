// SPDX-License-Identifier: Apache-2.0
#include "fa4/compare.h"

#include <cmath>

#include "command.h"
#include "support/not_finite.h"

namespace fa4::cli {
namespace {

using test::kInfinity;
using test::kNan;

Tensor tensor_of(const std::vector<double>& values) {
  Tensor tensor(ElementType::Float32, {static_cast<int64_t>(values.size())});
  for (size_t i = 0; i < values.size(); ++i) {
    store_element(tensor.row(0) + i * sizeof(float), ElementType::Float32, values[i]);
  }
  return tensor;
}

TEST(Compare, ReportsErrorsAndTheWorstIndex) {
  const Difference difference = difference_of(tensor_of({1, 2, 3}), tensor_of({1, 2.5, 2}), {});
  EXPECT_EQ(difference.max_error, 1);
  EXPECT_EQ(difference.worst, 2);
  EXPECT_EQ(difference.beyond, 2);
  EXPECT_DOUBLE_EQ(difference.rms_error, std::sqrt(1.25 / 3));
}

TEST(Compare, LimitIsAbsolutePlusRelativeToTheSecond) {
  EXPECT_EQ(difference_of(tensor_of({12}), tensor_of({8}), {.rtol = 0.25, .atol = 2}).beyond, 0);
  EXPECT_EQ(difference_of(tensor_of({12}), tensor_of({8}), {.rtol = 0.25, .atol = 1.5}).beyond, 1);
  EXPECT_EQ(difference_of(tensor_of({8}), tensor_of({12}), {.rtol = 0.25, .atol = 1.5}).beyond, 0);
}

TEST(Compare, NanAndInfinityEqualOnlyThemselves) {
  const Limits generous{.rtol = 1e30, .atol = 1e30};
  EXPECT_EQ(difference_of(tensor_of({kNan, kInfinity}), tensor_of({kNan, kInfinity}), {}).beyond,
            0);
  EXPECT_EQ(difference_of(tensor_of({kNan}), tensor_of({1}), generous).beyond, 1);
  EXPECT_EQ(difference_of(tensor_of({1}), tensor_of({kNan}), generous).beyond, 1);
  EXPECT_EQ(difference_of(tensor_of({1}), tensor_of({kInfinity}), generous).beyond, 1);
  EXPECT_EQ(difference_of(tensor_of({-kInfinity}), tensor_of({kInfinity}), generous).beyond, 1);
}

class CompareCommand : public CommandTest {};

TEST_F(CompareCommand, EqualFilesAreRight) {
  const Tensor x = tensor_of({1, 2, 3});
  write_tensors("a.safetensors", {{"x", &x}});
  const Answer answer = fa4("compare a.safetensors a.safetensors");
  EXPECT_EQ(answer.exit, 0) << answer.err;
  EXPECT_NE(answer.out.find("within"), std::string::npos);
}

TEST_F(CompareCommand, DifferencesBeyondTheLimitFail) {
  const Tensor x = tensor_of({1, 2, 3}), y = tensor_of({1, 2, 3.5});
  write_tensors("a.safetensors", {{"x", &x}});
  write_tensors("b.safetensors", {{"x", &y}});
  const Answer beyond = fa4("compare a.safetensors b.safetensors --atol 0.25");
  EXPECT_EQ(beyond.exit, 1);
  EXPECT_NE(beyond.out.find("[2]"), std::string::npos) << beyond.out;
  EXPECT_EQ(fa4("compare a.safetensors b.safetensors --atol 0.5").exit, 0);
  EXPECT_EQ(fa4("compare a.safetensors b.safetensors --rtol 0.2").exit, 0);
}

TEST_F(CompareCommand, MissingTensorsAndOtherShapesFail) {
  const Tensor x = tensor_of({1, 2, 3}), y = tensor_of({1, 2});
  write_tensors("a.safetensors", {{"x", &x}});
  write_tensors("b.safetensors", {{"x", &y}});
  write_tensors("c.safetensors", {{"x", &x}, {"y", &y}});
  const Answer shapes = fa4("compare a.safetensors b.safetensors --atol 9");
  EXPECT_EQ(shapes.exit, 1);
  EXPECT_NE(shapes.out.find("shapes differ: [3] and [2]"), std::string::npos) << shapes.out;
  const Answer missing = fa4("compare a.safetensors c.safetensors");
  EXPECT_EQ(missing.exit, 1);
  EXPECT_NE(missing.out.find("only in c.safetensors"), std::string::npos) << missing.out;
}

TEST_F(CompareCommand, BadInputIsTwo) {
  expect_refusal("compare nothing.safetensors nothing.safetensors", 2, "cannot be opened");
  const Tensor x = tensor_of({1});
  write_tensors("a.safetensors", {{"x", &x}});
  expect_refusal("compare a.safetensors a.safetensors --rtol -1", 2, "0 or more");
}

}  // namespace
}  // namespace fa4::cli
