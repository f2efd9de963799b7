// SPDX-License-Identifier: Apache-2.0
#include <omp.h>

#include <nlohmann/json.hpp>

#include "api/backends.h"
#include "device/cuda_device.h"
#include "device/driver.h"
#include "device/emulated_device.h"
#include "fa4/fa4.h"
#include "jit/compiler.h"

#define FA4_TEXT_OF(number) #number
#define FA4_DOTTED(major, minor, patch) \
  FA4_TEXT_OF(major) "." FA4_TEXT_OF(minor) "." FA4_TEXT_OF(patch)

namespace fa4::api {
namespace {

using Json = nlohmann::ordered_json;

Json describe_backend(const plan::Candidate& candidate) {
  Json kernels = Json::array();
  const Status available = candidate.backend->available();
  for (const KernelInfo& kernel : candidate.backend->kernels()) {
    const Status& runs = available.ok() ? kernel.runs_here : available;
    Json item = {{"name", kernel.name}, {"summary", kernel.summary}, {"runs_here", runs.ok()}};
    if (!runs.ok()) item["reason"] = runs.message;
    kernels.push_back(std::move(item));
  }
  return {{"name", candidate.backend->name()},
          {"chosen_by", candidate.judge || candidate.emulated ? "name only" : "auto or name"},
          {"kernels", kernels}};
}

Json describe_device(const device::Device& device, int index) {
  const plan::DeviceFacts& facts = device.facts();
  return {{"name", fmt::format("cuda:{}", index)},
          {"description", device.description()},
          {"arch", facts.arch},
          {"sms", facts.num_sms},
          {"smem_per_block_bytes", facts.smem_per_block_bytes},
          {"l2_bytes", facts.l2_bytes},
          {"driver", device.driver()}};
}

Json describe_devices() {
  Json list = Json::array({{{"name", "cpu"}, {"threads", omp_get_max_threads()}}});
  const device::Devices& gpus = device::cuda_devices();
  for (int i = 0; i < gpus.count(); ++i) {
    const device::Device* found = nullptr;
    const Status status = gpus.find(i, &found);
    if (status.ok()) {
      list.push_back(describe_device(*found, i));
    } else {
      list.push_back({{"name", fmt::format("cuda:{}", i)}, {"reason", status.message}});
    }
  }
  return list;
}

Json describe_packs() {
  Json list = Json::array();
  for (const jit::Compiler::PackState& state : jit::compiler().packs()) {
    Json item = {{"path", state.path}};
    if (state.status.ok()) {
      item["kernels"] = state.pack.size();
      item["archs"] = state.pack.archs();
    } else {
      item["reason"] = state.status.message;
    }
    list.push_back(std::move(item));
  }
  return list;
}

// Why the GPU is used or not, and where its kernels come from.
Json describe_gpu() {
  jit::Compiler& compiler = jit::compiler();
  const Status available = device::cuda_devices().available();
  const device::Driver* driver = nullptr;
  const bool has_driver = device::find_driver(&driver).ok();
  jit::NvrtcFile nvrtc;
  const Status found = compiler.nvrtc_file(&nvrtc);
  const jit::DiskCache::Usage usage = compiler.disk().usage();
  Json text = {{"runs_here", available.ok()}};
  if (!available.ok()) text["reason"] = available.message;
  if (has_driver) text["driver"] = device::driver_version_text(driver->version);
  text["nvrtc"] = found.ok() ? Json{{"path", nvrtc.path}} : Json{{"reason", found.message}};
  text["cache"] = {{"folder", compiler.disk().enabled() ? compiler.disk().folder() : ""},
                   {"entries", usage.entries},
                   {"bytes", usage.bytes},
                   {"limit_bytes", compiler.disk().limit_bytes()}};
  text["packs"] = describe_packs();
  if (!compiler.settings().kernel_dir.empty()) text["kernel_dir"] = compiler.settings().kernel_dir;
  return text;
}

Json describe_machine() {
  std::string path;
  const Status found = device::find_machine(&path);
  return found.ok() ? Json{{"path", path}} : Json{{"reason", found.message}};
}

std::string describe_library() {
  Json list = Json::array();
  for (const plan::Candidate& candidate : backends()) list.push_back(describe_backend(candidate));
  const Json text = {{"version", fa4_version()},          {"backends", list},
                     {"devices", describe_devices()},     {"gpu", describe_gpu()},
                     {"ptx_machine", describe_machine()}, {"threads", omp_get_max_threads()}};
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
