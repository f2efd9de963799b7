// SPDX-License-Identifier: Apache-2.0
// Which cells of tensor memory hold what came of a race (operand_race.h), by 16 lanes of a column.
#pragma once

#include <cstdint>
#include <vector>

namespace fa4::emu {

struct TmemRange;

class TmemTaint {
 public:
  void reset() { cells_.clear(); }

  // What operations do with cells, when they are issued; their ids ascend.
  void write(uint32_t id, const TmemRange& range);  // what was there is gone
  void read(uint32_t id, const TmemRange& range);

  // `race`: a number of OperandRaces, not 0.
  void taint(const TmemRange& range, uint32_t race);
  // What an operation has written has come of a race, as is known now. False: it has been read since, or may have.
  bool taint_behind(uint32_t id, const TmemRange& range, uint32_t race);
  // 0: no cell of the range has come of one.
  uint32_t race_in(const TmemRange& range) const;

 private:
  struct Cell {
    uint32_t read = 0, written = 0;  // by which operation last
    uint32_t race = 0;
  };
  template <class Body>
  void for_cells(const TmemRange& range, Body body);

  std::vector<Cell> cells_;  // none until an operation comes
};

}  // namespace fa4::emu
