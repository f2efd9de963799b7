// SPDX-License-Identifier: Apache-2.0
// A wgmma on its way: the four warps of a warpgroup issue it, one after the other, and when all have come, and those
// before it are made, its turn may come: it takes A, then B, then writes D.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "emu/isa/warpgroup_core.h"
#include "emu/machine/async.h"
#include "emu/machine/matrix_units.h"
#include "emu/machine/wgmma_state.h"

namespace fa4::emu::isa {

// What a wgmma's list in Program::lists says: flags, n, the rows of D, the rows of A.
struct WgmmaForm {
  static constexpr uint32_t kNumNumbers = 2;
  enum Flags : uint32_t {
    kHalf = 1,
    kExact = 2,
    kRegisters = 4,  // A is in registers
    kTransposedA = 8,
    kTransposedB = 16,
    kNegate = 32,        // the product
    kScaleNegated = 64,  // scale-d is a predicate that is negated
    kScaleNumber = 128,  // it is a number:
    kScaleTrue = 256,
    kElementA = 9,  // shifts
    kElementB = 11,
  };

  uint32_t flags, n;
  WgmmaRows rows;
  WarpgroupKind kind;

  explicit WgmmaForm(const uint32_t* list);
  bool has(Flags flag) const { return (flags & flag) != 0; }
};

// What a warp says of one: all four must say the same.
struct WgmmaValues {
  uint64_t a = 0, b = 0;  // descriptors
  bool accumulate = false;
  bool operator==(const WgmmaValues&) const = default;
};

class WgmmaOp final : public AsyncOp {
 public:
  WgmmaOp(Warp& issuer, const WgmmaForm& form, const WgmmaValues& values);

  // A warp issues it, the first one too.
  void come(Warp& warp, const WgmmaValues& values);
  bool has_come(const Warp& warp) const;

  const char* what() const override { return "wgmma"; }
  size_t num_steps() const override { return 3; }
  size_t num_reads() const override { return 2; }
  void step(size_t index) override;
  void complete() override;
  bool enabled() const override;
  std::string why_disabled() const override;
  bool holds_up(const Warp& waiter, LaneMask waiting, const WaitOn& wait) const override;
  void retire() override;

 private:
  void describe(uint64_t descriptor, const char* which, bool transposed, uint32_t rows,
                MatrixAtoms* atoms);
  void check_operand(Warp& warp, const MatrixAtoms& atoms, uint32_t first, uint32_t count) const;
  void take_a();
  void take_b();
  void multiply();

  WgmmaForm form_;
  WgmmaValues values_;
  WgmmaQueue& queue_;
  MatrixAtoms atoms_a_, atoms_b_;
  bool bad_ = false;  // a descriptor is: D will be poison
  std::array<bool, kWarpsOfGroup> come_{};
  std::array<uint32_t, kWarpsOfGroup> groups_{};
  std::array<Warp*, kWarpsOfGroup> warps_{};
  WarpgroupA a_;
  WarpgroupB b_;
};

// All enabled steps of a warpgroup's operations: for the policy that makes everything at once.
void make_enabled(WgmmaQueue& queue);

}  // namespace fa4::emu::isa
