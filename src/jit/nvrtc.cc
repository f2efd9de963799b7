// SPDX-License-Identifier: Apache-2.0
#include "jit/nvrtc.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>

namespace fa4::jit {
namespace {

constexpr int kOldestMajor = 12;  // the first that knows C++20

// NVRTC asks for its builtins by bare name; they are found when they are loaded already.
void load_builtins_beside(const std::string& path) {
  std::error_code error;
  const auto folder = std::filesystem::path(path).parent_path();
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("libnvrtc-builtins.so.")) dlopen(entry.path().c_str(), RTLD_NOW);
  }
}

}  // namespace

Status Nvrtc::bind(void* library) {
  const char* missing = nullptr;
  const auto need = [&]<class F>(const char* name, F** function) {
    *function = reinterpret_cast<F*>(dlsym(library, name));
    if (*function == nullptr && missing == nullptr) missing = name;
  };
  need("nvrtcVersion", &version_);
  need("nvrtcGetNumSupportedArchs", &num_archs_);
  need("nvrtcGetSupportedArchs", &archs_);
  need("nvrtcGetErrorString", &error_string_);
  need("nvrtcCreateProgram", &create_);
  need("nvrtcDestroyProgram", &destroy_);
  need("nvrtcCompileProgram", &compile_);
  need("nvrtcGetProgramLogSize", &log_size_);
  need("nvrtcGetProgramLog", &log_);
  need("nvrtcGetCUBINSize", &cubin_size_);
  need("nvrtcGetCUBIN", &cubin_);
  need("nvrtcGetPTXSize", &ptx_size_);
  need("nvrtcGetPTX", &ptx_);
  if (version_ != nullptr) version_(&major_, &minor_);
  if (version_ != nullptr && major_ < kOldestMajor) {
    return unsupported("NVRTC {} ({}) is too old: {}.0 or newer is needed, for C++20", version(),
                       path_, kOldestMajor);
  }
  if (missing != nullptr) return unsupported("{} is no usable NVRTC: it has no {}", path_, missing);
  return {};
}

Status Nvrtc::open(const NvrtcFile& file, const Nvrtc** nvrtc) {
  struct Opened {
    Nvrtc nvrtc;
    Status status;
  };
  static std::mutex mutex;
  static auto& opened = *new std::map<std::string, std::unique_ptr<Opened>>;
  const std::lock_guard lock(mutex);
  std::unique_ptr<Opened>& slot = opened[file.path];
  if (slot == nullptr) {
    slot = std::make_unique<Opened>();
    slot->nvrtc.path_ = file.path;
    load_builtins_beside(file.path);
    void* library = dlopen(file.path.c_str(), RTLD_NOW | RTLD_LOCAL);
    slot->status = library == nullptr
                       ? unsupported("NVRTC {} cannot be opened: {}", file.path, dlerror())
                       : slot->nvrtc.bind(library);
  }
  *nvrtc = &slot->nvrtc;
  return slot->status;
}

Status Nvrtc::check_target(const std::string& target) const {
  int count = 0;
  if (num_archs_(&count) != 0 || count == 0) return {};
  std::vector<int> archs(static_cast<size_t>(count));
  if (archs_(archs.data()) != 0) return {};
  int wanted = 0;  // "sm_90a" -> 90
  for (const char c : target) {
    if (c >= '0' && c <= '9') wanted = wanted * 10 + (c - '0');
  }
  if (std::find(archs.begin(), archs.end(), wanted) != archs.end()) return {};
  return unsupported("NVRTC {} ({}) does not know {}; its newest is {}", version(), path_, target,
                     archs.back());
}

Status Nvrtc::compile(const Unit& unit, const std::string& target, std::string* code,
                      std::string* log) const {
  FA4_RETURN_IF_ERROR(check_target(target));
  Program program = nullptr;
  int result = create_(&program, unit.source.c_str(), "/fa4/generated.cu",
                       static_cast<int>(unit.header_names.size()), unit.header_texts.data(),
                       unit.header_names.data());
  if (result != 0) {
    return {FA4_ERROR_DEVICE, fmt::format("NVRTC makes no program: {}", error_string_(result))};
  }
  const auto destroy = [this](Program* owned) { destroy_(owned); };
  const std::unique_ptr<Program, decltype(destroy)> owner(&program, destroy);
  const std::string arch = "--gpu-architecture=" + target;
  std::vector<const char*> flags = unit.flags;
  flags.push_back(arch.c_str());
  if (major_ >= 13) flags.push_back("--no-cache");  // its own cache returns an empty log
  result = compile_(program, static_cast<int>(flags.size()), flags.data());
  size_t size = 0;
  log->clear();
  if (log_size_(program, &size) == 0 && size > 1) {
    log->resize(size);
    log_(program, log->data());
    std::erase(*log, '\0');  // at its end and between its parts
  }
  if (result != 0) {
    return {FA4_ERROR_INTERNAL, fmt::format("NVRTC {} rejects {} for {} ({}):\n{}", version(),
                                            unit.entry, target, error_string_(result), *log)};
  }
  const bool ptx = target.starts_with("compute_");
  if ((ptx ? ptx_size_ : cubin_size_)(program, &size) == 0 && size > 0) {
    code->resize(size);
    if ((ptx ? ptx_ : cubin_)(program, code->data()) == 0) {
      if (ptx) code->resize(size - 1);
      return {};
    }
  }
  return {FA4_ERROR_DEVICE,
          fmt::format("NVRTC {} gives no code for {} ({})", version(), unit.entry, target)};
}

}  // namespace fa4::jit
