// SPDX-License-Identifier: Apache-2.0
// Inputs for instructions: edge values of every type, and random ones.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <random>

namespace fa4::emu::isa {

// A value for a register of so many bits: an edge value or a random one. The same on every machine.
inline uint64_t any_value(std::mt19937_64& random, uint32_t bits) {
  // Numbers around the widths, the ends of the integers, and of f16, bf16, f32 and f64: zeros, the least and greatest
  // subnormal and normal numbers, 1, halves, infinities, quiet and signalling NaNs.
  static constexpr uint64_t kEdges[] = {0,
                                        1,
                                        2,
                                        3,
                                        7,
                                        8,
                                        15,
                                        16,
                                        17,
                                        23,
                                        24,
                                        31,
                                        32,
                                        33,
                                        63,
                                        64,
                                        65,
                                        127,
                                        128,
                                        255,
                                        256,
                                        0x7fff,
                                        0x8000,
                                        0xffff,
                                        0x7fffffff,
                                        0x80000000,
                                        0xffffffff,
                                        0x7fffffffffffffff,
                                        0x8000000000000000,
                                        0xffffffffffffffff,
                                        0x0001,
                                        0x03ff,
                                        0x0400,
                                        0x3c00,
                                        0x3bff,
                                        0x3c01,
                                        0x3800,
                                        0x7bff,
                                        0x7c00,
                                        0x7c01,
                                        0x7e00,
                                        0xfc00,
                                        0x007f,
                                        0x0080,
                                        0x3f80,
                                        0x7f7f,
                                        0x7f80,
                                        0x7f81,
                                        0xff80,
                                        0x007fffff,
                                        0x00800000,
                                        0x00800001,
                                        0x3f800000,
                                        0x3f7fffff,
                                        0x3f800001,
                                        0x3f000000,
                                        0x3fc00000,
                                        0x40200000,
                                        0x4b000000,
                                        0x4effffff,
                                        0x4f000000,
                                        0x4f800000,
                                        0x5f000000,
                                        0x7f7fffff,
                                        0x7f800000,
                                        0x7f800001,
                                        0x7fc00000,
                                        0x7fc12345,
                                        0x38800000,
                                        0x33800000,
                                        0x477fe000,
                                        0x477ff000,
                                        0x477fefff,
                                        0x43e00000,
                                        0x47800000,
                                        0x7e800000,
                                        0x7e800001,
                                        0x3ff0000000000000,
                                        0x7ff0000000000000,
                                        0x7ff0000000000001,
                                        0x7ff8000000000000,
                                        0x0010000000000000,
                                        0x000fffffffffffff,
                                        0x7fefffffffffffff,
                                        0x3fe0000000000000,
                                        0x41dfffffffc00000,
                                        0x41e0000000000000,
                                        0x43e0000000000000,
                                        0x36a0000000000000,
                                        0x380fffffffffffff,
                                        0x47efffffe0000000,
                                        0x47effffff0000000};
  const uint64_t mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  uint64_t value = random();
  switch (random() % 6) {
    case 0:
    case 1:
      value = kEdges[random() % std::size(kEdges)];
      if (random() % 2 == 0) value ^= uint64_t{1} << (bits - 1);
      break;
    case 2: {  // a float of a moderate exponent
      const auto fraction = static_cast<double>(random() % (1 << 24));
      const double x =
          std::ldexp(fraction, static_cast<int>(random() % 60) - 44) * (random() % 2 == 0 ? 1 : -1);
      const uint32_t float_bits = std::bit_cast<uint32_t>(static_cast<float>(x));
      value = bits == 64 ? std::bit_cast<uint64_t>(x) : bits == 32 ? float_bits : float_bits >> 16;
      break;
    }
    case 3:  // few bits
      value &= random() & random();
      break;
    default:
      break;
  }
  return bits == 1 ? value & 1 : value & mask;
}

}  // namespace fa4::emu::isa
