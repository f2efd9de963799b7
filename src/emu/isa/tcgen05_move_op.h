// SPDX-License-Identifier: Apache-2.0
// tcgen05.ld and tcgen05.st on their way: some registers at a time move from or to tensor memory.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "emu/isa/tcgen05_fragment.h"
#include "emu/machine/async.h"
#include "emu/machine/cluster.h"

namespace fa4::emu::isa {

// Behind the values of a tcgen05.ld.red, for each thread the least or the greatest of its registers.
struct TmemReduction {
  enum class Type : uint8_t { None, F32, U32, S32 };
  Type type = Type::None;
  bool greatest = false, absolute = false, nan = false;

  uint32_t operator()(uint32_t a, uint32_t b) const;
  uint32_t first(uint32_t a) const;  // of the first register: |a| if absolute
};

// What an instruction's list in Program::lists says: fragment, reduction, and the rows of its registers.
struct TmemMove {
  static constexpr uint32_t kNumNumbers = 4;
  Fragment fragment;
  TmemReduction reduction;
  std::span<const uint32_t> rows;  // of a reduction, its result is the last

  explicit TmemMove(const uint32_t* list);
  static void append(const Fragment& fragment, const TmemReduction& reduction, uint32_t num_rows,
                     std::vector<uint32_t>* list);
};

// The cells that a move touches: a range, and of 16x32bx2 a second one.
std::array<TmemRange, 2> ranges_of(const Fragment& fragment, uint32_t lane, uint32_t column);

class TmemMoveOp : public AsyncOp {
 public:
  // `lane`: of the cell that the address names, in the CTA.
  TmemMoveOp(Warp& issuer, AsyncGroup kind, const TmemMove& move, uint32_t lane, uint32_t column);
  size_t num_steps() const override {
    return (move_.fragment.num_registers() + kStride - 1) / kStride;
  }

 protected:
  static constexpr uint32_t kStride = 16;  // registers of a step
  // Calls body(register) for those of a step.
  template <class Body>
  void for_registers(size_t step, Body body) const {
    const auto first = static_cast<uint32_t>(step) * kStride;
    const uint32_t end = std::min(first + kStride, move_.fragment.num_registers());
    for (uint32_t i = first; i < end; ++i) body(i);
  }
  uint32_t* cells(uint32_t column) const {
    return warp->cta->tmem.column(column_ + column) + lane_;
  }

  TmemMove move_;
  uint32_t lane_, column_;
  bool bad_ = false;  // it may not; a load gives poison
};

class TmemLoadOp final : public TmemMoveOp {
 public:
  TmemLoadOp(Warp& issuer, const TmemMove& move, uint32_t lane, uint32_t column);
  const char* what() const override { return "tcgen05.ld"; }
  size_t num_reads() const override { return num_steps(); }
  void step(size_t index) override;
  void complete() override;
  void retire() override {}  // the warp's TensorLoads remember

 private:
  uint32_t number_ = 0;
};

class TmemStoreOp final : public TmemMoveOp {
 public:
  TmemStoreOp(Warp& issuer, const TmemMove& move, uint32_t lane, uint32_t column);
  const char* what() const override { return "tcgen05.st"; }
  size_t num_reads() const override { return 0; }
  void step(size_t index) override;

 private:
  std::vector<Row> values_;
};

}  // namespace fa4::emu::isa
