// SPDX-License-Identifier: Apache-2.0
#include "jit/bundle.h"

#include <filesystem>
#include <set>

#include "jit/embedded_sources.h"
#include "jit/files.h"

namespace fa4::jit {
namespace {

constexpr std::string_view kInclude = "#include \"";

// Calls function(line) for each line, without its end.
template <class Function>
void for_each_line(std::string_view text, Function function) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    function(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

void Bundle::add(std::string_view name, std::string_view text) {
  std::string& stored = files_[std::string(kVirtualRoot) + std::string(name)];
  stored.clear();
  for_each_line(text, [&](std::string_view line) {
    const bool include = line.starts_with(kInclude);
    if (include) {
      stored += kInclude;
      stored += kVirtualRoot;
      line.remove_prefix(kInclude.size());
    }
    stored += line;
    stored += '\n';
  });
}

Bundle Bundle::embedded() {
  Bundle bundle;
  for (const EmbeddedSource& source : embedded_sources()) bundle.add(source.name, source.text);
  return bundle;
}

Status Bundle::from_folder(const std::string& folder, Bundle* bundle) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, error);
  if (error) {
    return invalid_argument("FA4_KERNEL_DIR is {}, which cannot be read: {}", folder,
                            error.message());
  }
  *bundle = {};
  for (const fs::recursive_directory_iterator end; at != end; at.increment(error)) {
    if (at->path().extension() != ".h") continue;
    const auto text = read_file(at->path().string());
    if (text) bundle->add(at->path().lexically_relative(folder).string(), *text);
  }
  if (bundle->files_.empty()) {
    return invalid_argument("FA4_KERNEL_DIR is {}, which holds no kernel sources (*.h)", folder);
  }
  return {};
}

Status Bundle::closure_of(const std::string& root, std::vector<const char*>* names,
                          std::vector<const char*>* texts) const {
  std::vector<std::pair<std::string, std::string>> waiting;  // file, who includes it
  waiting.emplace_back(std::string(kVirtualRoot) + root, "the generated source");
  std::set<std::string> found;
  while (!waiting.empty()) {
    const std::string name = waiting.back().first, includer = waiting.back().second;
    waiting.pop_back();
    if (!found.insert(name).second) continue;
    const auto file = files_.find(name);
    if (file == files_.end()) {
      return {FA4_ERROR_INTERNAL,
              fmt::format("{} includes {}, which is not among the kernel sources", includer, name)};
    }
    for_each_line(file->second, [&](std::string_view line) {
      if (!line.starts_with(kInclude)) return;
      line.remove_prefix(kInclude.size());
      waiting.emplace_back(std::string(line.substr(0, line.find('"'))), name);
    });
  }
  for (const std::string& name : found) {
    const auto file = files_.find(name);
    names->push_back(file->first.c_str());
    texts->push_back(file->second.c_str());
  }
  return {};
}

}  // namespace fa4::jit
