// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.9.25.5.2: the operations of bulk reductions, as an H200 makes them (tests/emu/golden/tma.json): sums flush
// subnormals only where a tensor map's type says so, not wherever they are of f32, as the manual has it.
#include "emu/isa/bulk_reduce.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "emu/isa/formats.h"
#include "emu/isa/numeric.h"

namespace fa4::emu::isa {
namespace {

template <class T>
inline constexpr bool kIsNarrow = std::is_same_v<T, Half> || std::is_same_v<T, Brain>;

struct BulkAdd {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (kIsNarrow<T>) {
      return narrow_add(a, b);
    } else if constexpr (std::is_same_v<T, float>) {
      return canonical(a + b);
    } else if constexpr (std::is_same_v<T, double>) {
      return a != a ? a : b != b ? b : with_nan(a + b, a, b);  // a NaN stays as it is
    } else {
      using U = std::make_unsigned_t<T>;
      return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
    }
  }
};

struct BulkAddFlushed {
  static float apply(float a, float b) { return canonical(flush(flush(a) + flush(b))); }
};

template <bool kGreater>
struct BulkExtreme {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (kIsNarrow<T>) {
      return narrow<T>(kGreater ? maximum<float, false>(widen(a), widen(b))
                                : minimum<float, false>(widen(a), widen(b)));
    } else {
      return kGreater ? std::max(a, b) : std::min(a, b);
    }
  }
};

struct BulkInc {
  static uint32_t apply(uint32_t a, uint32_t b) { return a >= b ? 0 : a + 1; }
};
struct BulkDec {
  static uint32_t apply(uint32_t a, uint32_t b) { return a == 0 || a > b ? b : a - 1; }
};
struct BulkAnd {
  template <class T>
  static T apply(T a, T b) {
    return a & b;
  }
};
struct BulkOr {
  template <class T>
  static T apply(T a, T b) {
    return a | b;
  }
};
struct BulkXor {
  template <class T>
  static T apply(T a, T b) {
    return a ^ b;
  }
};

template <class T, class Op>
void reduce_elements(std::byte* to, const std::byte* from, uint32_t elements) {
  for (uint32_t i = 0; i < elements; ++i, to += sizeof(T), from += sizeof(T)) {
    T a, b;
    std::memcpy(&a, to, sizeof(T));
    std::memcpy(&b, from, sizeof(T));
    const T result = Op::apply(a, b);
    std::memcpy(to, &result, sizeof(T));
  }
}

// What an H200 takes; the others are illegal instructions there.
template <class T>
BulkReduce reduce_with(std::string_view op) {
  if constexpr (!std::is_same_v<T, int64_t>) {
    if (op == "add") return reduce_elements<T, BulkAdd>;
  }
  if constexpr (!std::is_same_v<T, float> && !std::is_same_v<T, double>) {
    if (op == "min") return reduce_elements<T, BulkExtreme<false>>;
    if (op == "max") return reduce_elements<T, BulkExtreme<true>>;
  }
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, int64_t>) {
    if (op == "and") return reduce_elements<T, BulkAnd>;
    if (op == "or") return reduce_elements<T, BulkOr>;
    if (op == "xor") return reduce_elements<T, BulkXor>;
  }
  if constexpr (std::is_same_v<T, uint32_t>) {
    if (op == "inc") return reduce_elements<T, BulkInc>;
    if (op == "dec") return reduce_elements<T, BulkDec>;
  }
  return nullptr;
}

}  // namespace

BulkReduce bulk_reduce_of(std::string_view op, MapType type) {
  switch (type) {
    case MapType::U32:
      return reduce_with<uint32_t>(op);
    case MapType::S32:
      return reduce_with<int32_t>(op);
    case MapType::U64:
      return reduce_with<uint64_t>(op);
    case MapType::S64:
      return reduce_with<int64_t>(op);
    case MapType::F16:
      return reduce_with<Half>(op);
    case MapType::BF16:
      return reduce_with<Brain>(op);
    case MapType::F32:
    case MapType::TF32:
      return reduce_with<float>(op);
    case MapType::F32Ftz:
    case MapType::TF32Ftz:
      return op == "add" ? reduce_elements<float, BulkAddFlushed> : nullptr;
    case MapType::F64:
      return reduce_with<double>(op);
    case MapType::U8:
    case MapType::U16:
      break;
  }
  return nullptr;
}

}  // namespace fa4::emu::isa
