// SPDX-License-Identifier: Apache-2.0
#include "emu/isa/tcgen05_gather.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace fa4::emu::isa {
namespace {

using Tcgen05Codes = std::array<uint32_t, 16>;  // of a unit of 16 bytes

template <class T>
void tcgen05_spread(const std::byte* unit, uint32_t sign, Tcgen05Codes& codes) {
  constexpr size_t kCount = 16 / sizeof(T);
  std::array<T, kCount> numbers;
  std::memcpy(numbers.data(), unit, 16);
  for (size_t i = 0; i < kCount; ++i) codes[i] = numbers[i] ^ sign;
}

// Sixteen elements of fewer bits, packed, behind which the unit has padding (9.7.16.10.4.4).
template <uint32_t kBits>
void tcgen05_unpack(const std::byte* unit, uint32_t sign, Tcgen05Codes& codes) {
  std::array<uint64_t, 2> words;
  std::memcpy(words.data(), unit, 16);
  for (uint32_t i = 0; i < 16; ++i) {
    const uint32_t at = i * kBits;
    uint64_t bits = words[at / 64] >> at % 64;
    if (at % 64 + kBits > 64) bits |= words[1] << (64 - at % 64);
    codes[i] = (static_cast<uint32_t>(bits) & ((1u << kBits) - 1)) ^ sign;
  }
}

uint32_t tcgen05_sign(TensorElement element) {
  switch (element) {
    case TensorElement::F16:
    case TensorElement::BF16:
      return 0x8000;
    case TensorElement::E4M3:
    case TensorElement::E5M2:
      return 0x80;
    case TensorElement::E2M3:
    case TensorElement::E3M2:
      return 0x20;
    case TensorElement::E2M1:
      return 8;
    case TensorElement::TF32:
      break;
  }
  return 0x80000000;
}

template <class T>
struct Tcgen05Whole {  // of elements that fill their places
  static constexpr uint32_t kInUnit = 16 / sizeof(T);
  static void read(const std::byte* unit, uint32_t sign, Tcgen05Codes& codes) {
    tcgen05_spread<T>(unit, sign, codes);
  }
};
template <uint32_t kBits>
struct Tcgen05Packed {
  static constexpr uint32_t kInUnit = 16;
  static void read(const std::byte* unit, uint32_t sign, Tcgen05Codes& codes) {
    tcgen05_unpack<kBits>(unit, sign, codes);
  }
};

template <class Unit, bool kMnMajor, class Put>
void tcgen05_for_units(const MatrixAtoms& atoms, uint32_t sign, const std::byte* shared, Put put) {
  std::array<std::byte, kTcgen05OperandBytes> taken;
  gather_units(atoms, shared, taken.data());
  const MatrixUnits units = atoms.units();
  const std::byte* unit = taken.data();
  Tcgen05Codes codes;
  for (uint32_t i = 0; i < units.outer; ++i) {
    for (uint32_t j = 0; j < units.inner; ++j, unit += MatrixLayout::kUnitBytes) {
      Unit::read(unit, sign, codes);
      const uint32_t first = j * Unit::kInUnit;
      for (uint32_t e = 0; e < Unit::kInUnit; ++e) {
        if constexpr (kMnMajor) {
          put(first + e, i, codes[e]);
        } else {
          put(i, first + e, codes[e]);
        }
      }
    }
  }
}

// Calls put(row, k, code) for each element.
template <class Put>
void tcgen05_for_elements(TensorElement element, bool negate, const MatrixAtoms& atoms,
                          const std::byte* shared, Put put) {
  const uint32_t sign = negate ? tcgen05_sign(element) : 0;
  const auto read = [&]<class Unit>(Unit) {
    if (atoms.layout().mn_major) {
      tcgen05_for_units<Unit, true>(atoms, sign, shared, put);
    } else {
      tcgen05_for_units<Unit, false>(atoms, sign, shared, put);
    }
  };
  switch (element) {
    case TensorElement::F16:
    case TensorElement::BF16:
      return read(Tcgen05Whole<uint16_t>{});
    case TensorElement::E4M3:
    case TensorElement::E5M2:
      return read(Tcgen05Whole<uint8_t>{});
    case TensorElement::E2M3:
    case TensorElement::E3M2:
      return read(Tcgen05Packed<6>{});
    case TensorElement::E2M1:
      return read(Tcgen05Packed<4>{});
    case TensorElement::TF32:
      break;
  }
  read(Tcgen05Whole<uint32_t>{});
}

void tcgen05_gather_a(const Tcgen05Shape& shape, const MatrixAtoms& atoms, uint32_t base,
                      const std::byte* shared, Tcgen05A* a) {
  const auto gather = [&](auto lane_of) {
    tcgen05_for_elements(
        shape.a, shape.negate_a, atoms, shared,
        [&](uint32_t row, uint32_t k, uint32_t code) { a->code[k][lane_of(row)] = code; });
  };
  if (shape.layout() == Tcgen05Layout::F) {
    return gather([base](uint32_t row) { return row / 16 * 32 + row % 16 + base; });
  }
  gather([](uint32_t row) { return row; });
  if (shape.layout() != Tcgen05Layout::B) return;
  for (uint32_t k = 0; k < shape.k(); ++k) {
    std::copy_n(a->code[k].begin(), 64, a->code[k].begin() + 64);
  }
}

void tcgen05_gather_tensor(const Tcgen05Shape& shape, bool shifted, const uint32_t* columns,
                           Tcgen05A* a) {
  const uint32_t bits = 8 * shape.element_bytes(), in_word = 32 / bits;
  const uint32_t sign = shape.negate_a ? tcgen05_sign(shape.a) : 0;
  const bool six = shape.a == TensorElement::E2M3 || shape.a == TensorElement::E3M2;
  // Where in its byte an element lies (9.7.16.10.4.3).
  const uint32_t first_bit = shape.a == TensorElement::E2M1 ? 2 : 0;
  const uint32_t mask = shape.a == TensorElement::E2M1 ? 0xf
                        : six                          ? 0x3f
                        : bits == 32                   ? 0xffffffff
                                                       : (1u << bits) - 1;
  for (uint32_t column = 0; column < kTcgen05ColumnsOfA; ++column) {
    for (uint32_t e = 0; e < in_word; ++e) {
      const uint32_t shift = e * bits + first_bit;
      uint32_t* const line = a->code[column * in_word + e].data();
      for (uint32_t lane = 0; lane < kTcgen05Lanes; ++lane) {
        const uint32_t from = shifted && lane + 1 < kTcgen05Lanes ? lane + 1 : lane;
        line[lane] = (columns[column * kTcgen05Lanes + from] >> shift & mask) ^ sign;
      }
    }
  }
}

// The fast form of numbers of 16 bits needs no codes.
bool tcgen05_is_direct(const Tcgen05Shape& shape, bool exact) {
  return !exact && shape.kind == Tcgen05Kind::F16;
}

// An operand in shared memory, to lines of k (of A), or of rows (of B).
void tcgen05_load_direct(TensorElement element, bool negate, const MatrixAtoms& atoms,
                         bool to_lines_of_k, bool apart, const std::byte* shared, float* to,
                         size_t pitch) {
  std::array<std::byte, kTcgen05OperandBytes + 16> taken;
  gather_units(atoms, shared, taken.data());
  const MatrixUnits units = atoms.units();
  Tcgen05Lines lines;
  lines.element = element;
  lines.negate = negate;
  lines.order =
      atoms.layout().mn_major == to_lines_of_k ? Tcgen05Order::Along : Tcgen05Order::Across;
  lines.apart = apart;
  lines.from = taken.data();
  lines.count = units.outer;
  lines.numbers = size_t{units.inner} * (MatrixLayout::kUnitBytes / 2);
  tcgen05_best().load(lines, to, pitch);
}

}  // namespace

MatrixUnits tcgen05_units(const Tcgen05Shape& shape, const MatrixLayout& layout, uint32_t rows) {
  if (!layout.mn_major) return {rows, 2};
  return {shape.k(), rows * shape.element_bytes() / MatrixLayout::kUnitBytes};
}

void tcgen05_take_a(const Tcgen05Shape& shape, const MatrixAtoms& atoms, uint32_t base,
                    uint32_t sixteens, bool exact, const std::byte* shared, Tcgen05A* a) {
  if (!tcgen05_is_direct(shape, exact)) {
    tcgen05_gather_a(shape, atoms, base, shared, a);
    return tcgen05_numbers_of_a(shape.a, shape.k(), sixteens, exact, a);
  }
  const bool apart = shape.layout() == Tcgen05Layout::F;
  tcgen05_load_direct(shape.a, shape.negate_a, atoms, true, apart, shared,
                      a->value[0].data() + (apart ? base : 0), kTcgen05Lanes);
  if (shape.layout() != Tcgen05Layout::B) return;
  for (uint32_t k = 0; k < shape.k(); ++k) {
    std::copy_n(a->value[k].begin(), 64, a->value[k].begin() + 64);
  }
}

void tcgen05_take_b(const Tcgen05Shape& shape, const MatrixAtoms& atoms, uint32_t first, bool exact,
                    const std::byte* shared, Tcgen05B* b) {
  if (tcgen05_is_direct(shape, exact)) {
    return tcgen05_load_direct(shape.b, shape.negate_b, atoms, false, false, shared,
                               b->value[first].data(), kTcgen05MostK);
  }
  tcgen05_for_elements(
      shape.b, shape.negate_b, atoms, shared,
      [&](uint32_t row, uint32_t k, uint32_t code) { b->code[first + row][k] = code; });
  tcgen05_numbers_of_b(shape.b, shape.k(), first, shape.columns(), exact, b);
}

void tcgen05_take_tensor(const Tcgen05Shape& shape, bool shifted, uint32_t sixteens, bool exact,
                         const uint32_t* columns, Tcgen05A* a) {
  if (!tcgen05_is_direct(shape, exact) || shifted) {
    tcgen05_gather_tensor(shape, shifted, columns, a);
    return tcgen05_numbers_of_a(shape.a, shape.k(), sixteens, exact, a);
  }
  Tcgen05Lines lines;
  lines.element = shape.a;
  lines.negate = shape.negate_a;
  lines.order = Tcgen05Order::Pairs;
  lines.from = reinterpret_cast<const std::byte*>(columns);
  lines.count = shape.k();
  lines.numbers = kTcgen05Lanes;
  tcgen05_best().load(lines, a->value[0].data(), kTcgen05Lanes);
}

}  // namespace fa4::emu::isa
