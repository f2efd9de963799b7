// SPDX-License-Identifier: Apache-2.0
// fa4 in C++20: views, RAII and exceptions over fa4.h, which says what everything means. Header only;
// it can do nothing that fa4.h cannot.
#ifndef FA4_FA4_HPP_
#define FA4_FA4_HPP_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "fa4/fa4.h"

namespace fa4 {
inline namespace face {  // its own names, whatever else a program links

class Error : public std::runtime_error {
 public:
  Error(fa4_status status, const char* sentence) : std::runtime_error(sentence), status_(status) {}
  fa4_status status() const noexcept { return status_; }

 private:
  fa4_status status_;
};

inline void throw_if_failed(fa4_status status) {
  if (status != FA4_OK) throw Error(status, fa4_last_error());
}

// 16-bit floats as the bits that they are.
struct BFloat16 {
  uint16_t bits;
};
struct Float16 {
  uint16_t bits;
};

template <class T>
struct DtypeOf;
template <>
struct DtypeOf<float> {
  static constexpr DLDataType value{kDLFloat, 32, 1};
};
template <>
struct DtypeOf<double> {
  static constexpr DLDataType value{kDLFloat, 64, 1};
};
template <>
struct DtypeOf<BFloat16> {
  static constexpr DLDataType value{kDLBfloat, 16, 1};
};
template <>
struct DtypeOf<Float16> {
  static constexpr DLDataType value{kDLFloat, 16, 1};
};
template <>
struct DtypeOf<int32_t> {
  static constexpr DLDataType value{kDLInt, 32, 1};
};

// Somebody else's memory as a tensor, in host memory unless it is said to be elsewhere. An element may be const; the
// library knows what it writes.
class TensorView {
 public:
  static constexpr size_t kMaxDims = 5;
  using Extents = std::span<const int64_t>;

  // Strides in elements; none: compact row-major.
  template <class T>
  TensorView(T* data, Extents shape, Extents strides = {}) {
    using Element = std::remove_const_t<T>;
    if (shape.size() > kMaxDims || (!strides.empty() && strides.size() != shape.size())) {
      throw Error(FA4_ERROR_INVALID_ARGUMENT,
                  "a tensor view has at most 5 dimensions and as many strides as dimensions");
    }
    std::copy(shape.begin(), shape.end(), shape_.begin());
    std::copy(strides.begin(), strides.end(), strides_.begin());
    has_strides_ = !strides.empty();
    tensor_.data = const_cast<Element*>(data);
    tensor_.device = {kDLCPU, 0};
    tensor_.ndim = static_cast<int>(shape.size());
    tensor_.dtype = DtypeOf<Element>::value;
    point_to_own_arrays();
  }
  template <class T>
  TensorView(T* data, std::initializer_list<int64_t> shape,
             std::initializer_list<int64_t> strides = {})
      : TensorView(data, Extents(shape.begin(), shape.size()),
                   Extents(strides.begin(), strides.size())) {}

  TensorView(const TensorView& other) { *this = other; }
  TensorView& operator=(const TensorView& other) {
    tensor_ = other.tensor_;
    shape_ = other.shape_;
    strides_ = other.strides_;
    has_strides_ = other.has_strides_;
    point_to_own_arrays();
    return *this;
  }

  // The same, its data on a device: {kDLCUDA, 0}.
  TensorView on(DLDevice device) const {
    TensorView there(*this);
    there.tensor_.device = device;
    return there;
  }

  const DLTensor* get() const noexcept { return &tensor_; }

 private:
  void point_to_own_arrays() noexcept {
    tensor_.shape = shape_.data();
    tensor_.strides = has_strides_ ? strides_.data() : nullptr;
  }

  DLTensor tensor_{};
  std::array<int64_t, kMaxDims> shape_{}, strides_{};
  bool has_strides_ = false;
};

using OptionalTensor = std::optional<TensorView>;

inline const DLTensor* get_or_null(const OptionalTensor& tensor) noexcept {
  return tensor ? tensor->get() : nullptr;
}

// fa4_problem, field by field.
struct Problem {
  TensorView q, k, v;
  OptionalTensor cu_seqlens_q{}, cu_seqlens_k{}, query_lengths{}, key_lengths{}, page_table{},
      sink{};
  OptionalTensor bias{}, q_scale{}, k_scale{}, v_scale{};
  std::string score_function{}, mask_function{};
  double scale = std::numeric_limits<double>::quiet_NaN();
  double softcap = 0;
  int64_t window_left = -1, window_right = -1;
  bool causal = false;
  int32_t num_splits = 0;
  bool deterministic = false, batch_invariant = false;
  int32_t num_threads = 0;
  int64_t max_seq_q = 0, max_seq_k = 0;
  std::string backend{}, kernel{}, device{};

  // Points into this object.
  fa4_problem c_struct() const noexcept {
    fa4_problem c;
    fa4_problem_init(&c);
    c.q = q.get();
    c.k = k.get();
    c.v = v.get();
    c.cu_seqlens_q = get_or_null(cu_seqlens_q);
    c.cu_seqlens_k = get_or_null(cu_seqlens_k);
    c.query_lengths = get_or_null(query_lengths);
    c.key_lengths = get_or_null(key_lengths);
    c.page_table = get_or_null(page_table);
    c.sink = get_or_null(sink);
    c.bias = get_or_null(bias);
    c.q_scale = get_or_null(q_scale);
    c.k_scale = get_or_null(k_scale);
    c.v_scale = get_or_null(v_scale);
    c.score_function = text_or_null(score_function);
    c.mask_function = text_or_null(mask_function);
    c.scale = scale;
    c.softcap = softcap;
    c.window_left = window_left;
    c.window_right = window_right;
    c.causal = causal;
    c.num_splits = num_splits;
    c.deterministic = deterministic;
    c.batch_invariant = batch_invariant;
    c.num_threads = num_threads;
    c.max_seq_q = max_seq_q;
    c.max_seq_k = max_seq_k;
    c.backend = text_or_null(backend);
    c.kernel = text_or_null(kernel);
    c.device = text_or_null(device);
    return c;
  }

 private:
  static const char* text_or_null(const std::string& text) noexcept {
    return text.empty() ? nullptr : text.c_str();
  }
};

struct ForwardTensors {
  TensorView out;
  OptionalTensor lse{};

  fa4_forward_tensors c_struct() const noexcept {
    return {sizeof(fa4_forward_tensors), out.get(), get_or_null(lse)};
  }
};

struct BackwardTensors {
  TensorView dout, out, lse;
  OptionalTensor dlse{};
  TensorView dq, dk, dv;
  OptionalTensor dsink{};

  fa4_backward_tensors c_struct() const noexcept {
    return {sizeof(fa4_backward_tensors),
            dout.get(),
            out.get(),
            lse.get(),
            get_or_null(dlse),
            dq.get(),
            dk.get(),
            dv.get(),
            get_or_null(dsink)};
  }
};

struct CombineTensors {
  TensorView out_partial, lse_partial, out;
  OptionalTensor lse{};

  fa4_combine_tensors c_struct() const noexcept {
    return {sizeof(fa4_combine_tensors), out_partial.get(), lse_partial.get(), out.get(),
            get_or_null(lse)};
  }
};

// Owns an fa4_plan.
class Plan {
 public:
  Plan(const Problem& problem, fa4_pass pass) {
    const fa4_problem c = problem.c_struct();
    fa4_plan* plan = nullptr;
    throw_if_failed(fa4_plan_create(&c, pass, &plan));
    plan_.reset(plan);
  }

  const fa4_plan* get() const noexcept { return plan_.get(); }
  std::string describe() const { return fa4_plan_describe(get()); }
  size_t workspace_size() const noexcept { return fa4_plan_workspace_size(get()); }

  // Without a workspace, one is allocated for the call on host backends.
  void forward(const Problem& problem, const ForwardTensors& tensors,
               std::span<std::byte> workspace = {}, void* stream = nullptr) const {
    const auto c_problem = problem.c_struct();
    const auto c_tensors = tensors.c_struct();
    throw_if_failed(
        fa4_forward(get(), &c_problem, &c_tensors, workspace.data(), workspace.size(), stream));
  }
  void backward(const Problem& problem, const BackwardTensors& tensors,
                std::span<std::byte> workspace = {}, void* stream = nullptr) const {
    const auto c_problem = problem.c_struct();
    const auto c_tensors = tensors.c_struct();
    throw_if_failed(
        fa4_backward(get(), &c_problem, &c_tensors, workspace.data(), workspace.size(), stream));
  }

 private:
  struct Destroy {
    void operator()(fa4_plan* plan) const noexcept { fa4_plan_destroy(plan); }
  };
  std::unique_ptr<fa4_plan, Destroy> plan_;
};

inline const char* version() noexcept { return fa4_version(); }
inline const char* info() noexcept { return fa4_info(); }

// Why the problem is not served, or nothing when it is. A problem that can never be right throws.
inline std::optional<std::string> reason_to_refuse(const Problem& problem, fa4_pass pass) {
  const fa4_problem c = problem.c_struct();
  const fa4_status status = fa4_supports(&c, pass);
  if (status == FA4_ERROR_UNSUPPORTED) return fa4_last_error();
  throw_if_failed(status);
  return std::nullopt;
}

inline void attention_forward(const Problem& problem, const ForwardTensors& tensors,
                              void* stream = nullptr) {
  const auto c_problem = problem.c_struct();
  const auto c_tensors = tensors.c_struct();
  throw_if_failed(fa4_attention_forward(&c_problem, &c_tensors, stream));
}

inline void attention_backward(const Problem& problem, const BackwardTensors& tensors,
                               void* stream = nullptr) {
  const auto c_problem = problem.c_struct();
  const auto c_tensors = tensors.c_struct();
  throw_if_failed(fa4_attention_backward(&c_problem, &c_tensors, stream));
}

inline void combine(const CombineTensors& tensors, void* stream = nullptr) {
  const auto c_tensors = tensors.c_struct();
  throw_if_failed(fa4_combine(&c_tensors, stream));
}

}  // namespace face
}  // namespace fa4

#endif  // FA4_FA4_HPP_
