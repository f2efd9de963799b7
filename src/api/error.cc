// SPDX-License-Identifier: Apache-2.0
#include "api/error.h"

#include <algorithm>
#include <cstring>

namespace fa4::api {
namespace {

// A buffer rather than a string, so that keeping a sentence cannot fail.
thread_local char last_error[4096] = "";

}  // namespace

void set_last_error(std::string_view sentence) noexcept {
  const size_t length = std::min(sentence.size(), sizeof(last_error) - 1);
  std::memcpy(last_error, sentence.data(), length);
  last_error[length] = '\0';
}

}  // namespace fa4::api

extern "C" {

const char* fa4_last_error(void) { return fa4::api::last_error; }

const char* fa4_status_name(fa4_status status) {
  switch (status) {
    case FA4_OK:
      return "ok";
    case FA4_ERROR_INVALID_ARGUMENT:
      return "invalid argument";
    case FA4_ERROR_UNSUPPORTED:
      return "unsupported";
    case FA4_ERROR_OUT_OF_MEMORY:
      return "out of memory";
    case FA4_ERROR_DEVICE:
      return "device error";
    case FA4_ERROR_INTERNAL:
      return "internal error";
  }
  return "unknown status";
}

}  // extern "C"
