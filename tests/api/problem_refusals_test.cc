// SPDX-License-Identifier: Apache-2.0
// Every way in which fa4_problem can be wrong, with the sentence that the caller reads. Each is refused by
// fa4_supports, by fa4_plan_create and by the one-shot call alike.
#include "api/fixture.h"
#include "support/not_finite.h"

namespace fa4::test {
namespace {

constexpr fa4_status kUnsupported = FA4_ERROR_UNSUPPORTED;

struct Refusal {
  const char* name;
  void (*bend)(Small&);
  fa4_status status;
  const char* sentence;
};

void PrintTo(const Refusal& refusal, std::ostream* stream) { *stream << refusal.name; }

void pack_q(Small& s) {
  s.q.reshape({10, 4, 16});
  s.problem.cu_seqlens_q = &s.three_ints.dl;
}

void pack_k(Small& s) {
  s.k.reshape({14, 2, 16});
  s.v.reshape({14, 2, 8});
  s.problem.cu_seqlens_k = &s.three_ints.dl;
}

void page(Small& s) {
  s.two_ints.reshape({2, 1});
  s.problem.page_table = &s.two_ints.dl;
}

const Refusal kTensors[] = {
    {"q_null", [](Small& s) { s.problem.q = nullptr; }, kInvalid,
     "q is null; it must be a tensor [B,Sq,H,D]"},
    {"k_null", [](Small& s) { s.problem.k = nullptr; }, kInvalid,
     "k is null; it must be a tensor [B,Sk,Hk,D]"},
    {"v_null", [](Small& s) { s.problem.v = nullptr; }, kInvalid,
     "v is null; it must be a tensor [B,Sk,Hk,Dv]"},
    {"shape_null", [](Small& s) { s.q.dl.shape = nullptr; }, kInvalid, "the shape of q is null"},
    {"ndim", [](Small& s) { s.q.dl.ndim = 3; }, kInvalid,
     "q has 3 dimensions; it must have 4: [B,Sq,H,D]"},
    {"ndim_negative", [](Small& s) { s.k.dl.ndim = -1; }, kInvalid,
     "k has -1 dimensions; it must have 4"},
    {"ndim_packed_without_packing", [](Small& s) { pack_q(s), s.problem.cu_seqlens_q = nullptr; },
     kInvalid, "q has 3 dimensions; it must have 4"},
    {"ndim_dense_with_packing", [](Small& s) { s.problem.cu_seqlens_q = &s.three_ints.dl; },
     kInvalid, "q has 4 dimensions; it must have 3: [total_q,H,D]"},
    {"lanes", [](Small& s) { s.q.dl.dtype.lanes = 4; }, kInvalid,
     "q has 4 lanes per element; it must have 1"},
    {"q_int8",
     [](Small& s) {
       s.q.dl.dtype = {kDLInt, 8, 1};
     },
     kUnsupported, "q has dtype int8; served are float32, bfloat16, float16"},
    {"q_unknown_type",
     [](Small& s) {
       s.q.dl.dtype = {10, 8, 1};
     },
     kUnsupported, "q has dtype DLPack type code 10 of 8 bits; served are"},
    {"q_int32", [](Small& s) { s.q.dl.dtype = kInt32; }, kInvalid,
     "q has dtype int32; it must be a floating-point type"},
    {"k_other_type", [](Small& s) { s.k.dl.dtype = kBFloat16; }, kInvalid,
     "k has dtype bfloat16; it must be float32, the dtype of q"},
    {"v_other_type", [](Small& s) { s.v.dl.dtype = kFloat16; }, kInvalid,
     "v has dtype float16; it must be float32, the dtype of q"},
    {"cuda_cpu_backend",
     [](Small& s) {
       s.q.dl.device = s.k.dl.device = s.v.dl.device = {kDLCUDA, 1};
       s.problem.backend = "cpu";
     },
     kUnsupported, "works on host memory; this problem is on CUDA device 1"},
    {"cuda_negative",
     [](Small& s) {
       s.q.dl.device = s.k.dl.device = s.v.dl.device = {kDLCUDA, -1};
     },
     kInvalid, "q is on CUDA device -1; an index must not be negative"},
    {"rocm",
     [](Small& s) {
       s.q.dl.device = s.k.dl.device = s.v.dl.device = {kDLROCM, 0};
     },
     kUnsupported, "q is on ROCm device 0; served are host memory and CUDA devices"},
    {"metal",
     [](Small& s) {
       s.q.dl.device = s.k.dl.device = s.v.dl.device = {kDLMetal, 0};
     },
     kUnsupported, "q is on DLPack device type 8, id 0; served are host memory and CUDA devices"},
    {"two_devices",
     [](Small& s) {
       s.v.dl.device = {kDLCUDA, 0};
     },
     kInvalid, "v is on CUDA device 0, but q is on host memory; all tensors must be on one device"},
    {"negative_extent", [](Small& s) { s.k.shape[1] = -7; }, kInvalid,
     "dimension 1 of k is -7; it must not be negative"},
    {"too_many_elements", [](Small& s) { s.q.shape[0] = s.q.shape[1] = int64_t{1} << 40; },
     kInvalid, "has more elements than a 64-bit integer can count"},
    {"span_too_long", [](Small& s) { s.q.strides[1] = int64_t{1} << 61; }, kInvalid,
     "reaches past the end of a 64-bit address space"},
    {"negative_stride", [](Small& s) { s.q.strides[1] = -64; }, kInvalid,
     "stride 1 of q is -64; negative strides are not served"},
    {"last_stride", [](Small& s) { s.v.strides[3] = 2; }, kInvalid,
     "the last stride of v is 2; it must be 1"},
    {"k_batch", [](Small& s) { s.k.shape[0] = 1; }, kInvalid,
     "k has shape [1,7,2,16]; it must be [2,any,any,16], that is [B,Sk,Hk,D]"},
    {"k_head_dim", [](Small& s) { s.k.shape[3] = 8; }, kInvalid,
     "k has shape [2,7,2,8]; it must be [2,any,any,16]"},
    {"v_rows", [](Small& s) { s.v.shape[1] = 6; }, kInvalid,
     "v has shape [2,6,2,8]; it must be [2,7,2,any], that is [B,Sk,Hk,Dv]"},
    {"v_heads", [](Small& s) { s.v.shape[2] = 1; }, kInvalid,
     "v has shape [2,7,1,8]; it must be [2,7,2,any]"},
    {"heads_not_multiple", [](Small& s) { s.q.shape[2] = 3; }, kInvalid,
     "q has 3 heads and k has 2; H must be a multiple of Hk"},
    {"no_query_heads", [](Small& s) { s.q.shape[2] = 0; }, kInvalid,
     "q has 0 heads; it must have at least 1"},
    {"no_key_heads", [](Small& s) { s.k.shape[2] = s.v.shape[2] = 0; }, kInvalid,
     "k has 0 heads; it must have at least 1"},
    {"head_dim_0", [](Small& s) { s.q.shape[3] = s.k.shape[3] = 0; }, kInvalid,
     "D, the head dim of q and k, is 0; it must be at least 1"},
    {"value_dim_0", [](Small& s) { s.v.shape[3] = 0; }, kInvalid,
     "Dv, the head dim of v, is 0; it must be at least 1"},
};

const Refusal kSequences[] = {
    {"cu_seqlens_int64", [](Small& s) { pack_q(s), s.three_ints.dl.dtype.bits = 64; }, kInvalid,
     "cu_seqlens_q has dtype int64; it must be int32"},
    {"cu_seqlens_empty", [](Small& s) { pack_q(s), s.three_ints.shape[0] = 0; }, kInvalid,
     "cu_seqlens_q has no entry; it must be [B+1]"},
    {"cu_seqlens_ndim",
     [](Small& s) {
       pack_q(s), s.three_ints.reshape({3, 1});
     },
     kInvalid, "cu_seqlens_q has 2 dimensions; it must have 1: [B+1]"},
    {"packed_q_batch", [](Small& s) { pack_q(s), s.three_ints.shape[0] = 2; }, kInvalid,
     "k has shape [2,7,2,16]; it must be [1,any,any,16]"},
    {"packed_k_batch", [](Small& s) { pack_k(s), s.three_ints.shape[0] = 2; }, kInvalid,
     "cu_seqlens_k has shape [2]; it must be [3], that is [B+1]"},
    {"packed_v_rows", [](Small& s) { pack_k(s), s.v.shape[0] = 13; }, kInvalid,
     "v has shape [13,2,8]; it must be [14,2,any], that is [total_k,Hk,Dv]"},
    {"packed_and_paged", [](Small& s) { pack_k(s), page(s); }, kInvalid,
     "page_table and cu_seqlens_k are both set; keys are either paged or packed"},
    {"page_table_batch", [](Small& s) { page(s), s.two_ints.shape[0] = 1; }, kInvalid,
     "page_table has shape [1,1]; it must be [2,any], that is [B,n]"},
    {"page_table_type", [](Small& s) { page(s), s.two_ints.dl.dtype = kFloat32; }, kInvalid,
     "page_table has dtype float32; it must be int32"},
    {"page_size_0", [](Small& s) { page(s), s.k.shape[1] = s.v.shape[1] = 0; }, kInvalid,
     "page_size of k is 0; it must be at least 1"},
    {"query_lengths_shape", [](Small& s) { s.problem.query_lengths = &s.three_ints.dl; }, kInvalid,
     "query_lengths has shape [3]; it must be [2], that is [B]"},
    {"key_lengths_type", [](Small& s) { s.problem.key_lengths = &s.sink.dl; }, kInvalid,
     "key_lengths has dtype float32; it must be int32"},
    {"max_seq_q_negative", [](Small& s) { pack_q(s), s.problem.max_seq_q = -1; }, kInvalid,
     "max_seq_q is -1; it must be 0 (unknown) or the longest length"},
    {"max_seq_k_negative", [](Small& s) { pack_k(s), s.problem.max_seq_k = -2; }, kInvalid,
     "max_seq_k is -2"},
    {"max_seq_q_dense", [](Small& s) { s.problem.max_seq_q = 5; }, kInvalid,
     "max_seq_q is 5, but q is not packed (cu_seqlens_q is null); it must be 0"},
    {"max_seq_k_dense", [](Small& s) { s.problem.max_seq_k = 5; }, kInvalid,
     "max_seq_k is 5, but k is not packed"},
    {"sink_shape", [](Small& s) { s.problem.sink = &s.sink.dl, s.sink.shape[0] = 3; }, kInvalid,
     "sink has shape [3]; it must be [4], that is [H]"},
    {"sink_type", [](Small& s) { s.problem.sink = &s.sink.dl, s.sink.dl.dtype = kFloat16; },
     kInvalid, "sink has dtype float16; it must be float32"},
    {"sink_type_of_16_bits",
     [](Small& s) {
       s.q.dl.dtype = s.k.dl.dtype = s.v.dl.dtype = kBFloat16;
       s.problem.sink = &s.sink.dl, s.sink.dl.dtype = kFloat16;
     },
     kInvalid, "sink has dtype float16; it must be float32 or bfloat16"},
};

const Refusal kOptions[] = {
    {"scale_infinite", [](Small& s) { s.problem.scale = kInfinity; }, kInvalid,
     "scale is inf; it must be finite, or NaN for 1/sqrt(D)"},
    {"softcap_negative", [](Small& s) { s.problem.softcap = -1; }, kInvalid,
     "softcap is -1; it must be 0 (none) or finite and positive"},
    {"softcap_nan", [](Small& s) { s.problem.softcap = NAN; }, kInvalid, "softcap is nan"},
    {"softcap_infinite", [](Small& s) { s.problem.softcap = kInfinity; }, kInvalid,
     "softcap is inf"},
    {"window_left", [](Small& s) { s.problem.window_left = -2; }, kInvalid,
     "window_left is -2; it must be -1 (open) or the number of keys"},
    {"window_right", [](Small& s) { s.problem.window_right = INT64_MIN; }, kInvalid,
     "window_right is -9223372036854775808; it must be -1 (open)"},
    {"causal_value", [](Small& s) { s.problem.causal = 2; }, kInvalid,
     "causal is 2; it must lie between 0 and 1"},
    {"causal_and_right", [](Small& s) { s.problem.causal = 1, s.problem.window_right = 3; },
     kInvalid, "causal is 1 and window_right is 3, which contradict each other"},
    {"num_splits", [](Small& s) { s.problem.num_splits = -1; }, kInvalid,
     "num_splits is -1; it must lie between 0 and 4096"},
    {"num_splits_many", [](Small& s) { s.problem.num_splits = 4097; }, kInvalid,
     "num_splits is 4097"},
    {"deterministic", [](Small& s) { s.problem.deterministic = -1; }, kInvalid,
     "deterministic is -1; it must lie between 0 and 1"},
    {"batch_invariant", [](Small& s) { s.problem.batch_invariant = 7; }, kInvalid,
     "batch_invariant is 7; it must lie between 0 and 1"},
    {"num_threads", [](Small& s) { s.problem.num_threads = -3; }, kInvalid,
     "num_threads is -3; it must lie between 0 and 1024"},
    {"reserved", [](Small& s) { s.problem.reserved = 1; }, kInvalid, "reserved is 1; it must be 0"},
    {"bias", [](Small& s) { s.problem.bias = &s.q.dl; }, kUnsupported,
     "bias is set, but no backend of this version serves an additive bias; it must be null"},
    {"q_scale", [](Small& s) { s.problem.q_scale = &s.q.dl; }, kUnsupported,
     "q_scale is set, but no backend of this version serves fp8 inputs"},
    {"k_scale", [](Small& s) { s.problem.k_scale = &s.q.dl; }, kUnsupported,
     "k_scale is set, but no backend"},
    {"v_scale", [](Small& s) { s.problem.v_scale = &s.q.dl; }, kUnsupported,
     "v_scale is set, but no backend"},
    {"score_function", [](Small& s) { s.problem.score_function = "S"; }, kUnsupported,
     "score_function is set, but no backend of this version serves score functions"},
    {"mask_function", [](Small& s) { s.problem.mask_function = "1"; }, kUnsupported,
     "mask_function is set, but no backend of this version serves mask functions"},
    {"device", [](Small& s) { s.problem.device = "tpu:0"; }, kUnsupported,
     "device is \"tpu:0\"; it must be null (the tensors' device), cpu, cuda:N or one of sm_80, "},
    {"device_index", [](Small& s) { s.problem.device = "cuda:0x"; }, kUnsupported,
     "device is \"cuda:0x\"; it must be null"},
    {"backend_unknown", [](Small& s) { s.problem.backend = "fast"; }, kInvalid,
     "backend \"fast\" is unknown; it must be auto or one of gpu, cpu, reference, plain"},
    {"backend_gpu", [](Small& s) { s.problem.backend = "gpu"; }, kUnsupported,
     "gpu/sm80: the tensors are in host memory; backend \"gpu\" works on those of a CUDA device"},
    {"backend_emulated", [](Small& s) { s.problem.backend = "emulated:sm_70"; }, kInvalid,
     "backend \"emulated:sm_70\" is unknown"},
    {"kernel_unknown", [](Small& s) { s.problem.kernel = "fast"; }, kInvalid,
     "kernel \"fast\" is unknown; it must be auto or one of "},
    {"kernel_of_another_backend",
     [](Small& s) { s.problem.backend = "cpu", s.problem.kernel = "double"; }, kInvalid,
     "kernel \"double\" is unknown in backend \"cpu\"; it must be auto or one of "},
    {"kernel_sm80", [](Small& s) { s.problem.kernel = "sm80"; }, kUnsupported,
     "gpu/sm80: the tensors are in host memory"},
    {"kernel_sm90", [](Small& s) { s.problem.kernel = "sm90"; }, kUnsupported,
     "kernel \"sm90\" is a GPU kernel"},
    {"kernel_sm100", [](Small& s) { s.problem.kernel = "sm100"; }, kUnsupported,
     "gpu/sm100: the tensors are in host memory"},
};

class ProblemRefusal : public testing::TestWithParam<Refusal> {};

TEST_P(ProblemRefusal, NamesTheArgument) {
  Small small;
  GetParam().bend(small);
  EXPECT_TRUE(refused(fa4_supports(&small.problem, FA4_PASS_FORWARD), GetParam().status,
                      GetParam().sentence));
  fa4_plan* plan = nullptr;
  EXPECT_TRUE(refused(fa4_plan_create(&small.problem, FA4_PASS_FORWARD, &plan), GetParam().status,
                      GetParam().sentence));
  EXPECT_EQ(plan, nullptr);
  EXPECT_TRUE(refused(small.run_forward(), GetParam().status, GetParam().sentence));
}

INSTANTIATE_TEST_SUITE_P(tensors, ProblemRefusal, testing::ValuesIn(kTensors),
                         name_of_refusal<Refusal>);
INSTANTIATE_TEST_SUITE_P(sequences, ProblemRefusal, testing::ValuesIn(kSequences),
                         name_of_refusal<Refusal>);
INSTANTIATE_TEST_SUITE_P(options, ProblemRefusal, testing::ValuesIn(kOptions),
                         name_of_refusal<Refusal>);

TEST(Refusal, PagedBackwardIsUnsupported) {
  Small small;
  page(small);
  EXPECT_TRUE(refused(fa4_supports(&small.problem, FA4_PASS_BACKWARD), FA4_ERROR_UNSUPPORTED,
                      "page_table is set; paged keys and values have no backward"));
  EXPECT_TRUE(succeeded(fa4_supports(&small.problem, FA4_PASS_FORWARD)));
}

TEST(Refusal, UnknownPass) {
  Small small;
  const auto pass = static_cast<fa4_pass>(2);
  EXPECT_TRUE(refused(fa4_supports(&small.problem, pass), FA4_ERROR_INVALID_ARGUMENT,
                      "pass is 2; it must be FA4_PASS_FORWARD or FA4_PASS_BACKWARD"));
}

}  // namespace
}  // namespace fa4::test
