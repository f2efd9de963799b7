// SPDX-License-Identifier: Apache-2.0
// From a function of values to an execution function: exec_of<f>, where `R f(A, B)` is what one lane computes. The
// types say how the operands lie in rows: up to 32 bits in the low bits of one, 64 bits in two.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "emu/isa/cpu.h"
#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/numeric.h"

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {

// 64 bits as the two words that they lie in, for what needs no more than 32 at a time: the compiler's vectors then go along
// the rows.
struct WordPair {
  uint32_t low, high;
};

template <class T>
inline T read(const Warp& warp, uint16_t row, int lane) {
  if constexpr (std::is_same_v<T, WordPair>) {
    return {warp.rows[row].lane[lane], warp.rows[row + 1].lane[lane]};
  } else if constexpr (sizeof(T) == 8) {
    return load64<T>(warp, row, lane);
  } else if constexpr (sizeof(T) == 4) {
    return std::bit_cast<T>(warp.rows[row].lane[lane]);
  } else if constexpr (sizeof(T) == 2) {
    return std::bit_cast<T>(static_cast<uint16_t>(warp.rows[row].lane[lane]));
  } else {
    return std::bit_cast<T>(static_cast<uint8_t>(warp.rows[row].lane[lane]));
  }
}

// A lane's value into the row or rows from `to` on.
template <class T>
inline void put(Row* to, int lane, T value) {
  if constexpr (std::is_same_v<T, WordPair>) {
    to[0].lane[lane] = value.low;
    to[1].lane[lane] = value.high;
  } else if constexpr (sizeof(T) == 8) {
    store64(to, lane, value);
  } else if constexpr (sizeof(T) == 4) {
    to->lane[lane] = std::bit_cast<uint32_t>(value);
  } else if constexpr (sizeof(T) == 2) {
    to->lane[lane] = std::bit_cast<uint16_t>(value);
  } else {
    to->lane[lane] = std::bit_cast<uint8_t>(value);
  }
}
template <class T>
inline void write(Warp& warp, uint16_t row, int lane, T value) {
  put(&warp.rows[row], lane, value);
}

template <auto F>
struct Apply;

template <class R, class A, R (*F)(A)>
struct Apply<F> {
  static Outcome exec(Warp& warp, const Instr& i) {
    const uint16_t d = i.dst, a = i.a;
    for_active_values<(sizeof(R) + 3) / 4>(
        warp, d, [&](Row* to, int lane) { put<R>(to, lane, F(read<A>(warp, a, lane))); });
    return Outcome::Next;
  }
};

template <class R, class A, class B, R (*F)(A, B)>
struct Apply<F> {
  static Outcome exec(Warp& warp, const Instr& i) {
    const uint16_t d = i.dst, a = i.a, b = i.b;
    for_active_values<(sizeof(R) + 3) / 4>(warp, d, [&](Row* to, int lane) {
      put<R>(to, lane, F(read<A>(warp, a, lane), read<B>(warp, b, lane)));
    });
    return Outcome::Next;
  }
};

template <class R, class A, class B, class C, R (*F)(A, B, C)>
struct Apply<F> {
  static Outcome exec(Warp& warp, const Instr& i) {
    const uint16_t d = i.dst, a = i.a, b = i.b, c = i.c;
    for_active_values<(sizeof(R) + 3) / 4>(warp, d, [&](Row* to, int lane) {
      put<R>(to, lane, F(read<A>(warp, a, lane), read<B>(warp, b, lane), read<C>(warp, c, lane)));
    });
    return Outcome::Next;
  }
};

// The fourth operand is a row too: Instr::extra.
template <class R, class A, class B, class C, class E, R (*F)(A, B, C, E)>
struct Apply<F> {
  static Outcome exec(Warp& warp, const Instr& i) {
    const uint16_t d = i.dst, a = i.a, b = i.b, c = i.c, e = static_cast<uint16_t>(i.extra);
    for_active_values<(sizeof(R) + 3) / 4>(warp, d, [&](Row* to, int lane) {
      put<R>(to, lane,
             F(read<A>(warp, a, lane), read<B>(warp, b, lane), read<C>(warp, c, lane),
               read<E>(warp, e, lane)));
    });
    return Outcome::Next;
  }
};

template <auto F>
inline constexpr ExecFn exec_of = &Apply<F>::exec;

// Calls f with a value of the C++ type of an integer type; bits count as unsigned.
template <class F>
ExecFn with_integer(Type type, F f) {
  switch (type) {
    case Type::S16:
      return f(int16_t{});
    case Type::S32:
      return f(int32_t{});
    case Type::S64:
      return f(int64_t{});
    case Type::U16:
    case Type::B16:
      return f(uint16_t{});
    case Type::U64:
    case Type::B64:
      return f(uint64_t{});
    default:
      return f(uint32_t{});
  }
}

// Calls f with the rounding as a constant; none said: to the nearest even.
template <Rounding R>
struct RoundingConstant {
  static constexpr Rounding value = R;
};
template <class F>
ExecFn with_rounding(const Words& words, F f) {
  switch (words.rounding().value_or(Rounding::NearestEven)) {
    case Rounding::Zero:
      return f(RoundingConstant<Rounding::Zero>{});
    case Rounding::Down:
      return f(RoundingConstant<Rounding::Down>{});
    case Rounding::Up:
      return f(RoundingConstant<Rounding::Up>{});
    case Rounding::NearestAway:
      return f(RoundingConstant<Rounding::NearestAway>{});
    case Rounding::NearestEven:
      break;
  }
  return f(RoundingConstant<Rounding::NearestEven>{});
}

template <class F>
ExecFn with_flag(bool flag, F f) {
  return flag ? f(std::true_type{}) : f(std::false_type{});
}

// ---- predicates -----------------------------------------------------------------------------------------

// A predicate operand in 16 bits: its index, kGuardNegated if negated. kNever: false in all lanes, or true if
// negated.
inline constexpr uint16_t kNever = 0x7fff;

inline uint16_t encode(Predicate predicate) {
  return predicate.negated ? predicate.index | kGuardNegated : predicate.index;
}

inline LaneMask read_predicate(const Warp& warp, uint16_t code) {
  const uint16_t index = code & ~kGuardNegated;
  const LaneMask mask = index == kNever ? 0 : warp.predicates[index];
  return (code & kGuardNegated) != 0 ? ~mask : mask;
}

// The lanes where test(lane) holds, active or not.
template <class Test>
inline LaneMask lanes_where(Test test) {
#if defined(__AVX2__)
  alignas(32) int32_t holds[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) holds[lane] = test(lane) ? -1 : 0;
  LaneMask mask = 0;
  for (int eight = 0; eight < kLanes / 8; ++eight) {
    const __m256 signs = _mm256_load_ps(reinterpret_cast<const float*>(holds + 8 * eight));
    mask |= static_cast<LaneMask>(_mm256_movemask_ps(signs)) << (8 * eight);
  }
  return mask;
#else
  uint8_t holds[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) holds[lane] = test(lane) ? 1 : 0;
  LaneMask mask = 0;
  for (int byte = 0; byte < 4; ++byte) {
    uint64_t eight = 0;
    for (int k = 0; k < 8; ++k) eight |= static_cast<uint64_t>(holds[8 * byte + k]) << (8 * k);
    // Gathers the low bits of eight bytes, that of the lowest byte first.
    mask |= static_cast<LaneMask>((eight * 0x0102040810204080) >> 56) << (8 * byte);
  }
  return mask;
#endif
}

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa
