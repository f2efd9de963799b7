// SPDX-License-Identifier: Apache-2.0
#include "emu/isa/wgmma_op.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "emu/machine/cluster.h"
#include "emu/machine/matrix_units.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

uint64_t wgmma_address(const Warp& warp, uint32_t offset) {
  return uint64_t{warp.cta->rank} << kRankShift | offset;
}

// Units of an operand: K-major rows of two; of sixteen k those of `rows` numbers of 16 bits.
MatrixUnits wgmma_units(bool mn_major, uint32_t rows) {
  return mn_major ? MatrixUnits{16, rows / 8} : MatrixUnits{rows, 2};
}

// Words m of a row of A, from lines of 64 numbers, one for each k.
void wgmma_turn_a(const std::byte* lines, uint32_t row, uint32_t m, WarpgroupA* a) {
  uint16_t low, high;
  const std::byte* const at = lines + (size_t{2} * m * kWarpgroupRows + row) * sizeof low;
  std::memcpy(&low, at, sizeof low);
  std::memcpy(&high, at + kWarpgroupRows * sizeof high, sizeof high);
  a->word[row / 16][WarpgroupA::reg_of(row % 16, m)][WarpgroupA::lane_of(row, m)] =
      low | uint32_t{high} << 16;
}

void wgmma_take_a(const MatrixAtoms& atoms, const std::byte* shared, WarpgroupA* a) {
  std::array<std::byte, kWarpgroupRows * kWarpgroupKBytes> taken;
  gather_units(atoms, shared, taken.data());
  const std::byte* unit = taken.data();
  for (uint32_t row = 0; row < kWarpgroupRows; ++row) {
    for (uint32_t m = 0; m < 8; m += atoms.layout().mn_major ? 1 : 4) {
      if (atoms.layout().mn_major) {
        wgmma_turn_a(taken.data(), row, m, a);
        continue;
      }
      auto& words = a->word[row / 16][WarpgroupA::reg_of(row % 16, m)];
      std::memcpy(&words[WarpgroupA::lane_of(row, m)], unit, MatrixLayout::kUnitBytes);
      unit += MatrixLayout::kUnitBytes;
    }
  }
}

WarpgroupFn wgmma_function(const WarpgroupKind& kind) {
  static const auto kFunctions = [] {
    std::array<WarpgroupFn, 64> functions{};
    for (uint32_t i = 0; i < 64; ++i) {
      const WarpgroupKind each = {static_cast<TensorElement>(i & 3),
                                  static_cast<TensorElement>(i >> 2 & 3), (i & 16) != 0,
                                  (i & 32) != 0};
      const bool exists = each.narrow() ? (i >> 2 & 3) >= 2 : each.a == each.b;
      if (exists) functions[i] = warpgroup_function(each);
    }
    return functions;
  }();
  return kFunctions[static_cast<uint32_t>(kind.a) | static_cast<uint32_t>(kind.b) << 2 |
                    (kind.half_accumulator ? 16u : 0u) | (kind.exact ? 32u : 0u)];
}

}  // namespace

WgmmaForm::WgmmaForm(const uint32_t* list)
    : flags(list[0]),
      n(list[1]),
      kind{static_cast<TensorElement>(list[0] >> kElementA & 3),
           static_cast<TensorElement>(list[0] >> kElementB & 3), (list[0] & kHalf) != 0,
           (list[0] & kExact) != 0} {
  const uint32_t num_d = n / 8 * kind.num_d();
  rows.d = {list + kNumNumbers, num_d};
  if (has(kRegisters)) rows.a = {list + kNumNumbers + num_d, 4};
}

WgmmaOp::WgmmaOp(Warp& issuer, const WgmmaForm& form, const WgmmaValues& values)
    : AsyncOp(issuer, AsyncGroup::Wgmma),
      form_(form),
      values_(values),
      queue_(issuer.cta->wgmma[issuer.index / kWarpsOfGroup]) {
  if (!form.has(WgmmaForm::kRegisters)) {
    describe(values.a, "A", form.has(WgmmaForm::kTransposedA), kWarpgroupRows, &atoms_a_);
  }
  describe(values.b, "B", form.has(WgmmaForm::kTransposedB), form.n, &atoms_b_);
  if (bad_) return;
  // They are made in order, and a warp that waits for the group of one waits for those before it.
  const uint32_t first_warp = issuer.agent - issuer.index % kWarpsOfGroup;
  issuer.cta->cluster->shadow.enter_queue(id, first_warp + 1);
  const auto note = [&](const MatrixAtoms& atoms) {
    note_operand(*this, *issuer.cta, atoms, false, [&](uint32_t begin, uint32_t end) {
      note_source(*this, wgmma_address(issuer, begin), 0, end - begin, MatrixLayout::kUnitBytes,
                  false);
    });
  };
  if (!form.has(WgmmaForm::kRegisters)) note(atoms_a_);
  note(atoms_b_);
}

void WgmmaOp::describe(uint64_t descriptor, const char* which, bool transposed, uint32_t rows,
                       MatrixAtoms* atoms) {
  MatrixLayout layout;
  layout.mn_major = transposed;
  if (const DescriptorFault fault = decode_wgmma_descriptor(descriptor, &layout)) {
    report(*warp, Level::Error, fault.code, "bad descriptor of " + (which + (": " + fault.text)));
    bad_ = true;
  }
  *atoms = MatrixAtoms(layout, wgmma_units(transposed, rows));
  if (atoms->is_within(kReservedShared, warp->cta->shared.size())) return;
  bad_ = true;
  report(*warp, Level::Error, "desc.bounds",
         fmt::format("out of bounds: {}, of {} {} by the descriptor {:#018x} (start {:#x}, leading "
                     "{}, stride {} bytes, {}), lies outside [{:#x}, {:#x}) of shared memory",
                     which, rows, *which == 'A' ? "rows" : "columns", descriptor, layout.start,
                     layout.leading, layout.stride,
                     layout.span == 16 ? std::string("no swizzle")
                                       : fmt::format("swizzle of {} bytes", layout.span),
                     kReservedShared, warp->cta->shared.size()));
}

// A warp that comes later must know of the operands, too: of its rows of A, and of a quarter of B.
void WgmmaOp::check_operand(Warp& of, const MatrixAtoms& atoms, uint32_t first,
                            uint32_t count) const {
  const MatrixLayout& layout = atoms.layout();
  const Shadow& shadow = of.cta->cluster->shadow;
  const uint32_t base = of.cta->shadow_offset(of.cta->shared.data());
  uint64_t clean = ~uint64_t{0};  // no cell holds this
  const auto check = [&](uint32_t at) {
    if (shadow.is_known(of.agent, base + at, &clean)) return;
    resolve(of, Space::Shared, wgmma_address(of, at), 0, MatrixLayout::kUnitBytes, Access::Look);
  };
  if (atoms.repeat() && !layout.mn_major) {
    for (uint32_t outer = first / 8; outer < (first + count) / 8; ++outer) {
      for (uint32_t inner = 0; inner < atoms.units().inner / atoms.width(); ++inner) {
        const uint32_t step = atoms.step(outer, inner);
        for (const MatrixAtoms::Range& range : atoms.ranges()) {
          for (uint32_t at = range.begin; at < range.end; at += MatrixLayout::kUnitBytes) {
            check(step + at);
          }
        }
      }
    }
    return;
  }
  const MatrixUnits units = wgmma_units(layout.mn_major, first + count);
  for (uint32_t i = layout.mn_major ? 0 : first; i < units.outer; ++i) {
    for (uint32_t j = layout.mn_major ? first / 8 : 0; j < units.inner; ++j) {
      check(layout.unit_at(i, j));
    }
  }
}

bool WgmmaOp::has_come(const Warp& of) const { return come_[of.index % kWarpsOfGroup]; }

void WgmmaOp::come(Warp& of, const WgmmaValues& values) {
  const size_t at = of.index % kWarpsOfGroup;
  come_[at] = true;
  warps_[at] = &of;
  groups_[at] = of.wgmma_groups;
  if (of.current != site) {
    report(of, Level::Error, "wgmma.disagree",
           fmt::format("warps disagree: warp {} of this warpgroup has come to another wgmma, at {}",
                       warp->index, of.cta->describer->site(*site)));
  } else if (values != values_) {
    report(of, Level::Error, "wgmma.disagree",
           fmt::format("warps disagree: this one says A {:#x}, B {:#x}, scale-d {}; warp {} of "
                       "its warpgroup has said A {:#x}, B {:#x}, scale-d {}",
                       values.a, values.b, values.accumulate, warp->index, values_.a, values_.b,
                       values_.accumulate));
  }
  if (&of != warp && !bad_ && of.cta->cluster->shadow.enabled()) {
    if (!form_.has(WgmmaForm::kRegisters)) {
      check_operand(of, atoms_a_, 16 * static_cast<uint32_t>(at), 16);
    }
    const uint32_t part = form_.n / 8 * static_cast<uint32_t>(at) / kWarpsOfGroup * 8;
    check_operand(of, atoms_b_, part, 8);
  }
  if (values_.accumulate) return;
  for (const uint32_t row : form_.rows.d) {
    std::memset(of.rows[row].lane, kPoisonByte, sizeof of.rows[row].lane);
  }
}

bool WgmmaOp::enabled() const {
  return queue_.operations.front() == this &&
         std::ranges::all_of(come_, [](bool come) { return come; });
}

std::string WgmmaOp::why_disabled() const {
  std::string absent;
  const uint32_t first = warp->index / kWarpsOfGroup * kWarpsOfGroup;
  for (uint32_t at = 0; at < kWarpsOfGroup; ++at) {
    if (!come_[at]) absent += fmt::format("{}warp {}", absent.empty() ? "" : ", ", first + at);
  }
  return absent.empty() ? "" : absent + " of the warpgroup has not come to";
}

bool WgmmaOp::holds_up(const Warp& waiter, LaneMask, const WaitOn& wait) const {
  const size_t at = waiter.index % kWarpsOfGroup;
  if (finished() || wait.kind != WaitOn::Kind::Wgmma || warps_[at] != &waiter) return false;
  return groups_[at] < waiter.wgmma_groups && waiter.wgmma_groups - groups_[at] > wait.id;
}

void WgmmaOp::retire() {
  if (!warp->cta->cluster->shadow.enabled()) return;
  for (size_t at = 0; at < kWarpsOfGroup; ++at) {
    Unwaited unwaited = {id, AsyncGroup::Wgmma, kAllLanes, {}};
    unwaited.group[0] = groups_[at];
    warps_[at]->unwaited.push_back(unwaited);
  }
}

void WgmmaOp::step(size_t index) {
  if (index == 0) take_a();
  if (index == 1 && !bad_) take_b();
  if (index == 2) multiply();
}

void WgmmaOp::take_a() {
  if (form_.has(WgmmaForm::kRegisters)) {
    for (size_t at = 0; at < kWarpsOfGroup; ++at) {
      for (uint32_t reg = 0; reg < 4; ++reg) {
        std::ranges::copy(warps_[at]->rows[form_.rows.a[reg]].lane, a_.word[at][reg].begin());
      }
    }
  } else if (!bad_) {
    wgmma_take_a(atoms_a_, warp->cta->shared.data(), &a_);
  }
}

void WgmmaOp::take_b() {
  b_.mn_major = atoms_b_.layout().mn_major;
  gather_units(atoms_b_, warp->cta->shared.data(), b_.bytes.data());
}

void WgmmaOp::multiply() {
  std::array<std::array<Row*, kWarpgroupMostColumns / 2>, kWarpsOfGroup> rows;
  WarpgroupProduct product;
  for (size_t at = 0; at < kWarpsOfGroup; ++at) {
    for (size_t i = 0; i < form_.rows.d.size(); ++i) {
      rows[at][i] = &warps_[at]->rows[form_.rows.d[i]];
      if (bad_) std::memset(rows[at][i]->lane, kPoisonByte, sizeof rows[at][i]->lane);
    }
    product.d[at] = rows[at].data();
  }
  if (bad_) return;
  product.kind = form_.kind;
  product.n = form_.n;
  product.negate = form_.has(WgmmaForm::kNegate);
  product.accumulate = values_.accumulate;
  product.a = &a_;
  product.b = &b_;
  wgmma_function(form_.kind)(product);
}

void WgmmaOp::complete() {
  queue_.operations.pop_front();
  ++queue_.num_made;
}

void make_enabled(WgmmaQueue& queue) {
  while (!queue.operations.empty() && queue.operations.front()->enabled()) {
    AsyncOp& op = *queue.operations.front();
    while (!op.finished()) op.advance();
    op.retire();
    auto& operations = op.warp->cta->cluster->operations;
    std::erase_if(operations, [&](const auto& other) { return other.get() == &op; });
  }
}

}  // namespace fa4::emu::isa
