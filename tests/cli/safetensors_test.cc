// SPDX-License-Identifier: Apache-2.0
// Files that are not what they claim to be.
#include "fa4/safetensors.h"

#include <cstring>
#include <string>

#include "fa4/error.h"
#include "gtest/gtest.h"

namespace fa4::cli {
namespace {

std::string file_of(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file + header + std::string(data_bytes, '\x3f');
}

Archive read(const std::string& file) { return read_safetensors(std::as_bytes(std::span(file))); }

std::string refusal_of(const std::string& file) {
  try {
    read(file);
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.exit(), Exit::BadInput);
    return failure.what();
  }
  return "it was read";
}

void expect_refused(const std::string& header, size_t data_bytes, const std::string& words) {
  const std::string sentence = refusal_of(file_of(header, data_bytes));
  EXPECT_NE(sentence.find(words), std::string::npos) << header << "\n" << sentence;
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

TEST(Safetensors, ReadsTensorsByName) {
  Archive archive =
      read(file_of(R"({"__metadata__":{"made":"here"},"b":)" + entry("F32", "[2,1]", "[4,12]") +
                       R"(,"a":)" + entry("BF16", "[2]", "[0,4]") + "}  ",
                   12));
  ASSERT_EQ(archive.tensors.size(), 2u);
  EXPECT_EQ(archive.tensors[0].name, "a");
  EXPECT_EQ(archive.find("b")->describe(), "float32 [2, 1]");
  EXPECT_EQ(archive.find("a")->type(), ElementType::BFloat16);
  EXPECT_EQ(archive.find("c"), nullptr);
  float value;
  std::memcpy(&value, "\x3f\x3f\x3f\x3f", sizeof(value));
  EXPECT_EQ(archive.find("b")->value(1), static_cast<double>(value));
}

TEST(Safetensors, ReadsScalarsAndEmptyTensors) {
  Archive archive = read(file_of(R"({"none":)" + entry("F16", "[0,7]", "[0,0]") + R"(,"one":)" +
                                     entry("F64", "[]", "[0,8]") + "}",
                                 8));
  EXPECT_EQ(archive.find("none")->num_elements(), 0);
  EXPECT_EQ(archive.find("one")->num_elements(), 1);
}

TEST(Safetensors, KeepsForeignTypesApart) {
  const Archive archive = read(file_of(R"({"x":)" + entry("U8", "[3]", "[0,3]") + "}", 3));
  ASSERT_EQ(archive.foreign.size(), 1u);
  EXPECT_EQ(archive.foreign[0].type, "U8");
}

TEST(Safetensors, RefusesTruncatedFiles) {
  const std::string whole = file_of(R"({"a":)" + entry("F32", "[4]", "[0,16]") + "}", 16);
  EXPECT_EQ(read(whole).tensors.size(), 1u);
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_NE(refusal_of(whole.substr(0, length)), "it was read") << length;
  }
}

TEST(Safetensors, RefusesHeaderLengthsThatLie) {
  std::string file = file_of("{}", 0);
  file[1] = 1;
  EXPECT_NE(refusal_of(file).find("ends after 2 bytes of it"), std::string::npos);
  file[7] = '\x7f';
  EXPECT_NE(refusal_of(file).find("at most 100000000"), std::string::npos);
  EXPECT_NE(refusal_of(std::string(8, '\xff')).find("at most"), std::string::npos);
  EXPECT_NE(refusal_of(std::string(8, '\0')).find("does not begin with '{'"), std::string::npos);
}

TEST(Safetensors, RefusesOffsetsThatLie) {
  const auto header = [](const std::string& offsets) {
    return R"({"a":)" + entry("F32", "[2]", offsets) + "}";
  };
  expect_refused(header("[0,16]"), 8, "holds 8 bytes of data");
  expect_refused(header("[8,0]"), 8, "data_offsets [8, 0]");
  expect_refused(header("[0,4]"), 8, "needs 8");
  expect_refused(header("[0,8]"), 9, "end at 8");
  expect_refused(header("[1,9]"), 9, "a hole");
  expect_refused(header("[0]"), 8, "not two numbers");
  expect_refused(header("[0,4,8]"), 8, "not two numbers");
  expect_refused(header("[0,18446744073709551615]"), 8, "from 0 to 2^63-1");
  expect_refused(header("8"), 8, "not how safetensors describes a tensor");
  expect_refused(
      R"({"a":)" + entry("F32", "[2]", "[0,8]") + R"(,"b":)" + entry("F32", "[2]", "[4,12]") + "}",
      12, "overlapping");
}

TEST(Safetensors, RefusesSizesThatLie) {
  const auto header = [](const std::string& shape) {
    return R"({"a":)" + entry("F32", shape, "[0,8]") + "}";
  };
  expect_refused(header("[-2]"), 8, "holds the number -2");
  expect_refused(header("[2.0]"), 8, "'2.0'");
  expect_refused(header("[1e400]"), 8, "no JSON");
  expect_refused(header("[99999999999999999999]"), 8, "from 0 to 2^63-1");
  expect_refused(header("[4611686018427387904,4]"), 8, "larger than any memory");
  expect_refused(header("[0,9223372036854775807,9223372036854775807]"), 8,
                 "larger than any memory");
  expect_refused(header("[\"2\"]"), 8, "holds a string");
  expect_refused(header("[1,1,1,1,1,1,1,1,2]"), 8, "9 dimensions");
  expect_refused(header("[" + std::string(2000, '[')), 8, "holds an array");
  expect_refused(header("null"), 8, "has null as 'shape'");
}

TEST(Safetensors, RefusesOtherTypesAndFields) {
  expect_refused(R"({"a":)" + entry("F33", "[2]", "[0,8]") + "}", 8, "dtype 'F33'");
  expect_refused(R"({"a":{"dtype":"F32","shape":[2]}})", 8, "has no data_offsets");
  expect_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":"y"}})", 8,
                 "has a string as 'x'");
  expect_refused(R"({"a":{"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]}})", 8,
                 "twice");
  expect_refused(
      R"({"a":)" + entry("F32", "[1]", "[0,4]") + R"(,"a":)" + entry("F32", "[1]", "[4,8]") + "}",
      8, "names 'a' twice");
  expect_refused(R"({"__metadata__":{"a":1}})", 0, "only strings");
  expect_refused(R"({"a":[]})", 0, "a tensor is an object");
}

TEST(Safetensors, RefusesWhatIsNoJson) {
  expect_refused("{\"a\":", 0, "no JSON");
  expect_refused("{} {}", 0, "no JSON");
  expect_refused("{\"\xff\":1}", 0, "no JSON");
  expect_refused(std::string(100000, '{'), 0, "no JSON");
  expect_refused("[]", 0, "does not begin with '{'");
}

TEST(Safetensors, NamesInMessagesAreHarmless) {
  const std::string sentence =
      refusal_of(file_of(R"({"\u001b[2J\n":)" + entry("F32", "[2]", "[0,4]") + "}", 4));
  EXPECT_EQ(sentence.find('\n'), std::string::npos);
  EXPECT_NE(sentence.find("\\x1b[2J\\x0a"), std::string::npos) << sentence;
}

}  // namespace
}  // namespace fa4::cli
