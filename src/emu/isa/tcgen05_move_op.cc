// SPDX-License-Identifier: Apache-2.0
#include "emu/isa/tcgen05_move_op.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "emu/isa/numeric.h"
#include "emu/machine/cluster.h"

namespace fa4::emu::isa {

uint32_t TmemReduction::first(uint32_t a) const { return absolute ? a & 0x7fffffff : a; }

uint32_t TmemReduction::operator()(uint32_t a, uint32_t b) const {
  switch (type) {
    case Type::U32:
      return greatest ? std::max(a, b) : std::min(a, b);
    case Type::S32: {
      const auto x = static_cast<int32_t>(a), y = static_cast<int32_t>(b);
      return static_cast<uint32_t>(greatest ? std::max(x, y) : std::min(x, y));
    }
    default:
      break;
  }
  const auto x = std::bit_cast<float>(first(a)), y = std::bit_cast<float>(first(b));
  const float chosen = greatest ? (nan ? maximum<float, true>(x, y) : maximum<float, false>(x, y))
                                : (nan ? minimum<float, true>(x, y) : minimum<float, false>(x, y));
  return std::bit_cast<uint32_t>(chosen);
}

// fragment: shape | halves << 8 | count << 16, split; reduction: type | greatest << 8 | absolute << 9 | nan << 10; rows.
TmemMove::TmemMove(const uint32_t* list)
    : fragment{static_cast<FragmentShape>(list[0] & 0xff), list[0] >> 16, (list[0] & 0x100) != 0,
               list[1]},
      reduction{static_cast<TmemReduction::Type>(list[2] & 0xff), (list[2] & 0x100) != 0,
                (list[2] & 0x200) != 0, (list[2] & 0x400) != 0},
      rows(list + kNumNumbers, list[3]) {}

void TmemMove::append(const Fragment& fragment, const TmemReduction& reduction, uint32_t num_rows,
                      std::vector<uint32_t>* list) {
  list->push_back(static_cast<uint32_t>(fragment.shape) | (fragment.halves ? 0x100u : 0) |
                  fragment.count << 16);
  list->push_back(fragment.split);
  list->push_back(static_cast<uint32_t>(reduction.type) | (reduction.greatest ? 0x100u : 0) |
                  (reduction.absolute ? 0x200u : 0) | (reduction.nan ? 0x400u : 0));
  list->push_back(num_rows);
}

std::array<TmemRange, 2> ranges_of(const Fragment& fragment, uint32_t lane, uint32_t column) {
  const TmemLanes lanes = tmem_lanes(lane, fragment.num_lanes());
  std::array<TmemRange, 2> ranges = {TmemRange{column, fragment.num_columns(), lanes}, TmemRange{}};
  if (fragment.is_split()) {
    ranges[1] = {column + fragment.split, fragment.num_columns(), lanes};
  }
  return ranges;
}

TmemMoveOp::TmemMoveOp(Warp& issuer, AsyncGroup kind, const TmemMove& move, uint32_t lane,
                       uint32_t column)
    : AsyncOp(issuer, kind), move_(move), lane_(lane), column_(column) {}

TmemLoadOp::TmemLoadOp(Warp& issuer, const TmemMove& move, uint32_t lane, uint32_t column)
    : TmemMoveOp(issuer, AsyncGroup::TensorLoad, move, lane, column) {
  for (const TmemRange& range : ranges_of(move.fragment, lane, column)) {
    bad_ = !note_tmem_load(*this, *issuer.cta, range) || bad_;
  }
  number_ = issuer.tensor_loads.add(id, this, move.rows,
                                    static_cast<uint32_t>(issuer.row_storage.size()));
}

void TmemLoadOp::step(size_t index) {
  const Fragment& fragment = move_.fragment;
  for_registers(index, [&](uint32_t i) {
    uint32_t* const to = warp->rows[move_.rows[i]].lane;
    if (bad_) {
      std::memset(to, 0xff, sizeof(Row));
    } else if (fragment.shape == FragmentShape::L32x32b && !fragment.halves) {
      std::memcpy(to, cells(i), sizeof(Row));
    } else {
      for (uint32_t t = 0; t < kLanes; ++t) {
        const Fragment::Cell at = fragment.cell(t, i);
        to[t] = cells(at.column)[at.lane];
        if (fragment.halves) to[t] = (to[t] & 0xffff) | cells(at.column + 1)[at.lane] << 16;
      }
    }
  });
  if (index + 1 != num_steps() || move_.reduction.type == TmemReduction::Type::None) return;
  const TmemReduction& reduce = move_.reduction;
  for (uint32_t t = 0; t < kLanes; ++t) {
    uint32_t value = reduce.first(warp->rows[move_.rows[0]].lane[t]);
    for (uint32_t i = 1; i < fragment.num_registers(); ++i) {
      value = reduce(value, warp->rows[move_.rows[i]].lane[t]);
    }
    warp->rows[move_.rows.back()].lane[t] = value;
  }
}

void TmemLoadOp::complete() { warp->tensor_loads.note_made(number_); }

TmemStoreOp::TmemStoreOp(Warp& issuer, const TmemMove& move, uint32_t lane, uint32_t column)
    : TmemMoveOp(issuer, AsyncGroup::TensorStore, move, lane, column) {
  for (const TmemRange& range : ranges_of(move.fragment, lane, column)) {
    bad_ = !note_tmem_write(*this, *issuer.cta, range, false) || bad_;
  }
  values_.reserve(move.rows.size());
  for (const uint32_t row : move.rows) values_.push_back(issuer.rows[row]);
}

void TmemStoreOp::step(size_t index) {
  if (bad_) return;
  const Fragment& fragment = move_.fragment;
  for_registers(index, [&](uint32_t i) {
    const uint32_t* const from = values_[i].lane;
    if (fragment.shape == FragmentShape::L32x32b && !fragment.halves) {
      std::memcpy(cells(i), from, sizeof(Row));
      return;
    }
    for (uint32_t t = 0; t < kLanes; ++t) {
      const Fragment::Cell at = fragment.cell(t, i);
      cells(at.column)[at.lane] = fragment.halves ? from[t] & 0xffff : from[t];
      if (fragment.halves) cells(at.column + 1)[at.lane] = from[t] >> 16;
    }
  });
}

}  // namespace fa4::emu::isa
