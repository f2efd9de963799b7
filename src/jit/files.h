// SPDX-License-Identifier: Apache-2.0
// Whole files in and out. Nothing throws: what a disk does is a value.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/status.h"

namespace fa4::jit {

std::optional<std::string> read_file(const std::string& path);

// The sentence names the path and what the system said.
Status write_file(const std::string& path, std::string_view bytes);

// A name beside `path` that no other process or thread takes.
std::string unique_name(const std::string& path);

}  // namespace fa4::jit
