// SPDX-License-Identifier: Apache-2.0
// Runs a case through the C API: the backend under test first, then reference and plain, then the rule.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "support/case.h"

namespace fa4::test {
namespace {

// Memory for a run, filled with NaN, that knows whether it was overrun.
class Workspace {
 public:
  explicit Workspace(size_t size)
      : size_(size), bytes_(size + 2 * kGuard, static_cast<char>(0xff)) {
    const auto address = reinterpret_cast<uintptr_t>(bytes_.data());
    begin_ = bytes_.data() + (256 - address % 256) % 256 + 256;
  }
  void* data() { return begin_; }
  bool guards_intact() const {
    const auto untouched = [](char byte) { return byte == static_cast<char>(0xff); };
    return std::all_of(bytes_.data(), static_cast<const char*>(begin_), untouched) &&
           std::all_of(static_cast<const char*>(begin_) + size_, bytes_.data() + bytes_.size(),
                       untouched);
  }

 private:
  static constexpr size_t kGuard = 512;
  size_t size_;
  std::vector<char> bytes_;
  char* begin_;
};

std::string check_plan(const fa4_plan* plan, const std::string& backend,
                       const std::string& kernel) {
  const auto description = nlohmann::json::parse(fa4_plan_describe(plan));
  const std::string planned_backend = description.at("backend");
  const std::string planned_kernel = description.at("kernel");
  if ((backend != "auto" && planned_backend != backend) ||
      (kernel != "auto" && planned_kernel != kernel)) {
    return fmt::format("the plan has backend {}, kernel {}; asked for were {}, {}", planned_backend,
                       planned_kernel, backend, kernel);
  }
  return "";
}

// Plans one pass, lets `call` run it, and says what went wrong.
template <class Call>
std::string run_pass(const fa4_problem& problem, fa4_pass pass, Call&& call) {
  fa4_plan* plan = nullptr;
  if (fa4_plan_create(&problem, pass, &plan) != FA4_OK) {
    return fmt::format("fa4_plan_create: {}", fa4_last_error());
  }
  std::string failure = check_plan(plan, problem.backend, problem.kernel);
  const size_t size = fa4_plan_workspace_size(plan);
  Workspace workspace(size);
  if (failure.empty() && call(plan, workspace.data(), size) != FA4_OK) {
    failure = fmt::format("run: {}", fa4_last_error());
  }
  if (!workspace.guards_intact()) failure += " The workspace was overrun.";
  fa4_plan_destroy(plan);
  return failure;
}

Layout output_layout(const Case& c) {
  return c.layout == Layout::Broadcast ? Layout::Compact : c.layout;
}

// Rows of no sequence or beyond a length may hold anything when they are read back as inputs.
void poison_dead_rows(const std::vector<int64_t>& position, Tensor* rows) {
  const int64_t row_size = rows->size() / std::max<int64_t>(1, position.size());
  for (size_t row = 0; row < position.size(); ++row) {
    if (position[row] >= 0) continue;
    for (int64_t e = 0; e < row_size; ++e) rows->poison(static_cast<int64_t>(row) * row_size + e);
  }
}

// The row of q that element `e` of lse belongs to.
int64_t q_row_of_lse(const Tensor& lse, int64_t e) {
  const int64_t rows = lse.shape().back(), heads = lse.shape()[lse.shape().size() - 2];
  return e / (heads * rows) * rows + e % rows;
}

std::string forward(const Case& c, Inputs& inputs, const fa4_problem& problem, Outputs* outputs) {
  std::vector<int64_t> shape = inputs.q.shape();
  shape.back() = inputs.v.shape().back();
  outputs->out = Tensor(c.dtype, shape, output_layout(c));
  outputs->lse = Tensor(lse_dtype(c.dtype), lse_shape(c, inputs), output_layout(c));
  const fa4_forward_tensors tensors{sizeof(tensors), outputs->out.dl(), outputs->lse.dl()};
  return run_pass(problem, FA4_PASS_FORWARD, [&](fa4_plan* plan, void* workspace, size_t size) {
    return fa4_forward(plan, &problem, &tensors, workspace, size, nullptr);
  });
}

std::string backward(const Case& c, Inputs& inputs, const fa4_problem& problem, Outputs* outputs) {
  Tensor out = outputs->out, lse = outputs->lse;
  poison_dead_rows(inputs.q_position, &out);
  for (int64_t e = 0; e < lse.size(); ++e) {
    if (inputs.q_position[q_row_of_lse(lse, e)] < 0) lse.poison(e);
  }
  outputs->dq = Tensor(c.dtype, inputs.q.shape(), output_layout(c));
  outputs->dk = Tensor(c.dtype, inputs.k.shape(), output_layout(c));
  outputs->dv = Tensor(c.dtype, inputs.v.shape(), output_layout(c));
  if (c.sink) outputs->dsink = Tensor(lse_dtype(c.dtype), {c.heads});
  const fa4_backward_tensors tensors{sizeof(tensors),  inputs.dout.dl(), out.dl(),
                                     lse.dl(),         inputs.dlse.dl(), outputs->dq.dl(),
                                     outputs->dk.dl(), outputs->dv.dl(), outputs->dsink.dl()};
  return run_pass(problem, FA4_PASS_BACKWARD, [&](fa4_plan* plan, void* workspace, size_t size) {
    return fa4_backward(plan, &problem, &tensors, workspace, size, nullptr);
  });
}

std::vector<const Tensor*> all_inputs(const Inputs& inputs) {
  return {&inputs.q,
          &inputs.k,
          &inputs.v,
          &inputs.dout,
          &inputs.dlse,
          &inputs.sink,
          &inputs.cu_seqlens_q,
          &inputs.cu_seqlens_k,
          &inputs.query_lengths,
          &inputs.key_lengths,
          &inputs.page_table};
}

// The same case in float64, exactly, with paged keys gathered into dense ones.
Inputs to_float64(const Case& c, const Inputs& inputs) {
  Inputs exact = inputs;
  for (Tensor* tensor : {&exact.q, &exact.k, &exact.v, &exact.dout, &exact.dlse, &exact.sink}) {
    *tensor = to_float64(*tensor);
  }
  if (c.page_size == 0) return exact;
  exact.page_table = Tensor();
  exact.k_position.assign(c.batch * c.seq_k, -1);
  for (Tensor* tensor : {&exact.k, &exact.v}) {
    const Tensor pages = *tensor;
    const int64_t row_size = pages.shape()[2] * pages.shape()[3];
    *tensor = Tensor(Dtype::Float64, {c.batch, c.seq_k, pages.shape()[2], pages.shape()[3]});
    for (int64_t row = 0; row < c.batch * c.seq_k; ++row) {
      const int64_t source = inputs.k_row_of_dense[row];
      for (int64_t e = 0; source >= 0 && e < row_size; ++e) {
        tensor->set(row * row_size + e, pages.get(source * row_size + e));
      }
    }
  }
  return exact;
}

double largest(const Tensor& tensor, const std::vector<int64_t>& position) {
  const int64_t row_size = tensor.size() / std::max<int64_t>(1, position.size());
  double max = 0;
  for (size_t row = 0; row < position.size(); ++row) {
    for (int64_t e = 0; position[row] >= 0 && e < row_size; ++e) {
      max = std::max(max, std::fabs(tensor.get(static_cast<int64_t>(row) * row_size + e)));
    }
  }
  return max;
}

testing::AssertionResult judge_output(const char* name, const Case& c, const Tensor& actual,
                                      const Tensor& reference, const Tensor& low,
                                      double allowance = 0) {
  return judge({.name = name,
                .dtype = c.dtype,
                .shape = actual.shape(),
                .actual = actual.values(),
                .reference = reference.values(),
                .low = low.values(),
                .allowance = allowance});
}

// A row that sees one key has P * (dP - D) = 0 and so do equal rows of v. Where a whole gradient is such a
// zero, all that a backend can give is the rounding of what cancels, a multiple of `terms`.
double cancellation_allowance(const Tensor& reference, double terms) {
  double max = 0;
  for (const double value : reference.values()) max = std::max(max, std::fabs(value));
  return max <= 1e-12 * terms ? 0x1p-20 * terms : 0;
}

// dsink is one number per head, a sum of -P * D over the rows: too few for plain's errors to be a measure
// of what is usual. One ulp of the root of the sum of squares is.
double dsink_allowance(const Case& c, const Inputs& exact, const Outputs& reference) {
  const int64_t value_dim = reference.out.shape().back();
  std::vector<double> squares(c.heads, 0);
  for (int64_t e = 0; e < reference.lse.size(); ++e) {
    const int64_t row = q_row_of_lse(reference.lse, e);
    const int64_t head = e / reference.lse.shape().back() % c.heads;
    if (exact.q_position[row] < 0) continue;
    double terms = exact.dlse.exists() ? std::pow(exact.dlse.get(e), 2) : 0;
    for (int64_t i = 0; i < value_dim; ++i) {
      const int64_t element = (row * c.heads + head) * value_dim + i;
      terms += std::pow(exact.dout.get(element) * reference.out.get(element), 2);
    }
    squares[head] += terms * std::exp(2 * (exact.sink.get(head) - reference.lse.get(e)));
  }
  double largest = 0;
  for (const double value : squares) largest = std::max(largest, std::sqrt(value));
  return ulp_of(c.dtype) * largest;
}

// Rows that take part in nothing are 0, not nearly 0.
testing::AssertionResult dead_rows_are_zero(const char* name, const std::vector<int64_t>& position,
                                            const Tensor& rows) {
  const int64_t row_size = rows.size() / std::max<int64_t>(1, position.size());
  for (size_t row = 0; row < position.size(); ++row) {
    for (int64_t e = 0; position[row] < 0 && e < row_size; ++e) {
      const double value = rows.get(static_cast<int64_t>(row) * row_size + e);
      if (value != 0 || std::isnan(value)) {
        return testing::AssertionFailure() << fmt::format(
                   "{}: row {} takes part in nothing and has {}; it must be 0", name, row, value);
      }
    }
  }
  return testing::AssertionSuccess();
}

#define FA4_RETURN_IF_FAILED(expression)                                           \
  do {                                                                             \
    if (testing::AssertionResult result_ = (expression); !result_) return result_; \
  } while (false)

testing::AssertionResult judge_forward(const Case& c, const Inputs& inputs, const Outputs& actual,
                                       const Outputs& reference, const Outputs& low) {
  std::vector<int64_t> sees_a_key(inputs.sees_keys.size());
  for (size_t row = 0; row < sees_a_key.size(); ++row) {
    sees_a_key[row] = inputs.sees_keys[row] > 0 ? 0 : -1;
  }
  FA4_RETURN_IF_FAILED(
      judge_lse(actual.lse.shape(), actual.lse.values(), reference.lse.values(), c.lse_tolerance));
  FA4_RETURN_IF_FAILED(dead_rows_are_zero("out", sees_a_key, actual.out));
  return judge_output("out", c, actual.out, reference.out, low.out);
}

testing::AssertionResult judge_backward(const Case& c, const Inputs& exact, const Outputs& actual,
                                        const Outputs& reference, const Outputs& low) {
  // What may cancel in dS = P * (dP - D) is dP, a dot product of dout and v.
  const double scale =
      std::isnan(c.scale) ? 1 / std::sqrt(static_cast<double>(c.head_dim)) : c.scale;
  const double dprobability = largest(exact.dout, exact.q_position) *
                              largest(exact.v, exact.k_position) *
                              static_cast<double>(exact.v.shape().back());
  const double dscore = std::fabs(scale) * dprobability;
  const double dq_allowance =
      cancellation_allowance(reference.dq, dscore * largest(exact.k, exact.k_position));
  const double dk_allowance =
      cancellation_allowance(reference.dk, dscore * largest(exact.q, exact.q_position));
  FA4_RETURN_IF_FAILED(dead_rows_are_zero("dq", exact.q_position, actual.dq));
  FA4_RETURN_IF_FAILED(dead_rows_are_zero("dk", exact.k_position, actual.dk));
  FA4_RETURN_IF_FAILED(dead_rows_are_zero("dv", exact.k_position, actual.dv));
  FA4_RETURN_IF_FAILED(judge_output("dv", c, actual.dv, reference.dv, low.dv));
  FA4_RETURN_IF_FAILED(judge_output("dq", c, actual.dq, reference.dq, low.dq, dq_allowance));
  FA4_RETURN_IF_FAILED(judge_output("dk", c, actual.dk, reference.dk, low.dk, dk_allowance));
  if (!c.sink) return testing::AssertionSuccess();
  return judge_output("dsink", c, actual.dsink, reference.dsink, low.dsink,
                      dsink_allowance(c, exact, reference));
}

testing::AssertionResult run_and_judge_without_command(const Case& c, const std::string& backend,
                                                       const std::string& kernel) {
  Inputs inputs = make_inputs(c);
  const Outputs actual = run(c, inputs, backend, kernel);
  if (!actual.failure.empty()) return testing::AssertionFailure() << actual.failure;

  Case exact_case = c;
  exact_case.dtype = Dtype::Float64;
  exact_case.layout = Layout::Compact;
  exact_case.page_size = 0;
  exact_case.num_splits = 0;
  Inputs exact = to_float64(c, inputs);
  const Outputs reference = run(exact_case, exact, "reference");
  if (!reference.failure.empty()) {
    return testing::AssertionFailure() << "reference: " << reference.failure;
  }
  Case low_case = c;
  low_case.num_splits = 0;
  const Outputs low = run(low_case, inputs, "plain");
  if (!low.failure.empty()) return testing::AssertionFailure() << "plain: " << low.failure;

  FA4_RETURN_IF_FAILED(judge_forward(c, inputs, actual, reference, low));
  if (!c.backward) return testing::AssertionSuccess();
  return judge_backward(c, exact, actual, reference, low);
}

// In fp32 the rule compares two rounding errors of the same size. With huge logits one row can decide both
// maxima, and the plain algorithm is then better by chance in about one draw of ten: other draws decide.
bool mostly_passes(const Case& c, const std::string& backend, const std::string& kernel) {
  if (c.dtype != Dtype::Float32 || c.input == Input::Random) return false;
  constexpr int kDraws = 8;
  int passed = 0;
  for (int draw = 1; draw <= kDraws; ++draw) {
    Case other = c;
    other.seed = c.seed + 1000 * static_cast<uint64_t>(draw);
    passed += static_cast<bool>(run_and_judge_without_command(other, backend, kernel));
  }
  return passed > kDraws / 2;
}

}  // namespace

Outputs run(const Case& c, Inputs& inputs, const std::string& backend, const std::string& kernel) {
  fa4_problem problem = make_problem(c, inputs);
  problem.backend = backend.c_str();
  problem.kernel = kernel.c_str();
  std::vector<std::vector<char>> before;
  for (const Tensor* tensor : all_inputs(inputs)) before.push_back(tensor->storage());

  Outputs outputs;
  outputs.failure = forward(c, inputs, problem, &outputs);
  if (outputs.failure.empty() && c.backward) {
    outputs.failure = backward(c, inputs, problem, &outputs);
  }
  const auto tensors = all_inputs(inputs);
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i]->storage() != before[i]) outputs.failure += " An input was written to.";
  }
  for (const Tensor* tensor :
       {&outputs.out, &outputs.lse, &outputs.dq, &outputs.dk, &outputs.dv, &outputs.dsink}) {
    if (tensor->exists() && !tensor->surroundings_intact()) {
      outputs.failure += " Memory around an output was written to.";
    }
  }
  return outputs;
}

testing::AssertionResult run_and_judge(const Case& c, const std::string& backend,
                                       const std::string& kernel) {
  testing::AssertionResult result = run_and_judge_without_command(c, backend, kernel);
  if (!result && mostly_passes(c, backend, kernel)) return testing::AssertionSuccess();
  if (!result) {
    result << "\ncase " << name_of(c) << "\nrepeat with: " << repeat_command(c, backend, kernel);
  }
  return result;
}

}  // namespace fa4::test
