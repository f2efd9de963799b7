// SPDX-License-Identifier: Apache-2.0
// Loops over the lanes of a warp, from which the execution functions are made. With all lanes active the loop is
// plain, so that the compiler vectorises it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "emu/isa/cpu.h"
#include "emu/isa/instr.h"
#include "emu/machine/row.h"
#include "emu/machine/warp.h"

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {

// For each active lane, or all 32 in a plain loop.
template <class Body>
inline void for_active(const Warp& warp, Body body) {
  if (warp.active == kAllLanes) {
    for (int lane = 0; lane < kLanes; ++lane) body(lane);
    return;
  }
  for_each_lane(warp.active, body);
}

// The lanes of a mask take what all have been given.
inline void put_lanes(LaneMask mask, Row* to, const Row& values) {
  for (int lane = 0; lane < kLanes; ++lane) {
    const uint32_t takes = 0 - (mask >> lane & 1);
    to->lane[lane] = (to->lane[lane] & ~takes) | (values.lane[lane] & takes);
  }
}

// So do the active lanes of a register.
inline void put_active(const Warp& warp, Row* to, const Row& values) {
  if (warp.active == kAllLanes) {
    *to = values;
  } else {
    put_lanes(warp.active, to, values);
  }
}

// As for_active, for body(to, lane), which gives nothing but the lane's value in the rows `to`, and may do so for any
// lane: all lanes in a plain loop, unless few are active; in other rows than those from `dst` on, if not all are.
template <size_t kRows, class Body>
inline void for_active_values(Warp& warp, uint16_t dst, Body body) {
  constexpr int kFew = 4;
  Row* const d = &warp.rows[dst];
  const LaneMask active = warp.active;
  if (active != kAllLanes && std::popcount(active) <= kFew) {
    for_each_lane(active, [&](int lane) { body(d, lane); });
    return;
  }
  Row values[kRows];
  Row* const to = active == kAllLanes ? d : values;
  for (int lane = 0; lane < kLanes; ++lane) body(to, lane);
  if (active == kAllLanes) return;
  for (size_t row = 0; row < kRows; ++row) put_lanes(active, &d[row], values[row]);
}

// d = op(a), d = op(a, b), d = op(a, b, c) on 32-bit rows. T and R are 32-bit types: uint32_t, int32_t, float.
template <class R, class T, class Op>
inline void map1(Warp& warp, const Instr& i, Op op) {
  const Row& a = warp.rows[i.a];
  Row& d = warp.rows[i.dst];
  for_active(warp, [&](int lane) {
    d.lane[lane] = std::bit_cast<uint32_t>(static_cast<R>(op(std::bit_cast<T>(a.lane[lane]))));
  });
}

template <class R, class T, class Op>
inline void map2(Warp& warp, const Instr& i, Op op) {
  const Row& a = warp.rows[i.a];
  const Row& b = warp.rows[i.b];
  Row& d = warp.rows[i.dst];
  for_active(warp, [&](int lane) {
    d.lane[lane] = std::bit_cast<uint32_t>(
        static_cast<R>(op(std::bit_cast<T>(a.lane[lane]), std::bit_cast<T>(b.lane[lane]))));
  });
}

template <class R, class T, class Op>
inline void map3(Warp& warp, const Instr& i, Op op) {
  const Row& a = warp.rows[i.a];
  const Row& b = warp.rows[i.b];
  const Row& c = warp.rows[i.c];
  Row& d = warp.rows[i.dst];
  for_active(warp, [&](int lane) {
    d.lane[lane] = std::bit_cast<uint32_t>(
        static_cast<R>(op(std::bit_cast<T>(a.lane[lane]), std::bit_cast<T>(b.lane[lane]),
                          std::bit_cast<T>(c.lane[lane]))));
  });
}

// 64-bit values are two rows.
template <class T>
inline T load64(const Warp& warp, uint16_t row, int lane) {
  return std::bit_cast<T>(static_cast<uint64_t>(warp.rows[row + 1].lane[lane]) << 32 |
                          warp.rows[row].lane[lane]);
}

template <class T>
inline void store64(Row* rows, int lane, T value) {
  const auto bits = std::bit_cast<uint64_t>(value);
  rows[0].lane[lane] = static_cast<uint32_t>(bits);
  rows[1].lane[lane] = static_cast<uint32_t>(bits >> 32);
}

// The lanes of a mask take the bits of `value`; the others keep theirs.
inline void set_predicate(Warp& warp, uint16_t index, LaneMask value) {
  warp.predicates[index] = (warp.predicates[index] & ~warp.active) | (value & warp.active);
}

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa
