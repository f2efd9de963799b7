// SPDX-License-Identifier: Apache-2.0
// Integers: PTX ISA 9.0, 9.7.1. With carry: carry.cc.
#include "emu/isa/apply.h"
#include "emu/isa/integer_ops.h"
#include "emu/isa/table.h"

namespace fa4::emu::isa {
namespace {

// Decodes an instruction whose operands all have the type that it names last.
Instr integer_unary(Decoder& d, const ptx::Instruction& text, Type type, ExecFn exec) {
  return d.unary(exec, text, type, type);
}
Instr integer_binary(Decoder& d, const ptx::Instruction& text, Type type, ExecFn exec) {
  return d.binary(exec, text, type, type, type);
}
Instr integer_ternary(Decoder& d, const ptx::Instruction& text, Type type, ExecFn exec) {
  return d.ternary(exec, text, type, type, type, type);
}

Type integer_twice(Type type) {
  switch (type) {
    case Type::U16:
      return Type::U32;
    case Type::S16:
      return Type::S32;
    case Type::U32:
      return Type::U64;
    default:
      return Type::S64;
  }
}

// Sums and products of 64 bits by 32 at a time.
WordPair pair_add(WordPair a, WordPair b) {
  const uint32_t low = a.low + b.low;
  return {low, a.high + b.high + (low < a.low ? 1 : 0)};
}
WordPair pair_sub(WordPair a, WordPair b) {
  return {a.low - b.low, a.high - b.high - (a.low < b.low ? 1 : 0)};
}
template <class T>
WordPair pair_mul_wide(T a, T b) {
  const Twice<T> product = Twice<T>{a} * b;
  return {static_cast<uint32_t>(a) * static_cast<uint32_t>(b),
          static_cast<uint32_t>(product >> 32)};
}
template <class T>
WordPair pair_mad_wide(T a, T b, WordPair c) {
  return pair_add(pair_mul_wide<T>(a, b), c);
}
bool integer_is_double(Type type) { return type == Type::U64 || type == Type::S64; }

// Chooses f<T> by the type: a lambda over a value of T.
#define FA4_BY_INTEGER(function) \
  with_integer(type, [](auto zero) { return exec_of<function<decltype(zero)>>; })

Instr decode_integer_add(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  if (integer_is_double(type)) return integer_binary(d, text, type, exec_of<pair_add>);
  return integer_binary(d, text, type,
                        words.has("sat") ? exec_of<int_add_sat> : FA4_BY_INTEGER(int_add));
}
Instr decode_integer_sub(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  if (integer_is_double(type)) return integer_binary(d, text, type, exec_of<pair_sub>);
  return integer_binary(d, text, type,
                        words.has("sat") ? exec_of<int_sub_sat> : FA4_BY_INTEGER(int_sub));
}
Instr decode_integer_pair_add(Decoder& d, const Words&, const ptx::Instruction& text) {
  return integer_binary(d, text, Type::B32, exec_of<int_pair<uint16_t, int_add<uint16_t>>>);
}

Instr decode_integer_mul(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  if (words.has("wide")) {
    const ExecFn exec = type == Type::U16   ? exec_of<int_mul_wide<uint16_t>>
                        : type == Type::S16 ? exec_of<int_mul_wide<int16_t>>
                        : type == Type::U32 ? exec_of<pair_mul_wide<uint32_t>>
                                            : exec_of<pair_mul_wide<int32_t>>;
    return d.binary(exec, text, integer_twice(type), type, type);
  }
  return integer_binary(d, text, type,
                        words.has("hi") ? FA4_BY_INTEGER(int_mul_hi) : FA4_BY_INTEGER(int_mul_lo));
}

Instr decode_integer_mad(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  if (words.has("wide")) {
    const ExecFn exec = type == Type::U16   ? exec_of<int_mad_wide<uint16_t>>
                        : type == Type::S16 ? exec_of<int_mad_wide<int16_t>>
                        : type == Type::U32 ? exec_of<pair_mad_wide<uint32_t>>
                                            : exec_of<pair_mad_wide<int32_t>>;
    return d.ternary(exec, text, integer_twice(type), type, type, integer_twice(type));
  }
  if (words.has("sat")) return integer_ternary(d, text, type, exec_of<int_mad_hi_sat>);
  return integer_ternary(d, text, type,
                         words.has("hi") ? FA4_BY_INTEGER(int_mad_hi) : FA4_BY_INTEGER(int_mad_lo));
}

Instr decode_integer_mul24(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool high = words.has("hi");
  const ExecFn exec =
      words.type() == Type::U32
          ? (high ? exec_of<int_mul24_hi<uint32_t>> : exec_of<int_mul24_lo<uint32_t>>)
          : (high ? exec_of<int_mul24_hi<int32_t>> : exec_of<int_mul24_lo<int32_t>>);
  return integer_binary(d, text, words.type(), exec);
}
Instr decode_integer_mad24(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool high = words.has("hi");
  ExecFn exec = words.type() == Type::U32
                    ? (high ? exec_of<int_mad24_hi<uint32_t>> : exec_of<int_mad24_lo<uint32_t>>)
                    : (high ? exec_of<int_mad24_hi<int32_t>> : exec_of<int_mad24_lo<int32_t>>);
  if (words.has("sat")) exec = exec_of<int_mad24_hi_sat>;
  return integer_ternary(d, text, words.type(), exec);
}

Instr decode_integer_sad(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  return integer_ternary(d, text, type, FA4_BY_INTEGER(int_sad));
}
Instr decode_integer_div(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  return integer_binary(d, text, type, FA4_BY_INTEGER(int_div));
}
Instr decode_integer_rem(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  return integer_binary(d, text, type, FA4_BY_INTEGER(int_rem));
}
Instr decode_integer_abs(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  return integer_unary(d, text, type, FA4_BY_INTEGER(int_abs));
}
Instr decode_integer_neg(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  return integer_unary(d, text, type, FA4_BY_INTEGER(int_neg));
}

Instr decode_integer_min(Decoder& d, const Words& words, const ptx::Instruction& text) {
  if (words.has("u16x2")) {
    return integer_binary(d, text, Type::B32, exec_of<int_pair<uint16_t, int_min<uint16_t>>>);
  }
  if (words.has("s16x2")) {
    return integer_binary(d, text, Type::B32,
                          words.has("relu") ? exec_of<int_pair<int16_t, s16_min_relu>>
                                            : exec_of<int_pair<int16_t, int_min<int16_t>>>);
  }
  const Type type = words.type();
  return integer_binary(d, text, type,
                        words.has("relu") ? exec_of<int_min_relu> : FA4_BY_INTEGER(int_min));
}
Instr decode_integer_max(Decoder& d, const Words& words, const ptx::Instruction& text) {
  if (words.has("u16x2")) {
    return integer_binary(d, text, Type::B32, exec_of<int_pair<uint16_t, int_max<uint16_t>>>);
  }
  if (words.has("s16x2")) {
    return integer_binary(d, text, Type::B32,
                          words.has("relu") ? exec_of<int_pair<int16_t, s16_max_relu>>
                                            : exec_of<int_pair<int16_t, int_max<int16_t>>>);
  }
  const Type type = words.type();
  return integer_binary(d, text, type,
                        words.has("relu") ? exec_of<int_max_relu> : FA4_BY_INTEGER(int_max));
}

#undef FA4_BY_INTEGER

// ---- bits -----------------------------------------------------------------------------------------------

Instr decode_popc(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool wide = words.type() == Type::B64;
  return d.unary(wide ? exec_of<bit_count<uint64_t>> : exec_of<bit_count<uint32_t>>, text,
                 Type::U32, words.type());
}
Instr decode_clz(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool wide = words.type() == Type::B64;
  return d.unary(wide ? exec_of<leading_zeros<uint64_t>> : exec_of<leading_zeros<uint32_t>>, text,
                 Type::U32, words.type());
}
Instr decode_bfind(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool shift = words.has("shiftamt");
  const ExecFn exec = with_integer(words.type(), [shift](auto zero) {
    using T = decltype(zero);
    return shift ? exec_of<find_bit_shift<T>> : exec_of<find_bit<T>>;
  });
  return d.unary(exec, text, Type::U32, words.type());
}
Instr decode_brev(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool wide = words.type() == Type::B64;
  return integer_unary(d, text, words.type(),
                       wide ? exec_of<reverse_bits<uint64_t>> : exec_of<reverse_bits<uint32_t>>);
}
Instr decode_bfe(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const ExecFn exec =
      with_integer(words.type(), [](auto zero) { return exec_of<extract_bits<decltype(zero)>>; });
  return d.ternary(exec, text, words.type(), words.type(), Type::U32, Type::U32);
}
Instr decode_bfi(Decoder& d, const Words& words, const ptx::Instruction& text) {
  d.require_operands(text, 5, 5);
  const bool wide = words.type() == Type::B64;
  Instr instr{.exec = wide ? exec_of<insert_bits<uint64_t>> : exec_of<insert_bits<uint32_t>>};
  instr.a = d.row_in(text.operands[1], words.type());
  instr.b = d.row_in(text.operands[2], words.type());
  instr.c = d.row_in(text.operands[3], Type::U32);
  instr.extra = d.row_in(text.operands[4], Type::U32);
  instr.dst = d.row_out(text.operands[0], words.type());
  return instr;
}
Instr decode_szext(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool wrap = words.has("wrap");
  const ExecFn exec =
      words.type() == Type::S32
          ? (wrap ? exec_of<extend_bits<int32_t, true>> : exec_of<extend_bits<int32_t, false>>)
          : (wrap ? exec_of<extend_bits<uint32_t, true>> : exec_of<extend_bits<uint32_t, false>>);
  return d.binary(exec, text, words.type(), words.type(), Type::U32);
}
Instr decode_bmsk(Decoder& d, const Words& words, const ptx::Instruction& text) {
  return integer_binary(d, text, Type::B32,
                        words.has("wrap") ? exec_of<mask_bits<true>> : exec_of<mask_bits<false>>);
}
Instr decode_fns(Decoder& d, const Words&, const ptx::Instruction& text) {
  return d.ternary(exec_of<find_nth_bit>, text, Type::B32, Type::B32, Type::B32, Type::S32);
}

Instr decode_dp4a(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool a = is_signed(words.type(0));
  const bool b = is_signed(words.type(1));
  const ExecFn exec = a ? (b ? exec_of<dot4<int8_t, int8_t>> : exec_of<dot4<int8_t, uint8_t>>)
                        : (b ? exec_of<dot4<uint8_t, int8_t>> : exec_of<dot4<uint8_t, uint8_t>>);
  return integer_ternary(d, text, Type::B32, exec);
}
template <int kFirst>
ExecFn dp2a_exec(bool a, bool b) {
  return a ? (b ? exec_of<dot2<int16_t, int8_t, kFirst>> : exec_of<dot2<int16_t, uint8_t, kFirst>>)
           : (b ? exec_of<dot2<uint16_t, int8_t, kFirst>>
                : exec_of<dot2<uint16_t, uint8_t, kFirst>>);
}
Instr decode_dp2a(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool a = is_signed(words.type(0));
  const bool b = is_signed(words.type(1));
  return integer_ternary(d, text, Type::B32,
                         words.has("hi") ? dp2a_exec<2>(a, b) : dp2a_exec<0>(a, b));
}

constexpr Form kIntegerForms[] = {
    {"add{.sat}.s32", Unit::Alu, Fidelity::Exact, decode_integer_add, 0, "9.7.1.1"},
    {"add.{u16,s16,u32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_integer_add, 0, "9.7.1.1"},
    {"add.{u16x2,s16x2}", Unit::Alu, Fidelity::Exact, decode_integer_pair_add, 90, "9.7.1.1"},
    {"sub{.sat}.s32", Unit::Alu, Fidelity::Exact, decode_integer_sub, 0, "9.7.1.2"},
    {"sub.{u16,s16,u32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_integer_sub, 0, "9.7.1.2"},
    {"mul.{lo,hi}.{u16,s16,u32,s32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_integer_mul, 0,
     "9.7.1.3"},
    {"mul.wide.{u16,s16,u32,s32}", Unit::Alu, Fidelity::Exact, decode_integer_mul, 0, "9.7.1.3"},
    {"mad.{lo,hi}.{u16,s16,u32,s32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_integer_mad, 0,
     "9.7.1.4"},
    {"mad.wide.{u16,s16,u32,s32}", Unit::Alu, Fidelity::Exact, decode_integer_mad, 0, "9.7.1.4"},
    {"mad.hi.sat.s32", Unit::Alu, Fidelity::Exact, decode_integer_mad, 0, "9.7.1.4"},
    {"mul24.{lo,hi}.{u32,s32}", Unit::Alu, Fidelity::Exact, decode_integer_mul24, 0, "9.7.1.5"},
    {"mad24.{lo,hi}.{u32,s32}", Unit::Alu, Fidelity::Exact, decode_integer_mad24, 0, "9.7.1.6"},
    {"mad24.hi.sat.s32", Unit::Alu, Fidelity::Exact, decode_integer_mad24, 0, "9.7.1.6"},
    {"sad.{u16,s16,u32,s32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_integer_sad, 0, "9.7.1.7"},
    {"div.{u16,s16,u32,s32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_integer_div, 0, "9.7.1.8"},
    {"rem.{u16,s16,u32,s32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_integer_rem, 0, "9.7.1.9"},
    {"abs.{s16,s32,s64}", Unit::Alu, Fidelity::Exact, decode_integer_abs, 0, "9.7.1.10"},
    {"neg.{s16,s32,s64}", Unit::Alu, Fidelity::Exact, decode_integer_neg, 0, "9.7.1.11"},
    {"min.{u16,s16,u32,s32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_integer_min, 0,
     "9.7.1.12"},
    {"min.u16x2", Unit::Alu, Fidelity::Exact, decode_integer_min, 90, "9.7.1.12"},
    {"min{.relu}.{s32,s16x2}", Unit::Alu, Fidelity::Exact, decode_integer_min, 90, "9.7.1.12"},
    {"max.{u16,s16,u32,s32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_integer_max, 0,
     "9.7.1.13"},
    {"max.u16x2", Unit::Alu, Fidelity::Exact, decode_integer_max, 90, "9.7.1.13"},
    {"max{.relu}.{s32,s16x2}", Unit::Alu, Fidelity::Exact, decode_integer_max, 90, "9.7.1.13"},
    {"popc.{b32,b64}", Unit::Alu, Fidelity::Exact, decode_popc, 0, "9.7.1.14"},
    {"clz.{b32,b64}", Unit::Alu, Fidelity::Exact, decode_clz, 0, "9.7.1.15"},
    {"bfind{.shiftamt}.{u32,s32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_bfind, 0, "9.7.1.16"},
    {"fns.b32", Unit::Alu, Fidelity::Exact, decode_fns, 0, "9.7.1.17"},
    {"brev.{b32,b64}", Unit::Alu, Fidelity::Exact, decode_brev, 0, "9.7.1.18"},
    {"bfe.{u32,s32,u64,s64}", Unit::Alu, Fidelity::Exact, decode_bfe, 0, "9.7.1.19"},
    {"bfi.{b32,b64}", Unit::Alu, Fidelity::Exact, decode_bfi, 0, "9.7.1.20"},
    {"szext.{clamp,wrap}.{u32,s32}", Unit::Alu, Fidelity::Exact, decode_szext, 0, "9.7.1.21"},
    {"bmsk.{clamp,wrap}.b32", Unit::Alu, Fidelity::Exact, decode_bmsk, 0, "9.7.1.22"},
    {"dp4a.{u32,s32}.{u32,s32}", Unit::Alu, Fidelity::Exact, decode_dp4a, 0, "9.7.1.23"},
    {"dp2a.{lo,hi}.{u32,s32}.{u32,s32}", Unit::Alu, Fidelity::Exact, decode_dp2a, 0, "9.7.1.24"},
};

}  // namespace

std::span<const Form> FA4_EMU_CPU::integer_forms() { return kIntegerForms; }

}  // namespace fa4::emu::isa
