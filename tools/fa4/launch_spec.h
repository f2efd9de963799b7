// SPDX-License-Identifier: Apache-2.0
// SPEC.json of fa4 emu: which entry is launched, how, and on what. docs/emulator/fa4-emu.md describes it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spec_labels.h"
#include "tensor.h"

namespace fa4::cli {

struct SpecBuffer {
  std::string name;
  Tensor tensor;
  bool writable = true;
};

// A tensor of a buffer as TMA copies it (fa4/emu.h, fa4emu_tensor_map).
struct SpecTensorMap {
  uint32_t data_type = 0, swizzle = 0, fill = 0;
  std::vector<uint64_t> sizes, strides;
  std::vector<uint32_t> box, element_strides;
};

// Bytes of the parameters: those of a value, the address of a buffer, or a tensor map of a buffer.
struct SpecParam {
  uint64_t offset = 0;
  std::vector<std::byte> bytes;  // of a value
  std::string buffer;            // empty: a value
  int64_t byte_offset = 0;       // from the buffer's first byte
  std::optional<SpecTensorMap> tensor_map;

  uint64_t size() const {
    if (tensor_map) return 128;
    return buffer.empty() ? bytes.size() : sizeof(uint64_t);
  }
};

struct LaunchSpec {
  std::string entry;
  std::array<uint32_t, 3> grid = {1, 1, 1}, block = {1, 1, 1}, cluster = {1, 1, 1};
  uint32_t dynamic_shared_bytes = 0;
  std::vector<SpecParam> params;  // by offset
  std::vector<SpecBuffer> buffers;
  std::vector<std::string> outputs;
  MachineLabels labels;

  SpecBuffer* find(const std::string& name);
};

// Throws Failure with exit code 2 and one sentence for whatever a file may hold. Files that it names are looked for
// from its own folder.
LaunchSpec read_launch_spec(const std::string& path);

// The parameters as an entry of that many bytes takes them; bytes that none of them sets are 0, and so are those of tensor
// maps, which the machine encodes.
std::vector<std::byte> param_bytes_of(LaunchSpec& spec, uint32_t entry_bytes);

}  // namespace fa4::cli
