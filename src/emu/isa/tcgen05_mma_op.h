// SPDX-License-Identifier: Apache-2.0
// A tcgen05.mma on its way: it takes A, then B, of one CTA or of a pair, and then writes D, some columns at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emu/isa/tcgen05_core.h"
#include "emu/isa/tcgen05_reach.h"
#include "emu/isa/tcgen05_shape.h"
#include "emu/machine/conflict.h"
#include "emu/machine/cta.h"
#include "emu/machine/matrix_units.h"
#include "emu/machine/tensor_op.h"
#include "emu/machine/tmem.h"

namespace fa4::emu::isa {

// What a lane says with one.
struct Tcgen05MmaValues {
  uint32_t d = 0;            // addresses in tensor memory
  uint64_t a = 0;            // likewise, or a matrix descriptor
  uint64_t b = 0;            // a matrix descriptor
  uint32_t instruction = 0;  // the instruction descriptor
  bool accumulate = false;
  std::array<uint32_t, 8> disabled{};  // lanes, four words for each CTA
  int c_shift = 0;
  bool a_in_tensor_memory = false, shifts_a = false, exact = true;
};

class Tcgen05MmaOp final : public TensorOp {
 public:
  // The shape is that of values.instruction. All CTAs of the group are there.
  Tcgen05MmaOp(Warp& issuer, int lane, const Tcgen05Shape& shape, const Tcgen05MmaValues& values);

  const char* what() const override { return "tcgen05.mma"; }
  size_t num_steps() const override { return kNumReads + num_parts() * shape_.group; }
  size_t num_reads() const override { return kNumReads; }
  void step(size_t index) override;

 private:
  static constexpr size_t kNumReads = 2;

  size_t num_parts() const { return shape_.d_columns() < 32 ? 1 : 4; }
  uint32_t base() const { return values_.d >> 16; }  // lane of D
  uint32_t sixteens() const;
  TmemLanes lanes(uint32_t group) const;
  void describe(uint64_t descriptor, const char* which, uint32_t rows, bool transposed,
                MatrixAtoms* atoms);
  void note_matrix(const MatrixAtoms& atoms);
  void note_races(uint32_t group, uint32_t begin, uint32_t end);
  void note_reach();
  void note_addresses();
  void take_a();
  void take_b();
  void write(uint32_t group, uint32_t first, uint32_t columns);

  const int lane_;
  const Tcgen05Shape shape_;
  const Tcgen05MmaValues values_;
  std::array<Cta*, 2> ctas_{};
  MatrixAtoms atoms_a_, atoms_b_;
  bool bad_ = false;  // an operand is: D will be poison
  // Of operands, until the addresses have been noted: what meets a race, and the first of them.
  std::vector<uint32_t> raced_;
  std::optional<ConflictText> race_;
  std::array<bool, 2> d_is_there_{};
  std::array<std::unique_ptr<Tcgen05A>, 2> a_;
  std::unique_ptr<Tcgen05B> b_;
};

// The CTA that a group begins with, and the others; null where one is missing.
std::array<Cta*, 2> tcgen05_ctas(Cta& cta, uint32_t group);

}  // namespace fa4::emu::isa
