// SPDX-License-Identifier: Apache-2.0
// fa4 info: the doctor.
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "json.h"
#include "verbs.h"

namespace fa4::cli {
namespace {

// The text after the colon of the first such line of /proc/cpuinfo; empty where there is none.
std::string cpu_line(const std::string& key) {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    const size_t colon = line.find(": ");
    if (line.rfind(key, 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
}

// Those of the processor's flags that kernels and measurements ask about.
std::vector<std::string> vector_flags() {
  std::istringstream words(cpu_line("flags") + " " + cpu_line("Features"));
  std::vector<std::string> flags;
  for (std::string word; words >> word;) {
    const bool vector = word.rfind("sse4", 0) == 0 || word.rfind("avx", 0) == 0 ||
                        word.rfind("amx", 0) == 0 || word.rfind("asimd", 0) == 0 || word == "fma" ||
                        word == "f16c" || word == "bf16" || word.rfind("sve", 0) == 0;
    if (vector && std::find(flags.begin(), flags.end(), word) == flags.end()) flags.push_back(word);
  }
  return flags;
}

void print_kernels(const Json& backend) {
  for (const Json& kernel : backend.value("kernels", Json::array())) {
    const bool runs = kernel.value("runs_here", false);
    fmt::print("    {:<14} {:<5} {}\n", kernel.value("name", ""), runs ? "runs" : "no",
               kernel.value(runs ? "summary" : "reason", ""));
  }
}

// The text of `key`, or of the reason why there is none.
std::string text_or_reason(const Json& facts, const char* key) {
  return facts.contains(key) ? facts.value(key, "") : "none: " + facts.value("reason", "");
}

void print_gpu(const Json& gpu) {
  constexpr double kMb = 1 << 20;
  if (!gpu.value("runs_here", false)) {
    fmt::print("gpu:     not used: {}\n", gpu.value("reason", ""));
  }
  if (gpu.contains("driver")) fmt::print("driver:  for CUDA {}\n", gpu.value("driver", ""));
  fmt::print("nvrtc:   {}\n", text_or_reason(gpu.value("nvrtc", Json::object()), "path"));
  const Json cache = gpu.value("cache", Json::object());
  const std::string folder = cache.value("folder", "");
  if (folder.empty()) {
    fmt::print("cache:   none (FA4_CACHE_DIR, FA4_CACHE_MB)\n");
  } else {
    fmt::print("cache:   {}, {} kernels, {:.1f} of {:.0f} MB\n", folder, cache.value("entries", 0),
               cache.value("bytes", 0.0) / kMb, cache.value("limit_bytes", 0.0) / kMb);
  }
  for (const Json& pack : gpu.value("packs", Json::array())) {
    fmt::print("pack:    {}: {}\n", pack.value("path", ""),
               pack.contains("reason") ? pack.value("reason", "")
                                       : fmt::format("{} kernels for {}", pack.value("kernels", 0),
                                                     pack.value("archs", "")));
  }
  if (gpu.contains("kernel_dir")) {
    fmt::print("kernels: from {} (FA4_KERNEL_DIR)\n", gpu.value("kernel_dir", ""));
  }
}

}  // namespace

Exit info(const InfoArguments& arguments) {
  if (arguments.as_json) {
    fmt::print("{}\n", fa4_info());
    return Exit::Right;
  }
  const Json facts = Json::parse(fa4_info());
  fmt::print("version: {}\n", facts.value("version", ""));
  fmt::print("cpu:     {}\n", cpu_line("model name").empty() ? "unknown" : cpu_line("model name"));
  fmt::print("flags:   {}\n", fmt::join(vector_flags(), " "));
  fmt::print("threads: {} (OpenMP; OMP_NUM_THREADS changes it)\n", facts.value("threads", 0));
  fmt::print("devices:");
  for (const Json& device : facts.value("devices", Json::array())) {
    fmt::print(" {}", device.value("name", ""));
    if (device.contains("description")) {
      fmt::print(" ({}, {})", device.value("description", ""), device.value("arch", ""));
    }
  }
  fmt::print("\n");
  print_gpu(facts.value("gpu", Json::object()));
  fmt::print("machine: {}\n", text_or_reason(facts.value("ptx_machine", Json::object()), "path"));
  fmt::print("backends:\n");
  for (const Json& backend : facts.value("backends", Json::array())) {
    fmt::print("  {} (chosen by {})\n", backend.value("name", ""), backend.value("chosen_by", ""));
    print_kernels(backend);
  }
  return Exit::Right;
}

}  // namespace fa4::cli
