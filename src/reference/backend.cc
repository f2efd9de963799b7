// SPDX-License-Identifier: Apache-2.0
// The two backends of this folder: the same loops, over two kinds of numbers.
#include "reference/backend.h"

#include <omp.h>

#include "reference/loops.h"
#include "reference/scalar.h"

namespace fa4::reference {
namespace {

// Calls function.operator()<Number>() with what computes for inputs of this type.
template <class Function>
auto dispatch(bool exact, Dtype dtype, Function&& function) {
  if (exact) return function.template operator()<Exact>();
  switch (dtype) {
    case Dtype::BFloat16:
      return function.template operator()<Rounded<Dtype::BFloat16>>();
    case Dtype::Float16:
      return function.template operator()<Rounded<Dtype::Float16>>();
    default:
      return function.template operator()<Rounded<Dtype::Float32>>();
  }
}

class PlainLoops final : public Backend {
 public:
  constexpr PlainLoops(bool exact, std::string_view name, const char* kernel, const char* summary)
      : exact_(exact), name_(name), kernel_(kernel), summary_(summary) {}

  std::string_view name() const override { return name_; }

  std::vector<KernelInfo> kernels() const override { return {{kernel_, summary_, Status{}}}; }

  Status supports(const Problem& problem, Pass pass, std::string_view) const override {
    const Dtype dtype = problem.q.dtype;
    if (dtype == Dtype::Int32 || (dtype == Dtype::Float64 && !exact_)) {
      return unsupported("q is {}; backend \"{}\" takes {}float32, bfloat16 and float16",
                         name_of(dtype), name_, exact_ ? "float64, " : "");
    }
    if (problem.paged && pass == Pass::Backward) {
      return unsupported(
          "page_table is given; backend \"{}\" serves paged keys in the forward only", name_);
    }
    if (problem.num_splits > 1) {
      return unsupported("num_splits is {}; backend \"{}\" does not split the keys: 0 or 1",
                         problem.num_splits, name_);
    }
    return {};
  }

  Blueprint prepare(const Problem& problem, Pass pass, std::string_view kernel) const override {
    const int threads = problem.num_threads > 0 ? problem.num_threads : omp_get_max_threads();
    Blueprint blueprint{.kernel = std::string(kernel),
                        .tiles = {{"query_rows", 1}, {"key_rows", problem.seq_k}},
                        .grid = problem.batch * problem.kv_heads,
                        .threads = threads};
    blueprint.workspace_bytes = dispatch(exact_, problem.q.dtype, [&]<class Number>() {
      return pass == Pass::Forward ? forward_workspace_bytes<Number>(problem, threads)
                                   : backward_workspace_bytes<Number>(problem, threads);
    });
    return blueprint;
  }

  Status forward(const Problem& problem, const Blueprint& blueprint, const ForwardTensors& tensors,
                 void* workspace, void*) const override {
    dispatch(exact_, problem.q.dtype, [&]<class Number>() {
      reference::forward<Number>(problem, tensors, blueprint.threads, workspace);
    });
    return {};
  }

  Status backward(const Problem& problem, const Blueprint& blueprint,
                  const BackwardTensors& tensors, void* workspace, void*) const override {
    dispatch(exact_, problem.q.dtype, [&]<class Number>() {
      reference::backward<Number>(problem, tensors, blueprint.threads, workspace);
    });
    return {};
  }

 private:
  bool exact_;
  std::string_view name_;
  const char* kernel_;
  const char* summary_;
};

}  // namespace

const Backend& reference_backend() {
  static const PlainLoops backend(true, "reference", "double",
                                  "double precision, plain loops: the judge of the others");
  return backend;
}

const Backend& plain_backend() {
  static const PlainLoops backend(false, "plain", "rounded",
                                  "every intermediate rounded to the input's type: the yardstick");
  return backend;
}

}  // namespace fa4::reference
