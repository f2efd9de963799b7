// SPDX-License-Identifier: Apache-2.0
// A compiled kernel.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fa4::jit {

// What ptxas said about the kernel and the functions that it did not inline.
struct Resources {
  uint32_t registers = 0;
  uint32_t stack_bytes = 0;
  uint32_t spill_store_bytes = 0;
  uint32_t spill_load_bytes = 0;

  bool operator==(const Resources&) const = default;
};

Resources resources_of(std::string_view ptxas_log);

enum class CodeKind : uint8_t { Cubin, Ptx };

struct Image {
  CodeKind kind = CodeKind::Cubin;
  std::string entry, arch;
  std::string code;
  std::string source;  // generated; empty from a pack
  std::string log;     // of ptxas; empty from a pack and of PTX
  Resources resources;
  std::string origin;  // "compiled in 0.93 s by NVRTC 13.0", "disk cache", "pack FILE"
};

}  // namespace fa4::jit
