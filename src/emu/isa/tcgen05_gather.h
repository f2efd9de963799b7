// SPDX-License-Identifier: Apache-2.0
// Operands of tcgen05.mma as codes: from shared memory by a matrix descriptor, and A from tensor memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emu/isa/tcgen05_core.h"
#include "emu/isa/tcgen05_shape.h"
#include "emu/machine/matrix_units.h"

namespace fa4::emu::isa {

// How many units of 16 bytes a descriptor's operand of so many rows has: outer ones are rows, or k where it is MN-major.
MatrixUnits tcgen05_units(const Tcgen05Shape& shape, const MatrixLayout& layout, uint32_t rows);

// The operands of a product that is exact, or fast; codes and exponents are there where it is exact.

// Of a CTA's shared memory: its rows of A go to their lanes, its columns of B begin at `first`; those of a group are taken in
// their order. `sixteens`: as tcgen05_numbers_of_a has them.
void tcgen05_take_a(const Tcgen05Shape& shape, const MatrixAtoms& atoms, uint32_t base,
                    uint32_t sixteens, bool exact, const std::byte* shared, Tcgen05A* a);
void tcgen05_take_b(const Tcgen05Shape& shape, const MatrixAtoms& atoms, uint32_t first, bool exact,
                    const std::byte* shared, Tcgen05B* b);

// Of tensor memory, where elements of less than 8 bits lie in bytes of their own: A from its first column on. Shifted: each lane
// but the last takes the next one's row (.ashift).
void tcgen05_take_tensor(const Tcgen05Shape& shape, bool shifted, uint32_t sixteens, bool exact,
                         const uint32_t* columns, Tcgen05A* a);

}  // namespace fa4::emu::isa
