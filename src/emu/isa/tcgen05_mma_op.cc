// SPDX-License-Identifier: Apache-2.0
#include "emu/isa/tcgen05_mma_op.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "emu/isa/tcgen05_gather.h"
#include "emu/machine/cluster.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

// Two of them are made in order if these are the same: accumulator, shape, group.
uint64_t tcgen05_key(const Tcgen05Shape& shape, uint32_t d) {
  return uint64_t{d} << 32 | uint64_t{shape.m} << 16 | shape.n << 4 |
         static_cast<uint32_t>(shape.kind) << 2 | shape.group;
}

}  // namespace

std::array<Cta*, 2> tcgen05_ctas(Cta& cta, uint32_t group) {
  if (group == 1) return {&cta, nullptr};
  Cta* const peer = peer_of(cta);
  if (cta.rank % 2 == 0) return {&cta, peer};
  return {peer, &cta};
}

Tcgen05MmaOp::Tcgen05MmaOp(Warp& issuer, int lane, const Tcgen05Shape& shape,
                           const Tcgen05MmaValues& values)
    : TensorOp(issuer, lane, emu::TensorKind::Mma, tcgen05_key(shape, values.d)),
      lane_(lane),
      shape_(shape),
      values_(values),
      ctas_(tcgen05_ctas(*issuer.cta, shape.group)) {
  if (!values.a_in_tensor_memory) {
    describe(values.a, "A", shape.rows(), shape.transposed_a, &atoms_a_);
  }
  describe(values.b, "B", shape.columns(), shape.transposed_b, &atoms_b_);
  if (!bad_) {
    if (!values.a_in_tensor_memory) note_matrix(atoms_a_);
    note_matrix(atoms_b_);
  }
  note_addresses();
  if (!bad_ && issuer.cta->cluster->shadow.enabled()) note_reach();
}

void Tcgen05MmaOp::describe(uint64_t descriptor, const char* which, uint32_t rows, bool transposed,
                            MatrixAtoms* atoms) {
  MatrixLayout layout;
  layout.mn_major = transposed;
  DescriptorFault fault = decode_tcgen05_descriptor(descriptor, &layout);
  if (!fault) fault = check_tcgen05_operand(shape_, layout);
  if (fault) {
    report(*warp, Level::Error, fault.code, "bad descriptor of " + (which + (": " + fault.text)));
    bad_ = true;
    return;
  }
  *atoms = MatrixAtoms(layout, tcgen05_units(shape_, layout, rows));
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

// All units lie within shared memory, and the CTAs are there.
void Tcgen05MmaOp::note_matrix(const MatrixAtoms& atoms) {
  for (uint32_t group = 0; group < shape_.group; ++group) {
    note_operand(*this, *ctas_[group], atoms, true,
                 [&](uint32_t begin, uint32_t end) { note_races(group, begin, end); });
  }
}

// A race about some rows concerns who reads what comes of them; a fence that is missing concerns all.
void Tcgen05MmaOp::note_races(uint32_t group, uint32_t begin, uint32_t end) {
  const Cta& cta = *ctas_[group];
  Shadow& shadow = warp->cta->cluster->shadow;
  const uint32_t in_shadow = cta.shadow_offset(cta.shared.data());
  for (uint32_t at = begin; at < end; at += MatrixLayout::kUnitBytes) {
    const Conflict conflict = shadow.copy_reads(id, site, in_shadow + at, MatrixLayout::kUnitBytes);
    switch (conflict.kind) {
      case Conflict::Kind::None:
      case Conflict::Kind::Unwritten:
        break;
      case Conflict::Kind::Unfenced:
      case Conflict::Kind::UnfencedLanes:
        report_conflict(*warp, conflict, at, lane_, Access::Read);
        break;
      default:
        raced_.push_back(in_shadow + at);
        if (!race_) race_ = describe_conflict(*warp, conflict, at, lane_, Access::Read);
    }
  }
}

void Tcgen05MmaOp::note_reach() {
  auto reach = std::make_unique<Tcgen05Reach>(
      id, site,
      Tcgen05Operands{shape_,
                      ctas_,
                      values_.a_in_tensor_memory,
                      atoms_a_.layout(),
                      atoms_b_.layout(),
                      values_.d,
                      {lanes(0), shape_.group == 2 ? lanes(1) : TmemLanes{}}});
  OperandRaces& races = warp->cta->cluster->operand_races;
  if (race_) {
    std::ranges::sort(raced_);
    races.meet(*reach, raced_, race_->code, race_->text);
  }
  races.add(std::move(reach));
}

uint32_t Tcgen05MmaOp::sixteens() const {
  if (shape_.layout() != Tcgen05Layout::F) return 0xff;
  return base() == 16 ? 0xaa : 0x55;
}

TmemLanes Tcgen05MmaOp::lanes(uint32_t group) const {
  TmemLanes lanes{};
  for (uint32_t at = 0; at < lanes.size(); ++at) {
    if ((sixteens() >> at & 1) == 0) continue;
    const uint32_t disabled = values_.disabled[4 * group + at / 2] >> (16 * (at % 2));
    lanes[at] = static_cast<uint16_t>(~disabled);
  }
  return lanes;
}

void Tcgen05MmaOp::note_addresses() {
  const bool half = shape_.layout() == Tcgen05Layout::F;
  const auto check = [&](uint32_t address, const char* which) {
    if (address >> 16 == 0 || (half && address >> 16 == 16)) return true;
    report(*warp, Level::Error, "tmem.lane",
           fmt::format("out of bounds: {} lies at lane {} of tensor memory; with M = {} and "
                       "cta_group::{} it begins at lane {}",
                       which, address >> 16, shape_.m, shape_.group, half ? "0 or 16" : "0"));
    return false;
  };
  const auto a = static_cast<uint32_t>(values_.a);
  if (values_.a_in_tensor_memory && check(a, "A")) {
    if (a >> 16 != base()) {
      report(*warp, Level::Error, "tmem.lane",
             fmt::format("out of bounds: A lies at lane {} of tensor memory and D at lane {}; with "
                         "M = 64 both begin at the same one",
                         a >> 16, base()));
      bad_ = true;
    }
    TmemRange range = {a & 0xffff, kTcgen05ColumnsOfA, {}};
    for (uint32_t at = 0; at < range.lanes.size(); ++at) {
      range.lanes[at] = (sixteens() >> at & 1) != 0 ? 0xffff : 0;
    }
    for (uint32_t group = 0; group < shape_.group; ++group) {
      if (!note_tmem_read(*this, *ctas_[group], range, "A")) bad_ = true;
    }
  } else if (values_.a_in_tensor_memory) {
    bad_ = true;
  }
  if (!check(values_.d, "D")) return;
  for (uint32_t group = 0; group < shape_.group; ++group) {
    const TmemRange range = {values_.d & 0xffff, shape_.d_columns(), lanes(group)};
    d_is_there_[group] = note_tmem_write(*this, *ctas_[group], range, values_.accumulate, "D");
  }
}

void Tcgen05MmaOp::step(size_t index) {
  if (index == 0) {
    if (!bad_) take_a();
  } else if (index == 1) {
    if (!bad_) take_b();
  } else {
    const size_t part = index - kNumReads, parts = num_parts();
    const auto at = static_cast<uint32_t>(part % parts);
    const uint32_t columns = shape_.d_columns() / static_cast<uint32_t>(parts);
    // The first parts are of a multiple of eight columns.
    const uint32_t first = at * columns / 8 * 8;
    const uint32_t end = at + 1 == parts ? shape_.d_columns() : (at + 1) * columns / 8 * 8;
    write(static_cast<uint32_t>(part / parts), first, end - first);
  }
}

void Tcgen05MmaOp::take_a() {
  for (uint32_t group = 0; group < shape_.group; ++group) {
    a_[group] = std::make_unique_for_overwrite<Tcgen05A>();
    Tcgen05A* const a = a_[group].get();
    if (values_.a_in_tensor_memory) {
      const auto column = static_cast<uint32_t>(values_.a & 0xffff);
      tcgen05_take_tensor(shape_, values_.shifts_a, sixteens(), values_.exact,
                          ctas_[group]->tmem.column(column), a);
    } else {
      tcgen05_take_a(shape_, atoms_a_, base(), sixteens(), values_.exact,
                     ctas_[group]->shared.data(), a);
    }
  }
}

void Tcgen05MmaOp::take_b() {
  b_ = std::make_unique_for_overwrite<Tcgen05B>();
  for (uint32_t group = 0; group < shape_.group; ++group) {
    tcgen05_take_b(shape_, atoms_b_, group * shape_.columns(), values_.exact,
                   ctas_[group]->shared.data(), b_.get());
  }
}

void Tcgen05MmaOp::write(uint32_t group, uint32_t first, uint32_t columns) {
  if (!d_is_there_[group] || columns == 0) return;
  uint32_t* const d = ctas_[group]->tmem.column((values_.d & 0xffff) + first);
  if (bad_) {
    const TmemLanes written = lanes(group);
    for (uint32_t lane = 0; lane < kTcgen05Lanes; ++lane) {
      if ((written[lane / 16] >> lane % 16 & 1) == 0) continue;
      for (uint32_t column = 0; column < columns; ++column) {
        std::memset(d + size_t{column} * kTcgen05Lanes + lane, kPoisonByte, sizeof *d);
      }
    }
    return;
  }
  Tcgen05Product product;
  product.element_a = shape_.a;
  product.element_b = shape_.b;
  product.k = shape_.k();
  product.half = shape_.half;
  product.exact = values_.exact;
  product.accumulate = values_.accumulate;
  product.c_shift = values_.c_shift;
  product.a = a_[group].get();
  product.b = b_.get();
  product.columns = columns;
  product.d = d;
  std::copy_n(values_.disabled.begin() + 4 * group, 4, product.disabled.begin());
  if (shape_.layout() != Tcgen05Layout::B) {
    product.first_column = first;
    product.sixteens = sixteens();
    return tcgen05_best().product(product);
  }
  for (uint32_t half = 0; half < 2; ++half) {
    product.first_column = half * shape_.n / 2 + first;
    product.sixteens = half == 0 ? 0x0f : 0xf0;
    tcgen05_best().product(product);
  }
}

}  // namespace fa4::emu::isa
