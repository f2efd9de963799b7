// SPDX-License-Identifier: Apache-2.0
// The labels of a GEMM from the rows of its roles.h and the members of its storage.h.
#pragma once

#include <string>
#include <vector>

#include "emu/run/machine.h"

namespace fa4::test {

struct GemmRole {
  template <class RoleRow>
  GemmRole(const RoleRow& row, const char* name)
      : warps{row.first_warp, row.first_warp + row.num_warps - 1, name} {}
  emu::LaunchLabels::Warps warps;
};

struct GemmMember {
  std::string name;
  size_t bytes;  // of one element
  uint32_t count;
};

// `members` follow one another from the start of the dynamic shared memory.
inline emu::LaunchLabels gemm_labels(const std::vector<GemmRole>& roles,
                                     const std::vector<GemmMember>& members) {
  emu::LaunchLabels labels;
  for (const GemmRole& role : roles) labels.warps.push_back(role.warps);
  uint32_t offset = 0;
  for (const GemmMember& member : members) {
    const auto bytes = static_cast<uint32_t>(member.bytes);
    labels.shared.push_back({member.name, offset, bytes, member.count});
    offset += bytes * member.count;
  }
  return labels;
}

}  // namespace fa4::test
