// SPDX-License-Identifier: Apache-2.0
// Size-prefixed structs of callers that are older or newer than this library.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "core/status.h"

namespace fa4::api {

inline constexpr size_t kMaxStructSize = 1 << 16;  // more is no struct but an uninitialised size

// What a struct of version 0.1, the first, was: smaller ones never existed.
template <class Struct>
inline constexpr size_t kFirstSize = 0;
template <>
inline constexpr size_t kFirstSize<fa4_problem> = offsetof(fa4_problem, device) +
                                                  sizeof(const char*);
template <>
inline constexpr size_t kFirstSize<fa4_forward_tensors> = offsetof(fa4_forward_tensors, lse) +
                                                          sizeof(const DLTensor*);
template <>
inline constexpr size_t kFirstSize<fa4_backward_tensors> = offsetof(fa4_backward_tensors, dsink) +
                                                           sizeof(const DLTensor*);
template <>
inline constexpr size_t kFirstSize<fa4_combine_tensors> = offsetof(fa4_combine_tensors, lse) +
                                                          sizeof(const DLTensor*);

template <>
inline constexpr size_t kFirstSize<fa4_pack_options> = offsetof(fa4_pack_options, context) +
                                                       sizeof(void*);

// Copies what both sides know. Fields that the caller's version lacks are zero.
template <class Struct>
Status read_struct(const Struct* source, const char* name, Struct* copy) {
  if (source == nullptr) return invalid_argument("{} is null", name);
  const size_t size = source->struct_size;
  if (size < kFirstSize<Struct> || size > kMaxStructSize) {
    return invalid_argument(
        "{0}.struct_size is {1}; it must be sizeof({2}), {3} in this version{4}", name, size,
        "*" + std::string(name), sizeof(Struct),
        std::is_same_v<Struct, fa4_problem> ? " (call fa4_problem_init)" : "");
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(source);
  for (size_t i = sizeof(Struct); i < size; ++i) {
    if (bytes[i] != 0) {
      return unsupported(
          "{} is a struct from a newer version and sets fields this library ({}) does not know (byte {} is not 0)",
          name, fa4_version(), i);
    }
  }
  *copy = {};
  std::memcpy(copy, source, std::min(size, sizeof(Struct)));
  return {};
}

}  // namespace fa4::api
