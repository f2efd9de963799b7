// SPDX-License-Identifier: Apache-2.0
// The JSON of a safetensors header, read as a stream: depth, names and numbers are checked as they come,
// so that a hostile header costs no more memory than its own length.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "safetensors.h"

namespace fa4::cli {

// Entries in the order of the header; names are unique, sizes and offsets are 0 or more.
std::vector<HeaderEntry> parse_header_json(std::span<const std::byte> json);

}  // namespace fa4::cli
