// SPDX-License-Identifier: Apache-2.0
// Where NVRTC may be: named, loaded already (by a framework of this process), beside us, in toolkits, in
// Python's packages.
#include <dlfcn.h>
#include <link.h>

#include <cstdlib>
#include <filesystem>
#include <functional>

#include "jit/nvrtc.h"

namespace fa4::jit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNames[] = {"libnvrtc.so.13", "libnvrtc.so.12"};  // preferred first

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool identify(const fs::path& path, NvrtcFile* file) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (error) return false;
  const auto size = fs::file_size(real, error);
  if (error || !fs::is_regular_file(real, error)) return false;
  file->path = path.string();
  file->identity = fmt::format("{}, {} bytes", real.filename().string(), size);
  return true;
}

bool find_in_folder(const fs::path& folder, NvrtcFile* file) {
  for (const char* name : kNames) {
    if (identify(folder / name, file)) return true;
  }
  return false;
}

bool find_loaded(NvrtcFile* file) {
  for (const char* name : kNames) {
    void* library = dlopen(name, RTLD_NOW | RTLD_NOLOAD);
    if (library == nullptr) continue;
    link_map* map = nullptr;
    const bool known = dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && map != nullptr;
    const bool found = known && identify(map->l_name, file);
    dlclose(library);
    if (found) return true;
  }
  return false;
}

// The folder of the library or program that holds this code.
fs::path own_folder() {
  Dl_info info;
  std::error_code error;
  if (dladdr(reinterpret_cast<void*>(&own_folder), &info) == 0) return {};
  return fs::canonical(info.dli_fname, error).parent_path();
}

void add_packages_of(const fs::path& site, std::vector<fs::path>* folders) {
  folders->push_back(site / "nvidia/cu13/lib");
  folders->push_back(site / "nvidia/cuda_nvrtc/lib");
}

// PREFIX/lib/python3.*/{site,dist}-packages
void add_packages_of_prefix(const fs::path& prefix, std::vector<fs::path>* folders) {
  std::error_code error;
  if (prefix.empty()) return;
  for (const auto& entry : fs::directory_iterator(prefix / "lib", error)) {
    if (!entry.path().filename().string().starts_with("python3")) continue;
    add_packages_of(entry.path() / "site-packages", folders);
    add_packages_of(entry.path() / "dist-packages", folders);
  }
}

void add_each(const std::string& list, const std::function<void(const fs::path&)>& add) {
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find(':', begin), list.size());
    if (end > begin) add(list.substr(begin, end - begin));
    begin = end + 1;
  }
}

std::vector<fs::path> search_path() {
  std::vector<fs::path> folders;
  const fs::path own = own_folder();
  if (!own.empty()) {
    folders.push_back(own.parent_path() / "nvrtc/nvidia/cu13/lib");  // a build tree
    for (fs::path up = own; up.has_relative_path(); up = up.parent_path()) {
      if (up.filename() == "site-packages" || up.filename() == "dist-packages") {
        add_packages_of(up, &folders);
      }
    }
  }
  add_each(variable("LD_LIBRARY_PATH"), [&](const fs::path& path) { folders.push_back(path); });
  for (const char* home : {"CUDA_HOME", "CUDA_PATH"}) {
    if (!variable(home).empty()) folders.push_back(fs::path(variable(home)) / "lib64");
  }
  for (const char* folder : {"/usr/local/cuda/lib64", "/opt/cuda/lib64", "/usr/lib64",
                             "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"}) {
    folders.emplace_back(folder);
  }
  add_packages_of_prefix(variable("VIRTUAL_ENV"), &folders);
  add_packages_of_prefix(variable("CONDA_PREFIX"), &folders);
  if (!variable("HOME").empty()) {
    add_packages_of_prefix(fs::path(variable("HOME")) / ".local", &folders);
  }
  std::error_code error;
  add_each(variable("PATH"), [&](const fs::path& bin) {
    const fs::path python = fs::canonical(bin / "python3", error);
    if (!error) add_packages_of_prefix(python.parent_path().parent_path(), &folders);
  });
  add_packages_of("/usr/lib/python3/dist-packages", &folders);
  return folders;
}

}  // namespace

Status find_nvrtc(const std::string& named, NvrtcFile* file) {
  if (!named.empty()) {
    std::error_code error;
    if (fs::is_directory(named, error) ? find_in_folder(named, file) : identify(named, file)) {
      return {};
    }
    return unsupported("FA4_NVRTC is {}, where there is no {} or {}", named, kNames[0], kNames[1]);
  }
  if (find_loaded(file)) return {};
  const std::vector<fs::path> folders = search_path();
  for (const fs::path& folder : folders) {
    if (find_in_folder(folder, file)) return {};
  }
  return unsupported(
      "NVRTC, the compiler of GPU kernels, was not found: no {} or {} in {} places ({}, …). Install it with "
      "`pip install nvidia-cuda-nvrtc==13.0.88`, or name it in FA4_NVRTC",
      kNames[0], kNames[1], folders.size(), folders.empty() ? "" : folders.front().string());
}

}  // namespace fa4::jit
