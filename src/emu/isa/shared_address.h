// SPDX-License-Identifier: Apache-2.0
// Operands that name shared memory, by a shared or by a generic address.
#pragma once

#include <cstdint>
#include <optional>

#include "emu/isa/address.h"

namespace fa4::emu::isa {

// A lane's address with the rank of its CTA; none: it is not in shared memory, which has been reported.
std::optional<uint32_t> shared_address(Warp& warp, const Place& place, int lane);

}  // namespace fa4::emu::isa
