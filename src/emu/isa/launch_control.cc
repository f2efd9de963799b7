// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.13.18: clusterlaunchcontrol. A cluster asks to take over one that has not begun, and the answer comes into
// shared memory when the policy says so. In the answer's 16 bytes, which are the machine's own, are a mark and the first
// CTA of the cluster that was taken.
#include <fmt/format.h>

#include <cstring>
#include <memory>

#include "emu/isa/bulk_operands.h"
#include "emu/isa/shared_address.h"
#include "emu/isa/table.h"
#include "emu/machine/cluster.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

constexpr uint32_t kTaken = 0x434c4301, kNoneTaken = 0x434c4300;

// The same for all CTAs that it is written to.
struct CancelAnswer {
  bool known = false;
  std::array<uint32_t, 4> words{};
};

std::array<uint32_t, 4> take_pending(Cluster& cluster) {
  // A request may fail though clusters are pending.
  const bool fails = cluster.impatient && cluster.random.below(8) == 0;
  const std::optional<uint32_t> taken = fails ? std::nullopt : cluster.pending->take();
  if (!taken) return {kNoneTaken, 0, 0, 0};
  std::array<uint32_t, 4> words = {kTaken, 0, 0, 0};
  uint32_t rest = *taken;
  for (size_t i = 0; i < 3; ++i) {
    words[i + 1] = rest % cluster.of_grid[i] * cluster.extents[i];
    rest /= cluster.of_grid[i];
  }
  return words;
}

class TryCancel final : public AsyncOp {
 public:
  TryCancel(Warp& issuer, int lane, uint64_t address, uint64_t barrier,
            std::shared_ptr<CancelAnswer> answer)
      : AsyncOp(issuer, AsyncGroup::None), answer_(std::move(answer)) {
    to_ = note_target(*this, address, lane, 16);
    signals_ = check_barrier(issuer, barrier, lane);
    signal_ = static_cast<uint32_t>(barrier);
  }

  const char* what() const override { return "try_cancel"; }
  size_t num_steps() const override { return 2; }
  size_t num_reads() const override { return 1; }
  void step(size_t index) override {
    if (!answer_->known) *answer_ = {true, take_pending(*warp->cta->cluster)};
    if (index == 1 && to_ != nullptr) std::memcpy(to_, answer_->words.data(), 16);
  }
  void complete() override {
    if (signals_) complete_tx(*warp->cta->cluster, signal_, 16, *this);
  }

 private:
  std::shared_ptr<CancelAnswer> answer_;
  std::byte* to_ = nullptr;
  uint32_t signal_ = 0;
  bool signals_ = false;
};

// The list: answer (3), barrier (3). b: to every CTA of the cluster.
Outcome try_cancel(Warp& warp, const Instr& i) {
  const uint32_t* const list = warp.lists + i.extra;
  const Place to(list), barrier(list + 3);
  for_each_issuer(warp, [&](int lane) {
    const std::optional<uint32_t> address = shared_address(warp, to, lane);
    const std::optional<uint32_t> signal = shared_address(warp, barrier, lane);
    if (!address || !signal) return;
    const auto answer = std::make_shared<CancelAnswer>();
    if (i.b == 0) {
      issue(std::make_unique<TryCancel>(warp, lane, *address, *signal, answer));
      return;
    }
    for (const auto& cta : warp.cta->cluster->ctas) {
      const uint32_t rank = cta->rank << kRankShift;
      issue(std::make_unique<TryCancel>(warp, lane, rank | (*address & kOffsetMask),
                                        rank | (*signal & kOffsetMask), answer));
    }
  });
  return Outcome::Yield;
}

Instr decode_try_cancel(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 2, 2);
  const Space space = words.has("shared::cta") ? Space::Shared : Space::Generic;
  Instr instr{.exec = try_cancel};
  instr.b = words.has("multicast::cluster::all") ? 1 : 0;
  std::vector<uint32_t> list;
  append_place(decoder, space, text.operands[0], &list);
  append_place(decoder, space, text.operands[1], &list);
  instr.extra = decoder.list(list);
  return instr;
}

void check_answer(Warp& warp, uint16_t row, bool must_be_taken) {
  for_each_lane(warp.active, [&](int lane) {
    const uint32_t mark = warp.rows[row].lane[lane];
    if (mark != kTaken && mark != kNoneTaken) {
      report(warp, Level::Error, "clc.answer",
             fmt::format("bad answer: what lane {} asks about is no answer of "
                         "clusterlaunchcontrol.try_cancel",
                         lane));
    } else if (must_be_taken && mark != kTaken) {
      report(warp, Level::Error, "clc.answer",
             fmt::format("bad answer: lane {} asks for the first CTA of a cluster, and none was "
                         "cancelled",
                         lane));
    }
  });
}

Outcome query_canceled(Warp& warp, const Instr& i) {
  check_answer(warp, i.a, false);
  LaneMask taken = 0;
  for_active(warp, [&](int lane) {
    taken |= static_cast<LaneMask>(warp.rows[i.a].lane[lane] == kTaken) << lane;
  });
  set_predicate(warp, i.dst, taken);
  return Outcome::Next;
}

Instr decode_query_canceled(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 2, 2);
  Instr instr{.exec = query_canceled};
  instr.a = decoder.row_in(text.operands[1], Type::B128);
  instr.dst = decoder.predicate_out(text.operands[0]);
  return instr;
}

// A list: how many, which of x, y and z each, and its row.
Outcome query_first(Warp& warp, const Instr& i) {
  check_answer(warp, i.a, true);
  const uint32_t* const list = warp.lists + i.extra;
  for (uint32_t at = 0; at < list[0]; ++at) {
    const Row from = warp.rows[i.a + 1 + list[1 + 2 * at]];
    Row& to = warp.rows[list[2 + 2 * at]];
    for_active(warp, [&](int lane) { to.lane[lane] = from.lane[lane]; });
  }
  return Outcome::Next;
}

Instr decode_query_first(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 2, 2);
  Instr instr{.exec = query_first};
  instr.a = decoder.row_in(text.operands[1], Type::B128);
  const ptx::Operand& to = text.operands[0];
  std::vector<uint32_t> list = {0};
  const auto add = [&](uint32_t component, const ptx::Operand& operand) {
    list.push_back(component);
    list.push_back(decoder.row_out(operand, Type::B32));
    ++list[0];
  };
  if (words.has("v4")) {
    if (to.kind != ptx::Operand::Kind::Vector || to.parts.size() != 4) {
      decoder.refuse("the result is a vector of four registers");
    }
    for (uint32_t i = 0; i < 3; ++i) add(i, to.parts[i]);
  } else {
    add(words.has("get_first_ctaid::x") ? 0 : words.has("get_first_ctaid::y") ? 1 : 2, to);
  }
  instr.extra = decoder.list(list);
  return instr;
}

}  // namespace

std::span<const Form> launch_control_forms() {
  static constexpr Form kForms[] = {
      {"clusterlaunchcontrol.try_cancel.async{.shared::cta}.mbarrier::complete_tx::bytes"
       "{.multicast::cluster::all}.b128",
       Unit::Async, Fidelity::Manual, decode_try_cancel, 100, "9.7.13.18.1"},
      {"clusterlaunchcontrol.query_cancel.is_canceled.pred.b128", Unit::Other, Fidelity::Manual,
       decode_query_canceled, 100, "9.7.13.18.2"},
      {"clusterlaunchcontrol.query_cancel.get_first_ctaid.v4.b32.b128", Unit::Other,
       Fidelity::Manual, decode_query_first, 100, "9.7.13.18.2"},
      {"clusterlaunchcontrol.query_cancel.{get_first_ctaid::x,get_first_ctaid::y,get_first_ctaid::z}"
       ".b32.b128",
       Unit::Other, Fidelity::Manual, decode_query_first, 100, "9.7.13.18.2"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
