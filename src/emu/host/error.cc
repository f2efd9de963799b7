// SPDX-License-Identifier: Apache-2.0
#include "emu/host/error.h"

#include <algorithm>
#include <cstring>

namespace fa4::emu::host {
namespace {

// A buffer rather than a string, so that keeping a sentence cannot fail.
thread_local char host_last_error[4096] = "";

}  // namespace

void set_last_error(std::string_view sentence) noexcept {
  const size_t length = std::min(sentence.size(), sizeof(host_last_error) - 1);
  std::memcpy(host_last_error, sentence.data(), length);
  host_last_error[length] = '\0';
}

}  // namespace fa4::emu::host

extern "C" {

const char* fa4emu_last_error(void) { return fa4::emu::host::host_last_error; }

}  // extern "C"
