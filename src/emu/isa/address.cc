// SPDX-License-Identifier: Apache-2.0
#include "emu/isa/address.h"

namespace fa4::emu::isa {

Space space_of(const Words& words) {
  if (words.has("global")) return Space::Global;
  if (words.has("shared") || words.has("shared::cta")) return Space::Shared;
  if (words.has("shared::cluster")) return Space::SharedCluster;
  if (words.has("local")) return Space::Local;
  if (words.has("param") || words.has("param::entry")) return Space::Param;
  if (words.has("const")) return Space::Const;
  return Space::Generic;
}

std::vector<uint32_t> address_list(Decoder& decoder, const Words& words,
                                   const ptx::Operand& operand) {
  const Address address = decoder.address(operand);
  const bool yields = words.has("volatile") || words.has("relaxed") || words.has("acquire") ||
                      words.has("release") || words.has("acq_rel");
  return {static_cast<uint32_t>(space_of(words)) | (address.wide ? 0x100u : 0u) |
              (yields ? 0x200u : 0u),
          address.base, static_cast<uint32_t>(address.offset)};
}

}  // namespace fa4::emu::isa
