// SPDX-License-Identifier: Apache-2.0
#include "emurun/fatbin.h"

#include <cctype>
#include <cstring>

#include "emurun/base.h"
#include "emurun/decompress.h"

namespace fa4::emurun {
namespace {

constexpr uint32_t kWrapperMagic = 0x466243b1;
constexpr uint32_t kBinaryMagic = 0xba55ed50;
constexpr uint32_t kElfMagic = 0x464c457f;
constexpr uint64_t kLz4 = 0x2000, kZstd = 0x8000;  // flags of an entry
constexpr uint64_t kMostBytes = uint64_t{1} << 32;

// What __cudaRegisterFatBinary is given. Version 2 is of programs whose device code is linked: `files` is then a list, with a
// null at its end, of what was linked.
struct Wrapper {
  uint32_t magic, version;
  const std::byte* data;
  const void* const* files;
};

struct BinaryHeader {
  uint32_t magic;
  uint16_t version, header_bytes;
  uint64_t bytes;  // behind the header
};

struct Entry {
  uint16_t kind;  // 1: PTX, 2: cubin
  uint16_t version;
  uint32_t header_bytes;
  uint64_t padded_bytes;
  uint32_t compressed_bytes;  // 0: not compressed
  uint32_t options_offset;
  uint16_t minor, major;
  uint32_t arch;
  uint32_t name_offset, name_bytes;
  uint64_t flags;
  uint64_t reserved;
  uint64_t plain_bytes;  // 0: not compressed
};
static_assert(sizeof(BinaryHeader) == 16 && sizeof(Entry) == 64);

template <class T>
T read_at(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

std::string text_of(const Entry& entry, const std::byte* payload, const std::string& owner) {
  std::string text;
  if ((entry.flags & (kLz4 | kZstd)) == 0) {
    text.assign(reinterpret_cast<const char*>(payload), entry.padded_bytes);
  } else {
    if (entry.compressed_bytes > entry.padded_bytes || entry.plain_bytes > kMostBytes) {
      fail(kInvalidImage, "{}: a PTX of {} bytes in {} of {}", owner, entry.plain_bytes,
           entry.compressed_bytes, entry.padded_bytes);
    }
    text.resize(entry.plain_bytes);
    const char* why = (entry.flags & kLz4) != 0
                          ? decompress_lz4(payload, entry.compressed_bytes, &text)
                          : decompress_zstd(payload, entry.compressed_bytes, &text);
    if (why != nullptr) fail(kInvalidImage, "{}: its PTX cannot be decompressed: {}", owner, why);
  }
  return text.substr(0, text.find('\0'));
}

std::vector<FatImage> read_binary(const std::byte* at, const std::string& owner) {
  const auto header = read_at<BinaryHeader>(at);
  if (header.magic != kBinaryMagic || header.header_bytes < sizeof(header) ||
      header.bytes > kMostBytes) {
    fail(kInvalidImage, "{} is no fat binary: it begins with {:#x}", owner, header.magic);
  }
  std::vector<FatImage> images;
  const std::byte* const begin = at + header.header_bytes;
  for (uint64_t offset = 0; offset + sizeof(Entry) <= header.bytes;) {
    const auto entry = read_at<Entry>(begin + offset);
    const uint64_t left = header.bytes - offset;
    if (entry.header_bytes < sizeof(Entry) || entry.header_bytes > left ||
        entry.padded_bytes > left - entry.header_bytes) {
      fail(kInvalidImage, "{}: the entry at byte {} is longer than the fat binary", owner, offset);
    }
    const std::byte* const payload = begin + offset + entry.header_bytes;
    if (entry.kind == 1) images.push_back({true, entry.arch, text_of(entry, payload, owner)});
    if (entry.kind == 2) images.push_back({false, entry.arch, ""});
    offset += entry.header_bytes + entry.padded_bytes;
  }
  return images;
}

// The suffix and the number of sm_90a.
std::pair<uint32_t, char> arch_of(const std::string& target) {
  if (target.compare(0, 3, "sm_") != 0) return {0, '\0'};
  uint32_t number = 0;
  size_t i = 3;
  for (; i < target.size() && std::isdigit(static_cast<unsigned char>(target[i])) != 0; ++i) {
    number = number * 10 + static_cast<uint32_t>(target[i] - '0');
  }
  return {number, i < target.size() ? target[i] : '\0'};
}

bool runs_on(const std::pair<uint32_t, char>& target, uint32_t arch) {
  if (target.first == 0 || target.first > arch) return false;
  if (target.second == 'a') return target.first == arch;
  if (target.second == 'f') return target.first / 10 == arch / 10;
  return true;
}

}  // namespace

ProgramImage read_image(const void* image, const std::string& owner) {
  if (image == nullptr) fail(kInvalidValue, "{} is null", owner);
  const auto* bytes = static_cast<const std::byte*>(image);
  ProgramImage read;
  uint32_t magic = 0;
  for (size_t i = 0; i < sizeof(magic); ++i) {  // a text may be shorter
    const auto byte = std::to_integer<uint32_t>(bytes[i]);
    magic |= byte << (8 * i);
    if (byte == 0) break;
  }
  if (magic == kWrapperMagic) {
    const auto wrapper = read_at<Wrapper>(bytes);
    if (wrapper.version == 2 && wrapper.files != nullptr) {
      for (const void* const* file = wrapper.files; *file != nullptr; ++file) {
        const auto parts = read_image(*file, owner).binaries;
        read.binaries.insert(read.binaries.end(), parts.begin(), parts.end());
      }
    }
    if (read.binaries.empty()) read.binaries.push_back(read_binary(wrapper.data, owner));
  } else if (magic == kBinaryMagic) {
    read.binaries.push_back(read_binary(bytes, owner));
  } else if (magic == kElfMagic) {
    read.binaries.push_back({{false, 0, ""}});
  } else {
    const std::string text = static_cast<const char*>(image);
    read.binaries.push_back({{true, arch_of(target_of(text)).first, text}});
  }
  return read;
}

std::string target_of(const std::string& ptx) {
  const size_t at = ptx.find(".target");
  if (at == std::string::npos) return "";
  const size_t begin = ptx.find_first_not_of(" \t", at + 7);
  if (begin == std::string::npos) return "";
  return ptx.substr(begin, ptx.find_first_of(", \t\r\n", begin) - begin);
}

const FatImage* best_ptx(const std::vector<FatImage>& images, uint32_t arch) {
  const FatImage* best = nullptr;
  std::pair<uint32_t, char> best_target;
  for (const FatImage& image : images) {
    const auto target = arch_of(target_of(image.ptx));
    if (!image.is_ptx || !runs_on(target, arch)) continue;
    if (best == nullptr || target > best_target) {
      best = &image;
      best_target = target;
    }
  }
  return best;
}

std::string contents_of(const std::vector<FatImage>& images) {
  std::string text;
  for (const FatImage& image : images) {
    text += text.empty() ? "" : ", ";
    if (image.is_ptx) {
      text += "PTX for " + target_of(image.ptx);
    } else {
      text += image.arch == 0 ? "a cubin" : fmt::format("a cubin for sm_{}", image.arch);
    }
  }
  return text.empty() ? "nothing" : text;
}

}  // namespace fa4::emurun
