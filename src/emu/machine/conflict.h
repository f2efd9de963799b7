// SPDX-License-Identifier: Apache-2.0
// What the shadow says of an access to shared memory, in words.
#pragma once

#include <cstdint>

#include "emu/machine/memory.h"
#include "emu/machine/shadow.h"

namespace fa4::emu {

inline bool is_read(Access access) {
  return access == Access::Read || access == Access::StrongRead || access == Access::Look;
}
inline const char* verb_of(Access access) { return is_read(access) ? "read" : "write"; }

// The conflict of a lane's access to an offset in shared memory.
void report_conflict(Warp& warp, const Conflict& conflict, uint32_t offset, int lane,
                     Access access);

}  // namespace fa4::emu
