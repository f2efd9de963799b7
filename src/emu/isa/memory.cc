// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.9, data movement to and from memory: ld, st, prefetch; fences. Atomics are in atomic.cc.
//
// Cache operators and eviction hints have no effect. Memory is sequentially consistent (docs/emulator/README.md), so
// .volatile, .relaxed, .acquire and .release are plain accesses at which other warps may run.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "emu/isa/address.h"
#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/quads.h"
#include "emu/isa/table.h"
#include "emu/machine/cluster.h"
#include "emu/machine/poll.h"

namespace fa4::emu::isa {
namespace {

// What a strong load has seen, mixed into what its other lanes have.
uint64_t note_strong_read(Warp& warp, const Place& place, const std::byte* from, uint32_t bytes,
                          uint64_t seen) {
  if (from == nullptr) return seen;
  warp.cta->cluster->shadow.take(warp.agent, from, place.acquires);
  seen = mixed(seen, reinterpret_cast<uint64_t>(from));
  for (uint32_t at = 0; at < bytes; at += 8) {
    uint64_t value = 0;
    std::memcpy(&value, from + at, std::min(8u, bytes - at));
    seen = mixed(seen, value);
  }
  return seen;
}

enum class Extension : uint8_t { Zero, Sign };

// One element into its row or rows: the register may be wider than the element.
template <uint32_t Bytes, Extension Extend>
void put_element(Warp& warp, uint32_t row, bool wide, int lane, const std::byte* from) {
  uint64_t value = ~uint64_t{0};
  if (from != nullptr) {
    value = 0;
    std::memcpy(&value, from, Bytes);
    if constexpr (Extend == Extension::Sign && Bytes < 8) {
      const uint64_t sign = uint64_t{1} << (Bytes * 8 - 1);
      value = (value ^ sign) - sign;
    }
  }
  warp.rows[row].lane[lane] = static_cast<uint32_t>(value);
  if (wide) warp.rows[row + 1].lane[lane] = static_cast<uint32_t>(value >> 32);
}

template <uint32_t Bytes, Extension Extend>
void put_elements(Warp& warp, const uint32_t* list, int lane, const std::byte* from) {
  const bool wide = list[4] != 0, narrow = list[5] != 0;
  for (uint32_t e = 0; e < list[3]; ++e) {
    const uint32_t row = list[6 + e];
    put_element<Bytes, Extend>(warp, row, wide, lane, from == nullptr ? nullptr : from + e * Bytes);
    if (narrow) warp.rows[row].lane[lane] &= 0xffff;
  }
}

template <uint32_t Bytes>
void take_elements(const Warp& warp, const uint32_t* list, int lane, std::byte* to) {
  for (uint32_t e = 0; e < list[3]; ++e) {
    uint64_t value = warp.rows[list[6 + e]].lane[lane];
    if constexpr (Bytes == 8) value = load64<uint64_t>(warp, list[6 + e], lane);
    std::memcpy(to + e * Bytes, &value, Bytes);
  }
}

// Strong accesses are made lane by lane: each may give or take what others know.
template <uint32_t Bytes, Extension Extend>
Outcome load_strongly(Warp& warp, const Instr& i, const Place& place) {
  const uint32_t* list = warp.lists + i.extra;
  const uint32_t bytes = Bytes * list[3];
  uint64_t seen = reinterpret_cast<uint64_t>(&i);
  for_each_lane(warp.active, [&](int lane) {
    const std::byte* from =
        resolve(warp, place.space, place.of(warp, lane), lane, bytes, Access::StrongRead);
    seen = note_strong_read(warp, place, from, bytes, seen);
    put_elements<Bytes, Extend>(warp, list, lane, from);
  });
  note_poll(warp, seen);
  return Outcome::Yield;
}

template <uint32_t Bytes>
Outcome store_strongly(Warp& warp, const Instr& i, const Place& place) {
  const uint32_t* list = warp.lists + i.extra;
  for_each_lane(warp.active, [&](int lane) {
    std::byte* to = resolve(warp, place.space, place.of(warp, lane), lane, Bytes * list[3],
                            Access::StrongWrite);
    if (to == nullptr) return;
    warp.cta->cluster->shadow.give(warp.agent, to, place.releases, true);
    take_elements<Bytes>(warp, list, lane, to);
  });
  if (place.space != Space::Local) note_progress(*warp.cta->cluster);
  return Outcome::Yield;
}

// Calls f with a number of elements, 1 or 2, as a constant.
template <class F>
void with_count(uint32_t count, F f) {
  if (count == 1) return f(std::integral_constant<size_t, 1>{});
  f(std::integral_constant<size_t, 2>{});
}

// The list: address (3), elements, whether a register is 64 bits wide, 16-bit registers, rows.
template <uint32_t Bytes, Extension Extend>
Outcome load_elements(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  const Place place(list);
  if (place.yields) return load_strongly<Bytes, Extend>(warp, i, place);
  const uint32_t count = list[3];
  const bool wide = list[4] != 0, narrow = list[5] != 0;
  std::byte* at[kLanes];
  const std::byte* all = resolve_lanes(warp, place, Bytes * count, Access::Read, at);
  if (Bytes == 4 && count == 4 && all != nullptr && !wide && !narrow) {
    load_quads(warp.rows, list + 6, all);
    return Outcome::Next;
  }
  if (Bytes == 4 && count <= 2 && all != nullptr && !wide && !narrow) {
    with_count(count, [&](auto constant) {
      for (size_t e = 0; e < constant(); ++e) {
        Row& row = warp.rows[list[6 + e]];
        for (size_t lane = 0; lane < kLanes; ++lane) {
          std::memcpy(&row.lane[lane], all + (lane * constant() + e) * 4, 4);
        }
      }
    });
    return Outcome::Next;
  }
  for_each_lane(warp.active, [&](int lane) {
    put_elements<Bytes, Extend>(
        warp, list, lane,
        all != nullptr ? all + static_cast<size_t>(lane) * Bytes * count : at[lane]);
  });
  return Outcome::Next;
}

template <uint32_t Bytes>
Outcome store_elements(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  const Place place(list);
  if (place.yields) return store_strongly<Bytes>(warp, i, place);
  const uint32_t count = list[3];
  std::byte* at[kLanes];
  std::byte* all = resolve_lanes(warp, place, Bytes * count, Access::Write, at);
  if (place.space != Space::Local) note_progress(*warp.cta->cluster);
  if (Bytes == 4 && count == 4 && all != nullptr) {
    store_quads(warp.rows, list + 6, all);
    return Outcome::Next;
  }
  if (Bytes == 4 && count <= 2 && all != nullptr) {
    with_count(count, [&](auto constant) {
      for (size_t e = 0; e < constant(); ++e) {
        const Row& row = warp.rows[list[6 + e]];
        for (size_t lane = 0; lane < kLanes; ++lane) {
          std::memcpy(all + (lane * constant() + e) * 4, &row.lane[lane], 4);
        }
      }
    });
    return Outcome::Next;
  }
  for_each_lane(warp.active, [&](int lane) {
    std::byte* const to =
        all != nullptr ? all + static_cast<size_t>(lane) * Bytes * count : at[lane];
    if (to != nullptr) take_elements<Bytes>(warp, list, lane, to);
  });
  return Outcome::Next;
}

const std::vector<ptx::Operand>& elements_of(const ptx::Operand& operand,
                                             std::vector<ptx::Operand>* single) {
  if (operand.kind == ptx::Operand::Kind::Vector) return operand.parts;
  single->push_back(operand);
  return *single;
}

ExecFn load_of(uint32_t bytes, bool sign) {
  switch (bytes) {
    case 1:
      return sign ? load_elements<1, Extension::Sign> : load_elements<1, Extension::Zero>;
    case 2:
      return sign ? load_elements<2, Extension::Sign> : load_elements<2, Extension::Zero>;
    case 4:
      return sign ? load_elements<4, Extension::Sign> : load_elements<4, Extension::Zero>;
    default:
      return load_elements<8, Extension::Zero>;
  }
}

ExecFn store_of(uint32_t bytes) {
  switch (bytes) {
    case 1:
      return store_elements<1>;
    case 2:
      return store_elements<2>;
    case 4:
      return store_elements<4>;
    default:
      return store_elements<8>;
  }
}

Type carrier_of(uint32_t bits) {
  return bits == 64 ? Type::B64 : bits == 16 ? Type::B16 : Type::B32;
}

// 256 bits are of sm_100, of global memory, and alone may say which lines of L2 are evicted first.
void check_width(Decoder& decoder, const Words& words, uint32_t all, uint32_t one) {
  const bool evicts =
      words.has("L2::evict_normal") || words.has("L2::evict_first") || words.has("L2::evict_last");
  if (all <= 128 && words.vector() != 8 && !evicts) return;
  if (all != 256 || one < 32) {
    decoder.refuse(evicts ? "L2::evict_… stands where 256 bits are moved"
                          : "a vector has at most 128 bits, or 256 of .v8.b32 or .v4.b64");
  }
  if (decoder.arch() < 100) decoder.refuse("256 bits at once need sm_100 or later");
  const Space space = space_of(words);
  if (space != Space::Global && space != Space::Generic) {
    decoder.refuse("256 bits at once are of global memory");
  }
}

// One register of 128 bits: two of 64 beside each other.
Instr decode_quad(Decoder& decoder, const Words& words, const ptx::Instruction& text, bool load) {
  if (words.vector() != 1) decoder.refuse("a vector has at most 128 bits");
  std::vector<uint32_t> list = address_list(decoder, words, text.operands[load ? 1 : 0]);
  const ptx::Operand& data = text.operands[load ? 0 : 1];
  const uint32_t row = load ? decoder.row_out(data, Type::B128) : decoder.row_in(data, Type::B128);
  list.insert(list.end(), {2, 1, 0, row, row + 2});
  Instr instr{.exec = load ? load_elements<8, Extension::Zero> : store_elements<8>};
  instr.extra = decoder.list(list);
  return instr;
}

Instr decode_access(Decoder& decoder, const Words& words, const ptx::Instruction& text, bool load) {
  const size_t hint = words.has("L2::cache_hint") ? 1 : 0;
  decoder.require_operands(text, 2 + hint, 2 + hint);
  const ptx::Operand& data = text.operands[load ? 0 : 1];
  const ptx::Operand& memory = text.operands[load ? 1 : 0];
  if (hint != 0) decoder.row_in(text.operands[2], Type::B64);
  const Type type = words.type();
  if (type == Type::B128) return decode_quad(decoder, words, text, load);
  std::vector<ptx::Operand> single;
  const std::vector<ptx::Operand>& elements = elements_of(data, &single);
  if (elements.size() != words.vector()) {
    decoder.refuse("the number of registers is not that of the vector");
  }
  std::vector<uint32_t> list = address_list(decoder, words, memory);
  const uint32_t bits = bits_of(type);
  check_width(decoder, words, bits * words.vector(), bits);
  // A register may be wider than what is loaded into it, and `_` takes anything.
  const auto width_of = [&](const ptx::Operand& element) {
    return element.kind == ptx::Operand::Kind::Sink ? std::max(bits, 16u) : decoder.bits(element);
  };
  const uint32_t width = width_of(elements.front());
  list.insert(list.end(), {static_cast<uint32_t>(elements.size()), width == 64 ? 1u : 0u,
                           width == 16 ? 1u : 0u});
  for (const ptx::Operand& element : elements) {
    if (load && (width_of(element) < bits || width_of(element) != width)) {
      decoder.refuse("a register is narrower than what is loaded into it");
    }
    list.push_back(load ? decoder.row_out(element, carrier_of(width))
                        : decoder.row_in(element, type));
  }
  Instr instr{.exec = load ? load_of(bits / 8, is_signed(type)) : store_of(bits / 8)};
  instr.extra = decoder.list(list);
  return instr;
}

Instr decode_load(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  return decode_access(decoder, words, text, true);
}

Instr decode_store(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  return decode_access(decoder, words, text, false);
}

Outcome nothing(Warp&, const Instr&) { return Outcome::Next; }

Instr decode_prefetch(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 1, 2);
  decoder.address(text.operands[0]);
  return {.exec = nothing};
}

// createpolicy: a hint in a register, which nobody reads.
Outcome make_policy(Warp& warp, const Instr& i) {
  for_active(warp, [&](int lane) { store64<uint64_t>(&warp.rows[i.dst], lane, 0); });
  return Outcome::Next;
}

Instr decode_policy(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 1, 2);
  Instr instr{.exec = make_policy};
  instr.dst = decoder.row_out(text.operands[0], Type::B64);
  return instr;
}

}  // namespace

#define FA4_EMU_SCOPE "{.{cta,cluster,gpu,sys}}"
#define FA4_EMU_HINTS                                                                        \
  "{.{L1::evict_normal,L1::evict_unchanged,L1::evict_first,L1::evict_last,L1::no_allocate}}" \
  "{.{L2::evict_normal,L2::evict_first,L2::evict_last}}"                                     \
  "{.L2::cache_hint}{.{L2::64B,L2::128B,L2::256B}}"
#define FA4_EMU_TYPES "{.{v2,v4,v8}}.{b8,b16,b32,b64,b128,u8,u16,u32,u64,s8,s16,s32,s64,f32,f64}"

std::span<const Form> memory_forms() {
  static constexpr Form kForms[] = {
      {"ld{.{weak,volatile,relaxed,acquire}}" FA4_EMU_SCOPE
       "{.{const,global,local,param,param::entry,param::func,shared,shared::cta,shared::cluster}}{.{ca,cg,cs,lu,cv}}{.nc}" FA4_EMU_HINTS
           FA4_EMU_TYPES,
       Unit::Memory, Fidelity::Exact, decode_load, 0, "9.7.9.8"},
      {"ldu{.global}{.{v2,v4}}.{b8,b16,b32,b64,u8,u16,u32,u64,s8,s16,s32,s64,f32,f64}",
       Unit::Memory, Fidelity::Exact, decode_load, 0, "9.7.9.10"},
      {"st{.{weak,volatile,relaxed,release}}" FA4_EMU_SCOPE
       "{.{global,local,param,param::func,shared,shared::cta,shared::cluster}}{.{wb,cg,cs,wt}}" FA4_EMU_HINTS
           FA4_EMU_TYPES,
       Unit::Memory, Fidelity::Exact, decode_store, 0, "9.7.9.11"},
      {"prefetch{.{global,local}}.{L1,L2,L2::evict_last,L2::evict_normal}", Unit::Memory,
       Fidelity::Exact, decode_prefetch, 0, "9.7.9.16"},
      {"prefetchu.L1", Unit::Memory, Fidelity::Exact, decode_prefetch, 0, "9.7.9.16"},
      {"createpolicy.fractional.{L2::evict_last,L2::evict_normal,L2::evict_first,L2::evict_unchanged}"
       "{.L2::evict_unchanged}.b64",
       Unit::Memory, Fidelity::Exact, decode_policy, 80, "9.7.9.18"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
