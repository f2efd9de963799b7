// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.15: wgmma. The kinds that have no row here (tf32, integers, single bits, sparse) are unknown forms.
#include <fmt/format.h>

#include <charconv>

#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/table.h"
#include "emu/isa/wgmma_op.h"
#include "emu/machine/cluster.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

// A value that must be the same in all lanes.
uint64_t wgmma_uniform(Warp& warp, uint16_t row, const char* which) {
  const auto value = load64<uint64_t>(warp, row, 0);
  uint32_t differs = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    differs |= warp.rows[row].lane[lane] ^ warp.rows[row].lane[0];
    differs |= warp.rows[row + 1].lane[lane] ^ warp.rows[row + 1].lane[0];
  }
  if (differs == 0) return value;
  for (int lane = 1; lane < kLanes; ++lane) {
    const auto other = load64<uint64_t>(warp, row, lane);
    if (other == value) continue;
    report(
        warp, Level::Error, "wgmma.uniform",
        fmt::format("lanes disagree: the descriptor of {} is {:#x} in lane 0 and {:#x} in lane {}",
                    which, value, other, lane));
    break;
  }
  return value;
}

bool wgmma_accumulates(Warp& warp, const Instr& i, const WgmmaForm& form) {
  if (form.has(WgmmaForm::kScaleNumber)) return form.has(WgmmaForm::kScaleTrue);
  LaneMask scale = warp.predicates[i.c];
  if (form.has(WgmmaForm::kScaleNegated)) scale = ~scale;
  if (scale != 0 && scale != kAllLanes) {
    report(warp, Level::Error, "wgmma.uniform",
           fmt::format("lanes disagree: scale-d is true in lanes {:#010x} alone", scale));
  }
  return (scale & 1) != 0;
}

// Whether the warp may execute an instruction of a warpgroup.
bool wgmma_is_aligned(Warp& warp) {
  if (warp.active != kAllLanes) {
    report(warp, Level::Error, "warp.unaligned_sync",
           fmt::format("lanes {:#010x} execute it without lanes {:#010x} of their warp",
                       warp.active, ~warp.active));
  }
  const size_t warps = warp.cta->warps.size();
  if (warp.index / kWarpsOfGroup * kWarpsOfGroup + kWarpsOfGroup <= warps) return true;
  report(warp, Level::Error, "wgmma.warpgroup",
         fmt::format("no warpgroup: of {} warps, the last {} are not four", warps,
                     warps % kWarpsOfGroup));
  return false;
}

WgmmaRegisters& wgmma_registers(Warp& warp) {
  if (!warp.wgmma.in_use()) warp.wgmma.reset(static_cast<uint32_t>(warp.row_storage.size()));
  return warp.wgmma;
}

// Operands: a, b = descriptors, c = scale-d; a list (WgmmaForm).
Outcome wgmma_multiply(Warp& warp, const Instr& i) {
  if (!wgmma_is_aligned(warp)) return Outcome::Next;
  Cta& cta = *warp.cta;
  Cluster& cluster = *cta.cluster;
  const WgmmaForm form(warp.lists + i.extra);
  WgmmaValues values;
  if (!form.has(WgmmaForm::kRegisters)) values.a = wgmma_uniform(warp, i.a, "A");
  values.b = wgmma_uniform(warp, i.b, "B");
  values.accumulate = wgmma_accumulates(warp, i, form);
  if (cluster.shadow.enabled()) wgmma_registers(warp).begin(warp, form.rows, values.accumulate);

  if (cta.wgmma.empty()) cta.wgmma.resize(cta.warps.size() / kWarpsOfGroup);
  WgmmaQueue& queue = cta.wgmma[warp.index / kWarpsOfGroup];
  const uint64_t at = queue.issued[warp.index % kWarpsOfGroup]++ - queue.num_made;
  if (at < queue.operations.size()) {
    static_cast<WgmmaOp*>(queue.operations[at])->come(warp, values);
    note_progress(cluster);
  } else {
    auto op = std::make_unique<WgmmaOp>(warp, form, values);
    op->come(warp, values);
    queue.operations.push_back(op.get());
    issue(std::move(op));
  }
  if (cluster.eager) make_enabled(queue);
  return Outcome::Yield;
}

// No other architecture has it.
void wgmma_require_hopper(Decoder& decoder) {
  if (decoder.arch() != 90) {
    decoder.refuse(fmt::format("sm_90a alone has wgmma; this machine is sm_{}", decoder.arch()));
  }
}

uint32_t wgmma_columns(const Words& words) {
  for (const std::string_view word : words.all()) {
    if (!word.starts_with("m64n")) continue;
    uint32_t n = 0;
    std::from_chars(word.data() + 4, word.data() + word.size(), n);
    return n;
  }
  return 0;
}

TensorElement wgmma_element(Type type) {
  switch (type) {
    case Type::F16:
      return TensorElement::F16;
    case Type::BF16:
      return TensorElement::BF16;
    case Type::E4M3:
      return TensorElement::E4M3;
    default:
      return TensorElement::E5M2;
  }
}

void wgmma_rows(Decoder& decoder, const ptx::Operand& operand, size_t count, const char* which,
                bool written, Type type, std::vector<uint32_t>* rows) {
  if (operand.kind != ptx::Operand::Kind::Vector || operand.parts.size() != count) {
    decoder.refuse(fmt::format("{} of this shape is a vector of {} registers", which, count));
  }
  for (const ptx::Operand& part : operand.parts) {
    if (part.kind == ptx::Operand::Kind::Sink) decoder.refuse("`_` is no register of D or A");
    rows->push_back(written ? decoder.row_out(part, type) : decoder.row_in(part, type));
  }
}

// scale-d, imm-scale-a and -b, imm-trans-a and -b.
int64_t wgmma_number(Decoder& decoder, const ptx::Operand& operand, int64_t one, int64_t other) {
  const int64_t value = decoder.number(operand);
  if (value != one && value != other) {
    decoder.refuse(fmt::format("{} stands where {} or {} must", value, one, other));
  }
  return value;
}

Instr decode_wgmma(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  wgmma_require_hopper(decoder);
  const std::vector<Type> types = words.types();
  const uint32_t n = wgmma_columns(words);
  const bool half = types[0] == Type::F16;
  const WarpgroupKind kind = {wgmma_element(types[1]), wgmma_element(types[2]), half, true};
  const bool registers =
      text.operands.size() > 1 && text.operands[1].kind == ptx::Operand::Kind::Vector;
  const size_t transposes = kind.narrow() ? 0 : registers ? 1 : 2;
  decoder.require_operands(text, 6 + transposes, 6 + transposes);
  uint32_t flags = static_cast<uint32_t>(kind.a) << WgmmaForm::kElementA |
                   static_cast<uint32_t>(kind.b) << WgmmaForm::kElementB;
  if (half) flags |= WgmmaForm::kHalf;
  if (decoder.exact()) flags |= WgmmaForm::kExact;
  if (registers) flags |= WgmmaForm::kRegisters;

  Instr instr{.exec = wgmma_multiply};
  std::vector<uint32_t> list(WgmmaForm::kNumNumbers);
  wgmma_rows(decoder, text.operands[0], n / 8 * kind.num_d(), "D", true,
             half ? Type::B32 : Type::F32, &list);
  if (registers) {
    wgmma_rows(decoder, text.operands[1], 4, "A", false, Type::B32, &list);
  } else {
    instr.a = decoder.row_in(text.operands[1], Type::B64);
  }
  instr.b = decoder.row_in(text.operands[2], Type::B64);
  const ptx::Operand& scale = text.operands[3];
  if (decoder.is_predicate(scale)) {
    const Predicate predicate = decoder.predicate_in(scale);
    instr.c = predicate.index;
    if (predicate.negated) flags |= WgmmaForm::kScaleNegated;
  } else {
    flags |= WgmmaForm::kScaleNumber;
    if (wgmma_number(decoder, scale, 0, 1) != 0) flags |= WgmmaForm::kScaleTrue;
  }
  const bool negate_a = wgmma_number(decoder, text.operands[4], 1, -1) < 0;
  const bool negate_b = wgmma_number(decoder, text.operands[5], 1, -1) < 0;
  if (negate_a != negate_b) flags |= WgmmaForm::kNegate;
  for (size_t i = 0; i < transposes; ++i) {
    if (wgmma_number(decoder, text.operands[6 + i], 0, 1) == 0) continue;
    flags |= transposes == 2 && i == 0 ? WgmmaForm::kTransposedA : WgmmaForm::kTransposedB;
  }
  list[0] = flags;
  list[1] = n;
  instr.extra = decoder.list(list);
  return instr;
}

Outcome wgmma_fence(Warp& warp, const Instr&) {
  if (wgmma_is_aligned(warp) && warp.cta->cluster->shadow.enabled()) wgmma_registers(warp).fence();
  return Outcome::Next;
}

Outcome wgmma_commit(Warp& warp, const Instr&) {
  if (wgmma_is_aligned(warp)) ++warp.wgmma_groups;
  return Outcome::Next;
}

// Until of the warp's groups at most `extra` are unfinished.
Outcome wgmma_wait(Warp& warp, const Instr& i) {
  if (!wgmma_is_aligned(warp)) return Outcome::Next;
  if (!has_waited_for_groups(warp, {WaitOn::Kind::Wgmma, i.extra, 0})) return Outcome::Wait;
  warp.wgmma.waited(warp.wgmma_groups, i.extra);
  return Outcome::Yield;
}

Instr decode_wgmma_fence(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  wgmma_require_hopper(decoder);
  decoder.require_operands(text, 0, 0);
  return {.exec = wgmma_fence};
}

Instr decode_wgmma_commit(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  wgmma_require_hopper(decoder);
  decoder.require_operands(text, 0, 0);
  return {.exec = wgmma_commit};
}

Instr decode_wgmma_wait(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  wgmma_require_hopper(decoder);
  decoder.require_operands(text, 1, 1);
  const int64_t groups = decoder.number(text.operands[0]);
  if (groups < 0) decoder.refuse("wgmma.wait_group leaves 0 or more groups");
  Instr instr{.exec = wgmma_wait};
  instr.extra = static_cast<uint32_t>(groups);
  return instr;
}

// All n from 8 to 256.
#define FA4_EMU_EIGHT(a, b, c, d, k) \
  "m64n" #a "k" #k ",m64n" #b "k" #k ",m64n" #c "k" #k ",m64n" #d "k" #k
#define FA4_EMU_SHAPES(k)                                                                                                           \
  ".{" FA4_EMU_EIGHT(8, 16, 24, 32, k) "," FA4_EMU_EIGHT(40, 48, 56, 64, k) "," FA4_EMU_EIGHT(72, 80, 88, 96, k) "," FA4_EMU_EIGHT( \
      104, 112, 120, 128,                                                                                                           \
      k) "," FA4_EMU_EIGHT(136, 144, 152, 160,                                                                                      \
                           k) "," FA4_EMU_EIGHT(168, 176, 184, 192,                                                                 \
                                                k) "," FA4_EMU_EIGHT(200, 208, 216, 224,                                            \
                                                                     k) "," FA4_EMU_EIGHT(232,                                      \
                                                                                          240,                                      \
                                                                                          248,                                      \
                                                                                          256,                                      \
                                                                                          k) "}"

constexpr const char* kWgmmaBound = "as an H200";

constexpr Form kWgmmaForms[] = {
    {"wgmma.mma_async.sync.aligned" FA4_EMU_SHAPES(16) ".{f32,f16}.f16.f16", Unit::Matrix,
     Fidelity::Exact, decode_wgmma, 90, "9.7.15.5.2", kWgmmaBound},
    {"wgmma.mma_async.sync.aligned" FA4_EMU_SHAPES(16) ".f32.bf16.bf16", Unit::Matrix,
     Fidelity::Exact, decode_wgmma, 90, "9.7.15.5.2", kWgmmaBound},
    {"wgmma.mma_async.sync.aligned" FA4_EMU_SHAPES(32) ".{f32,f16}.{e4m3,e5m2}.{e4m3,e5m2}",
     Unit::Matrix, Fidelity::Exact, decode_wgmma, 90, "9.7.15.5.2", kWgmmaBound},
    {"wgmma.fence.sync.aligned", Unit::Matrix, Fidelity::Exact, decode_wgmma_fence, 90,
     "9.7.15.7.1"},
    {"wgmma.commit_group.sync.aligned", Unit::Matrix, Fidelity::Exact, decode_wgmma_commit, 90,
     "9.7.15.7.2"},
    {"wgmma.wait_group.sync.aligned", Unit::Matrix, Fidelity::Exact, decode_wgmma_wait, 90,
     "9.7.15.7.3"},
};
#undef FA4_EMU_SHAPES
#undef FA4_EMU_EIGHT

}  // namespace

std::span<const Form> wgmma_forms() { return kWgmmaForms; }

}  // namespace fa4::emu::isa
