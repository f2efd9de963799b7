// SPDX-License-Identifier: Apache-2.0
// fa4 run: what it reads, what it writes, and that nothing is left behind when it fails.
#include <cmath>

#include "command.h"
#include "fa4/random.h"

namespace fa4::cli {
namespace {

Tensor normal_tensor(ElementType type, Shape shape, uint64_t seed) {
  Tensor tensor(type, std::move(shape));
  Random random(seed);
  for (int64_t r = 0; r < tensor.num_rows(); ++r) {
    for (int64_t i = 0; i < tensor.row_length(); ++i) {
      store_element(tensor.row(r) + i * size_of(type), type, random.normal());
    }
  }
  return tensor;
}

Tensor integer_tensor(const std::vector<int32_t>& values, Shape shape) {
  Tensor tensor(ElementType::Int32, std::move(shape));
  for (size_t i = 0; i < values.size(); ++i) {
    store_as(tensor.storage().data() + i * sizeof(int32_t), values[i]);
  }
  return tensor;
}

class Run : public CommandTest {
 protected:
  Archive output() const { return read_safetensors_file(path("out.safetensors")); }

  Answer run(const std::string& options = "") const {
    return fa4("run in.safetensors -o out.safetensors --backend reference " + options);
  }

  // The rows of attention by hand: out and lse of query `i`, head 0, over keys [begin, end).
  static std::vector<double> attention_row(const Tensor& q, int64_t query_row, const Tensor& k,
                                           const Tensor& v, const std::vector<int64_t>& key_rows,
                                           double* lse) {
    const int64_t dim = q.row_length();
    std::vector<double> weights, out(static_cast<size_t>(v.row_length()));
    double sum = 0;
    for (const int64_t row : key_rows) {
      double dot = 0;
      for (int64_t i = 0; i < dim; ++i)
        dot += q.value(query_row * dim + i) * k.value(row * dim + i);
      weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(dim))));
      sum += weights.back();
    }
    for (size_t j = 0; j < key_rows.size(); ++j) {
      for (int64_t i = 0; i < v.row_length(); ++i) {
        out[static_cast<size_t>(i)] += weights[j] / sum * v.value(key_rows[j] * v.row_length() + i);
      }
    }
    *lse = std::log(sum);
    return out;
  }

  static void expect_row(const Tensor& out, int64_t row, const std::vector<double>& expected) {
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(out.value(row * out.row_length() + static_cast<int64_t>(i)), expected[i], 1e-5);
    }
  }
};

TEST_F(Run, DenseForwardIsAttention) {
  const Tensor q = normal_tensor(ElementType::Float32, {1, 3, 1, 4}, 1);
  const Tensor k = normal_tensor(ElementType::Float32, {1, 5, 1, 4}, 2);
  const Tensor v = normal_tensor(ElementType::Float32, {1, 5, 1, 2}, 3);
  write_tensors("in.safetensors", {{"q", &q}, {"k", &k}, {"v", &v}});
  const Answer answer = run("--causal");
  ASSERT_EQ(answer.exit, 0) << answer.err;
  EXPECT_NE(answer.out.find("\nbackend: reference\nkernel: double\n"), std::string::npos)
      << answer.out;
  Archive results = output();
  ASSERT_EQ(results.tensors.size(), 2u);
  EXPECT_EQ(results.find("out")->describe(), "float32 [1, 3, 1, 2]");
  EXPECT_EQ(results.find("lse")->describe(), "float32 [1, 1, 3]");
  double lse = 0;
  expect_row(*results.find("out"), 1, attention_row(q, 1, k, v, {0, 1, 2, 3}, &lse));
  EXPECT_NEAR(results.find("lse")->value(1), lse, 1e-5);
}

TEST_F(Run, BackwardWritesGradientsInTheirInputsTypes) {
  const ElementType type = ElementType::BFloat16;
  const Tensor q = normal_tensor(type, {2, 6, 4, 16}, 1), k = normal_tensor(type, {2, 7, 2, 16}, 2);
  const Tensor v = normal_tensor(type, {2, 7, 2, 8}, 3),
               dout = normal_tensor(type, {2, 6, 4, 8}, 4);
  const Tensor sink = normal_tensor(ElementType::Float32, {4}, 5);
  const Tensor dlse = normal_tensor(ElementType::Float32, {2, 4, 6}, 6);
  write_tensors(
      "in.safetensors",
      {{"q", &q}, {"k", &k}, {"v", &v}, {"dout", &dout}, {"sink", &sink}, {"dlse", &dlse}});
  const Answer answer =
      run("--check --window 4,1 --softcap 20 --dtype bf16 --shape 2,4,2,6,7,16,8");
  ASSERT_EQ(answer.exit, 0) << answer.out << answer.err;
  Archive results = output();
  EXPECT_EQ(results.find("dq")->describe(), "bfloat16 [2, 6, 4, 16]");
  EXPECT_EQ(results.find("dk")->describe(), "bfloat16 [2, 7, 2, 16]");
  EXPECT_EQ(results.find("dv")->describe(), "bfloat16 [2, 7, 2, 8]");
  EXPECT_EQ(results.find("dsink")->describe(), "float32 [4]");
  EXPECT_NE(answer.out.find("dsink"), std::string::npos) << answer.out;
}

TEST_F(Run, PackedSequencesSeeOnlyThemselves) {
  const Tensor q = normal_tensor(ElementType::Float32, {5, 1, 4}, 1);
  const Tensor k = normal_tensor(ElementType::Float32, {6, 1, 4}, 2);
  const Tensor v = normal_tensor(ElementType::Float32, {6, 1, 4}, 3);
  const Tensor cu_q = integer_tensor({0, 2, 5}, {3}), cu_k = integer_tensor({0, 4, 6}, {3});
  const Tensor lengths = integer_tensor({3, 2}, {2});
  write_tensors("in.safetensors", {{"q", &q},
                                   {"k", &k},
                                   {"v", &v},
                                   {"cu_seqlens_q", &cu_q},
                                   {"cu_seqlens_k", &cu_k},
                                   {"key_lengths", &lengths}});
  const Answer answer = run();
  ASSERT_EQ(answer.exit, 0) << answer.err;
  Archive results = output();
  EXPECT_EQ(results.find("lse")->describe(), "float32 [1, 5]");
  double lse = 0;
  expect_row(*results.find("out"), 1, attention_row(q, 1, k, v, {0, 1, 2}, &lse));
  expect_row(*results.find("out"), 4, attention_row(q, 4, k, v, {4, 5}, &lse));
  EXPECT_NEAR(results.find("lse")->value(4), lse, 1e-5);
}

TEST_F(Run, PagesAreFoundThroughTheTable) {
  const Tensor q = normal_tensor(ElementType::Float32, {2, 1, 1, 4}, 1);
  const Tensor k = normal_tensor(ElementType::Float32, {4, 2, 1, 4}, 2);
  const Tensor v = normal_tensor(ElementType::Float32, {4, 2, 1, 4}, 3);
  const Tensor table = integer_tensor({3, 1, 0, 99}, {2, 2}), lengths = integer_tensor({3, 2}, {2});
  write_tensors(
      "in.safetensors",
      {{"q", &q}, {"k", &k}, {"v", &v}, {"page_table", &table}, {"key_lengths", &lengths}});
  const Answer answer = run();
  ASSERT_EQ(answer.exit, 0) << answer.err;
  Archive results = output();
  double lse = 0;
  expect_row(*results.find("out"), 0, attention_row(q, 0, k, v, {6, 7, 2}, &lse));
  expect_row(*results.find("out"), 1, attention_row(q, 1, k, v, {0, 1}, &lse));
}

TEST_F(Run, SampledHeadsAreNamed) {
  const Answer answer =
      fa4("run --shape 1,8,4,40,40,16 --causal --backward --backend reference --check-heads 2");
  ASSERT_EQ(answer.exit, 0) << answer.out << answer.err;
  EXPECT_NE(answer.out.find("2-3 (key/value head 1), 6-7 (key/value head 3) of 8"),
            std::string::npos)
      << answer.out;
}

TEST_F(Run, TensorsItDoesNotKnowAreNamed) {
  const Tensor q = normal_tensor(ElementType::Float32, {1, 2, 1, 4}, 1);
  write_tensors("in.safetensors", {{"q", &q}, {"k", &q}, {"v", &q}, {"mask", &q}});
  const Answer answer = run();
  ASSERT_EQ(answer.exit, 0) << answer.err;
  EXPECT_NE(answer.out.find("not used: 'mask'"), std::string::npos) << answer.out;
}

class RunRefusal : public Run {
 protected:
  void SetUp() override {
    Run::SetUp();
    const Tensor q = normal_tensor(ElementType::Float32, {1, 3, 2, 4}, 1);
    write_tensors("good.safetensors", {{"q", &q}, {"k", &q}, {"v", &q}, {"dout", &q}});
    good_ = read_text(path("good.safetensors"));
  }

  // The input is refused, and no file but it is there afterwards.
  void expect_refused(const std::string& input, int exit, const std::string& words,
                      const std::string& options = "") {
    write_text(path("in.safetensors"), input);
    expect_refusal("run in.safetensors -o out.safetensors --backend reference " + options, exit,
                   words);
    EXPECT_EQ(files().size(), 2u);
    EXPECT_FALSE(exists("out.safetensors"));
  }
  std::string with(const std::string& from, const std::string& to) const {
    std::string text = good_;
    text.replace(text.find(from), from.size(), to);
    return text;
  }

  std::string good_;
};

TEST_F(RunRefusal, TruncatedFile) {
  expect_refused(good_.substr(0, good_.size() - 1), 2, "in.safetensors: ");
  expect_refused(good_.substr(0, 40), 2, "the file ends after 32 bytes of it");
  expect_refused(good_.substr(0, 5), 2, "8 bytes of header length");
  expect_refused("", 2, "8 bytes of header length");
}

TEST_F(RunRefusal, HeaderThatLies) {
  expect_refused(with("[0,96]", "[0,97]"), 2, "needs 96");
  expect_refused(with("[0,96]", "[8,96]"), 2, "needs 96");
  expect_refused(with("[1, 3, 2, 4]", "[1, 3, 2, 5]"), 2, "needs 120");
  expect_refused(with("[1, 3, 2, 4]", "[1, 3, 2,-4]"), 2, "holds the number -4");
}

TEST_F(RunRefusal, UnsupportedDtype) {
  expect_refused(with("\"F32\"", "\"U32\""), 2, "dtype U32");
  expect_refused(with("\"F32\"", "\"I32\""), 2, "int32");
  expect_refused(with("\"F32\"", "\"Q32\""), 2, "'Q32'");
}

TEST_F(RunRefusal, NothingIsCastOrReshaped) {
  expect_refused(good_, 2, "converts nothing", "--dtype bf16");
  expect_refused(good_, 2, "does not agree with the file", "--shape 1,2,2,3,3,5");
}

TEST_F(RunRefusal, MissingTensors) {
  expect_refused(with("\"v\"", "\"w\""), 2, "no tensor v");
  expect_refusal("run", 2, "or --shape");
  expect_refusal("run nowhere.safetensors", 2, "nowhere.safetensors: it cannot be opened");
  expect_refusal("run .", 2, "not a regular file");
}

TEST_F(RunRefusal, HeadsThatDoNotDivide) {
  const Tensor q = normal_tensor(ElementType::Float32, {1, 3, 4, 4}, 1);
  const Tensor k = normal_tensor(ElementType::Float32, {1, 3, 3, 4}, 2);
  write_tensors("in.safetensors", {{"q", &q}, {"k", &k}, {"v", &k}});
  expect_refused(read_text(path("in.safetensors")), 2, "H must be a multiple of Hk");
}

TEST_F(RunRefusal, SequencesThatLie) {
  const Tensor q = normal_tensor(ElementType::Float32, {5, 1, 4}, 1);
  const Tensor cu = integer_tensor({0, 9}, {2});
  write_tensors("in.safetensors",
                {{"q", &q}, {"k", &q}, {"v", &q}, {"cu_seqlens_q", &cu}, {"cu_seqlens_k", &cu}});
  expect_refused(read_text(path("in.safetensors")), 2, "cu_seqlens_q[0..1] is 0, 9");
}

TEST_F(RunRefusal, PagedBackwardIsThree) {
  const Tensor q = normal_tensor(ElementType::Float32, {1, 2, 1, 4}, 1);
  const Tensor table = integer_tensor({0}, {1, 1});
  write_tensors("in.safetensors",
                {{"q", &q}, {"k", &q}, {"v", &q}, {"dout", &q}, {"page_table", &table}});
  expect_refused(read_text(path("in.safetensors")), 3, "page");
}

TEST_F(RunRefusal, UnwritableOutput) {
  expect_refusal("run good.safetensors -o nowhere/out.safetensors --backend reference", 2,
                 "nowhere/out.safetensors cannot be written");
  expect_refusal("run good.safetensors -o . --backend reference", 2, "not a regular file");
  expect_refusal("run good.safetensors -o /dev/null --backend reference", 2, "not a regular file");
  EXPECT_EQ(files().size(), 1u);
}

TEST_F(RunRefusal, FullDiskLeavesNothingAndKeepsWhatWasThere) {
  write_text(path("out.safetensors"), "precious");
  const Answer answer = fa4("--version > /dev/null; ulimit -f 0; '" FA4_COMMAND
                            "' run good.safetensors -o out.safetensors --backend reference");
  EXPECT_EQ(answer.exit, 2);
  EXPECT_EQ(read_text(path("out.safetensors")), "precious");
  EXPECT_EQ(files().size(), 2u);
}

}  // namespace
}  // namespace fa4::cli
