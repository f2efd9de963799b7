// SPDX-License-Identifier: Apache-2.0
// Bits, shifts, comparisons and choices: PTX ISA 9.0, 9.7.6, 9.7.8, prmt, and what is done to predicates.
#include "emu/isa/compare.h"
#include "emu/isa/logic_ops.h"

namespace fa4::emu::isa {
namespace {

// ---- predicates ---------------------------------------------------------------------------------------------

// A predicate or the number 0 or another one.
uint16_t logic_predicate(Decoder& decoder, const ptx::Operand& operand) {
  if (operand.kind == ptx::Operand::Kind::Integer) {
    return operand.bits == 0 ? kNever : kNever | kGuardNegated;
  }
  return encode(decoder.predicate_in(operand));
}

template <LaneMask (*F)(LaneMask, LaneMask)>
Outcome exec_predicates(Warp& warp, const Instr& i) {
  set_predicate(warp, i.dst, F(read_predicate(warp, i.a), read_predicate(warp, i.b)));
  return Outcome::Next;
}
Outcome exec_predicate_not(Warp& warp, const Instr& i) {
  set_predicate(warp, i.dst, ~read_predicate(warp, i.a));
  return Outcome::Next;
}
Outcome exec_predicate_mov(Warp& warp, const Instr& i) {
  set_predicate(warp, i.dst, read_predicate(warp, i.a));
  return Outcome::Next;
}

Instr logic_predicates(Decoder& d, const ptx::Instruction& text, ExecFn exec, size_t inputs) {
  d.require_operands(text, inputs + 1, inputs + 1);
  Instr instr{.exec = exec};
  instr.a = logic_predicate(d, text.operands[1]);
  if (inputs == 2) instr.b = logic_predicate(d, text.operands[2]);
  instr.dst = d.predicate_out(text.operands[0]);
  return instr;
}

Instr decode_mov_pred(Decoder& d, const Words&, const ptx::Instruction& text) {
  return logic_predicates(d, text, exec_predicate_mov, 1);
}

// ---- bits ----------------------------------------------------------------------------------------------------

Instr logic_binary(Decoder& d, const Words& words, const ptx::Instruction& text, ExecFn exec) {
  return d.binary(exec, text, words.type(), words.type(), words.type());
}

Instr decode_and(Decoder& d, const Words& words, const ptx::Instruction& text) {
  if (words.type() == Type::Pred) return logic_predicates(d, text, exec_predicates<bits_and>, 2);
  return logic_binary(d, words, text, with_integer(words.type(), [](auto zero) {
                        return exec_of<bits_and<decltype(zero)>>;
                      }));
}
Instr decode_or(Decoder& d, const Words& words, const ptx::Instruction& text) {
  if (words.type() == Type::Pred) return logic_predicates(d, text, exec_predicates<bits_or>, 2);
  return logic_binary(d, words, text, with_integer(words.type(), [](auto zero) {
                        return exec_of<bits_or<decltype(zero)>>;
                      }));
}
Instr decode_xor(Decoder& d, const Words& words, const ptx::Instruction& text) {
  if (words.type() == Type::Pred) return logic_predicates(d, text, exec_predicates<bits_xor>, 2);
  return logic_binary(d, words, text, with_integer(words.type(), [](auto zero) {
                        return exec_of<bits_xor<decltype(zero)>>;
                      }));
}
Instr decode_not(Decoder& d, const Words& words, const ptx::Instruction& text) {
  if (words.type() == Type::Pred) return logic_predicates(d, text, exec_predicate_not, 1);
  const ExecFn exec =
      with_integer(words.type(), [](auto zero) { return exec_of<bits_not<decltype(zero)>>; });
  return d.unary(exec, text, words.type(), words.type());
}
Instr decode_cnot(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const ExecFn exec =
      with_integer(words.type(), [](auto zero) { return exec_of<bits_cnot<decltype(zero)>>; });
  return d.unary(exec, text, words.type(), words.type());
}

// The table is a number: bit a*4 + b*2 + c of it, for each bit of the operands.
Outcome exec_lop3(Warp& warp, const Instr& i) {
  uint32_t term[8];
  for (int k = 0; k < 8; ++k) term[k] = (i.extra >> k & 1) != 0 ? 0xffffffff : 0;
  const Row& a_row = warp.rows[i.a];
  const Row& b_row = warp.rows[i.b];
  const Row& c_row = warp.rows[i.c];
  Row& d = warp.rows[i.dst];
  for_active(warp, [&](int lane) {
    const uint32_t a = a_row.lane[lane], b = b_row.lane[lane], c = c_row.lane[lane];
    const uint32_t low =
        (~b & ((~c & term[0]) | (c & term[1]))) | (b & ((~c & term[2]) | (c & term[3])));
    const uint32_t high =
        (~b & ((~c & term[4]) | (c & term[5]))) | (b & ((~c & term[6]) | (c & term[7])));
    d.lane[lane] = (~a & low) | (a & high);
  });
  return Outcome::Next;
}
Instr decode_lop3(Decoder& d, const Words&, const ptx::Instruction& text) {
  d.require_operands(text, 5, 5);
  const int64_t lut = d.number(text.operands[4]);
  if (lut < 0 || lut > 255) d.refuse("the table of lop3 must be a number from 0 to 255");
  Instr instr{.exec = exec_lop3};
  instr.a = d.row_in(text.operands[1], Type::B32);
  instr.b = d.row_in(text.operands[2], Type::B32);
  instr.c = d.row_in(text.operands[3], Type::B32);
  instr.dst = d.row_out(text.operands[0], Type::B32);
  instr.extra = static_cast<uint32_t>(lut);
  return instr;
}

// ---- shifts and bytes ------------------------------------------------------------------------------------------

Instr decode_shl(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const ExecFn exec =
      with_integer(words.type(), [](auto zero) { return exec_of<shift_left<decltype(zero)>>; });
  return d.binary(exec, text, words.type(), words.type(), Type::U32);
}
Instr decode_shr(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const ExecFn exec =
      with_integer(words.type(), [](auto zero) { return exec_of<shift_right<decltype(zero)>>; });
  return d.binary(exec, text, words.type(), words.type(), Type::U32);
}
Instr decode_shf(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool wrap = words.has("wrap");
  const ExecFn exec = words.has("l")
                          ? (wrap ? exec_of<funnel_left<true>> : exec_of<funnel_left<false>>)
                          : (wrap ? exec_of<funnel_right<true>> : exec_of<funnel_right<false>>);
  return d.ternary(exec, text, Type::B32, Type::B32, Type::B32, Type::U32);
}
Instr decode_prmt(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const ExecFn exec = words.has("f4e")    ? exec_of<permute_mode<PermuteMode::Forward4>>
                      : words.has("b4e")  ? exec_of<permute_mode<PermuteMode::Backward4>>
                      : words.has("rc8")  ? exec_of<permute_mode<PermuteMode::Replicate8>>
                      : words.has("ecl")  ? exec_of<permute_mode<PermuteMode::EdgeLeft>>
                      : words.has("ecr")  ? exec_of<permute_mode<PermuteMode::EdgeRight>>
                      : words.has("rc16") ? exec_of<permute_mode<PermuteMode::Replicate16>>
                                          : exec_of<permute_bytes>;
  return d.ternary(exec, text, Type::B32, Type::B32, Type::B32, Type::B32);
}

// ---- comparisons -------------------------------------------------------------------------------------------------

template <bool kSet>
ExecFn logic_compare_exec(const Words& words, Type type) {
  if (type == Type::F32) {
    if (words.has("ftz")) return kSet ? exec_set<float, true> : exec_setp<float, true>;
    return kSet ? exec_set<float, false> : exec_setp<float, false>;
  }
  if (type == Type::F64) return kSet ? exec_set<double, false> : exec_setp<double, false>;
  return with_integer(type, [](auto zero) -> ExecFn {
    using T = decltype(zero);
    return kSet ? exec_set<T, false> : exec_setp<T, false>;
  });
}

Instr decode_setp(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  return compare_setp(d, words, text, type, logic_compare_exec<false>(words, type));
}
Instr decode_set(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type(1);
  return compare_set(d, words, text, type, logic_compare_exec<true>(words, type));
}

// ---- choices ----------------------------------------------------------------------------------------------------

Outcome exec_selp(Warp& warp, const Instr& i) {
  const LaneMask mask = read_predicate(warp, i.c);
  const Row& a = warp.rows[i.a];
  const Row& b = warp.rows[i.b];
  for_active_values<1>(warp, i.dst, [&](Row* to, int lane) {
    to->lane[lane] = (mask >> lane & 1) != 0 ? a.lane[lane] : b.lane[lane];
  });
  return Outcome::Next;
}
Outcome exec_selp64(Warp& warp, const Instr& i) {
  const LaneMask mask = read_predicate(warp, i.c);
  const Row* const a = &warp.rows[i.a];
  const Row* const b = &warp.rows[i.b];
  for_active_values<2>(warp, i.dst, [&](Row* to, int lane) {
    const bool first = (mask >> lane & 1) != 0;
    to[0].lane[lane] = first ? a[0].lane[lane] : b[0].lane[lane];
    to[1].lane[lane] = first ? a[1].lane[lane] : b[1].lane[lane];
  });
  return Outcome::Next;
}
Instr decode_selp(Decoder& d, const Words& words, const ptx::Instruction& text) {
  d.require_operands(text, 4, 4);
  const Type type = words.type();
  Instr instr{.exec = bits_of(type) == 64 ? exec_selp64 : exec_selp};
  instr.a = d.row_in(text.operands[1], type);
  instr.b = d.row_in(text.operands[2], type);
  instr.c = encode(d.predicate_in(text.operands[3]));
  instr.dst = d.row_out(text.operands[0], type);
  return instr;
}

// a where c is not negative; NaN is.
template <class U, class C, bool kFtz>
U choose_by_sign(U a, U b, C c) {
  if constexpr (kFtz) c = flush(c);
  return c >= 0 ? a : b;
}
Instr decode_slct(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type(0);
  const Type choice = words.type(1);
  const bool ftz = words.has("ftz");
  const bool integer = choice == Type::S32;
  const auto pick = [ftz, integer](auto zero) {
    using U = decltype(zero);
    return integer ? exec_of<choose_by_sign<U, int32_t, false>>
           : ftz   ? exec_of<choose_by_sign<U, float, true>>
                   : exec_of<choose_by_sign<U, float, false>>;
  };
  const uint32_t bits = bits_of(type);
  const ExecFn exec = bits == 16   ? pick(uint16_t{})
                      : bits == 32 ? pick(uint32_t{})
                                   : pick(uint64_t{});
  return d.ternary(exec, text, type, type, type, choice);
}

constexpr Form kLogicForms[] = {
    {"and.{pred,b16,b32,b64}", Unit::Alu, Fidelity::Exact, decode_and, 0, "9.7.8.1"},
    {"or.{pred,b16,b32,b64}", Unit::Alu, Fidelity::Exact, decode_or, 0, "9.7.8.2"},
    {"xor.{pred,b16,b32,b64}", Unit::Alu, Fidelity::Exact, decode_xor, 0, "9.7.8.3"},
    {"not.{pred,b16,b32,b64}", Unit::Alu, Fidelity::Exact, decode_not, 0, "9.7.8.4"},
    {"cnot.{b16,b32,b64}", Unit::Alu, Fidelity::Exact, decode_cnot, 0, "9.7.8.5"},
    {"lop3.b32", Unit::Alu, Fidelity::Exact, decode_lop3, 0, "9.7.8.6"},
    {"shf.{l,r}.{clamp,wrap}.b32", Unit::Alu, Fidelity::Exact, decode_shf, 0, "9.7.8.7"},
    {"shl.{b16,b32,b64}", Unit::Alu, Fidelity::Exact, decode_shl, 0, "9.7.8.8"},
    {"shr.{b16,b32,b64,u16,u32,u64,s16,s32,s64}", Unit::Alu, Fidelity::Exact, decode_shr, 0,
     "9.7.8.9"},
    {"prmt.b32{.{f4e,b4e,rc8,ecl,ecr,rc16}}", Unit::Alu, Fidelity::Exact, decode_prmt, 0,
     "9.7.9.7"},
    {"setp.{eq,ne}{.{and,or,xor}}.{b16,b32,b64}", Unit::Alu, Fidelity::Exact, decode_setp, 0,
     "9.7.6.2"},
    {"setp.{eq,ne,lt,le,gt,ge}{.{and,or,xor}}.{s16,s32,s64}", Unit::Alu, Fidelity::Exact,
     decode_setp, 0, "9.7.6.2"},
    {"setp.{eq,ne,lt,le,gt,ge,lo,ls,hi,hs}{.{and,or,xor}}.{u16,u32,u64}", Unit::Alu,
     Fidelity::Exact, decode_setp, 0, "9.7.6.2"},
    {"setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}{.{and,or,xor}}{.ftz}.f32", Unit::Alu,
     Fidelity::Exact, decode_setp, 0, "9.7.6.2"},
    {"setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}{.{and,or,xor}}.f64", Unit::Alu,
     Fidelity::Exact, decode_setp, 0, "9.7.6.2"},
    {"set.{eq,ne}{.{and,or,xor}}.{u32,s32,f32}.{b16,b32,b64}", Unit::Alu, Fidelity::Exact,
     decode_set, 0, "9.7.6.1"},
    {"set.{eq,ne,lt,le,gt,ge}{.{and,or,xor}}.{u32,s32,f32}.{s16,s32,s64}", Unit::Alu,
     Fidelity::Exact, decode_set, 0, "9.7.6.1"},
    {"set.{eq,ne,lt,le,gt,ge,lo,ls,hi,hs}{.{and,or,xor}}.{u32,s32,f32}.{u16,u32,u64}", Unit::Alu,
     Fidelity::Exact, decode_set, 0, "9.7.6.1"},
    {"set.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}{.{and,or,xor}}{.ftz}.{u32,s32,f32}.f32",
     Unit::Alu, Fidelity::Exact, decode_set, 0, "9.7.6.1"},
    {"set.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}{.{and,or,xor}}.{u32,s32,f32}.f64",
     Unit::Alu, Fidelity::Exact, decode_set, 0, "9.7.6.1"},
    {"selp.{b16,b32,b64,u16,u32,u64,s16,s32,s64,f32,f64}", Unit::Alu, Fidelity::Exact, decode_selp,
     0, "9.7.6.3"},
    {"slct{.ftz}.{b16,b32,b64,u16,u32,u64,s16,s32,s64,f32,f64}.f32", Unit::Alu, Fidelity::Exact,
     decode_slct, 0, "9.7.6.4"},
    {"slct.{b16,b32,b64,u16,u32,u64,s16,s32,s64,f32,f64}.s32", Unit::Alu, Fidelity::Exact,
     decode_slct, 0, "9.7.6.4"},
    {"mov.pred", Unit::Move, Fidelity::Exact, decode_mov_pred, 0, "9.7.9.3"},
};

}  // namespace

std::span<const Form> FA4_EMU_CPU::logic_forms() { return kLogicForms; }

}  // namespace fa4::emu::isa
