// SPDX-License-Identifier: Apache-2.0
// What the tensor cores of a CTA compute for tcgen05.mma: D = A B + C, where D and C are columns of 128 lanes of tensor
// memory and a lane multiplies its own row of A. It rounds as tensor_core.h says of Hopper, F = 25 for all types, all of k being
// one step (by literature: MMA-Sim, 2025); the fast form adds in f32, k after k.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "emu/isa/tensor_core.h"

namespace fa4::emu::isa {

inline constexpr uint32_t kTcgen05Lanes = 128;
inline constexpr uint32_t kTcgen05MostColumns = 256;
inline constexpr uint32_t kTcgen05MostK = 32;
// Of shared memory, that an operand may take: 32 of each row or column, whatever its elements are.
inline constexpr uint32_t kTcgen05OperandBytes = 32 * kTcgen05MostColumns;

// Lines of numbers: of A a line is a k and holds its lanes, of B a line is a column and holds its k. Codes are the bits of
// elements (TensorElement), with the sign that negation gave them; values and exponents are what the product works with,
// exponents only where it is exact.
template <uint32_t kLines, uint32_t kNumbers>
struct Tcgen05Operand {
  std::array<std::array<uint32_t, kNumbers>, kLines> code;
  alignas(64) std::array<std::array<float, kNumbers>, kLines> value;
  alignas(32) std::array<std::array<int32_t, kNumbers>, kLines> exponent;
};
struct Tcgen05A : Tcgen05Operand<kTcgen05MostK, kTcgen05Lanes> {
  std::array<int32_t, kTcgen05Lanes / 16> most;  // the largest exponents of sixteen lanes
};
struct Tcgen05B : Tcgen05Operand<kTcgen05MostColumns, kTcgen05MostK> {
  std::array<int32_t, kTcgen05MostColumns> most;  // of a column
};
// Infinities and NaN among them.
inline constexpr int32_t kTcgen05Special = 1000;

// The numbers of codes. `sixteens`: a bit for each sixteen lanes of A that are there.
void tcgen05_numbers_of_a(TensorElement element, uint32_t k, uint32_t sixteens, bool exact,
                          Tcgen05A* a);
void tcgen05_numbers_of_b(TensorElement element, uint32_t k, uint32_t first, uint32_t columns,
                          bool exact, Tcgen05B* b);

struct Tcgen05Product {
  TensorElement element_a = TensorElement::BF16, element_b = TensorElement::BF16;
  uint32_t k = 16;
  bool half = false;  // C and D are f16, in the low halves; the high ones become ones
  bool exact = true;
  bool accumulate = false;  // else C is 0
  int c_shift = 0;          // C * 2^-c_shift
  const Tcgen05A* a = nullptr;
  const Tcgen05B* b = nullptr;
  uint32_t first_column = 0, columns = 0;  // of B, a multiple of four
  uint32_t sixteens = 0xff;            // of lanes, a bit for each: all, a half, or every second one
  std::array<uint32_t, 4> disabled{};  // lanes whose D stays, 32 a word
  uint32_t* d = nullptr;               // of the first column: column after column of 128 lanes
};

// Numbers of 16 bits, line after line, and how they become lines of f32.
enum class Tcgen05Order : uint8_t {
  Along,   // a line is a line
  Across,  // the first numbers of all lines are a line. Eights of lines, sixteens of numbers, of which the last may be half there:
           // behind the numbers 16 bytes can be read, and behind the last line eight more written
  Pairs,   // two lines, number by number in words: the first has the low halves
};
struct Tcgen05Lines {
  TensorElement element = TensorElement::BF16;
  bool negate = false;
  Tcgen05Order order = Tcgen05Order::Along;
  bool apart = false;  // behind each sixteen f32 sixteen are left out
  const std::byte* from = nullptr;
  size_t count = 0, numbers = 0;  // lines, numbers of a line
};

// Functions for a processor: the product, and what writes the values of an operand, whose lines are `pitch` numbers apart, for the
// fast form. The fastest for this one; and all that it can run, which agree (the fast form: unless a product leaves the
// range of f32).
struct Tcgen05Functions {
  void (*product)(const Tcgen05Product&);
  void (*load)(const Tcgen05Lines&, float* to, size_t pitch);
};
const Tcgen05Functions& tcgen05_best();
std::vector<Tcgen05Functions> tcgen05_functions();

// One lane of one column of the exact product, plainly.
uint32_t tcgen05_plain(const Tcgen05Product& product, uint32_t lane, uint32_t column, uint32_t c);

}  // namespace fa4::emu::isa
