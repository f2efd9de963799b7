// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/tmem_taint.h"

#include "emu/machine/tmem.h"

namespace fa4::emu {

// Calls body(cell, whether the range has all of its lanes).
template <class Body>
void TmemTaint::for_cells(const TmemRange& range, Body body) {
  if (cells_.empty()) cells_.resize(size_t{kTmemGroups} * kTmemColumns);
  for (uint32_t group = 0; group < kTmemGroups; ++group) {
    if (range.lanes[group] == 0) continue;
    Cell* const cells = cells_.data() + size_t{group} * kTmemColumns + range.column;
    const bool whole = range.lanes[group] == 0xffff;
    for (uint32_t column = 0; column < range.num_columns; ++column) body(cells[column], whole);
  }
}

void TmemTaint::write(uint32_t id, const TmemRange& range) {
  for_cells(range, [id](Cell& cell, bool whole) {
    if (!whole) return;
    cell.written = id;
    cell.race = 0;
  });
}

void TmemTaint::read(uint32_t id, const TmemRange& range) {
  for_cells(range, [id](Cell& cell, bool) { cell.read = id; });
}

void TmemTaint::taint(const TmemRange& range, uint32_t race) {
  for_cells(range, [race](Cell& cell, bool) { cell.race = race; });
}

bool TmemTaint::taint_behind(uint32_t id, const TmemRange& range, uint32_t race) {
  bool unread = true;
  for_cells(range, [&](Cell& cell, bool) {
    if (cell.read > id) unread = false;
    if (cell.read <= id && cell.written <= id) cell.race = race;
  });
  return unread;
}

uint32_t TmemTaint::race_in(const TmemRange& range) const {
  if (cells_.empty()) return 0;
  for (uint32_t group = 0; group < kTmemGroups; ++group) {
    if (range.lanes[group] == 0) continue;
    const Cell* const cells = cells_.data() + size_t{group} * kTmemColumns + range.column;
    for (uint32_t column = 0; column < range.num_columns; ++column) {
      if (cells[column].race != 0) return cells[column].race;
    }
  }
  return 0;
}

}  // namespace fa4::emu
