// SPDX-License-Identifier: Apache-2.0
#include "emu/isa/tcgen05_reach.h"

#include <algorithm>
#include <bitset>

#include "emu/isa/tcgen05_gather.h"
#include "emu/machine/cta.h"

namespace fa4::emu::isa {
namespace {

using Tcgen05Rows = std::bitset<256>;  // of A, or columns of B

// Those rows of an operand of which a unit is one of these.
Tcgen05Rows tcgen05_rows_of(const Tcgen05Shape& shape, const MatrixLayout& layout, uint32_t rows,
                            uint32_t in_shadow, std::span<const uint32_t> places) {
  const MatrixUnits units = tcgen05_units(shape, layout, rows);
  const uint32_t in_unit = MatrixLayout::kUnitBytes / shape.element_bytes();
  Tcgen05Rows found;
  for (uint32_t i = 0; i < units.outer; ++i) {
    for (uint32_t j = 0; j < units.inner; ++j) {
      if (!std::binary_search(places.begin(), places.end(), in_shadow + layout.unit_at(i, j))) {
        continue;
      }
      if (!layout.mn_major) {
        found.set(i);
      } else {
        for (uint32_t e = 0; e < in_unit; ++e) found.set(j * in_unit + e);
      }
    }
  }
  return found;
}

}  // namespace

void Tcgen05Reach::add_rows(uint32_t group, std::span<const uint32_t> units,
                            std::vector<Cells>* cells) const {
  Cta& cta = *of_.ctas[group];
  const Tcgen05Rows rows = tcgen05_rows_of(of_.shape, of_.a, of_.shape.rows(),
                                           cta.shadow_offset(cta.shared.data()), units);
  if (rows.none()) return;
  TmemRange range = {of_.d & 0xffff, of_.shape.d_columns(), {}};
  for (uint32_t lane = 0; lane < kTmemLanes; ++lane) {
    const int row = tcgen05_row_of_lane(of_.shape.layout(), lane, of_.d >> 16);
    if (row == kTcgen05NoRow || !rows.test(static_cast<size_t>(row))) continue;
    range.lanes[lane / 16] = static_cast<uint16_t>(range.lanes[lane / 16] | 1u << lane % 16);
  }
  for (uint32_t at = 0; at < kTmemGroups; ++at) range.lanes[at] &= of_.d_lanes[group][at];
  cells->push_back({&cta, range});
}

void Tcgen05Reach::add_columns(uint32_t group, std::span<const uint32_t> units,
                               std::vector<Cells>* cells) const {
  const Cta& cta = *of_.ctas[group];
  const Tcgen05Rows columns = tcgen05_rows_of(of_.shape, of_.b, of_.shape.columns(),
                                              cta.shadow_offset(cta.shared.data()), units);
  const bool halves = of_.shape.layout() == Tcgen05Layout::B;
  for (uint32_t at = 0; at < of_.shape.columns(); ++at) {
    if (!columns.test(at)) continue;
    const uint32_t column = group * of_.shape.columns() + at;
    for (uint32_t to = 0; to < of_.shape.group; ++to) {
      TmemRange range = {(of_.d & 0xffff) + column % of_.shape.d_columns(), 1, of_.d_lanes[to]};
      const uint32_t other = column < of_.shape.d_columns() ? kTmemGroups / 2 : 0;
      for (uint32_t lanes = 0; halves && lanes < kTmemGroups / 2; ++lanes) {
        range.lanes[other + lanes] = 0;
      }
      cells->push_back({of_.ctas[to], range});
    }
  }
}

std::vector<OperandReach::Cells> Tcgen05Reach::cells_of(std::span<const uint32_t> units) const {
  std::vector<Cells> cells;
  for (uint32_t group = 0; group < of_.shape.group; ++group) {
    if (!of_.a_in_tensor_memory) add_rows(group, units, &cells);
    add_columns(group, units, &cells);
  }
  return cells;
}

}  // namespace fa4::emu::isa
