// SPDX-License-Identifier: Apache-2.0
/* fa4: exact attention, forward and backward. The C API: the whole of the ABI.
 *
 * A caller describes a problem (fa4_problem), a plan is made of it (fa4_plan), and the plan is run as
 * often as wanted. Symbols: B batch, Sq/Sk query/key length, H query heads, Hk key/value heads
 * (H a multiple of Hk), D head dim of q and k, Dv of v.
 *
 *   S = scale * q k^T, softcap: c*tanh(S/c), mask, softmax (with an optional sink logit), out = P v
 *
 * Every call returns a status; on failure fa4_last_error() is one sentence that names the argument,
 * what it was and what is allowed. Nothing is silently copied, cast, replaced or lost.
 *
 * ABI promise: within one soname (libfa4.so.0) functions are only added and structs only grow at their
 * end. A struct begins with its size, so an older caller's struct is understood, and a newer caller's
 * is accepted when what this library does not know in it is all zero; anything else is refused.
 * All functions are safe to call from several threads; a plan may be run by several threads at once if
 * each brings its own workspace.
 */
#ifndef FA4_FA4_H_
#define FA4_FA4_H_

#include <dlpack/dlpack.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FA4_VERSION_MAJOR 0
#define FA4_VERSION_MINOR 1
#define FA4_VERSION_PATCH 0

#if defined(__GNUC__)
#define FA4_API __attribute__((visibility("default")))
#else
#define FA4_API
#endif

#ifdef __cplusplus
#define FA4_ENUM_TYPE : int /* in C++ too, an enum may then hold any int that a caller passes */
extern "C" {
#else
#define FA4_ENUM_TYPE
#endif

typedef enum fa4_status FA4_ENUM_TYPE {
  FA4_OK = 0,
  FA4_ERROR_INVALID_ARGUMENT = 1, /* can never be right: shapes that disagree, a null pointer */
  FA4_ERROR_UNSUPPORTED = 2,      /* right, but nothing here serves it; the sentence says why */
  FA4_ERROR_OUT_OF_MEMORY = 3,
  FA4_ERROR_DEVICE = 4,  /* a driver, compiler or device failed */
  FA4_ERROR_INTERNAL = 5 /* a mistake of this library */
} fa4_status;

typedef enum fa4_pass FA4_ENUM_TYPE { FA4_PASS_FORWARD = 0, FA4_PASS_BACKWARD = 1 } fa4_pass;

/* What is computed and on what. Initialise with fa4_problem_init, then set what differs.
 *
 * Tensors are DLPack's, in host memory or on one CUDA device, all of them. Strides are in elements and may be
 * anything from 0 up (broadcast inputs), the last one 1; null strides mean compact row-major. At plan
 * time only dtype, shape, strides, device and the alignment of `data` are read. Null `data` counts as aligned to
 * 16 bytes; a run of q, k and v that are aligned to less than planned is refused (on devices).
 */
typedef struct fa4_problem {
  size_t struct_size; /* sizeof(fa4_problem) */

  /* Dense:  q [B,Sq,H,D], k [B,Sk,Hk,D], v [B,Sk,Hk,Dv].
   * Packed: q [total_q,H,D] with cu_seqlens_q; k [total_k,Hk,D], v [total_k,Hk,Dv] with cu_seqlens_k.
   * Paged:  k [pages,page_size,Hk,D], v [pages,page_size,Hk,Dv] with page_table (forward only).
   * float32, bfloat16 or float16, one type for all three; float64 in backend "reference". */
  const DLTensor* q;
  const DLTensor* k;
  const DLTensor* v;

  /* Optional, int32. Sequence b is rows cu_seqlens[b] to cu_seqlens[b+1] of the packed tensor. */
  /* In host memory they are checked. On a device they are not read by the host: values that point out of the
   * tensors are taken for the nearest that do not. */
  const DLTensor* cu_seqlens_q; /* [B+1] */
  const DLTensor* cu_seqlens_k; /* [B+1] */
  /* Optional, int32 [B]: only the first query_lengths[b] / key_lengths[b] rows of sequence b count. */
  const DLTensor* query_lengths;
  const DLTensor* key_lengths;
  /* Optional, int32 [B,n]: row j of sequence b is row j % page_size of page page_table[b, j / page_size];
   * Sk = n * page_size, shortened by key_lengths. Entries beyond a length are never read. */
  const DLTensor* page_table;

  /* Optional, [H], float32 or q's type: a logit per head that joins the softmax denominator. */
  const DLTensor* sink;

  /* Not served yet by any backend; a non-null value is refused with the reason. */
  const DLTensor* bias;       /* [B or 1, H or 1, Sq or 1, Sk], added to S before the mask */
  const DLTensor* q_scale;    /* float32 [B,Hk]: fp8 descale factors */
  const DLTensor* k_scale;    /* float32 [B,Hk] */
  const DLTensor* v_scale;    /* float32 [B,Hk] */
  const char* score_function; /* source text: S(b, h, i, j) -> S */
  const char* mask_function;  /* source text: (b, h, i, j) -> visible */

  double scale;   /* NaN (what fa4_problem_init sets): 1/sqrt(D) */
  double softcap; /* 0: none; otherwise finite and > 0 */

  /* Key j is visible to query i when i+Sk-Sq-window_left <= j <= i+Sk-Sq+window_right, aligned to the
   * bottom right, with the sequence's own lengths. -1 is open. */
  int64_t window_left;
  int64_t window_right;
  int32_t causal; /* 1: the same as window_right = 0 */

  int32_t num_splits;      /* key splits of the forward, at most 4096; 0: the plan chooses */
  int32_t deterministic;   /* 1: gradients are bit-equal over runs, or the plan is refused */
  int32_t batch_invariant; /* 1: a row's result does not depend on what else is in the batch */
  int32_t num_threads;     /* host backends, at most 1024; 0: OpenMP's choice at planning */
  int32_t reserved;        /* 0 */

  /* Upper bounds of a packed sequence's length, for planning; 0: unknown, the total is taken. A longer
   * sequence at run time is an error. */
  int64_t max_seq_q;
  int64_t max_seq_k;

  const char*
      backend; /* null or "auto"; "gpu", "cpu", "reference", "plain", "emulated:sm_80" (the GPU kernels on the
                          PTX machine, tensors in host memory): a name is a command */
  const char* kernel; /* null or "auto"; a kernel's name as fa4_info() lists them: a command too */
  const char*
      device; /* null: the tensors' device; "cpu", "cuda:1", or an architecture that is not here,
                          "sm_120": then the plan can be printed and its kernels looked at, but not run */
} fa4_problem;

static inline void fa4_problem_init(fa4_problem* problem) {
  memset(problem, 0, sizeof(*problem));
  problem->struct_size = sizeof(*problem);
  problem->scale = NAN;
  problem->window_left = -1;
  problem->window_right = -1;
}

/* Results of the forward. Every row is written: one that sees no key, or that lies at or beyond its
 * sequence's length, or in no sequence, gets out 0 and lse -inf (or the sink, if it is a row of a
 * sequence). No output may overlap an input or another output. */
typedef struct fa4_forward_tensors {
  size_t struct_size;
  const DLTensor* out; /* q's type, [B,Sq,H,Dv]; packed [total_q,H,Dv] */
  const DLTensor* lse; /* optional, float32 (float64 for float64 inputs), [B,H,Sq]; packed
                          [H,total_q]: natural log of the softmax denominator, sink included */
} fa4_forward_tensors;

/* Inputs and results of the backward. Gradients have the type of what they belong to; rows of no
 * sequence, or at or beyond its length, get 0. */
typedef struct fa4_backward_tensors {
  size_t struct_size;
  const DLTensor* dout;  /* like out */
  const DLTensor* out;   /* what the forward gave */
  const DLTensor* lse;   /* what the forward gave */
  const DLTensor* dlse;  /* optional, like lse: gradient with respect to lse */
  const DLTensor* dq;    /* like q */
  const DLTensor* dk;    /* like k */
  const DLTensor* dv;    /* like v */
  const DLTensor* dsink; /* optional, [H], float32 (float64 for float64 inputs); needs a sink */
} fa4_backward_tensors;

/* Partial results over disjoint sets of keys, merged into one (split K/V, ring attention, a shared
 * prefix): out = sum_s exp(lse_s - lse) out_s, lse = log(sum_s exp(lse_s)). Host memory. */
typedef struct fa4_combine_tensors {
  size_t struct_size;
  const DLTensor* out_partial; /* [splits,B,Sq,H,Dv]; packed [splits,total_q,H,Dv]; 32 or 16 bits */
  const DLTensor* lse_partial; /* [splits,B,H,Sq];    packed [splits,H,total_q];    float32 */
  const DLTensor* out; /* [B,Sq,H,Dv]; packed [total_q,H,Dv]; float32 or the partials' type */
  const DLTensor* lse; /* optional, [B,H,Sq]; packed [H,total_q]; float32 */
} fa4_combine_tensors;

/* "0.1.0" */
FA4_API const char* fa4_version(void);

/* Why the last call on this thread that failed did so. Never null; "" when none failed. Valid until
 * this thread's next call. */
FA4_API const char* fa4_last_error(void);

/* "ok", "invalid argument", … Never null. */
FA4_API const char* fa4_status_name(fa4_status status);

/* What is here, as a JSON object: version, backends, the kernels of each with whether they run here and
 * why not, devices, threads. Valid for the life of the process. */
FA4_API const char* fa4_info(void);

/* FA4_OK when some backend (or the one that is named) serves the problem; otherwise the reason. */
FA4_API fa4_status fa4_supports(const fa4_problem* problem, fa4_pass pass);

/* A plan: backend chosen, kernel ready. Holds no reference to the problem or its tensors. */
typedef struct fa4_plan fa4_plan;
FA4_API fa4_status fa4_plan_create(const fa4_problem* problem, fa4_pass pass, fa4_plan** plan);
FA4_API void fa4_plan_destroy(fa4_plan* plan); /* null is fine */

/* The plan as a JSON object: backend, kernel, reason, tiles, grid, workspace, work, on GPUs with tensor memory the
 * roofline (cycles of each unit for a tile), and every candidate that declined with its reason. Valid for the life of the plan; null only for a null plan. */
FA4_API const char* fa4_plan_describe(const fa4_plan* plan);

/* Bytes of workspace that a run needs, on the plan's device, aligned to 256. 0 for a null plan. */
FA4_API size_t fa4_plan_workspace_size(const fa4_plan* plan);

/* Run a plan on tensors that have the dtypes, shapes and strides it was made for. The workspace may hold
 * anything. On host backends it may be null, and is then allocated for the call; on a device it is the caller's
 * and on that device. `stream` is the device's stream (CUstream; null: the default stream) and null on host
 * backends. On a device the call returns when the work is in the stream: it allocates nothing, waits for nothing
 * and may be captured in a graph. */
FA4_API fa4_status fa4_forward(const fa4_plan* plan, const fa4_problem* problem,
                               const fa4_forward_tensors* tensors, void* workspace,
                               size_t workspace_size, void* stream);
FA4_API fa4_status fa4_backward(const fa4_plan* plan, const fa4_problem* problem,
                                const fa4_backward_tensors* tensors, void* workspace,
                                size_t workspace_size, void* stream);

/* One-shot: the same over a small cache of plans. On a device the workspace comes from a pool of the library, in
 * the order of the stream. */
FA4_API fa4_status fa4_attention_forward(const fa4_problem* problem,
                                         const fa4_forward_tensors* tensors, void* stream);
FA4_API fa4_status fa4_attention_backward(const fa4_problem* problem,
                                          const fa4_backward_tensors* tensors, void* stream);

FA4_API fa4_status fa4_combine(const fa4_combine_tensors* tensors, void* stream);

/* The code of a plan's kernels, as fa4_plan_describe lists them: `kind` is "source" (what is handed to the
 * compiler), "ptx", "cubin" or "log" (what the assembler said of registers and spills). Valid for the life of the
 * plan. */
FA4_API fa4_status fa4_plan_artifact(const fa4_plan* plan, size_t kernel, const char* kind,
                                     const void** data, size_t* size);

/* Kernels ahead of time: those of every problem and pass for every architecture, compiled in parallel into one
 * file. Where FA4_PACK names it, no compiler is needed. */
typedef struct fa4_pack_options {
  size_t struct_size;
  const char* path;                   /* appears whole or not at all */
  const fa4_problem* const* problems; /* [num_problems] */
  const fa4_pass* passes;             /* [num_problems] */
  size_t num_problems;
  const char* const* archs; /* [num_archs], "sm_80" */
  size_t num_archs;
  int32_t num_threads; /* 0: as many as there are processors */
  int32_t reserved;    /* 0 */
  /* Optional: told after each kernel, from any thread, one at a time. */
  void (*progress)(void* context, size_t done, size_t total, const char* kernel);
  void* context;
} fa4_pack_options;
FA4_API fa4_status fa4_pack_create(const fa4_pack_options* options);

/* Memory, copies and time on a device, for programs that have no framework for them. Copies wait; one side is
 * host memory. */
FA4_API fa4_status fa4_device_allocate(DLDevice device, size_t size, void** data);
FA4_API fa4_status fa4_device_free(DLDevice device, void* data); /* null is fine */
FA4_API fa4_status fa4_device_copy(DLDevice to_device, void* to, DLDevice from_device,
                                   const void* from, size_t size);
FA4_API fa4_status fa4_device_synchronize(DLDevice device, void* stream);

typedef struct fa4_event fa4_event;
FA4_API fa4_status fa4_event_create(DLDevice device, fa4_event** event);
FA4_API void fa4_event_destroy(fa4_event* event); /* null is fine */
FA4_API fa4_status fa4_event_record(fa4_event* event, void* stream);
/* Milliseconds between two recorded events; waits for `stop`. */
FA4_API fa4_status fa4_event_elapsed(fa4_event* start, fa4_event* stop, double* milliseconds);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* FA4_FA4_H_ */
