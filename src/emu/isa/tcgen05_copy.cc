// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.16.9: tcgen05.cp, from shared to tensor memory, and tcgen05.shift. Of a pair each CTA copies from its own
// memory to its own, at the same addresses.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "emu/isa/bulk_operands.h"
#include "emu/isa/table.h"
#include "emu/isa/tcgen05_uniform.h"
#include "emu/machine/cluster.h"
#include "emu/machine/matrix_descriptor.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

// Which rows of so many bytes, and which lanes each goes to: by its number, plus those of the list.
struct TmemCopyShape {
  const char* word;
  uint32_t rows, row_bytes;
  uint32_t lane_step;                  // between the lanes of two rows
  uint32_t num_copies, copies[4];      // lanes behind that one
  uint32_t rows_of_half = kTmemLanes;  // behind so many rows, the lanes begin `half` later
  uint32_t half = 0;
};
constexpr TmemCopyShape kTmemCopyShapes[] = {
    {"128x256b", 128, 32, 1, 1, {0}},
    {"128x128b", 128, 16, 1, 1, {0}},
    {"4x256b", 4, 32, 32, 1, {0}},
    {"warpx2::02_13", 64, 16, 1, 2, {0, 64}},
    {"warpx2::01_23", 64, 16, 1, 2, {0, 32}, 32, 32},
    {"warpx4", 32, 16, 1, 4, {0, 32, 64, 96}},
};

// 16 elements of 6 or 4 bits, one behind another, each into a byte of its own.
enum class TmemExpansion : uint8_t { None, B6, B4 };
void expand(const std::byte* from, TmemExpansion how, std::byte* to) {
  if (how == TmemExpansion::None) {
    std::memcpy(to, from, 16);
    return;
  }
  const uint32_t bits = how == TmemExpansion::B6 ? 6 : 4;
  uint32_t words[4];
  std::memcpy(words, from, sizeof words);
  for (uint32_t e = 0; e < 16; ++e) {
    const uint32_t at = e * bits;
    uint64_t pair = words[at / 32];
    if (at / 32 + 1 < 4) pair |= uint64_t{words[at / 32 + 1]} << 32;
    const auto element = static_cast<uint32_t>(pair >> at % 32) & ((1u << bits) - 1);
    to[e] = static_cast<std::byte>(bits == 4 ? element << 2 : element);
  }
}

// The CTAs that take part; a pair's other one must be there.
std::vector<Cta*> tensor_ctas(Warp& warp, uint32_t group) {
  Cta* const own = warp.cta;
  if (group == 1) return {own};
  Cta* const peer = peer_of(*own);
  if (peer == nullptr || peer->num_live_warps() == 0) {
    bulk_fault(warp, peer == nullptr ? "tmem.group" : "smem.peer_exited",
               peer == nullptr
                   ? "tensor memory: cta_group::2 needs a pair of CTAs, and this one has "
                     "no peer in its cluster"
                   : "out of bounds: the other CTA of the pair has exited");
  }
  return {own, peer};
}

class TmemCopyOp final : public TensorOp {
 public:
  TmemCopyOp(Warp& issuer, int lane, const TmemCopyShape& shape, TmemExpansion expansion,
             std::vector<Cta*> ctas, uint32_t address, uint64_t descriptor)
      : TensorOp(issuer, lane,
                 shape.rows == 4 ? emu::TensorKind::NarrowCopy : emu::TensorKind::Copy, 0),
        shape_(shape),
        expansion_(expansion),
        ctas_(std::move(ctas)),
        lane_(address >> 16),
        column_(address & 0xffff) {
    if (const DescriptorFault fault = decode_tcgen05_descriptor(descriptor, &layout_)) {
      report(issuer, Level::Error, fault.code, "bad descriptor: " + fault.text);
      bad_ = true;
    }
    if (lane_ != 0 && (shape.rows != 4 || lane_ >= 32)) {
      report(issuer, Level::Error, "tmem.quarter",
             fmt::format("tensor memory: it names lane {}; this shape begins at lane 0", lane_));
      lane_ = 0;
    }
    for (Cta* const cta : ctas_) note(*cta, lane);
  }

  const char* what() const override { return "tcgen05.cp"; }
  size_t num_steps() const override { return 3; }
  size_t num_reads() const override { return 1; }
  void step(size_t index) override {
    if (bad_) return;
    if (index == 0) {
      for (const Cta* const cta : ctas_) read(*cta);
    } else {
      const uint32_t half = shape_.rows / 2;
      const auto first = static_cast<uint32_t>(index - 1) * half;
      for (size_t at = 0; at < ctas_.size(); ++at) write(*ctas_[at], at, first, first + half);
    }
  }

 private:
  uint32_t units() const { return shape_.row_bytes / 16; }
  uint32_t lane_of(uint32_t row, uint32_t copy) const {
    const uint32_t later = row >= shape_.rows_of_half ? shape_.half : 0;
    return lane_ + row * shape_.lane_step + later + shape_.copies[copy];
  }

  void note(Cta& cta, int lane) {
    for (uint32_t row = 0; row < shape_.rows && !bad_; ++row) {
      for (uint32_t j = 0; j < units() && !bad_; ++j) {
        const uint32_t at = layout_.unit_at(row, j);
        bad_ = note_source(*this, at | cta.rank << kRankShift, lane, 16, 16, true) == nullptr;
      }
    }
    TmemRange range{column_, shape_.row_bytes / 4, {}};
    for (uint32_t row = 0; row < shape_.rows; ++row) {
      for (uint32_t copy = 0; copy < shape_.num_copies; ++copy) {
        const uint32_t to = lane_of(row, copy);
        range.lanes[to / 16] = static_cast<uint16_t>(range.lanes[to / 16] | 1u << to % 16);
      }
    }
    bad_ = !note_tmem_write(*this, cta, range, false) || bad_;
  }

  void read(const Cta& cta) {
    for (uint32_t row = 0; row < shape_.rows; ++row) {
      for (uint32_t j = 0; j < units(); ++j) {
        bytes_.resize(bytes_.size() + 16);
        expand(cta.shared.data() + layout_.unit_at(row, j), expansion_,
               &bytes_[bytes_.size() - 16]);
      }
    }
  }

  void write(Cta& cta, size_t which, uint32_t first, uint32_t end) {
    const uint32_t words = shape_.row_bytes / 4;
    for (uint32_t row = first; row < end; ++row) {
      uint32_t values[8];
      const size_t at = (which * shape_.rows + row) * shape_.row_bytes;
      std::memcpy(values, &bytes_[at], shape_.row_bytes);
      for (uint32_t copy = 0; copy < shape_.num_copies; ++copy) {
        for (uint32_t w = 0; w < words; ++w) {
          cta.tmem.column(column_ + w)[lane_of(row, copy)] = values[w];
        }
      }
    }
  }

  const TmemCopyShape& shape_;
  TmemExpansion expansion_;
  std::vector<Cta*> ctas_;
  MatrixLayout layout_;
  uint32_t lane_, column_;
  std::vector<std::byte> bytes_;  // by CTA, then row
  bool bad_ = false;
};

// a = address, b = descriptor, c = shape, dst = group and expansion; extra: what is added to the address.
Outcome tmem_copy(Warp& warp, const Instr& i) {
  for_each_issuer(warp, [&](int lane) {
    const uint32_t address = warp.rows[i.a].lane[lane] + i.extra;
    issue(std::make_unique<TmemCopyOp>(
        warp, lane, kTmemCopyShapes[i.c], static_cast<TmemExpansion>(i.dst >> 4),
        tensor_ctas(warp, i.dst & 3u), address, load64<uint64_t>(warp, i.b, lane)));
  });
  return Outcome::Yield;
}

Instr decode_tmem_copy(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 2, 2);
  Instr instr{.exec = tmem_copy};
  const TmemOperand address = tmem_operand(decoder, text.operands[0]);
  instr.a = address.base;
  instr.extra = static_cast<uint32_t>(address.offset);
  instr.b = decoder.row_in(text.operands[1], Type::B64);
  while (!words.has(kTmemCopyShapes[instr.c].word)) ++instr.c;
  const TmemExpansion expansion = words.has("b6x16_p32")   ? TmemExpansion::B6
                                  : words.has("b4x16_p64") ? TmemExpansion::B4
                                                           : TmemExpansion::None;
  instr.dst = static_cast<uint16_t>(cta_group_of(words) | static_cast<uint32_t>(expansion) << 4);
  return instr;
}

// Each lane from the one that is named on, but the last, takes what the next one has, in 8 columns.
class TmemShiftOp final : public TensorOp {
 public:
  static constexpr uint32_t kColumns = 8;

  TmemShiftOp(Warp& issuer, int lane, std::vector<Cta*> ctas, uint32_t address)
      : TensorOp(issuer, lane, emu::TensorKind::Shift, 0),
        ctas_(std::move(ctas)),
        lane_(address >> 16),
        column_(address & 0xffff) {
    if (lane_ % 32 != 0 || lane_ >= kTmemLanes) {
      report(issuer, Level::Error, "tmem.quarter",
             fmt::format("tensor memory: it names lane {}; it must be a multiple of 32 below 128",
                         lane_));
      lane_ = 0;
    }
    const TmemRange range{column_, kColumns, tmem_lanes(lane_, kTmemLanes - lane_)};
    for (Cta* const cta : ctas_) bad_ = !note_tmem_write(*this, *cta, range, true) || bad_;
  }

  const char* what() const override { return "tcgen05.shift"; }
  size_t num_steps() const override { return 1; }
  size_t num_reads() const override { return 0; }
  void step(size_t) override {
    if (bad_) return;
    for (Cta* const cta : ctas_) {
      for (uint32_t column = column_; column < column_ + kColumns; ++column) {
        uint32_t* const cells = cta->tmem.column(column);
        std::copy(cells + lane_ + 1, cells + kTmemLanes, cells + lane_);
      }
    }
  }

 private:
  std::vector<Cta*> ctas_;
  uint32_t lane_, column_;
  bool bad_ = false;
};

Outcome tmem_shift(Warp& warp, const Instr& i) {
  for_each_issuer(warp, [&](int lane) {
    issue(std::make_unique<TmemShiftOp>(warp, lane, tensor_ctas(warp, i.dst),
                                        warp.rows[i.a].lane[lane] + i.extra));
  });
  return Outcome::Yield;
}

Instr decode_tmem_shift(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 1, 1);
  Instr instr{.exec = tmem_shift};
  const TmemOperand address = tmem_operand(decoder, text.operands[0]);
  instr.a = address.base;
  instr.extra = static_cast<uint32_t>(address.offset);
  instr.dst = static_cast<uint16_t>(cta_group_of(words));
  return instr;
}

#define FA4_EMU_COPY "tcgen05.cp.{cta_group::1,cta_group::2}."

}  // namespace

std::span<const Form> tcgen05_copy_forms() {
  static constexpr Form kForms[] = {
      {FA4_EMU_COPY "{128x256b,128x128b,4x256b}", Unit::Matrix, Fidelity::Manual, decode_tmem_copy,
       100, "9.7.16.9.2", "", 103},
      {FA4_EMU_COPY "{128x256b,128x128b,4x256b}.b8x16.{b6x16_p32,b4x16_p64}", Unit::Matrix,
       Fidelity::Manual, decode_tmem_copy, 100, "9.7.16.9.2", "", 103},
      {FA4_EMU_COPY "64x128b.{warpx2::02_13,warpx2::01_23}", Unit::Matrix, Fidelity::Manual,
       decode_tmem_copy, 100, "9.7.16.9.2", "", 103},
      {FA4_EMU_COPY "64x128b.{warpx2::02_13,warpx2::01_23}.b8x16.{b6x16_p32,b4x16_p64}",
       Unit::Matrix, Fidelity::Manual, decode_tmem_copy, 100, "9.7.16.9.2", "", 103},
      {FA4_EMU_COPY "32x128b.warpx4", Unit::Matrix, Fidelity::Manual, decode_tmem_copy, 100,
       "9.7.16.9.2", "", 103},
      {FA4_EMU_COPY "32x128b.warpx4.b8x16.{b6x16_p32,b4x16_p64}", Unit::Matrix, Fidelity::Manual,
       decode_tmem_copy, 100, "9.7.16.9.2", "", 103},
      {"tcgen05.shift.{cta_group::1,cta_group::2}.down", Unit::Matrix, Fidelity::Manual,
       decode_tmem_shift, 100, "9.7.16.9.3", "", 103},
  };
  return kForms;
}

#undef FA4_EMU_COPY

}  // namespace fa4::emu::isa
