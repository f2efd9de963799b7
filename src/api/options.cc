// SPDX-License-Identifier: Apache-2.0
#include "api/options.h"

#include <charconv>
#include <cmath>
#include <string_view>

#include "device/models.h"

namespace fa4::api {
namespace {

constexpr int32_t kMaxSplits = 4096;
constexpr int32_t kMaxThreads = 1024;

Status check_range(const char* name, int32_t value, int32_t most, const char* meaning) {
  if (value >= 0 && value <= most) return {};
  return invalid_argument("{} is {}; it must lie between 0 and {} ({})", name, value, most,
                          meaning);
}

Status check_integers(const fa4_problem& source) {
  FA4_RETURN_IF_ERROR(
      check_range("num_splits", source.num_splits, kMaxSplits, "0: the plan chooses"));
  FA4_RETURN_IF_ERROR(check_range("deterministic", source.deterministic, 1, "a flag"));
  FA4_RETURN_IF_ERROR(check_range("batch_invariant", source.batch_invariant, 1, "a flag"));
  FA4_RETURN_IF_ERROR(
      check_range("num_threads", source.num_threads, kMaxThreads, "0: OpenMP chooses"));
  FA4_RETURN_IF_ERROR(check_range("causal", source.causal, 1, "a flag"));
  if (source.reserved != 0)
    return invalid_argument("reserved is {}; it must be 0", source.reserved);
  return {};
}

Status read_scale(const fa4_problem& source, Problem* problem) {
  if (std::isinf(source.scale)) {
    return invalid_argument("scale is {}; it must be finite, or NaN for 1/sqrt(D)", source.scale);
  }
  problem->scale = std::isnan(source.scale) ? 1 / std::sqrt(static_cast<double>(problem->head_dim))
                                            : source.scale;
  if (!(source.softcap >= 0) || std::isinf(source.softcap)) {
    return invalid_argument("softcap is {}; it must be 0 (none) or finite and positive",
                            source.softcap);
  }
  problem->softcap = source.softcap;
  return {};
}

// A bound at or beyond every length never hides a key, so it becomes kOpen and cannot overflow a sum.
Status read_window(const fa4_problem& source, Problem* problem) {
  for (const auto& [name, value] : {std::pair{"window_left", source.window_left},
                                    std::pair{"window_right", source.window_right}}) {
    if (value < -1) {
      return invalid_argument("{} is {}; it must be -1 (open) or the number of keys", name, value);
    }
  }
  if (source.causal == 1 && source.window_right > 0) {
    return invalid_argument(
        "causal is 1 and window_right is {}, which contradict each other; causal means window_right 0, so leave that at -1 or 0",
        source.window_right);
  }
  const int64_t right = source.causal == 1 ? 0 : source.window_right;
  problem->window_left = source.window_left >= problem->seq_k ? kOpen : source.window_left;
  problem->window_right = right >= problem->seq_q ? kOpen : right;
  return {};
}

// "cpu", "cuda:1" or an architecture, "sm_120".
Status parse_place(std::string_view name, Place* place) {
  *place = {};
  if (name == "cpu") return {};
  if (device::find_model(name) != nullptr) {
    *place = {.kind = Place::Kind::Model, .index = 0, .arch = std::string(name)};
    return {};
  }
  constexpr std::string_view kCuda = "cuda:";
  if (name.starts_with(kCuda)) {
    const char* const end = name.data() + name.size();
    const auto [stopped, error] = std::from_chars(name.data() + kCuda.size(), end, place->index);
    if (error == std::errc() && stopped == end && place->index >= 0) {
      place->kind = Place::Kind::Cuda;
      return {};
    }
  }
  return unsupported(
      "device is \"{}\"; it must be null (the tensors' device), cpu, cuda:N or one of {}", name,
      device::model_names());
}

}  // namespace

Status refuse_unserved(const fa4_problem& source) {
  struct Row {
    const char* name;
    bool set;
    const char* what;
  };
  const Row rows[] = {{"bias", source.bias != nullptr, "an additive bias"},
                      {"q_scale", source.q_scale != nullptr, "fp8 inputs and their scales"},
                      {"k_scale", source.k_scale != nullptr, "fp8 inputs and their scales"},
                      {"v_scale", source.v_scale != nullptr, "fp8 inputs and their scales"},
                      {"score_function", source.score_function != nullptr, "score functions"},
                      {"mask_function", source.mask_function != nullptr, "mask functions"}};
  for (const Row& row : rows) {
    if (row.set) {
      return unsupported("{} is set, but no backend of this version serves {}; it must be null",
                         row.name, row.what);
    }
  }
  return {};
}

Status read_options(const fa4_problem& source, Problem* problem) {
  FA4_RETURN_IF_ERROR(check_integers(source));
  FA4_RETURN_IF_ERROR(read_scale(source, problem));
  FA4_RETURN_IF_ERROR(read_window(source, problem));
  problem->num_splits = source.num_splits;
  problem->num_threads = source.num_threads;
  problem->deterministic = source.deterministic == 1;
  problem->batch_invariant = source.batch_invariant == 1;
  return {};
}

Status read_device_name(const char* name, Use use, Place* place) {
  if (name == nullptr || *name == '\0') return {};
  Place named;
  FA4_RETURN_IF_ERROR(parse_place(name, &named));
  if (use == Use::Run && named.kind == Place::Kind::Model) {
    return unsupported(
        "device is \"{}\", which is not here; a plan for it can be printed but not run", name);
  }
  if (use == Use::Run && named != *place) {
    return invalid_argument("device is \"{}\", but q is in {}; it must be null or \"{}\"", name,
                            text_of(*place), name_of(*place));
  }
  *place = named;
  return {};
}

Status check_stream(const void* stream, const Place& place) {
  if (stream == nullptr || place.kind == Place::Kind::Cuda) return {};
  return invalid_argument("stream is not null; host backends have no streams, so it must be null");
}

}  // namespace fa4::api
