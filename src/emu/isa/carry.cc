// SPDX-License-Identifier: Apache-2.0
// Integers of more than one register: PTX ISA 9.0, 9.7.2. The carry of a lane is a bit of Warp::carry.
#include "emu/isa/apply.h"
#include "emu/isa/integer_ops.h"
#include "emu/isa/table.h"

namespace fa4::emu::isa {
namespace {

// Whether the carry is added, and whether it is written.
template <class U, bool kIn, bool kOut>
Outcome exec_add_carry(Warp& warp, const Instr& i) {
  LaneMask carry = 0;
  for_active(warp, [&](int lane) {
    const U a = read<U>(warp, i.a, lane);
    const U b = read<U>(warp, i.b, lane);
    const U in = kIn && has_lane(warp.carry, lane) ? 1 : 0;
    const U sum = a + b;
    const U result = sum + in;
    carry |= static_cast<LaneMask>(sum < a || result < sum) << lane;
    write<U>(warp, i.dst, lane, result);
  });
  if (kOut) warp.carry = (warp.carry & ~warp.active) | carry;
  return Outcome::Next;
}
template <class U, bool kIn, bool kOut>
Outcome exec_sub_carry(Warp& warp, const Instr& i) {
  LaneMask borrow = 0;
  for_active(warp, [&](int lane) {
    const U a = read<U>(warp, i.a, lane);
    const U b = read<U>(warp, i.b, lane);
    const U in = kIn && has_lane(warp.carry, lane) ? 1 : 0;
    borrow |= static_cast<LaneMask>(a < b || (a == b && in != 0)) << lane;
    write<U>(warp, i.dst, lane, a - b - in);
  });
  if (kOut) warp.carry = (warp.carry & ~warp.active) | borrow;
  return Outcome::Next;
}
// T is signed where the high half depends on it.
template <class T, bool kHigh, bool kIn, bool kOut>
Outcome exec_mad_carry(Warp& warp, const Instr& i) {
  using U = std::make_unsigned_t<T>;
  LaneMask carry = 0;
  for_active(warp, [&](int lane) {
    const T a = read<T>(warp, i.a, lane);
    const T b = read<T>(warp, i.b, lane);
    const auto product = static_cast<U>(kHigh ? int_mul_hi<T>(a, b) : int_mul_lo<T>(a, b));
    const U in = kIn && has_lane(warp.carry, lane) ? 1 : 0;
    const U sum = product + read<U>(warp, i.c, lane);
    const U result = sum + in;
    carry |= static_cast<LaneMask>(sum < product || result < sum) << lane;
    write<U>(warp, i.dst, lane, result);
  });
  if (kOut) warp.carry = (warp.carry & ~warp.active) | carry;
  return Outcome::Next;
}

template <bool kIn>
Instr decode_add_carry(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool wide = bits_of(words.type()) == 64;
  const bool out = words.has("cc");
  const ExecFn exec =
      wide ? (out ? exec_add_carry<uint64_t, kIn, true> : exec_add_carry<uint64_t, kIn, false>)
           : (out ? exec_add_carry<uint32_t, kIn, true> : exec_add_carry<uint32_t, kIn, false>);
  return d.binary(exec, text, words.type(), words.type(), words.type());
}
template <bool kIn>
Instr decode_sub_carry(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool wide = bits_of(words.type()) == 64;
  const bool out = words.has("cc");
  const ExecFn exec =
      wide ? (out ? exec_sub_carry<uint64_t, kIn, true> : exec_sub_carry<uint64_t, kIn, false>)
           : (out ? exec_sub_carry<uint32_t, kIn, true> : exec_sub_carry<uint32_t, kIn, false>);
  return d.binary(exec, text, words.type(), words.type(), words.type());
}
template <bool kIn>
Instr decode_mad_carry(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool high = words.has("hi");
  const bool out = words.has("cc");
  const ExecFn exec = with_integer(words.type(), [high, out](auto zero) -> ExecFn {
    using T = decltype(zero);
    return high
               ? (out ? exec_mad_carry<T, true, kIn, true> : exec_mad_carry<T, true, kIn, false>)
               : (out ? exec_mad_carry<T, false, kIn, true> : exec_mad_carry<T, false, kIn, false>);
  });
  return d.ternary(exec, text, words.type(), words.type(), words.type(), words.type());
}

constexpr Form kCarryForms[] = {
    {"add.cc.{u32,s32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_add_carry<false>, 0, "9.7.2.1"},
    {"addc{.cc}.{u32,s32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_add_carry<true>, 0,
     "9.7.2.2"},
    {"sub.cc.{u32,s32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_sub_carry<false>, 0, "9.7.2.3"},
    {"subc{.cc}.{u32,s32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_sub_carry<true>, 0,
     "9.7.2.4"},
    {"mad.{lo,hi}.cc.{u32,s32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_mad_carry<false>, 0,
     "9.7.2.5"},
    {"madc.{lo,hi}{.cc}.{u32,s32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_mad_carry<true>, 0,
     "9.7.2.6"},
};

}  // namespace

std::span<const Form> FA4_EMU_CPU::carry_forms() { return kCarryForms; }

}  // namespace fa4::emu::isa
