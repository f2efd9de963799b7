// SPDX-License-Identifier: Apache-2.0
// Fat binaries as nvcc writes them, made of PTX texts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace fa4::emurun::testing {

enum class Compression { None, Lz4, Zstd };

struct Part {
  bool is_ptx = true;
  uint32_t arch = 80;
  std::string bytes;
  Compression compression = Compression::None;
};

inline void append(std::string* to, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) to->push_back(static_cast<char>(value >> (8 * i)));
}

inline void append_length(std::string* to, size_t beyond_15) {
  for (; beyond_15 >= 255; beyond_15 -= 255) to->push_back('\xff');
  to->push_back(static_cast<char>(beyond_15));
}

// A block of greedy matches, found by looking back over 1000 bytes. The last bytes are literals, as LZ4 has it.
inline std::string lz4_block(const std::string& text) {
  std::string block;
  size_t pending = 0;
  const auto put = [&](size_t at, size_t distance, size_t match) {
    const size_t literals = at - pending;
    const size_t more = match == 0 ? 0 : match - 4;
    block.push_back(
        static_cast<char>((literals < 15 ? literals : 15) << 4 | (more < 15 ? more : 15)));
    if (literals >= 15) append_length(&block, literals - 15);
    block.append(text, pending, literals);
    if (match == 0) return;
    append(&block, distance, 2);
    if (more >= 15) append_length(&block, more - 15);
    pending = at + match;
  };
  for (size_t at = 0; at + 16 < text.size();) {
    size_t best = 0, distance = 0;
    for (size_t back = 1; back <= at && back <= 1000; ++back) {
      size_t match = 0;
      while (at + match + 5 < text.size() && text[at + match] == text[at + match - back]) ++match;
      if (match > best) {
        best = match;
        distance = back;
      }
    }
    if (best >= 4) {
      put(at, distance, best);
      at += best;
    } else {
      ++at;
    }
  }
  put(text.size(), 0, 0);
  return block;
}

// One frame of raw blocks: legal Zstandard, though it compresses nothing.
inline std::string zstd_frame(const std::string& text) {
  std::string frame("\x28\xb5\x2f\xfd\xa0", 5);
  append(&frame, text.size(), 4);
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = text.size() - at < 100000 ? text.size() - at : 100000;
    append(&frame, (at + bytes == text.size() ? 1 : 0) | bytes << 3, 3);
    frame.append(text, at, bytes);
    at += bytes;
  }
  return frame;
}

inline std::string fat_binary(const std::vector<Part>& parts) {
  std::string body;
  for (const Part& part : parts) {
    std::string payload = part.bytes;
    if (part.compression == Compression::Lz4) payload = lz4_block(part.bytes);
    if (part.compression == Compression::Zstd) payload = zstd_frame(part.bytes);
    const bool plain = part.compression == Compression::None;
    const size_t compressed = plain ? 0 : payload.size();
    payload.resize((payload.size() + 8) / 8 * 8, '\0');
    append(&body, part.is_ptx ? 1 : 2, 2);
    append(&body, 0x101, 2);
    append(&body, 64, 4);  // of this header
    append(&body, payload.size(), 8);
    append(&body, compressed, 4);
    append(&body, 0, 4);
    append(&body, 0x90000, 4);  // the PTX's version
    append(&body, part.arch, 4);
    append(&body, 0, 8);  // no name
    append(&body, 0x11 | (plain ? 0 : part.compression == Compression::Lz4 ? 0x2000 : 0x8000), 8);
    append(&body, 0, 8);
    append(&body, plain ? 0 : part.bytes.size(), 8);
    body += payload;
  }
  std::string binary;
  append(&binary, 0xba55ed50, 4);
  append(&binary, 0x100001, 4);  // version 1, 16 bytes of header
  append(&binary, body.size(), 8);
  return binary + body;
}

struct Wrapper {  // what __cudaRegisterFatBinary is given
  uint32_t magic = 0x466243b1, version = 1;
  const void* data = nullptr;
  const void* files = nullptr;
};

}  // namespace fa4::emurun::testing
