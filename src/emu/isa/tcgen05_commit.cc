// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.16.12: tcgen05.commit, an arrival at an mbarrier, or at one in each CTA of a mask, when all that the thread has
// issued (mma, cp, shift) is done.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "emu/isa/bulk_operands.h"
#include "emu/isa/shared_address.h"
#include "emu/isa/table.h"
#include "emu/isa/tcgen05_group.h"
#include "emu/machine/cluster.h"
#include "emu/machine/tensor_op.h"
#include "emu/machine/tmem.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {

void require_tcgen05(Decoder& decoder) {
  if (decoder.arch() == 100 || decoder.arch() == 103) return;
  decoder.refuse(
      fmt::format("sm_100a and sm_103a have tcgen05; this machine is sm_{}", decoder.arch()));
}

bool tcgen05_group_is_there(Warp& warp, uint32_t group) {
  if (group == 1) return true;
  const Cta* const peer = peer_of(*warp.cta);
  if (peer != nullptr && peer->num_live_warps() != 0) return true;
  report(
      warp, Level::Error, peer == nullptr ? "tcgen05.no_peer" : "tcgen05.peer_exited",
      peer == nullptr
          ? fmt::format("no peer: cta_group::2 is for pairs of CTAs, and this one, of rank {} in "
                        "a cluster of {}, has none",
                        warp.cta->rank, warp.cta->cluster->ctas.size())
          : fmt::format("no peer: the other CTA of the pair, of rank {}, has exited", peer->rank));
  return false;
}

namespace {

class Tcgen05Commit final : public AsyncOp {
 public:
  Tcgen05Commit(Warp& issuer, int lane, uint32_t barrier)
      : AsyncOp(issuer, AsyncGroup::None),
        pipe_(tensor_pipe(issuer, lane)),
        position_(pipe_.position),
        barrier_(barrier) {
    known_at_issue =
        issuer.cta->cluster->shadow.with_pipe(known_at_issue, pipe_.channel, position_);
    number_ = pipe_.commits.empty() ? 1 : pipe_.commits.back() + 1;
    pipe_.commits.push_back(number_);
  }

  const char* what() const override { return "tcgen05.commit"; }
  size_t num_steps() const override { return 0; }
  size_t num_reads() const override { return 0; }
  void step(size_t) override {}
  bool enabled() const override { return first() == nullptr && pipe_.commits.front() == number_; }
  std::string why_disabled() const override {
    const TensorOp* const waits_for = first();
    if (waits_for == nullptr) return enabled() ? "" : "an earlier commit has not signalled";
    return fmt::format("a {} that its thread issued before is not done", waits_for->what());
  }
  void complete() override {
    pipe_.commits.erase(std::ranges::find(pipe_.commits, number_));
    const Cta* const told = cta_of(*warp->cta->cluster, barrier_);
    if (told != nullptr && told->num_live_warps() == 0) {
      report(*warp, Level::Error, "async.after_exit",
             "unfinished: a tcgen05.commit signals at an mbarrier of a CTA that has exited; its "
             "shared memory may be another's by then");
    }
    arrive_by(*warp->cta->cluster, barrier_, 1, *this);
  }

 private:
  // The first operation that is not done and that it tells of.
  const TensorOp* first() const {
    if (pipe_.operations.empty()) return nullptr;
    const TensorOp* const oldest = pipe_.operations.front();
    return oldest->position <= position_ ? oldest : nullptr;
  }

  TensorPipe& pipe_;
  const uint32_t position_;
  uint32_t number_ = 0;  // among those that have not signalled
  const uint32_t barrier_;
};

// The list: address (3), row of the mask or 0, CTAs of the group.
Outcome tcgen05_commit(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  const Place place(list);
  const auto mask_row = static_cast<uint16_t>(list[3]);
  for_each_issuer(warp, [&](int lane) {
    if (!tcgen05_group_is_there(warp, list[4])) return;
    const std::optional<uint32_t> address = shared_address(warp, place, lane);
    if (!address) return;
    for_destinations(warp, lane, mask_row, *address, *address, [&](uint64_t, uint64_t barrier) {
      if (!check_barrier(warp, barrier, lane)) return;
      issue(std::make_unique<Tcgen05Commit>(warp, lane, static_cast<uint32_t>(barrier)));
    });
  });
  return Outcome::Yield;
}

Instr decode_tcgen05_commit(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  require_tcgen05(decoder);
  const bool multicast = words.has("multicast::cluster");
  decoder.require_operands(text, multicast ? 2 : 1, multicast ? 2 : 1);
  std::vector<uint32_t> list = address_list(decoder, words, text.operands[0]);
  list.push_back(multicast ? decoder.row_in(text.operands[1], Type::U16) : 0u);
  list.push_back(words.has("cta_group::2") ? 2 : 1);
  Instr instr{.exec = tcgen05_commit};
  instr.extra = decoder.list(list);
  return instr;
}

}  // namespace

std::span<const Form> tcgen05_commit_forms() {
  static constexpr Form kForms[] = {
      {"tcgen05.commit.{cta_group::1,cta_group::2}.mbarrier::arrive::one{.shared::cluster}"
       "{.multicast::cluster}.b64",
       Unit::Async, Fidelity::Manual, decode_tcgen05_commit, 100, "9.7.16.12.1"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
