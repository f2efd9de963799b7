// SPDX-License-Identifier: Apache-2.0
// cvt of two numbers at once, halves and bytes: PTX ISA 9.0, 9.7.9.21. The first source goes to the high half.
#include "emu/isa/apply.h"
#include "emu/isa/convert_ops.h"
#include "emu/isa/half_lanes.h"
#include "emu/isa/table.h"

namespace fa4::emu::isa {
namespace {

template <class E>
Pair<E> convert_pair_plain(float high, float low) {
  return pair_of(narrow<E>(low), narrow<E>(high));
}
// To f16, by conversion instructions where there are some.
Outcome exec_convert_half_pair(Warp& warp, const Instr& i) {
  FloatLanes numbers;
  Row result{};
  std::memcpy(numbers.lane, warp.rows[i.b].lane, sizeof numbers.lane);
  narrow_lanes<Half>(numbers, 0, &result);
  std::memcpy(numbers.lane, warp.rows[i.a].lane, sizeof numbers.lane);
  narrow_lanes<Half>(numbers, 16, &result);
  put_active(warp, &warp.rows[i.dst], result);
  return Outcome::Next;
}
template <class E>
Outcome exec_convert_pair(Warp& warp, const Instr& i) {
  const ConvertOptions options = ConvertOptions::unpack(i.extra);
  for_active(warp, [&](int lane) {
    const E high = convert_float<E, float>(read<float>(warp, i.a, lane), options);
    const E low = convert_float<E, float>(read<float>(warp, i.b, lane), options);
    write(warp, i.dst, lane, pair_of(low, high));
  });
  return Outcome::Next;
}
Instr decode_convert_pair(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const ConvertOptions options = convert_options(words);
  const bool half = words.type(0) == Type::F16x2;
  const bool plain = options.pack() == ConvertOptions{}.pack();
  const ExecFn exec = plain ? (half ? exec_convert_half_pair : exec_of<convert_pair_plain<Brain>>)
                            : (half ? exec_convert_pair<Half> : exec_convert_pair<Brain>);
  Instr instr = d.binary(exec, text, words.type(0), Type::F32, Type::F32);
  instr.extra = options.pack();
  return instr;
}

// Two bytes in 16 bits.
template <class E>
Outcome exec_convert_to_bytes(Warp& warp, const Instr& i) {
  const ConvertOptions options = ConvertOptions::unpack(i.extra);
  for_active(warp, [&](int lane) {
    const E high = convert_float<E, float>(read<float>(warp, i.a, lane), options);
    const E low = convert_float<E, float>(read<float>(warp, i.b, lane), options);
    warp.rows[i.dst].lane[lane] = static_cast<uint32_t>(high.bits) << 8 | low.bits;
  });
  return Outcome::Next;
}
template <class E>
Outcome exec_convert_halves_to_bytes(Warp& warp, const Instr& i) {
  const ConvertOptions options = ConvertOptions::unpack(i.extra);
  for_active(warp, [&](int lane) {
    const auto pair = read<Pair<Half>>(warp, i.a, lane);
    const E high = convert_float<E, Half>(pair.high(), options);
    const E low = convert_float<E, Half>(pair.low(), options);
    warp.rows[i.dst].lane[lane] = static_cast<uint32_t>(high.bits) << 8 | low.bits;
  });
  return Outcome::Next;
}
template <class E>
Outcome exec_convert_bytes_to_halves(Warp& warp, const Instr& i) {
  const ConvertOptions options = ConvertOptions::unpack(i.extra);
  for_active(warp, [&](int lane) {
    const uint32_t bits = warp.rows[i.a].lane[lane];
    const Half high = convert_float<Half, E>({static_cast<uint8_t>(bits >> 8)}, options);
    const Half low = convert_float<Half, E>({static_cast<uint8_t>(bits)}, options);
    write(warp, i.dst, lane, pair_of(low, high));
  });
  return Outcome::Next;
}
Instr decode_convert_to_bytes(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool e4m3 = words.type(0) == Type::E4M3x2;
  Instr instr = d.binary(e4m3 ? exec_convert_to_bytes<E4m3> : exec_convert_to_bytes<E5m2>, text,
                         words.type(0), Type::F32, Type::F32);
  instr.extra = convert_options(words).pack();
  return instr;
}
Instr decode_convert_halves_to_bytes(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool e4m3 = words.type(0) == Type::E4M3x2;
  Instr instr =
      d.unary(e4m3 ? exec_convert_halves_to_bytes<E4m3> : exec_convert_halves_to_bytes<E5m2>, text,
              words.type(0), Type::F16x2);
  instr.extra = convert_options(words).pack();
  return instr;
}
Instr decode_convert_bytes_to_halves(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool e4m3 = words.type(1) == Type::E4M3x2;
  Instr instr =
      d.unary(e4m3 ? exec_convert_bytes_to_halves<E4m3> : exec_convert_bytes_to_halves<E5m2>, text,
              Type::F16x2, words.type(1));
  instr.extra = convert_options(words).pack();
  return instr;
}

constexpr Form convert_pair_row(const char* syntax, Decode decode, uint32_t least_arch) {
  return {syntax, Unit::Convert, Fidelity::Exact, decode, least_arch, "9.7.9.21"};
}

constexpr Form kConvertPairForms[] = {
    convert_pair_row("cvt.{rn,rz}{.relu}{.satfinite}.{f16x2,bf16x2}.f32", decode_convert_pair, 80),
    convert_pair_row("cvt.rn.satfinite{.relu}.{e4m3x2,e5m2x2}.f32", decode_convert_to_bytes, 89),
    convert_pair_row("cvt.rn.satfinite{.relu}.{e4m3x2,e5m2x2}.f16x2",
                     decode_convert_halves_to_bytes, 89),
    convert_pair_row("cvt.rn{.relu}.f16x2.{e4m3x2,e5m2x2}", decode_convert_bytes_to_halves, 89),
};

}  // namespace

std::span<const Form> FA4_EMU_CPU::convert_pair_forms() { return kConvertPairForms; }

}  // namespace fa4::emu::isa
