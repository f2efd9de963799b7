// SPDX-License-Identifier: Apache-2.0
#include "jit/sha256.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace fa4::jit {
namespace {

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
const std::array<uint32_t, 64>& round_constants() {
  static const std::array<uint32_t, 64> constants = [] {
    std::array<uint32_t, 64> result{};
    size_t count = 0;
    for (int candidate = 2; count < result.size(); ++candidate) {
      bool prime = true;
      for (int divisor = 2; divisor * divisor <= candidate; ++divisor) {
        prime = prime && candidate % divisor != 0;
      }
      if (!prime) continue;
      const long double root = std::cbrt(static_cast<long double>(candidate));
      result[count++] = static_cast<uint32_t>((root - std::floor(root)) * 4294967296.0L);
    }
    return result;
  }();
  return constants;
}

uint32_t big_endian(const unsigned char* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

}  // namespace

void Sha256::add_block(const unsigned char* block) {
  const auto& constants = round_constants();
  std::array<uint32_t, 64> w;
  for (size_t i = 0; i < 16; ++i) w[i] = big_endian(block + 4 * i);
  for (size_t i = 16; i < 64; ++i) {
    const uint32_t low = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const uint32_t high = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + low + w[i - 7] + high;
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (size_t i = 0; i < 64; ++i) {
    const uint32_t sum_e = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const uint32_t sum_a = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const uint32_t first = h + sum_e + ((e & f) ^ (~e & g)) + constants[i] + w[i];
    const uint32_t second = sum_a + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + first;
    d = c, c = b, b = a, a = first + second;
  }
  const uint32_t words[] = {a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < 8; ++i) state_[i] += words[i];
}

void Sha256::add_bytes(const char* bytes, size_t size) {
  const auto* next = reinterpret_cast<const unsigned char*>(bytes);
  while (size > 0) {
    const size_t used = total_bytes_ % block_.size();
    const size_t taken = std::min(size, block_.size() - used);
    std::memcpy(block_.data() + used, next, taken);
    total_bytes_ += taken;
    next += taken;
    size -= taken;
    if (used + taken == block_.size()) add_block(block_.data());
  }
}

Sha256& Sha256::add(std::string_view part) {
  const uint64_t length = part.size();
  add_bytes(reinterpret_cast<const char*>(&length), sizeof(length));
  return add_bare(part);
}

Sha256& Sha256::add_bare(std::string_view bytes) {
  add_bytes(bytes.data(), bytes.size());
  return *this;
}

std::string Sha256::hex() {
  const uint64_t bits = total_bytes_ * 8;
  const char one = '\x80', zero = '\0';
  add_bytes(&one, 1);
  while (total_bytes_ % 64 != 56) add_bytes(&zero, 1);
  char length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(bits >> (56 - 8 * i));
  add_bytes(length, sizeof(length));
  std::string text;
  for (const uint32_t word : state_) {
    for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[word >> shift & 15];
  }
  return text;
}

std::string sha256_of(std::string_view bytes) { return Sha256().add_bare(bytes).hex(); }

}  // namespace fa4::jit
