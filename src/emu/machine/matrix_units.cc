// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/matrix_units.h"

#include <algorithm>
#include <bit>
#include <bitset>
#include <cstring>

#include "emu/machine/cluster.h"

namespace fa4::emu {
namespace {

constexpr uint32_t kUnitBytes = MatrixLayout::kUnitBytes;
constexpr uint32_t kAtomRows = 8;

bool try_operand(Shadow& shadow, Shadow::Reads& reads, uint32_t base, const MatrixAtoms& atoms) {
  const MatrixUnits units = atoms.units();
  for (uint32_t outer = 0; outer < units.outer / kAtomRows; ++outer) {
    for (uint32_t inner = 0; inner < units.inner / atoms.width(); ++inner) {
      const uint32_t step = base + atoms.step(outer, inner);
      for (const MatrixAtoms::Range& range : atoms.ranges()) {
        if (!shadow.try_reads(reads, step + range.begin, range.end - range.begin)) return false;
      }
    }
  }
  return true;
}

}  // namespace

MatrixAtoms::MatrixAtoms(const MatrixLayout& layout, MatrixUnits units)
    : layout_(layout), units_(units) {
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
  note_ranges();
}

// An atom lies in the lines of 128 bytes from that of its first row on: nine of them, of eight units each.
void MatrixAtoms::note_ranges() {
  constexpr uint32_t kLineBytes = 128, kMostUnits = 128;
  const uint32_t first = layout_.start / kLineBytes * kLineBytes;
  std::bitset<kMostUnits + 1> taken;
  uint32_t units = 0;
  for (uint32_t i = 0; i < kAtomRows * width_; ++i) {
    const uint32_t unit = (places_[i] - first) / kUnitBytes;
    taken.set(unit);
    units = std::max(units, unit + 1);
  }
  num_ranges_ = 0;
  for (uint32_t unit = 0; unit < units; ++unit) {
    if (!taken[unit]) continue;
    const uint32_t begin = unit;
    while (taken[unit]) ++unit;
    ranges_[num_ranges_++] = {first + begin * kUnitBytes, first + unit * kUnitBytes};
  }
}

bool MatrixAtoms::is_within(uint32_t begin, uint64_t end) const {
  if (repeat_) {
    const uint64_t further = step(units_.outer / kAtomRows - 1, units_.inner / width_ - 1);
    return ranges_[0].begin >= begin && ranges_[num_ranges_ - 1].end + further <= end;
  }
  for (uint32_t i = 0; i < units_.outer; ++i) {
    for (uint32_t j = 0; j < units_.inner; ++j) {
      const uint32_t at = layout_.unit_at(i, j);
      if (at < begin || at + kUnitBytes > end) return false;
    }
  }
  return true;
}

void gather_units(const MatrixAtoms& atoms, const std::byte* shared, std::byte* to) {
  const MatrixUnits units = atoms.units();
  if (!atoms.repeat()) {
    for (uint32_t i = 0; i < units.outer; ++i) {
      for (uint32_t j = 0; j < units.inner; ++j, to += kUnitBytes) {
        std::memcpy(to, shared + atoms.layout().unit_at(i, j), kUnitBytes);
      }
    }
    return;
  }
  // Of an atom, the units' places here and there.
  std::array<uint32_t, 64> from, where;
  const uint32_t width = atoms.width(), count = kAtomRows * width;
  for (uint32_t i = 0; i < count; ++i) {
    from[i] = atoms.at(i / width, i % width);
    where[i] = (i / width * units.inner + i % width) * kUnitBytes;
  }
  for (uint32_t outer = 0; outer < units.outer / kAtomRows; ++outer) {
    for (uint32_t inner = 0; inner < units.inner / width; ++inner) {
      const std::byte* const here = shared + atoms.step(outer, inner);
      std::byte* const there =
          to + size_t{outer * kAtomRows * units.inner + inner * width} * kUnitBytes;
      for (uint32_t i = 0; i < count; i += 8) {
#pragma GCC unroll 8
        for (uint32_t j = i; j < i + 8; ++j) {
          std::memcpy(there + where[j], here + from[j], kUnitBytes);
        }
      }
    }
  }
}

void note_operand(AsyncOp& op, const Cta& cta, const MatrixAtoms& atoms, bool may_be_unwritten,
                  const std::function<void(uint32_t, uint32_t)>& ask) {
  Shadow& shadow = cta.cluster->shadow;
  if (!shadow.enabled()) return;
  if (std::popcount(op.lanes) > 1) shadow.issued_by_all(op.warp->agent);
  Shadow::Reads reads = {.copy = op.id, .site = op.site, .unwritten = may_be_unwritten};
  const uint32_t base = cta.shadow_offset(cta.shared.data());
  if (atoms.repeat() && try_operand(shadow, reads, base, atoms)) return;
  for_unit_runs(atoms.layout(), atoms.units(), [&](uint32_t begin, uint32_t end) {
    if (!shadow.try_reads(reads, base + begin, end - begin)) ask(begin, end);
  });
}

}  // namespace fa4::emu
