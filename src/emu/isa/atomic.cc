// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.13: atom and red. Lanes of one instruction act in the order of their numbers; the machine runs a grid
// that has atomics on global memory on one thread of the host.
#include <algorithm>
#include <cstring>

#include "emu/isa/address.h"
#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/numeric.h"
#include "emu/isa/table.h"
#include "emu/machine/cluster.h"
#include "emu/machine/poll.h"

namespace fa4::emu::isa {
namespace {

enum class Op : uint8_t { And, Or, Xor, Exch, Cas, Add, Inc, Dec, Min, Max };

template <class T, Op O>
T atomic_result(T old, T b, T c) {
  if constexpr (O == Op::Exch) return b;
  if constexpr (O == Op::Cas) return old == b ? c : old;
  if constexpr (O == Op::Min) return std::min(old, b);
  if constexpr (O == Op::Max) return std::max(old, b);
  if constexpr (std::is_integral_v<T>) {
    if constexpr (O == Op::And) return old & b;
    if constexpr (O == Op::Or) return old | b;
    if constexpr (O == Op::Xor) return old ^ b;
    if constexpr (O == Op::Inc) return old >= b ? 0 : old + 1;
    if constexpr (O == Op::Dec) return old == 0 || old > b ? b : old - 1;
    if constexpr (O == Op::Add) {
      using U = std::make_unsigned_t<T>;
      return static_cast<T>(static_cast<U>(old) + static_cast<U>(b));
    }
  } else if constexpr (O == Op::Add) {
    return old + b;
  }
  return old;
}

template <class T>
T atomic_operand(const Warp& warp, uint16_t row, int lane) {
  if constexpr (sizeof(T) == 8) {
    return load64<T>(warp, row, lane);
  } else {
    return std::bit_cast<T>(warp.rows[row].lane[lane]);
  }
}

// red.f32 and atom.f32 on global memory flush subnormal inputs and results; in shared memory they do not
// (PTX ISA 9.0, 9.7.13.5).
template <class T>
T flushed(T value, bool flush) {
  if constexpr (std::is_same_v<T, float>) {
    if (flush && std::abs(value) < std::numeric_limits<float>::min())
      return std::copysign(0.f, value);
  }
  return value;
}

template <class T, Op O, bool Returns>
Outcome atomic(Warp& warp, const Instr& i) {
  const Place place(warp.lists + i.extra);
  Shadow& shadow = warp.cta->cluster->shadow;
  uint64_t seen = reinterpret_cast<uint64_t>(&i);
  bool changed = false;
  for_each_lane(warp.active, [&](int lane) {
    std::byte* at =
        resolve(warp, place.space, place.of(warp, lane), lane, sizeof(T), Access::Atomic);
    T old;
    std::memset(&old, kPoisonByte, sizeof(old));
    if (at != nullptr) {
      std::memcpy(&old, at, sizeof(old));
      if constexpr (Returns) shadow.take(warp.agent, at, place.acquires);
      shadow.give(warp.agent, at, place.releases, false);
      const bool flush = place.space != Space::Shared && place.space != Space::SharedCluster;
      const T b = atomic_operand<T>(warp, i.b, lane);
      const T c = O == Op::Cas ? atomic_operand<T>(warp, i.c, lane) : T{};
      T result = atomic_result<T, O>(O == Op::Add ? flushed(old, flush) : old,
                                     O == Op::Add ? flushed(b, flush) : b, c);
      if constexpr (O == Op::Add && std::is_floating_point_v<T>) {
        result = flushed(result, flush);
        if (result != result) result = nan_of<T>;
      }
      changed = changed || std::memcmp(at, &result, sizeof(result)) != 0;
      std::memcpy(at, &result, sizeof(result));
      if constexpr (Returns) {
        seen = mixed(seen, reinterpret_cast<uint64_t>(at));
        uint64_t bits = 0;
        std::memcpy(&bits, &old, sizeof(old));
        seen = mixed(seen, bits);
      }
    }
    if constexpr (Returns) {
      if constexpr (sizeof(T) == 8) {
        store64<T>(&warp.rows[i.dst], lane, old);
      } else {
        warp.rows[i.dst].lane[lane] = std::bit_cast<uint32_t>(old);
      }
    }
  });
  // One that changes nothing is a look: a lock that is held.
  if (changed) {
    note_progress(*warp.cta->cluster);
  } else if (Returns) {
    note_poll(warp, seen);
  }
  return Outcome::Yield;
}

// red.add.v2 and .v4: one address for all elements, each added by itself. The list: address (3), elements, rows.
Outcome reduce_vector(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  const Place place(list);
  const uint32_t count = list[3];
  for_each_lane(warp.active, [&](int lane) {
    std::byte* at = resolve(warp, place.space, place.of(warp, lane), lane,
                            count * static_cast<uint32_t>(sizeof(float)), Access::Atomic);
    if (at == nullptr) return;
    for (uint32_t e = 0; e < count; ++e) {
      float old;
      std::memcpy(&old, at + e * sizeof(float), sizeof(float));
      float sum = flushed(old, true) +
                  flushed(std::bit_cast<float>(warp.rows[list[4 + e]].lane[lane]), true);
      sum = sum == sum ? flushed(sum, true) : nan_of<float>;
      std::memcpy(at + e * sizeof(float), &sum, sizeof(float));
    }
  });
  return Outcome::Yield;
}

Instr decode_reduce_vector(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 2, 2);
  const std::vector<ptx::Operand>& elements = text.operands[1].parts;
  if (text.operands[1].kind != ptx::Operand::Kind::Vector || elements.size() != words.vector()) {
    decoder.refuse("the number of registers is not that of the vector");
  }
  std::vector<uint32_t> list = address_list(decoder, words, text.operands[0]);
  list.push_back(words.vector());
  for (const ptx::Operand& element : elements) list.push_back(decoder.row_in(element, Type::F32));
  Instr instr{.exec = reduce_vector};
  instr.extra = decoder.list(list);
  return instr;
}

template <bool Returns, class T>
ExecFn atomic_exec(std::string_view op) {
  if (op == "exch") return atomic<T, Op::Exch, Returns>;
  if (op == "cas") return atomic<T, Op::Cas, Returns>;
  if (op == "add") return atomic<T, Op::Add, Returns>;
  if (op == "min") return atomic<T, Op::Min, Returns>;
  if (op == "max") return atomic<T, Op::Max, Returns>;
  if constexpr (std::is_integral_v<T>) {
    if (op == "and") return atomic<T, Op::And, Returns>;
    if (op == "or") return atomic<T, Op::Or, Returns>;
    if (op == "xor") return atomic<T, Op::Xor, Returns>;
    if (op == "inc") return atomic<T, Op::Inc, Returns>;
    if (op == "dec") return atomic<T, Op::Dec, Returns>;
  }
  return nullptr;
}

template <bool Returns>
ExecFn atomic_exec(std::string_view op, Type type) {
  switch (type) {
    case Type::S32:
      return atomic_exec<Returns, int32_t>(op);
    case Type::B32:
    case Type::U32:
      return atomic_exec<Returns, uint32_t>(op);
    case Type::S64:
      return atomic_exec<Returns, int64_t>(op);
    case Type::B64:
    case Type::U64:
      return atomic_exec<Returns, uint64_t>(op);
    case Type::F32:
      return atomic_exec<Returns, float>(op);
    case Type::F64:
      return atomic_exec<Returns, double>(op);
    default:
      return nullptr;
  }
}

constexpr std::string_view kAtomicOps[] = {"and", "or",  "xor", "exch", "cas",
                                           "add", "inc", "dec", "min",  "max"};

std::string_view op_of(const Words& words) {
  for (const std::string_view op : kAtomicOps) {
    if (words.has(op)) return op;
  }
  return "";
}

Instr decode_atomic_of(Decoder& decoder, const Words& words, const ptx::Instruction& text,
                       bool returns) {
  const std::string_view op = op_of(words);
  const Type type = words.type();
  const size_t first = returns ? 1 : 0;  // of the operands: the address
  const size_t values = op == "cas" ? 2 : 1;
  decoder.require_operands(text, first + 1 + values, first + 1 + values);
  Instr instr{.exec = returns ? atomic_exec<true>(op, type) : atomic_exec<false>(op, type)};
  if (instr.exec == nullptr) decoder.refuse("the operation has no such type");
  instr.extra = decoder.list(address_list(decoder, words, text.operands[first]));
  instr.b = decoder.row_in(text.operands[first + 1], type);
  if (op == "cas") instr.c = decoder.row_in(text.operands[first + 2], type);
  if (returns) instr.dst = decoder.row_out(text.operands[0], type);
  return instr;
}

Instr decode_atom(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  return decode_atomic_of(decoder, words, text, true);
}

Instr decode_red(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  return decode_atomic_of(decoder, words, text, false);
}

}  // namespace

#define FA4_EMU_ATOMIC \
  "{.{relaxed,acquire,release,acq_rel}}{.{cta,cluster,gpu,sys}}{.{global,shared,shared::cta,shared::cluster}}"

std::span<const Form> atomic_forms() {
  static constexpr Form kForms[] = {
      {"atom" FA4_EMU_ATOMIC ".{and,or,xor,exch,cas}.{b32,b64}", Unit::Memory, Fidelity::Exact,
       decode_atom, 0, "9.7.13.5"},
      {"atom" FA4_EMU_ATOMIC ".{add,min,max}.{u32,s32,u64,s64}", Unit::Memory, Fidelity::Exact,
       decode_atom, 0, "9.7.13.5"},
      {"atom" FA4_EMU_ATOMIC ".{inc,dec}.u32", Unit::Memory, Fidelity::Exact, decode_atom, 0,
       "9.7.13.5"},
      {"atom" FA4_EMU_ATOMIC ".add.{f32,f64}", Unit::Memory, Fidelity::Exact, decode_atom, 0,
       "9.7.13.5"},
      {"red" FA4_EMU_ATOMIC ".{and,or,xor}.{b32,b64}", Unit::Memory, Fidelity::Exact, decode_red, 0,
       "9.7.13.6"},
      {"red" FA4_EMU_ATOMIC ".{add,min,max}.{u32,s32,u64,s64}", Unit::Memory, Fidelity::Exact,
       decode_red, 0, "9.7.13.6"},
      {"red" FA4_EMU_ATOMIC ".{inc,dec}.u32", Unit::Memory, Fidelity::Exact, decode_red, 0,
       "9.7.13.6"},
      {"red" FA4_EMU_ATOMIC ".add.{f32,f64}", Unit::Memory, Fidelity::Exact, decode_red, 0,
       "9.7.13.6"},
      {"red{.{relaxed,acquire,release,acq_rel}}{.{cta,cluster,gpu,sys}}.global.add.{v2,v4}.f32",
       Unit::Memory, Fidelity::Exact, decode_reduce_vector, 90, "9.7.13.6"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
