// SPDX-License-Identifier: Apache-2.0
// Names and sentences of status codes.
#pragma once

#include "emurun/base.h"

namespace fa4::emurun {

struct ErrorText {
  int code;
  const char* runtime_name;  // "cudaErrorInvalidValue"
  const char* driver_name;   // "CUDA_ERROR_INVALID_VALUE"
  const char* sentence;
};

// Null: no such code.
const ErrorText* error_text(int code);

}  // namespace fa4::emurun
