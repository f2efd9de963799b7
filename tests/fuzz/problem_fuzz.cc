// SPDX-License-Identifier: Apache-2.0
// Hostile parameter structs. An input is a list of edits to a valid problem (an empty input is the valid
// problem itself); tensors carry no data, so that any read of their elements is a crash. Whatever the
// edits: no crash, no internal error, a sentence with every refusal, and fa4_supports and
// fa4_plan_create agree.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "fa4/fa4.h"

namespace {

constexpr int kMaxDims = 6;

struct Tensor {
  std::array<int64_t, kMaxDims> shape{};
  std::array<int64_t, kMaxDims> strides{};
  DLTensor view{};
};

struct Edit {
  uint8_t what;
  uint8_t where;
  int64_t value;
};
constexpr size_t kEditBytes = 10;

constexpr const DLTensor* fa4_problem::*kTensorFields[] = {&fa4_problem::q,
                                                           &fa4_problem::k,
                                                           &fa4_problem::v,
                                                           &fa4_problem::cu_seqlens_q,
                                                           &fa4_problem::cu_seqlens_k,
                                                           &fa4_problem::query_lengths,
                                                           &fa4_problem::key_lengths,
                                                           &fa4_problem::page_table,
                                                           &fa4_problem::sink,
                                                           &fa4_problem::bias,
                                                           &fa4_problem::q_scale,
                                                           &fa4_problem::k_scale,
                                                           &fa4_problem::v_scale};
constexpr int32_t fa4_problem::*kInt32Fields[] = {
    &fa4_problem::causal,          &fa4_problem::num_splits,  &fa4_problem::deterministic,
    &fa4_problem::batch_invariant, &fa4_problem::num_threads, &fa4_problem::reserved};
constexpr int64_t fa4_problem::*kInt64Fields[] = {&fa4_problem::window_left,
                                                  &fa4_problem::window_right,
                                                  &fa4_problem::max_seq_q, &fa4_problem::max_seq_k};
constexpr double fa4_problem::*kDoubleFields[] = {&fa4_problem::scale, &fa4_problem::softcap};
constexpr const char* fa4_problem::*kStringFields[] = {
    &fa4_problem::backend, &fa4_problem::kernel, &fa4_problem::device, &fa4_problem::score_function,
    &fa4_problem::mask_function};
constexpr const char* kStrings[] = {nullptr, "",       "auto", "cpu",  "reference",
                                    "plain", "scalar", "avx2", "sm80", "no such name\n\"%s{}"};
constexpr size_t kTensors = std::size(kTensorFields);

class HostileProblem {
 public:
  HostileProblem() {
    fa4_problem_init(&problem_);
    for (Tensor& tensor : tensors_) {
      tensor.shape = {2, 5, 4, 8, 1, 1};
      tensor.view.ndim = 4;
      tensor.view.dtype = {kDLFloat, 32, 1};
      tensor.view.device = {kDLCPU, 0};
      tensor.view.shape = tensor.shape.data();
    }
    for (size_t i = 0; i < 3; ++i) problem_.*kTensorFields[i] = &tensors_[i].view;
  }
  HostileProblem(const HostileProblem&) = delete;
  HostileProblem& operator=(const HostileProblem&) = delete;

  void apply(const Edit& edit) {
    Tensor& tensor = tensors_[edit.where % kTensors];
    const auto dim = static_cast<size_t>(edit.where / kTensors) % kMaxDims;
    const auto small = static_cast<int32_t>(edit.value);
    const auto index = static_cast<uint64_t>(edit.value);
    switch (edit.what % 17) {
      case 0:
        tensor.shape[dim] = edit.value;
        break;
      case 1:
        tensor.view.strides = tensor.strides.data();
        tensor.strides[dim] = edit.value;
        break;
      case 2:
        tensor.view.ndim = small;
        break;
      case 3:
        tensor.view.dtype.code = static_cast<uint8_t>(small);
        break;
      case 4:
        tensor.view.dtype.bits = static_cast<uint8_t>(small);
        break;
      case 5:
        tensor.view.dtype.lanes = static_cast<uint16_t>(small);
        break;
      case 6:
        tensor.view.device.device_type = static_cast<DLDeviceType>(small & 15);
        break;
      case 7:
        tensor.view.device.device_id = small;
        break;
      case 8:
        tensor.view.byte_offset = index;
        break;
      case 9:
        tensor.view.shape = edit.value & 1 ? tensor.shape.data() : nullptr;
        break;
      case 10:
        problem_.*kTensorFields[edit.where % kTensors] = edit.value & 1 ? &tensor.view : nullptr;
        break;
      case 11:
        problem_.*kInt32Fields[edit.where % std::size(kInt32Fields)] = small;
        break;
      case 12:
        problem_.*kInt64Fields[edit.where % std::size(kInt64Fields)] = edit.value;
        break;
      case 13:
        problem_.*kDoubleFields[edit.where % std::size(kDoubleFields)] =
            std::bit_cast<double>(edit.value);
        break;
      case 14:
        problem_.*kStringFields[edit.where % std::size(kStringFields)] =
            kStrings[index % std::size(kStrings)];
        break;
      case 15:
        struct_size_ = index % 4096;
        break;
      case 16:
        tail_ = static_cast<uint8_t>(small);
        break;
    }
  }

  // Exactly struct_size bytes, so that a read beyond them is found; what fa4.h does not know yet is `tail`.
  std::unique_ptr<unsigned char[]> bytes() {
    problem_.struct_size = struct_size_;
    const size_t allocated = std::max(struct_size_, sizeof(size_t));
    std::unique_ptr<unsigned char[]> copy(new unsigned char[allocated]);
    std::memset(copy.get(), tail_, allocated);
    std::memcpy(copy.get(), &problem_, std::min(allocated, sizeof(problem_)));
    return copy;
  }

 private:
  fa4_problem problem_{};
  std::array<Tensor, kTensors> tensors_;
  size_t struct_size_ = sizeof(fa4_problem);
  uint8_t tail_ = 0;
};

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken promise: %s; last error: %s\n", what, fa4_last_error());
  std::abort();
}

void plan_it(const fa4_problem* problem, fa4_pass pass) {
  const fa4_status supports = fa4_supports(problem, pass);
  require(supports != FA4_ERROR_INTERNAL, "a bad argument is not an internal error");
  require(supports == FA4_OK || *fa4_last_error() != '\0', "a refusal has a sentence");

  fa4_plan* plan = nullptr;
  const fa4_status created = fa4_plan_create(problem, pass, &plan);
  require(created == supports, "fa4_supports and fa4_plan_create agree");
  require((plan != nullptr) == (created == FA4_OK),
          "there is a plan exactly when the status is ok");
  if (plan != nullptr) {
    require(nlohmann::json::accept(fa4_plan_describe(plan)), "the description is JSON");
    (void)fa4_plan_workspace_size(plan);
  }
  fa4_plan_destroy(plan);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  HostileProblem hostile;
  for (; size >= kEditBytes; data += kEditBytes, size -= kEditBytes) {
    Edit edit{.what = data[0], .where = data[1], .value = 0};
    std::memcpy(&edit.value, data + 2, sizeof(edit.value));
    hostile.apply(edit);
  }
  const auto bytes = hostile.bytes();
  const auto* problem = reinterpret_cast<const fa4_problem*>(bytes.get());
  plan_it(problem, FA4_PASS_FORWARD);
  plan_it(problem, FA4_PASS_BACKWARD);
  return 0;
}
