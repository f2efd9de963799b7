// SPDX-License-Identifier: Apache-2.0
#include "emurun/decompress.h"

#include <dlfcn.h>

namespace fa4::emurun {
namespace {

// A length of 15 goes on in bytes, each added, until one is not 255. False: the block has ended.
bool read_length(const std::byte** at, const std::byte* end, size_t* length) {
  if (*length != 15) return true;
  while (*at != end) {
    const auto more = std::to_integer<size_t>(*(*at)++);
    *length += more;
    if (more != 255) return true;
  }
  return false;
}

}  // namespace

// A block is a sequence of (literals, match): a byte with both lengths, the literals, the distance back in two bytes. The
// last has no match.
const char* decompress_lz4(const std::byte* from, size_t bytes, std::string* text) {
  const std::byte* at = from;
  const std::byte* const end = from + bytes;
  size_t to = 0;
  while (at != end) {
    const auto token = std::to_integer<size_t>(*at++);
    size_t literals = token >> 4;
    if (!read_length(&at, end, &literals) || literals > static_cast<size_t>(end - at) ||
        literals > text->size() - to) {
      return "an LZ4 block has too many literals";
    }
    text->replace(to, literals, reinterpret_cast<const char*>(at), literals);
    at += literals;
    to += literals;
    if (at == end) break;
    if (end - at < 2) return "an LZ4 block ends within a match";
    const size_t distance = std::to_integer<size_t>(at[0]) | std::to_integer<size_t>(at[1]) << 8;
    at += 2;
    size_t match = token & 15;
    if (!read_length(&at, end, &match)) return "an LZ4 block ends within a match";
    match += 4;
    if (distance == 0 || distance > to || match > text->size() - to) {
      return "an LZ4 block has a match outside its text";
    }
    for (; match != 0; --match, ++to) (*text)[to] = (*text)[to - distance];
  }
  return to == text->size() ? nullptr : "an LZ4 block has too few bytes";
}

// libzstd is part of every Debian; it is opened when a fat binary asks for it.
const char* decompress_zstd(const std::byte* from, size_t bytes, std::string* text) {
  static void* const library = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return "libzstd.so.1 is not here (apt-get install libzstd1)";
  using Decompress = size_t(void*, size_t, const void*, size_t);
  static auto* const decompress = reinterpret_cast<Decompress*>(dlsym(library, "ZSTD_decompress"));
  if (decompress == nullptr) return "libzstd.so.1 has no ZSTD_decompress";
  if (decompress(text->data(), text->size(), from, bytes) == text->size()) return nullptr;
  return "libzstd refuses its bytes";
}

}  // namespace fa4::emurun
