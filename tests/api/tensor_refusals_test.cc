// SPDX-License-Identifier: Apache-2.0
// What can be wrong with a run: results, gradients, workspace, stream, data. Nothing is written then.
#include <algorithm>

#include "api/fixture.h"

namespace fa4::test {
namespace {

constexpr float kPoison = 12345;

struct RunRefusal {
  const char* name;
  void (*bend)(Small&);
  const char* sentence;
};

void PrintTo(const RunRefusal& refusal, std::ostream* stream) { *stream << refusal.name; }

void use_lengths(Small& s, int32_t first, int32_t second) {
  s.two_ints.integers()[0] = first, s.two_ints.integers()[1] = second;
}

void set_cu_seqlens(Small& s, int32_t a, int32_t b, int32_t c) {
  s.three_ints.integers()[0] = a, s.three_ints.integers()[1] = b, s.three_ints.integers()[2] = c;
  s.problem.cu_seqlens_q = &s.three_ints.dl;
  s.q.reshape({10, 4, 16});
  s.out.reshape({10, 4, 8});
  s.lse.reshape({4, 10});
}

void set_pages(Small& s, int32_t first, int32_t second) {
  use_lengths(s, first, second);
  s.two_ints.reshape({2, 1});
  s.problem.page_table = &s.two_ints.dl;
}

const RunRefusal kForward[] = {
    {"out_null", [](Small& s) { s.forward.out = nullptr; },
     "out is null; it must be a tensor [B,Sq,H,Dv]"},
    {"out_type", [](Small& s) { s.out.dl.dtype = kFloat64; },
     "out has dtype float64; it must be float32"},
    {"out_device",
     [](Small& s) {
       s.out.dl.device = {kDLCUDA, 0};
     },
     "out is on CUDA device 0, but q is on host memory; all tensors must be on one device"},
    {"out_shape", [](Small& s) { s.out.shape[3] = 4; },
     "out has shape [2,5,4,4]; it must be [2,5,4,8], that is [B,Sq,H,Dv]"},
    {"out_ndim",
     [](Small& s) {
       s.out.reshape({10, 4, 8});
     },
     "out has 3 dimensions; it must have 4"},
    {"out_data_null", [](Small& s) { s.out.dl.data = nullptr; },
     "the data of out is null, but its shape [2,5,4,8] has elements"},
    {"out_broadcast", [](Small& s) { s.out.strides[2] = 0; },
     "elements of out overlap each other in memory (shape [2,5,4,8], strides [160,32,0,1])"},
    {"out_rows_overlap", [](Small& s) { s.out.strides[1] = 31; },
     "elements of out overlap each other"},
    {"out_is_q", [](Small& s) { s.out.dl.data = s.q.dl.data; },
     "out overlaps q in memory; an output must not share memory with an input or another output"},
    {"out_ends_in_v", [](Small& s) { s.out.dl.data = s.v.floats() + 2 * 7 * 2 * 8 - 1; },
     "out overlaps v in memory"},
    {"out_begins_before_k", [](Small& s) { s.out.dl.data = s.k.floats() - (2 * 5 * 4 * 8 - 1); },
     "out overlaps k in memory"},
    {"lse_type", [](Small& s) { s.lse.dl.dtype = kBFloat16; },
     "lse has dtype bfloat16; it must be float32"},
    {"lse_shape",
     [](Small& s) {
       s.lse.reshape({2, 5, 4});
     },
     "lse has shape [2,5,4]; it must be [2,4,5], that is [B,H,Sq]"},
    {"lse_stride",
     [](Small& s) {
       s.lse.strides = {20, 1, 4}, s.lse.dl.strides = s.lse.strides.data();
     },
     "the last stride of lse is 4; it must be 1"},
    {"lse_is_out", [](Small& s) { s.lse.dl.data = s.out.dl.data; }, "lse overlaps out in memory"},
    {"q_data_null", [](Small& s) { s.q.dl.data = nullptr; },
     "the data of q is null, but its shape [2,5,4,16] has elements"},
    {"k_misaligned", [](Small& s) { s.k.dl.byte_offset = 2; },
     "the data of k is not aligned to its elements of 4 bytes"},
    {"k_offset_too_large", [](Small& s) { s.k.dl.byte_offset = UINT64_MAX; },
     "k with byte_offset 18446744073709551615 reaches past the end of the address space"},
    {"query_length_negative",
     [](Small& s) { use_lengths(s, 5, -1), s.problem.query_lengths = &s.two_ints.dl; },
     "query_lengths[1] is -1; it must lie between 0 and 5"},
    {"key_length_too_long",
     [](Small& s) { use_lengths(s, 8, 0), s.problem.key_lengths = &s.two_ints.dl; },
     "key_lengths[0] is 8; it must lie between 0 and 7"},
    {"key_lengths_misaligned",
     [](Small& s) { s.two_ints.dl.byte_offset = 1, s.problem.key_lengths = &s.two_ints.dl; },
     "the data of key_lengths is not aligned to its elements of 4 bytes"},
    {"cu_seqlens_falls", [](Small& s) { set_cu_seqlens(s, 0, 6, 5); },
     "cu_seqlens_q[1..2] is 6, 5; it must not decrease and must stay within 0 and 10"},
    {"cu_seqlens_negative", [](Small& s) { set_cu_seqlens(s, -1, 6, 10); },
     "cu_seqlens_q[0..1] is -1, 6"},
    {"cu_seqlens_too_far", [](Small& s) { set_cu_seqlens(s, 0, 6, 11); },
     "cu_seqlens_q[1..2] is 6, 11"},
    {"longer_than_max_seq", [](Small& s) { set_cu_seqlens(s, 0, 6, 10), s.problem.max_seq_q = 5; },
     "sequence 0 has 6 query rows, more than max_seq_q = 5"},
    {"packed_out_rows",
     [](Small& s) {
       set_cu_seqlens(s, 0, 6, 10), s.out.reshape({9, 4, 8});
     },
     "out has shape [9,4,8]; it must be [10,4,8], that is [total_q,H,Dv]"},
    {"packed_lse_shape",
     [](Small& s) {
       set_cu_seqlens(s, 0, 6, 10), s.lse.reshape({10, 4});
     },
     "lse has shape [10,4]; it must be [4,10], that is [H,total_q]"},
    {"page_negative", [](Small& s) { set_pages(s, 0, -1); },
     "page_table[1, 0] is -1; it must lie between 0 and 1"},
    {"page_missing", [](Small& s) { set_pages(s, 2, 0); },
     "page_table[0, 0] is 2; it must lie between 0 and 1"},
};

class ForwardRefusal : public testing::TestWithParam<RunRefusal> {};

TEST_P(ForwardRefusal, NamesTheArgumentAndWritesNothing) {
  for (const char* backend : {"cpu", "reference", "plain"}) {
    Small small;
    small.problem.backend = backend;
    std::fill_n(small.out.floats(), small.out.size(), kPoison);
    std::fill_n(small.lse.floats(), small.lse.size(), kPoison);
    const size_t out_size = small.out.size(), lse_size = small.lse.size();
    GetParam().bend(small);
    EXPECT_TRUE(refused(small.run_forward(), kInvalid, GetParam().sentence));
    EXPECT_EQ(std::count(small.out.floats(), small.out.floats() + out_size, kPoison), out_size);
    EXPECT_EQ(std::count(small.lse.floats(), small.lse.floats() + lse_size, kPoison), lse_size);
  }
}

const RunRefusal kBackward[] = {
    {"dout_null", [](Small& s) { s.backward.dout = nullptr; },
     "dout is null; it must be a tensor [B,Sq,H,Dv]"},
    {"out_null", [](Small& s) { s.backward.out = nullptr; }, "out is null; it must be"},
    {"lse_null", [](Small& s) { s.backward.lse = nullptr; },
     "lse is null; it must be a tensor [B,H,Sq]"},
    {"dq_null", [](Small& s) { s.backward.dq = nullptr; },
     "dq is null; it must be a tensor [B,Sq,H,D]"},
    {"dk_null", [](Small& s) { s.backward.dk = nullptr; },
     "dk is null; it must be a tensor [B,Sk,Hk,D]"},
    {"dv_null", [](Small& s) { s.backward.dv = nullptr; },
     "dv is null; it must be a tensor [B,Sk,Hk,Dv]"},
    {"dout_type", [](Small& s) { s.dout.dl.dtype = kBFloat16; },
     "dout has dtype bfloat16; it must be float32"},
    {"dout_shape", [](Small& s) { s.dout.shape[1] = 4; },
     "dout has shape [2,4,4,8]; it must be [2,5,4,8]"},
    {"dlse_shape", [](Small& s) { s.backward.dlse = &s.dlse.dl, s.dlse.shape[2] = 4; },
     "dlse has shape [2,4,4]; it must be [2,4,5]"},
    {"dq_shape", [](Small& s) { s.dq.shape[3] = 8; },
     "dq has shape [2,5,4,8]; it must be [2,5,4,16], that is [B,Sq,H,D]"},
    {"dk_shape", [](Small& s) { s.dk.shape[2] = 4; },
     "dk has shape [2,7,4,16]; it must be [2,7,2,16], that is [B,Sk,Hk,D]"},
    {"dv_shape", [](Small& s) { s.dv.shape[1] = 6; },
     "dv has shape [2,6,2,8]; it must be [2,7,2,8], that is [B,Sk,Hk,Dv]"},
    {"dv_type", [](Small& s) { s.dv.dl.dtype = kFloat16; },
     "dv has dtype float16; it must be float32"},
    {"dv_device",
     [](Small& s) {
       s.dv.dl.device = {kDLCUDA, 0};
     },
     "dv is on CUDA device 0, but q is on host memory"},
    {"dk_broadcast", [](Small& s) { s.dk.strides[2] = 0; },
     "elements of dk overlap each other in memory"},
    {"dq_is_q", [](Small& s) { s.dq.dl.data = s.q.dl.data; }, "dq overlaps q in memory"},
    {"dv_is_dout", [](Small& s) { s.dv.dl.data = s.dout.dl.data; }, "dv overlaps dout in memory"},
    {"dk_is_dq", [](Small& s) { s.dk.dl.data = s.dq.dl.data; }, "dk overlaps dq in memory"},
    {"dq_is_lse", [](Small& s) { s.lse.dl.data = s.dq.dl.data; }, "dq overlaps lse in memory"},
    {"dsink_without_sink", [](Small& s) { s.backward.dsink = &s.dsink.dl; },
     "dsink is set, but sink is null; there is no sink to have a gradient"},
    {"dsink_type",
     [](Small& s) {
       s.problem.sink = &s.sink.dl, s.backward.dsink = &s.dsink.dl;
       s.dsink.dl.dtype = kBFloat16;
     },
     "dsink has dtype bfloat16; it must be float32"},
    {"dsink_shape",
     [](Small& s) {
       s.problem.sink = &s.sink.dl, s.backward.dsink = &s.dsink.dl;
       s.dsink.shape[0] = 2;
     },
     "dsink has shape [2]; it must be [4], that is [H]"},
    {"dsink_broadcast",
     [](Small& s) {
       s.problem.sink = &s.sink.dl, s.backward.dsink = &s.dsink.dl;
       s.dsink.strides[0] = 0;
     },
     "elements of dsink overlap each other in memory"},
};

class BackwardRefusal : public testing::TestWithParam<RunRefusal> {};

TEST_P(BackwardRefusal, NamesTheArgumentAndWritesNothing) {
  for (const char* backend : {"cpu", "reference", "plain"}) {
    Small small;
    small.problem.backend = backend;
    Array* const outputs[] = {&small.dq, &small.dk, &small.dv, &small.dsink};
    for (Array* output : outputs)
      std::fill(output->storage.begin(), output->storage.end(), kPoison);
    const auto q = small.q.storage, dout = small.dout.storage;
    GetParam().bend(small);
    EXPECT_TRUE(refused(small.run_backward(), kInvalid, GetParam().sentence));
    for (Array* output : outputs) {
      EXPECT_EQ(std::count(output->storage.begin(), output->storage.end(), kPoison),
                output->storage.size());
    }
    EXPECT_EQ(small.q.storage, q);
    EXPECT_EQ(small.dout.storage, dout);
  }
}

INSTANTIATE_TEST_SUITE_P(forward, ForwardRefusal, testing::ValuesIn(kForward),
                         name_of_refusal<RunRefusal>);
INSTANTIATE_TEST_SUITE_P(backward, BackwardRefusal, testing::ValuesIn(kBackward),
                         name_of_refusal<RunRefusal>);

TEST(RunRefusal, NullStructs) {
  Small small;
  EXPECT_TRUE(refused(fa4_supports(nullptr, FA4_PASS_FORWARD), kInvalid, "problem is null"));
  EXPECT_TRUE(refused(fa4_plan_create(&small.problem, FA4_PASS_FORWARD, nullptr), kInvalid,
                      "plan is null; it must point to where the plan goes"));
  EXPECT_TRUE(refused(fa4_attention_forward(nullptr, &small.forward, nullptr), kInvalid,
                      "problem is null"));
  EXPECT_TRUE(refused(fa4_attention_forward(&small.problem, nullptr, nullptr), kInvalid,
                      "tensors is null"));
  EXPECT_TRUE(refused(fa4_attention_backward(&small.problem, nullptr, nullptr), kInvalid,
                      "tensors is null"));
  EXPECT_TRUE(refused(fa4_combine(nullptr, nullptr), kInvalid, "tensors is null"));
  EXPECT_TRUE(refused(fa4_forward(nullptr, &small.problem, &small.forward, nullptr, 0, nullptr),
                      kInvalid, "plan is null"));
  EXPECT_TRUE(refused(fa4_backward(nullptr, &small.problem, &small.backward, nullptr, 0, nullptr),
                      kInvalid, "plan is null"));
}

TEST(RunRefusal, HostBackendsHaveNoStream) {
  Small small;
  int stream = 0;
  const char* sentence = "stream is not null; host backends have no streams, so it must be null";
  EXPECT_TRUE(
      refused(fa4_attention_forward(&small.problem, &small.forward, &stream), kInvalid, sentence));
  EXPECT_TRUE(refused(fa4_attention_backward(&small.problem, &small.backward, &stream), kInvalid,
                      sentence));
  fa4_combine_tensors combine{sizeof(combine), &small.q.dl, &small.lse.dl, &small.out.dl, nullptr};
  EXPECT_TRUE(refused(fa4_combine(&combine, &stream), kInvalid, sentence));
}

}  // namespace
}  // namespace fa4::test
