// SPDX-License-Identifier: Apache-2.0
// Which cells of D come of which bytes of A and B in shared memory.
#pragma once

#include <array>

#include "emu/isa/tcgen05_shape.h"
#include "emu/machine/operand_race.h"

namespace fa4::emu::isa {

struct Tcgen05Operands {
  Tcgen05Shape shape;
  std::array<Cta*, 2> ctas{};
  bool a_in_tensor_memory = false;
  MatrixLayout a, b;
  uint32_t d = 0;                      // address
  std::array<TmemLanes, 2> d_lanes{};  // of each CTA, those that are written
};

class Tcgen05Reach final : public OperandReach {
 public:
  Tcgen05Reach(uint32_t of_id, const Instr* of_site, const Tcgen05Operands& operands)
      : OperandReach(of_id, of_site), of_(operands) {}
  std::vector<Cells> cells_of(std::span<const uint32_t> units) const override;

 private:
  void add_rows(uint32_t group, std::span<const uint32_t> units, std::vector<Cells>* cells) const;
  void add_columns(uint32_t group, std::span<const uint32_t> units,
                   std::vector<Cells>* cells) const;

  const Tcgen05Operands of_;
};

}  // namespace fa4::emu::isa
