// SPDX-License-Identifier: Apache-2.0
#include "emu/isa/bulk_operands.h"

#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {

void bulk_fault(Warp& warp, std::string_view code, const std::string& text) {
  report(warp, Level::Error, code, text);
  throw Stop(std::string(code));
}

void append_place(Decoder& decoder, Space space, const ptx::Operand& operand,
                  std::vector<uint32_t>* list) {
  const Address address = decoder.address(operand);
  list->push_back(static_cast<uint32_t>(space) | (address.wide ? 0x100u : 0u));
  list->push_back(address.base);
  list->push_back(static_cast<uint32_t>(address.offset));
}

uint16_t trailing_operands(Decoder& decoder, const Words& words, const ptx::Instruction& text,
                           size_t first) {
  const size_t mask = words.has("multicast::cluster") ? 1 : 0;
  const size_t hint = words.has("L2::cache_hint") ? 1 : 0;
  decoder.require_operands(text, first + mask + hint, first + mask + hint);
  if (hint != 0) decoder.row_in(text.operands[first + mask], Type::B64);
  return mask == 0 ? uint16_t{0} : decoder.row_in(text.operands[first], Type::U16);
}

std::string_view bulk_op_of(const Words& words) {
  for (const std::string_view op : {"add", "min", "max", "inc", "dec", "and", "or", "xor"}) {
    if (words.has(op)) return op;
  }
  return "";
}

}  // namespace fa4::emu::isa
