// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4): names content, so that what is found under a name is what was put there.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace fa4::jit {

class Sha256 {
 public:
  // Each part is preceded by its length: parts cannot run into each other.
  Sha256& add(std::string_view part);
  Sha256& add_bare(std::string_view bytes);
  std::string hex();  // ends the sum

 private:
  void add_bytes(const char* bytes, size_t size);
  void add_block(const unsigned char* block);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> block_{};
  uint64_t total_bytes_ = 0;
};

// Of the bytes alone, as `sha256sum` prints it.
std::string sha256_of(std::string_view bytes);

}  // namespace fa4::jit
