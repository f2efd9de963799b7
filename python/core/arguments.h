// SPDX-License-Identifier: Apache-2.0
// Reads the arguments of a tvm-ffi call one after the other, and fills fa4.h's structs with them. Every
// function of functions.cc takes a problem in the order of read_problem; python/fa4/_native.py writes it.
#pragma once

// tvm-ffi brings a dlpack.h newer than the distribution's, under the same include guard: it comes first.
#include <tvm/ffi/any.h>
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/error.h>
#include <tvm/ffi/string.h>

#include <array>
#include <cstdint>
#include <limits>

#include "fa4/fa4.h"

namespace fa4::python {

class Arguments {
 public:
  Arguments(const TVMFFIAny* values, int32_t count) : values_(values), count_(count) {}

  int64_t integer(const char* name) {
    const auto value = next(name).try_cast<int64_t>();
    if (!value) TVM_FFI_THROW(TypeError) << name << " must be an integer";
    return *value;
  }

  int32_t int32(const char* name) {
    const int64_t value = integer(name);
    if (value < std::numeric_limits<int32_t>::min() ||
        value > std::numeric_limits<int32_t>::max()) {
      TVM_FFI_THROW(ValueError) << name << " is " << value << "; it must fit into 32 bits";
    }
    return static_cast<int32_t>(value);
  }

  // None is NaN, which fa4.h takes for "the default".
  double number_or_nan(const char* name) {
    const tvm::ffi::AnyView value = next(name);
    if (value == nullptr) return std::numeric_limits<double>::quiet_NaN();
    const auto number = value.try_cast<double>();
    if (!number) TVM_FFI_THROW(TypeError) << name << " must be a number";
    return *number;
  }

  // Valid as long as these arguments.
  const char* text(const char* name) {
    const auto value = next(name).try_cast<tvm::ffi::String>();
    if (!value) TVM_FFI_THROW(TypeError) << name << " must be a string";
    if (num_texts_ == texts_.size()) TVM_FFI_THROW(TypeError) << name << " is one string too many";
    texts_[num_texts_] = *value;
    return texts_[num_texts_++].c_str();
  }

  // Null when None was passed, or when `present` says that the argument was left out.
  const DLTensor* tensor(const char* name) {
    const bool left_out = (present_ & 1) == 0;
    present_ = present_ >> 1;  // arithmetic: -1 stays, nothing is left out
    if (left_out) return nullptr;
    const tvm::ffi::AnyView value = next(name);
    if (value == nullptr) return nullptr;
    const auto tensor = value.try_cast<DLTensor*>();
    if (!tensor) TVM_FFI_THROW(TypeError) << name << " must be a tensor";
    return *tensor;
  }

  // Bit i: the i-th tensor is among the arguments. JAX has no None to pass. -1: all are.
  void set_present(int64_t mask) { present_ = mask; }

  bool at_end() const { return next_ == count_; }

  void require_end() const {
    if (next_ != count_) TVM_FFI_THROW(TypeError) << count_ << " arguments; expected " << next_;
  }

 private:
  tvm::ffi::AnyView next(const char* name) {
    if (next_ == count_) TVM_FFI_THROW(TypeError) << "argument " << name << " is missing";
    return tvm::ffi::AnyView::CopyFromTVMFFIAny(values_[next_++]);
  }

  const TVMFFIAny* values_;
  int32_t count_;
  int32_t next_ = 0;
  int64_t present_ = -1;
  std::array<tvm::ffi::String, 2>
      texts_;  // they stay where they are: short ones hold their characters
  size_t num_texts_ = 0;
};

// Problem: as python/fa4/_native.py lists the fields. TensorsLast: first all that are no tensors, in the
// same order, since XLA hands over attributes and tensors apart.
enum class Order { Problem, TensorsLast };

inline void read_main_tensors(Arguments& arguments, fa4_problem* problem) {
  problem->q = arguments.tensor("q");
  problem->k = arguments.tensor("k");
  problem->v = arguments.tensor("v");
}

inline void read_mask(Arguments& arguments, fa4_problem* problem) {
  problem->causal = arguments.int32("causal");
  problem->window_left = arguments.integer("window_left");
  problem->window_right = arguments.integer("window_right");
  problem->scale = arguments.number_or_nan("scale");
  problem->softcap = arguments.number_or_nan("softcap");
}

inline void read_optional_tensors(Arguments& arguments, fa4_problem* problem) {
  problem->cu_seqlens_q = arguments.tensor("cu_seqlens_q");
  problem->cu_seqlens_k = arguments.tensor("cu_seqlens_k");
  problem->query_lengths = arguments.tensor("query_lengths");
  problem->key_lengths = arguments.tensor("key_lengths");
  problem->page_table = arguments.tensor("page_table");
  problem->sink = arguments.tensor("sink");
}

inline void read_options(Arguments& arguments, fa4_problem* problem) {
  problem->num_splits = arguments.int32("num_splits");
  problem->deterministic = arguments.int32("deterministic");
  problem->batch_invariant = arguments.int32("batch_invariant");
  problem->max_seq_q = arguments.integer("max_seq_q");
  problem->max_seq_k = arguments.integer("max_seq_k");
  problem->backend = arguments.text("backend");
  problem->kernel = arguments.text("kernel");
}

inline fa4_problem read_problem(Arguments& arguments, Order order) {
  fa4_problem problem;
  fa4_problem_init(&problem);
  arguments.set_present(arguments.integer("present"));
  problem.num_threads = arguments.int32("num_threads");
  if (order == Order::TensorsLast) {
    read_mask(arguments, &problem);
    read_options(arguments, &problem);
    read_main_tensors(arguments, &problem);
    read_optional_tensors(arguments, &problem);
  } else {
    read_main_tensors(arguments, &problem);
    read_mask(arguments, &problem);
    read_optional_tensors(arguments, &problem);
    read_options(arguments, &problem);
  }
  return problem;
}

}  // namespace fa4::python
