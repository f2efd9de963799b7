// SPDX-License-Identifier: Apache-2.0
// Files that lie. Whatever the bytes: a tensor whose elements can all be read, or one Failure with a
// sentence; nothing else is thrown, nothing is read outside the file, and memory stays near its size.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "fa4/error.h"
#include "fa4/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto file = std::as_bytes(std::span(data, size));
    const fa4::cli::Archive archive = fa4::cli::read_safetensors(file);
    for (const auto& [name, tensor] : archive.tensors) (void)tensor.values();
  } catch (const fa4::cli::Failure& failure) {
    if (*failure.what() == '\0') {
      std::fputs("a failure without a sentence\n", stderr);
      std::abort();
    }
  }
  return 0;
}
