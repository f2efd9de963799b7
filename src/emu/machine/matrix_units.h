// SPDX-License-Identifier: Apache-2.0
// All units of a matrix operand at once. A swizzle's pattern repeats: where eight rows of it lie is found once, and holds
// for the other eights a step further.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "emu/machine/async.h"
#include "emu/machine/matrix_descriptor.h"

namespace fa4::emu {

struct Cta;

// The units of an operand: where they repeat, as atoms, eight rows of `width` units.
class MatrixAtoms {
 public:
  struct Range {
    uint32_t begin, end;
  };

  MatrixAtoms() = default;
  MatrixAtoms(const MatrixLayout& layout, MatrixUnits units);

  const MatrixLayout& layout() const { return layout_; }
  MatrixUnits units() const { return units_; }
  // Whether all of them lie in a range of shared offsets.
  bool is_within(uint32_t begin, uint64_t end) const;

  // If not, each unit has to be asked for.
  bool repeat() const { return repeat_; }
  uint32_t width() const { return width_; }
  // Shared offset of a unit of the first atom; of others: how much further they lie.
  uint32_t at(uint32_t row, uint32_t unit) const { return places_[row * width_ + unit]; }
  uint32_t step(uint32_t outer, uint32_t inner) const {
    return outer * outer_step_ + inner * inner_step_;
  }
  // The bytes of the first atom, neighbouring units together, ascending.
  std::span<const Range> ranges() const { return {ranges_.data(), num_ranges_}; }

 private:
  void note_ranges();

  MatrixLayout layout_;
  MatrixUnits units_{0, 0};
  uint32_t width_ = 1, outer_step_ = 0, inner_step_ = 0;
  bool repeat_ = false;
  size_t num_ranges_ = 0;
  std::array<uint32_t, 64> places_;
  std::array<Range, 64> ranges_;
};

// Copies units: row after row of `inner` ones.
void gather_units(const MatrixAtoms& atoms, const std::byte* shared, std::byte* to);

// Notes that an operation will read an operand, which lies within a CTA's shared memory. `ask` is called for the ranges
// of shared offsets about which there is more to say, which have not been noted.
void note_operand(AsyncOp& op, const Cta& cta, const MatrixAtoms& atoms, bool may_be_unwritten,
                  const std::function<void(uint32_t, uint32_t)>& ask);

}  // namespace fa4::emu
