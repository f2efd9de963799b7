// SPDX-License-Identifier: Apache-2.0
// Who waits at an mbarrier, and whether the phase that it means is the one it gets.
#include <fmt/format.h>

#include "emu/machine/cluster.h"
#include "emu/machine/mbarrier.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu {
namespace {

BarrierTest seen(Warp& warp, BarrierRecord& record, uint64_t phase, bool done, bool acquires) {
  Cluster& cluster = *warp.cta->cluster;
  if (done) {
    if (acquires) cluster.shadow.observe(record.channel, warp.agent);
    record.seen[warp.agent] = static_cast<int64_t>(phase);
  }
  return {.done = done, .record = &record, .phase = phase};
}

// A wait may mean the phase that the warp knows last, or the next one of that parity. If neither is valid now, the wait
// passes or hangs by accident. Before its first wait a warp knows of none, and may begin anywhere.
void check_slip(Warp& warp, const BarrierRecord& record, int64_t awaited, uint32_t parity) {
  const int64_t own = record.seen[warp.agent];
  if (own < 0) return;
  const auto means = [&](int64_t last) {
    const bool same = (last & 1) == parity;
    return awaited == (same ? last : last + 1) || awaited == (same ? last + 2 : last + 1);
  };
  const Shadow& shadow = warp.cta->cluster->shadow;
  const int64_t told =
      int64_t{shadow.known_phases(record.channel, warp.agent)} - record.first_known_phase - 1;
  if (means(own) || (told > own && means(told))) return;
  report(
      warp, Level::Error, "mbar.phase_slip",
      fmt::format(
          "phase slip: {} is in phase {}, and this warp waits for parity {}, which is phase {}; the "
          "last phase that it has seen is {}, so that it cannot tell the two apart",
          name_of_mbarrier(warp, record.address), record.phase, parity, awaited, own));
}

}  // namespace

BarrierTest test_parity(Warp& warp, uint32_t address, int lane, uint32_t parity, bool acquires) {
  BarrierRecord* record = known_barrier(warp, address, lane);
  if (record == nullptr) return {};
  const bool done = (record->phase & 1) != (parity & 1);
  // The phase just before the current one, or the current one. Before phase 0 there was one of parity 1.
  const int64_t awaited = static_cast<int64_t>(record->phase) - (done ? 1 : 0);
  if (warp.cta->cluster->shadow.enabled()) check_slip(warp, *record, awaited, parity & 1);
  if (awaited < 0) return {.done = true, .record = record, .phase = 0};
  return seen(warp, *record, static_cast<uint64_t>(awaited), done, acquires);
}

BarrierTest test_suspended(Warp& warp, uint32_t address, int lane, uint64_t phase, bool acquires) {
  BarrierRecord* record = known_barrier(warp, address, lane);
  if (record == nullptr) return {};
  if (warp.cta->cluster->shadow.enabled() && record->phase > phase + 1) {
    report(
        warp, Level::Warning, "mbar.woken_late",
        fmt::format(
            "woken late: {} is in phase {}, and this warp waits for phase {}; it passes only "
            "as it was suspended before that phase ended: nothing makes later phases wait for it",
            name_of_mbarrier(warp, record->address), record->phase, phase));
  }
  return seen(warp, *record, phase, record->phase > phase, acquires);
}

BarrierTest test_state(Warp& warp, uint32_t address, int lane, uint64_t state, bool acquires) {
  BarrierRecord* record = known_barrier(warp, address, lane);
  if (record == nullptr) return {};
  const uint64_t phase = state >> 20;
  return seen(warp, *record, phase, record->phase > phase, acquires);
}

}  // namespace fa4::emu
