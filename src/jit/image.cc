// SPDX-License-Identifier: Apache-2.0
#include "jit/image.h"

#include <algorithm>
#include <charconv>

namespace fa4::jit {
namespace {

// The number before each occurrence of `unit`, given to function(number).
template <class Function>
void for_each_number_before(std::string_view text, std::string_view unit, Function function) {
  for (size_t at = text.find(unit); at != std::string_view::npos; at = text.find(unit, at + 1)) {
    size_t begin = at;
    while (begin > 0 && text[begin - 1] >= '0' && text[begin - 1] <= '9') --begin;
    uint32_t number = 0;
    if (std::from_chars(text.data() + begin, text.data() + at, number).ec == std::errc()) {
      function(number);
    }
  }
}

}  // namespace

Resources resources_of(std::string_view log) {
  Resources resources;
  for_each_number_before(log, " registers", [&](uint32_t count) {
    resources.registers = std::max(resources.registers, count);
  });
  for_each_number_before(log, " bytes stack frame",
                         [&](uint32_t bytes) { resources.stack_bytes += bytes; });
  for_each_number_before(log, " bytes spill stores",
                         [&](uint32_t bytes) { resources.spill_store_bytes += bytes; });
  for_each_number_before(log, " bytes spill loads",
                         [&](uint32_t bytes) { resources.spill_load_bytes += bytes; });
  return resources;
}

}  // namespace fa4::jit
