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

constexpr uint32_t kUnitBytes = MatrixLayout::kUnitBytes;

// Units of an operand: K-major rows of two; of sixteen k those of `rows` numbers of 16 bits.
MatrixUnits wgmma_units(const MatrixLayout& layout, uint32_t rows) {
  return layout.mn_major ? MatrixUnits{16, rows / 8} : MatrixUnits{rows, 2};
}

// Calls to(row, m, word) for each word of an operand; rows in no order.
template <class To>
void wgmma_take(const MatrixLayout& layout, uint32_t rows, const std::byte* shared, To to) {
  std::array<std::byte, kWarpgroupMostColumns * kWarpgroupKBytes> taken;
  gather_units(layout, wgmma_units(layout, rows), shared, taken.data());
  if (!layout.mn_major) {
    for (uint32_t row = 0; row < rows; ++row) {
      std::array<uint32_t, 8> words;
      std::memcpy(words.data(), taken.data() + row * kWarpgroupKBytes, sizeof words);
      for (uint32_t i = 0; i < 8; ++i) to(row, i, words[i]);
    }
    return;
  }
  for (uint32_t m = 0; m < 8; ++m) {  // k is 2 m and the next
    const std::byte* const line = taken.data() + size_t{2} * m * rows * sizeof(uint16_t);
    for (uint32_t row = 0; row < rows; ++row) {
      uint16_t low, high;
      std::memcpy(&low, line + row * sizeof low, sizeof low);
      std::memcpy(&high, line + (rows + row) * sizeof high, sizeof high);
      to(row, m, low | uint32_t{high} << 16);
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
    describe(values.a, "A", form.has(WgmmaForm::kTransposedA), kWarpgroupRows, &layout_a_);
  }
  describe(values.b, "B", form.has(WgmmaForm::kTransposedB), form.n, &layout_b_);
  if (bad_) return;
  const auto note = [&](const MatrixLayout& layout, uint32_t rows) {
    note_operand(*this, *issuer.cta, layout, wgmma_units(layout, rows), false,
                 [&](uint32_t begin, uint32_t end) {
                   const uint64_t rank = uint64_t{issuer.cta->rank} << kRankShift;
                   note_source(*this, rank | begin, 0, end - begin, MatrixLayout::kUnitBytes,
                               false);
                 });
  };
  if (!form.has(WgmmaForm::kRegisters)) note(layout_a_, kWarpgroupRows);
  note(layout_b_, form.n);
}

void WgmmaOp::describe(uint64_t descriptor, const char* which, bool transposed, uint32_t rows,
                       MatrixLayout* layout) {
  layout->mn_major = transposed;
  if (const DescriptorFault fault = decode_wgmma_descriptor(descriptor, layout)) {
    report(*warp, Level::Error, fault.code, "bad descriptor of " + (which + (": " + fault.text)));
    bad_ = true;
  }
  if (is_within(*layout, rows)) return;
  bad_ = true;
  report(*warp, Level::Error, "desc.bounds",
         fmt::format("out of bounds: {}, of {} {} by the descriptor {:#018x} (start {:#x}, leading "
                     "{}, stride {} bytes, {}), lies outside [{:#x}, {:#x}) of shared memory",
                     which, rows, *which == 'A' ? "rows" : "columns", descriptor, layout->start,
                     layout->leading, layout->stride,
                     layout->span == 16 ? std::string("no swizzle")
                                        : fmt::format("swizzle of {} bytes", layout->span),
                     kReservedShared, warp->cta->shared.size()));
}

bool WgmmaOp::is_within(const MatrixLayout& layout, uint32_t rows) const {
  const uint64_t end = warp->cta->shared.size();
  const MatrixUnits units = wgmma_units(layout, rows);
  for (uint32_t i = 0; i < units.outer; ++i) {
    for (uint32_t j = 0; j < units.inner; ++j) {
      const uint32_t at = layout.unit_at(i, j);
      if (at < kReservedShared || at + kUnitBytes > end) return false;
    }
  }
  return true;
}

// A warp that comes later must know of the operands, too: of its rows of A, and of a quarter of B.
void WgmmaOp::check_operand(Warp& of, const MatrixLayout& layout, uint32_t first,
                            uint32_t count) const {
  const MatrixUnits units = wgmma_units(layout, first + count);
  for (uint32_t i = layout.mn_major ? 0 : first; i < units.outer; ++i) {
    for (uint32_t j = layout.mn_major ? first / 8 : 0; j < units.inner; ++j) {
      resolve(of, Space::Shared, wgmma_address(of, layout.unit_at(i, j)), 0, kUnitBytes,
              Access::Look);
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
      check_operand(of, layout_a_, 16 * static_cast<uint32_t>(at), 16);
    }
    const uint32_t part = form_.n / 8 * static_cast<uint32_t>(at) / kWarpsOfGroup * 8;
    check_operand(of, layout_b_, part, 8);
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
        const Row& row = warps_[at]->rows[form_.rows.a[reg]];
        for (uint32_t lane = 0; lane < kLanes; ++lane) {
          a_.word[at][lane % 4 + 4 * (reg / 2)][lane / 4 + 8 * (reg % 2)] = row.lane[lane];
        }
      }
    }
  } else if (!bad_) {
    wgmma_take(
        layout_a_, kWarpgroupRows, warp->cta->shared.data(),
        [this](uint32_t row, uint32_t m, uint32_t word) { a_.word[row / 16][m][row % 16] = word; });
  }
}

void WgmmaOp::take_b() {
  wgmma_take(layout_b_, form_.n, warp->cta->shared.data(),
             [this](uint32_t row, uint32_t m, uint32_t word) {
               b_.word[row / 8][m][warpgroup_column(row % 8)] = word;
             });
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
