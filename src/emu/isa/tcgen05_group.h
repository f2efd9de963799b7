// SPDX-License-Identifier: Apache-2.0
// What mma and commit ask before they do anything.
#pragma once

#include <cstdint>

#include "emu/isa/decoder.h"
#include "emu/machine/warp.h"

namespace fa4::emu::isa {

// Refused but on sm_100a and sm_103a.
void require_tcgen05(Decoder& decoder);

// Whether a CTA's peer is there and lives, where cta_group::2 needs it; else that has been reported.
bool tcgen05_group_is_there(Warp& warp, uint32_t group);

}  // namespace fa4::emu::isa
