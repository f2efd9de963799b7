// SPDX-License-Identifier: Apache-2.0
// What single instructions of random programs do to one lane, written from the manual (PTX ISA 9.0, chapter 9.7) and
// sharing nothing with the machine.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "emu/random_program.h"

namespace fa4::emu::test {
namespace {

uint32_t u(uint64_t x) { return static_cast<uint32_t>(x); }
int32_t s(uint64_t x) { return static_cast<int32_t>(u(x)); }
int64_t s64(uint64_t x) { return static_cast<int64_t>(x); }
float f(uint64_t x) { return std::bit_cast<float>(u(x)); }

uint64_t of(uint32_t x) { return x; }
uint64_t of(int32_t x) { return static_cast<uint32_t>(x); }
uint64_t of(bool x) { return x ? 1 : 0; }
uint64_t of(float x) { return std::isnan(x) ? 0x7fffffff : std::bit_cast<uint32_t>(x); }

// A half as a multiple of 2^-24, exactly. Infinities and NaN have no such number.
bool is_special(uint64_t half) { return (half & 0x7c00) == 0x7c00; }

__extension__ using Wide = __int128;

Wide units_of(uint64_t half) {
  const auto exponent = static_cast<int>(half >> 10 & 31);
  const Wide mantissa = static_cast<int>(half & 1023);
  const Wide value = exponent == 0 ? mantissa : (mantissa + 1024) << (exponent - 1);
  return (half & 0x8000) != 0 ? -value : value;
}

float special_value(uint64_t half) {
  if (!is_special(half))
    return static_cast<float>(static_cast<double>(units_of(half)));  // its sign is enough
  if ((half & 1023) != 0) return std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  return (half & 0x8000) != 0 ? -infinity : infinity;
}

uint64_t special_half(float value) {
  if (std::isnan(value)) return 0x7fff;
  return value < 0 ? 0xfc00 : 0x7c00;
}

// value * 2^-(24 + shift), to the nearest half, ties to even. `zero` is the half that an exact zero is.
uint64_t half_of(Wide value, int shift, uint64_t zero) {
  if (value == 0) return zero;
  const uint64_t sign = value < 0 ? 0x8000 : 0;
  Wide rest = value < 0 ? -value : value;
  int bits = 0;
  for (Wide probe = rest; probe != 0; probe >>= 1) ++bits;
  // Eleven bits are kept, fewer where the half is denormal.
  const int drop = std::max(bits - 11, shift);
  Wide kept = drop > 0 ? rest >> drop : rest << -drop;
  if (drop > 0) {
    const Wide half = Wide{1} << (drop - 1), lost = rest - (kept << drop);
    if (lost > half || (lost == half && (kept & 1) != 0)) ++kept;
  }
  int exponent = drop - shift;  // kept * 2^exponent units
  if (kept == 2048) {
    kept = 1024;
    ++exponent;
  }
  if (kept < 1024) return sign | static_cast<uint64_t>(kept);
  if (exponent + 1 >= 31) return sign | 0x7c00;
  return sign | static_cast<uint64_t>(exponent + 1) << 10 | (static_cast<uint64_t>(kept) & 1023);
}

uint64_t half_sum(uint64_t a, uint64_t b) {
  if (is_special(a) || is_special(b)) return special_half(special_value(a) + special_value(b));
  return half_of(units_of(a) + units_of(b), 0, (a & b & 0x8000));
}

uint64_t half_fma(uint64_t a, uint64_t b, uint64_t c) {
  if (is_special(a) || is_special(b) || is_special(c)) {
    return special_half(special_value(a) * special_value(b) + special_value(c));
  }
  const uint64_t product_sign = (a ^ b) & 0x8000;
  const Wide sum = units_of(a) * units_of(b) + (units_of(c) << 24);
  // The sum of a product and an addend that are both zero has their sign if they agree.
  return half_of(sum, 24, product_sign & c);
}

uint64_t half_product(uint64_t a, uint64_t b) {
  if (is_special(a) || is_special(b)) return special_half(special_value(a) * special_value(b));
  return half_of(units_of(a) * units_of(b), 24, (a ^ b) & 0x8000);
}

float float_min(float a, float b) {
  if (std::isnan(a)) return b;
  if (std::isnan(b)) return a;
  if (a == b) return std::signbit(a) ? a : b;
  return a < b ? a : b;
}

float float_max(float a, float b) { return -float_min(-a, -b); }

int32_t truncated(float x) {
  if (std::isnan(x)) return 0;
  if (x >= 2147483648.0f) return std::numeric_limits<int32_t>::max();
  if (x <= -2147483648.0f) return std::numeric_limits<int32_t>::min();
  return static_cast<int32_t>(x);
}

uint32_t permuted(uint32_t a, uint32_t b, uint32_t selector) {
  const uint64_t bytes = uint64_t{b} << 32 | a;
  uint32_t result = 0;
  for (uint32_t i = 0; i < 4; ++i) {
    const uint32_t choice = selector >> 4 * i & 15;
    uint32_t byte = static_cast<uint32_t>(bytes >> 8 * (choice & 7)) & 0xff;
    if ((choice & 8) != 0) byte = (byte & 0x80) != 0 ? 0xff : 0;
    result |= byte << 8 * i;
  }
  return result;
}

uint32_t reversed(uint32_t x) {
  uint32_t result = 0;
  for (int bit = 0; bit < 32; ++bit) result |= (x >> bit & 1) << (31 - bit);
  return result;
}

uint32_t field(uint32_t x, uint32_t at, uint32_t length) {
  at &= 0xff;
  length &= 0xff;
  uint32_t result = 0;
  for (uint32_t bit = 0; bit < length && bit < 32 && at + bit < 32; ++bit) {
    result |= (x >> (at + bit) & 1) << bit;
  }
  return result;
}

#define ROW(syntax, kinds, value)                                      \
  RandomRow {                                                          \
    syntax, kinds, [](const uint64_t* x) -> uint64_t { return value; } \
  }

const RandomRow kRows[] = {
    ROW("add.s32", "rrr", of(u(x[0]) + u(x[1]))),
    ROW("sub.s32", "rrr", of(u(x[0]) - u(x[1]))),
    ROW("mul.lo.s32", "rrr", of(u(x[0]) * u(x[1]))),
    ROW("mul.hi.u32", "rrr", (x[0] * x[1]) >> 32),
    ROW("mul.hi.s32", "rrr", of(static_cast<uint32_t>((int64_t{s(x[0])} * s(x[1])) >> 32))),
    ROW("mad.lo.s32", "rrrr", of(u(x[0]) * u(x[1]) + u(x[2]))),
    ROW("min.s32", "rrr", of(std::min(s(x[0]), s(x[1])))),
    ROW("max.u32", "rrr", of(std::max(u(x[0]), u(x[1])))),
    ROW("sad.u32", "rrrr",
        of((u(x[0]) < u(x[1]) ? u(x[1]) - u(x[0]) : u(x[0]) - u(x[1])) + u(x[2]))),
    ROW("neg.s32", "rr", of(0u - u(x[0]))),
    ROW("popc.b32", "rr", of(std::popcount(u(x[0])))),
    ROW("clz.b32", "rr", of(std::countl_zero(u(x[0])))),
    ROW("brev.b32", "rr", of(reversed(u(x[0])))),
    ROW("and.b32", "rrr", x[0] & x[1]),
    ROW("or.b32", "rrr", x[0] | x[1]),
    ROW("xor.b32", "rrr", x[0] ^ x[1]),
    ROW("not.b32", "rr", of(~u(x[0]))),
    ROW("shl.b32", "rri", x[1] > 31 ? 0 : of(u(x[0]) << x[1])),
    ROW("shr.u32", "rri", x[1] > 31 ? 0 : of(u(x[0]) >> x[1])),
    ROW("shr.s32", "rri", of(s(x[0]) >> std::min<uint64_t>(x[1], 31))),
    ROW("shf.l.wrap.b32", "rrri", of(u((x[1] << 32 | x[0]) << (x[2] & 31) >> 32))),
    ROW("prmt.b32", "rrrr", of(permuted(u(x[0]), u(x[1]), u(x[2])))),
    ROW("bfe.u32", "rrii", of(field(u(x[0]), u(x[1]), u(x[2])))),
    ROW("selp.b32", "rrrp", x[2] != 0 ? x[0] : x[1]),
    ROW("cvt.s32.s8", "rr", of(static_cast<int32_t>(static_cast<int8_t>(x[0])))),
    ROW("cvt.u32.u16", "rh", x[0]),
    ROW("cvt.u32.u64", "rd", of(u(x[0]))),
    ROW("cvt.rzi.s32.f32", "rf", of(truncated(f(x[0])))),
    ROW("mov.b32", "rf", x[0]),
    ROW("setp.lt.s32", "prr", of(s(x[0]) < s(x[1]))),
    ROW("setp.ge.u32", "prr", of(u(x[0]) >= u(x[1]))),
    ROW("setp.eq.s32", "pri", of(u(x[0]) == x[1])),
    ROW("setp.lt.f32", "pff", of(f(x[0]) < f(x[1]))),
    ROW("setp.neu.f32", "pff", of(!(f(x[0]) == f(x[1])))),
    ROW("and.pred", "ppp", x[0] & x[1]),
    ROW("xor.pred", "ppp", x[0] ^ x[1]),
    ROW("not.pred", "pp", 1 - x[0]),
    ROW("add.rn.f32", "fff", of(f(x[0]) + f(x[1]))),
    ROW("sub.rn.f32", "fff", of(f(x[0]) - f(x[1]))),
    ROW("mul.rn.f32", "fff", of(f(x[0]) * f(x[1]))),
    ROW("fma.rn.f32", "ffff", of(std::fma(f(x[0]), f(x[1]), f(x[2])))),
    ROW("min.f32", "fff", of(float_min(f(x[0]), f(x[1])))),
    ROW("max.f32", "fff", of(float_max(f(x[0]), f(x[1])))),
    ROW("cvt.rn.f32.s32", "fr", of(static_cast<float>(s(x[0])))),
    ROW("mov.b32", "fr", x[0]),
    ROW("selp.f32", "fffp", x[2] != 0 ? x[0] : x[1]),
    ROW("add.rn.f16", "hhh", half_sum(x[0], x[1])),
    ROW("mul.rn.f16", "hhh", half_product(x[0], x[1])),
    ROW("fma.rn.f16", "hhhh", half_fma(x[0], x[1], x[2])),
    ROW("cvt.u16.u32", "hr", x[0] & 0xffff),
    ROW("add.s16", "hhh", (x[0] + x[1]) & 0xffff),
    ROW("add.s64", "ddd", x[0] + x[1]),
    ROW("mul.lo.s64", "ddd", x[0] * x[1]),
    ROW("xor.b64", "ddd", x[0] ^ x[1]),
    ROW("shr.s64", "ddi", static_cast<uint64_t>(s64(x[0]) >> std::min<uint64_t>(x[1], 63))),
    ROW("mul.wide.u32", "drr", uint64_t{u(x[0])} * u(x[1])),
    ROW("mul.wide.s32", "drr", static_cast<uint64_t>(int64_t{s(x[0])} * s(x[1]))),
    ROW("mad.wide.u32", "drrd", uint64_t{u(x[0])} * u(x[1]) + x[2]),
    ROW("cvt.s64.s32", "dr", static_cast<uint64_t>(int64_t{s(x[0])})),
};

#undef ROW

}  // namespace

std::span<const RandomRow> random_rows() { return kRows; }

}  // namespace fa4::emu::test
