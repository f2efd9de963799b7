// SPDX-License-Identifier: Apache-2.0
// The kernels' sources under absolute virtual names, "/fa4/ptx/mma.h". NVRTC finds a header only if the text
// of the #include equals its name, so the prefix is put into both; line tables are then equal on every machine.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace fa4::jit {

class Bundle {
 public:
  // The sources inside the library, or those of a folder.
  static Bundle embedded();
  static Status from_folder(const std::string& folder, Bundle* bundle);

  void add(std::string_view name, std::string_view text);  // name: "ptx/mma.h"
  const std::map<std::string, std::string>& files() const { return files_; }

  // The files that `root` ("sm80/forward/kernel.h") needs, itself included, or which one is missing.
  Status closure_of(const std::string& root, std::vector<const char*>* names,
                    std::vector<const char*>* texts) const;

 private:
  std::map<std::string, std::string> files_;  // virtual name -> text
};

inline constexpr std::string_view kVirtualRoot = "/fa4/";

}  // namespace fa4::jit
