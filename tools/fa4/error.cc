// SPDX-License-Identifier: Apache-2.0
#include "error.h"

namespace fa4::cli {

std::string printable(const std::string& text) {
  constexpr size_t kLongest = 60;
  std::string result = "'";
  for (const char letter : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte < 0x20 || byte == 0x7f || letter == '\'' || letter == '\\') {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += letter;
    }
  }
  return result + (text.size() > kLongest ? "…'" : "'");
}

}  // namespace fa4::cli
