// SPDX-License-Identifier: Apache-2.0
#include <omp.h>

#include <nlohmann/json.hpp>

#include "api/backends.h"
#include "fa4/fa4.h"

#define FA4_TEXT_OF(number) #number
#define FA4_DOTTED(major, minor, patch) \
  FA4_TEXT_OF(major) "." FA4_TEXT_OF(minor) "." FA4_TEXT_OF(patch)

namespace fa4::api {
namespace {

using Json = nlohmann::ordered_json;

Json describe_backend(const plan::Candidate& candidate) {
  Json kernels = Json::array();
  for (const KernelInfo& kernel : candidate.backend->kernels()) {
    Json item = {
        {"name", kernel.name}, {"summary", kernel.summary}, {"runs_here", kernel.runs_here.ok()}};
    if (!kernel.runs_here.ok()) item["reason"] = kernel.runs_here.message;
    kernels.push_back(std::move(item));
  }
  return {{"name", candidate.backend->name()},
          {"chosen_by", candidate.judge ? "name only" : "auto or name"},
          {"kernels", kernels}};
}

std::string describe_library() {
  Json list = Json::array();
  for (const plan::Candidate& candidate : backends()) list.push_back(describe_backend(candidate));
  const Json text = {
      {"version", fa4_version()},
      {"backends", list},
      {"devices", Json::array({{{"name", "cpu"}, {"threads", omp_get_max_threads()}}})},
      {"threads", omp_get_max_threads()}};
  return text.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace
}  // namespace fa4::api

extern "C" {

const char* fa4_version(void) {
  return FA4_DOTTED(FA4_VERSION_MAJOR, FA4_VERSION_MINOR, FA4_VERSION_PATCH);
}

const char* fa4_info(void) {
  try {
    static const std::string text = fa4::api::describe_library();
    return text.c_str();
  } catch (...) {  // out of memory: the call has no status, and a later one may succeed
    return "{}";
  }
}

}  // extern "C"
