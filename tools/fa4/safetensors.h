// SPDX-License-Identifier: Apache-2.0
// The safetensors file format: 8 bytes of header length, a JSON header, the tensors' bytes.
// Readers throw Failure (error.h) with one sentence for whatever a file may hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "elements.h"
#include "files.h"
#include "tensor.h"

namespace fa4::cli {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// A tensor of a type that the format has and this command does not compute with.
struct ForeignTensor {
  std::string name;
  std::string type;
};

struct Archive {
  std::vector<NamedTensor> tensors;  // by name
  std::vector<ForeignTensor> foreign;

  Tensor* find(const std::string& name);
};

// One tensor as the header tells it; offsets are relative to the first byte after the header.
struct HeaderEntry {
  std::string name;
  std::string type;  // the format's name
  Shape shape;
  int64_t begin = 0;
  int64_t end = 0;
};

// Checks everything that can be checked without the data. By offset.
std::vector<HeaderEntry> parse_header(std::span<const std::byte> json, int64_t data_bytes);

Archive read_safetensors(std::span<const std::byte> file);
Archive read_safetensors_file(const std::string& path);

struct TensorToWrite {
  std::string name;
  const Tensor* tensor;
};
void write_safetensors(OutputFile& file, std::vector<TensorToWrite> tensors);

}  // namespace fa4::cli
