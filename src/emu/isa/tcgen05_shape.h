// SPDX-License-Identifier: Apache-2.0
// What a tcgen05.mma multiplies: the instruction descriptor (PTX ISA 9.0, 9.7.16.4.2) with the shapes and types of a kind
// (9.7.16.2.1), and where rows of A and D lie in tensor memory (9.7.16.10.5).
#pragma once

#include <cstdint>
#include <string>

#include "emu/isa/tensor_core.h"
#include "emu/machine/matrix_descriptor.h"

namespace fa4::emu::isa {

enum class Tcgen05Kind : uint8_t { F16, Tf32, F8f6f4 };
const char* name_of(Tcgen05Kind kind);  // "f16"

// How M rows lie in the lanes of tensor memory, by the manual's letters.
enum class Tcgen05Layout : uint8_t {
  A,  // M = 256 by two CTAs: row m is lane m % 128 of CTA m / 128
  B,  // M = 128 by two: rows 0 to 63 in each; lanes from 64 on have the second half of the columns
  D,  // M = 128 by one: lane m
  F,  // M = 64 by one: of each 32 lanes 16, the first or the last
};

struct Tcgen05Shape {
  Tcgen05Kind kind = Tcgen05Kind::F16;
  uint32_t group = 1;  // CTAs
  TensorElement a = TensorElement::F16, b = TensorElement::F16;
  bool half = false;  // D is f16
  bool negate_a = false, negate_b = false;
  bool transposed_a = false, transposed_b = false;  // MN-major
  uint32_t m = 0, n = 0;

  constexpr uint32_t k() const { return 32 / element_bytes(); }
  // In shared memory those of a place; smaller elements are packed in places of one byte.
  constexpr uint32_t element_bytes() const {
    return kind == Tcgen05Kind::F16 ? 2 : kind == Tcgen05Kind::Tf32 ? 4 : 1;
  }
  constexpr Tcgen05Layout layout() const {
    if (group == 2) return m == 256 ? Tcgen05Layout::A : Tcgen05Layout::B;
    return m == 128 ? Tcgen05Layout::D : Tcgen05Layout::F;
  }
  constexpr uint32_t rows() const { return m / group; }     // of A, in each CTA
  constexpr uint32_t columns() const { return n / group; }  // of B, in each CTA
  // Columns of tensor memory that D takes.
  constexpr uint32_t d_columns() const { return layout() == Tcgen05Layout::B ? n / 2 : n; }
};

// Columns of tensor memory that A takes.
inline constexpr uint32_t kTcgen05ColumnsOfA = 8;

inline constexpr int kTcgen05NoRow = -1;
// The row of its CTA's A that a lane multiplies, and whose D it holds; kTcgen05NoRow: it is idle. `base`: the lane of D's
// address, 16 in layout F for the upper halves, else 0.
constexpr int tcgen05_row_of_lane(Tcgen05Layout layout, uint32_t lane, uint32_t base) {
  if (layout == Tcgen05Layout::B) return static_cast<int>(lane % 64);
  if (layout != Tcgen05Layout::F) return static_cast<int>(lane);
  if (lane % 32 / 16 != base / 16) return kTcgen05NoRow;
  return static_cast<int>(lane / 32 * 16 + lane % 16);
}
// The first of the columns of B that a lane multiplies.
constexpr uint32_t tcgen05_first_column(const Tcgen05Shape& shape, uint32_t lane) {
  return shape.layout() == Tcgen05Layout::B && lane >= 64 ? shape.n / 2 : 0;
}

// Reads an instruction descriptor of a dense product. A fault has a code "idesc.…", and the shape is then not to be used.
DescriptorFault decode_tcgen05_instruction(uint32_t bits, Tcgen05Kind kind, uint32_t group,
                                           bool a_in_tensor_memory, Tcgen05Shape* shape);

// What a kind cannot do with an operand in shared memory: 9.7.16.10.1, 9.7.16.10.3.
DescriptorFault check_tcgen05_operand(const Tcgen05Shape& shape, const MatrixLayout& layout);

}  // namespace fa4::emu::isa
