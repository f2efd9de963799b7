// SPDX-License-Identifier: Apache-2.0
// What nvcc compresses fat binaries with: LZ4 blocks (--compress-mode=speed, and nvcc 12) and Zstandard (nvcc 13).
#pragma once

#include <cstddef>
#include <string>

namespace fa4::emurun {

// Fill `text`, whose size is that of the plain bytes. Null, or why not.
const char* decompress_lz4(const std::byte* from, size_t bytes, std::string* text);
const char* decompress_zstd(const std::byte* from, size_t bytes, std::string* text);

}  // namespace fa4::emurun
