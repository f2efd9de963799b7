// SPDX-License-Identifier: Apache-2.0
#include "jit/settings.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace fa4::jit {
namespace {

std::string text_of(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

uint64_t number_of(const char* name, uint64_t otherwise) {
  const std::string text = text_of(name);
  if (text.empty()) return otherwise;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number < uint64_t{1} << 40) {
    return number;
  }
  std::fprintf(stderr, "fa4: %s is \"%s\", which is no number; %llu is taken\n", name, text.c_str(),
               static_cast<unsigned long long>(otherwise));
  return otherwise;
}

std::string default_cache_dir() {
  const std::string xdg = text_of("XDG_CACHE_HOME");
  if (!xdg.empty() && xdg.front() == '/') return xdg + "/fa4";  // XDG: relative paths are ignored
  const std::string home = text_of("HOME");
  return home.empty() ? "" : home + "/.cache/fa4";
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

}  // namespace

Settings settings_from_environment() {
  Settings settings;
  settings.nvrtc = text_of("FA4_NVRTC");
  settings.kernel_dir = text_of("FA4_KERNEL_DIR");
  settings.cache_dir = text_of("FA4_CACHE_DIR");
  if (settings.cache_dir.empty()) settings.cache_dir = default_cache_dir();
  settings.cache_bytes = number_of("FA4_CACHE_MB", settings.cache_bytes >> 20) << 20;
  settings.packs = split(text_of("FA4_PACK"), ':');
  settings.fmad = number_of("FA4_FMAD", 1) != 0;
  const uint64_t level = number_of("FA4_VERBOSE", 1);
  settings.verbosity = level == 0   ? Verbosity::Quiet
                       : level == 1 ? Verbosity::Compilations
                                    : Verbosity::Everything;
  return settings;
}

}  // namespace fa4::jit
