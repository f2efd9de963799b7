// SPDX-License-Identifier: Apache-2.0
// What concerns a cluster or a whole CTA: barrier.cluster, mapa, getctarank, setmaxnreg, griddepcontrol.
#include "emu/machine/cluster.h"

#include <fmt/format.h>

#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/table.h"
#include "emu/machine/memory.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

void cluster_misuse(Warp& warp, const char* code, const std::string& text) {
  report(warp, Level::Error, code, "barrier misuse: " + text);
}

void need_whole_warp(Warp& warp, bool aligned, const char* what) {
  const LaneMask present = ~warp.exited;
  if (!aligned || warp.active == present) return;
  cluster_misuse(warp, "warp.unaligned_sync",
                 fmt::format("lanes {:#010x} come to {} without lanes {:#010x} of their warp",
                             warp.active, what, present & ~warp.active));
}

constexpr uint32_t kClusterAligned = 1, kClusterRelaxed = 2;

Outcome cluster_arrive(Warp& warp, const Instr& i) {
  need_whole_warp(warp, (i.extra & kClusterAligned) != 0, "barrier.cluster.arrive");
  Cluster& cluster = *warp.cta->cluster;
  ClusterBarrier& barrier = cluster.barrier;
  const LaneMask again = barrier.unwaited[warp.agent] & warp.active;
  if (again != 0) {
    cluster_misuse(warp, "bar.generation",
                   fmt::format("lanes {:#010x} have come to the cluster's barrier before, and have "
                               "not waited since",
                               again));
  }
  barrier.unwaited[warp.agent] |= warp.active;
  barrier.arrived[warp.agent] |= warp.active;
  if ((i.extra & kClusterRelaxed) == 0) {
    cluster.shadow.arrive(barrier.channel, warp.agent);
  } else {
    cluster.shadow.arrive_relaxed(barrier.channel, warp.agent);
  }
  note_progress(cluster);
  complete_if_full(cluster);
  return Outcome::Yield;
}

Outcome cluster_wait(Warp& warp, const Instr& i) {
  Cluster& cluster = *warp.cta->cluster;
  ClusterBarrier& barrier = cluster.barrier;
  Split& split = warp.splits[warp.split];
  if ((barrier.arrived[warp.agent] & warp.active) != 0) {
    need_whole_warp(warp, (i.extra & kClusterAligned) != 0, "barrier.cluster.wait");
    split.wait = {WaitOn::Kind::ClusterBarrier, 0, barrier.generation};
    return Outcome::Wait;
  }
  split.wait = {};
  const LaneMask absent = warp.active & ~barrier.unwaited[warp.agent];
  if (absent != 0) {
    cluster_misuse(warp, "bar.generation",
                   fmt::format("lanes {:#010x} wait at the cluster's barrier and have not come to "
                               "it (barrier.cluster.arrive)",
                               absent));
  }
  barrier.unwaited[warp.agent] &= ~warp.active;
  cluster.shadow.observe(barrier.channel, warp.agent);
  return Outcome::Yield;
}

Instr decode_cluster_barrier(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 0, 0);
  Instr instr{.exec = words.has("arrive") ? cluster_arrive : cluster_wait};
  instr.extra =
      (words.has("aligned") ? kClusterAligned : 0) | (words.has("relaxed") ? kClusterRelaxed : 0);
  return instr;
}

// The same offset in the CTA of a rank. Addresses of shared memory and generic ones hold the rank at the same bits.
constexpr uint32_t kRankMask = 0xffu << kRankShift;

template <bool Wide>
Outcome map_to_rank(Warp& warp, const Instr& i) {
  const size_t num_ranks = warp.cta->cluster->ctas.size();
  for_each_lane(warp.active, [&](int lane) {
    const uint32_t rank = warp.rows[i.b].lane[lane];
    if (rank >= num_ranks) {
      report(warp, Level::Error, "smem.foreign_rank",
             fmt::format("out of bounds: lane {} maps an address to rank {}; this cluster has {} "
                         "CTAs",
                         lane, rank, num_ranks));
    }
    warp.rows[i.dst].lane[lane] =
        (warp.rows[i.a].lane[lane] & ~kRankMask) | (rank << kRankShift & kRankMask);
    if constexpr (Wide) warp.rows[i.dst + 1].lane[lane] = warp.rows[i.a + 1].lane[lane];
  });
  return Outcome::Next;
}

Outcome rank_of_address(Warp& warp, const Instr& i) {
  for_active(warp, [&](int lane) {
    warp.rows[i.dst].lane[lane] = (warp.rows[i.a].lane[lane] & kRankMask) >> kRankShift;
  });
  return Outcome::Next;
}

Instr decode_map(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  if (type == Type::U32 && !words.has("shared::cluster")) {
    decoder.refuse("a generic address has 64 bits");
  }
  return decoder.binary(type == Type::U64 ? map_to_rank<true> : map_to_rank<false>, text, type,
                        type, Type::U32);
}

Instr decode_rank(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type();
  if (type == Type::U32 && !words.has("shared::cluster")) {
    decoder.refuse("a generic address has 64 bits");
  }
  return decoder.unary(rank_of_address, text, Type::U32, type);
}

// Registers move between a warp and the pool of its CTA. `extra`: how many a thread has afterwards.
template <bool Increases>
Outcome set_registers(Warp& warp, const Instr& i) {
  Split& split = warp.splits[warp.split];
  split.wait = {};
  need_whole_warp(warp, true, "setmaxnreg");
  if (warp.registers == 0) return Outcome::Yield;  // the kernel was compiled without a bound
  const uint32_t wanted = i.extra;
  Cta& cta = *warp.cta;
  if (Increases ? wanted < warp.registers : wanted > warp.registers) {
    report(warp, Level::Error, "reg.setmaxnreg",
           fmt::format("barrier misuse: setmaxnreg.{} asks for {} registers where the warp has {}",
                       Increases ? "inc" : "dec", wanted, warp.registers));
    return Outcome::Yield;
  }
  if constexpr (Increases) {
    const uint32_t more = (wanted - warp.registers) * kLanes;
    if (more > cta.free_registers) {
      split.wait = {WaitOn::Kind::Registers, more, 0};
      return Outcome::Wait;
    }
    cta.free_registers -= more;
  } else {
    cta.free_registers += (warp.registers - wanted) * kLanes;
  }
  warp.registers = wanted;
  note_progress(*cta.cluster);
  return Outcome::Yield;
}

Instr decode_set_registers(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 1, 1);
  const int64_t count = decoder.number(text.operands[0]);
  if (count < 24 || count > 256 || count % 8 != 0) {
    decoder.refuse("setmaxnreg takes a multiple of 8 from 24 to 256");
  }
  Instr instr{.exec = words.has("inc") ? set_registers<true> : set_registers<false>};
  instr.extra = static_cast<uint32_t>(count);
  return instr;
}

// Grids are launched one after the other here: the grid before is complete, and the next one starts later anyway.
Outcome depend(Warp&, const Instr&) { return Outcome::Yield; }

Instr decode_depend(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 0, 0);
  return {.exec = depend};
}

}  // namespace

std::span<const Form> cluster_forms() {
  static constexpr Form kForms[] = {
      {"barrier.cluster.arrive{.{release,relaxed}}{.aligned}", Unit::Barrier, Fidelity::Exact,
       decode_cluster_barrier, 90, "9.7.13.3"},
      {"barrier.cluster.wait{.acquire}{.aligned}", Unit::Barrier, Fidelity::Exact,
       decode_cluster_barrier, 90, "9.7.13.3"},
      {"mapa{.shared::cluster}.{u32,u64}", Unit::Move, Fidelity::Exact, decode_map, 90, "9.7.9.22"},
      {"getctarank{.shared::cluster}.{u32,u64}", Unit::Move, Fidelity::Exact, decode_rank, 90,
       "9.7.9.23"},
      {"setmaxnreg.{inc,dec}.sync.aligned.u32", Unit::Other, Fidelity::Exact, decode_set_registers,
       90, "9.7.19.5"},
      {"griddepcontrol.{launch_dependents,wait}", Unit::Other, Fidelity::Exact, decode_depend, 90,
       "9.7.13.13"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
