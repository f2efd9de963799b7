// SPDX-License-Identifier: Apache-2.0
// The labels of a SPEC.json: what the kernel calls its warps and its shared memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fa4/emu.h"
#include "json.h"

namespace fa4::cli {

class SpecLabels {
 public:
  // {"warps": {"0-3": "Load"}, "shared": {"full": [offset, bytes, count]}, "tensor": {"S": [column, columns, count]}}; throws Failure with exit code 2.
  void read(const Json& item);
  // As a launch takes them; valid while this object lives and is not read again. Null: there are none.
  const fa4emu_labels* labels();

 private:
  struct Warps {
    std::string name;
    uint32_t first, last;
  };
  struct Shared {
    std::string name;
    uint32_t offset, bytes, count;
  };
  std::vector<Warps> warps_;
  std::vector<Shared> shared_;
  std::vector<Shared> tensor_;  // columns for bytes
  std::vector<fa4emu_warp_label> given_warps_;
  std::vector<fa4emu_shared_label> given_shared_;
  std::vector<fa4emu_tensor_label> given_tensor_;
  fa4emu_labels given_ = {};
};

}  // namespace fa4::cli
