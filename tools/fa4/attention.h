// SPDX-License-Identifier: Apache-2.0
// Tensors and options of one attention problem, and how the library is called on them.
#pragma once

#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fa4/fa4.h"
#include "mirror.h"
#include "tensor.h"

namespace fa4::cli {

struct Options {
  std::string backend = "auto";
  std::string kernel = "auto";
  std::string device;  // empty: the host, or with backend gpu its first CUDA device
  double scale = std::numeric_limits<double>::quiet_NaN();
  double softcap = 0;
  int64_t window_left = -1;
  int64_t window_right = -1;
  bool causal = false;
  int32_t num_threads = 0;
  int32_t num_splits = 0;
  bool deterministic = false;
  int64_t max_seq_q = 0;  // of packed sequences
  int64_t max_seq_k = 0;
};

struct Inputs {
  Tensor q, k, v;
  std::optional<Tensor> cu_seqlens_q, cu_seqlens_k, query_lengths, key_lengths, page_table, sink;
  std::optional<Tensor> dout, dlse;
};

struct Results {
  Tensor out, lse;
  double lse_limit = 2e-5;  // of the accuracy rule, for the kernel that gave them
  std::optional<Tensor> dq, dk, dv, dsink;
};

// Sizes of a problem that a plan has accepted.
struct Sizes {
  int64_t batch, heads, kv_heads, head_dim, value_dim;
  int64_t query_rows;  // of all sequences: B * Sq or total_q
  int64_t key_rows;    // B * Sk, total_k or pages * page_size
  int64_t seq_q;       // Sq; 0 when packed
  int64_t seq_k;       // Sk; 0 when packed
};
Sizes sizes_of(const Inputs& inputs);

// The rows of a sequence that count, as rows of the tensors flattened to [rows, heads, dim].
struct Sequence {
  int64_t query_begin, query_length;
  int64_t key_begin, key_length;  // key_begin means nothing for paged keys
};
std::vector<Sequence> sequences_of(const Inputs& inputs);

// Pairs of a query and a key that it sees, over batch and heads.
double visible_pairs(const Inputs& inputs, const Options& options);
// Floating-point operations of the matrix products.
double flops_of(const Inputs& inputs, const Options& options, fa4_pass pass);

// Where the tensors of a run are.
DLDevice device_of(const Options& options);

// A fa4_problem over tensors that must outlive it and stay where they are. On a device it holds copies of them.
class BoundProblem {
 public:
  BoundProblem(const Inputs& inputs, const Options& options);
  BoundProblem(const BoundProblem&) = delete;
  BoundProblem& operator=(const BoundProblem&) = delete;
  const fa4_problem* get() const { return &problem_; }

  bool on_device() const { return mirror_ != nullptr; }
  Mirror& mirror() const { return *mirror_; }
  // On a device, the name of an input whose copy there was written to, or "".
  std::string written_input() const;

 private:
  const DLTensor* bind(const Tensor& tensor);
  const DLTensor* bind(const std::optional<Tensor>& tensor) {
    return tensor ? bind(*tensor) : nullptr;
  }

  std::string backend_, kernel_, device_;
  std::unique_ptr<Mirror> mirror_;
  std::vector<const Tensor*> inputs_;
  std::vector<DLTensor> views_;
  fa4_problem problem_;
};

class Plan {
 public:
  Plan(const BoundProblem& problem, fa4_pass pass);
  ~Plan() { fa4_plan_destroy(plan_); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  const fa4_plan* get() const { return plan_; }
  const std::string& backend() const { return backend_; }
  const std::string& kernel() const { return kernel_; }
  const std::string& why() const { return why_; }
  int threads() const { return threads_; }
  // What the accuracy rule allows of lse: 2e-4 where part of the exponentials is a polynomial of degree 3.
  double lse_limit() const { return lse_limit_; }
  size_t workspace_bytes() const { return fa4_plan_workspace_size(plan_); }

 private:
  fa4_plan* plan_ = nullptr;
  std::string backend_, kernel_, why_;
  int threads_ = 0;
  double lse_limit_ = 2e-5;
};

// Where results lie in memory; what is absent is compact.
struct ResultLayouts {
  Layout out, lse, dq, dk, dv, dsink;
};

Results make_forward_results(const Inputs& inputs, const ResultLayouts& layouts = {});
void add_gradients(const Inputs& inputs, const ResultLayouts& layouts, Results* results);

// One pass on tensors that stay where they are, to be run as often as wanted. On the host the workspace may be
// null: the library then allocates its own. On a device there is always one, poisoned and guarded.
class PassRun {
 public:
  PassRun(const Plan& plan, const BoundProblem& problem, const Results& results,
          std::span<std::byte> workspace = {});  // the forward
  PassRun(const Plan& plan, const BoundProblem& problem, const Inputs& inputs,
          const Results& results, std::span<std::byte> workspace = {});  // the backward
  PassRun(const PassRun&) = delete;
  PassRun& operator=(const PassRun&) = delete;

  void operator()() const;
  // Brings results back to the host. Fails if something was written that is nobody's result.
  void fetch() const;
  size_t workspace_bytes() const { return workspace_size_; }

 private:
  const DLTensor* bind(const Tensor& tensor, bool is_result);
  void find_workspace(std::span<std::byte> workspace);

  const Plan& plan_;
  const BoundProblem& problem_;
  bool backward_;
  std::deque<DLTensor> views_;
  std::vector<const Tensor*> results_;
  fa4_forward_tensors forward_tensors_{};
  fa4_backward_tensors backward_tensors_{};
  std::optional<DeviceWorkspace> device_workspace_;
  void* workspace_ = nullptr;
  size_t workspace_size_ = 0;
};

// Runs once and fetches.
void run_forward(const Plan& plan, const BoundProblem& problem, const Results& results,
                 std::span<std::byte> workspace = {});
void run_backward(const Plan& plan, const BoundProblem& problem, const Inputs& inputs,
                  const Results& results, std::span<std::byte> workspace = {});

// Everything at once, compact results; the backward when there is a dout.
Results compute(const Inputs& inputs, const Options& options);

// Compact copies, floating-point tensors as `type`.
Inputs convert(const Inputs& inputs, ElementType type);
// The problem of `count` key/value heads and the query heads that use them.
Inputs slice_heads(const Inputs& inputs, int64_t kv_head, int64_t count);
Results slice_heads(const Inputs& inputs, const Results& results, int64_t kv_head, int64_t count);

}  // namespace fa4::cli
