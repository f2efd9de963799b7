// SPDX-License-Identifier: Apache-2.0
// What the shadow says of an access to shared memory, in words.
#pragma once

#include <cstdint>
#include <string>

#include "emu/machine/memory.h"
#include "emu/machine/shadow.h"

namespace fa4::emu {

inline bool is_read(Access access) {
  return access == Access::Read || access == Access::StrongRead || access == Access::Look;
}
inline const char* verb_of(Access access) { return is_read(access) ? "read" : "write"; }

// Code and sentence of the conflict of a lane's access to an offset in shared memory.
struct ConflictText {
  const char* code;
  std::string text;
};
ConflictText describe_conflict(const Warp& warp, const Conflict& conflict, uint32_t offset,
                               int lane, Access access);
// Reports it; but a write over what a tcgen05.mma reads is kept until somebody reads what came of it (operand_race.h).
void report_conflict(Warp& warp, const Conflict& conflict, uint32_t offset, int lane,
                     Access access);

}  // namespace fa4::emu
