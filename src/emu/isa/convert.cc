// SPDX-License-Identifier: Apache-2.0
// cvt: PTX ISA 9.0, 9.7.9.21 and .22. Registers may be wider than the types: of a source the low bits count, and an
// integer is extended, by its sign if its type has one, to the whole of its destination.
#include "emu/isa/apply.h"
#include "emu/isa/convert_ops.h"
#include "emu/isa/table.h"

namespace fa4::emu::isa {
namespace {

// ---- operands -----------------------------------------------------------------------------------------------

Type convert_bits_type(uint32_t bits) {
  return bits == 64 ? Type::B64 : bits == 32 ? Type::B32 : Type::B16;
}

uint16_t convert_source(Decoder& d, const ptx::Operand& operand, Type type) {
  const uint32_t width = d.bits(operand);
  return d.row_in(operand, width > bits_of(type) ? convert_bits_type(width) : type);
}

// The width to which an integer is extended: 0 where its type fills the register.
uint32_t convert_destination(Decoder& d, const ptx::Operand& operand, Type type, Instr& instr) {
  const uint32_t width = operand.kind == ptx::Operand::Kind::Sink ? 0 : d.bits(operand);
  const bool wider = width > bits_of(type);
  instr.dst = d.row_out(operand, wider ? convert_bits_type(width) : type);
  return wider ? width : 0;
}

// Rows hold a value of kBits; a signed one fills the register, an unsigned one has zeros above.
constexpr uint32_t kConvertWidthShift = 8;
template <class D>
void convert_extend(Warp& warp, const Instr& i) {
  const uint32_t width = i.extra >> kConvertWidthShift;
  if (width == 0) return;
  for_active(warp, [&](int lane) {
    const D value = read<D>(warp, i.dst, lane);
    if (width == 64) {
      write<uint64_t>(warp, i.dst, lane, static_cast<uint64_t>(value));
    } else if (width == 32) {
      write<uint32_t>(warp, i.dst, lane, static_cast<uint32_t>(value));
    } else {
      write<uint16_t>(warp, i.dst, lane, static_cast<uint16_t>(value));
    }
  });
}

// ---- execution -----------------------------------------------------------------------------------------------

// Instr::extra: the options in the low byte, the width of an integer's register above.
template <class D, class S, D (*F)(S)>
Outcome exec_convert_integer(Warp& warp, const Instr& i) {
  Apply<F>::exec(warp, i);
  convert_extend<D>(warp, i);
  return Outcome::Next;
}
template <class D, class S, D (*F)(S, ConvertOptions)>
Outcome exec_convert(Warp& warp, const Instr& i) {
  const ConvertOptions options = ConvertOptions::unpack(i.extra);
  const uint16_t d = i.dst, a = i.a;
  for_active(warp, [&](int lane) { write<D>(warp, d, lane, F(read<S>(warp, a, lane), options)); });
  if constexpr (std::is_integral_v<D>) convert_extend<D>(warp, i);
  return Outcome::Next;
}

template <class F>
ExecFn convert_with_integer(Type type, F f) {
  if (type == Type::U8 || type == Type::B8) return f(uint8_t{});
  if (type == Type::S8) return f(int8_t{});
  return with_integer(type, f);
}
template <class F>
ExecFn convert_with_float(Type type, F f) {
  switch (type) {
    case Type::F16:
      return f(Half{});
    case Type::BF16:
      return f(Brain{});
    case Type::F64:
      return f(double{});
    default:
      return f(float{});
  }
}

Instr convert_unary(Decoder& d, const Words& words, const ptx::Instruction& text, ExecFn exec) {
  d.require_operands(text, 2, 2);
  Instr instr{.exec = exec};
  instr.a = convert_source(d, text.operands[1], words.type(1));
  const uint32_t width = convert_destination(d, text.operands[0], words.type(0), instr);
  if (width != 0 && is_float(words.type(0))) {
    d.refuse("the register that cvt writes is wider than its floating-point type");
  }
  instr.extra = convert_options(words).pack() | width << kConvertWidthShift;
  return instr;
}

Instr decode_convert_integer(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool sat = words.has("sat");
  const ExecFn exec = convert_with_integer(words.type(0), [&words, sat](auto to) {
    using D = decltype(to);
    return convert_with_integer(words.type(1), [sat](auto from) -> ExecFn {
      using S = decltype(from);
      return sat ? exec_convert_integer<D, S, convert_integer_sat<D, S>>
                 : exec_convert_integer<D, S, convert_integer<D, S>>;
    });
  });
  return convert_unary(d, words, text, exec);
}
Instr decode_convert_float_to_integer(Decoder& d, const Words& words,
                                      const ptx::Instruction& text) {
  const ExecFn exec = convert_with_integer(words.type(0), [&words](auto to) {
    using D = decltype(to);
    return convert_with_float(words.type(1), [&words](auto from) -> ExecFn {
      using S = decltype(from);
      if constexpr (std::is_same_v<S, float> && sizeof(D) == 4) {
        if (!words.has("ftz")) {
          return with_rounding(words, [](auto rounding) -> ExecFn {
            constexpr Rounding R = decltype(rounding)::value;
            return exec_convert_integer<D, S, convert_plain_to_integer<D, S, R>>;
          });
        }
      }
      return exec_convert<D, S, convert_float_to_integer<D, S>>;
    });
  });
  return convert_unary(d, words, text, exec);
}
Instr decode_convert_integer_to_float(Decoder& d, const Words& words,
                                      const ptx::Instruction& text) {
  const ExecFn exec = convert_with_float(words.type(0), [&words](auto to) {
    using D = decltype(to);
    return convert_with_integer(words.type(1), [&words](auto from) -> ExecFn {
      using S = decltype(from);
      if constexpr (!kIsNarrow<D>) {
        if (!words.has("sat") && words.rounding() == Rounding::NearestEven) {
          return exec_of<convert_plain_from_integer<D, S>>;
        }
      }
      return exec_convert<D, S, convert_integer_to_float<D, S>>;
    });
  });
  return convert_unary(d, words, text, exec);
}
// The most frequent ones without options, or `other`.
ExecFn convert_plain_exec(const Words& words, ExecFn other) {
  const Type to = words.type(0), from = words.type(1);
  if (to == Type::F64 && from == Type::F32) return exec_of<convert_plain_float<double, float>>;
  if (to == Type::F32 && from == Type::F64) return exec_of<convert_plain_float<float, double>>;
  if (to == Type::F16 && from == Type::F32) return exec_of<narrow<Half>>;
  if (to == Type::BF16 && from == Type::F32) return exec_of<narrow<Brain>>;
  return other;
}
Instr decode_convert_float(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const ExecFn exec = convert_with_float(words.type(0), [&words](auto to) {
    using D = decltype(to);
    return convert_with_float(words.type(1), [](auto from) -> ExecFn {
      using S = decltype(from);
      return exec_convert<D, S, convert_float<D, S>>;
    });
  });
  const ConvertOptions options = convert_options(words);
  const bool plain = !options.ftz && !options.sat;
  if (plain && words.type(0) == Type::F32 && words.type(1) == Type::F16) {
    return convert_unary(d, words, text, exec_of<static_cast<float (*)(Half)>(widen)>);
  }
  if (plain && words.type(0) == Type::F32 && words.type(1) == Type::BF16) {
    return convert_unary(d, words, text, exec_of<static_cast<float (*)(Brain)>(widen)>);
  }
  if (options.pack() == ConvertOptions{}.pack()) {
    return convert_unary(d, words, text, convert_plain_exec(words, exec));
  }
  return convert_unary(d, words, text, exec);
}
Instr decode_convert_whole(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const ExecFn exec = convert_with_float(words.type(0), [](auto type) -> ExecFn {
    using T = decltype(type);
    return exec_convert<T, T, convert_to_whole<T>>;
  });
  if (words.type(0) == Type::F32 && words.type(1) == Type::F32 && !words.has("ftz") &&
      !words.has("sat")) {
    return convert_unary(d, words, text, with_rounding(words, [](auto rounding) -> ExecFn {
                           return exec_of<convert_plain_to_whole<decltype(rounding)::value>>;
                         }));
  }
  return convert_unary(d, words, text, exec);
}
Instr decode_convert_tf32(Decoder& d, const Words& words, const ptx::Instruction& text) {
  return convert_unary(d, words, text, exec_convert<Tf32, float, convert_float<Tf32, float>>);
}

Instr decode_convert_pack(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type(0);
  if (bits_of(type) == 16) {
    return d.binary(type == Type::S16 ? exec_of<pack_two<int16_t>> : exec_of<pack_two<uint16_t>>,
                    text, Type::B32, Type::S32, Type::S32);
  }
  return d.ternary(type == Type::S8 ? exec_of<pack_bytes<int8_t>> : exec_of<pack_bytes<uint8_t>>,
                   text, Type::B32, Type::S32, Type::S32, Type::B32);
}

constexpr Form convert_row(const char* syntax, Decode decode, uint32_t least_arch = 0,
                           const char* section = "9.7.9.21") {
  return {syntax, Unit::Convert, Fidelity::Exact, decode, least_arch, section};
}

constexpr Form kConvertForms[] = {
    convert_row("cvt.{u8,s8,u16,s16,u32,s32,u64,s64}.{u8,s8,u16,s16,u32,s32,u64,s64}",
                decode_convert_integer),
    // .sat stands only where a number may not fit.
    convert_row("cvt.sat.u8.{s8,u16,s16,u32,s32,u64,s64}", decode_convert_integer),
    convert_row("cvt.sat.s8.{u8,u16,s16,u32,s32,u64,s64}", decode_convert_integer),
    convert_row("cvt.sat.u16.{s8,s16,u32,s32,u64,s64}", decode_convert_integer),
    convert_row("cvt.sat.s16.{u16,u32,s32,u64,s64}", decode_convert_integer),
    convert_row("cvt.sat.u32.{s8,s16,s32,u64,s64}", decode_convert_integer),
    convert_row("cvt.sat.s32.{u32,u64,s64}", decode_convert_integer),
    convert_row("cvt.sat.u64.{s8,s16,s32,s64}", decode_convert_integer),
    convert_row("cvt.sat.s64.u64", decode_convert_integer),
    convert_row("cvt.{rni,rzi,rmi,rpi}{.ftz}{.sat}.{u8,s8,u16,s16,u32,s32,u64,s64}.f32",
                decode_convert_float_to_integer),
    convert_row("cvt.{rni,rzi,rmi,rpi}{.sat}.{u8,s8,u16,s16,u32,s32,u64,s64}.{f16,f64}",
                decode_convert_float_to_integer),
    convert_row("cvt.{rni,rzi,rmi,rpi}.{u16,s16,u32,s32,u64,s64}.bf16",
                decode_convert_float_to_integer, 90),
    convert_row("cvt.{rn,rz,rm,rp}{.sat}.{f16,f32,f64}.{u8,s8,u16,s16,u32,s32,u64,s64}",
                decode_convert_integer_to_float),
    convert_row("cvt.{rn,rz,rm,rp}.bf16.{u16,s16,u32,s32,u64,s64}", decode_convert_integer_to_float,
                90),
    convert_row("cvt{.ftz}{.sat}.{f32,f64}.f32", decode_convert_float),
    convert_row("cvt{.ftz}{.sat}.f32.f16", decode_convert_float),
    convert_row("cvt{.sat}.f64.{f16,f64}", decode_convert_float),
    convert_row("cvt{.sat}.f16.f16", decode_convert_float),
    convert_row("cvt.f32.bf16", decode_convert_float, 80),
    convert_row("cvt.ftz.f32.bf16", decode_convert_float, 90),
    convert_row("cvt.f64.bf16", decode_convert_float, 90),
    convert_row("cvt.{rn,rz,rm,rp}{.ftz}{.sat}.f32.f64", decode_convert_float),
    convert_row("cvt.{rn,rz,rm,rp}{.ftz}{.sat}.f16.f32", decode_convert_float),
    convert_row("cvt.{rn,rz,rm,rp}{.sat}.f16.f64", decode_convert_float),
    convert_row("cvt.{rn,rz}{.relu}{.satfinite}.f16.f32", decode_convert_float, 80),
    convert_row("cvt.{rn,rz}{.relu}{.satfinite}.bf16.f32", decode_convert_float, 80),
    convert_row("cvt.{rm,rp}.bf16.f32", decode_convert_float, 90),
    convert_row("cvt.{rn,rz,rm,rp}.bf16.{f16,f64}", decode_convert_float, 90),
    convert_row("cvt.{rn,rz,rm,rp}.f16.bf16", decode_convert_float, 90),
    convert_row("cvt.{rni,rzi,rmi,rpi}{.ftz}{.sat}.f32.f32", decode_convert_whole),
    convert_row("cvt.{rni,rzi,rmi,rpi}{.sat}.f16.f16", decode_convert_whole),
    convert_row("cvt.{rni,rzi,rmi,rpi}{.sat}.f64.f64", decode_convert_whole),
    convert_row("cvt.{rni,rzi,rmi,rpi}.bf16.bf16", decode_convert_whole, 90),
    convert_row("cvt.rna{.satfinite}.tf32.f32", decode_convert_tf32, 80),
    convert_row("cvt.{rn,rz}{.relu}.tf32.f32", decode_convert_tf32, 90),
    convert_row("cvt.{rn,rz}.satfinite{.relu}.tf32.f32", decode_convert_tf32, 100),
    convert_row("cvt.pack.sat.{u16,s16}.s32", decode_convert_pack, 72, "9.7.9.22"),
    convert_row("cvt.pack.sat.{u8,s8}.s32.b32", decode_convert_pack, 72, "9.7.9.22"),
};

}  // namespace

std::span<const Form> FA4_EMU_CPU::convert_forms() { return kConvertForms; }

}  // namespace fa4::emu::isa
