// SPDX-License-Identifier: Apache-2.0
#include "attention.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "error.h"
#include "json.h"

namespace fa4::cli {
namespace {

int64_t product(const Tensor& tensor, int dimensions) {
  int64_t result = 1;
  for (int i = 0; i < dimensions; ++i) result *= tensor.size(i);
  return result;
}

int64_t integer(const Tensor& tensor, int64_t index) {
  return static_cast<int64_t>(tensor.value(index));
}

// One side of a sequence: {first row, length}.
std::pair<int64_t, int64_t> span_of(const std::optional<Tensor>& cu_seqlens,
                                    const std::optional<Tensor>& lengths, int64_t batch,
                                    int64_t dense_length) {
  std::pair<int64_t, int64_t> span{batch * dense_length, dense_length};
  if (cu_seqlens) {
    span.first = integer(*cu_seqlens, batch);
    span.second = integer(*cu_seqlens, batch + 1) - span.first;
  }
  if (lengths) span.second = integer(*lengths, batch);
  return span;
}

double pairs_of(const Sequence& sequence, const Options& options) {
  const int64_t right = options.causal ? 0 : options.window_right;
  const int64_t shift = sequence.key_length - sequence.query_length;
  double pairs = 0;
  for (int64_t i = 0; i < sequence.query_length; ++i) {
    const int64_t begin = options.window_left < 0 ? 0 : i + shift - options.window_left;
    const int64_t end = right < 0 ? sequence.key_length : i + shift + right + 1;
    pairs += static_cast<double>(
        std::max<int64_t>(0, std::min(end, sequence.key_length) - std::max<int64_t>(begin, 0)));
  }
  return pairs;
}

Shape lse_shape(const Inputs& inputs) {
  const Sizes sizes = sizes_of(inputs);
  if (inputs.cu_seqlens_q) return {sizes.heads, sizes.query_rows};
  return {sizes.batch, sizes.heads, sizes.seq_q};
}

Shape with_last(const Shape& shape, int64_t last) {
  Shape result = shape;
  result.back() = last;
  return result;
}

ElementType wide_type(const Inputs& inputs) {
  return inputs.q.type() == ElementType::Float64 ? ElementType::Float64 : ElementType::Float32;
}

std::optional<Tensor> converted(const std::optional<Tensor>& tensor, ElementType type) {
  if (!tensor) return std::nullopt;
  return compact_copy(*tensor, type);
}

std::optional<Tensor> sliced(const std::optional<Tensor>& tensor, int dimension, int64_t begin,
                             int64_t count) {
  if (!tensor) return std::nullopt;
  return slice(*tensor, dimension, begin, count);
}

}  // namespace

Sizes sizes_of(const Inputs& inputs) {
  const Tensor &q = inputs.q, &k = inputs.k;
  Sizes sizes{};
  sizes.heads = q.size(q.rank() - 2);
  sizes.kv_heads = k.size(k.rank() - 2);
  sizes.head_dim = q.row_length();
  sizes.value_dim = inputs.v.row_length();
  sizes.query_rows = product(q, q.rank() - 2);
  sizes.key_rows = product(k, k.rank() - 2);
  sizes.batch = inputs.cu_seqlens_q ? inputs.cu_seqlens_q->size(0) - 1 : q.size(0);
  sizes.seq_q = inputs.cu_seqlens_q ? 0 : q.size(1);
  if (inputs.page_table) {
    sizes.seq_k = inputs.page_table->size(1) * k.size(1);
  } else {
    sizes.seq_k = inputs.cu_seqlens_k ? 0 : k.size(1);
  }
  return sizes;
}

std::vector<Sequence> sequences_of(const Inputs& inputs) {
  const Sizes sizes = sizes_of(inputs);
  std::vector<Sequence> sequences;
  for (int64_t b = 0; b < sizes.batch; ++b) {
    const auto query = span_of(inputs.cu_seqlens_q, inputs.query_lengths, b, sizes.seq_q);
    const auto key = span_of(inputs.cu_seqlens_k, inputs.key_lengths, b, sizes.seq_k);
    sequences.push_back({query.first, query.second, key.first, key.second});
  }
  return sequences;
}

double visible_pairs(const Inputs& inputs, const Options& options) {
  double pairs = 0;
  for (const Sequence& sequence : sequences_of(inputs)) pairs += pairs_of(sequence, options);
  return pairs * static_cast<double>(sizes_of(inputs).heads);
}

double flops_of(const Inputs& inputs, const Options& options, fa4_pass pass) {
  const auto head_dim = static_cast<double>(inputs.q.row_length());
  const auto value_dim = static_cast<double>(inputs.v.row_length());
  const double per_pair =
      pass == FA4_PASS_FORWARD ? 2 * (head_dim + value_dim) : 6 * head_dim + 4 * value_dim;
  return visible_pairs(inputs, options) * per_pair;
}

DLDevice device_of(const Options& options) {
  const std::string device =
      options.device.empty() && options.backend == "gpu" ? "cuda:0" : options.device;
  constexpr std::string_view kCuda = "cuda:";
  int index = 0;
  if (!device.starts_with(kCuda)) return kHost;
  const char* const end = device.data() + device.size();
  const auto [stopped, error] = std::from_chars(device.data() + kCuda.size(), end, index);
  if (error != std::errc() || stopped != end || index < 0) {
    bad_input("--device is {}; it must be cpu, cuda:N or, for plan, an architecture",
              printable(device));
  }
  return {kDLCUDA, index};
}

BoundProblem::BoundProblem(const Inputs& inputs, const Options& options)
    : backend_(options.backend), kernel_(options.kernel), device_(options.device) {
  const DLDevice device = device_of(options);
  if (device.device_type != kDLCPU) mirror_ = std::make_unique<Mirror>(device);
  constexpr size_t kMostTensors = 9;
  views_.reserve(kMostTensors);
  fa4_problem_init(&problem_);
  problem_.q = bind(inputs.q);
  problem_.k = bind(inputs.k);
  problem_.v = bind(inputs.v);
  problem_.cu_seqlens_q = bind(inputs.cu_seqlens_q);
  problem_.cu_seqlens_k = bind(inputs.cu_seqlens_k);
  problem_.query_lengths = bind(inputs.query_lengths);
  problem_.key_lengths = bind(inputs.key_lengths);
  problem_.page_table = bind(inputs.page_table);
  problem_.sink = bind(inputs.sink);
  problem_.scale = options.scale;
  problem_.softcap = options.softcap;
  problem_.window_left = options.window_left;
  problem_.window_right = options.window_right;
  problem_.causal = options.causal;
  problem_.num_splits = options.num_splits;
  problem_.deterministic = options.deterministic;
  problem_.num_threads = options.num_threads;
  problem_.max_seq_q = options.max_seq_q;
  problem_.max_seq_k = options.max_seq_k;
  problem_.backend = backend_.c_str();
  problem_.kernel = kernel_.c_str();
  problem_.device = device_.empty() ? nullptr : device_.c_str();
}

const DLTensor* BoundProblem::bind(const Tensor& tensor) {
  views_.push_back(mirror_ ? mirror_->add(tensor) : tensor.dlpack());
  inputs_.push_back(&tensor);
  return &views_.back();
}

std::string BoundProblem::written_input() const {
  for (size_t i = 0; i < inputs_.size() && mirror_ != nullptr; ++i) {
    if (mirror_->differs(*inputs_[i])) return fmt::format("tensor {} of the problem", i);
  }
  return "";
}

Plan::Plan(const BoundProblem& problem, fa4_pass pass) {
  check(fa4_plan_create(problem.get(), pass, &plan_));
  const auto facts = Json::parse(fa4_plan_describe(plan_));
  backend_ = facts.value("backend", "");
  kernel_ = facts.value("kernel", "");
  why_ = facts.value("why", "");
  threads_ = facts.value("threads", 0);
  const Json roofline = facts.value("roofline", Json::object());
  if (roofline.value("fma_share", 0.0) > 0) lse_limit_ = 2e-4;
}

Results make_forward_results(const Inputs& inputs, const ResultLayouts& layouts) {
  Results results;
  results.out =
      Tensor(inputs.q.type(), with_last(inputs.q.shape(), inputs.v.row_length()), layouts.out);
  results.lse = Tensor(wide_type(inputs), lse_shape(inputs), layouts.lse);
  return results;
}

void add_gradients(const Inputs& inputs, const ResultLayouts& layouts, Results* results) {
  const ElementType type = inputs.q.type();
  results->dq.emplace(type, inputs.q.shape(), layouts.dq);
  results->dk.emplace(type, inputs.k.shape(), layouts.dk);
  results->dv.emplace(type, inputs.v.shape(), layouts.dv);
  if (inputs.sink) results->dsink.emplace(wide_type(inputs), inputs.sink->shape(), layouts.dsink);
}

Results compute(const Inputs& inputs, const Options& options) {
  const BoundProblem problem(inputs, options);
  const Plan forward(problem, FA4_PASS_FORWARD);
  Results results = make_forward_results(inputs);
  results.lse_limit = forward.lse_limit();
  run_forward(forward, problem, results);
  if (!inputs.dout) return results;
  const Plan backward(problem, FA4_PASS_BACKWARD);
  add_gradients(inputs, {}, &results);
  run_backward(backward, problem, inputs, results);
  return results;
}

Inputs convert(const Inputs& inputs, ElementType type) {
  const ElementType wide = type == ElementType::Float64 ? type : ElementType::Float32;
  Inputs copy;
  copy.q = compact_copy(inputs.q, type);
  copy.k = compact_copy(inputs.k, type);
  copy.v = compact_copy(inputs.v, type);
  copy.cu_seqlens_q = converted(inputs.cu_seqlens_q, type);
  copy.cu_seqlens_k = converted(inputs.cu_seqlens_k, type);
  copy.query_lengths = converted(inputs.query_lengths, type);
  copy.key_lengths = converted(inputs.key_lengths, type);
  copy.page_table = converted(inputs.page_table, type);
  copy.sink = converted(inputs.sink, wide);
  copy.dout = converted(inputs.dout, type);
  copy.dlse = converted(inputs.dlse, wide);
  return copy;
}

Inputs slice_heads(const Inputs& inputs, int64_t kv_head, int64_t count) {
  const Sizes sizes = sizes_of(inputs);
  const int64_t group = sizes.heads / sizes.kv_heads;
  const int64_t head = kv_head * group, heads = count * group;
  const int q_heads_at = inputs.q.rank() - 2, k_heads_at = inputs.k.rank() - 2;
  Inputs part;
  part.q = slice(inputs.q, q_heads_at, head, heads);
  part.k = slice(inputs.k, k_heads_at, kv_head, count);
  part.v = slice(inputs.v, k_heads_at, kv_head, count);
  part.cu_seqlens_q = converted(inputs.cu_seqlens_q, ElementType::Int32);
  part.cu_seqlens_k = converted(inputs.cu_seqlens_k, ElementType::Int32);
  part.query_lengths = converted(inputs.query_lengths, ElementType::Int32);
  part.key_lengths = converted(inputs.key_lengths, ElementType::Int32);
  part.page_table = converted(inputs.page_table, ElementType::Int32);
  if (inputs.sink) {  // one dimension, which slice() takes for a row
    Tensor sink(inputs.sink->type(), {heads});
    std::copy_n(inputs.sink->row(0) + head * size_of(sink.type()), sink.num_bytes(), sink.row(0));
    part.sink = std::move(sink);
  }
  part.dout = sliced(inputs.dout, q_heads_at, head, heads);
  if (inputs.dlse) part.dlse = slice(*inputs.dlse, inputs.dlse->rank() - 2, head, heads);
  return part;
}

Results slice_heads(const Inputs& inputs, const Results& results, int64_t kv_head, int64_t count) {
  const Sizes sizes = sizes_of(inputs);
  const int64_t group = sizes.heads / sizes.kv_heads;
  const int64_t head = kv_head * group, heads = count * group;
  const int q_heads_at = inputs.q.rank() - 2, k_heads_at = inputs.k.rank() - 2;
  Results part;
  part.out = slice(results.out, q_heads_at, head, heads);
  part.lse = slice(results.lse, results.lse.rank() - 2, head, heads);
  part.dq = sliced(results.dq, q_heads_at, head, heads);
  part.dk = sliced(results.dk, k_heads_at, kv_head, count);
  part.dv = sliced(results.dv, k_heads_at, kv_head, count);
  if (results.dsink) {
    Tensor dsink(results.dsink->type(), {heads});
    std::copy_n(results.dsink->row(0) + head * size_of(dsink.type()), dsink.num_bytes(),
                dsink.row(0));
    part.dsink = std::move(dsink);
  }
  return part;
}

}  // namespace fa4::cli
