// SPDX-License-Identifier: Apache-2.0
// Small programs for sm_100 that use tensor memory: as in programs.h.
#pragma once

#include <string>

#include "emu/cluster_programs.h"

namespace fa4::emu::test {

inline std::string sm100_program(const std::string& body, const std::string& outside = "") {
  std::string text = program(body, outside);
  text.replace(text.find("sm_80"), 5, "sm_100a");
  return text;
}

inline const MachineOptions kSm100{.arch = 100};

// Warp 0 (%p8) allocates so many columns; their address is in %r41, with this warp's lanes in %r42.
inline std::string with_tmem(uint32_t columns, const std::string& body) {
  const std::string count = std::to_string(columns);
  return R"(
  .shared .align 16 .b32 where;
  setp.lt.u32 %p8, %r1, 32;
  mov.u32 %r40, where;
  @%p8 tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%r40], )" +
         count + R"(;
  bar.sync 0;
  ld.shared.u32 %r41, [%r40];
  and.b32 %r43, %r1, 96;
  shl.b32 %r42, %r43, 16;
  add.s32 %r42, %r42, %r41;
)" + body +
         R"(
  bar.sync 0;
  @%p8 tcgen05.dealloc.cta_group::1.sync.aligned.b32 %r41, )" +
         count + ";\n";
}

inline const std::string kWaitLoads = "tcgen05.wait::ld.sync.aligned;\n";
inline const std::string kWaitStores = "tcgen05.wait::st.sync.aligned;\n";

}  // namespace fa4::emu::test
