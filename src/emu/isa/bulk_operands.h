// SPDX-License-Identifier: Apache-2.0
// What the chapters of bulk copies share: their operands, and how a fault ends a run.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "emu/isa/address.h"
#include "emu/isa/bulk_reduce.h"
#include "emu/isa/decoder.h"
#include "emu/machine/bulk_copy.h"
#include "emu/machine/cluster.h"

namespace fa4::emu::isa {

// What a GPU does not survive: reported, and the run is stopped.
[[noreturn]] void bulk_fault(Warp& warp, std::string_view code, const std::string& text);

// An address in a list: space and width, base, offset.
void append_place(Decoder& decoder, Space space, const ptx::Operand& operand,
                  std::vector<uint32_t>* list);

// Operands behind the ones that all forms have: {mask of .multicast}, {cache policy of .L2::cache_hint}. The row of the
// mask; 0: there is none.
uint16_t trailing_operands(Decoder& decoder, const Words& words, const ptx::Instruction& text,
                           size_t first);

// "add" of .add, and the like; "": there is none.
std::string_view bulk_op_of(const Words& words);

// Calls issue_to(destination, barrier) for the place that is named, or for the same place in each CTA of a multicast's mask.
// `pairs` (.cta_group::2): the barrier is in the CTA that is written to or in the other one of its pair; of a multicast, in
// all even or in all odd CTAs, as the one that is named.
template <class Issue>
void for_destinations(Warp& warp, int lane, uint16_t mask_row, uint64_t destination,
                      uint64_t barrier, Issue issue_to, bool pairs = false) {
  const uint64_t one = pairs ? 1 : 0;
  if (mask_row == 0) {
    if ((destination >> kRankShift & ~one) != (barrier >> kRankShift & ~one)) {
      bulk_fault(
          warp, "bulk.barrier_rank",
          "barrier misuse: a bulk copy writes into one CTA and signals a barrier of another");
    }
    issue_to(destination, barrier);
    return;
  }
  const uint32_t mask = warp.rows[mask_row].lane[lane] & 0xffff;
  const auto size = static_cast<uint32_t>(warp.cta->cluster->ctas.size());
  if (mask == 0 || mask >> size != 0) {
    bulk_fault(warp, "bulk.mask",
               "the mask of a multicast is " + std::to_string(mask) + ", in a cluster of " +
                   std::to_string(size) + "; it must name CTAs of the cluster");
  }
  for (uint64_t rank = 0; rank < size; ++rank) {
    if ((mask >> rank & 1) == 0) continue;
    issue_to(
        rank << kRankShift | (destination & kOffsetMask),
        ((rank & ~one) | (barrier >> kRankShift & one)) << kRankShift | (barrier & kOffsetMask));
  }
}

// Runs a body for each active lane as if it were alone: operations are of one lane each.
template <class Body>
void for_each_issuer(Warp& warp, Body body) {
  const LaneMask active = warp.active;
  for_each_lane(active, [&](int lane) {
    warp.active = LaneMask{1} << lane;
    body(lane);
  });
  warp.active = active;
}

}  // namespace fa4::emu::isa
