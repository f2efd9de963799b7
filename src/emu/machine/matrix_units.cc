// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/matrix_units.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "emu/machine/cluster.h"

namespace fa4::emu {
namespace {

constexpr uint32_t kUnitBytes = MatrixLayout::kUnitBytes;
constexpr uint32_t kAtomRows = 8;

struct UnitRange {
  uint32_t begin, end;
};

// The bytes of the first atom, neighbouring units together.
std::vector<UnitRange> unit_ranges(const MatrixAtoms& atoms) {
  std::array<uint32_t, 64> places;
  uint32_t count = 0;
  for (uint32_t row = 0; row < kAtomRows; ++row) {
    for (uint32_t unit = 0; unit < atoms.width(); ++unit) places[count++] = atoms.at(row, unit);
  }
  std::sort(places.begin(), places.begin() + count);
  std::vector<UnitRange> ranges;
  for (uint32_t i = 0; i < count; ++i) {
    if (!ranges.empty() && ranges.back().end == places[i]) {
      ranges.back().end += kUnitBytes;
    } else {
      ranges.push_back({places[i], places[i] + kUnitBytes});
    }
  }
  return ranges;
}

bool try_operand(Shadow& shadow, Shadow::Reads& reads, uint32_t base, const MatrixAtoms& atoms,
                 MatrixUnits units) {
  const std::vector<UnitRange> ranges = unit_ranges(atoms);
  for (uint32_t outer = 0; outer < units.outer / kAtomRows; ++outer) {
    for (uint32_t inner = 0; inner < units.inner / atoms.width(); ++inner) {
      const uint32_t step = base + atoms.step(outer, inner);
      for (const UnitRange& range : ranges) {
        if (!shadow.try_reads(reads, step + range.begin, range.end - range.begin)) return false;
      }
    }
  }
  return true;
}

}  // namespace

MatrixAtoms::MatrixAtoms(const MatrixLayout& layout, MatrixUnits units) {
  const uint32_t in_span = layout.span / kUnitBytes;
  if (in_span == 1) {
    outer_step_ = layout.mn_major ? layout.leading : layout.stride;
    inner_step_ = layout.mn_major ? layout.stride : layout.leading;
  } else {
    width_ = layout.mn_major ? in_span : units.inner;
    outer_step_ = layout.stride;
    inner_step_ = layout.mn_major ? layout.leading : 0;
  }
  // A step of whole patterns (as many lines of 128 bytes as a span has units) changes no bit that the swizzle looks at.
  const auto keeps = [&](uint32_t step, uint32_t atoms) {
    return atoms == 1 || in_span == 1 || step % (kAtomRows * layout.span) == 0;
  };
  repeat_ = !layout.pairs && width_ <= kAtomRows && units.outer % kAtomRows == 0 &&
            units.inner % width_ == 0 && keeps(outer_step_, units.outer / kAtomRows) &&
            keeps(inner_step_, units.inner / width_);
  if (!repeat_) return;
  for (uint32_t row = 0; row < kAtomRows; ++row) {
    for (uint32_t unit = 0; unit < width_; ++unit) {
      places_[row * width_ + unit] = layout.unit_at(row, unit);
    }
  }
}

void gather_units(const MatrixLayout& layout, MatrixUnits units, const std::byte* shared,
                  std::byte* to) {
  const MatrixAtoms atoms(layout, units);
  if (!atoms.repeat()) {
    for (uint32_t i = 0; i < units.outer; ++i) {
      for (uint32_t j = 0; j < units.inner; ++j, to += kUnitBytes) {
        std::memcpy(to, shared + layout.unit_at(i, j), kUnitBytes);
      }
    }
    return;
  }
  for (uint32_t i = 0; i < units.outer; ++i) {
    for (uint32_t j = 0; j < units.inner; j += atoms.width()) {
      const std::byte* const from = shared + atoms.step(i / kAtomRows, j / atoms.width());
      for (uint32_t unit = 0; unit < atoms.width(); ++unit, to += kUnitBytes) {
        std::memcpy(to, from + atoms.at(i % kAtomRows, unit), kUnitBytes);
      }
    }
  }
}

void note_operand(AsyncOp& op, const Cta& cta, const MatrixLayout& layout, MatrixUnits units,
                  bool may_be_unwritten, const std::function<void(uint32_t, uint32_t)>& ask) {
  Shadow& shadow = cta.cluster->shadow;
  if (!shadow.enabled()) return;
  if (std::popcount(op.lanes) > 1) shadow.issued_by_all(op.warp->agent);
  const MatrixAtoms atoms(layout, units);
  Shadow::Reads reads = {.copy = op.id, .site = op.site, .unwritten = may_be_unwritten};
  const uint32_t base = cta.shadow_offset(cta.shared.data());
  if (atoms.repeat() && try_operand(shadow, reads, base, atoms, units)) return;
  for_unit_runs(layout, units, [&](uint32_t begin, uint32_t end) {
    if (!shadow.try_reads(reads, base + begin, end - begin)) ask(begin, end);
  });
}

}  // namespace fa4::emu
